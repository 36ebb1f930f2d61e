/* SPDX-License-Identifier: 0BSD */
/* fileio1.c - sends a file, all of it at once: fast, and dangerous.
 *
 *     DEALER client ---[fetch]----> ROUTER server   6000
 *        (this)     <--[chunk]-----    (this)
 *                   <--[chunk]-----
 *                   <--[]----------   the end
 *
 * The server sends as fast as it reads. What the client has not taken yet waits
 * in the server's memory, with a slow client the whole file, once for each. The
 * queue has no limit (high-water mark 0): with one, a ROUTER that does not wait
 * drops chunks, and one that waits for a client lets the others wait too.
 *
 * See it: bin/fileio1 -m 100 takes a hundred chunks a second. Watch the peak of
 * its memory, and that of fileio3 with the same file.
 *
 * Build: cc -Icommon ch6-community/fileio1.c -o fileio1 -lzmq -lpthread
 *
 * Try it:
 *     $ head -c 9876543 /dev/urandom >testdata; bin/fileio1
 *     I: testdata: 9876543 bytes, digest ...
 *     I: server bound to tcp://127.0.0.1:6000
 *     41 chunks received, 9876543 bytes, digest ...
 *
 * Guide: chapter 7, "Transferring Files".
 */
#include "fileio.h"

static const char usage[] =
    "fileio1 [-S|-C] [-c N] [-z BYTES] [-m N] [-t MS] [FILE] [ENDPOINT]\n"
    "Transfers a file, all of it at once.\n"
    "  -S        only the server: until stopped\n"
    "  -C        only the clients: no FILE\n"
    "  -c N      clients, 0: until stopped (1)\n"
    "  -z BYTES  chunk size of the server, at most 4 MB (250000)\n"
    "  -m N      chunks per second of a client, 0: as fast as it can (0)\n"
    "  -t MS     silence after which a client gives up (10000)\n"
    "  FILE      to send (testdata)\n"
    "  ENDPOINT  bind or connect (tcp://127.0.0.1:6000)\n"
    "Peers: fileio1 -C ENDPOINT\n";

/* [client][chunk]; an empty one behind the last. */
static bool send_chunk(zg_msg *request, int64_t offset)
{
    zg_msg msg = { 0 };

    zg_insert(&msg, 0, zmq_msg_data(&request->frame[0]),
              zmq_msg_size(&request->frame[0]));
    bool sent = fio_read(&fio.file, offset, fio.chunk, &msg.frame[1]);
    if (sent) {
        msg.count = 2;
        sent = zg_send(&msg, fio.router, ZMQ_DONTWAIT);
    } else {
        fprintf(stderr, "W: no chunk: %s\n", strerror(errno));
    }
    zg_clear(&msg);
    return sent;
}

/* [client][fetch]. It ends early when the client leaves. */
static void *server(void *arg)
{
    zg_msg msg = { 0 };

    while (zg_recv(&msg, fio.router, 0))
        if (msg.count == 2 && zg_is(&msg, 1, "fetch")) {
            int64_t offset = 0;
            while (send_chunk(&msg, offset) && offset < fio.file.whole.size)
                offset += fio.chunk;
        } else {
            zg_drop(&msg, "a client");
        }
    zg_clear(&msg);
    return arg;
}

static void *client(void *arg)
{
    void *sock = fio_connect(NULL, FIO_MAX_CHUNK);
    fio_digest got = { 0 };
    zg_msg msg = { 0 };
    long chunks = 0;
    size_t size = 1;

    zmq_send(sock, "fetch", 5, ZMQ_DONTWAIT);
    while (size > 0 && fio_receive(&msg, sock, FIO_MAX_CHUNK)) {
        size = zmq_msg_size(&msg.frame[0]);
        fio_add(&got, zmq_msg_data(&msg.frame[0]), size);
        chunks++;
        if (!fio_pause(sock))
            break;
    }
    if (size == 0) {
        fio_received(&got, chunks);
    } else if (errno != ETERM) {
        fprintf(stderr, "E: %s: no end after %" PRId64 " bytes\n", fio.endpoint,
                got.size);
        fio.failed = true;
    }
    zg_clear(&msg);
    zmq_close(sock);
    return arg;
}

int main(int argc, char *argv[])
{
    fio_options(zg_args(argc, argv, usage));
    fio.ctx = zg_start();
    fio_run(0, server, client);
    zg_stop(fio.ctx);
    return fio.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
