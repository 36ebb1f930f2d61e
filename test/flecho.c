/* SPDX-License-Identifier: 0BSD */
/* flecho.c - both ends of RFC 10 as the tests need them: a service that sends
 * the body back, late or twice if told, and a client that looks at each reply.
 *
 *     flecho -C, flcliapi ROUTER <---> ROUTER flecho -S
 */
#include "flcliapi.h"

static const char usage[] =
    "flecho -S|-C [-t MS] [-r N] [-n COUNT] [-i MS] [-z BYTES] ENDPOINT...\n"
    "A test of flcliapi: an echo service, and its client.\n"
    "  -S           the server\n"
    "  -C           the client\n"
    "  -t MS        server: how long a reply takes; client: to wait (0)\n"
    "  -r N         server: how often it replies to each request (1)\n"
    "  -n COUNT     client: requests (1)\n"
    "  -i MS        client: pause before each request (0)\n"
    "  -z BYTES     client: body size (10)\n"
    "  ENDPOINT...  bind or connect\n"
    "Peers: none; a tool of the tests\n";

static void serve(void *ctx, const char *endpoint)
{
    void *sock = zg_socket(ctx, ZMQ_ROUTER);
    zg_msg msg = { 0 }, copy = { 0 };
    char text[64];

    zg_bind(sock, "service", endpoint);
    while (zg_recv(&msg, sock, 0)) {
        bool ping = msg.count == 2 && zg_is(&msg, 1, "PING");
        if (ping) {
            zmq_msg_close(&msg.frame[--msg.count]);
            zg_insert(&msg, 1, "PONG", 4);
        } else {
            printf("I: request %s\n",
                   zg_text(&msg.frame[1], text, sizeof text));
            if (!zg_sleep(sock, zg_number('t')))
                break;
        }
        for (long n = ping ? 1 : zg_number('r'); n > 0; n--) {
            for (int i = 0; i < msg.count; i++) {
                zmq_msg_init(&copy.frame[i]);
                zmq_msg_copy(&copy.frame[i], &msg.frame[i]);
            }
            copy.count = msg.count;
            if (!zg_send(&copy, sock, 0))
                break;
        }
    }
    zg_clear(&msg);
    zg_clear(&copy);
    zmq_close(sock);
}

/* [number][][a body of some bytes] */
static void compose(zg_msg *msg, long n)
{
    static char bytes[2000000];
    char number[24];

    memset(bytes, (int) n, sizeof bytes);
    snprintf(number, sizeof number, "%ld", n);
    zg_clear(msg);
    zg_insert(msg, 0, number, strlen(number));
    zg_insert(msg, 1, "", 0);
    zg_insert(msg, 2, bytes, (size_t) zg_number('z'));
}

static bool same(zg_msg *a, zg_msg *b)
{
    bool yes = a->count == b->count;

    for (int i = 0; yes && i < a->count; i++)
        yes = zmq_msg_size(&a->frame[i]) == zmq_msg_size(&b->frame[i])
              && memcmp(zmq_msg_data(&a->frame[i]), zmq_msg_data(&b->frame[i]),
                        zmq_msg_size(&a->frame[i]))
                     == 0;
    return yes;
}

static void ask(void *ctx, char **endpoint)
{
    long timeout = zg_number('t') > 0 ? zg_number('t') : 3000;
    flcliapi *client = flcliapi_new(ctx, timeout, 300);
    void *pause = zg_socket(ctx, ZMQ_PAIR);
    zg_msg msg = { 0 }, wanted = { 0 };

    for (; *endpoint != NULL; endpoint++)
        flcliapi_connect(client, *endpoint);
    for (long n = 1; n <= zg_number('n'); n++) {
        if (!zg_sleep(pause, zg_number('i')))
            break;
        compose(&msg, n);
        compose(&wanted, n);
        int64_t start = zg_now();
        if (!flcliapi_request(client, &msg))
            printf("I: request %ld failed: %s\n", n, zmq_strerror(errno));
        else
            printf("I: request %ld: %s reply after %ld ms\n", n,
                   same(&msg, &wanted)    ? "right"
                   : zg_is(&msg, 0, "OK") ? "OK"
                                          : "WRONG",
                   (long) (zg_now() - start));
    }
    zg_clear(&msg);
    zg_clear(&wanted);
    zmq_close(pause);
    flcliapi_destroy(&client);
}

int main(int argc, char *argv[])
{
    char **endpoint = zg_args(argc, argv, usage);
    void *ctx;

    if ((zg_value['S'] == NULL) == (zg_value['C'] == NULL) || *endpoint == NULL)
        zg_usage_error();
    ctx = zg_start();
    if (zg_value['S'] != NULL)
        serve(ctx, *endpoint);
    else
        ask(ctx, endpoint);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
