/* SPDX-License-Identifier: 0BSD */
/* tsplog.h - the append-only log in which Titanic stores requests and replies.
 *
 * DIR/titanic.log is a sequence of records: REQUEST (uuid, service, body),
 * REPLY (uuid, body) and CLOSE (uuid). A record is only ever appended, and is
 * durable after tsplog_sync(). An index in memory has an entry for each request
 * that has not been closed. At the start, all records are read to build it.
 *
 * Not thread-safe. After a failed sync the program prints E: and exits, because
 * the log on the disk may lack the last records. None of them was acknowledged.
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
    TAILQ_ENTRY(tsp_entry) next;   /* in the order of the requests */
    TAILQ_ENTRY(tsp_entry) queued; /* in `queue` */
    struct tsp_queue *queue;       /* the caller's, or NULL if in none */
    char uuid[TSP_UUID + 1];
    bool has_reply;
    bool is_unusable; /* its record is damaged, or its reply is too long */
    int64_t at, size; /* of its REQUEST record or, once it has one, its REPLY */
} tsp_entry;
TAILQ_HEAD(tsp_queue, tsp_entry);

/* Open the log in this directory, which is created if it is missing, and read
 * it. Call on_request for each REQUEST record. A later REPLY or CLOSE record
 * removes the entry from the queue into which on_request has put it. Exit with
 * 1 if another process has the directory, or the log cannot be read. */
void tsplog_open(const char *path,
                 void (*on_request)(tsp_entry *entry, zg_msg *request));

/* Return the entry with this UUID of 32 characters, or NULL. */
tsp_entry *tsplog_find(const char *uuid);

/* Append a REQUEST record. Return its entry, which has a new UUID, or NULL if
 * the record cannot be written; the log is unchanged then. */
tsp_entry *tsplog_append_request(zg_msg *request);

/* Append a REPLY record. False if it cannot be written; the log is unchanged
 * then. */
bool tsplog_append_reply(tsp_entry *entry, zg_msg *reply);

/* Append a CLOSE record and free the entry. False if the record cannot be
 * written; nothing is changed then. */
bool tsplog_append_close(tsp_entry *entry);

/* Add the entry to the end of a queue. */
void tsplog_enqueue(tsp_entry *entry, struct tsp_queue *queue);

/* Remove the entry from its queue, if it is in one. */
void tsplog_dequeue(tsp_entry *entry);

/* Make all records durable; or exit with 1. */
void tsplog_sync(void);

/* Read the reply or, before it has come, the request in place of msg. False if
 * the record is damaged. */
bool tsplog_read(tsp_entry *entry, zg_msg *msg);

/* A record is dead when its request is closed, or when its REPLY replaces it.
 * Rewrite a log over 1 MiB if dead records are more than half of it. */
void tsplog_reclaim(void);
