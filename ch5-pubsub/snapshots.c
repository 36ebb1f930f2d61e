/* SPDX-License-Identifier: 0BSD */
/* snapshots.c - a cursor for each client, and a count for each subtree. */
#include "snapshots.h"

#include <inttypes.h>
#include <sys/queue.h>
#include <sys/random.h>

#include "kvmsg.h"

enum { CLIENT, COMMAND, SUBTREE }; /* frames of a request */
enum {
    MAX_CLIENTS = 1000,
    MAX_WATCHES = 256,
    BATCH = 500,         /* items for one client, before the next is served */
    RETRY_MS = 1,        /* wait when all queues are full */
    STALLED_MS = 600000, /* half a queue of 100 kB items at 700 kbit/s */
};

/* A client that is being served. */
struct client {
    TAILQ_ENTRY(client) next;
    zmq_msg_t id;
    char subtree[CHP_KEY_MAX], cursor[CHP_KEY_MAX + 1];
    size_t subtree_size, cursor_size;
    int64_t number, count; /* for its KTHXBAI; the count is -1 for none */
    int64_t progress_at;   /* when the last item was sent */
};

/* A subtree whose updates are counted. */
struct watch {
    char subtree[CHP_KEY_MAX];
    size_t size;
    int64_t count;
};

struct snapshots {
    TAILQ_HEAD(, client) clients;
    int client_count, frames;
    void *router;
    snapshots_loader *load;
    char epoch[CHP_EPOCH_SIZE + 1];
    struct watch watches[MAX_WATCHES];
    int watch_count;
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
    uint64_t epoch;
    zg_must(getentropy(&epoch, sizeof epoch));
    snprintf(self->epoch, sizeof self->epoch, "%016" PRIx64, epoch);
    zg_set(router, ZMQ_ROUTER_MANDATORY, 1); /* report unreachable clients */
    zg_set(router, ZMQ_ROUTER_HANDOVER, 1);  /* accept restarted clients */
    return self;
}

static void remove_client(snapshots *self, struct client *client)
{
    TAILQ_REMOVE(&self->clients, client, next);
    zmq_msg_close(&client->id);
    free(client);
    self->client_count--;
}

void snapshots_destroy(snapshots **self)
{
    while (!TAILQ_EMPTY(&(*self)->clients))
        remove_client(*self, TAILQ_FIRST(&(*self)->clients));
    free(*self);
    *self = NULL;
}

/* ---- Counts of updates -------------------------------------------------- */

/* Return the count of a subtree, or -1 if MAX_WATCHES are counted. A new
 * subtree starts at 0. */
static int64_t find_or_add_watch(snapshots *self, const char *subtree,
                                 size_t size)
{
    for (int i = 0; i < self->watch_count; i++)
        if (self->watches[i].size == size
            && memcmp(self->watches[i].subtree, subtree, size) == 0)
            return self->watches[i].count;
    if (self->watch_count == MAX_WATCHES)
        return -1;
    struct watch *added = &self->watches[self->watch_count++];
    memcpy(added->subtree, subtree, size);
    added->size = size;
    return added->count = 0;
}

void snapshots_count_update(snapshots *self, zg_msg *update)
{
    for (int i = 0; i < self->watch_count; i++)
        if (kv_is_below(update, self->watches[i].subtree,
                        self->watches[i].size))
            self->watches[i].count++;
}

void snapshots_publish_hugz(snapshots *self, void *publisher, int64_t number)
{
    static char text[32 + MAX_WATCHES * (2 * CHP_KEY_MAX + 32)];
    char *end = text;
    zg_msg hugz = { 0 };

    kv_begin(&hugz, CHP_HUGZ, strlen(CHP_HUGZ), 0);
    if (self->frames == KVMSG_FRAMES) {
        end += sprintf(end, "number=%" PRId64 "\n", number);
        for (int i = 0; i < self->watch_count; i++) {
            struct watch *watch = &self->watches[i];
            end = chp_count_name(end, watch->subtree, watch->size);
            end += sprintf(end, "=%" PRId64 "\n", watch->count);
        }
        zg_insert(&hugz, KVMSG_UUID, "", 0);
        zg_insert(&hugz, KVMSG_PROPERTIES, text, (size_t) (end - text));
    }
    zg_insert(&hugz, hugz.count, self->epoch, CHP_EPOCH_SIZE);
    zg_send(&hugz, publisher, 0);
    zg_clear(&hugz); /* not sent during shutdown */
}

/* ---- Snapshots ---------------------------------------------------------- */

static bool is_served(snapshots *self, zmq_msg_t *id)
{
    struct client *client;
    TAILQ_FOREACH(client, &self->clients, next)
        if (zg_equal(&client->id, id))
            return true;
    return false;
}

/* Return the client whose last progress is the longest ago. */
static struct client *slowest(snapshots *self)
{
    struct client *client, *found = TAILQ_FIRST(&self->clients);
    TAILQ_FOREACH(client, &self->clients, next)
        if (client->progress_at < found->progress_at)
            found = client;
    return found;
}

static void abort_snapshot(snapshots *self, struct client *client,
                           const char *reason)
{
    fprintf(stderr, "W: the snapshot of a slow client is aborted: %s\n",
            reason);
    remove_client(self, client);
}

bool snapshots_begin(snapshots *self, zg_msg *request, int64_t number)
{
    bool has_subtree = request->count == SUBTREE + 1;
    zmq_msg_t *frame = &request->frame[SUBTREE];
    void *subtree = has_subtree ? zmq_msg_data(frame) : "";
    size_t size = has_subtree ? zmq_msg_size(frame) : 0;

    if ((request->count != COMMAND + 1 && !has_subtree) || size > CHP_KEY_MAX
        || !zg_is(request, COMMAND, CHP_ICANHAZ))
        return false;
    if (is_served(self, &request->frame[CLIENT]))
        return true;
    if (self->client_count == MAX_CLIENTS)
        abort_snapshot(self, slowest(self), "1000 others are served");
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        zg_die("calloc");
    zmq_msg_init(&client->id);
    zmq_msg_copy(&client->id, &request->frame[CLIENT]);
    memcpy(client->subtree, subtree, size);
    memcpy(client->cursor, subtree, size);
    client->subtree_size = client->cursor_size = size;
    client->number = number;
    client->count = find_or_add_watch(self, client->subtree, size);
    client->progress_at = zg_now();
    TAILQ_INSERT_TAIL(&self->clients, client, next);
    self->client_count++;
    return true;
}

/* [KTHXBAI][number][subtree] or [KTHXBAI][number][][count=C][subtree] */
static void make_end(snapshots *self, struct client *client, zg_msg *msg)
{
    char count[32] = "";
    if (client->count >= 0)
        snprintf(count, sizeof count, "count=%" PRId64 "\n", client->count);
    kv_begin(msg, CHP_KTHXBAI, strlen(CHP_KTHXBAI), client->number);
    if (self->frames == KVMSG_FRAMES) {
        zg_insert(msg, KVMSG_UUID, "", 0);
        zg_insert(msg, KVMSG_PROPERTIES, count, strlen(count));
    }
    zg_insert(msg, msg->count, client->subtree, client->subtree_size);
}

/* Send an item, or KTHXBAI if it is NULL. Return 0, or EAGAIN if the queue of
 * the connection is full, or EHOSTUNREACH if the client has disconnected. A
 * ROUTER reports both at the first frame, the routing id. So no item is copied
 * for a client that does not read. */
static int send_one(snapshots *self, struct client *client, const item *it)
{
    zg_msg msg = { 0 };
    zg_append(&msg, &client->id, 1);
    bool is_sent = zg_send(&msg, self->router, ZMQ_DONTWAIT | ZMQ_SNDMORE);
    if (is_sent) {
        if (it != NULL)
            self->load(it, &msg);
        else
            make_end(self, client, &msg);
        is_sent = zg_send(&msg, self->router, ZMQ_DONTWAIT);
    }
    int error = is_sent ? 0 : errno;
    zg_clear(&msg);
    return error;
}

/* Set the cursor behind this item: a zero byte makes the next possible key. */
static void advance(struct client *client, const item *it)
{
    const void *key = item_frame(it, KV_KEY, &client->cursor_size);
    memcpy(client->cursor, key, client->cursor_size);
    client->cursor[client->cursor_size++] = '\0';
    client->progress_at = zg_now();
}

/* Send a batch to a client, and remove the client if its snapshot has ended.
 * Return when to send the next batch. */
static int64_t serve(snapshots *self, struct client *client, table *items)
{
    item *it = table_lower_bound(items, client->cursor, client->cursor_size);
    item *last = NULL;
    bool is_complete = false;
    int error = 0;

    for (int n = 0; n < BATCH; n++) {
        if (it != NULL
            && !item_is_below(it, client->subtree, client->subtree_size))
            it = NULL;
        error = send_one(self, client, it);
        is_complete = error == 0 && it == NULL;
        if (error != 0 || is_complete)
            break;
        last = it;
        it = item_next(it);
    }
    if (last != NULL)
        advance(client, last);
    if (error == 0 && !is_complete)
        return 0;
    if (error == EAGAIN && zg_now() <= client->progress_at + STALLED_MS)
        return zg_now() + RETRY_MS;
    if (error == EAGAIN)
        abort_snapshot(self, client, "it has not read for 10 minutes");
    else
        remove_client(self, client);
    return ZG_FOREVER;
}

int64_t snapshots_send(snapshots *self, table *items)
{
    int64_t again_at = ZG_FOREVER;
    struct client *client = TAILQ_FIRST(&self->clients), *next;

    for (; client != NULL; client = next) {
        next = TAILQ_NEXT(client, next);
        int64_t at = serve(self, client, items);
        if (again_at > at)
            again_at = at;
    }
    return again_at;
}
