/* SPDX-License-Identifier: 0BSD */
/* kvmsg.c - key-value messages of five frames, as in RFC 12.
 *
 * Guide: chapter 5, "Ephemeral Values".
 */
#include "kvmsg.h"

#include "chp.h"

enum { TTL_DIGITS = 9 }; /* as KVMSG_TTL_MAX has */

void kvmsg_make(zg_msg *msg, const void *key, size_t key_size, int64_t number,
                const void *value, size_t value_size)
{
    zg_insert(msg, KV_KEY, key, key_size);
    zg_insert(msg, KV_NUMBER, "\0\0\0\0\0\0\0\0", 8);
    kv_set_number(msg, number);
    zg_insert(msg, KVMSG_UUID, "", 0);
    zg_insert(msg, KVMSG_PROPERTIES, "", 0);
    zg_insert(msg, KVMSG_VALUE, value, value_size);
}

void kvmsg_make_delete(zg_msg *msg, const kvitem *item)
{
    size_t size;
    const void *key = kvitem_frame(item, KV_KEY, &size);

    kvmsg_make(msg, key, size, 0, "", 0);
}

static void replace(zg_msg *msg, int frame, const void *data, size_t size)
{
    zmq_msg_close(&msg->frame[frame]);
    zg_must(zmq_msg_init_size(&msg->frame[frame], size));
    memcpy(zmq_msg_data(&msg->frame[frame]), data, size);
}

/* RFC 4122, version 4: random but for six bits */
void kvmsg_set_uuid(zg_msg *msg)
{
    uint8_t uuid[KVMSG_UUID_SIZE];

    zg_must(getentropy(uuid, sizeof uuid));
    uuid[6] = (uint8_t) (uuid[6] % 16 + 0x40);
    uuid[8] = (uint8_t) (uuid[8] % 64 + 0x80);
    replace(msg, KVMSG_UUID, uuid, sizeof uuid);
}

bool kvmsg_has_uuid(zg_msg *msg)
{
    return zmq_msg_size(&msg->frame[KVMSG_UUID]) > 0;
}

bool kvmsg_same(zg_msg *msg, const kvitem *item)
{
    size_t size;
    const void *uuid = kvitem_frame(item, KVMSG_UUID, &size);

    return size == KVMSG_UUID_SIZE
           && zmq_msg_size(&msg->frame[KVMSG_UUID]) == size
           && memcmp(zmq_msg_data(&msg->frame[KVMSG_UUID]), uuid, size) == 0;
}

void kvmsg_settle(kvmap *waiting, kvmap *table)
{
    kvitem *item, *next;
    zg_msg msg = { 0 };

    for (item = kvmap_from(waiting, "", 0); item != NULL; item = next) {
        size_t size;
        const void *key = kvitem_frame(item, KV_KEY, &size);
        const kvitem *known = kvmap_find(table, key, size);
        next = kvmap_next(item);
        kvitem_load(item, &msg);
        if (known != NULL && kvmsg_same(&msg, known))
            kvmap_forget(waiting, item);
        zg_clear(&msg);
    }
}

/* One line of the properties: "name=value", and where it ends */
struct line {
    const char *text;
    size_t size;
};

static bool next_line(zg_msg *msg, struct line *line)
{
    const char *all = zmq_msg_data(&msg->frame[KVMSG_PROPERTIES]);
    const char *end = all + zmq_msg_size(&msg->frame[KVMSG_PROPERTIES]);
    const char *text = line->text == NULL ? all : line->text + line->size + 1;

    if (text >= end)
        return false;
    const char *eol = memchr(text, '\n', (size_t) (end - text));
    *line = (struct line){ text, (size_t) ((eol ? eol : end) - text) };
    return true;
}

static bool line_is(struct line *line, const char *name)
{
    size_t size = strlen(name);

    return line->size > size && line->text[size] == '='
           && memcmp(line->text, name, size) == 0;
}

const char *kvmsg_property(zg_msg *msg, const char *name)
{
    static _Thread_local char value[KVMSG_PROPERTY_MAX + 1];
    size_t skip = strlen(name) + 1;

    value[0] = '\0';
    for (struct line line = { 0 }; next_line(msg, &line);)
        if (line_is(&line, name))
            snprintf(value, sizeof value, "%.*s", (int) (line.size - skip),
                     line.text + skip);
    return value;
}

bool kvmsg_set_property(zg_msg *msg, const char *name, const char *value)
{
    size_t added = strlen(name) + strlen(value) + 2, size = 0;
    zmq_msg_t *old = &msg->frame[KVMSG_PROPERTIES], all;

    if (strpbrk(name, "=\n") != NULL || strchr(value, '\n') != NULL
        || strlen(value) > KVMSG_PROPERTY_MAX)
        return false;
    zg_must(zmq_msg_init_size(&all, zmq_msg_size(old) + added + 2));
    char *data = zmq_msg_data(&all);
    for (struct line line = { 0 }; next_line(msg, &line);) {
        if (line_is(&line, name))
            continue;
        memcpy(data + size, line.text, line.size);
        size += line.size;
        data[size++] = '\n';
    }
    size += (size_t) sprintf(data + size, "%s=%s\n", name, value);
    replace(msg, KVMSG_PROPERTIES, data, size);
    zmq_msg_close(&all);
    return true;
}

/* The ttl in milliseconds, 0 for none. */
static int64_t time_to_live(zg_msg *msg)
{
    const char *ttl = kvmsg_property(msg, "ttl");

    if (strlen(ttl) > TTL_DIGITS || strspn(ttl, "0123456789") != strlen(ttl))
        return 0;
    return atol(ttl) * (int64_t) 1000;
}

/* Rounded up, and 0 would mean for ever. */
static void set_time_to_live(zg_msg *msg, int64_t msecs)
{
    char ttl[24];

    snprintf(ttl, sizeof ttl, "%ld",
             msecs < 1 ? 1L : (long) (msecs + 999) / 1000);
    kvmsg_set_property(msg, "ttl", ttl);
}

int64_t kvmsg_expires(zg_msg *msg)
{
    int64_t left = time_to_live(msg);

    return left == 0 ? 0 : zg_now() + left;
}

void kvmsg_age(zg_msg *msg, int64_t msecs)
{
    int64_t left = time_to_live(msg);

    if (left > msecs)
        set_time_to_live(msg, left - msecs);
    else if (left > 0)
        replace(msg, KVMSG_VALUE, "", 0);
}

void kvmsg_load(const kvitem *item, zg_msg *msg)
{
    kvitem_load(item, msg);
    if (kvitem_expires(item) != 0)
        set_time_to_live(msg, kvitem_expires(item) - zg_now());
}

bool kvmsg_valid(zg_msg *msg)
{
    size_t uuid;

    if (!kv_valid(msg, KVMSG_FRAMES))
        return false;
    uuid = zmq_msg_size(&msg->frame[KVMSG_UUID]);
    return uuid == 0 || uuid == KVMSG_UUID_SIZE;
}

bool kvmsg_reserved(zg_msg *msg)
{
    return zg_is(msg, KV_KEY, CHP_KTHXBAI) || zg_is(msg, KV_KEY, CHP_HUGZ);
}

bool kvmsg_recv(zg_msg *msg, void *sock, int flags)
{
    if (!zg_recv(msg, sock, flags))
        return false;
    if (!kvmsg_valid(msg)) {
        zg_drop(msg, "a peer");
        zg_clear(msg);
    }
    return true;
}
