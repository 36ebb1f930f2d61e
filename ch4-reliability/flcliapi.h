/* SPDX-License-Identifier: 0BSD */
/* flcliapi.h - requests to any of several servers that speak RFC 10.
 *
 *     flcliapi *client = flcliapi_new(ctx, 3000, 2000);
 *     flcliapi_connect(client, "tcp://localhost:5555");
 *     flcliapi_connect(client, "tcp://localhost:5556");
 *     if (flcliapi_request(client, &msg))
 *         ... msg is the reply
 *     flcliapi_destroy(&client);
 */
#pragma once
#include "zg.h"

typedef struct flcliapi flcliapi;

/* How long a request may take, and how often a silent server is pinged, in
 * milliseconds. */
flcliapi *flcliapi_new(void *ctx, long timeout, long ping_interval);
void flcliapi_destroy(flcliapi **self);

/* Use this server too, from the moment that it answers a PING. */
void flcliapi_connect(flcliapi *self, const char *endpoint);

/* Sends a request of 1 to 16 frames and puts the reply in its place. False if
 * no server answered (errno is ETIMEDOUT) or the program is to stop (ETERM). */
bool flcliapi_request(flcliapi *self, zg_msg *msg);
