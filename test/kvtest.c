/* SPDX-License-Identifier: 0BSD */
/* kvtest - what the classes of chapter 5 promise of messages and tables. It
 * ends with 0 if they keep it, and otherwise says where they do not. */
#include <inttypes.h>

#include "hugz.h"
#include "kvmsg.h"
#include "kvsimple.h"
#include "pending.h"

static int failures;

#define CHECK(what)                                                            \
    ((what)                                                                    \
         ? (void) 0                                                            \
         : (void) (failures++, printf("%d: not so: %s\n", __LINE__, #what)))

static void make(zg_msg *msg, const char *key, int64_t number,
                 const char *value)
{
    zg_clear(msg);
    kvmsg_make(msg, key, strlen(key), number, value, strlen(value));
}

static void numbers(void *ctx)
{
    zg_msg msg = { 0 };
    uint8_t wire[] = { 0, 0, 0, 0, 0, 0, 1, 2 };
    void *a = zg_socket(ctx, ZMQ_PAIR), *b = zg_socket(ctx, ZMQ_PAIR);

    zg_must(zmq_bind(a, "inproc://pair"));
    zg_connect(b, "inproc://pair");
    kvsimple_make(&msg, "/client/7", 9, 258, "hi", 2);
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

static void properties(void)
{
    zg_msg msg = { 0 };
    char longest[300];

    make(&msg, "/client/7", 258, "hi");
    CHECK(kvmsg_set_property(&msg, "ttl", "5"));
    CHECK(zg_is(&msg, 3, "ttl=5\n"));
    CHECK(kvmsg_set_property(&msg, "prop2", "a"));
    CHECK(kvmsg_set_property(&msg, "prop2", "b=c"));
    CHECK(zg_is(&msg, 3, "ttl=5\nprop2=b=c\n"));
    CHECK(strcmp(kvmsg_property(&msg, "prop2"), "b=c") == 0);
    CHECK(strcmp(kvmsg_property(&msg, "prop"), "") == 0);
    CHECK(!kvmsg_set_property(&msg, "a=b", "1"));
    CHECK(!kvmsg_set_property(&msg, "a", "1\nttl=9"));
    memset(longest, 'x', sizeof longest);
    longest[256] = '\0';
    CHECK(!kvmsg_set_property(&msg, "a", longest));
    longest[255] = '\0';
    CHECK(kvmsg_set_property(&msg, "a", longest));
    CHECK(strcmp(kvmsg_property(&msg, "a"), longest) == 0);
    zg_clear(&msg);
    /* The last line may lack its end; what has no '=' is nothing. */
    zg_insert(&msg, 0, "k", 1);
    zg_insert(&msg, 1, "12345678", 8);
    zg_insert(&msg, 2, "", 0);
    zg_insert(&msg, 3, "\n\nbare\n=x\nttl=7", 15);
    zg_insert(&msg, 4, "v", 1);
    CHECK(strcmp(kvmsg_property(&msg, "ttl"), "7") == 0);
    CHECK(strcmp(kvmsg_property(&msg, "bare"), "") == 0);
    CHECK(kvmsg_set_property(&msg, "x", "y"));
    CHECK(strcmp(kvmsg_property(&msg, "ttl"), "7") == 0);
    zg_clear(&msg);
}

static void ttls(void)
{
    static const char *const none[] = { "",   "0",  "-5",          "abc",
                                        "1x", " 1", "99999999999", "1.5" };
    zg_msg msg = { 0 };

    make(&msg, "k", 1, "v");
    CHECK(kvmsg_expires(&msg) == 0);
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        kvmsg_set_property(&msg, "ttl", none[i]);
        CHECK(kvmsg_expires(&msg) == 0);
    }
    kvmsg_set_property(&msg, "ttl", "3000000");
    CHECK(kvmsg_expires(&msg) > zg_now() + 2999999000LL);
    kvmsg_set_property(&msg, "ttl", "5");
    kvmsg_age(&msg, 2500);
    CHECK(strcmp(kvmsg_property(&msg, "ttl"), "3") == 0);
    CHECK(zg_is(&msg, KVMSG_VALUE, "v"));
    kvmsg_age(&msg, 3000);
    CHECK(zg_is(&msg, KVMSG_VALUE, ""));
    zg_clear(&msg);
}

static void uuids(void)
{
    zg_msg msg = { 0 };
    kvmap *map = kvmap_new();

    make(&msg, "k", 1, "v");
    kvmap_store(map, &msg, 0);
    CHECK(!kvmsg_has_uuid(&msg));
    CHECK(!kvmsg_same(&msg, kvmap_find(map, "k", 1)));
    kvmsg_set_uuid(&msg);
    CHECK(kvmsg_has_uuid(&msg) && kvmsg_valid(&msg));
    CHECK(((uint8_t *) zmq_msg_data(&msg.frame[2]))[6] >> 4 == 4);
    kvmap_store(map, &msg, 0);
    CHECK(kvmsg_same(&msg, kvmap_find(map, "k", 1)));
    kvmsg_set_uuid(&msg);
    CHECK(!kvmsg_same(&msg, kvmap_find(map, "k", 1)));
    kvmap_destroy(&map);
    zg_clear(&msg);
}

/* Random keys, against a table that needs no thought. */
static void order(void)
{
    enum { KEYS = 500 };
    char value[KEYS] = { 0 }, key[20];
    kvmap *map = kvmap_new(), *other = kvmap_new();
    zg_msg msg = { 0 };
    uint64_t sum = kvmap_sum(map, "1", 1), part;
    int present = 0, seen = 0;

    for (int i = 0; i < 20000; i++) {
        int n = (int) (random() % KEYS);
        value[n] = random() % 3 == 0 ? 0 : (char) ('a' + random() % 20);
        snprintf(key, sizeof key, "%d", n);
        make(&msg, key, i, (char[]){ value[n], '\0' });
        kvmap_store(map, &msg, random() % 2 == 0 ? 0 : random() % 1000);
    }
    const char *before = "";
    size_t size = 0;
    for (kvitem *item = kvmap_from(map, "", 0); item != NULL;
         item = kvmap_next(item)) {
        size_t length;
        const char *name = kvitem_frame(item, 0, &length);
        int at = memcmp(before, name, size < length ? size : length);
        CHECK(at < 0 || (at == 0 && size < length));
        CHECK(value[atoi(name)] != 0);
        before = name;
        size = length;
        seen++;
    }
    for (int n = 0; n < KEYS; n++) {
        snprintf(key, sizeof key, "%d", n);
        CHECK((kvmap_find(map, key, strlen(key)) != NULL) == (value[n] != 0));
        present += value[n] != 0;
        make(&msg, key, n, (char[]){ value[n], '\0' });
        kvmap_store(other, &msg, 0);
    }
    CHECK(seen == present && kvmap_count(map) == (size_t) present);
    CHECK(kvmap_sum(map, "", 0) == kvmap_sum(other, "", 0));
    part = kvmap_sum(map, "1", 1);
    CHECK(sum == 0 && part != 0 && part == kvmap_sum(other, "1", 1));
    make(&msg, "1", 0, "other");
    kvmap_store(map, &msg, 0);
    CHECK(kvmap_sum(map, "1", 1) != part);
    make(&msg, "twice", 0, "v"); /* at the same moment, and yet it expires */
    kvmap_store(other, &msg, 5);
    kvmap_store(other, &msg, 5);
    CHECK(kvmap_expired(other, 5) == kvmap_find(other, "twice", 5));
    for (int i = 0; i < KEYS; i++) {
        kvitem *item = kvmap_expired(map, 1000);
        if (item != NULL)
            kvmap_forget(map, item);
    }
    CHECK(kvmap_expired(map, 1000) == NULL && kvmap_count(map) > 0);
    for (int i = 0; i < 40; i++) { /* more than it keeps */
        snprintf(key, sizeof key, "%d", i);
        kvmap_sum(map, key, strlen(key));
    }
    zg_clear(&msg);
    kvmap_destroy(&map);
    kvmap_destroy(&other);
}

static int visited;

static void count_visit(void *arg, zg_msg *update)
{
    (void) arg;
    visited += (int) zmq_msg_size(&update->frame[KVMSG_VALUE]);
}

static void waiting(void)
{
    pending *self = pending_new();
    zg_msg one = { 0 }, two = { 0 };

    make(&one, "k", 0, "1");
    make(&two, "k", 0, "22");
    kvmsg_set_uuid(&one);
    kvmsg_set_uuid(&two);
    pending_await(self, &one);
    pending_await(self, &two);
    pending_done(self, &one); /* not the one that is held */
    pending_visit(self, 0, count_visit, NULL);
    CHECK(visited == 2);
    pending_done(self, &two);
    pending_await(self, &two);
    pending_await(self, &one);
    pending_take(self, count_visit, NULL);
    CHECK(visited == 2); /* both have been seen, none is held again */
    CHECK(pending_seen(self, &one) && pending_seen(self, &two));
    make(&one, "k", 0, "1"); /* without a uuid it is known by its key */
    pending_await(self, &one);
    pending_done(self, &two);
    pending_take(self, count_visit, NULL);
    CHECK(visited == 2);
    zg_clear(&one);
    zg_clear(&two);
    pending_destroy(&self);
}

int main(void)
{
    void *ctx = zg_start();

    numbers(ctx);
    properties();
    ttls();
    uuids();
    order();
    waiting();
    printf("%d failures\n", failures);
    zg_stop(ctx);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
