/* SPDX-License-Identifier: 0BSD */
/* flclient2.c - Freelance model two: asks all servers at once, uses the first
 * reply.
 *
 *     DEALER flclient2 (this) ---> REP flserver2    [][number][request]
 *     DEALER                  ---> REP flserver2
 *     DEALER                  ---> REP flserver2    [][number][OK]
 *
 * The client has a socket per server and sends a copy of each request to every
 * server that is connected (ZMQ_IMMEDIATE). An unreachable or slow server
 * delays nothing. If no reply arrives in half a second, the client sends the
 * copies again: a server may have restarted.
 *
 * Every server executes every request, so more servers do not serve more
 * clients. flclient3.c sends a request to one server.
 *
 * Build: cc -Icommon ch4-reliability/flclient2.c -o flclient2 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/flserver2 tcp://127.0.0.1:5556 &
 *     $ bin/flclient2 tcp://localhost:5555 tcp://localhost:5556
 *     Average round trip: ... us
 *
 * Guide: chapter 4, "Model Two: Brutal Shotgun Massacre".
 */
#include "zg.h"

static const char usage[] =
    "flclient2 [-n COUNT] [-t MS] ENDPOINT...\n"
    "Sends each request to all servers and uses the first reply.\n"
    "  -n COUNT     requests (10000)\n"
    "  -t MS        timeout of a request (2500)\n"
    "  ENDPOINT...  connect, up to 64\n"
    "Peers: flserver2 ENDPOINT...\n";

enum { MAX_SERVERS = 64, RESEND_MS = 500 };

struct server {
    void *ctx, *sock;
    bool asked; /* has a copy of the current request */
};

static struct server servers[MAX_SERVERS];
static int server_count;
static void *stop;

/* Connect in a context of its own: looking up the name of a server may take 30
 * s and delays all sockets of the context. */
static void connect_server(struct server *server, const char *endpoint)
{
    server->ctx = zmq_ctx_new();
    server->sock = zg_socket(server->ctx, ZMQ_DEALER);
    zg_set(server->sock, ZMQ_IMMEDIATE, 1); /* only while it is connected */
    zg_set(server->sock, ZMQ_LINGER, 0);
    zg_connect(server->sock, endpoint);
}

/* Send [][number][request] to each connected server that has no copy. */
static void send_copies(const char *number)
{
    for (int i = 0; i < server_count; i++) {
        zg_msg msg = { 0 };
        if (servers[i].asked)
            continue;
        zg_insert(&msg, 0, "", 0);
        zg_insert(&msg, 1, number, strlen(number));
        zg_insert(&msg, 2, "random name", 11);
        servers[i].asked = zg_send(&msg, servers[i].sock, ZMQ_DONTWAIT);
        zg_clear(&msg);
    }
}

/* Read [][number][reply]. True if one is for this request; the others belong to
 * earlier requests. */
static bool read_replies(void *sock, const char *number)
{
    zg_msg msg = { 0 };
    bool found = false;

    while (!found && zg_recv(&msg, sock, ZMQ_DONTWAIT))
        if (msg.count == 3 && zg_is(&msg, 0, ""))
            found = zg_is(&msg, 1, number);
        else
            zg_drop(&msg, "a server");
    zg_clear(&msg);
    return found;
}

/* Wait for messages, or for a server to connect that has no copy. -1 on
 * shutdown. */
static int wait_for_servers(int64_t deadline)
{
    zmq_pollitem_t items[MAX_SERVERS + 1] = { { stop, 0, ZMQ_POLLERR, 0 } };

    for (int i = 0; i < server_count; i++) {
        items[i + 1].socket = servers[i].sock;
        items[i + 1].events =
            servers[i].asked ? ZMQ_POLLIN : ZMQ_POLLIN | ZMQ_POLLOUT;
    }
    return zg_poll(items, server_count + 1, deadline);
}

/* Return 1 if a server replied in time, 0 if none did, -1 on shutdown. */
static int request(long sequence)
{
    int64_t deadline = zg_now() + zg_number('t');
    int64_t resend_at = 0; /* send at once */
    char number[24];

    snprintf(number, sizeof number, "%ld", sequence);
    while (zg_now() < deadline) {
        if (zg_now() >= resend_at) {
            for (int i = 0; i < server_count; i++)
                servers[i].asked = false;
            resend_at = zg_now() + RESEND_MS;
        }
        send_copies(number);
        if (wait_for_servers(resend_at < deadline ? resend_at : deadline) == -1)
            return -1;
        for (int i = 0; i < server_count; i++)
            if (read_replies(servers[i].sock, number))
                return 1;
    }
    return 0;
}

static void *end_context(void *ctx)
{
    zmq_ctx_term(ctx);
    return NULL;
}

/* Do not wait for the contexts: they end after a lookup that may be pending. */
static void close_servers(void)
{
    for (int i = 0; i < server_count; i++) {
        zmq_close(servers[i].sock);
        pthread_detach(zg_thread(end_context, servers[i].ctx));
    }
}

int main(int argc, char *argv[])
{
    char **endpoint = zg_args(argc, argv, usage);
    long count = zg_number('n'), sequence = 0;
    int outcome = 1;

    while (endpoint[server_count] != NULL)
        server_count++;
    if (server_count == 0 || server_count > MAX_SERVERS || zg_number('t') == 0)
        zg_usage_error();
    void *ctx = zg_start();
    stop = zg_socket(ctx, ZMQ_PAIR);
    for (int i = 0; i < server_count; i++)
        connect_server(&servers[i], endpoint[i]);
    int64_t start = zg_now();
    while (sequence < count && outcome == 1)
        outcome = request(++sequence);
    if (outcome == 1 && count > 0)
        printf("Average round trip: %lld us\n",
               (long long) (zg_now() - start) * 1000 / count);
    else if (outcome == 0)
        fprintf(stderr, "E: no server replied\n");
    close_servers();
    zmq_close(stop);
    zg_stop(ctx);
    return outcome == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
