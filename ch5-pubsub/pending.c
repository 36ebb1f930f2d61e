/* SPDX-License-Identifier: 0BSD */
/* pending.c - two tables: the held updates by key, the known uuids. */
#include "pending.h"

enum {
    MAX_HELD = 1000000,
    MAX_HELD_BYTES = 1 << 28,
    MAX_KNOWN = 500000,
    PASS_ON_MS = 1000, /* an active server within reach has published it then */
};

/* Where a held update came from. hold() stores it as the update's number. */
enum source { FROM_CLIENT, PUBLISHED };

/* An event for a key: the rows of the table in pending.h. */
enum event {
    SENT_NEW,
    SENT_KNOWN,
    SENT_EARLIER,
    PEER_SAME,
    PEER_LATER,
    PEER_EARLIER,
    PEER_NEW,
    PEER_KNOWN
};

/* Return true if an event drops the held update of its key. */
static bool drops_held(enum event event, enum source source)
{
    switch (event) {
    case SENT_NEW: /* replaces it */
    case PEER_SAME:
    case PEER_LATER:
        return true;
    case PEER_NEW: /* it has replaced our update */
        return source == PUBLISHED;
    case SENT_KNOWN:
    case SENT_EARLIER:
    case PEER_EARLIER:
    case PEER_KNOWN:
        break;
    }
    return false;
}

struct pending {
    table *held;     /* the times are those from which they are held */
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
    zmq_msg_t *uuid = &update->frame[KVMSG_UUID];
    return table_find(self->known, zmq_msg_data(uuid), zmq_msg_size(uuid))
           != NULL;
}

/* Remember the uuid of an update. Above MAX_KNOWN, forget the oldest. */
static void remember(pending *self, zg_msg *update)
{
    zg_msg uuid = { 0 };
    zg_append(&uuid, &update->frame[KVMSG_UUID], 1);
    if (kvmsg_has_uuid(update))
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

static enum source source_of(const item *it)
{
    size_t size;
    const uint8_t *number = item_frame(it, KV_NUMBER, &size);
    return number[size - 1] == PUBLISHED ? PUBLISHED : FROM_CLIENT;
}

static item *held_for(pending *self, zg_msg *update)
{
    zmq_msg_t *key = &update->frame[KV_KEY];
    return table_find(self->held, zmq_msg_data(key), zmq_msg_size(key));
}

/* Drop the held update of this key if there is one and the event drops it. */
static void handle_event(pending *self, enum event event, zg_msg *update)
{
    item *it = held_for(self, update);
    if (it != NULL && drops_held(event, source_of(it)))
        table_remove(self->held, it);
}

void pending_client_sent(pending *self, zg_msg *update)
{
    item *it = held_for(self, update);
    enum event event = SENT_NEW;
    if (pending_is_known(self, update)
        || (it != NULL && kvmsg_has_uuid_of(update, it)))
        event = SENT_KNOWN; /* its time continues */
    else if (it != NULL && kvmsg_compare(update, it) < 0)
        event = SENT_EARLIER;
    handle_event(self, event, update);
    if (event == SENT_NEW)
        hold(self, update, FROM_CLIENT);
}

void pending_we_published(pending *self, zg_msg *update)
{
    remember(self, update);
    hold(self, update, PUBLISHED);
}

/* Return the event for the held update of this key when the peer has published
 * an update. The key identifies a held update without a uuid. */
static enum event peer_event(pending *self, zg_msg *update)
{
    item *it = held_for(self, update);
    size_t size = 0;
    if (it != NULL) {
        int order = kvmsg_compare(update, it);
        item_frame(it, KVMSG_UUID, &size);
        if (size == 0 || kvmsg_has_uuid_of(update, it))
            return PEER_SAME;
        if (order != 0)
            return order < 0 ? PEER_EARLIER : PEER_LATER;
    }
    return !kvmsg_has_uuid(update) || pending_is_known(self, update)
               ? PEER_KNOWN
               : PEER_NEW;
}

void pending_peer_published(pending *self, zg_msg *update)
{
    handle_event(self, peer_event(self, update), update);
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

/* Visit the updates of a table that are held since `until` or earlier, oldest
 * first. */
static void visit_each(table *held, int64_t until, pending_visitor *visit,
                       void *arg)
{
    zg_msg update = { 0 };
    for (item *it = table_first_timed(held);
         it != NULL && item_time(it) <= until; it = item_next_timed(it)) {
        item_append(it, &update);
        kvmsg_age(&update, zg_now() - item_time(it));
        visit(arg, &update);
        zg_clear(&update);
    }
}

void pending_pass_on(pending *self, pending_visitor *visit, void *arg)
{
    visit_each(self->held, zg_now() - PASS_ON_MS, visit, arg);
}

void pending_take_all(pending *self, pending_visitor *visit, void *arg)
{
    table *held = self->held;
    self->held = table_new();
    visit_each(held, ZG_FOREVER, visit, arg);
    table_destroy(&held);
}
