/* SPDX-License-Identifier: 0BSD */
/* tsplog.h - the append-only log in which Titanic stores requests and replies.
 *
 * DIR/titanic.log is a sequence of records: REQUEST (uuid, service, body),
 * REPLY (uuid, body) and CLOSE (uuid). A record is only ever appended, and is
 * durable after tsplog_sync(). An index in memory has an entry for each request
 * that has not been closed. At the start, all records are read to build it.
 *
 * Not thread-safe. A failure after which the contents of the disk are unknown
 * prints E: and ends the program; a restart reads them.
 *
 * Guide: chapter 4, "Disconnected Reliability (Titanic Pattern)"; RFC 9.
 */
#pragma once
#include "zg.h"

#include <sys/queue.h>

enum { TSP_UUID = 32, TSP_FRAMES = 14 /* of a request or a reply, at most */ };

/* A request that has not been closed. */
typedef struct tsp_entry {
    LIST_ENTRY(tsp_entry) chain;
    TAILQ_ENTRY(tsp_entry) next;   /* in the order of the log */
    TAILQ_ENTRY(tsp_entry) queued; /* in the caller's queue, */
    struct tsp_queue *queue;       /* which is this one, or NULL */
    char uuid[TSP_UUID + 1];
    bool has_reply;
    bool is_damaged;  /* its record, or its reply, is unusable */
    int64_t at, size; /* of its REQUEST record or, once it has one, its REPLY */
} tsp_entry;
TAILQ_HEAD(tsp_queue, tsp_entry);

/* Open the log in this directory, which is created if it is missing, and read
 * it. Call on_request for each request in it; its entry leaves the queue that
 * on_request puts it into, if its reply or its end is found later. Exit with 1
 * if another process has the directory, or the log cannot be read. */
void tsplog_open(const char *path,
                 void (*on_request)(tsp_entry *entry, zg_msg *request));

/* Return the entry with this UUID of 32 characters, or NULL. */
tsp_entry *tsplog_find(const char *uuid);

/* Append a record. NULL or false if the disk is full: nothing has changed then.
 * The request gets a new UUID. Closing a request frees its entry. */
tsp_entry *tsplog_append_request(zg_msg *request);
bool tsplog_append_reply(tsp_entry *entry, zg_msg *reply);
bool tsplog_append_close(tsp_entry *entry);

/* Add the entry to the end of a queue; remove it from its queue, if any. */
void tsplog_enqueue(tsp_entry *entry, struct tsp_queue *queue);
void tsplog_dequeue(tsp_entry *entry);

/* Make all records durable; or exit with 1. */
void tsplog_sync(void);

/* Read the reply or, before it has come, the request in place of msg. False if
 * the record is damaged. */
bool tsplog_read(tsp_entry *entry, zg_msg *msg);

/* Rewrite the log without its dead records, if they outweigh the live ones. */
void tsplog_reclaim(void);

/* Return the 64-bit FNV-1a checksum, which is good as a hash, too. */
uint64_t tsplog_checksum(const void *data, size_t size);
