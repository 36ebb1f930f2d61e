/* SPDX-License-Identifier: 0BSD */
/* snapshots.c - a table as a whole: handed out, to many clients at once, and
 * fetched. */
#include "snapshots.h"

#include <sys/queue.h>

#include "chp.h"

enum {
    MAX_CLIENTS = 1000,
    BATCH = 500,         /* items for a client, then the others have a turn */
    RETRY_MS = 1,        /* when no connection takes any more */
    QUEUE = 2000,        /* messages of a connection: enough until then */
    PATIENCE_MS = 10000, /* with a client that does not read */
};

/* One client, and its place: it has all that comes before this key. */
struct client {
    TAILQ_ENTRY(client) next;
    zmq_msg_t identity;
    char subtree[CHP_KEY_MAX], place[CHP_KEY_MAX + 1];
    size_t subtree_size, place_size;
    int64_t number, progress_at;
    bool stalled; /* its connection does not take any more now */
};

struct snapshots {
    TAILQ_HEAD(, client) clients;
    int count, frames;
    void *router;
    snapshots_loader *load;
};

snapshots *snapshots_new(void *router, int frames, snapshots_loader *load)
{
    snapshots *self = calloc(1, sizeof *self);

    if (self == NULL)
        zg_die("calloc");
    TAILQ_INIT(&self->clients);
    self->router = router;
    self->frames = frames;
    self->load = load;
    zg_set(router, ZMQ_ROUTER_MANDATORY, 1);
    zg_set(router, ZMQ_SNDHWM, QUEUE);
    return self;
}

static void dismiss(snapshots *self, struct client *client)
{
    TAILQ_REMOVE(&self->clients, client, next);
    zmq_msg_close(&client->identity);
    free(client);
    self->count--;
}

void snapshots_destroy(snapshots **self)
{
    while (!TAILQ_EMPTY(&(*self)->clients))
        dismiss(*self, TAILQ_FIRST(&(*self)->clients));
    free(*self);
    *self = NULL;
}

bool snapshots_begin(snapshots *self, zg_msg *request, int64_t number)
{
    bool part = request->count == 3;
    void *subtree = part ? zmq_msg_data(&request->frame[2]) : "";
    size_t size = part ? zmq_msg_size(&request->frame[2]) : 0;
    struct client *client;

    if ((request->count != 2 && !part) || !zg_is(request, 1, CHP_ICANHAZ)
        || size > CHP_KEY_MAX || self->count == MAX_CLIENTS)
        return false;
    if ((client = calloc(1, sizeof *client)) == NULL)
        zg_die("calloc");
    TAILQ_INSERT_TAIL(&self->clients, client, next);
    self->count++;
    zmq_msg_init(&client->identity);
    zmq_msg_copy(&client->identity, &request->frame[0]);
    memcpy(client->subtree, subtree, size);
    memcpy(client->place, subtree, size);
    client->subtree_size = client->place_size = size;
    client->number = number;
    client->progress_at = zg_now();
    return true;
}

/* [KTHXBAI][number][subtree] or [KTHXBAI][number][][properties][subtree] */
static void load_end(snapshots *self, struct client *client,
                     const char *properties, zg_msg *msg)
{
    zg_insert(msg, KV_KEY, CHP_KTHXBAI, strlen(CHP_KTHXBAI));
    zg_insert(msg, KV_NUMBER, "\0\0\0\0\0\0\0\0", 8);
    kv_set_number(msg, client->number);
    if (self->frames == KV_FRAMES_MAX) {
        zg_insert(msg, 2, "", 0);
        zg_insert(msg, 3, properties, strlen(properties));
    }
    zg_insert(msg, msg->count, client->subtree, client->subtree_size);
}

/* An item, or if it is NULL the end. False: not now (EAGAIN), or never. */
static bool send_one(snapshots *self, struct client *client, const kvitem *item,
                     const char *properties)
{
    zg_msg msg = { 0 };

    if (item != NULL)
        self->load(item, &msg);
    else
        load_end(self, client, properties, &msg);
    zg_insert(&msg, 0, zmq_msg_data(&client->identity),
              zmq_msg_size(&client->identity));
    bool sent = zg_send(&msg, self->router, ZMQ_DONTWAIT);
    zg_clear(&msg);
    return sent;
}

/* The client has this item: go on behind it. With a zero byte its key is the
 * first one that may follow. */
static void move_on(struct client *client, const kvitem *item)
{
    const void *key = kvitem_frame(item, KV_KEY, &client->place_size);

    memcpy(client->place, key, client->place_size);
    client->place[client->place_size++] = '\0';
    client->progress_at = zg_now();
}

/* False: it has all, or is gone. */
static bool serve(snapshots *self, struct client *client, kvmap *map,
                  const char *properties)
{
    kvitem *item = kvmap_from(map, client->place, client->place_size);
    kvitem *last = NULL;
    bool ended = false, sent = true;

    for (int n = 0; n < BATCH && sent && !ended; n++) {
        ended = item == NULL
                || !kvitem_starts(item, client->subtree, client->subtree_size);
        sent = send_one(self, client, ended ? NULL : item, properties);
        if (sent && !ended) {
            last = item;
            item = kvmap_next(item);
        }
    }
    bool later = sent ? !ended : errno == EAGAIN;
    client->stalled = !sent;
    if (last != NULL)
        move_on(client, last);
    return later && zg_now() - client->progress_at <= PATIENCE_MS;
}

int64_t snapshots_send(snapshots *self, kvmap *map, const char *properties)
{
    int64_t again = ZG_FOREVER;
    struct client *client = TAILQ_FIRST(&self->clients), *next;

    for (; client != NULL; client = next) {
        next = TAILQ_NEXT(client, next);
        if (!serve(self, client, map, properties))
            dismiss(self, client);
        else if (!client->stalled)
            again = 0;
        else if (again != 0)
            again = zg_now() + RETRY_MS;
    }
    return again;
}

/* [ICANHAZ?], of one frame for those who know no subtrees */
static void ask(void *snapshot, const char *subtree)
{
    int more = subtree != NULL ? ZMQ_SNDMORE : 0;

    zmq_send(snapshot, CHP_ICANHAZ, strlen(CHP_ICANHAZ), ZMQ_DONTWAIT | more);
    if (subtree != NULL)
        zmq_send(snapshot, subtree, strlen(subtree), ZMQ_DONTWAIT);
}

/* All of it, or false: the server went silent. Each time it is a connection of
 * its own, that holds nothing older. */
static bool fetch(void *ctx, const char *endpoint, const char *subtree,
                  int frames, kvmap *map, zg_msg *end)
{
    void *snapshot = zg_socket(ctx, ZMQ_DEALER);
    zmq_pollitem_t item = { snapshot, 0, ZMQ_POLLIN, 0 };
    bool complete = false;

    zg_set(snapshot, ZMQ_LINGER, 0);
    zg_connect(snapshot, endpoint);
    ask(snapshot, subtree);
    while (!complete && zg_poll(&item, 1, zg_now() + CHP_SILENCE_MS) > 0)
        while (!complete && zg_recv(end, snapshot, ZMQ_DONTWAIT)) {
            complete = kv_valid(end, frames) && zg_is(end, 0, CHP_KTHXBAI);
            if (!kv_valid(end, frames))
                zg_drop(end, "the server");
            else if (!complete)
                kvmap_store(map, end, 0);
        }
    zmq_close(snapshot);
    return complete;
}

bool snapshots_join(void *ctx, void *updates, const char *endpoint,
                    const char *subtree, int frames, kvmap **map, zg_msg *end)
{
    zmq_pollitem_t item = { updates, 0, ZMQ_POLLIN, 0 };

    for (;;) {
        while (zg_recv(end, updates, ZMQ_DONTWAIT))
            continue; /* that is no sign of a subscription that lives now */
        int lives = zg_poll(&item, 1, zg_now() + 2 * CHP_HUGZ_MS);
        if (lives == -1)
            return false;
        kvmap_destroy(map);
        *map = kvmap_new();
        if (!fetch(ctx, endpoint, subtree, frames, *map, end))
            continue;
        /* A server of the Guide's may say no HUGZ: then we hope for the best.
         */
        if (lives || zg_poll(&item, 1, zg_now() + 2 * CHP_HUGZ_MS) == 0)
            return true;
    }
}
