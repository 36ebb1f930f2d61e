/* SPDX-License-Identifier: 0BSD */
/* kvfill - sets many keys of a Clone server, and then waits to be stopped.
 * FRAMES is 3 (models 3 and 4) or 5. The keys are PREFIX and 0, 1, 2 ..., or
 * with -w random ones. */
#include "zg.h"

static const char usage[] =
    "kvfill [-m N] [-w N] [-z BYTES] FRAMES COLLECTOR COUNT [PREFIX]\n"
    "Sets many keys.\n"
    "  -m N       keys per second; 0: as fast as possible (0)\n"
    "  -w N       random keys out of N; 0: each key once, in order (0)\n"
    "  -z BYTES   size of a value (10)\n"
    "  FRAMES     3 or 5 (3)\n"
    "  COLLECTOR  connect (ipc://c)\n"
    "  COUNT      keys (1000)\n"
    "  PREFIX     of the keys ()\n";

/* [key][0][value] or [key][0][][][value] */
static void make(zg_msg *msg, const char *prefix, long key, const char *value,
                 size_t size)
{
    char text[300];
    int length = snprintf(text, sizeof text, "%s%ld", prefix, key);

    zg_insert(msg, 0, text, (size_t) length);
    zg_insert(msg, 1, "\0\0\0\0\0\0\0\0", 8);
    if (zg_number(0) == 5) {
        zg_insert(msg, 2, "", 0);
        zg_insert(msg, 3, "", 0);
    }
    zg_insert(msg, msg->count, value, size);
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = atol(zg_value[2]), rate = zg_number('m'),
         keys = zg_number('w');
    size_t size = (size_t) zg_number('z');
    const char *prefix = zg_value[3] != NULL ? zg_value[3] : "";
    void *ctx = zg_start(), *push = zg_socket(ctx, ZMQ_PUSH);
    char *value = malloc(size + 16);
    zg_msg msg = { 0 };
    bool is_running = true;

    zg_set(push, ZMQ_LINGER, -1);
    zg_connect(push, zg_value[1]);
    int64_t began_at = zg_now();
    memset(value, 'v', size + 16);
    for (long i = 0; i < count && is_running; i++) {
        int64_t due = rate > 0 ? began_at + i * 1000 / rate : 0;
        if (due > zg_now() && !zg_sleep(push, (long) (due - zg_now())))
            break;
        if (keys > 0)
            snprintf(value, 16, "%ld", random() % 1000000);
        make(&msg, prefix, keys > 0 ? random() % keys : i, value,
             keys > 0 ? strlen(value) : size);
        is_running = zg_send(&msg, push, 0);
    }
    printf("I: %ld keys sent\n", count);
    while (is_running) /* on ipc, unread messages would be lost with us */
        is_running = zg_sleep(push, 1000);
    zg_clear(&msg);
    free(value);
    zmq_close(push);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
