/* SPDX-License-Identifier: 0BSD */
/* bstar.h - makes any server one half of a Binary Star pair: a reactor.
 *
 * The application says what is to be done and bstar_start() does it, all in
 * one thread: its state messages, votes and failovers go on beside it as long
 * as no handler keeps it for more than an interval.
 *
 *     bstar *star = bstar_new(ctx, true, "tcp://127.0.0.1:5003",
 *                             "tcp://localhost:5004", 1000);
 *     bstar_voter(star, "tcp://127.0.0.1:5001", ZMQ_ROUTER, serve, self);
 *     bstar_start(star);
 *     bstar_destroy(&star);
 *
 * What cannot be done when it is set up, such as to bind or a 16th timer, ends
 * the program. All functions are for the thread that runs the reactor.
 *
 * Guide: chapter 4, "Binary Star Reactor".
 */
#pragma once
#include "zg.h"

typedef struct bstar bstar;

/* What the application is called with: a message, all its frames as they came,
 * and its socket, or NULL for both when it is about time or a change of state.
 * The message may be sent, changed, or left: it is cleared after the call. A
 * handler that returns -1 ends the reactor. */
typedef int bstar_handler(zg_msg *msg, void *sock, void *arg);

/* Local is where to publish our state (bound), remote where the peer publishes
 * its. Each does so once per interval, in ms: two of them without a word mean
 * that the other is gone. */
bstar *bstar_new(void *ctx, bool primary, const char *local, const char *remote,
                 long interval);
void bstar_destroy(bstar **self);

/* Bind a socket of that type for clients; bstar_destroy() closes it. What comes
 * is a vote, goes to the handler while we are active, and is dropped if not. */
void *bstar_voter(bstar *self, const char *endpoint, int type,
                  bstar_handler *handler, void *arg);

/* To be called when we become active, or passive, and before anything else
 * happens. One that is stopped for long becomes active again, or passive, from
 * its starting state. */
void bstar_new_active(bstar *self, bstar_handler *handler, void *arg);
void bstar_new_passive(bstar *self, bstar_handler *handler, void *arg);
bool bstar_is_active(const bstar *self);

/* Has the peer been heard within the last two intervals? */
bool bstar_hears_peer(const bstar *self);

/* Messages from a socket of the application, active or not. To be ended before
 * the socket is closed; a handler may do both. */
void bstar_reader(bstar *self, void *sock, bstar_handler *handler, void *arg);
void bstar_reader_end(bstar *self, void *sock);

/* Every so many milliseconds, until ended; returns the id of the timer. */
int bstar_timer(bstar *self, long msecs, bstar_handler *handler, void *arg);
void bstar_timer_end(bstar *self, int id);

/* Runs until the context is shut down (returns 0) or a handler ended it (-1).
 * Our part in the pair begins here. */
int bstar_start(bstar *self);
