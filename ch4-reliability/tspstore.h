/* SPDX-License-Identifier: 0BSD */
/* tspstore.h - the store of Titanic: a folder in which each request is a file,
 * and each reply.
 *
 * UUID.req holds [service][body...], UUID.rep holds [body...]. A file appears
 * by rename, whole or not at all, when its bytes are on the disk; and when a
 * function says that it is stored, its name is on the disk too. What is damaged
 * even so, by the disk or by somebody, is recognised and set aside.
 *
 * A disk takes many files in one go, and hardly longer than for one: so orders
 * are carried out together. All functions are for any thread.
 *
 * Guide: chapter 4, "Disconnected Reliability (Titanic Pattern)"; RFC 9.
 */
#pragma once
#include "zg.h"

enum { TSP_UUID = 32, TSP_FRAMES = 13 /* of a reply */ };

typedef struct {
    enum { TSP_NOTHING, TSP_REQUEST, TSP_REPLY, TSP_DELETE } what;
    char uuid[TSP_UUID + 1]; /* of a new request, the store makes it */
    zg_msg msg;              /* [service][body...], [body...], or nothing */
    bool failed;             /* afterwards: it is not stored */
} tsp_order;

/* Open the folder, making it if need be, and be the only one: or exit 1. */
void tspstore_open(const char *path);
void tspstore_close(void);

/* Before all orders, for each request that waits for its reply since an earlier
 * time: its UUID, and [service][body...] in place of msg. False: no more. */
bool tspstore_waiting(char *uuid, zg_msg *msg);

/* Store requests; store replies, but not of requests that have been deleted;
 * delete a request and its reply. Messages stay as they are, and yours. */
void tspstore_carry_out(tsp_order *orders, int n);

/* Is this frame a UUID: 32 hex digits, the letters upper case? */
bool tspstore_is_uuid(zmq_msg_t *frame);

/* Read the request or the reply with this UUID in place of msg, at most 13
 * frames: 1 done, 0 there is none, -1 it is damaged; 2 for a reply that is not
 * there yet. */
int tspstore_read_request(const char *uuid, zg_msg *msg);
int tspstore_read_reply(const char *uuid, zg_msg *msg);
