/* SPDX-License-Identifier: 0BSD */
/* kvfill - sets many keys, each once, as fast as the server takes them.
 *
 *     kvfill [-z BYTES] FRAMES COLLECTOR COUNT [PREFIX]
 *
 * FRAMES is 3 (models 3 and 4) or 5. The keys are PREFIX and 0, 1, 2 ... Then
 * it waits to be stopped. */
#include "zg.h"

static const char usage[] =
    "kvfill [-z BYTES] FRAMES COLLECTOR COUNT [PREFIX]\n"
    "Sets many keys.\n"
    "  -z BYTES   size of a value (10)\n"
    "  FRAMES     3 or 5 (3)\n"
    "  COLLECTOR  connect (ipc://c)\n"
    "  COUNT      keys (1000)\n"
    "  PREFIX     of the keys ()\n";

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long frames = zg_number(0), count = atol(zg_value[2]);
    size_t size = (size_t) zg_number('z');
    const char *prefix = zg_value[3] != NULL ? zg_value[3] : "";
    void *ctx = zg_start(), *push = zg_socket(ctx, ZMQ_PUSH);
    char key[300], *value = malloc(size);
    zg_msg msg = { 0 };
    bool going = true;

    memset(value, 'v', size);
    zg_set(push, ZMQ_LINGER, -1);
    zg_connect(push, zg_value[1]);
    for (long i = 0; i < count && going; i++) {
        int length = snprintf(key, sizeof key, "%s%ld", prefix, i);
        zg_insert(&msg, 0, key, (size_t) length);
        zg_insert(&msg, 1, "\0\0\0\0\0\0\0\0", 8);
        if (frames == 5) {
            zg_insert(&msg, 2, "", 0);
            zg_insert(&msg, 3, "", 0);
        }
        zg_insert(&msg, msg.count, value, size);
        going = zg_send(&msg, push, 0);
    }
    printf("I: %ld keys sent\n", count);
    while (going) /* on ipc, what it has not read dies with us */
        going = zg_sleep(push, 1000);
    zg_clear(&msg);
    free(value);
    zmq_close(push);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
