/* SPDX-License-Identifier: 0BSD */
/* fileio3.c - sends a file, with credit: several requests ahead of the chunks.
 *
 *     DEALER client ---[fetch][offset][size]---> ROUTER server   6000
 *        (this)     ---[fetch][offset][size]--->     (this)
 *                   <--[chunk]-----------------
 *                   ---[fetch][offset][size]--->
 *
 * A client begins with credit for ten chunks. A request spends one, a chunk
 * earns it back. So the server always has something to do, and yet it never has
 * more to keep for a client than its credit: fast, and bounded by the one who
 * knows what there is room for.
 *
 * When a chunk is short the file ends, and the answers to what was asked behind
 * it have to be empty. That they all come tells that none was lost: chunks have
 * no numbers.
 *
 * Build: cc -Icommon ch6-community/fileio3.c -o fileio3 -lzmq -lpthread
 *
 * Try it:
 *     $ head -c 9876543 /dev/urandom >testdata; bin/fileio3
 *     I: testdata: 9876543 bytes, digest ...
 *     I: server bound to tcp://127.0.0.1:6000
 *     40 chunks received, 9876543 bytes, digest ...
 *
 * Guide: chapter 7, "Transferring Files".
 */
#include "fileio.h"

static const char usage[] =
    "fileio3 [-S|-C] [-c N] [-z BYTES] [-o N] [-m N] [-t MS] [-r N] [FILE] "
    "[ENDPOINT]\n"
    "Transfers a file, with a credit of several chunks.\n"
    "  -S        only the server: until stopped\n"
    "  -C        only the clients: no FILE\n"
    "  -c N      clients, 0: until stopped (1)\n"
    "  -z BYTES  chunk size, at most 4 MB (250000)\n"
    "  -o N      credit: chunks asked for and not here yet, at most 25 (10)\n"
    "  -m N      chunks per second of a client, 0: as fast as it can (0)\n"
    "  -t MS     silence after which it asks again (2500)\n"
    "  -r N      how often, before it gives up (5)\n"
    "  FILE      to send (testdata)\n"
    "  ENDPOINT  bind or connect (tcp://127.0.0.1:6000)\n"
    "Peers: fileio3 -C ENDPOINT\n";

static long pipeline, tries;

/* What a client knows about its transfer. */
struct transfer {
    void *sock;
    fio_digest got;
    int64_t ask_from; /* the first byte not asked for */
    long credit, chunks, silences;
    bool ended; /* there was a short chunk */
    bool lost;  /* and one with something in it came behind that */
};

static void spend_credit(struct transfer *t)
{
    for (; t->credit > 0; t->credit--) {
        fio_fetch(t->sock, t->ask_from);
        t->ask_from += fio.chunk;
    }
}

/* The first chunk that we miss is where all begins again. */
static void begin_anew(struct transfer *t)
{
    t->sock = fio_connect(t->sock, fio.chunk);
    t->ask_from = t->got.size;
    t->credit = pipeline;
    spend_credit(t);
}

static void take(struct transfer *t, zmq_msg_t *chunk)
{
    size_t size = zmq_msg_size(chunk);

    t->lost |= t->ended && size > 0;
    fio_add(&t->got, zmq_msg_data(chunk), size);
    t->chunks += !t->ended;
    t->ended |= size < (size_t) fio.chunk;
    t->credit++;
    t->silences = 0;
}

/* All that was asked for is here, behind the end too. */
static bool complete(const struct transfer *t)
{
    return t->ended && t->credit == pipeline;
}

static void report(const struct transfer *t)
{
    if (t->lost)
        fprintf(stderr, "E: chunks were lost\n");
    else if (complete(t))
        fio_received(&t->got, t->chunks);
    else if (t->silences == tries)
        fprintf(stderr, "E: %s: no answer, giving up\n", fio.endpoint);
    fio.failed |= t->lost || t->silences == tries;
}

static void *client(void *arg)
{
    struct transfer t = { 0 };
    zg_msg msg = { 0 };

    begin_anew(&t);
    while (!t.lost && !complete(&t) && t.silences < tries) {
        if (fio_receive(&msg, t.sock, fio.chunk)) {
            take(&t, &msg.frame[0]);
            if (!t.ended)
                spend_credit(&t);
            if (!fio_pause(t.sock))
                break;
        } else if (errno == ETERM) {
            break;
        } else {
            fprintf(stderr, "W: no chunk, asking again from %" PRId64 "\n",
                    t.got.size);
            t.silences++;
            begin_anew(&t);
        }
    }
    report(&t);
    zg_clear(&msg);
    zmq_close(t.sock);
    return arg;
}

int main(int argc, char *argv[])
{
    fio_options(zg_args(argc, argv, usage));
    pipeline = zg_number('o');
    tries = zg_number('r');
    if (tries == 0 || pipeline == 0 || pipeline > FIO_MAX_CREDIT)
        zg_usage_error();
    fio.ctx = zg_start();
    fio_run(FIO_HWM, fio_server, client);
    zg_stop(fio.ctx);
    return fio.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
