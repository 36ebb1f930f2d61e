/* SPDX-License-Identifier: 0BSD */
/* tsplog.c - the append-only log of Titanic.
 *
 * The log consists of blocks of 64 bytes. A record is a block with its header,
 * and the blocks of its body: the size (8 bytes) and the bytes of each frame.
 * Zeros fill the last block. Header and body have a checksum each. Numbers are
 * in the byte order of the machine.
 *
 * If no intact record begins where one should, the log is damaged. A damaged
 * length cannot be trusted, so each following block is tried until one begins
 * an intact record. The first byte of a header is a byte of `magic`, so it is
 * never 0, and that of a block of a body is always 0. So a client cannot forge
 * a record in a body. The damaged log is kept as DIR/damaged-N, and its intact
 * records are written to a new log. If the disk cannot read a block (EIO), each
 * start ends with an error.
 *
 * A last record that is cut short is no damage: the program stopped while
 * writing it, before anything was acknowledged. After a power failure the
 * unfinished record may look like damage; the log is then kept as damaged-N.
 */
#define _FILE_OFFSET_BITS 64 /* a log over 2 GiB on a 32-bit machine */
#include "tsplog.h"

#include <stddef.h>
#include <sys/file.h>
#include <sys/stat.h>

#if !defined _POSIX_SYNCHRONIZED_IO || _POSIX_SYNCHRONIZED_IO <= 0
#define fdatasync fsync /* macOS; the disk's own cache is not emptied there */
#endif

enum {
    BLOCK = 64,
    PAYLOAD = BLOCK - 1, /* bytes of a body in a block */
    CHAINS = 1 << 16,
    RECLAIM_SIZE = 1 << 20, /* a smaller log is not worth rewriting */
    REQUEST = 1,
    REPLY,
    CLOSE,
};

static const uint32_t magic = 0x54535032; /* "TSP2" */

struct header {
    uint32_t magic, kind;
    char uuid[TSP_UUID];
    uint64_t body; /* bytes, without the zeros */
    uint64_t body_sum;
    uint64_t sum; /* of the fields above */
};
_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

static int dir, log_fd, random_fd;
static int64_t log_size, live_size; /* live: of the records in use */
static int64_t reclaim_size = RECLAIM_SIZE;
/* False at the start: an earlier process may have appended without a sync. */
static bool is_synced;
static LIST_HEAD(, tsp_entry) chains[CHAINS];
static struct tsp_queue entries = TAILQ_HEAD_INITIALIZER(entries);

/* Return the 64-bit FNV-1a checksum, which is good as a hash, too. */
static uint64_t checksum(const void *data, size_t size)
{
    const unsigned char *byte = data;
    uint64_t sum = 14695981039346656037u;

    while (size-- > 0)
        sum = (sum ^ *byte++) * 1099511628211u;
    return sum;
}

/* ---- The index */

tsp_entry *tsplog_find(const char *uuid)
{
    uint64_t hash = checksum(uuid, TSP_UUID);
    tsp_entry *entry;

    LIST_FOREACH(entry, &chains[hash % CHAINS], chain)
        if (memcmp(entry->uuid, uuid, TSP_UUID) == 0)
            break;
    return entry;
}

static tsp_entry *create_entry(const char *uuid)
{
    uint64_t hash = checksum(uuid, TSP_UUID);
    tsp_entry *entry = calloc(1, sizeof *entry);

    if (entry == NULL)
        zg_die("calloc");
    memcpy(entry->uuid, uuid, TSP_UUID);
    LIST_INSERT_HEAD(&chains[hash % CHAINS], entry, chain);
    TAILQ_INSERT_TAIL(&entries, entry, next);
    return entry;
}

static void free_entry(tsp_entry *entry)
{
    tsplog_dequeue(entry);
    LIST_REMOVE(entry, chain);
    TAILQ_REMOVE(&entries, entry, next);
    free(entry);
}

void tsplog_enqueue(tsp_entry *entry, struct tsp_queue *queue)
{
    TAILQ_INSERT_TAIL(queue, entry, queued);
    entry->queue = queue;
}

void tsplog_dequeue(tsp_entry *entry)
{
    if (entry->queue != NULL)
        TAILQ_REMOVE(entry->queue, entry, queued);
    entry->queue = NULL;
}

/* Apply the record at this position. After a rewrite a REPLY may have no
 * REQUEST in the log: then create its entry. */
static void apply(struct header *head, int64_t at, int64_t size)
{
    tsp_entry *entry = tsplog_find(head->uuid);

    if (entry != NULL)
        live_size -= entry->size;
    if (head->kind == CLOSE) {
        if (entry != NULL)
            free_entry(entry);
        return;
    }
    if (entry == NULL)
        entry = create_entry(head->uuid);
    live_size += size;
    entry->at = at;
    entry->size = size;
    entry->has_reply = head->kind == REPLY;
    tsplog_dequeue(entry);
}

/* ---- Files. A regular file reads less than it was asked for only at its end,
 * and writes less only if the disk is full. pread() and pwrite() set errno only
 * on -1, so a short read is reported as EIO, and a short write as ENOSPC. */

static bool read_at(int fd, void *data, int64_t size, int64_t at)
{
    errno = EIO;
    return pread(fd, data, (size_t) size, at) == size;
}

static bool write_at(int fd, const void *data, int64_t size, int64_t at)
{
    errno = ENOSPC;
    return pwrite(fd, data, (size_t) size, at) == size;
}

/* ---- Records */

/* Return the size of a record whose body is this large. */
static int64_t record_size(uint64_t body)
{
    return BLOCK + (int64_t) ((body + PAYLOAD - 1) / PAYLOAD * BLOCK);
}

/* Insert a 0 before each 63 bytes, in place. `size` is that of the blocks. */
static void pack(char *body, int64_t size)
{
    for (int64_t block = size / BLOCK - 1; block >= 0; block--) {
        memmove(body + block * BLOCK + 1, body + block * PAYLOAD, PAYLOAD);
        body[block * BLOCK] = 0;
    }
}

/* Remove what pack() inserts. */
static void unpack(char *body, int64_t size)
{
    for (int64_t block = 0; block < size / BLOCK; block++)
        memmove(body + block * PAYLOAD, body + block * BLOCK + 1, PAYLOAD);
}

static bool is_header(struct header *head)
{
    return head->magic == magic && head->kind >= REQUEST && head->kind <= CLOSE
           && head->sum == checksum(head, offsetof(struct header, sum))
           && head->body < (uint64_t) 1 << 60;
}

/* Append the frames of a body. False if it is malformed. */
static bool decode(zg_msg *msg, const char *body, uint64_t left)
{
    uint64_t size;

    for (; left > 0; left -= size, body += size) {
        if (left < sizeof size || msg->count == TSP_FRAMES)
            return false;
        memcpy(&size, body, sizeof size);
        left -= sizeof size;
        body += sizeof size;
        if (size > left)
            return false;
        zg_insert(msg, msg->count, body, size);
    }
    return true;
}

/* Read the record at this position. Return its size; 0 if no intact record
 * begins there; -1 if the disk fails. */
static int64_t read_record(int64_t at, struct header *head, zg_msg *msg)
{
    int64_t size = log_size - at;
    char *body;

    zg_clear(msg);
    if (size < BLOCK)
        return 0;
    if (!read_at(log_fd, head, BLOCK, at))
        return -1;
    if (!is_header(head) || record_size(head->body) > size)
        return 0;
    size = record_size(head->body);
    if ((body = malloc((size_t) size)) == NULL)
        zg_die("malloc");
    if (!read_at(log_fd, body, size - BLOCK, at + BLOCK))
        size = -1;
    else if (head->body_sum != checksum(body, (size_t) size - BLOCK))
        size = 0;
    if (size > 0) {
        unpack(body, size - BLOCK);
        /* A REQUEST has a service and a body. */
        if (!decode(msg, body, head->body)
            || (head->kind == REQUEST && msg->count < 2))
            size = 0;
    }
    free(body);
    return size;
}

/* Append a record. False if it cannot be written; the log is unchanged then. */
static bool append(uint32_t kind, const char *uuid, zg_msg *msg)
{
    struct header head = { .magic = magic, .kind = kind };
    int64_t size;
    char *record, *next;

    for (int i = 0; i < msg->count; i++)
        head.body += sizeof head.body + zmq_msg_size(&msg->frame[i]);
    size = record_size(head.body);
    if ((record = calloc(1, (size_t) size)) == NULL)
        zg_die("calloc");
    next = record + BLOCK;
    for (int i = 0; i < msg->count; i++) {
        uint64_t frame_size = zmq_msg_size(&msg->frame[i]);
        memcpy(next, &frame_size, sizeof frame_size);
        next += sizeof frame_size;
        memcpy(next, zmq_msg_data(&msg->frame[i]), frame_size);
        next += frame_size;
    }
    pack(record + BLOCK, size - BLOCK);
    memcpy(head.uuid, uuid, TSP_UUID);
    head.body_sum = checksum(record + BLOCK, (size_t) size - BLOCK);
    head.sum = checksum(&head, offsetof(struct header, sum));
    memcpy(record, &head, BLOCK);
    bool is_written = write_at(log_fd, record, size, log_size);
    if (is_written) {
        apply(&head, log_size, size);
        log_size += size;
        is_synced = false;
    } else {
        fprintf(stderr, "W: cannot store %.32s: %s\n", uuid, strerror(errno));
        if (ftruncate(log_fd, log_size) == -1)
            zg_die("titanic.log: ftruncate");
    }
    free(record);
    return is_written;
}

tsp_entry *tsplog_append_request(zg_msg *request)
{
    unsigned char byte[TSP_UUID / 2];
    char uuid[TSP_UUID + 1];

    if (read(random_fd, byte, sizeof byte) != sizeof byte)
        zg_die("/dev/urandom");
    for (size_t i = 0; i < sizeof byte; i++)
        sprintf(uuid + 2 * i, "%02X", byte[i]);
    return append(REQUEST, uuid, request) ? tsplog_find(uuid) : NULL;
}

bool tsplog_append_reply(tsp_entry *entry, zg_msg *reply)
{
    return append(REPLY, entry->uuid, reply);
}

bool tsplog_append_close(tsp_entry *entry)
{
    return append(CLOSE, entry->uuid, &(zg_msg){ 0 });
}

void tsplog_sync(void)
{
    if (!is_synced && fdatasync(log_fd) == -1)
        zg_die("titanic.log: sync");
    is_synced = true;
}

bool tsplog_read(tsp_entry *entry, zg_msg *msg)
{
    struct header head;
    bool is_intact = read_record(entry->at, &head, msg) > 0
                     && memcmp(head.uuid, entry->uuid, TSP_UUID) == 0;

    if (!is_intact)
        fprintf(stderr, "W: cannot read %s\n", entry->uuid);
    entry->is_unusable = !is_intact;
    return is_intact;
}

/* ---- Reclaiming dead records */

/* Copy the record of each entry to a new log. On failure return false and set
 * errno. */
static bool copy_records(int fd)
{
    tsp_entry *entry;
    int64_t to = 0;

    TAILQ_FOREACH(entry, &entries, next) {
        char *record = malloc((size_t) entry->size);
        if (record == NULL)
            zg_die("malloc");
        bool is_copied = read_at(log_fd, record, entry->size, entry->at)
                         && write_at(fd, record, entry->size, to);
        int error = errno;
        free(record);
        errno = error;
        if (!is_copied)
            return false;
        to += entry->size;
    }
    return true;
}

/* Replace the log by one without dead records. False if that cannot be written:
 * the old one stays. */
static bool rewrite_log(void)
{
    tsp_entry *entry;
    int fd;

    unlinkat(dir, "titanic.new", 0); /* may remain from a crash */
    fd = openat(dir, "titanic.new", O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd == -1 || !copy_records(fd) || fdatasync(fd) == -1
        || renameat(dir, "titanic.new", dir, "titanic.log") == -1) {
        fprintf(stderr, "W: cannot rewrite titanic.log: %s\n", strerror(errno));
        reclaim_size = log_size * 2; /* the next attempt */
        unlinkat(dir, "titanic.new", 0);
        if (fd != -1)
            close(fd);
        return false;
    }
    if (fsync(dir) == -1)
        zg_die("titanic.log: sync");
    close(log_fd);
    log_fd = fd;
    log_size = 0;
    reclaim_size = RECLAIM_SIZE;
    is_synced = true;
    TAILQ_FOREACH(entry, &entries, next) {
        entry->at = log_size;
        log_size += entry->size;
    }
    return true;
}

void tsplog_reclaim(void)
{
    if (log_size - live_size > live_size && log_size > reclaim_size)
        rewrite_log();
}

/* ---- The start */

static _Noreturn void refuse(const char *name, const char *reason)
{
    fprintf(stderr, "E: %s: %s\n", name, reason);
    _exit(EXIT_FAILURE);
}

static bool is_cut_short(int64_t at)
{
    int64_t left = log_size - at;
    struct header head;

    return left < BLOCK
           || (read_at(log_fd, &head, BLOCK, at) && is_header(&head)
               && record_size(head.body) > left);
}

/* Apply each intact record, and remove the last one if it is cut short. Return
 * the number of damaged bytes. */
static int64_t replay(void (*on_request)(tsp_entry *, zg_msg *))
{
    int64_t at = 0, size, end = 0, intact_size = 0;
    struct header head;
    zg_msg msg = { 0 };

    while (at < log_size) {
        if ((size = read_record(at, &head, &msg)) == -1)
            zg_die("titanic.log");
        if (size == 0) {
            at += BLOCK;
            continue;
        }
        apply(&head, at, size);
        if (head.kind == REQUEST)
            on_request(tsplog_find(head.uuid), &msg);
        intact_size += size;
        at += size;
        end = at;
    }
    zg_clear(&msg);
    if (end < log_size && is_cut_short(end)) {
        fprintf(stderr, "W: titanic.log: removed an unfinished record\n");
        log_size = end;
        if (ftruncate(log_fd, log_size) == -1)
            zg_die("titanic.log: ftruncate");
    }
    return log_size - intact_size;
}

/* Give the damaged log a second name, and replace it. */
static void set_aside(int64_t damaged_size)
{
    char name[32];
    int n = 0, status;

    do
        snprintf(name, sizeof name, "damaged-%d", ++n);
    while ((status = linkat(dir, "titanic.log", dir, name, 0)) == -1
           && errno == EEXIST);
    if (status == -1)
        zg_die(name);
    fprintf(stderr,
            "W: titanic.log: %lld bytes are damaged, it is kept as %s\n",
            (long long) damaged_size, name);
    if (!rewrite_log())
        refuse("titanic.log", "damaged, and cannot be rewritten");
}

/* Open the directory and lock it. Sync the parent at every start: the process
 * that created the directory may have crashed before its sync. */
static void open_directory(const char *path)
{
    int parent;

    mkdir(path, 0700); /* may exist */
    if ((dir = open(path, O_RDONLY | O_DIRECTORY)) == -1)
        zg_die(path);
    if (flock(dir, LOCK_EX | LOCK_NB) == -1) {
        if (errno == EWOULDBLOCK)
            refuse(path, "another titanic uses it");
        zg_die(path);
    }
    if ((parent = openat(dir, "..", O_RDONLY)) == -1 || fsync(parent) == -1)
        zg_die(path);
    close(parent);
}

void tsplog_open(const char *path, void (*on_request)(tsp_entry *, zg_msg *))
{
    int64_t damaged_size;
    struct stat st;

    open_directory(path);
    if ((random_fd = open("/dev/urandom", O_RDONLY)) == -1)
        zg_die("/dev/urandom");
    log_fd = openat(dir, "titanic.log", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (log_fd == -1 || fstat(log_fd, &st) == -1 || fsync(dir) == -1)
        zg_die("titanic.log");
    if (!S_ISREG(st.st_mode))
        refuse("titanic.log", "not a regular file");
    log_size = st.st_size;
    if ((damaged_size = replay(on_request)) > 0)
        set_aside(damaged_size);
    else if (log_size > live_size)
        rewrite_log(); /* dead records; on failure the old log stays in use */
}
