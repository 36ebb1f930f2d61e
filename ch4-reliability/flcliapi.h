/* SPDX-License-Identifier: 0BSD */
/* flcliapi.h - requests to any of several servers that speak RFC 10.
 *
 *     flcliapi *client = flcliapi_new(ctx, 3000, 2000);
 *     flcliapi_connect(client, "tcp://localhost:5555");
 *     flcliapi_connect(client, "tcp://localhost:5556");
 *     if (flcliapi_request(client, &msg))
 *         ... msg is the reply
 *     flcliapi_destroy(&client);
 *
 * Not for several threads at once; each may have a client of its own.
 *
 * Guide: chapter 4, "Model Three: Complex and Nasty"; RFC 10.
 */
#pragma once
#include "zg.h"

typedef struct flcliapi flcliapi;

/* How long a request may take, and the time between two PINGs of each server,
 * in ms. A thread of its own begins here, and ends with flcliapi_destroy(). */
flcliapi *flcliapi_new(void *ctx, long timeout, long ping_interval);
void flcliapi_destroy(flcliapi **self);

/* Use this server too, from the moment that it answers a PING; up to 64 of
 * them. An endpoint that is none ends the program. */
void flcliapi_connect(flcliapi *self, const char *endpoint);

/* Ask with a body of 1 to 16 frames; when this returns true they are replaced
 * by those of the reply. False: errno is ETIMEDOUT (no server answered), ETERM
 * (the program stops) or EINVAL (so many frames cannot be sent), and what is in
 * msg is of no use. Either way it is yours to clear. RFC 10. */
bool flcliapi_request(flcliapi *self, zg_msg *msg);
