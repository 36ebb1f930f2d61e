/* SPDX-License-Identifier: 0BSD */
/* kvtest - checks the classes of chapter 5 without a server. Exits with 0 if
 * they keep what their headers promise, or prints where they do not. */
#include <inttypes.h>

#include "kvmsg.h"
#include "kvsimple.h"
#include "pending.h"
#include "replica.h"

/* Included: no other part of kvtest needs the class. */
#include "../ch5-pubsub/snapshots.c"

static int failures;
static struct kvmsg_writer writer;

#define CHECK(what)                                                            \
    ((what)                                                                    \
         ? (void) 0                                                            \
         : (void) (failures++, printf("%d: not so: %s\n", __LINE__, #what)))

static void make(zg_msg *msg, const char *key, const char *value)
{
    zg_clear(msg);
    kvmsg_make(msg, key, strlen(key), value, strlen(value));
}

static item *find(table *items, const char *key)
{
    zg_msg msg = { 0 };
    zg_insert(&msg, 0, key, strlen(key));
    item *it = table_find(items, &msg.frame[0]);
    zg_clear(&msg);
    return it;
}

static bool has_property(zg_msg *msg, const char *name, const char *expected)
{
    char value[KVMSG_PROPERTY_MAX + 1];
    return kvmsg_property(msg, name, value) && strcmp(value, expected) == 0;
}

static void check_messages(void *ctx)
{
    zg_msg msg = { 0 };
    uint8_t wire[] = { 0, 0, 0, 0, 0, 0, 1, 2 };
    void *a = zg_socket(ctx, ZMQ_PAIR), *b = zg_socket(ctx, ZMQ_PAIR);

    zg_must(zmq_bind(a, "inproc://pair"));
    zg_connect(b, "inproc://pair");
    kvsimple_make(&msg, "/client/7", 258, "hi");
    CHECK(memcmp(zmq_msg_data(&msg.frame[1]), wire, 8) == 0);
    CHECK(zg_send(&msg, a, 0));
    CHECK(kvsimple_recv(&msg, b, 0) && kv_number(&msg) == 258);
    CHECK(zg_is(&msg, 0, "/client/7") && zg_is(&msg, 2, "hi"));
    kv_set_number(&msg, INT64_MAX);
    CHECK(kv_number(&msg) == INT64_MAX);
    kv_set_number(&msg, -5);
    CHECK(kv_number(&msg) == -5);
    CHECK(zmq_send(a, "one", 3, 0) == 3);
    CHECK(kvsimple_recv(&msg, b, 0) && msg.count == 0);
    CHECK(zmq_send(a, "one", 3, 0) == 3);
    CHECK(kvmsg_recv(&msg, b, 0) && msg.count == 0);
    zg_clear(&msg);
    zmq_close(a);
    zmq_close(b);
}

static void check_properties(void)
{
    zg_msg msg = { 0 };
    char longest[KVMSG_PROPERTY_MAX + 2], value[KVMSG_PROPERTY_MAX + 1];

    make(&msg, "/client/7", "hi");
    kvmsg_set_property(&msg, "ttl", "5");
    CHECK(zg_is(&msg, 3, "ttl=5\n"));
    kvmsg_set_property(&msg, "prop2", "a");
    kvmsg_set_property(&msg, "prop2", "b=c");
    CHECK(zg_is(&msg, 3, "ttl=5\nprop2=b=c\n"));
    CHECK(has_property(&msg, "prop2", "b=c"));
    CHECK(!kvmsg_property(&msg, "prop", value) && value[0] == '\0');
    kvmsg_set_property(&msg, "prop2", NULL);
    CHECK(zg_is(&msg, 3, "ttl=5\n"));
    memset(longest, 'x', sizeof longest);
    longest[KVMSG_PROPERTY_MAX + 1] = '\0';
    kvmsg_set_property(&msg, "a", longest);
    CHECK(!kvmsg_property(&msg, "a", value) && value[0] == '\0');
    longest[KVMSG_PROPERTY_MAX] = '\0';
    kvmsg_set_property(&msg, "a", longest);
    CHECK(has_property(&msg, "a", longest));
    zg_clear(&msg);
    /* The last line may lack its end; a line without '=' is no property. */
    zg_insert(&msg, 0, "k", 1);
    zg_insert(&msg, 1, "12345678", 8);
    zg_insert(&msg, 2, "", 0);
    zg_insert(&msg, 3, "\n\nbare\n=x\nttl=7", 15);
    zg_insert(&msg, 4, "v", 1);
    CHECK(has_property(&msg, "ttl", "7"));
    CHECK(!kvmsg_property(&msg, "bare", value));
    kvmsg_set_property(&msg, "x", "y");
    CHECK(has_property(&msg, "ttl", "7"));
    zg_clear(&msg);
}

/* An update with the most properties is accepted, also when it is passed on. */
static void check_limit(void)
{
    static char most[CHP_PROPERTIES_MAX + 1];
    zg_msg msg = { 0 };

    memset(most, 'x', sizeof most);
    make(&msg, "k", "v");
    zmq_msg_close(&msg.frame[KVMSG_PROPERTIES]);
    zmq_msg_init_size(&msg.frame[KVMSG_PROPERTIES], sizeof most);
    memcpy(zmq_msg_data(&msg.frame[KVMSG_PROPERTIES]), most, sizeof most);
    CHECK(!kvmsg_is_acceptable(&msg));
    zmq_msg_close(&msg.frame[KVMSG_PROPERTIES]);
    zmq_msg_init_size(&msg.frame[KVMSG_PROPERTIES], CHP_PROPERTIES_MAX);
    memcpy(zmq_msg_data(&msg.frame[KVMSG_PROPERTIES]), most,
           CHP_PROPERTIES_MAX);
    CHECK(kvmsg_is_acceptable(&msg));
    for (int i = 0; i < 2; i++) /* a second time changes nothing */
        kvmsg_set_property(&msg, "known", "999999999999999999");
    CHECK(kvmsg_is_acceptable(&msg));
    zg_clear(&msg);
}

static void check_ttls(void)
{
    static const char *const none[] = { "",   "0",  "-5",          "abc",
                                        "1x", " 1", "99999999999", "1.5" };
    zg_msg msg = { 0 };

    make(&msg, "k", "v");
    CHECK(kvmsg_expires_at(&msg) == 0);
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        kvmsg_set_property(&msg, "ttl", none[i]);
        CHECK(kvmsg_expires_at(&msg) == 0);
    }
    kvmsg_set_property(&msg, "ttl", "3000000");
    CHECK(kvmsg_expires_at(&msg) > zg_now() + 2999999000);
    kvmsg_set_property(&msg, "ttl", "5");
    kvmsg_age(&msg, 2500);
    CHECK(has_property(&msg, "ttl", "3"));
    CHECK(zg_is(&msg, KVMSG_VALUE, "v"));
    kvmsg_age(&msg, 3000);
    CHECK(zg_is(&msg, KVMSG_VALUE, ""));
    zg_clear(&msg);
}

static void check_uuids(void)
{
    zg_msg msg = { 0 };
    table *items = table_new();

    make(&msg, "k", "v");
    table_update(items, &msg, 0);
    CHECK(!kvmsg_has_uuid(&msg));
    CHECK(!kvmsg_has_uuid_of(&msg, find(items, "k")));
    kvmsg_set_uuid(&msg, &writer);
    CHECK(kvmsg_has_uuid(&msg) && kvmsg_is_valid(&msg));
    CHECK(((uint8_t *) zmq_msg_data(&msg.frame[2]))[6] >> 4 == 4);
    table_update(items, &msg, 0);
    CHECK(kvmsg_has_uuid_of(&msg, find(items, "k")));
    kvmsg_set_uuid(&msg, &writer);
    CHECK(!kvmsg_has_uuid_of(&msg, find(items, "k")));
    CHECK(kvmsg_compare_by_writer(&msg, find(items, "k")) == 1);
    table_update(items, &msg, 0);
    writer.count -= 2;
    kvmsg_set_uuid(&msg, &writer);
    CHECK(kvmsg_compare_by_writer(&msg, find(items, "k")) == -1);
    writer = kvmsg_new_writer();
    kvmsg_set_uuid(&msg, &writer);
    CHECK(kvmsg_compare_by_writer(&msg, find(items, "k")) == 0);
    table_destroy(&items);
    zg_clear(&msg);
}

/* Expect that the keys rise, and that their values are these. */
static int check_order(table *items, const char *value)
{
    const char *before = "";
    size_t size = 0;
    int seen = 0;

    for (item *it = table_first(items); it != NULL; it = item_next(it)) {
        size_t length;
        const char *key = item_frame(it, KV_KEY, &length);
        int order = memcmp(before, key, size < length ? size : length);
        CHECK(order < 0 || (order == 0 && size < length));
        CHECK(value[atoi(key)] != '\0');
        before = key;
        size = length;
        seen++;
    }
    return seen;
}

/* Compare a table with an array after many random updates. */
static void check_table(void)
{
    enum { KEYS = 500 };
    char value[KEYS] = { 0 }, key[20];
    int64_t at[KEYS] = { 0 };
    table *items = table_new();
    zg_msg msg = { 0 };
    int present = 0, timed = 0, seen = 0;

    for (int i = 0; i < 20000; i++) {
        int n = (int) (random() % KEYS);
        value[n] = random() % 3 == 0 ? '\0' : (char) ('a' + random() % 20);
        at[n] = value[n] == '\0' || random() % 2 == 0 ? 0 : i;
        snprintf(key, sizeof key, "%d", n);
        make(&msg, key, (char[]){ value[n], '\0' });
        table_update(items, &msg, at[n]);
    }
    for (int n = 0; n < KEYS; n++) {
        snprintf(key, sizeof key, "%d", n);
        CHECK((find(items, key) != NULL) == (value[n] != '\0'));
        present += value[n] != '\0';
        timed += at[n] != 0;
    }
    CHECK(check_order(items, value) == present);
    CHECK(table_count(items) == (size_t) present);
    int64_t last = 0;
    for (item *it = table_first_timed(items); it != NULL;
         it = item_next_timed(it), seen++) {
        CHECK(item_time(it) > last); /* in the order in which they were put */
        last = item_time(it);
    }
    CHECK(seen == timed);
    /* A lower bound: the key itself, or the next one. */
    zg_clear(&msg);
    make(&msg, "x", "v");
    table_put(items, &msg, 0);
    CHECK(table_lower_bound(items, "x", 1) == find(items, "x"));
    CHECK(table_lower_bound(items, "w", 1) == find(items, "x"));
    CHECK(table_lower_bound(items, "x\0", 2) == NULL);
    CHECK(item_is_below(find(items, "x"), "", 0));
    CHECK(!item_is_below(find(items, "x"), "xy", 2));
    while (table_count(items) > 0)
        table_remove(items, table_first(items));
    CHECK(table_bytes(items) == 0 && table_first(items) == NULL
          && table_first_timed(items) == NULL);
    zg_clear(&msg);
    table_destroy(&items);
}

/* The sum of the bytes of the values that were visited. */
static int visited, calls;

static void count_visit(void *arg, zg_msg *update)
{
    (void) arg;
    calls++;
    visited += (int) zmq_msg_size(&update->frame[KVMSG_VALUE]);
}

/* Check the rows of the table in pending.h. Each update has a value of another
 * length, so the length of the visited values tells which ones are held. */
static int held(pending *self)
{
    table *none = table_new();
    visited = 0;
    pending_take_missing(self, none, count_visit, NULL);
    table_destroy(&none);
    return visited;
}

/* Values of 1 MB reach the limit in bytes: the oldest are dropped. */
static void check_room(void)
{
    enum { SIZE = 1000000, COUNT = 300 };
    pending *self = pending_new();
    zg_msg update = { 0 };
    char *value = calloc(1, SIZE + 1), key[8];

    memset(value, 'v', SIZE);
    for (int i = 0; i < COUNT; i++) {
        snprintf(key, sizeof key, "%d", i);
        make(&update, key, value);
        pending_client_sent(self, &update);
    }
    CHECK(held(self) / SIZE == (1 << 28) / SIZE);
    free(value);
    zg_clear(&update);
    pending_destroy(&self);
}

/* A client that sends a held update again does not delay its passing on. One is
 * passed on once a second, and at most 5,000 in a call. */
static void check_passed_on(void *ctx)
{
    void *clock = zg_socket(ctx, ZMQ_PAIR);
    pending *self = pending_new();
    zg_msg update = { 0 };
    char key[8];

    make(&update, "k", "1");
    kvmsg_set_uuid(&update, &writer);
    for (int i = 0; i < 4; i++) {
        pending_client_sent(self, &update);
        zg_sleep(clock, 300);
    }
    visited = 0;
    pending_pass_on(self, count_visit, NULL);
    CHECK(visited == 1);
    pending_pass_on(self, count_visit, NULL);
    CHECK(visited == 1);
    for (int i = 0; i < 5500; i++) {
        snprintf(key, sizeof key, "%d", i);
        make(&update, key, "1");
        pending_client_sent(self, &update);
    }
    zg_sleep(clock, 1100);
    visited = 0;
    pending_pass_on(self, count_visit, NULL);
    CHECK(visited == 5000);
    pending_pass_on(self, count_visit, NULL);
    CHECK(visited == 5501);
    CHECK(held(self) == 5501);
    zg_clear(&update);
    pending_destroy(&self);
    zmq_close(clock);
}

/* What the table has remains held and is not published again. */
static void check_taken(void)
{
    pending *self = pending_new();
    table *items = table_new();
    zg_msg one = { 0 }, two = { 0 }, deleted = { 0 };

    make(&one, "k", "1");
    make(&two, "k", "22");
    make(&deleted, "gone", "");
    kvmsg_set_uuid(&one, &writer);
    kvmsg_set_uuid(&two, &writer);
    kvmsg_set_uuid(&deleted, &writer);
    pending_we_published(self, &two);
    pending_we_published(self, &deleted);
    table_update(items, &two, 0);
    visited = calls = 0;
    pending_take_missing(self, items, count_visit, NULL);
    CHECK(calls == 0);
    table_update(items, &one, 0); /* the table of the peer has replaced ours */
    pending_take_missing(self, items, count_visit, NULL);
    CHECK(calls == 1 && visited == 2);
    /* A client's delete is published, although there is no such key. */
    kvmsg_set_uuid(&deleted, &writer);
    pending_client_sent(self, &deleted);
    pending_take_missing(self, items, count_visit, NULL);
    CHECK(calls == 2);
    CHECK(held(self) == 0);
    zg_clear(&one);
    zg_clear(&two);
    zg_clear(&deleted);
    table_destroy(&items);
    pending_destroy(&self);
}

static void check_pending(void)
{
    pending *self = pending_new();
    struct kvmsg_writer other = kvmsg_new_writer();
    zg_msg one = { 0 }, two = { 0 }, foreign = { 0 }, bare = { 0 };

    make(&one, "k", "1");
    make(&two, "k", "22");
    make(&foreign, "k", "4444");
    make(&bare, "k", "333");
    kvmsg_set_uuid(&one, &writer);
    kvmsg_set_uuid(&two, &writer);
    kvmsg_set_uuid(&foreign, &other);
    /* From a client: replaced by a later one, not by an earlier one. */
    pending_client_sent(self, &one);
    pending_client_sent(self, &two);
    CHECK(held(self) == 2);
    pending_client_sent(self, &two);
    pending_client_sent(self, &one);
    CHECK(held(self) == 2);
    pending_client_sent(self, &two);
    pending_client_sent(self, &foreign);
    CHECK(held(self) == 4);
    /* Dropped when it is published, or a later one; kept for an earlier one. */
    pending_client_sent(self, &two);
    pending_peer_published(self, &one);
    CHECK(held(self) == 2);
    pending_client_sent(self, &two);
    pending_peer_published(self, &two);
    CHECK(held(self) == 0);
    CHECK(pending_is_known(self, &two) && !pending_is_known(self, &foreign));
    /* A known one is not held, and replaces nothing. */
    pending_client_sent(self, &foreign);
    pending_client_sent(self, &two);
    CHECK(held(self) == 4);
    /* Kept when the peer publishes one of another writer. */
    kvmsg_set_uuid(&one, &writer);
    pending_client_sent(self, &foreign);
    pending_peer_published(self, &one);
    CHECK(held(self) == 4);
    /* Published by us: dropped when the peer publishes a new one, kept when it
     * publishes a known one or one without uuid. */
    pending_we_published(self, &foreign);
    pending_peer_published(self, &one);
    pending_peer_published(self, &bare);
    CHECK(held(self) == 4);
    pending_we_published(self, &foreign);
    kvmsg_set_uuid(&one, &writer);
    pending_peer_published(self, &one);
    CHECK(held(self) == 0);
    pending_we_published(self, &one);
    pending_peer_published(self, &two); /* known, and earlier */
    CHECK(held(self) == 1);
    /* Without a uuid it is known by its key. */
    pending_client_sent(self, &bare);
    pending_peer_published(self, &foreign);
    CHECK(held(self) == 0);
    zg_clear(&one);
    zg_clear(&two);
    zg_clear(&foreign);
    zg_clear(&bare);
    pending_destroy(&self);
}

/* Join a server that does not exist, and let time and messages change that. */
static void check_replica(void *ctx)
{
    struct replica replica;
    zg_msg hugz = { 0 };

    replica_init(&replica, ctx, KVMSG_FRAMES, "", 1000);
    replica_join(&replica, "ipc://nobody", "ipc://nobody+1");
    /* It votes until it has received HUGZ, also while it fetches. */
    replica.fetch_at = 0;
    CHECK(replica_tick(&replica) <= zg_now() + 1000);
    CHECK(replica.state == REPLICA_FETCHING && replica_vote(&replica));
    replica.has_hugz = true;
    CHECK(!replica_vote(&replica));
    /* After a timeout it joins, and must be called soon. */
    replica.heard_at = 0;
    CHECK(replica_tick(&replica) <= zg_now() + 100);
    CHECK(replica.state == REPLICA_JOINING);
    /* A late HUGZ without an epoch, as in RFC 12, makes it join again. */
    replica.state = REPLICA_FOLLOWING;
    replica.received = 1;
    make(&hugz, CHP_HUGZ, "");
    CHECK(replica_handle_message(&replica, &hugz) == REPLICA_UNCHANGED);
    CHECK(replica.state == REPLICA_JOINING && replica.received < 1);
    zg_clear(&hugz);
    replica_destroy(&replica);
}

/* With 1000 clients that do not read, another one receives its snapshot. */
static void check_snapshots(void *ctx)
{
    void *router = zg_socket(ctx, ZMQ_ROUTER);
    void *dealer = zg_socket(ctx, ZMQ_DEALER);
    snapshots *self = snapshots_new(router, KVMSG_FRAMES, kvmsg_load);
    table *items = table_new();
    zg_msg msg = { 0 };

    zg_must(zmq_bind(router, "inproc://snapshots"));
    for (int i = 0; i < 1000; i++) {
        zg_insert(&msg, 0, &i, sizeof i);
        zg_insert(&msg, 1, CHP_ICANHAZ, strlen(CHP_ICANHAZ));
        CHECK(snapshots_begin(self, &msg, 0));
        zg_clear(&msg);
    }
    zg_connect(dealer, "inproc://snapshots");
    zmq_send(dealer, CHP_ICANHAZ, strlen(CHP_ICANHAZ), 0);
    CHECK(zg_recv(&msg, router, 0) && snapshots_begin(self, &msg, 7));
    CHECK(snapshots_send(self, items) == ZG_FOREVER);
    CHECK(zg_recv(&msg, dealer, ZMQ_DONTWAIT) && kv_number(&msg) == 7);
    zg_clear(&msg);
    snapshots_destroy(&self);
    table_destroy(&items);
    zmq_close(router);
    zmq_close(dealer);
}

static int loaded;

static void count_load(const item *it, zg_msg *msg)
{
    loaded++;
    kvmsg_load(it, msg);
}

/* Each item is copied once, however often the queue of its client is full. */
static void check_full_queue(void *ctx)
{
    enum { KEYS = 10 };
    void *router = zg_socket(ctx, ZMQ_ROUTER);
    void *dealer = zg_socket(ctx, ZMQ_DEALER);
    snapshots *self = snapshots_new(router, KVMSG_FRAMES, count_load);
    table *items = table_new();
    zg_msg msg = { 0 };
    int received = 0;

    for (int i = 0; i < KEYS; i++) {
        make(&msg, (char[]){ (char) ('a' + i), '\0' }, "v");
        table_put(items, &msg, 0);
    }
    zg_set(router, ZMQ_SNDHWM, 1);
    zg_set(dealer, ZMQ_RCVHWM, 1);
    zg_must(zmq_bind(router, "inproc://full-queue"));
    zg_connect(dealer, "inproc://full-queue");
    zmq_send(dealer, CHP_ICANHAZ, strlen(CHP_ICANHAZ), 0);
    CHECK(zg_recv(&msg, router, 0) && snapshots_begin(self, &msg, 7));
    for (int i = 0; i < 5; i++)
        CHECK(snapshots_send(self, items) != ZG_FOREVER);
    CHECK(loaded == 2); /* the queue has room for them */
    for (int i = 0; i < 1000 && !zg_is(&msg, KV_KEY, CHP_KTHXBAI); i++) {
        snapshots_send(self, items);
        if (zg_recv(&msg, dealer, ZMQ_DONTWAIT))
            received++;
        else
            zg_sleep(dealer, 1);
    }
    CHECK(received == KEYS + 1 && loaded == KEYS);
    zg_clear(&msg);
    snapshots_destroy(&self);
    table_destroy(&items);
    zmq_close(router);
    zmq_close(dealer);
}

int main(void)
{
    void *ctx = zg_start();

    writer = kvmsg_new_writer();
    check_messages(ctx);
    check_properties();
    check_limit();
    check_ttls();
    check_uuids();
    check_table();
    check_pending();
    check_room();
    check_passed_on(ctx);
    check_taken();
    check_snapshots(ctx);
    check_full_queue(ctx);
    check_replica(ctx);
    printf("%d failures\n", failures);
    zg_stop(ctx);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
