/* SPDX-License-Identifier: 0BSD */
/* ticlient.c - stores a request with Titanic, and fetches the reply later.
 *
 *     REQ ticlient (this) ---> ROUTER mdbroker <--- titanic
 *                                5555          <--- mdworker
 *
 * The client calls three services: titanic.request stores the request and
 * returns a UUID, titanic.reply returns the reply once there is one, and
 * titanic.close deletes both. While the service, Titanic or the broker
 * restarts, the client waits and tries again.
 *
 * titanic.request is tried -r times. Each try may store the request once more,
 * as it may be the answer that was lost. The other two are idempotent and are
 * tried until they are answered. A client that ends before titanic.close leaves
 * the request, and its reply, in the log: Titanic keeps them until a client
 * that knows the UUID closes the request.
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

#include <limits.h>

static const char usage[] =
    "ticlient [-i MS] [-r N] [ENDPOINT [SERVICE [BODY...]]]\n"
    "Sends a request to a Majordomo service by way of Titanic, which stores "
    "it.\n"
    "  -i MS     pause before it asks for the reply again (5000)\n"
    "  -r N      tries to store the request, each may store it once (10)\n"
    "  ENDPOINT  connect to mdbroker (tcp://localhost:5555)\n"
    "  SERVICE   the service that answers (echo)\n"
    "  BODY...   up to 13 frames; \"Hello world\" if none are given\n"
    "Peers: mdbroker ENDPOINT, titanic ENDPOINT, mdworker ENDPOINT\n";

static mdcli session;
static void *sleeper; /* a socket for zg_sleep() */
static long pause_ms;

/* Return the status of a reply, three digits that a blank and a text may
 * follow; 0 if the reply has no status. */
static int status_of(zg_msg *reply)
{
    char text[5] = "";

    if (reply->count > 0)
        zg_text(&reply->frame[0], text, sizeof text);
    bool is_status =
        strspn(text, "0123456789") == 3 && (text[3] == '\0' || text[3] == ' ');
    return is_status ? atoi(text) : 0;
}

/* Call a service of Titanic until it returns a status that is not 500. Return
 * that; 500 if all tries have failed; 0 on shutdown. */
static int call(const char *service, zg_msg *body, zg_msg *reply, long tries)
{
    for (long n = 1; n <= tries; n++) {
        zg_clear(reply);
        zg_append(reply, body->frame, body->count);
        if (mdcli_send(&session, service, reply)) {
            int status = status_of(reply);
            if (status != 0 && status != 500)
                return status;
            if (!zg_sleep(sleeper, pause_ms))
                return 0;
        } else if (errno == ETERM) {
            return 0;
        }
        fprintf(stderr, "W: %s has failed, try %ld\n", service, n);
    }
    return 500;
}

/* Ask with [uuid] until there is a reply, [200][body...]. */
static int fetch(zg_msg *uuid, zg_msg *reply)
{
    int status;

    while ((status = call("titanic.reply", uuid, reply, LONG_MAX)) == 300) {
        printf("I: no reply yet\n");
        if (!zg_sleep(sleeper, pause_ms))
            return 0;
    }
    return status;
}

static void print_reply(zg_msg *reply)
{
    char text[1000];

    printf("Reply:");
    for (int i = 1; i < reply->count; i++)
        printf(" %s", zg_text(&reply->frame[i], text, sizeof text));
    putchar('\n');
}

int main(int argc, char *argv[])
{
    char **body = zg_args(argc, argv, usage), **end = argv + argc;
    char text[64];
    zg_msg request = { 0 }, uuid = { 0 }, reply = { 0 };

    pause_ms = zg_number('i');
    if (end - body > 2 + MDP_MAX_BODY - 1 || zg_number('r') == 0)
        zg_usage_error();
    void *ctx = zg_start();
    session = mdcli_new(ctx, zg_value[0]);
    session.tries = 1; /* call() repeats */
    sleeper = zg_socket(ctx, ZMQ_PAIR);
    mdp_append(&request, zg_value[1]);
    if (end - body <= 2)
        mdp_append(&request, "Hello world");
    for (int i = 2; i < end - body; i++)
        mdp_append(&request, body[i]);

    int status = call("titanic.request", &request, &reply, zg_number('r'));
    if (status == 200 && reply.count == 2) {
        zg_append(&uuid, &reply.frame[1], 1);
        printf("I: stored as %s\n", zg_text(&uuid.frame[0], text, sizeof text));
        if ((status = fetch(&uuid, &reply)) == 200) {
            print_reply(&reply);
            call("titanic.close", &uuid, &reply, LONG_MAX);
        }
    }
    bool has_failed = status != 200 && status != 0;
    if (has_failed)
        fprintf(stderr, "E: titanic answers %d\n", status);
    zg_clear(&request);
    zg_clear(&uuid);
    zg_clear(&reply);
    mdcli_destroy(&session);
    zmq_close(sleeper);
    zg_stop(ctx);
    return has_failed;
}
