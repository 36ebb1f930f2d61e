/* SPDX-License-Identifier: 0BSD */
/* kvmap.c - the table: two search trees of libc and a list of the same items.
 *
 * One tree finds items by key, the other has those that will expire, by when.
 * The list has them in the order of keys, to walk along. A search tree of libc
 * cannot be asked for what comes next, but it asks us at each step of a search:
 * the last item that was beyond is the next one.
 */
#include "kvmap.h"

#include <assert.h>
#include <inttypes.h>
#include <search.h>
#include <sys/queue.h>

enum { MAX_SUMS = 16 };

/* One message, its frames one behind the other, in one piece of memory. */
struct kvitem {
    TAILQ_ENTRY(kvitem) link;
    int64_t expires;
    int frames;
    uint32_t size[KV_FRAMES_MAX];
    char data[];
};

struct sum {
    char subtree[256];
    size_t size;
    uint64_t sum;
};

struct kvmap {
    void *by_key, *by_expiry; /* of tsearch() */
    TAILQ_HEAD(, kvitem) all;
    size_t count;
    kvitem *wanted; /* what a search is for */
    struct sum sum[MAX_SUMS];
    int sums, next_sum;
};

static int compare(const void *a, const void *b)
{
    const kvitem *one = a, *other = b;
    uint32_t size = one->size[KV_KEY], size2 = other->size[KV_KEY];
    int order = memcmp(one->data, other->data, size < size2 ? size : size2);

    return order != 0 ? order : (size > size2) - (size < size2);
}

static int compare_expiry(const void *a, const void *b)
{
    const kvitem *one = a, *other = b;

    return one->expires != other->expires
               ? (one->expires > other->expires ? 1 : -1)
               : compare(one, other);
}

/* For tfind() that finds nothing, but passes by what comes next. */
static _Thread_local const kvitem *passed;

static int pass(const void *wanted, const void *item)
{
    if (compare(wanted, item) > 0)
        return 1;
    passed = item;
    return -1;
}

static int pass_expiry(const void *wanted, const void *item)
{
    (void) wanted;
    passed = item;
    return -1; /* on to the earliest */
}

#define FNV_BASIS 0xcbf29ce484222325

/* 64-bit FNV-1a */
static uint64_t fnv(uint64_t hash, const void *data, size_t size)
{
    for (const uint8_t *byte = data; size-- > 0; byte++)
        hash = (hash ^ *byte) * 0x100000001b3;
    return hash;
}

uint64_t kv_mark(zg_msg *msg)
{
    uint64_t hash = FNV_BASIS;

    for (int i = 0; i < msg->count; i += msg->count - 1)
        hash = fnv(hash, zmq_msg_data(&msg->frame[i]),
                   zmq_msg_size(&msg->frame[i]));
    return hash;
}

/* An item counts as: size of key, key, size of value, value. */
static uint64_t hash_item(uint64_t hash, const kvitem *item)
{
    for (int i = 0; i < item->frames; i += item->frames - 1) {
        size_t size;
        const void *data = kvitem_frame(item, i, &size);
        uint8_t length[] = { (uint8_t) (size >> 24), (uint8_t) (size >> 16),
                             (uint8_t) (size >> 8), (uint8_t) size };
        hash = fnv(fnv(hash, length, sizeof length), data, size);
    }
    return hash;
}

kvmap *kvmap_new(void)
{
    kvmap *self = calloc(1, sizeof *self);

    if (self == NULL || !(self->wanted = calloc(1, sizeof(kvitem) + 256)))
        zg_die("calloc");
    TAILQ_INIT(&self->all);
    return self;
}

/* It joins the sums (1), or leaves them (-1). */
static void count_item(kvmap *self, const kvitem *item, int64_t sign)
{
    self->count += (size_t) sign;
    if (self->sums == 0)
        return;
    uint64_t hash = (uint64_t) sign * hash_item(FNV_BASIS, item);
    for (struct sum *sum = self->sum; sum < self->sum + self->sums; sum++)
        if (kvitem_starts(item, sum->subtree, sum->size))
            sum->sum += hash;
}

static void release(kvmap *self, kvitem *item)
{
    count_item(self, item, -1);
    TAILQ_REMOVE(&self->all, item, link);
    if (item->expires != 0)
        tdelete(item, &self->by_expiry, compare_expiry);
    free(item);
}

void kvmap_destroy(kvmap **self)
{
    (*self)->sums = 0;
    while ((*self)->by_key != NULL) /* the root of it */
        kvmap_forget(*self, *(kvitem **) (*self)->by_key);
    free((*self)->wanted);
    free(*self);
    *self = NULL;
}

static kvitem *pack(zg_msg *msg, int64_t expires)
{
    kvitem *item;
    size_t size = sizeof *item;

    assert(msg->count <= KV_FRAMES_MAX); /* a peer's message is kv_valid() */
    for (int i = 0; i < msg->count; i++)
        size += zmq_msg_size(&msg->frame[i]);
    if ((item = malloc(size)) == NULL)
        zg_die("malloc");
    item->expires = expires;
    item->frames = msg->count;
    size = 0;
    for (int i = 0; i < msg->count; i++) {
        item->size[i] = (uint32_t) zmq_msg_size(&msg->frame[i]);
        memcpy(item->data + size, zmq_msg_data(&msg->frame[i]), item->size[i]);
        size += item->size[i];
    }
    return item;
}

/* Puts the item into a tree; NULL, or the one whose place it took. */
static kvitem *put(kvitem *item, void **tree,
                   int (*order)(const void *, const void *))
{
    kvitem **place = tsearch(item, tree, order), *old;

    if (place == NULL)
        zg_die("tsearch");
    old = *place == item ? NULL : *place;
    *place = item;
    return old;
}

/* Into the list: to the place of the old item, or before the next one. */
static void line_up(kvmap *self, kvitem *item, kvitem *old)
{
    char beyond[256]; /* the key and a zero byte: nothing is between them */

    if (old == NULL) {
        memcpy(beyond, item->data, item->size[KV_KEY]);
        beyond[item->size[KV_KEY]] = '\0';
        old = kvmap_from(self, beyond, item->size[KV_KEY] + 1);
    }
    if (old != NULL)
        TAILQ_INSERT_BEFORE(old, item, link);
    else
        TAILQ_INSERT_TAIL(&self->all, item, link);
}

void kvmap_keep(kvmap *self, zg_msg *msg, int64_t expires)
{
    kvitem *item = pack(msg, expires);
    kvitem *old = put(item, &self->by_key, compare);

    line_up(self, item, old);
    if (old != NULL)
        release(self, old);
    if (expires != 0)
        put(item, &self->by_expiry, compare_expiry);
    count_item(self, item, 1);
}

void kvmap_forget(kvmap *self, kvitem *item)
{
    tdelete(item, &self->by_key, compare);
    release(self, item);
}

void kvmap_store(kvmap *self, zg_msg *msg, int64_t expires)
{
    zmq_msg_t *key = &msg->frame[KV_KEY], *value = &msg->frame[msg->count - 1];
    kvitem *old;

    if (zmq_msg_size(value) > 0) {
        kvmap_keep(self, msg, expires);
        return;
    }
    old = kvmap_find(self, zmq_msg_data(key), zmq_msg_size(key));
    if (old != NULL)
        kvmap_forget(self, old);
}

static kvitem *want(kvmap *self, const void *key, size_t size)
{
    memcpy(self->wanted->data, key, size);
    self->wanted->size[KV_KEY] = (uint32_t) size;
    return self->wanted;
}

kvitem *kvmap_find(kvmap *self, const void *key, size_t size)
{
    kvitem **place = tfind(want(self, key, size), &self->by_key, compare);

    return place == NULL ? NULL : *place;
}

kvitem *kvmap_from(kvmap *self, const void *key, size_t size)
{
    passed = NULL;
    tfind(want(self, key, size), &self->by_key, pass);
    return (kvitem *) passed;
}

kvitem *kvmap_next(const kvitem *item)
{
    return TAILQ_NEXT(item, link);
}

kvitem *kvmap_expired(kvmap *self, int64_t now)
{
    passed = NULL;
    tfind(self->wanted, &self->by_expiry, pass_expiry);
    return passed != NULL && passed->expires <= now ? (kvitem *) passed : NULL;
}

const void *kvitem_frame(const kvitem *item, int frame, size_t *size)
{
    const char *data = item->data;

    for (int i = 0; i < frame; i++)
        data += item->size[i];
    *size = item->size[frame];
    return data;
}

void kvitem_load(const kvitem *item, zg_msg *msg)
{
    for (int i = 0; i < item->frames; i++) {
        size_t size;
        const void *data = kvitem_frame(item, i, &size);
        zg_insert(msg, msg->count, data, size);
    }
}

int64_t kvitem_expires(const kvitem *item)
{
    return item->expires;
}

bool kvitem_starts(const kvitem *item, const void *subtree, size_t size)
{
    return item->size[KV_KEY] >= size && memcmp(item->data, subtree, size) == 0;
}

/* All items below a subtree stand together. */
static void begin_sum(kvmap *self, struct sum *sum)
{
    kvitem *item = kvmap_from(self, sum->subtree, sum->size);

    while (item != NULL && kvitem_starts(item, sum->subtree, sum->size)) {
        sum->sum += hash_item(FNV_BASIS, item);
        item = kvmap_next(item);
    }
}

uint64_t kvmap_sum(kvmap *self, const char *subtree, size_t size)
{
    struct sum *sum = self->sum, *end = sum + self->sums;

    while (sum < end
           && (sum->size != size || memcmp(sum->subtree, subtree, size) != 0))
        sum++;
    if (sum == end) {
        sum = &self->sum[self->next_sum++ % MAX_SUMS];
        self->sums += self->sums < MAX_SUMS;
        *sum = (struct sum){ .size = size };
        memcpy(sum->subtree, subtree, size);
        begin_sum(self, sum);
    }
    return sum->sum;
}

const char *kvmap_summed(const kvmap *self, int i)
{
    return i < self->sums ? self->sum[i].subtree : NULL;
}

size_t kvmap_count(const kvmap *self)
{
    return self->count;
}

void kvmap_report(const kvmap *self, int64_t sequence)
{
    uint64_t digest = FNV_BASIS;
    const kvitem *item;

    TAILQ_FOREACH(item, &self->all, link)
        digest = hash_item(digest, item);
    printf("%zu keys, sequence %" PRId64 ", digest %016" PRIx64 "\n",
           self->count, sequence, digest);
}
