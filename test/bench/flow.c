/* SPDX-License-Identifier: 0BSD */
/* flow.c - sends messages through a program as fast as possible.
 *
 *     source (this) ---> cache, server or proxy ---> sink (this)
 *
 * Source and sink are two processes on plain sockets (zmtp.h); "-" leaves one
 * out. The program prints the messages per second that the sink has received.
 */
#include "zmtp.h"

#include <limits.h>
#include <sys/wait.h>

static const char usage[] =
    "flow [-n COUNT] [-t MS] [-z BYTES] [-o N] SOURCE TYPE MESSAGE SINK TYPE "
    "HELLO\n"
    "Sends messages through a program as fast as possible.\n"
    "  -n COUNT  messages to send or receive, 0: for a time (0)\n"
    "  -t MS     time to measure (500)\n"
    "  -z BYTES  size of the last frame (10)\n"
    "  -o N      how many numbers, before they start again (1000000)\n"
    "  SOURCE    connect the source\n"
    "  TYPE      of its socket\n"
    "  MESSAGE   frames, | in between; # is a number, @ eight zero bytes\n"
    "  SINK      connect the sink\n"
    "  TYPE      of its socket\n"
    "  HELLO     first message of the sink, as a subscription\n"
    "Peers: none, for make bench\n";

enum { BLOCK = 1000, WARM_UP_MS = 150 };

static char block[BLOCK * 2048], input[1 << 20];

/* Write messages with the numbers from 0, again and again. */
static void pour(int fd, long count)
{
    long n = 0, numbers = zg_number('o');

    for (size_t size; count == 0 || n < count; zmtp_write(fd, block, size))
        for (size = 0; size < sizeof block / 2 && (count == 0 || n < count);
             n++)
            size += zmtp_encode(block + size, zg_value[2], n % numbers,
                                (size_t) zg_number('z'));
}

/* Count whole messages; skip the bytes of a long frame. */
static long drain(int fd, long count, int64_t until)
{
    static size_t used;
    static uint64_t skip; /* bytes of a frame that have not arrived */
    static bool more;
    long whole = 0;

    while (whole < count && zg_now() < until) {
        ssize_t got = read(fd, input + used, sizeof input - used);
        if (got <= 0)
            break;
        char *at = input, *end = input + used + got;
        for (size_t size;;) {
            uint64_t here = (uint64_t) (end - at);
            at += skip < here ? skip : here;
            skip -= skip < here ? skip : here;
            const char *body = skip > 0 ? NULL : zmtp_frame(at, end, &size);
            if (body == NULL)
                break;
            more = *at & (ZMTP_MORE | ZMTP_COMMAND);
            whole += !more;
            at = (char *) body;
            skip = size;
        }
        used = (size_t) (end - at);
        memmove(input, at, used);
    }
    return whole;
}

static void measure(int fd, long count)
{
    struct timeval patience = { .tv_sec = 3 };

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (count == 0)
        drain(fd, LONG_MAX, zg_now() + WARM_UP_MS);
    double began = zmtp_now();
    long got = drain(fd, count > 0 ? count : LONG_MAX,
                     zg_now() + (count > 0 ? 30000 : zg_number('t')));
    printf("%.1f\n", (double) got / (zmtp_now() - began));
}

int main(int argc, char *argv[])
{
    char hello[300];
    zg_args(argc, argv, usage);
    if (zg_value[5] == NULL)
        zg_usage_error();
    bool from = strcmp(zg_value[0], "-") != 0;
    bool to = strcmp(zg_value[3], "-") != 0;
    long count = zg_number('n');
    int sink = to ? zmtp_connect(zg_value[3], zg_value[4]) : -1;
    int source = from ? zmtp_connect(zg_value[0], zg_value[1]) : -1;
    pid_t child = -1;

    signal(SIGPIPE, SIG_IGN);
    if (to)
        zmtp_write(sink, hello, zmtp_encode(hello, zg_value[5], 0, 0));
    if (from && to)
        usleep(50000); /* until the subscription has arrived */
    if (from && (!to || (child = fork()) == 0)) {
        pour(source, count);
        usleep(200000);
        _exit(EXIT_SUCCESS);
    }
    measure(sink, count);
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    return EXIT_SUCCESS;
}
