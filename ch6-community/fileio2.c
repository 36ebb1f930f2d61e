/* SPDX-License-Identifier: 0BSD */
/* fileio2.c - sends a file, one chunk for each request.
 *
 *     DEALER client ---[fetch][offset][size]---> ROUTER server   6000
 *        (this)     <--[chunk]-----------------      (this)
 *
 * The client requests a chunk when it has room for one, so at most one chunk
 * waits in any queue. The server keeps no state about clients. Each chunk costs
 * a round trip, during which the network is idle: fileio3 avoids that.
 *
 * After a timeout the client connects again and requests the file from the
 * first missing byte on. So a transfer continues after a restart of the server.
 * If FILE then has another size or time of modification, the client fails. If
 * FILE cannot be read or changes while it is served, the server ends with an
 * error.
 *
 * Nothing is encrypted, and a change that keeps size and time is not noticed.
 *
 * Build: cc -Icommon ch6-community/fileio2.c -o fileio2 -lzmq -lpthread
 *
 * Try it:
 *     $ head -c 9876543 /dev/urandom >testdata
 *     $ bin/fileio2 -d copy; cmp testdata copy && echo the same
 *     I: testdata: 9876543 bytes, modified ...
 *     I: server bound to tcp://127.0.0.1:6000
 *     40 chunks received, 9876543 bytes
 *     I: ... s, ... MB/s, peak memory ... MB
 *     the same
 *
 * Guide: chapter 7, "Transferring Files".
 */
#include "fileio.h"

static const char usage[] =
    "fileio2 [-S|-C] [-d FILE] [-c N] [-z BYTES] [-m N] [-t MS] [-r N] [FILE] "
    "[ENDPOINT]\n"
    "Transfers a file, one request for each chunk.\n"
    "  -S        only the server: until stopped\n"
    "  -C        only the clients: no FILE\n"
    "  -d FILE   where the client writes its copy, with -c 1 only\n"
    "  -c N      clients to run; 0: only serve, until stopped (1)\n"
    "  -z BYTES  chunk size, at most 4 MB (250000)\n"
    "  -m N      chunks per second of a client, 0: as fast as it can (0)\n"
    "  -t MS     timeout of a chunk; each repetition doubles it, to at most "
    "8 * MS (2500)\n"
    "  -r N      timeouts in a row after which the client fails (4)\n"
    "  FILE      to send (testdata)\n"
    "  ENDPOINT  bind or connect (tcp://127.0.0.1:6000)\n"
    "Peers: fileio2 -C ENDPOINT\n";

enum { HWM = 100, NEVER = -1 };

static long tries;

/* Answer [client][fetch][offset][size] with [client][chunk]. */
static void answer(zg_msg *msg)
{
    bool fetch = msg->count == 4 && zg_is(msg, 1, "fetch");
    int64_t offset = fetch ? fio_number(&msg->frame[2]) : -1;
    int64_t size = fetch ? fio_number(&msg->frame[3]) : -1;

    if (offset < 0 || size <= 0 || size > FIO_MAX_CHUNK) {
        zg_drop(msg, "a client");
        return;
    }
    zg_cut(msg, 1);
    /* A client that has disconnected (EHOSTUNREACH) needs no chunk. */
    if (fio_read(msg, offset, size) && !zg_send(msg, fio.router, ZMQ_DONTWAIT)
        && errno == EAGAIN)
        fprintf(stderr, "W: chunk dropped, the client does not receive\n");
}

static void *server(void *arg)
{
    zg_msg msg = { 0 };

    while (!fio.unreadable && zg_recv(&msg, fio.router, 0))
        answer(&msg);
    zg_clear(&msg);
    return arg;
}

/* Send [fetch][offset][size]. If that fails, no chunk will come. */
static void request_chunk(void *sock, int64_t offset)
{
    char from[24], most[24];
    zg_msg msg = { 0 };

    snprintf(from, sizeof from, "%" PRId64, offset);
    snprintf(most, sizeof most, "%ld", fio.chunk);
    zg_insert(&msg, 0, "fetch", 5);
    zg_insert(&msg, 1, from, strlen(from));
    zg_insert(&msg, 2, most, strlen(most));
    zg_send(&msg, sock, ZMQ_DONTWAIT);
    zg_clear(&msg);
}

/* Request the bytes behind those received, until a chunk is short. A chunk does
 * not say which request it answers. So libzmq must never reconnect by itself,
 * and a request is repeated on a new connection only. */
static void *client(void *arg)
{
    fio_client c = { 0 };
    bool more = true;

    fio_begin(&c, NEVER);
    while (more && !c.stopped) {
        request_chunk(c.sock, c.size);
        int64_t size = fio_receive(&c, fio.chunk);
        if (size >= 0) {
            c.chunks++;
            more = size == fio.chunk;
        } else if (c.failures == tries) {
            fio_fail(&c, fio.endpoint, "no answer, giving up");
        } else if (!c.stopped) {
            fio_connect(&c, NEVER);
        }
        fio_pause(&c);
    }
    fio_end(&c, !more);
    return arg;
}

int main(int argc, char *argv[])
{
    fio_options(zg_args(argc, argv, usage));
    tries = zg_number('r');
    if (tries == 0)
        zg_usage_error();
    fio_run(HWM, server, client);
    return fio.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
