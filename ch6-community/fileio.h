/* SPDX-License-Identifier: 0BSD */
/* fileio.h - common parts of the three models of file transfer: the server's
 * file, which is read in chunks, a client's copy, and a run of both sides. */
#pragma once
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64 /* files above 2 GB on 32-bit systems */
#endif
#include "zg.h"

#include <inttypes.h>
#include <sys/stat.h>
#ifdef __APPLE__
#define st_mtim st_mtimespec
#endif

enum {
    FIO_MAX_CHUNK = 4 << 20,
    FIO_MAX_CLIENTS = 100,
    FIO_DESCRIPTION = 80, /* size of a file's description */
    FIO_MAX_WAIT = 8,     /* for a chunk, in multiples of the timeout */
};

static struct {
    void *ctx, *router;
    int file;                          /* the server's descriptor of FILE */
    char description[FIO_DESCRIPTION]; /* of FILE, when it was opened */
    int64_t size;                      /* bytes in FILE then */
    int copy;                          /* a descriptor, or -1 without -d */
    char part[4096];                   /* name of the copy until complete */
    char endpoint[256];
    long clients, chunk, rate, timeout; /* chunk: bytes; timeout: ms */
    _Atomic long received;              /* kB, by all clients */
    _Atomic bool unreadable;            /* the server could not read FILE */
    _Atomic bool failed;                /* server or client */
} fio = { .copy = -1 };

/* ---- the server's file ----------------------------------------------- */

/* Describe the open file by size and time of modification. Return its size. */
static inline int64_t fio_describe(char text[FIO_DESCRIPTION])
{
    struct stat now;

    if (fstat(fio.file, &now) == -1)
        zg_die("fstat");
    snprintf(text, FIO_DESCRIPTION,
             "%" PRId64 " bytes, modified %" PRId64 ".%09ld",
             (int64_t) now.st_size, (int64_t) now.st_mtim.tv_sec,
             (long) now.st_mtim.tv_nsec);
    return now.st_size;
}

/* Open FILE, which must be a regular file: chunks are read from any offset. */
static inline void fio_open(const char *path)
{
    struct stat now;

    /* Without O_NONBLOCK, open() waits for the writer of a FIFO. */
    fio.file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fio.file == -1 || fstat(fio.file, &now) == -1)
        zg_die(path);
    if (!S_ISREG(now.st_mode)) {
        fprintf(stderr, "E: %s: not a regular file\n", path);
        _exit(EXIT_FAILURE);
    }
    fio.size = fio_describe(fio.description);
    printf("I: %s: %s\n", path, fio.description);
}

/* Append a frame with `size` bytes of FILE from `offset` on, or fewer at its
 * end. Print an error and return false if they cannot be read or FILE has
 * changed. The server must then stop: the client would take an empty chunk for
 * the end, and a later chunk for the missing one. */
static inline bool fio_read(zg_msg *msg, int64_t offset, int64_t size)
{
    int64_t left = offset < fio.size ? fio.size - offset : 0, done = 0;
    char now[FIO_DESCRIPTION];
    ssize_t n = 0;

    size = size < left ? size : left;
    zmq_msg_t *chunk = &msg->frame[msg->count++];
    zg_must(zmq_msg_init_size(chunk, (size_t) size));
    char *data = zmq_msg_data(chunk);
    for (; done < size; done += n) {
        n = pread(fio.file, data + done, (size_t) (size - done),
                  (off_t) (offset + done));
        if (n <= 0)
            break;
    }
    int error = n == -1 ? errno : 0;
    fio_describe(now); /* write() updates the time before the contents */
    if (done == size && strcmp(now, fio.description) == 0)
        return true;
    fprintf(stderr, "E: %s: %s, at byte %" PRId64 "\n", zg_value[0],
            n == -1 ? strerror(error) : "the file has changed", offset);
    fio.unreadable = true;
    fio.failed = true;
    return false;
}

/* Return a frame's value, a decimal number of at most 18 digits, or -1. */
static inline int64_t fio_number(zmq_msg_t *frame)
{
    const char *digit = zmq_msg_data(frame);
    size_t size = zmq_msg_size(frame);
    int64_t value = 0;

    if (size == 0 || size > 18)
        return -1;
    for (; size > 0 && *digit >= '0' && *digit <= '9'; digit++, size--)
        value = value * 10 + (*digit - '0');
    return size == 0 ? value : -1;
}

/* Bind the server's ROUTER, with a high-water mark for each client. Its routing
 * id describes FILE. libzmq sends that to each client that connects; a client
 * that does not ask for it never sees it. */
static inline void fio_bind(int hwm)
{
    size_t size = sizeof fio.endpoint;

    fio.router = zg_socket(fio.ctx, ZMQ_ROUTER);
    zg_must(zmq_setsockopt(fio.router, ZMQ_ROUTING_ID, fio.description,
                           strlen(fio.description)));
    zg_set(fio.router, ZMQ_ROUTER_MANDATORY, 1); /* report unreachable peers */
    zg_set(fio.router, ZMQ_ROUTER_HANDOVER, 1);  /* accept restarted peers */
    zg_set(fio.router, ZMQ_SNDHWM, hwm);
    zg_set(fio.router, ZMQ_LINGER, 0);
    zg_bind(fio.router, "server", fio.endpoint);
    zg_must(zmq_getsockopt(fio.router, ZMQ_LAST_ENDPOINT, fio.endpoint, &size));
}

/* ---- a client -------------------------------------------------------- */

typedef struct {
    void *sock;
    int64_t size; /* bytes received */
    long chunks;
    char file[FIO_DESCRIPTION]; /* the server's; "" before the first chunk */
    int64_t started_at;         /* on the clock of zg_now() */
    int64_t wait;               /* for the next chunk, in ms */
    long failures;              /* to receive a chunk, in a row */
    bool stopped;               /* by a failure or by a signal */
} fio_client;

/* End the transfer with an error. */
static inline void fio_fail(fio_client *c, const char *what, const char *why)
{
    fprintf(stderr, "E: %s: %s after %" PRId64 " bytes\n", what, why, c->size);
    fio.failed = true;
    c->stopped = true;
}

/* Open a connection. The previous one is closed, with the chunks that were on
 * their way. libzmq reconnects after reconnect_ivl ms, or with -1 never. */
static inline void fio_connect(fio_client *c, int reconnect_ivl)
{
    if (c->sock != NULL)
        zmq_close(c->sock);
    c->sock = zg_socket(fio.ctx, ZMQ_DEALER);
    zg_set(c->sock, ZMQ_RECONNECT_IVL, reconnect_ivl);
    zg_set(c->sock, ZMQ_LINGER, 0);
    zg_connect(c->sock, fio.endpoint);
}

/* Connect for the first time, and create the copy as fio.part. If that exists,
 * fail: another client may write to it. After a SIGKILL, or a signal during a
 * slow fsync() or a reconnection, the user must remove it. */
static inline void fio_begin(fio_client *c, int reconnect_ivl)
{
    c->started_at = zg_now();
    c->wait = fio.timeout;
    fio_connect(c, reconnect_ivl);
    if (zg_value['d'] == NULL)
        return;
    fio.copy = open(fio.part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fio.copy == -1)
        zg_die(fio.part);
}

/* Append a chunk to the copy. */
static inline void fio_write(fio_client *c, zmq_msg_t *chunk)
{
    size_t size = zmq_msg_size(chunk), done = 0;
    const char *data = zmq_msg_data(chunk);
    ssize_t n;

    for (; fio.copy != -1 && done < size; done += (size_t) n) {
        n = write(fio.copy, data + done, size - done);
        if (n == -1) {
            fio_fail(c, fio.part, strerror(errno));
            break;
        }
    }
    c->size += (int64_t) size;
}

/* Return whether the chunk is from the file of the chunks before it. The
 * server's routing id describes its file. Over inproc libzmq does not tell it
 * (NULL): then accept the chunk. */
static inline bool fio_same_file(fio_client *c, zmq_msg_t *chunk)
{
    const char *file = zmq_msg_gets(chunk, "Identity");

    if (c->file[0] == '\0' && file != NULL)
        snprintf(c->file, sizeof c->file, "%s", file);
    return file == NULL || strncmp(c->file, file, sizeof c->file - 1) == 0;
}

/* Set the wait for the next chunk, limited to 1 to FIO_MAX_WAIT timeouts. */
static inline void fio_set_wait(fio_client *c, int64_t wait)
{
    int64_t longest = FIO_MAX_WAIT * (int64_t) fio.timeout;

    c->wait = wait < longest ? wait : longest;
    if (c->wait < fio.timeout)
        c->wait = fio.timeout;
}

/* Receive the next chunk, of at most this size, and append it to the copy.
 * Return its size; -1 if it was late or malformed, or the client has stopped.
 * On a slow line a chunk may take longer than the timeout. So each timeout
 * doubles the wait, and after a chunk the wait is twice the time it took. */
static inline int64_t fio_receive(fio_client *c, int64_t most)
{
    zmq_pollitem_t item = { c->sock, 0, ZMQ_POLLIN, 0 };
    int64_t start = zg_now(), size = -1;
    zg_msg msg = { 0 };

    if (zg_poll(&item, 1, start + c->wait) == 0) {
        fprintf(stderr, "W: no chunk for %" PRId64 " ms\n", c->wait);
        fio_set_wait(c, 2 * c->wait);
        c->failures++;
        c->stopped = fio.unreadable; /* by a server in the same process */
    } else if (!zg_recv(&msg, c->sock, ZMQ_DONTWAIT)) {
        c->stopped = true;
    } else if (msg.count != 1 || (int64_t) zmq_msg_size(&msg.frame[0]) > most) {
        zg_drop(&msg, "the server");
        c->failures++;
    } else if (!fio_same_file(c, &msg.frame[0])) {
        fio_fail(c, fio.endpoint, "the server has another file");
    } else {
        fio_set_wait(c, 2 * (zg_now() - start));
        c->failures = 0;
        size = (int64_t) zmq_msg_size(&msg.frame[0]);
        fio_write(c, &msg.frame[0]);
    }
    zg_clear(&msg);
    return size;
}

/* Pause until the next chunk is due, for -m. */
static inline void fio_pause(fio_client *c)
{
    if (fio.rate == 0 || c->stopped)
        return;
    int64_t due = c->started_at + c->chunks * (int64_t) 1000 / fio.rate;
    if (!zg_sleep(c->sock, (long) (due - zg_now())))
        c->stopped = true;
}

/* Give the copy its name. If that fails, print an error and return false. */
static inline bool fio_save(fio_client *c)
{
    const char *name = zg_value['d'];

    if (fsync(fio.copy) == 0 && rename(fio.part, name) == 0)
        return true;
    fio_fail(c, name, strerror(errno));
    return false;
}

/* Close the connection. Give the copy its name, or remove it. */
static inline void fio_end(fio_client *c, bool complete)
{
    zmq_close(c->sock);
    fio.received += (long) (c->size / 1000);
    if (complete && !c->stopped && (fio.copy == -1 || fio_save(c)))
        printf("%ld chunks received, %" PRId64 " bytes\n", c->chunks, c->size);
    else if (fio.copy != -1)
        unlink(fio.part);
}

/* ---- a run: a server, clients, or both, each client in a thread ------ */

/* Read the options that all three programs have. With -C, which leaves out the
 * server, ENDPOINT takes the place of FILE. */
static inline void fio_options(char **arguments)
{
    bool client = zg_value['C'] != NULL, server = zg_value['S'] != NULL;

    fio.clients = server ? 0 : zg_number('c');
    fio.chunk = zg_number('z');
    fio.rate = zg_number('m');
    fio.timeout = zg_number('t');
    if (fio.clients > FIO_MAX_CLIENTS || fio.timeout == 0 || fio.chunk == 0
        || fio.chunk > FIO_MAX_CHUNK)
        zg_usage_error();
    if (client
        && (fio.clients == 0 || (arguments[0] != NULL && arguments[1] != NULL)))
        zg_usage_error();
    if (client && arguments[0] != NULL)
        zg_value[1] = arguments[0];
    snprintf(fio.endpoint, sizeof fio.endpoint, "%s", zg_value[1]);
    if (zg_value['d'] != NULL
        && (fio.clients != 1
            || snprintf(fio.part, sizeof fio.part, "%s.part", zg_value['d'])
                   >= (int) sizeof fio.part))
        zg_usage_error();
}

/* Print how fast it was, and the peak of this process's memory. kB per ms are
 * MB/s. */
static inline void fio_report(int64_t msecs)
{
    struct rusage usage;
    long unit = 1 << 10;

#ifdef __APPLE__
    unit = 1 << 20; /* ru_maxrss is in bytes there, else in kB */
#endif
    getrusage(RUSAGE_SELF, &usage);
    fputs("I: ", stdout);
    if (fio.clients > 0)
        printf("%" PRId64 ".%03d s, %" PRId64 " MB/s, ", msecs / 1000,
               (int) (msecs % 1000), fio.received / (msecs > 0 ? msecs : 1));
    printf("peak memory %ld MB\n", usage.ru_maxrss / unit);
}

/* Run until the clients are done; without clients, until stopped. */
static inline void fio_run(int hwm, void *server(void *), void *client(void *))
{
    pthread_t serving = 0, fetching[FIO_MAX_CLIENTS];
    bool serves = zg_value['C'] == NULL;

    fio.ctx = zg_start();
    if (serves) {
        fio_open(zg_value[0]);
        fio_bind(hwm);
        serving = zg_thread(server, NULL);
    }
    int64_t start = zg_now();
    for (int i = 0; i < fio.clients; i++)
        fetching[i] = zg_thread(client, NULL);
    for (int i = 0; i < fio.clients; i++)
        pthread_join(fetching[i], NULL);
    if (serves) {
        if (fio.clients > 0)
            zmq_ctx_shutdown(fio.ctx); /* all are served */
        pthread_join(serving, NULL);
        zmq_close(fio.router);
    }
    fio_report(zg_now() - start);
    zg_stop(fio.ctx);
}
