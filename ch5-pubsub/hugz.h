/* SPDX-License-Identifier: 0BSD */
/* hugz.h - by HUGZ a copy learns that it is not what the server has.
 *
 *     [HUGZ][0][][epoch=..., last=..., sum=..., sum/a/=...][]
 *     [KTHXBAI][number][][epoch=..., last=...][subtree]
 *
 * RFC 12 leaves the properties free. Epoch names a server from its start, or
 * from when it became active. Last is the number of its last update. The sums
 * are those of kvmap.h, for each subtree that somebody asked for. One that has
 * all updates up to last has the same sum.
 */
#pragma once
#include "kvmsg.h"

enum { HUGZ_STAMP = 80 };

/* What a copy came from: let it begin as { 0 }. */
struct hugz_origin {
    char epoch[KVMSG_PROPERTY_MAX + 1];
    int64_t last; /* from this update on it is to be as the server's */
};

/* Begin an epoch: a name of 16 characters that none had before. */
void hugz_epoch(char epoch[HUGZ_STAMP]);

/* The properties of KTHXBAI. */
void hugz_stamp(char stamp[HUGZ_STAMP], const char *epoch, int64_t last);

/* To be called with each request for a snapshot, [client][ICANHAZ?][subtree]:
 * from now on HUGZ has the sum of its subtree. */
void hugz_watch(kvmap *map, zg_msg *request);

/* Send a HUGZ about this table. */
void hugz_send(void *publisher, kvmap *map, const char *epoch, int64_t last);

/* What a snapshot that ended with this KTHXBAI came from. */
void hugz_origin(struct hugz_origin *origin, zg_msg *kthxbai);

/* Does this HUGZ tell of another table than that copy of a subtree? (The map
 * has nothing else.) One of a server that tells no sums never does. */
bool hugz_differs(zg_msg *hugz, struct hugz_origin *origin, const char *subtree,
                  kvmap *map);
