/* SPDX-License-Identifier: 0BSD */
/* clonecli6.c - sets keys in a table, and need not know how it survives.
 *
 *     clonecli6 with a clone ---> clonesrv6 -p   P = 5556
 *        (this)              \--> clonesrv6 -b   P = 5566
 *
 * All of model five and the failover besides is behind a few functions: this is
 * what a protocol is like when it has become an API.
 *
 * Build: cc -Icommon ch5-pubsub/clonecli6.c ch5-pubsub/clone.c
 *           ch5-pubsub/replica.c ch5-pubsub/kvmsg.c ch5-pubsub/kvmap.c
 *           ch5-pubsub/hugz.c -o clonecli6 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/clonesrv6 -p & bin/clonesrv6 -b & bin/clonecli6 -n 3 -v
 *     I: /client/... = ...
 *     ... keys, sequence ..., digest ...
 *
 * Guide: chapter 5, "Building a Multithreaded Stack and API".
 */
#include "clone.h"

static const char usage[] =
    "clonecli6 [-C] [-d DIR] [-e MS] [-m N] [-n COUNT] [-t MS] [-v] "
    "[SERVER [SERVER]]\n"
    "Sets random keys in a table that a pair of servers keeps.\n"
    "  -C         only keep a copy, set nothing\n"
    "  -d DIR     the part of the table: what begins with this (/client/)\n"
    "  -e MS      keys live up to so long, in whole seconds; 0: for ever "
    "(30000)\n"
    "  -m N       keys to set per second; 0: as fast as it can (1)\n"
    "  -n COUNT   keys to set, then it ends; 0: until stopped (0)\n"
    "  -t MS      a server that is silent so long is left (5000)\n"
    "  -v         show each key when a server has confirmed it\n"
    "  SERVER     connect (tcp://localhost:5556)\n"
    "  SERVER     connect (tcp://localhost:5566)\n"
    "Peers: clonesrv6 SERVER SERVER\n";

/* Set a random key, and wait until it is safe. False: the program stops. */
static bool set_one(clone *table, long longest)
{
    char key[300], value[24];
    int size =
        snprintf(key, sizeof key, "%s%ld", zg_value['d'], random() % 10000);
    int length = snprintf(value, sizeof value, "%ld", random() % 1000000);

    if (!clone_set(table, key, (size_t) size, value, (size_t) length,
                   longest > 0 ? random() % longest : 0))
        return false;
    while (!clone_sync(table, 10000))
        if (errno != ETIMEDOUT)
            return false;
    if (zg_value['v'] != NULL)
        printf("I: %s = %s\n", key, value);
    return true;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n'), rate = zg_number('m'), sent = 0;
    long longest = zg_number('e') / 1000;
    if (zg_number('t') == 0)
        zg_usage_error();
    void *ctx = zg_start(), *clock = zg_socket(ctx, ZMQ_PAIR);
    clone *table = clone_new(ctx, zg_number('t'));

    clone_subtree(table, zg_value['d']);
    clone_connect(table, zg_value[0]);
    clone_connect(table, zg_value[1]);
    bool going = zg_value['C'] == NULL;
    while (going && (count == 0 || sent++ < count)) {
        going = rate == 0 || zg_sleep(clock, 1000 / rate);
        going = going && set_one(table, longest);
    }
    if (zg_value['C'] != NULL)
        zg_sleep(clock, INT32_MAX);
    clone_report(table);
    clone_destroy(&table);
    zmq_close(clock);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
