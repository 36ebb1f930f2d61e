/* SPDX-License-Identifier: 0BSD */
/* kvmsg.c - makes, compares and changes messages of five frames. */
#include "kvmsg.h"

#include <inttypes.h>
#include <sys/random.h>

enum { KNOWN_MAX = 32 }; /* bytes that a passive server adds: "known=...\n" */

bool kvmsg_is_valid(zg_msg *msg)
{
    if (!kv_is_valid(msg, KVMSG_FRAMES))
        return false;
    size_t uuid = zmq_msg_size(&msg->frame[KVMSG_UUID]);
    return uuid == 0 || uuid == KVMSG_UUID_SIZE;
}

bool kvmsg_is_acceptable(zg_msg *msg)
{
    size_t max = CHP_PROPERTIES_MAX;
    if (kvmsg_number_property(msg, "known") != -1)
        max += KNOWN_MAX;
    return !kv_is_reserved(msg)
           && zmq_msg_size(&msg->frame[KVMSG_PROPERTIES]) <= max;
}

bool kvmsg_recv(zg_msg *msg, void *sock, int flags)
{
    if (!zg_recv(msg, sock, flags))
        return false;
    if (!kvmsg_is_valid(msg))
        zg_drop(msg, "a peer");
    return true;
}

void kvmsg_make(zg_msg *msg, const void *key, size_t key_size,
                const void *value, size_t value_size)
{
    kv_begin(msg, key, key_size, 0);
    zg_insert(msg, KVMSG_UUID, "", 0);
    zg_insert(msg, KVMSG_PROPERTIES, "", 0);
    zg_insert(msg, KVMSG_VALUE, value, value_size);
}

void kvmsg_make_delete(zg_msg *msg, const item *it)
{
    size_t size;
    const void *key = item_frame(it, KV_KEY, &size);
    kvmsg_make(msg, key, size, "", 0);
}

void kvmsg_make_random(zg_msg *msg, const char *subtree, long max_ttl)
{
    char key[CHP_KEY_MAX + 5], number[24];
    int key_size = snprintf(key, sizeof key, "%.*s%ld", CHP_SUBTREE_MAX,
                            subtree, random() % 10000);
    int size = snprintf(number, sizeof number, "%ld", random() % 1000000);
    kvmsg_make(msg, key, (size_t) key_size, number, (size_t) size);
    if (max_ttl > 0) {
        snprintf(number, sizeof number, "%ld", 1 + random() % max_ttl);
        kvmsg_set_property(msg, "ttl", number);
    }
}

/* ---- The uuid ----------------------------------------------------------- */

static void replace(zg_msg *msg, int frame, const void *data, size_t size)
{
    zmq_msg_close(&msg->frame[frame]);
    zg_must(zmq_msg_init_size(&msg->frame[frame], size));
    memcpy(zmq_msg_data(&msg->frame[frame]), data, size);
}

struct kvmsg_writer kvmsg_new_writer(void)
{
    struct kvmsg_writer writer = { .count = 0 };
    zg_must(getentropy(writer.id, sizeof writer.id));
    writer.id[6] = (uint8_t) (writer.id[6] % 16 + 0x40); /* version 4 */
    return writer;
}

void kvmsg_set_uuid(zg_msg *msg, struct kvmsg_writer *writer)
{
    uint8_t uuid[KVMSG_UUID_SIZE];
    uint64_t rest = ++writer->count;
    memcpy(uuid, writer->id, sizeof writer->id);
    for (int i = KVMSG_UUID_SIZE - 1; i >= 8; i--, rest >>= 8)
        uuid[i] = (uint8_t) rest;
    uuid[8] = (uint8_t) (uuid[8] % 64 + 0x80); /* variant 1 */
    replace(msg, KVMSG_UUID, uuid, sizeof uuid);
}

bool kvmsg_has_uuid(zg_msg *msg)
{
    return zmq_msg_size(&msg->frame[KVMSG_UUID]) > 0;
}

bool kvmsg_has_uuid_of(zg_msg *msg, const item *it)
{
    size_t size;
    const void *uuid = item_frame(it, KVMSG_UUID, &size);
    return size > 0 && zmq_msg_size(&msg->frame[KVMSG_UUID]) == size
           && memcmp(zmq_msg_data(&msg->frame[KVMSG_UUID]), uuid, size) == 0;
}

int64_t kvmsg_item_number(const item *it)
{
    size_t size;
    return kv_decode(item_frame(it, KV_NUMBER, &size));
}

int kvmsg_compare_by_writer(zg_msg *msg, const item *it)
{
    size_t size;
    const uint8_t *theirs = item_frame(it, KVMSG_UUID, &size);
    const uint8_t *ours = zmq_msg_data(&msg->frame[KVMSG_UUID]);
    if (size == 0 || !kvmsg_has_uuid(msg) || memcmp(ours, theirs, 8) != 0)
        return 0;
    int order = memcmp(ours + 8, theirs + 8, 8);
    return (order > 0) - (order < 0);
}

/* ---- Properties --------------------------------------------------------- */

/* A line "name=value" of the properties. */
struct line {
    const char *text;
    size_t size;
    size_t next; /* offset of the next line */
};

/* Proceed to the next line, from { 0 } to the first. */
static bool next_line(zg_msg *msg, struct line *line)
{
    const char *all = zmq_msg_data(&msg->frame[KVMSG_PROPERTIES]);
    size_t size = zmq_msg_size(&msg->frame[KVMSG_PROPERTIES]);

    if (line->next >= size)
        return false;
    line->text = all + line->next;
    const char *end = memchr(line->text, '\n', size - line->next);
    line->size = end != NULL ? (size_t) (end - line->text) : size - line->next;
    line->next += line->size + 1;
    return true;
}

static bool has_name(struct line *line, const char *name)
{
    size_t size = strlen(name);
    return line->size > size && line->text[size] == '='
           && memcmp(line->text, name, size) == 0;
}

bool kvmsg_property(zg_msg *msg, const char *name,
                    char value[KVMSG_PROPERTY_MAX + 1])
{
    value[0] = '\0';
    for (struct line line = { 0 }; next_line(msg, &line);) {
        if (!has_name(&line, name))
            continue;
        size_t size = line.size - strlen(name) - 1;
        if (size > KVMSG_PROPERTY_MAX)
            return false;
        memcpy(value, line.text + line.size - size, size);
        value[size] = '\0';
        return true;
    }
    return false;
}

void kvmsg_set_property(zg_msg *msg, const char *name, const char *value)
{
    zmq_msg_t *old = &msg->frame[KVMSG_PROPERTIES], all;
    size_t size = 0, added = value == NULL ? 0 : strlen(name) + strlen(value);

    /* "=" and "\n" of the new line, a last "\n", and the "\0" of sprintf() */
    zg_must(zmq_msg_init_size(&all, zmq_msg_size(old) + added + 4));
    char *data = zmq_msg_data(&all);
    for (struct line line = { 0 }; next_line(msg, &line);) {
        if (has_name(&line, name))
            continue;
        memcpy(data + size, line.text, line.size);
        size += line.size;
        data[size++] = '\n';
    }
    if (value != NULL)
        size += (size_t) sprintf(data + size, "%s=%s\n", name, value);
    replace(msg, KVMSG_PROPERTIES, data, size);
    zmq_msg_close(&all);
}

int64_t kvmsg_number_property(zg_msg *msg, const char *name)
{
    char value[KVMSG_PROPERTY_MAX + 1];
    size_t digits = 0;

    if (kvmsg_property(msg, name, value))
        digits = strspn(value, "0123456789");
    return digits < 1 || digits > 18 || value[digits] != '\0' ? -1
                                                              : atoll(value);
}

int64_t kvmsg_expires_at(zg_msg *msg)
{
    int64_t ttl = kvmsg_number_property(msg, "ttl");
    return ttl < 1 || ttl > KVMSG_TTL_MAX ? 0 : zg_now() + ttl * 1000;
}

void kvmsg_set_ttl(zg_msg *msg, int64_t expires_at)
{
    char ttl[24];
    int64_t left = (expires_at - zg_now() + 999) / 1000;
    snprintf(ttl, sizeof ttl, "%" PRId64, left < 1 ? 1 : left);
    kvmsg_set_property(msg, "ttl", ttl);
}

void kvmsg_age(zg_msg *msg, int64_t msecs)
{
    int64_t expires_at = kvmsg_expires_at(msg);
    if (expires_at != 0 && expires_at - msecs > zg_now())
        kvmsg_set_ttl(msg, expires_at - msecs);
    else if (expires_at != 0)
        replace(msg, KVMSG_VALUE, "", 0);
}

void kvmsg_load(const item *it, zg_msg *msg)
{
    item_append(it, msg);
    if (item_time(it) != 0)
        kvmsg_set_ttl(msg, item_time(it));
}
