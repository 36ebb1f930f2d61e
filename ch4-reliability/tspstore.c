/* SPDX-License-Identifier: 0BSD */
/* tspstore.c - the store of Titanic: a folder of requests and replies.
 *
 * A file is "TSP1", and for each frame its size (8 bytes, big endian) and its
 * bytes. Names are looked up below the descriptor of the folder, and made of
 * 32 hex digits and a suffix, so that none leads out of it.
 *
 * A file begins in the folder new, where nobody looks for it, under its UUID.
 * That is a small folder, in which a name is made and lost with little work.
 */
#define _GNU_SOURCE /* syncfs() */
#include "tspstore.h"

#include "mdp.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { NAME = 48 };

static DIR *all, *all_new;
static int dir, new; /* their descriptors */

/* Whether a request is there, and what follows from it, is one step. */
static pthread_mutex_t names = PTHREAD_MUTEX_INITIALIZER;

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

/* Write the frames to a new file. They are not on the disk yet. */
static bool write_file(const char *uuid, zg_msg *msg)
{
    unsigned char head[ZG_MAX_FRAMES][8];
    struct iovec part[1 + 2 * ZG_MAX_FRAMES] = { { "TSP1", 4 } };
    ssize_t total = 4, n = 1;
    int fd = openat(new, uuid, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);

    if (fd == -1)
        return false;
    for (int i = 0; i < msg->count; i++) {
        size_t size = zmq_msg_size(&msg->frame[i]);
        for (int j = 0; j < 8; j++)
            head[i][j] = (unsigned char) ((uint64_t) size >> (56 - 8 * j));
        part[n++] = (struct iovec){ head[i], 8 };
        part[n++] = (struct iovec){ zmq_msg_data(&msg->frame[i]), size };
        total += 8 + (ssize_t) size;
    }
    bool good = writev(fd, part, (int) n) == total; /* a full disk takes less */
    return close(fd) == 0 && good;
}

/* Append the next frame of a file, which cannot be larger than that. */
static bool read_frame(FILE *file, uint64_t limit, zg_msg *msg)
{
    unsigned char head[8];
    uint64_t size = 0;

    if (fread(head, 8, 1, file) != 1)
        return false;
    for (int i = 0; i < 8; i++)
        size = size << 8 | head[i];
    if (size > limit)
        return false;
    zmq_msg_t *frame = &msg->frame[msg->count++];
    zg_must(zmq_msg_init_size(frame, size));
    return fread(zmq_msg_data(frame), 1, size, file) == size;
}

/* Read a file of at most so many frames in place of msg. 1: done; 0: there is
 * no such file; -1: it is damaged, or cannot be read. */
static int read_file(const char *name, zg_msg *msg, int max)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW);
    struct stat st;
    char head[4];
    FILE *file;

    zg_clear(msg);
    if (fd == -1)
        return errno == ENOENT ? 0 : -1;
    if ((file = fdopen(fd, "r")) == NULL)
        zg_die("fdopen");
    bool good = fstat(fd, &st) == 0 && fread(head, 4, 1, file) == 1
                && memcmp(head, "TSP1", 4) == 0;
    while (good && msg->count < max && ftell(file) < st.st_size)
        good = read_frame(file, (uint64_t) st.st_size, msg);
    good = good && msg->count > 0 && ftell(file) == st.st_size;
    fclose(file);
    if (!good)
        zg_clear(msg);
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

static bool exists(const char *uuid, const char *suffix)
{
    char name[NAME];

    return faccessat(dir, name_of(name, uuid, suffix), F_OK, 0) == 0;
}

static bool erase(const char *uuid, const char *suffix)
{
    char name[NAME];

    return unlinkat(dir, name_of(name, uuid, suffix), 0) == 0
           || errno == ENOENT;
}

static void write_down(tsp_order *order)
{
    if (order->what == TSP_REQUEST)
        make_uuid(order->uuid);
    order->failed = !write_file(order->uuid, &order->msg);
}

/* Its bytes are on the disk, unless it failed: give it its name. A reply whose
 * request has been deleted in the meantime is not wanted any more. */
static void name_it(tsp_order *order)
{
    bool is_request = order->what == TSP_REQUEST;
    bool wanted = is_request || exists(order->uuid, ".req");
    char name[NAME];

    name_of(name, order->uuid, is_request ? ".req" : ".rep");
    if (wanted && !order->failed)
        order->failed = renameat(new, order->uuid, dir, name) == -1;
    if (!wanted || order->failed)
        unlinkat(new, order->uuid, 0);
}

static void erase_both(tsp_order *order)
{
    order->failed = !erase(order->uuid, ".req") || !erase(order->uuid, ".rep");
}

/* All is written, then synced, then named, and the names are synced. */
void tspstore_carry_out(tsp_order *orders, int n)
{
    int files = 0, changes = 0;
    bool synced;

    for (int i = 0; i < n; i++) {
        orders[i].failed = false;
        changes += orders[i].what != TSP_NOTHING;
        if (orders[i].what == TSP_REQUEST || orders[i].what == TSP_REPLY) {
            write_down(&orders[i]);
            files++;
        }
    }
    if (changes == 0)
        return;
    synced = files == 0 || syncfs(dir) == 0;
    pthread_mutex_lock(&names);
    for (int i = 0; i < n; i++) {
        orders[i].failed |= !synced;
        if (orders[i].what == TSP_DELETE)
            erase_both(&orders[i]);
        else if (orders[i].what != TSP_NOTHING)
            name_it(&orders[i]);
    }
    pthread_mutex_unlock(&names);
    synced = fsync(dir) == 0;
    for (int i = 0; i < n; i++) {
        if (!synced && !orders[i].failed && orders[i].what == TSP_REQUEST)
            erase(orders[i].uuid, ".req"); /* nobody will know of it */
        orders[i].failed |= !synced;
        if (orders[i].failed && orders[i].what != TSP_NOTHING)
            fprintf(stderr, "W: cannot store %s\n", orders[i].uuid);
    }
}

/* What is damaged is set aside as UUID.bad. */
static void set_aside(const char *uuid)
{
    char old[NAME], bad[NAME];

    fprintf(stderr, "W: %s.req is damaged, set aside\n", uuid);
    renameat(dir, name_of(old, uuid, ".req"), dir, name_of(bad, uuid, ".bad"));
}

bool tspstore_waiting(char *uuid, zg_msg *msg)
{
    struct dirent *entry;

    while ((entry = readdir(all)) != NULL) {
        const char *suffix = entry->d_name + TSP_UUID;
        if (strspn(entry->d_name, "0123456789ABCDEF") < TSP_UUID)
            continue;
        name_of(uuid, entry->d_name, "");
        if (strcmp(suffix, ".rep") == 0 && !exists(uuid, ".req")) {
            unlinkat(dir, entry->d_name, 0);
        } else if (strcmp(suffix, ".req") == 0 && !exists(uuid, ".rep")) {
            if (tspstore_read_request(uuid, msg) == 1 && msg->count > 1
                && mdp_is_name(&msg->frame[0]))
                return true;
            set_aside(uuid);
        }
    }
    return false;
}

static DIR *open_folder(int where, const char *path)
{
    DIR *folder = NULL;
    int fd;

    if (mkdirat(where, path, 0700) == -1 && errno != EEXIST)
        zg_die(path);
    if ((fd = openat(where, path, O_RDONLY | O_DIRECTORY)) == -1
        || (folder = fdopendir(fd)) == NULL)
        zg_die(path);
    return folder;
}

void tspstore_open(const char *path)
{
    struct dirent *entry;

    all = open_folder(AT_FDCWD, path);
    dir = dirfd(all);
    if (flock(dir, LOCK_EX | LOCK_NB) == -1)
        zg_die(path);
    all_new = open_folder(dir, "new");
    new = dirfd(all_new);
    /* What one that died had not finished: nobody was told of it. */
    while ((entry = readdir(all_new)) != NULL)
        if (entry->d_name[0] != '.')
            unlinkat(new, entry->d_name, 0);
}

void tspstore_close(void)
{
    closedir(all_new);
    closedir(all);
}

int tspstore_read_request(const char *uuid, zg_msg *msg)
{
    char name[NAME];

    return read_file(name_of(name, uuid, ".req"), msg, MDP_BODY);
}

int tspstore_read_reply(const char *uuid, zg_msg *msg)
{
    char name[NAME];
    int found = read_file(name_of(name, uuid, ".rep"), msg, TSP_FRAMES);

    return found == 0 && exists(uuid, ".req") ? 2 : found;
}
