/* SPDX-License-Identifier: 0BSD */
/* peering2.c - brokers that send a part of their requests to each other.
 *
 *     REQ clients ---> ROUTER localfe         cloudfe ROUTER <--- other brokers
 *                          peering2 SELF (this)
 *     REQ workers ---> ROUTER localbe         cloudbe ROUTER ---> other brokers
 *
 * A request goes to a worker of this cluster or, one in five, to a peer; there
 * always to a worker. Each hop puts the name of the sender in front, and the
 * reply takes the names off again, one by one, on its way back. ROUTER talks to
 * ROUTER here, so a broker has to know its peer by name: each sets its own as
 * its routing id. What cannot reach a peer is done at home.
 *
 * The flows are in peering.h. This broker decides where a request goes.
 *
 * Build: cc -Icommon ch3-advanced-reqrep/peering2.c -o peering2 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/peering2 me you & bin/peering2 you me
 *     Worker: HELLO
 *     Client: OK
 *
 * Guide: chapter 3, "Prototyping the Local and Cloud Flows".
 */
#include "zg.h"

#include "peering.h"

static const char usage[] =
    "peering2 [-c N] [-w N] [-t MS] [-s SEED] SELF [PEER...]\n"
    "A broker that shares requests with its peers, one in five.\n"
    "  -c N     clients (10)\n"
    "  -w N     workers (3)\n"
    "  -t MS    how long a client waits for a reply (10000)\n"
    "  -s SEED  for the choice\n"
    "  SELF     name of this cluster\n"
    "  PEER...  names of the others\n"
    "Peers: peering2 PEER SELF\n";

static struct broker broker;
static long patience;

/* Ask, and after a second ask again. */
static void *client(void *arg)
{
    void *sock = client_socket(&broker);
    zg_msg msg = { 0 };
    char text[64];
    int replied;

    do {
        replied = ask(&broker, &sock, "HELLO", patience, &msg);
        if (replied == 1)
            printf("Client: %s\n", zg_text(&msg.frame[0], text, sizeof text));
        else if (replied == 0)
            fprintf(stderr, "W: a request got lost\n");
    } while (replied != -1 && zg_sleep(sock, 1000));
    zg_clear(&msg);
    zmq_close(sock);
    return arg;
}

/* All frames but the last say where the reply is to go. */
static void *worker(void *arg)
{
    void *sock = worker_socket(&broker);
    zg_msg msg = { 0 };
    char text[64];

    while (zg_recv(&msg, sock, 0)) {
        printf("Worker: %s\n",
               zg_text(&msg.frame[msg.count - 1], text, sizeof text));
        zmq_msg_close(&msg.frame[--msg.count]);
        zg_insert(&msg, msg.count, "OK", 2);
        zg_send(&msg, sock, 0);
    }
    zg_clear(&msg);
    zmq_close(sock);
    return arg;
}

/* Now and then to a peer, if it is ours and the peer is there. */
static bool place(int peers)
{
    bool ours = zg_is(&broker.request, 1, "");

    if (ours && peers > 0 && random() % 5 == 0
        && to_peer(&broker, broker.peers[random() % peers]))
        return true;
    return to_worker(&broker);
}

static void run(int peers)
{
    zmq_pollitem_t items[] = {
        { broker.localbe, 0, ZMQ_POLLIN, 0 },
        { broker.cloudbe, 0, ZMQ_POLLIN, 0 },
        { broker.localfe, 0, ZMQ_POLLIN, 0 },
        { broker.cloudfe, 0, ZMQ_POLLIN, 0 },
    };

    /* No request is read while no worker is free. */
    while (zg_poll(items, broker.free > 0 ? 4 : 2, ZG_FOREVER) != -1) {
        pass_replies(&broker);
        while (broker.free > 0
               && (broker.request.count > 0 || read_in_turn(&broker))
               && place(peers))
            continue;
    }
}

int main(int argc, char *argv[])
{
    char **names = zg_args(argc, argv, usage);
    long clients = zg_number('c'), all = clients + zg_number('w');
    pthread_t threads[MAX_THREADS];
    int peers = 0;

    patience = zg_number('t');
    if (all > MAX_THREADS)
        zg_usage_error();
    open_broker(&broker, names);
    while (broker.peers[peers] != NULL)
        peers++;
    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    for (int i = 0; i < all; i++)
        threads[i] = zg_thread(i < clients ? client : worker, NULL);
    run(peers);
    for (int i = 0; i < all; i++)
        pthread_join(threads[i], NULL);
    close_broker(&broker);
    zg_stop(broker.ctx);
    return EXIT_SUCCESS;
}
