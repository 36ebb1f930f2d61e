/* SPDX-License-Identifier: 0BSD */
/* pending.c - updates that only one of a pair of servers may have. */
#include "pending.h"

enum {
    MAX_PENDING = 1000000,
    SHELVES = 1 << 16, /* one for each first two bytes of a uuid */
    PLACES = 16,       /* of a shelf, for the last that came */
};

/* The items "expire" at the moment from which they are held. */
struct pending {
    kvmap *map;
    uint8_t seen[SHELVES][PLACES][KVMSG_UUID_SIZE];
};

pending *pending_new(void)
{
    pending *self = calloc(1, sizeof *self);

    if (self == NULL)
        zg_die("calloc");
    self->map = kvmap_new();
    memset(self->seen[0], 0xff, sizeof self->seen[0]); /* 0 may be a uuid */
    return self;
}

void pending_destroy(pending **self)
{
    kvmap_destroy(&(*self)->map);
    free(*self);
    *self = NULL;
}

static bool is_seen(pending *self, const uint8_t *uuid)
{
    uint8_t(*shelf)[KVMSG_UUID_SIZE] = self->seen[uuid[0] << 8 | uuid[1]];

    for (int i = 0; i < PLACES; i++)
        if (memcmp(shelf[i], uuid, KVMSG_UUID_SIZE) == 0)
            return true;
    return false;
}

bool pending_seen(pending *self, zg_msg *update)
{
    const uint8_t *uuid = zmq_msg_data(&update->frame[KVMSG_UUID]);
    uint8_t(*shelf)[KVMSG_UUID_SIZE] = self->seen[uuid[0] << 8 | uuid[1]];

    if (is_seen(self, uuid))
        return true;
    memmove(shelf[1], shelf[0], sizeof self->seen[0] - KVMSG_UUID_SIZE);
    memcpy(shelf[0], uuid, KVMSG_UUID_SIZE);
    return false;
}

/* The number of what we hold is 1 if we did it ourselves, as the active. */
static void hold(pending *self, zg_msg *update, bool done)
{
    kv_set_number(update, done);
    kvmap_keep(self->map, update, zg_now());
    if (kvmap_count(self->map) > MAX_PENDING)
        kvmap_forget(self->map, kvmap_expired(self->map, ZG_FOREVER));
}

void pending_hold(pending *self, zg_msg *update)
{
    hold(self, update, true);
}

static kvitem *held(pending *self, zg_msg *update)
{
    zmq_msg_t *key = &update->frame[KV_KEY];

    return kvmap_find(self->map, zmq_msg_data(key), zmq_msg_size(key));
}

void pending_await(pending *self, zg_msg *update)
{
    kvitem *older = held(self, update);

    if (older != NULL)
        kvmap_forget(self->map, older);
    if (!kvmsg_has_uuid(update)
        || !is_seen(self, zmq_msg_data(&update->frame[KVMSG_UUID])))
        hold(self, update, false);
}

/* What we have done is older than what the other has done since. What a client
 * has sent may be newer than what the active says; but if the active says what
 * we have heard before, that is older in any case. */
void pending_done(pending *self, zg_msg *update)
{
    bool fresh = kvmsg_has_uuid(update) && !pending_seen(self, update);
    kvitem *item = held(self, update);
    zg_msg ours = { 0 };

    if (item == NULL)
        return;
    kvitem_load(item, &ours);
    if (!kvmsg_has_uuid(&ours) || kvmsg_same(update, item)
        || (kv_number(&ours) == 1 && fresh))
        kvmap_forget(self->map, item);
    zg_clear(&ours);
}

static void see_all(pending *self, kvmap *table)
{
    zg_msg known = { 0 };

    for (kvitem *item = kvmap_from(table, "", 0); item != NULL;
         item = kvmap_next(item)) {
        kvitem_load(item, &known);
        if (kvmsg_has_uuid(&known))
            pending_seen(self, &known);
        zg_clear(&known);
    }
}

void pending_settle(pending *self, kvmap *table)
{
    kvitem *item, *next;
    zg_msg known = { 0 };

    for (item = kvmap_from(self->map, "", 0); item != NULL; item = next) {
        size_t size;
        const void *key = kvitem_frame(item, KV_KEY, &size);
        kvitem *there = kvmap_find(table, key, size);
        next = kvmap_next(item);
        if (there == NULL)
            continue;
        kvitem_load(there, &known);
        pending_done(self, &known);
        zg_clear(&known);
    }
    see_all(self, table);
}

bool pending_outdated(zg_msg *update, kvmap *table, int64_t recent)
{
    zmq_msg_t *key = &update->frame[KV_KEY];
    int64_t known = kv_number(update) - 1;
    kvitem *item = kvmap_find(table, zmq_msg_data(key), zmq_msg_size(key));
    zg_msg now = { 0 };

    if (known == -1 || known < recent || item == NULL)
        return known != -1 && known < recent;
    kvitem_load(item, &now);
    bool changed = kv_number(&now) > known;
    zg_clear(&now);
    return changed;
}

void pending_expire(pending *self, long msecs)
{
    kvitem *item;

    while ((item = kvmap_expired(self->map, zg_now() - msecs)) != NULL)
        kvmap_forget(self->map, item);
}

static void visit_all(kvmap *map, int64_t until, pending_visitor *visit,
                      void *arg)
{
    zg_msg update = { 0 };

    for (kvitem *item = kvmap_from(map, "", 0); item != NULL;
         item = kvmap_next(item))
        if (kvitem_expires(item) <= until) {
            kvitem_load(item, &update);
            kvmsg_age(&update, zg_now() - kvitem_expires(item));
            visit(arg, &update);
            zg_clear(&update);
        }
}

void pending_visit(pending *self, long msecs, pending_visitor *visit, void *arg)
{
    visit_all(self->map, zg_now() - msecs, visit, arg);
}

/* The visitor may hold them again. */
void pending_take(pending *self, pending_visitor *visit, void *arg)
{
    kvmap *map = self->map;

    self->map = kvmap_new();
    visit_all(map, ZG_FOREVER, visit, arg);
    kvmap_destroy(&map);
}
