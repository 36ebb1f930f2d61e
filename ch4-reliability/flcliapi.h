/* SPDX-License-Identifier: 0BSD */
/* flcliapi.h - Freelance client class: sends a request to any live server.
 *
 *     flcliapi *client = flcliapi_new(ctx, 3000, 2000);
 *     flcliapi_connect(client, "tcp://localhost:5555");
 *     flcliapi_connect(client, "tcp://localhost:5556");
 *     if (flcliapi_request(client, &msg))
 *         ... msg is the reply
 *     flcliapi_destroy(&client);
 *
 * A client may be used by one thread only.
 *
 * Guide: chapter 4, "Model Three: Complex and Nasty"; RFC 10.
 */
#pragma once
#include "zg.h"

typedef struct flcliapi flcliapi;

/* Return a new client. `timeout` limits a request, `ping_interval` is the time
 * between two PINGs to a server, at least 1, both in ms. The client has a
 * thread, which ends with flcliapi_destroy(). */
flcliapi *flcliapi_new(void *ctx, long timeout, long ping_interval);
void flcliapi_destroy(flcliapi **self);

/* Add a server, up to 64. Requests go to it after it has answered a PING. The
 * program ends with an error if libzmq refuses the endpoint. */
void flcliapi_connect(flcliapi *self, const char *endpoint);

/* Send a request, 1 to 16 frames in msg. True: msg is the reply. False: errno
 * is ETIMEDOUT (no server replied), ETERM (shutdown) or EINVAL (too many frames
 * or none), and the content of msg is undefined. The caller owns msg. RFC
 * 10. */
bool flcliapi_request(flcliapi *self, zg_msg *msg);
