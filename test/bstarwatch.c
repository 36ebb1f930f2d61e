/* SPDX-License-Identifier: 0BSD */
/* bstarwatch.c - sends each request to both halves of a pair, and compares.
 *
 *     DEALER ---> first half       [][1] [][2] [][3] ... the same to both
 *     DEALER ---> second half
 *
 * Prints which half replies, when that changes or after a gap. At the end it
 * prints how many requests both halves replied to, and the longest gap between
 * replies. Exit status 1 if both halves replied to a request.
 */
#include "zg.h"

static const char usage[] =
    "bstarwatch [-i MS] [-n COUNT] FIRST SECOND\n"
    "Sends every request to both servers of a pair and counts the answers.\n"
    "  -i MS     between two requests (10)\n"
    "  -n COUNT  requests, 0: no end (0)\n"
    "  FIRST     connect\n"
    "  SECOND    connect\n"
    "Peers: none; a tool of the tests\n";

enum { KNOWN = 1 << 20 };

static char by[KNOWN]; /* bit mask of the halves that replied to a request */
static long sequence, twice, answers[2];
static int64_t last, longest;
static int serving = -1;

static void count(int who, zg_msg *msg)
{
    char text[24] = "";
    int64_t now = zg_now(), gap = last == 0 ? 0 : now - last;

    if (msg->count == 2)
        zg_text(&msg->frame[1], text, sizeof text);
    long number = atol(text);
    if (number < 1 || number > sequence) {
        zg_drop(msg, "a server");
        return;
    }
    last = now;
    longest = gap > longest ? gap : longest;
    answers[who]++;
    by[number % KNOWN] |= (char) (1 << who);
    if (by[number % KNOWN] == 3) {
        fprintf(stderr, "W: both have answered %ld\n", number);
        twice++;
    }
    if (who != serving || gap > 500)
        printf("I: %s serves, after %ld ms\n", who == 0 ? "first" : "second",
               (long) gap);
    serving = who;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long interval = zg_number('i'), end = zg_number('n');
    void *ctx = zg_start(), *sock[2];
    zmq_pollitem_t items[2];
    int64_t next = zg_now();
    zg_msg msg = { 0 };

    if (zg_value[0] == NULL || zg_value[1] == NULL)
        zg_usage_error();
    for (int i = 0; i < 2; i++) {
        sock[i] = zg_socket(ctx, ZMQ_DEALER);
        zg_set(sock[i], ZMQ_IMMEDIATE, 1);
        zg_set(sock[i], ZMQ_LINGER, 0);
        zg_connect(sock[i], zg_value[i]);
        items[i] = (zmq_pollitem_t){ sock[i], 0, ZMQ_POLLIN, 0 };
    }
    while ((end == 0 || sequence < end) && zg_poll(items, 2, next) != -1) {
        for (int i = 0; i < 2; i++)
            while (zg_recv(&msg, sock[i], ZMQ_DONTWAIT))
                count(i, &msg);
        if (zg_now() < next)
            continue;
        char number[24];
        snprintf(number, sizeof number, "%ld", ++sequence);
        by[sequence % KNOWN] = 0;
        for (int i = 0; i < 2; i++)
            if (zmq_send(sock[i], "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) == 0)
                zmq_send(sock[i], number, strlen(number), 0);
        next = zg_now() + interval;
    }
    printf(
        "I: %ld requests, first answered %ld, second answered %ld, both %ld, "
        "longest gap %ld ms\n",
        sequence, answers[0], answers[1], twice, (long) longest);
    zg_clear(&msg);
    zmq_close(sock[0]);
    zmq_close(sock[1]);
    zg_stop(ctx);
    return twice > 0;
}
