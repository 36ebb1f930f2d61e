/* SPDX-License-Identifier: 0BSD */
/* fileio.h - what the three models of file transfer share: a file that is read
 * in chunks, and a digest by which both ends can compare what they have. */
#pragma once
#include "zg.h"

#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/resource.h>

enum {
    FIO_MAX_CHUNK = 4 << 20,
    FIO_MAX_CREDIT = 25, /* chunks on their way to one client */
    FIO_HWM = 4 * FIO_MAX_CREDIT,
    FIO_MAX_CLIENTS = 100,
};

/* FNV-1a over words of eight bytes (little endian, the last one filled up with
 * zeros), with a shift that carries high bits down. Eight sums, the first of
 * words 0, 8, 16...: no multiplication waits for the one before. It does not
 * matter in what pieces the bytes come. It finds accidents; malice it does not.
 */
typedef struct {
    int64_t size;
    uint64_t sum[8], rest; /* rest: the bytes of a word that is not full */
} fio_digest;

static inline uint64_t fio_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x100000001b3;
    return hash ^ hash >> 32;
}

static inline void fio_add(fio_digest *d, const void *data, size_t size)
{
    const unsigned char *byte = data, *end = byte + size;
    uint64_t words[8], *sum;

    while (byte < end)
        if (d->size % 64 == 0 && end - byte >= 64) {
            memcpy(words, byte, 64);
            for (int i = 0; i < 8; i++)
                d->sum[i] = fio_mix(d->sum[i], le64toh(words[i]));
            d->size += 64;
            byte += 64;
        } else {
            sum = &d->sum[d->size / 8 % 8];
            d->rest |= (uint64_t) *byte++ << d->size % 8 * 8;
            if (++d->size % 8 == 0) {
                *sum = fio_mix(*sum, d->rest);
                d->rest = 0;
            }
        }
}

static inline uint64_t fio_value(const fio_digest *d)
{
    uint64_t hash = fio_mix(0xcbf29ce484222325, d->rest);

    for (int i = 0; i < 8; i++)
        hash = fio_mix(hash, d->sum[i]);
    return hash;
}

/* "1000 bytes, digest 0123456789abcdef": the same on both sides. */
#define FIO_DIGEST "%" PRId64 " bytes, digest %016" PRIx64

/* A file as the server knows it: what it was when the server began. */
typedef struct {
    int fd;
    fio_digest whole;
} fio_file;

/* Read it through once. Ends the program when that is not possible. It takes a
 * while: false if the program is to stop, which the socket tells. */
static inline bool fio_open(fio_file *file, const char *path, void *sock)
{
    static char piece[1 << 18];
    ssize_t size;

    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd == -1)
        zg_die(path);
    do {
        size = pread(file->fd, piece, sizeof piece, file->whole.size);
        if (size == -1)
            zg_die(path);
        fio_add(&file->whole, piece, (size_t) size);
        if (!zg_sleep(sock, 0))
            return false;
    } while (size > 0);
    printf("I: %s: " FIO_DIGEST "\n", path, file->whole.size,
           fio_value(&file->whole));
    return true;
}

/* The bytes from offset on, up to size of them; less only where the file ends.
 * False if the file has become shorter, or cannot be read: a short chunk would
 * look like its end. */
static inline bool fio_read(const fio_file *file, int64_t offset, int64_t size,
                            zmq_msg_t *chunk)
{
    int64_t left = file->whole.size - offset, done = 0;
    ssize_t n = 1;

    if (size > left)
        size = left < 0 ? 0 : left;
    if (size > FIO_MAX_CHUNK)
        return errno = EMSGSIZE, false;
    zg_must(zmq_msg_init_size(chunk, (size_t) size));
    for (; done < size && n > 0; done += n)
        n = pread(file->fd, (char *) zmq_msg_data(chunk) + done,
                  (size_t) (size - done), offset + done);
    if (done == size)
        return true;
    zmq_msg_close(chunk);
    errno = n == 0 ? ESTALE : errno;
    return false;
}

/* A frame that is a decimal number of at most 18 digits; -1 if it is none. */
static inline int64_t fio_number(zg_msg *msg, int i)
{
    const char *digit = zmq_msg_data(&msg->frame[i]);
    size_t size = zmq_msg_size(&msg->frame[i]);
    int64_t number = 0;

    if (size == 0 || size > 18)
        return -1;
    for (; size > 0 && *digit >= '0' && *digit <= '9'; digit++, size--)
        number = number * 10 + (*digit - '0');
    return size == 0 ? number : -1;
}

/* ---- a run: a server, clients, or both, each client in a thread ------ */

static struct {
    void *ctx, *router;
    fio_file file;
    char endpoint[256];
    long clients, chunk, rate, silence; /* chunk: bytes; silence: ms */
    _Atomic int64_t received;           /* bytes, by all clients */
    _Atomic bool failed;                /* did one of them not get all? */
} fio;

/* The options that all have. With -C, which leaves out the server, ENDPOINT
 * takes the place of FILE. */
static inline void fio_options(char **place)
{
    bool client = zg_value['C'] != NULL, server = zg_value['S'] != NULL;

    fio.clients = zg_number('c');
    fio.chunk = zg_number('z');
    fio.rate = zg_number('m');
    fio.silence = zg_number('t');
    if (server)
        fio.clients = 0;
    if (fio.clients > FIO_MAX_CLIENTS || (client && fio.clients == 0)
        || (client && place[0] != NULL && place[1] != NULL) || fio.chunk == 0
        || fio.chunk > FIO_MAX_CHUNK)
        zg_usage_error();
    if (client && place[0] != NULL)
        zg_value[1] = place[0];
    snprintf(fio.endpoint, sizeof fio.endpoint, "%s", zg_value[1]);
}

/* The file, and a ROUTER with this high-water mark, for the server's thread;
 * false if the program is to stop. */
static inline bool fio_bind(int hwm)
{
    size_t size = sizeof fio.endpoint;

    fio.router = zg_socket(fio.ctx, ZMQ_ROUTER);
    if (!fio_open(&fio.file, zg_value[0], fio.router))
        return false;
    zg_set(fio.router, ZMQ_ROUTER_MANDATORY, 1);
    zg_set(fio.router, ZMQ_SNDHWM, hwm);
    zg_set(fio.router, ZMQ_LINGER, 0);
    zg_bind(fio.router, "server", fio.endpoint);
    zg_must(zmq_getsockopt(fio.router, ZMQ_LAST_ENDPOINT, fio.endpoint, &size));
    return true;
}

/* Memory is that of this process: of the server, of the clients, or of both. */
static inline void fio_report(int64_t msecs)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    fputs("I: ", stdout);
    if (fio.clients > 0)
        printf("%" PRId64 ".%03d s, %" PRId64 " MB/s, ", msecs / 1000,
               (int) (msecs % 1000),
               fio.received / 1000 / (msecs > 0 ? msecs : 1));
    printf("peak memory %ld MB\n", usage.ru_maxrss / 1024);
}

/* Until the clients are done, or if there are none until stopped. */
static inline void fio_run(int hwm, void *server(void *), void *client(void *))
{
    pthread_t serving = 0, fetching[FIO_MAX_CLIENTS];
    bool serves = zg_value['C'] == NULL;

    if (serves && !fio_bind(hwm))
        fio.clients = 0;
    if (serves)
        serving = zg_thread(server, NULL);
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
        close(fio.file.fd);
    }
    fio_report(zg_now() - start);
}

/* A client's end of a connection; sock is one to close, or NULL. Chunks do not
 * say where they belong: the connection has to. It is never made again by
 * itself, or the answer to one request could be taken for that to another. Who
 * waits in vain opens a new one. */
static inline void *fio_connect(void *sock, long largest_chunk)
{
    if (sock != NULL)
        zmq_close(sock);
    sock = zg_socket(fio.ctx, ZMQ_DEALER);
    /* libzmq's own greetings count, too */
    zg_must(zmq_setsockopt(sock, ZMQ_MAXMSGSIZE,
                           &(int64_t){ largest_chunk + 1024 },
                           sizeof(int64_t)));
    zg_set(sock, ZMQ_RECONNECT_IVL, -1);
    zg_set(sock, ZMQ_RCVTIMEO, (int) fio.silence);
    zg_set(sock, ZMQ_LINGER, 0);
    zg_connect(sock, fio.endpoint);
    return sock;
}

/* False after a silence, after nonsense, and when to stop (errno is ETERM). */
static inline bool fio_receive(zg_msg *chunk, void *sock, long largest)
{
    if (!zg_recv(chunk, sock, 0))
        return false;
    if (chunk->count == 1
        && zmq_msg_size(&chunk->frame[0]) <= (size_t) largest) {
        fio.received += (int64_t) zmq_msg_size(&chunk->frame[0]);
        return true;
    }
    zg_drop(chunk, "the server");
    errno = EPROTO;
    return false;
}

/* Take a rest after a chunk, if so wished; false when the program stops. */
static inline bool fio_pause(void *sock)
{
    return fio.rate == 0 || zg_sleep(sock, 1000 / fio.rate);
}

/* The end of a client. */
static inline void fio_received(const fio_digest *got, long chunks)
{
    printf("%ld chunks received, " FIO_DIGEST "\n", chunks, got->size,
           fio_value(got));
}

/* ---- models 2 and 3: [fetch][offset][size] for each [chunk] -----------------
 *
 * The server keeps nothing about clients. Its memory is bounded by what they
 * ask for ahead of time, their credit. One that asks for more and does not take
 * it meets the high-water mark, which is far beyond any honest credit: a ROUTER
 * learns late, in steps of half of it, that messages have gone out. */

static inline void fio_fetch(void *sock, int64_t offset)
{
    char text[2][24];

    sprintf(text[0], "%" PRId64, offset);
    sprintf(text[1], "%ld", fio.chunk);
    if (zmq_send(sock, "fetch", 5, ZMQ_SNDMORE | ZMQ_DONTWAIT) == -1)
        return; /* no connection: silence will follow */
    zmq_send(sock, text[0], strlen(text[0]), ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(sock, text[1], strlen(text[1]), ZMQ_DONTWAIT);
}

/* [client][fetch][offset][size] is answered with [client][chunk]. */
static inline void fio_answer(zg_msg *msg)
{
    bool fetch = msg->count == 4 && zg_is(msg, 1, "fetch");
    int64_t offset = fetch ? fio_number(msg, 2) : -1;
    int64_t most = fetch ? fio_number(msg, 3) : -1;
    size_t size = sizeof(int);

    if (offset < 0 || most <= 0) {
        zg_drop(msg, "a client");
        return;
    }
    while (msg->count > 1)
        zmq_msg_close(&msg->frame[--msg->count]);
    if (!fio_read(&fio.file, offset, most, &msg->frame[1])) {
        fprintf(stderr, "W: no chunk: %s\n", strerror(errno));
        return;
    }
    msg->count = 2;
    if (!zg_send(msg, fio.router, ZMQ_DONTWAIT) && errno == EAGAIN) {
        /* What has gone out is counted late: count it now, and try again. */
        zmq_getsockopt(fio.router, ZMQ_EVENTS, &(int){ 0 }, &size);
        if (!zg_send(msg, fio.router, ZMQ_DONTWAIT) && errno == EAGAIN)
            fprintf(stderr, "W: a client takes less than it asks for\n");
    }
}

static inline void *fio_server(void *arg)
{
    zg_msg msg = { 0 };

    while (zg_recv(&msg, fio.router, 0))
        fio_answer(&msg);
    zg_clear(&msg);
    return arg;
}
