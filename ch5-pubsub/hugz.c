/* SPDX-License-Identifier: 0BSD */
/* hugz.c - by HUGZ a copy learns that it is not what the server has. */
#include "hugz.h"

#include <inttypes.h>

#include "chp.h"

void hugz_epoch(char epoch[HUGZ_STAMP])
{
    uint64_t any;

    zg_must(getentropy(&any, sizeof any));
    snprintf(epoch, HUGZ_STAMP, "%016" PRIx64, any);
}

void hugz_stamp(char stamp[HUGZ_STAMP], const char *epoch, int64_t last)
{
    snprintf(stamp, HUGZ_STAMP, "epoch=%.16s\nlast=%" PRId64 "\n", epoch, last);
}

static void sum_text(char text[24], kvmap *map, const char *subtree)
{
    uint64_t sum = kvmap_sum(map, subtree, strlen(subtree));

    snprintf(text, 24, "%016" PRIx64, sum);
}

/* A name with a zero byte in it could be taken for another. */
void hugz_watch(kvmap *map, zg_msg *request)
{
    zmq_msg_t *subtree = &request->frame[2];

    if (request->count < 3)
        kvmap_sum(map, "", 0);
    else if (!memchr(zmq_msg_data(subtree), '\0', zmq_msg_size(subtree)))
        kvmap_sum(map, zmq_msg_data(subtree), zmq_msg_size(subtree));
}

void hugz_send(void *publisher, kvmap *map, const char *epoch, int64_t last)
{
    char name[300], text[24];
    const char *subtree;
    zg_msg hugz = { 0 };

    kvmsg_make(&hugz, CHP_HUGZ, strlen(CHP_HUGZ), 0, "", 0);
    snprintf(text, sizeof text, "%" PRId64, last);
    kvmsg_set_property(&hugz, "epoch", epoch);
    kvmsg_set_property(&hugz, "last", text);
    for (int i = 0; (subtree = kvmap_summed(map, i)) != NULL; i++) {
        snprintf(name, sizeof name, "sum%s", subtree);
        sum_text(text, map, subtree);
        kvmsg_set_property(&hugz, name, text);
    }
    zg_send(&hugz, publisher, 0);
    zg_clear(&hugz);
}

void hugz_origin(struct hugz_origin *origin, zg_msg *kthxbai)
{
    strcpy(origin->epoch, kvmsg_property(kthxbai, "epoch"));
    origin->last = atoll(kvmsg_property(kthxbai, "last"));
}

bool hugz_differs(zg_msg *hugz, struct hugz_origin *origin, const char *subtree,
                  kvmap *map)
{
    char name[300], ours[24];
    const char *theirs;

    if (strcmp(kvmsg_property(hugz, "epoch"), origin->epoch) != 0)
        return true;
    if (atoll(kvmsg_property(hugz, "last")) < origin->last)
        return false; /* it is older than what we have got */
    snprintf(name, sizeof name, "sum%s", subtree);
    sum_text(ours, map, "");
    theirs = kvmsg_property(hugz, name);
    return theirs[0] != '\0' && strcmp(theirs, ours) != 0;
}
