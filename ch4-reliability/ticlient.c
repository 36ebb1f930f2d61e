/* SPDX-License-Identifier: 0BSD */
/* ticlient.c - leaves a request with Titanic, and comes back for the reply.
 *
 *     REQ ticlient (this) ---> ROUTER mdbroker <--- titanic
 *                                5555          <--- mdworker
 *
 * Whatever restarts in between - the service, Titanic, the broker - the client
 * goes on asking: first until its request is stored, then until its reply is
 * there. Then it says that it has it.
 *
 * Build: cc -Icommon ch4-reliability/ticlient.c ch4-reliability/mdcliapi.c \
 *            -o ticlient -lzmq -lpthread
 *
 * Try it:
 *     $ bin/mdbroker & bin/titanic & bin/ticlient & bin/mdworker
 *     I: broker bound to tcp://127.0.0.1:5555
 *     I: stored as ...
 *     Reply: Hello world
 *
 * Guide: chapter 4, "Disconnected Reliability (Titanic Pattern)"; RFC 9.
 */
#include "mdcliapi.h"
#include "mdp.h"

static const char usage[] =
    "ticlient [-i MS] [ENDPOINT [SERVICE [BODY...]]]\n"
    "Asks a Majordomo service by way of Titanic, who keeps the request.\n"
    "  -i MS     time between two looks for the reply (5000)\n"
    "  ENDPOINT  connect to mdbroker (tcp://localhost:5555)\n"
    "  SERVICE   who is to answer (echo)\n"
    "  BODY...   up to 13 frames; \"Hello world\" if none are given\n"
    "Peers: mdbroker ENDPOINT, titanic ENDPOINT, mdworker ENDPOINT\n";

static mdcli session;
static void *sleeper; /* to sleep on */
static long pause_ms; /* between two questions */

/* The status of a reply: three digits, and a blank and more if at all. */
static int status_of(zg_msg *reply)
{
    char text[5] = "";

    if (reply->count > 0)
        zg_text(&reply->frame[0], text, sizeof text);
    bool good =
        strspn(text, "0123456789") == 3 && (text[3] == '\0' || text[3] == ' ');
    return good ? atoi(text) : 0;
}

/* Call a service of Titanic until it gives an answer that is one: a copy of
 * the frames is sent each time. 0: the program stops. */
static int call(const char *service, zg_msg *body, zg_msg *reply)
{
    for (;;) {
        zg_clear(reply);
        mdp_copy(reply, body->frame, body->count);
        if (mdcli_send(&session, service, reply)) {
            int status = status_of(reply);
            if (status != 0 && status != 500)
                return status;
            if (!zg_sleep(sleeper, pause_ms))
                return 0;
        } else if (errno == ETERM) {
            return 0;
        } else {
            fprintf(stderr, "W: %s does not answer, asking again\n", service);
        }
    }
}

/* Ask with [uuid] until the reply is there, [200][body...]. */
static int fetch(zg_msg *uuid, zg_msg *reply)
{
    int status;

    while ((status = call("titanic.reply", uuid, reply)) == 300) {
        printf("I: no reply yet\n");
        if (!zg_sleep(sleeper, pause_ms))
            return 0;
    }
    return status;
}

static void print_reply(zg_msg *reply)
{
    printf("Reply:");
    for (int i = 1; i < reply->count; i++) {
        putchar(' ');
        fwrite(zmq_msg_data(&reply->frame[i]), zmq_msg_size(&reply->frame[i]),
               1, stdout);
    }
    putchar('\n');
}

int main(int argc, char *argv[])
{
    char **body = zg_args(argc, argv, usage), **end = argv + argc;
    char text[64];
    zg_msg request = { 0 }, uuid = { 0 }, reply = { 0 };

    pause_ms = zg_number('i');
    if (end - body > 2 + MDP_BODY - 1)
        zg_usage_error();
    void *ctx = zg_start();
    session = mdcli_new(ctx, zg_value[0]);
    sleeper = zg_socket(ctx, ZMQ_PAIR);
    mdp_add(&request, zg_value[1]);
    if (end - body <= 2)
        mdp_add(&request, "Hello world");
    for (int i = 2; i < end - body; i++)
        mdp_add(&request, body[i]);

    int status = call("titanic.request", &request, &reply);
    if (status == 200 && reply.count == 2) {
        mdp_copy(&uuid, &reply.frame[1], 1);
        printf("I: stored as %s\n", zg_text(&uuid.frame[0], text, sizeof text));
        if ((status = fetch(&uuid, &reply)) == 200) {
            print_reply(&reply);
            call("titanic.close", &uuid, &reply);
        }
    }
    bool failed = status != 200 && status != 0;
    if (failed)
        fprintf(stderr, "E: titanic says %d\n", status);
    zg_clear(&request);
    zg_clear(&uuid);
    zg_clear(&reply);
    mdcli_destroy(&session);
    zmq_close(sleeper);
    zg_stop(ctx);
    return failed;
}
