/* SPDX-License-Identifier: 0BSD */
/* bstar.h - makes any server one half of a Binary Star pair: a reactor.
 *
 * The application registers handlers for its sockets and timers, and
 * bstar_start() calls them, all in one thread. Beside them the reactor
 * publishes its state, takes votes and changes between active and passive. A
 * handler that blocks for 0.9 intervals may let the lease of this half expire.
 * The half then returns to the state in which it started.
 *
 *     bstar *star = bstar_new(ctx, true, "tcp://127.0.0.1:5003",
 *                             "tcp://localhost:5004", 1000);
 *     bstar_voter(star, "tcp://127.0.0.1:5001", serve, self);
 *     bstar_start(star);
 *     bstar_destroy(&star);
 *
 * An endpoint that libzmq refuses, a 16th reader or a 16th timer ends the
 * program with a message. Call all functions from the thread that runs the
 * reactor.
 *
 * Guide: chapter 4, "Binary Star Reactor".
 */
#pragma once
#include "zg.h"

typedef struct bstar bstar;

/* Handle a message from a socket: all its frames. For a timer or a change of
 * state both are NULL. The handler may send, change or leave the message; the
 * reactor clears it. Return -1 to end the reactor. */
typedef int bstar_handler(zg_msg *msg, void *sock, void *arg);

/* Bind `local` to publish our state every `interval` ms, and connect to the
 * peer's PUB at `remote`, a string that must remain valid. The interval, at
 * least 10, must be the same in both halves. */
bstar *bstar_new(void *ctx, bool is_primary, const char *local,
                 const char *remote, long interval);
void bstar_destroy(bstar **self);

/* Bind a ROUTER for clients. Each message is a vote. The handler is called only
 * while this half is active; otherwise the request is dropped.
 * bstar_destroy() closes the socket. */
void *bstar_voter(bstar *self, const char *endpoint, bstar_handler *handler,
                  void *arg);

/* Set the handler to call when this half has become active, or passive. The
 * reactor calls it before any other handler. It calls none when the lease
 * expires, so the same handler may be called twice in a row. */
void bstar_new_active(bstar *self, bstar_handler *handler, void *arg);
void bstar_new_passive(bstar *self, bstar_handler *handler, void *arg);

/* Return true if this half is active and its lease has not expired. */
bool bstar_is_active(const bstar *self);

/* Return true if the peer has published within the last two intervals. */
bool bstar_hears_peer(const bstar *self);

/* Call the handler for each message from a socket of the application, in any
 * state. End the reader before you close the socket. A handler may do both, in
 * either order, before it returns. End no voter: bstar_destroy() would not
 * close its socket. */
void bstar_reader(bstar *self, void *sock, bstar_handler *handler, void *arg);
void bstar_reader_end(bstar *self, void *sock);

/* Call the handler every `msecs` ms. Return the id of the timer. */
int bstar_timer(bstar *self, long msecs, bstar_handler *handler, void *arg);
void bstar_timer_end(bstar *self, int id);

/* Run until the context is shut down (0) or a handler has returned -1 (-1). The
 * half takes part in the pair from here on. */
int bstar_start(bstar *self);
