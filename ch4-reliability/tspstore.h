/* SPDX-License-Identifier: 0BSD */
/* tspstore.h - the store of Titanic: a folder in which each request is a file,
 * and each reply.
 *
 * UUID.req holds [service][body...], UUID.rep holds [body...]. A file appears
 * by rename, whole or not at all, when its bytes are on the disk; and when a
 * function says that it is stored, its name is on the disk too. What is damaged
 * even so, by the disk or by somebody, is recognised and set aside.
 *
 * One thread writes for all. It takes what it finds waiting, and has the disk
 * take that in one go: a hundred requests cost hardly more than one.
 *
 * Guide: chapter 4, "Disconnected Reliability (Titanic Pattern)"; RFC 9.
 */
#pragma once
#include "zg.h"

enum { TSP_UUID = 32, TSP_FRAMES = 13 /* of a reply */ };

/* Open the folder, making it if need be, and be the only one: or exit 1. Then
 * start the writer, in that context. For each request it stores, and for each
 * without a reply that it finds, the PULL socket at inproc://news gets [uuid]
 * [service]: bind that before. */
void tspstore_open(void *ctx, const char *path);

/* After the context has been shut down. */
void tspstore_close(void);

/* A socket to the writer, for one thread: REQ to wait for each order, DEALER
 * for many at once. The caller closes it. */
void *tspstore_connect(void *ctx, int type);

/* Is this frame a UUID: 32 hex digits, the letters upper case? */
bool tspstore_is_uuid(zmq_msg_t *frame);

/* Store [service][body...] as a request, by a REQ: msg becomes [200][uuid], or
 * [500], not stored. False: the program stops. */
bool tspstore_request(void *store, zg_msg *msg);

/* Delete request and reply of [uuid], by a REQ: msg becomes [200] or [500]. */
bool tspstore_delete(void *store, zg_msg *msg);

/* Store body as the reply, unless the request has been closed, by a DEALER:
 * does not wait, and later receives [][200][uuid] or [][500][uuid]. */
bool tspstore_reply(void *store, const char *uuid, zg_msg *body);

/* Read the request or the reply with this UUID in place of msg, at most 13
 * frames: 1 done, 0 there is none, -1 it is damaged; 2 for a reply that is not
 * there yet. From any thread. */
int tspstore_read_request(const char *uuid, zg_msg *msg);
int tspstore_read_reply(const char *uuid, zg_msg *msg);
