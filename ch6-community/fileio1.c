/* SPDX-License-Identifier: 0BSD */
/* fileio1.c - sends a file to each client that asks, all of it at once.
 *
 *     DEALER client ---[fetch]----> ROUTER server   6000
 *        (this)     <--[chunk]-----    (this)
 *                   <--[chunk]-----
 *                   <--[]----------   the end
 *
 * The server sends as fast as it reads. All that the client has not received
 * yet is queued in the server's memory: with a slow client the whole file, once
 * for each request, and nothing limits the number of requests. The queue must
 * have no limit (high-water mark 0). With a limit, a ROUTER drops chunks, or
 * waits for one slow client while the others wait too.
 *
 * If FILE cannot be read or changes, the server ends with an error. If the
 * server ends, the client fails after a timeout: it cannot request the rest
 * from a restarted server. fileio2 can.
 *
 * Build: cc -Icommon ch6-community/fileio1.c -o fileio1 -lzmq -lpthread
 *
 * Try it:
 *     $ head -c 9876543 /dev/urandom >testdata
 *     $ bin/fileio1 -d copy; cmp testdata copy && echo the same
 *     I: testdata: 9876543 bytes, modified ...
 *     I: server bound to tcp://127.0.0.1:6000
 *     41 chunks received, 9876543 bytes
 *     I: ... s, ... MB/s, peak memory ... MB
 *     the same
 *
 * Guide: chapter 7, "Transferring Files".
 */
#include "fileio.h"

static const char usage[] =
    "fileio1 [-S|-C] [-d FILE] [-c N] [-z BYTES] [-m N] [-t MS] [FILE] "
    "[ENDPOINT]\n"
    "Transfers a file, all of it at once.\n"
    "  -S        only the server: until stopped\n"
    "  -C        only the clients: no FILE\n"
    "  -d FILE   where the client writes its copy, with -c 1 only\n"
    "  -c N      clients to run; 0: only serve, until stopped (1)\n"
    "  -z BYTES  chunk size of the server, at most 4 MB (250000)\n"
    "  -m N      chunks per second of a client, 0: as fast as it can (0)\n"
    "  -t MS     timeout of each chunk (10000)\n"
    "  FILE      to send (testdata)\n"
    "  ENDPOINT  bind or connect (tcp://127.0.0.1:6000)\n"
    "Peers: fileio1 -C ENDPOINT\n";

enum { NO_LIMIT = 0, RECONNECT_MS = 100 };

/* Send [client][chunk] until FILE ends, and [client][] after that. Stop if the
 * client disconnects or FILE cannot be read. */
static void send_file(zmq_msg_t *client)
{
    zg_msg msg = { 0 };
    int64_t offset = 0;
    size_t size;

    do {
        zg_append(&msg, client, 1);
        if (!fio_read(&msg, offset, fio.chunk))
            break;
        size = zmq_msg_size(&msg.frame[1]);
        offset += (int64_t) size;
    } while (zg_send(&msg, fio.router, ZMQ_DONTWAIT) && size > 0);
    zg_clear(&msg);
}

/* Serve each [client][fetch]. */
static void *server(void *arg)
{
    zg_msg msg = { 0 };

    while (!fio.unreadable && zg_recv(&msg, fio.router, 0))
        if (msg.count == 2 && zg_is(&msg, 1, "fetch"))
            send_file(&msg.frame[0]);
        else
            zg_drop(&msg, "a client");
    zg_clear(&msg);
    return arg;
}

/* Send [fetch], and receive until a chunk is empty. */
static void *client(void *arg)
{
    fio_client c = { 0 };
    int64_t size = 1;

    fio_begin(&c, RECONNECT_MS);
    /* This is queued until the server is there, and never sent twice. */
    if (zmq_send(c.sock, "fetch", 5, 0) == -1)
        c.stopped = true;
    while (size > 0 && !c.stopped) {
        size = fio_receive(&c, FIO_MAX_CHUNK);
        if (size >= 0)
            c.chunks++;
        else if (!c.stopped)
            fio_fail(&c, fio.endpoint, "no end of the file");
        fio_pause(&c);
    }
    fio_end(&c, size == 0);
    return arg;
}

int main(int argc, char *argv[])
{
    fio_options(zg_args(argc, argv, usage));
    fio_run(NO_LIMIT, server, client);
    return fio.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
