/* SPDX-License-Identifier: 0BSD */
/* tspstore.c - the store of Titanic: a folder of requests and replies.
 *
 * A file is "TSP1", and for each frame its size (8 bytes, big endian) and its
 * bytes. Names are looked up below the descriptor of the folder, and made of
 * 32 hex digits and a suffix, so that none leads out of it.
 */
#define _GNU_SOURCE /* syncfs() */
#include "tspstore.h"

#include "mdp.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

enum { NAME = 48, BATCH = 200 };

/* A message to the writer, [who][][what][...], and what comes of it. */
struct order {
    zg_msg msg;
    char uuid[TSP_UUID + 1];
    const char *suffix; /* of the file to write; NULL: none */
    bool failed;
};

static void *context, *front;
static pthread_t writer_thread;
static int dir;

bool tspstore_is_uuid(zmq_msg_t *frame)
{
    const char *digit = zmq_msg_data(frame);
    size_t n = 0, size = zmq_msg_size(frame);

    while (n < size && digit[n] != '\0' && strchr("0123456789ABCDEF", digit[n]))
        n++;
    return n == size && size == TSP_UUID;
}

/* UUID and suffix to a name, of NAME bytes. */
static char *name_of(char *name, const char *uuid, const char *suffix)
{
    snprintf(name, NAME, "%.32s%s", uuid, suffix);
    return name;
}

/* Write frames; errno tells why not. They are not on the disk yet. */
static bool write_file(const char *name, zmq_msg_t *frame, int n)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    FILE *file = fd == -1 ? NULL : fdopen(fd, "w");
    bool good = file != NULL && fwrite("TSP1", 4, 1, file) == 1;

    for (; good && n > 0; n--, frame++) {
        size_t size = zmq_msg_size(frame);
        unsigned char head[8];
        for (int i = 0; i < 8; i++)
            head[i] = (unsigned char) ((uint64_t) size >> (56 - 8 * i));
        good = fwrite(head, 8, 1, file) == 1
               && fwrite(zmq_msg_data(frame), 1, size, file) == size;
    }
    return file != NULL && fclose(file) == 0 && good;
}

/* Read the frames of a file, up to that many, and append them to msg.
 * 1: done; 0: there is no such file; -1: it is damaged, or cannot be read. */
static int read_file(const char *name, zg_msg *msg, int max)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW), first = msg->count;
    FILE *file = fd == -1 ? NULL : fdopen(fd, "r");
    unsigned char head[8];
    struct stat st;
    bool good;

    if (file == NULL)
        return errno == ENOENT ? 0 : -1;
    good = fstat(fd, &st) == 0 && fread(head, 4, 1, file) == 1
           && memcmp(head, "TSP1", 4) == 0;
    while (good && fread(head, 8, 1, file) == 1) {
        uint64_t size = 0;
        for (int i = 0; i < 8; i++)
            size = size << 8 | head[i];
        good = msg->count - first < max && size <= (uint64_t) st.st_size;
        if (!good)
            break;
        zmq_msg_t *frame = &msg->frame[msg->count++];
        zg_must(zmq_msg_init_size(frame, size));
        good = fread(zmq_msg_data(frame), 1, size, file) == size;
    }
    good = good && msg->count > first && ftell(file) == st.st_size;
    fclose(file);
    if (!good)
        mdp_cut(msg, first);
    return good ? 1 : -1;
}

static void make_uuid(char *uuid)
{
    unsigned char random[TSP_UUID / 2];

    if (getrandom(random, sizeof random, 0) != sizeof random)
        zg_die("getrandom");
    for (size_t i = 0; i < sizeof random; i++)
        sprintf(uuid + 2 * i, "%02X", random[i]);
}

static bool move(const char *uuid, const char *from, const char *to)
{
    char old[NAME], new[NAME];

    return renameat(dir, name_of(old, uuid, from), dir, name_of(new, uuid, to))
           == 0;
}

static bool exists(const char *uuid, const char *suffix)
{
    char name[NAME];

    return faccessat(dir, name_of(name, uuid, suffix), F_OK, 0) == 0;
}

static void delete (const char *uuid, const char *suffix)
{
    char name[NAME];

    unlinkat(dir, name_of(name, uuid, suffix), 0);
}

/* [request][service][body...], [reply][uuid][body...] or [delete][uuid] */
static void begin(struct order *order)
{
    zg_msg *msg = &order->msg;
    bool request = zg_is(msg, 2, "request");
    int first = request ? 3 : 4;
    char name[NAME];

    order->failed = false;
    order->suffix = NULL;
    if (request)
        make_uuid(order->uuid);
    else
        memcpy(order->uuid, zmq_msg_data(&msg->frame[3]), TSP_UUID);
    if (zg_is(msg, 2, "delete")) {
        delete (order->uuid, ".req");
        delete (order->uuid, ".rep");
        return;
    }
    order->suffix = request ? ".req" : ".rep";
    name_of(name, order->uuid, order->suffix + 1); /* no file until renamed */
    order->failed = !write_file(name, &msg->frame[first], msg->count - first);
}

/* It is on the disk: give it its name. A reply whose request was closed in the
 * meantime is not wanted any more. */
static void finish(struct order *order)
{
    const char *written = order->suffix + 1;

    if (!order->failed
        && (order->suffix[3] == 'q' || exists(order->uuid, ".req"))
        && !move(order->uuid, written, order->suffix))
        order->failed = true;
    delete (order->uuid, written); /* if it is still there */
}

/* Answer [200][uuid] or [500][uuid]; what is new goes to the dispatcher. */
static void answer(struct order *order, void *news)
{
    zg_msg *msg = &order->msg;

    if (!order->failed && zg_is(msg, 2, "request")) {
        zmq_send(news, order->uuid, TSP_UUID, ZMQ_SNDMORE);
        zmq_msg_send(&msg->frame[3], news, 0);
    }
    mdp_cut(msg, 2);
    mdp_add(msg, order->failed ? "500" : "200");
    mdp_add(msg, order->uuid);
    zg_send(msg, front, ZMQ_DONTWAIT);
    zg_clear(msg);
}

/* All that waits is written, then synced, then named, then answered. */
static void carry_out(struct order *orders, int n, void *news)
{
    for (int i = 0; i < n; i++)
        begin(&orders[i]);
    bool synced = syncfs(dir) == 0;
    for (int i = 0; i < n; i++) {
        orders[i].failed = orders[i].failed || !synced;
        if (orders[i].suffix != NULL)
            finish(&orders[i]);
    }
    synced = fsync(dir) == 0;
    for (int i = 0; i < n; i++) {
        orders[i].failed = orders[i].failed || !synced;
        if (orders[i].failed)
            fprintf(stderr, "W: cannot store %s\n", orders[i].uuid);
        answer(&orders[i], news);
    }
}

/* At the start: what waits for its reply goes to the dispatcher, what is left
 * of something goes away, what is damaged is set aside as UUID.bad. */
static void look_through(void *news)
{
    DIR *list = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY));
    struct dirent *entry;
    zg_msg msg = { 0 };

    if (list == NULL)
        zg_die("opendir");
    while ((entry = readdir(list)) != NULL) {
        const char *suffix = entry->d_name + TSP_UUID;
        char uuid[TSP_UUID + 1] = "";
        if (strspn(entry->d_name, "0123456789ABCDEF") < TSP_UUID)
            continue;
        memcpy(uuid, entry->d_name, TSP_UUID);
        if (strcmp(suffix, "req") == 0 || strcmp(suffix, "rep") == 0
            || (strcmp(suffix, ".rep") == 0 && !exists(uuid, ".req"))) {
            unlinkat(dir, entry->d_name, 0);
        } else if (strcmp(suffix, ".req") == 0 && !exists(uuid, ".rep")) {
            if (tspstore_read_request(uuid, &msg) == 1 && msg.count > 1
                && mdp_is_name(&msg.frame[0])) {
                zmq_send(news, uuid, TSP_UUID, ZMQ_SNDMORE);
                zmq_msg_send(&msg.frame[0], news, 0);
            } else {
                fprintf(stderr, "W: %s.req is damaged, set aside\n", uuid);
                move(uuid, ".req", ".bad");
            }
        }
    }
    zg_clear(&msg);
    closedir(list);
}

static void *writer(void *arg)
{
    static struct order orders[BATCH];
    zmq_pollitem_t item = { front, 0, ZMQ_POLLIN, 0 };
    void *news = zg_socket(context, ZMQ_PUSH);
    int n;

    zg_set(news, ZMQ_SNDHWM, 0);
    zg_must(zmq_connect(news, "inproc://news"));
    look_through(news);
    while (zg_poll(&item, 1, ZG_FOREVER) != -1) {
        for (n = 0; n < BATCH && zg_recv(&orders[n].msg, front, ZMQ_DONTWAIT);)
            n++;
        carry_out(orders, n, news);
    }
    zmq_close(news);
    return arg;
}

void tspstore_open(void *ctx, const char *path)
{
    if (mkdir(path, 0700) == -1 && errno != EEXIST)
        zg_die(path);
    if ((dir = open(path, O_RDONLY | O_DIRECTORY)) == -1
        || flock(dir, LOCK_EX | LOCK_NB) == -1)
        zg_die(path);
    context = ctx;
    front = zg_socket(ctx, ZMQ_ROUTER);
    zg_set(front, ZMQ_ROUTER_MANDATORY, 1);
    zg_must(zmq_bind(front, "inproc://store"));
    writer_thread = zg_thread(writer, NULL);
}

void tspstore_close(void)
{
    pthread_join(writer_thread, NULL);
    zmq_close(front);
    close(dir);
}

void *tspstore_connect(void *ctx, int type)
{
    void *store = zg_socket(ctx, type);

    zg_must(zmq_connect(store, "inproc://store"));
    return store;
}

static bool order(void *store, const char *what, zg_msg *msg)
{
    zg_insert(msg, 0, what, strlen(what));
    return zg_send(msg, store, 0) && zg_recv(msg, store, 0);
}

bool tspstore_request(void *store, zg_msg *msg)
{
    return order(store, "request", msg);
}

bool tspstore_reply(void *store, const char *uuid, zg_msg *body)
{
    zg_insert(body, 0, uuid, TSP_UUID);
    zg_insert(body, 0, "reply", 5);
    zg_insert(body, 0, "", 0);
    return zg_send(body, store, 0);
}

bool tspstore_delete(void *store, zg_msg *msg)
{
    return order(store, "delete", msg);
}

int tspstore_read_request(const char *uuid, zg_msg *msg)
{
    char name[NAME];

    zg_clear(msg);
    return read_file(name_of(name, uuid, ".req"), msg, MDP_BODY);
}

int tspstore_read_reply(const char *uuid, zg_msg *msg)
{
    char name[NAME];
    int found;

    zg_clear(msg);
    found = read_file(name_of(name, uuid, ".rep"), msg, TSP_FRAMES);
    return found == 0 && exists(uuid, ".req") ? 2 : found;
}
