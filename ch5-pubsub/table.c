/* SPDX-License-Identifier: 0BSD */
/* table.c - a skip list, and a list of the items that have a time.
 *
 * All items are in a sorted list, the links of level 0. A quarter of them, by
 * chance, are in the list of level 1 too, a quarter of those in that of level
 * 2, and so on. A search follows the links of the highest level until the next
 * one would pass the key, and then those of the level below. With a million
 * keys it compares about forty.
 */
#include "table.h"

#include <inttypes.h>
#include <sys/queue.h>

enum { LEVELS = 12 }; /* enough for 4^12 items */

struct item {
    TAILQ_ENTRY(item) timed;
    int64_t at;
    size_t bytes, size[TABLE_FRAMES];
    uint8_t frames, height;
    item *next[]; /* one for each level; the bytes of the frames follow */
};

struct table {
    item *first[LEVELS];
    TAILQ_HEAD(timed_items, item) timed;
    size_t count, bytes;
};

static char *bytes_of(const item *it)
{
    return (char *) &it->next[it->height];
}

static size_t bytes_in(zg_msg *msg)
{
    size_t bytes = sizeof(item);
    for (int i = 0; i < msg->count; i++)
        bytes += zmq_msg_size(&msg->frame[i]);
    return bytes;
}

table *table_new(void)
{
    table *self = calloc(1, sizeof *self);
    if (self == NULL)
        zg_die("calloc");
    TAILQ_INIT(&self->timed);
    return self;
}

void table_destroy(table **self)
{
    for (item *it = table_first(*self), *next; it != NULL; it = next) {
        next = item_next(it);
        free(it);
    }
    free(*self);
    *self = NULL;
}

size_t table_count(const table *self)
{
    return self->count;
}

size_t table_bytes(const table *self)
{
    return self->bytes;
}

bool table_has_room(const table *self, zg_msg *msg)
{
    return self->bytes + bytes_in(msg) <= TABLE_MAX_BYTES
           || zmq_msg_size(&msg->frame[msg->count - 1]) == 0;
}

static bool is_less(const item *it, const void *key, size_t size)
{
    size_t common = it->size[0] < size ? it->size[0] : size;
    int order = memcmp(bytes_of(it), key, common);
    return order != 0 ? order < 0 : it->size[0] < size;
}

/* Return the lower bound. Set link[level] to the last link of that level before
 * the key: insert and remove change these links. */
static item *search(table *self, const void *key, size_t size,
                    item **link[LEVELS])
{
    item **links = self->first;
    for (int level = LEVELS - 1; level >= 0; level--) {
        while (links[level] != NULL && is_less(links[level], key, size))
            links = links[level]->next;
        link[level] = &links[level];
    }
    return links[0];
}

item *table_lower_bound(table *self, const void *key, size_t size)
{
    item **link[LEVELS];
    return search(self, key, size, link);
}

static bool has_key(const item *it, const void *key, size_t size)
{
    return it != NULL && it->size[0] == size
           && memcmp(bytes_of(it), key, size) == 0;
}

item *table_find(table *self, zmq_msg_t *key)
{
    const void *bytes = zmq_msg_data(key);
    item *it = table_lower_bound(self, bytes, zmq_msg_size(key));
    return has_key(it, bytes, zmq_msg_size(key)) ? it : NULL;
}

static item *new_item(zg_msg *msg, int64_t at)
{
    int height = 1;
    while (height < LEVELS && random() % 4 == 0)
        height++;
    item *it = malloc(bytes_in(msg) + (size_t) height * sizeof it->next[0]);
    if (it == NULL)
        zg_die("malloc");
    it->at = at;
    it->bytes = bytes_in(msg);
    it->height = (uint8_t) height;
    it->frames = (uint8_t) msg->count;
    char *bytes = bytes_of(it);
    for (int i = 0; i < msg->count; i++) {
        size_t size = zmq_msg_size(&msg->frame[i]);
        memcpy(bytes, zmq_msg_data(&msg->frame[i]), size);
        it->size[i] = size;
        bytes += size;
    }
    return it;
}

/* Remove an item, given the links of a search for its key. */
static void unlink_item(table *self, item *it, item **link[LEVELS])
{
    for (int level = 0; level < it->height; level++)
        *link[level] = it->next[level];
    if (it->at != 0)
        TAILQ_REMOVE(&self->timed, it, timed);
    self->count--;
    self->bytes -= it->bytes;
    free(it);
}

void table_put(table *self, zg_msg *msg, int64_t at)
{
    item *it = new_item(msg, at), **link[LEVELS];
    item *old = search(self, bytes_of(it), it->size[0], link);
    if (has_key(old, bytes_of(it), it->size[0]))
        unlink_item(self, old, link);
    for (int level = 0; level < it->height; level++) {
        it->next[level] = *link[level];
        *link[level] = it;
    }
    if (at != 0)
        TAILQ_INSERT_TAIL(&self->timed, it, timed);
    self->count++;
    self->bytes += it->bytes;
    if (self->bytes / 2 > TABLE_MAX_BYTES) {
        errno = ENOMEM;
        zg_die("the table is too large");
    }
}

void table_update(table *self, zg_msg *msg, int64_t at)
{
    if (zmq_msg_size(&msg->frame[msg->count - 1]) > 0) {
        table_put(self, msg, at);
        return;
    }
    item *it = table_find(self, &msg->frame[0]);
    if (it != NULL)
        table_remove(self, it);
}

void table_remove(table *self, item *it)
{
    item **link[LEVELS];
    search(self, bytes_of(it), it->size[0], link);
    unlink_item(self, it, link);
}

item *table_first(table *self)
{
    return self->first[0];
}

item *item_next(const item *it)
{
    return it->next[0];
}

item *table_first_timed(table *self)
{
    return TAILQ_FIRST(&self->timed);
}

item *item_next_timed(const item *it)
{
    return TAILQ_NEXT(it, timed);
}

int64_t item_time(const item *it)
{
    return it->at;
}

const void *item_frame(const item *it, int frame, size_t *size)
{
    const char *bytes = bytes_of(it);
    if (frame == -1)
        frame = it->frames - 1;
    for (int i = 0; i < frame; i++)
        bytes += it->size[i];
    *size = it->size[frame];
    return bytes;
}

void item_append(const item *it, zg_msg *msg)
{
    for (int i = 0; i < it->frames; i++) {
        size_t size;
        const void *bytes = item_frame(it, i, &size);
        zg_insert(msg, msg->count, bytes, size);
    }
}

bool item_is_below(const item *it, const void *subtree, size_t size)
{
    return it->size[0] >= size && memcmp(bytes_of(it), subtree, size) == 0;
}

/* Continue a 64-bit FNV-1a hash with a length and the bytes. */
static uint64_t hash(uint64_t sum, const void *data, size_t size)
{
    const uint8_t *byte = data;
    for (int shift = 24; shift >= 0; shift -= 8)
        sum = (sum ^ (size >> shift & 0xff)) * 0x100000001b3;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ byte[i]) * 0x100000001b3;
    return sum;
}

void table_report(table *self, int64_t sequence)
{
    uint64_t digest = 0xcbf29ce484222325;
    for (item *it = table_first(self); it != NULL; it = item_next(it)) {
        size_t size;
        const void *key = item_frame(it, 0, &size);
        digest = hash(digest, key, size);
        const void *value = item_frame(it, -1, &size);
        digest = hash(digest, value, size);
    }
    printf("%zu keys, sequence %" PRId64 ", digest %016" PRIx64 "\n",
           self->count, sequence, digest);
}
