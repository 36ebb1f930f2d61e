/* SPDX-License-Identifier: 0BSD */
/* bstarapp.c - application for the tests that calls each function of bstar.h.
 *
 *     REQ ---> ROUTER   echoes requests; "stop" ends it, "block" blocks it
 *     PUSH --> PULL     prints messages in any state; "close" ends the reader,
 *                       "fail" ends reader and reactor, "leave" the reactor
 */
#include "bstar.h"

static const char usage[] =
    "bstarapp -p|-b [-i MS] CLIENTS STATE PEERSTATE NEWS\n"
    "A test of the bstar class: an application.\n"
    "  -p         the primary\n"
    "  -b         the backup\n"
    "  -i MS      heartbeat interval (1000)\n"
    "  CLIENTS    bind\n"
    "  STATE      bind\n"
    "  PEERSTATE  connect\n"
    "  NEWS       bind\n"
    "Peers: none; a tool of the tests\n";

static int slow, quick, last, ticks;
static int64_t since;
static void *pull;

static int answer(zg_msg *msg, void *sock, void *star)
{
    bool stop = zg_is(msg, 2, "stop"), block = zg_is(msg, 2, "block");
    zg_send(msg, sock, ZMQ_DONTWAIT);
    if (block) {
        zg_sleep(sock, 3 * zg_number('i'));
        printf("I: handler: has blocked, active %d\n", bstar_is_active(star));
    }
    return stop ? -1 : 0;
}

static int active(zg_msg *msg, void *sock, void *star)
{
    (void) msg, (void) sock;
    printf("I: handler: active %d\n", bstar_is_active(star));
    return 0;
}

static int passive(zg_msg *msg, void *sock, void *star)
{
    (void) msg, (void) sock;
    printf("I: handler: passive %d\n", bstar_is_active(star));
    return 0;
}

static int news(zg_msg *msg, void *sock, void *star)
{
    char text[64];

    printf("I: news of %d frames: %s\n", msg->count,
           zg_text(&msg->frame[0], text, sizeof text));
    if (zg_is(msg, 0, "fail")) {
        bstar_reader_end(star, sock); /* a handler may do both */
        return -1;
    }
    if (zg_is(msg, 0, "leave"))
        return -1;
    if (zg_is(msg, 0, "close")) {
        bstar_reader_end(star, sock);
        zmq_close(sock);
        pull = NULL;
    }
    return 0;
}

static int tick(zg_msg *msg, void *sock, void *star)
{
    (void) msg, (void) sock;
    printf("I: tick %d\n", ++ticks);
    if (ticks == 3)
        bstar_timer_end(star, quick);
    return 0;
}

static int late(zg_msg *msg, void *sock, void *star)
{
    (void) msg, (void) sock;
    printf("I: late after %ld ms\n", (long) (zg_now() - since));
    bstar_timer_end(star, last);
    return 0;
}

/* End this timer after its first call, and start another one in its place. */
static int tock(zg_msg *msg, void *sock, void *star)
{
    (void) msg, (void) sock;
    puts("I: tock");
    since = zg_now();
    last = bstar_timer(star, 300, late, star);
    bstar_timer_end(star, slow);
    return 0;
}

/* Print a message that the reactor has not read. */
static void print_unread(void)
{
    char text[64];
    zg_msg msg = { 0 };

    zg_set(pull, ZMQ_RCVTIMEO, 200);
    if (zg_recv(&msg, pull, 0))
        printf("I: unread: %s\n", zg_text(&msg.frame[0], text, sizeof text));
    zg_clear(&msg);
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start();
    bstar *star = bstar_new(ctx, zg_value['p'] != NULL, zg_value[1],
                            zg_value[2], zg_number('i'));

    pull = zg_socket(ctx, ZMQ_PULL);
    zg_bind(pull, "news", zg_value[3]);
    bstar_new_active(star, active, star);
    bstar_new_passive(star, passive, star);
    bstar_reader(star, pull, news, star);
    quick = bstar_timer(star, 50, tick, star);
    slow = bstar_timer(star, 300, tock, star);
    bstar_voter(star, zg_value[0], answer, star);
    printf("I: hears its peer: %d\n", bstar_hears_peer(star));
    int result = bstar_start(star);
    printf("I: bstar_start() has returned %d\n", result);
    if (pull != NULL) {
        print_unread();
        zmq_close(pull);
    }
    bstar_destroy(&star);
    zg_stop(ctx);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
