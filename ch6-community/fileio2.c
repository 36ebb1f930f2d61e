/* SPDX-License-Identifier: 0BSD */
/* fileio2.c - sends a file, a chunk for each request.
 *
 *     DEALER client ---[fetch][offset][size]---> ROUTER server   6000
 *        (this)     <--[chunk]-----------------      (this)
 *
 * The client asks for what it has room for, when it has room for it. So nothing
 * piles up anywhere; the server needs no memory of who has got what; and a
 * transfer that broke off goes on where it was. But each chunk costs a round
 * trip, in which the network idles: fileio3 does away with that.
 *
 * Build: cc -Icommon ch6-community/fileio2.c -o fileio2 -lzmq -lpthread
 *
 * Try it:
 *     $ head -c 9876543 /dev/urandom >testdata; bin/fileio2
 *     I: testdata: 9876543 bytes, digest ...
 *     I: server bound to tcp://127.0.0.1:6000
 *     40 chunks received, 9876543 bytes, digest ...
 *
 * Guide: chapter 7, "Transferring Files".
 */
#include "fileio.h"

static const char usage[] =
    "fileio2 [-S|-C] [-c N] [-z BYTES] [-m N] [-t MS] [-r N] [FILE] "
    "[ENDPOINT]\n"
    "Transfers a file, one request for each chunk.\n"
    "  -S        only the server: until stopped\n"
    "  -C        only the clients: no FILE\n"
    "  -c N      clients, 0: until stopped (1)\n"
    "  -z BYTES  chunk size, at most 4 MB (250000)\n"
    "  -m N      chunks per second of a client, 0: as fast as it can (0)\n"
    "  -t MS     silence after which it asks again (2500)\n"
    "  -r N      how often, before it gives up (5)\n"
    "  FILE      to send (testdata)\n"
    "  ENDPOINT  bind or connect (tcp://127.0.0.1:6000)\n"
    "Peers: fileio2 -C ENDPOINT\n";

static long tries;

/* Ask for the bytes behind those that we have, until a chunk is short. */
static void *client(void *arg)
{
    void *sock = fio_connect(NULL, fio.chunk);
    fio_digest got = { 0 };
    zg_msg msg = { 0 };
    long chunks = 0, silences = 0;
    bool more = true;

    while (more && silences < tries) {
        fio_fetch(sock, got.size);
        if (fio_receive(&msg, sock, fio.chunk)) {
            size_t size = zmq_msg_size(&msg.frame[0]);
            fio_add(&got, zmq_msg_data(&msg.frame[0]), size);
            more = size == (size_t) fio.chunk;
            chunks++;
            silences = 0;
            if (!fio_pause(sock))
                break;
        } else if (errno == ETERM) {
            break;
        } else {
            fprintf(stderr, "W: no chunk, asking again from %" PRId64 "\n",
                    got.size);
            sock = fio_connect(sock, fio.chunk);
            silences++;
        }
    }
    if (!more) {
        fio_received(&got, chunks);
    } else if (silences == tries) {
        fprintf(stderr, "E: %s: no answer, giving up\n", fio.endpoint);
        fio.failed = true;
    }
    zg_clear(&msg);
    zmq_close(sock);
    return arg;
}

int main(int argc, char *argv[])
{
    fio_options(zg_args(argc, argv, usage));
    tries = zg_number('r');
    if (tries == 0)
        zg_usage_error();
    fio.ctx = zg_start();
    fio_run(FIO_HWM, fio_server, client);
    zg_stop(fio.ctx);
    return fio.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
