/* SPDX-License-Identifier: 0BSD */
/* pending.c - two tables: the held updates by key, the known uuids. */
#include "pending.h"

enum {
    MAX_HELD = 1000000,
    MAX_HELD_BYTES = 1 << 28,
    MAX_KNOWN = 500000,
    PASS_ON_MS = 1000, /* an active server within reach has published it then */
    MAX_PASSED_ON = 5000, /* in one call; the others wait for the next one */
};

/* Where a held update came from. hold() stores it as the update's number, which
 * the server that publishes the update overwrites. */
enum source { FROM_CLIENT, PUBLISHED };

struct pending {
    table *held;     /* by the time since which it is held, or passed on */
    table *known;    /* [uuid] */
    bool is_limited; /* updates were dropped, and the log says so */
};

pending *pending_new(void)
{
    pending *self = calloc(1, sizeof *self);
    if (self == NULL)
        zg_die("calloc");
    self->held = table_new();
    self->known = table_new();
    return self;
}

void pending_destroy(pending **self)
{
    table_destroy(&(*self)->held);
    table_destroy(&(*self)->known);
    free(*self);
    *self = NULL;
}

/* ---- Known updates ------------------------------------------------------ */

bool pending_is_known(pending *self, zg_msg *update)
{
    return table_find(self->known, &update->frame[KVMSG_UUID]) != NULL;
}

/* Remember the uuid of an update. Above MAX_KNOWN, forget the oldest. */
static void remember(pending *self, zg_msg *update)
{
    zg_msg uuid = { 0 };
    if (!kvmsg_has_uuid(update))
        return;
    zg_append(&uuid, &update->frame[KVMSG_UUID], 1);
    table_put(self->known, &uuid, zg_now());
    if (table_count(self->known) > MAX_KNOWN)
        table_remove(self->known, table_first_timed(self->known));
    zg_clear(&uuid);
}

/* ---- Held updates ------------------------------------------------------- */

static bool is_full(pending *self)
{
    return table_count(self->held) > MAX_HELD
           || table_bytes(self->held) > MAX_HELD_BYTES;
}

static void hold(pending *self, zg_msg *update, enum source source)
{
    kv_set_number(update, source);
    table_put(self->held, update, zg_now());
    if (is_full(self) && !self->is_limited) {
        fprintf(stderr, "W: too many updates are held: dropping the oldest\n");
        self->is_limited = true;
    }
    while (is_full(self))
        table_remove(self->held, table_first_timed(self->held));
}

static item *held_for(pending *self, zg_msg *update)
{
    return table_find(self->held, &update->frame[KV_KEY]);
}

void pending_client_sent(pending *self, zg_msg *update)
{
    item *it = held_for(self, update);
    bool is_held = it != NULL && kvmsg_has_uuid_of(update, it);
    bool is_earlier = it != NULL && kvmsg_compare_by_writer(update, it) < 0;
    if (!pending_is_known(self, update) && !is_held && !is_earlier)
        hold(self, update, FROM_CLIENT);
}

void pending_we_published(pending *self, zg_msg *update)
{
    remember(self, update);
    hold(self, update, PUBLISHED);
}

/* Return true if an update of the peer drops the held one of its key: the rows
 * "the peer publishes ..." of the table in pending.h. */
static bool is_dropped(pending *self, const item *it, zg_msg *update)
{
    int order = kvmsg_compare_by_writer(update, it);
    size_t uuid_size;
    item_frame(it, KVMSG_UUID, &uuid_size);
    if (uuid_size == 0 || kvmsg_has_uuid_of(update, it))
        return true; /* the key identifies an update without a uuid */
    if (order != 0)
        return order > 0;
    if (!kvmsg_has_uuid(update) || pending_is_known(self, update))
        return false;
    return kvmsg_item_number(it) == PUBLISHED;
}

void pending_peer_published(pending *self, zg_msg *update)
{
    item *it = held_for(self, update);
    if (it != NULL && is_dropped(self, it, update))
        table_remove(self->held, it);
    remember(self, update);
}

void pending_peer_has(pending *self, table *items)
{
    zg_msg update = { 0 };
    for (item *it = table_first(items); it != NULL; it = item_next(it)) {
        item_append(it, &update);
        pending_peer_published(self, &update);
        zg_clear(&update);
    }
}

void pending_expire(pending *self, int64_t msecs)
{
    int64_t until = zg_now() - msecs;
    item *it;
    while ((it = table_first_timed(self->held)) != NULL
           && item_time(it) <= until)
        table_remove(self->held, it);
}

void pending_pass_on(pending *self, pending_visitor *visit, void *arg)
{
    int64_t until = zg_now() - PASS_ON_MS;
    zg_msg update = { 0 };

    for (int i = 0; i < MAX_PASSED_ON; i++) {
        item *it = table_first_timed(self->held);
        if (it == NULL || item_time(it) > until)
            break;
        item_append(it, &update);
        kvmsg_age(&update, zg_now() - item_time(it));
        table_put(self->held, &update, zg_now()); /* moves it to the end */
        visit(arg, &update);
        zg_clear(&update);
    }
}

/* Return true if the table has this update: the key has its uuid, or the update
 * has deleted the key. */
static bool is_in_table(pending *self, zg_msg *update, table *items)
{
    item *it = table_find(items, &update->frame[KV_KEY]);
    return it != NULL ? kvmsg_has_uuid_of(update, it)
                      : zmq_msg_size(&update->frame[KVMSG_VALUE]) == 0
                            && pending_is_known(self, update);
}

/* Move the held updates that a table lacks to a new table. In the order of the
 * keys, each search of the table is near the one before: a million take less
 * than a second. */
static table *take(pending *self, table *items)
{
    table *taken = table_new();
    zg_msg update = { 0 };
    item *next;

    for (item *it = table_first(self->held); it != NULL; it = next) {
        next = item_next(it);
        item_append(it, &update);
        if (!is_in_table(self, &update, items)) {
            table_put(taken, &update, item_time(it));
            table_remove(self->held, it);
        }
        zg_clear(&update);
    }
    return taken;
}

void pending_take_missing(pending *self, table *items, pending_visitor *visit,
                          void *arg)
{
    table *taken = take(self, items);
    zg_msg update = { 0 };

    for (item *it = table_first(taken); it != NULL; it = item_next(it)) {
        item_append(it, &update);
        kvmsg_age(&update, zg_now() - item_time(it));
        visit(arg, &update);
        zg_clear(&update);
    }
    table_destroy(&taken);
}
