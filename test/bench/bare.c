/* SPDX-License-Identifier: 0BSD */
/* bare.c - the limits to compare with: the same load on bare libzmq, or on the
 * disk, without a pattern.
 *
 *     bare proxy ROUTER A DEALER B     zmq_proxy() from A to B, bound
 *     bare relay PULL A PUB B          the same, in a loop of our own
 *     bare line A B                    a queue, one request for each worker
 *     bare echo REP A                  a worker
 *     bare serve REP A                 the same, bound
 *     bare ask DEALER A COUNT WINDOW FRAMES    round trips per second
 *     bare repeat REQ A TEXT           requests again and again, one by one
 *     bare reply ROUTER A FRAMES       repeats a reply: the last frame is the count
 *     bare fetch DEALER A COUNT        messages per second from reply
 *     bare push A FILE BYTES           a file in chunks, then an empty one
 *     bare pull A                      megabytes per second from push
 *     bare disk FILE MS                records per second that are appended and
 *                                      synced, one at a time
 */
#include "zg.h"

#include <fcntl.h>

#if !defined _POSIX_SYNCHRONIZED_IO || _POSIX_SYNCHRONIZED_IO <= 0
#define fdatasync fsync /* macOS; the disk's own cache is not emptied there */
#endif

static const char usage[] = "bare WHAT ARGUMENT...\n"
                            "Measures libzmq without a pattern.\n"
                            "  WHAT         proxy, relay, echo, ask, reply...\n"
                            "  ARGUMENT...  see the comment in bare.c\n"
                            "Peers: none, for make bench\n";

static void *ctx;

static const struct {
    const char *name;
    int type;
} types[] = {
    { "ROUTER", ZMQ_ROUTER }, { "DEALER", ZMQ_DEALER }, { "REQ", ZMQ_REQ },
    { "REP", ZMQ_REP },       { "PUSH", ZMQ_PUSH },     { "PULL", ZMQ_PULL },
    { "PUB", ZMQ_PUB },       { "SUB", ZMQ_SUB },       { "XPUB", ZMQ_XPUB },
    { "XSUB", ZMQ_XSUB },
};

static void *open_socket(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0) {
            void *sock = zg_socket(ctx, types[i].type);
            zg_set(sock, ZMQ_SNDHWM, 0); /* lose no message */
            zg_set(sock, ZMQ_RCVHWM, 0);
            if (types[i].type == ZMQ_SUB)
                zg_must(zmq_setsockopt(sock, ZMQ_SUBSCRIBE, "", 0));
            return sock;
        }
    zg_usage_error();
}

static void *bound(const char *type, const char *name, const char *endpoint)
{
    void *sock = open_socket(type);

    zg_bind(sock, name, endpoint);
    return sock;
}

static void *connected(const char *type, const char *endpoint)
{
    void *sock = open_socket(type);

    zg_connect(sock, endpoint);
    return sock;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* "frame|frame|frame" */
static void compose(zg_msg *msg, const char *text)
{
    size_t size;

    zg_clear(msg);
    do {
        size = strcspn(text, "|");
        zg_insert(msg, msg->count, text, size);
        text += size + 1;
    } while (text[-1] != '\0');
}

static void proxy(char **arg)
{
    void *front = bound(arg[0], "frontend", arg[1]);
    void *back = bound(arg[2], "backend", arg[3]);

    zmq_proxy(front, back, NULL);
    zmq_close(front);
    zmq_close(back);
}

static void relay(char **arg)
{
    void *from = bound(arg[0], "frontend", arg[1]);
    void *to = bound(arg[2], "backend", arg[3]);
    zg_msg msg = { 0 };

    while (zg_recv(&msg, from, 0) && zg_send(&msg, to, 0))
        continue;
    zg_clear(&msg);
    zmq_close(from);
    zmq_close(to);
}

/* A worker is idle after each message: [worker][...]. The first idle one gets
 * the next request. All its messages but READY go to the client. */
static void line(char **arg)
{
    void *front = bound("ROUTER", "frontend", arg[0]);
    void *back = bound("ROUTER", "backend", arg[1]);
    zmq_pollitem_t items[] = { { back, 0, ZMQ_POLLIN, 0 },
                               { front, 0, ZMQ_POLLIN, 0 } };
    static zmq_msg_t ring[1 << 10];
    unsigned first = 0, last = 0, size = 1 << 10;
    zg_msg msg = { 0 };

    while (zg_poll(items, first == last ? 1 : 2, ZG_FOREVER) != -1) {
        while (last - first < size && zg_recv(&msg, back, ZMQ_DONTWAIT)) {
            zmq_msg_init(&ring[last % size]);
            zmq_msg_move(&ring[last++ % size], &msg.frame[0]);
            zg_pop(&msg, 1);
            if (msg.count > 2)
                zg_send(&msg, front, ZMQ_DONTWAIT);
        }
        while (first != last && zg_recv(&msg, front, ZMQ_DONTWAIT)) {
            zmq_msg_send(&ring[first++ % size], back,
                         ZMQ_SNDMORE | ZMQ_DONTWAIT);
            zg_send(&msg, back, ZMQ_DONTWAIT);
        }
    }
    zg_clear(&msg);
    zmq_close(front);
    zmq_close(back);
}

static void echo_on(void *sock)
{
    zg_msg msg = { 0 };

    while (zg_recv(&msg, sock, 0) && zg_send(&msg, sock, 0))
        continue;
    zg_clear(&msg);
    zmq_close(sock);
}

static void echo(char **arg)
{
    echo_on(connected(arg[0], arg[1]));
}

static void serve(char **arg)
{
    echo_on(bound(arg[0], "server", arg[1]));
}

/* There is no timeout and no second try. */
static void repeat(char **arg)
{
    void *sock = connected(arg[0], arg[1]);
    zg_msg msg = { 0 };

    zg_set(sock, ZMQ_LINGER, 0);
    for (long n = 1; zmq_send(sock, arg[2], strlen(arg[2]), 0) != -1
                     && zg_recv(&msg, sock, 0);
         n++)
        printf("I: reply %ld\n", n);
    zg_clear(&msg);
    zmq_close(sock);
}

static void ask(char **arg)
{
    void *sock = connected(arg[0], arg[1]);
    long count = atol(arg[2]), window = atol(arg[3]), sent = 0, received = 0;
    zg_msg msg = { 0 };
    double began = seconds();

    while (received < count) {
        for (; sent < count && sent - received < window; sent++) {
            compose(&msg, arg[4]);
            zg_send(&msg, sock, 0);
        }
        if (!zg_recv(&msg, sock, 0))
            break;
        for (received++; window > 1 && zg_recv(&msg, sock, ZMQ_DONTWAIT);)
            received++;
    }
    printf("%.1f\n", (double) received / (seconds() - began));
    zg_clear(&msg);
    zmq_close(sock);
}

/* Make a frame of this many bytes, or of this text. */
static void reply(char **arg)
{
    void *sock = bound(arg[0], "server", arg[1]);
    zg_msg request = { 0 }, msg = { 0 };

    zg_set(sock, ZMQ_ROUTER_MANDATORY, 1);
    while (zg_recv(&request, sock, 0)) {
        char text[24] = "";
        zmq_msg_t *last = &request.frame[request.count - 1];
        memcpy(text, zmq_msg_data(last), zmq_msg_size(last) % sizeof text);
        for (long n = atol(text); n > 0; n--) {
            compose(&msg, arg[2]);
            zg_insert(&msg, 0, zmq_msg_data(&request.frame[0]),
                      zmq_msg_size(&request.frame[0]));
            if (!zg_send(&msg, sock, 0))
                break;
        }
    }
    zg_clear(&msg);
    zg_clear(&request);
    zmq_close(sock);
}

static void fetch(char **arg)
{
    void *sock = connected(arg[0], arg[1]);
    long count = atol(arg[2]), received = 0;
    zg_msg msg = { 0 };
    double began = seconds();

    zmq_send(sock, arg[2], strlen(arg[2]), 0);
    while (received < count && zg_recv(&msg, sock, 0))
        received++;
    printf("%.1f\n", (double) received / (seconds() - began));
    zg_clear(&msg);
    zmq_close(sock);
}

static void push(char **arg)
{
    void *sock = bound("PUSH", "server", arg[0]);
    int file = open(arg[1], O_RDONLY);
    size_t size = (size_t) atol(arg[2]), got;
    zmq_msg_t msg;
    off_t at = 0;

    zg_set(sock, ZMQ_SNDHWM, 10);
    zg_set(sock, ZMQ_LINGER, -1);
    do {
        zmq_msg_init_size(&msg, size);
        got = (size_t) pread(file, zmq_msg_data(&msg), size, at);
        at += (off_t) got;
        if (got < size) { /* the last, and an empty one */
            zmq_send(sock, zmq_msg_data(&msg), got, 0);
            zmq_msg_close(&msg);
            zmq_msg_init(&msg);
        }
    } while (zmq_msg_send(&msg, sock, 0) != -1 && got == size);
    zmq_close(sock);
    close(file);
}

static void pull(char **arg)
{
    void *sock = connected("PULL", arg[0]);
    double began = seconds(), bytes = 0;
    zmq_msg_t msg;
    int size;

    zmq_msg_init(&msg);
    while ((size = zmq_msg_recv(&msg, sock, 0)) > 0)
        bytes += size;
    printf("%.1f\n", bytes / 1e6 / (seconds() - began));
    zmq_msg_close(&msg);
    zmq_close(sock);
}

static void disk(char **arg)
{
    int file = open(arg[0], O_WRONLY | O_CREAT | O_APPEND, 0600), records = 0;
    double began = seconds(), end = began + atof(arg[1]) / 1000;

    for (; seconds() < end; records++)
        if (write(file, usage, 128) != 128 || fdatasync(file) == -1)
            zg_die(arg[0]);
    printf("%.1f\n", records / (seconds() - began));
    close(file);
}

int main(int argc, char *argv[])
{
    static const struct {
        const char *name;
        void (*run)(char **);
        int arguments;
    } whats[] = { { "proxy", proxy, 4 },   { "relay", relay, 4 },
                  { "line", line, 2 },     { "serve", serve, 2 },
                  { "repeat", repeat, 3 }, { "echo", echo, 2 },
                  { "ask", ask, 5 },       { "reply", reply, 3 },
                  { "fetch", fetch, 3 },   { "push", push, 3 },
                  { "pull", pull, 1 },     { "disk", disk, 2 } };
    char **arg = zg_args(argc, argv, usage);
    int given = argc - (int) (arg - argv) - 1;

    ctx = zg_start();
    for (size_t i = 0; i < sizeof whats / sizeof *whats && given > 0; i++)
        if (strcmp(arg[0], whats[i].name) == 0 && given >= whats[i].arguments) {
            whats[i].run(arg + 1);
            zg_stop(ctx);
            return EXIT_SUCCESS;
        }
    zg_usage_error();
}
