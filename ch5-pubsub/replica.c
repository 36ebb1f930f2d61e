/* SPDX-License-Identifier: 0BSD */
/* replica.c - a copy of a server's table, or of a part of it (RFC 12). */
#include "replica.h"

#include "chp.h"

void replica_init(struct replica *self, void *ctx, const char *subtree)
{
    *self = (struct replica){ .ctx = ctx, .state = NOWHERE };
    snprintf(self->subtree, sizeof self->subtree, "%s", subtree);
    self->map = kvmap_new();
    self->loading = kvmap_new();
}

static void close_socket(void **sock)
{
    if (*sock != NULL)
        zmq_close(*sock);
    *sock = NULL;
}

void replica_leave(struct replica *self)
{
    close_socket(&self->updates);
    close_socket(&self->snapshot);
    self->state = NOWHERE;
}

void replica_close(struct replica *self)
{
    replica_leave(self);
    kvmap_destroy(&self->map);
    kvmap_destroy(&self->loading);
}

static void subscribe(void *updates, const char *prefix)
{
    zg_must(zmq_setsockopt(updates, ZMQ_SUBSCRIBE, prefix, strlen(prefix)));
}

void replica_visit(struct replica *self, const char *server)
{
    char publisher[256];

    replica_leave(self);
    snprintf(self->server, sizeof self->server, "%s", server);
    self->state = JOINING;
    self->heard_at = zg_now();
    self->updates = zg_socket(self->ctx, ZMQ_SUB);
    zg_set(self->updates, ZMQ_RCVHWM, CHP_CLIENT_QUEUE);
    subscribe(self->updates, self->subtree);
    subscribe(self->updates, CHP_HUGZ); /* last: it shows that both live */
    zg_connect(self->updates, chp_endpoint(publisher, server, 1));
}

void replica_ask(struct replica *self)
{
    close_socket(&self->snapshot);
    self->snapshot = zg_socket(self->ctx, ZMQ_DEALER);
    zg_set(self->snapshot, ZMQ_LINGER, 0);
    zg_connect(self->snapshot, self->server);
    zmq_send(self->snapshot, CHP_ICANHAZ, strlen(CHP_ICANHAZ), ZMQ_SNDMORE);
    zmq_send(self->snapshot, self->subtree, strlen(self->subtree), 0);
}

static void begin_sync(struct replica *self)
{
    self->state = SYNCING;
    kvmap_destroy(&self->loading);
    self->loading = kvmap_new();
    replica_ask(self);
}

/* KTHXBAI: the copy is complete. */
static void end_sync(struct replica *self, zg_msg *kthxbai)
{
    kvmap *old = self->map;

    self->map = self->loading;
    self->loading = old;
    self->sequence = kv_number(kthxbai);
    self->state = FOLLOWING;
    hugz_origin(&self->origin, kthxbai);
    close_socket(&self->snapshot);
}

void *replica_socket(struct replica *self)
{
    return self->state == SYNCING ? self->snapshot : self->updates;
}

bool replica_covers(struct replica *self, zg_msg *msg)
{
    return kv_starts(msg, self->subtree);
}

enum replica_news replica_take(struct replica *self, zg_msg *msg)
{
    if (!kvmsg_valid(msg)) {
        zg_drop(msg, "the server");
        return NO_NEWS;
    }
    self->heard_at = zg_now();
    if (self->state == JOINING) {
        begin_sync(self);
    } else if (self->state == SYNCING && !zg_is(msg, KV_KEY, CHP_KTHXBAI)) {
        kvmap_store(self->loading, msg, kvmsg_expires(msg));
    } else if (self->state == SYNCING) {
        end_sync(self, msg);
        return REPLACED;
    } else if (zg_is(msg, KV_KEY, CHP_HUGZ)) {
        if (hugz_differs(msg, &self->origin, self->subtree, self->map))
            begin_sync(self);
    } else if (kv_number(msg) > self->sequence && replica_covers(self, msg)) {
        self->sequence = kv_number(msg);
        kvmap_store(self->map, msg, kvmsg_expires(msg));
        return UPDATED;
    }
    return NO_NEWS;
}
