/* SPDX-License-Identifier: 0BSD */
/* fileio3.c - sends a file, with credit: several requests ahead of the chunks.
 *
 *     DEALER client ---[fetch][offset][size]---> ROUTER server   6000
 *        (this)     ---[fetch][offset][size]--->     (this)
 *                   <--[chunk]-----------------
 *                   ---[fetch][offset][size]--->
 *
 * The client begins with credit for ten chunks. A request costs one credit, and
 * a chunk returns it. So the server always has a request to answer. A client of
 * this program has at most -o requests outstanding, so the server queues at
 * most that many chunks for it. For any other client the high-water mark is the
 * limit: 200 chunks. Server and messages are those of fileio2.
 *
 * A restart of the server, another FILE and a read error are handled as in
 * fileio2. The client does not know the size, so it also requests beyond the
 * end; the server answers with empty chunks. The transfer is complete when
 * every request is answered. If an answer is still missing after the short
 * chunk, the client reconnects and requests what follows the bytes it has. If
 * it then receives a chunk that is not empty, an earlier chunk was lost, and
 * the transfer fails. A chunk carries no offset, so a loss before a
 * reconnection is not detected. The server drops a chunk only when the client's
 * queue is full; the credit prevents that.
 *
 * Build: cc -Icommon ch6-community/fileio3.c -o fileio3 -lzmq -lpthread
 *
 * Try it:
 *     $ head -c 9876543 /dev/urandom >testdata
 *     $ bin/fileio3 -d copy; cmp testdata copy && echo the same
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
    "fileio3 [-S|-C] [-d FILE] [-c N] [-z BYTES] [-o N] [-m N] [-t MS] [-r N] "
    "[FILE] [ENDPOINT]\n"
    "Transfers a file, with a credit of several chunks.\n"
    "  -S        only the server: until stopped\n"
    "  -C        only the clients: no FILE\n"
    "  -d FILE   where the client writes its copy, with -c 1 only\n"
    "  -c N      clients to run; 0: only serve, until stopped (1)\n"
    "  -z BYTES  chunk size, at most 4 MB (250000)\n"
    "  -o N      credit: outstanding requests, at most 25 (10)\n"
    "  -m N      chunks per second of a client, 0: as fast as it can (0)\n"
    "  -t MS     timeout of a chunk; each repetition doubles it, to at most "
    "8 * MS (2500)\n"
    "  -r N      timeouts in a row after which the client fails (4)\n"
    "  FILE      to send (testdata)\n"
    "  ENDPOINT  bind or connect (tcp://127.0.0.1:6000)\n"
    "Peers: fileio3 -C ENDPOINT\n";

/* libzmq learns late that a client has received chunks, in steps of half the
 * high-water mark. With a mark near the credit, chunks would be dropped. */
enum { MAX_CREDIT = 25, HWM = 8 * MAX_CREDIT, NEVER = -1 };

static long credit_limit, tries;

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

/* A client's transfer. */
struct transfer {
    fio_client c;
    int64_t next; /* offset of the next request */
    long credit;  /* requests that it may send now */
    bool ended;   /* a chunk was short */
    bool lost;    /* a later chunk was not empty */
};

static void spend_credit(struct transfer *t)
{
    for (; t->credit > 0; t->credit--) {
        request_chunk(t->c.sock, t->next);
        t->next += fio.chunk;
    }
}

/* Request from the first missing byte on, with full credit. */
static void start_over(struct transfer *t)
{
    t->next = t->c.size;
    t->credit = credit_limit;
    spend_credit(t);
}

/* Count a chunk of this size. It returns a credit, which is spent at once.
 * After the short chunk only empty ones may follow. */
static void take_chunk(struct transfer *t, int64_t size)
{
    t->credit++;
    if (t->ended) {
        t->lost = t->lost || size > 0;
        return;
    }
    t->c.chunks++;
    if (size < fio.chunk)
        t->ended = true;
    else
        spend_credit(t);
}

/* Return whether all requests have been answered, those beyond the end too. */
static bool is_complete(const struct transfer *t)
{
    return t->ended && t->credit == credit_limit;
}

/* Receive chunks and send requests until the transfer is complete. As in
 * fileio2, requests are repeated on a new connection only. */
static void *client(void *arg)
{
    struct transfer t = { 0 };

    fio_begin(&t.c, NEVER);
    start_over(&t);
    while (!is_complete(&t) && !t.c.stopped) {
        int64_t size = fio_receive(&t.c, fio.chunk);
        if (size >= 0)
            take_chunk(&t, size);
        if (t.lost) {
            fio_fail(&t.c, fio.endpoint, "chunks were lost");
        } else if (t.c.failures == tries) {
            fio_fail(&t.c, fio.endpoint, "no answer, giving up");
        } else if (size == -1 && !t.c.stopped) {
            fio_connect(&t.c, NEVER);
            start_over(&t);
        }
        fio_pause(&t.c);
    }
    fio_end(&t.c, is_complete(&t));
    return arg;
}

int main(int argc, char *argv[])
{
    fio_options(zg_args(argc, argv, usage));
    credit_limit = zg_number('o');
    tries = zg_number('r');
    if (tries == 0 || credit_limit == 0 || credit_limit > MAX_CREDIT)
        zg_usage_error();
    fio_run(HWM, server, client);
    return fio.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
