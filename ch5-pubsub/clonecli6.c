/* SPDX-License-Identifier: 0BSD */
/* clonecli6.c - sets keys in a table that survives its server.
 *
 *     clonecli6 with a clone ---> clonesrv6 -p   P = 5556
 *        (this)              \--> clonesrv6 -b   P = 5566
 *
 * The protocol and the failover are behind the few functions of clone.h. The
 * program sets a random key, waits until a server has confirmed it, and sets
 * the next one.
 *
 * Build: cc -Icommon ch5-pubsub/clonecli6.c ch5-pubsub/clone.c
 *           ch5-pubsub/replica.c ch5-pubsub/kvmsg.c ch5-pubsub/table.c
 *           -o clonecli6 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/clonesrv6 -p & bin/clonesrv6 -b & bin/clonecli6 -n 3 -v
 *     I: /client/... = ...
 *     ... keys, sequence ..., digest ...
 *
 * Guide: chapter 5, "Building a Multithreaded Stack and API".
 */
#include "chp.h"
#include "clone.h"

static const char usage[] =
    "clonecli6 [-C] [-d DIR] [-e MS] [-m N] [-n COUNT] [-t MS] [-v] "
    "[SERVER [SERVER]]\n"
    "Sets random keys in a table that a pair of servers keeps.\n"
    "  -C         set no keys\n"
    "  -d DIR     the subtree: what begins with this (/client/)\n"
    "  -e MS      longest ttl of a key, at least 1000; 0: no ttl (30000)\n"
    "  -m N       keys to set per second; 0: as fast as possible (1)\n"
    "  -n COUNT   keys to set, then it ends; 0: until stopped (0)\n"
    "  -t MS      join the other server after this silence, at least 500 "
    "(5000)\n"
    "  -v         print each key that a server has confirmed\n"
    "  SERVER     connect (tcp://localhost:5556)\n"
    "  SERVER     connect (tcp://localhost:5566)\n"
    "Peers: clonesrv6 SERVER SERVER\n";

enum { SYNC_MS = 10000 }; /* then wait again */

/* Set a random key, and wait until a server has confirmed it. Return false on
 * shutdown. */
static bool set_one(struct clone *table, long max_ttl)
{
    char key[CHP_KEY_MAX + 5], value[24];
    long ttl = max_ttl > 0 ? 1 + random() % max_ttl : 0;
    int size =
        snprintf(key, sizeof key, "%s%ld", zg_value['d'], random() % 10000);
    int length = snprintf(value, sizeof value, "%ld", random() % 1000000);

    if (!clone_set(table, key, (size_t) size, value, (size_t) length, ttl))
        return false;
    while (!clone_sync(table, SYNC_MS)) {
        bool is_shutdown = errno != ETIMEDOUT; /* fprintf() can change errno */
        fprintf(stderr, "W: no server has confirmed %s = %s\n", key, value);
        if (is_shutdown)
            return false;
    }
    if (zg_value['v'] != NULL)
        printf("I: %s = %s\n", key, value);
    return true;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n'), rate = zg_number('m'), expiry = zg_number('e');
    if (zg_number('t') < 500 || (expiry > 0 && expiry < 1000)
        || strlen(zg_value['d']) > CHP_SUBTREE_MAX)
        zg_usage_error();
    void *ctx = zg_start();
    void *stop = zg_socket(ctx, ZMQ_PAIR); /* tells zg_sleep() of a shutdown */
    struct clone *table = clone_new(ctx, zg_number('t'));

    if (!clone_subtree(table, zg_value['d']))
        zg_die(zg_value['d']);
    for (int i = 0; i < 2; i++)
        if (!clone_connect(table, zg_value[i]))
            zg_die(zg_value[i]);
    if (zg_value['C'] != NULL)
        while (zg_sleep(stop, INT32_MAX))
            continue;
    else
        for (long sent = 0; count == 0 || sent < count; sent++)
            if ((rate > 0 && !zg_sleep(stop, 1000 / rate))
                || !set_one(table, expiry / 1000))
                break;
    clone_report(table);
    clone_destroy(&table);
    zmq_close(stop);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
