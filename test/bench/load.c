/* SPDX-License-Identifier: 0BSD */
/* load.c - loads a broker with many clients and many workers.
 *
 *     N clients (this) ---> broker, queue or proxy ---> N workers (this)
 *       each with a window                               each echoes
 *
 * One thread plays all clients and workers, on plain sockets (zmtp.h). It mostly
 * writes the same bytes again, so it uses less CPU time than the program in the
 * middle. To show that, it prints three numbers: replies per second, and the
 * microseconds of CPU time per reply, of the program with this PID and of load.
 */
#ifndef __linux__
#error "load.c needs Linux: epoll, and the CPU time of another process"
#endif
#include "zmtp.h"

#include <sys/epoll.h>

static const char usage[] =
    "load [-c N] [-o N] [-w N] [-s N] [-t MS] [-z BYTES] [-p PID] FRONTEND "
    "REQUEST [BACKEND [READY]]\n"
    "Loads a broker from both ends.\n"
    "  -c N      clients (100)\n"
    "  -o N      outstanding requests of each client (10)\n"
    "  -w N      workers (0)\n"
    "  -s N      services: # in a frame becomes the number of one (1)\n"
    "  -t MS     time to measure (500)\n"
    "  -z BYTES  size of the last frame (10)\n"
    "  -p PID    the program whose CPU time is counted (0)\n"
    "  FRONTEND  connect clients, DEALER\n"
    "  REQUEST   frames with | in between\n"
    "  BACKEND   connect workers, DEALER\n"
    "  READY     first message of a worker\n"
    "Peers: none, for make bench\n";

enum { BUFFER = 8192, WARM_UP_MS = 150, DRAIN_MS = 1000 };

struct peer {
    int fd;
    bool is_worker, in_mdp;
    char *requests; /* all outstanding requests of a client */
    size_t request_size, used;
    char input[BUFFER];
};

static long answers, waiting;
static bool asking = true;

/* Reply to PING, a command, with its last bytes. */
static void pong(struct peer *peer, const char *body, size_t size)
{
    char out[64] = "\004?\004PONG";

    if (size < 7 || size > 40 || memcmp(body, "\004PING", 5) != 0)
        return;
    out[1] = (char) (size - 2);
    memcpy(out + 7, body + 7, size - 7);
    zmtp_write(peer->fd, out, size);
}

/* A worker replies with the request. In MDP, REQUEST becomes REPLY. */
static void echo(struct peer *peer, char *body, size_t size)
{
    if (peer->in_mdp && size == 1 && *body == 2)
        *body = 3;
    peer->in_mdp = size == 6 && memcmp(body, "MDPW01", 6) == 0;
}

/* Take all whole frames from the buffer, and keep the rest. */
static void digest(struct peer *peer)
{
    char *at = peer->input, *end = at + peer->used, *from = at;
    long whole = 0;
    size_t size;

    for (const char *body;
         (body = zmtp_frame(at, end, &size)) != NULL && body + size <= end;
         at = (char *) body + size) {
        if (*at & ZMTP_COMMAND) {
            if (peer->is_worker && at > from)
                zmtp_write(peer->fd, from, (size_t) (at - from));
            pong(peer, body, size);
            from = (char *) body + size;
        } else {
            whole += !(*at & ZMTP_MORE);
            echo(peer, (char *) body, size);
        }
    }
    if (peer->is_worker && at > from) {
        zmtp_write(peer->fd, from, (size_t) (at - from));
    } else if (!peer->is_worker) {
        answers += whole;
        waiting -= whole;
        if (asking && whole > 0) {
            zmtp_write(peer->fd, peer->requests,
                       peer->request_size * (size_t) whole);
            waiting += whole;
        }
    }
    peer->used = (size_t) (end - at);
    memmove(peer->input, at, peer->used);
}

/* Return the CPU time of a process in seconds. */
static double cpu_time(pid_t pid)
{
    struct timespec used = { 0 };
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) == 0)
        clock_gettime(clock, &used);
    return (double) used.tv_sec + (double) used.tv_nsec / 1e9;
}

static void run(int epoll, int64_t until)
{
    struct epoll_event events[256];
    int64_t left;

    while ((left = until - zg_now()) > 0 && (asking || waiting > 0)) {
        int n = epoll_wait(epoll, events, 256, (int) left);
        for (int i = 0; i < n; i++) {
            struct peer *peer = events[i].data.ptr;
            ssize_t got =
                read(peer->fd, peer->input + peer->used, BUFFER - peer->used);
            if (got <= 0)
                zg_die("the program that is measured");
            peer->used += (size_t) got;
            digest(peer);
        }
    }
}

static struct peer *add_peer(int epoll, const char *endpoint, bool is_worker)
{
    struct peer *peer = calloc(1, sizeof *peer);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = peer };

    if (peer == NULL)
        zg_die("calloc");
    peer->is_worker = is_worker;
    peer->fd = zmtp_connect(endpoint, "DEALER");
    epoll_ctl(epoll, EPOLL_CTL_ADD, peer->fd, &event);
    return peer;
}

/* Make all outstanding requests of a client, one after the other. */
static void add_client(int epoll, const char *endpoint, const char *request,
                       long number, long window, size_t fill)
{
    struct peer *peer = add_peer(epoll, endpoint, false);

    peer->requests = calloc((size_t) window, fill + 1000);
    for (long i = 0; i < window; i++)
        peer->request_size =
            zmtp_encode(peer->requests + (size_t) i * peer->request_size,
                        request, number, fill);
    zmtp_write(peer->fd, peer->requests, peer->request_size * (size_t) window);
    waiting += window;
}

int main(int argc, char *argv[])
{
    char ready[1000];
    zg_args(argc, argv, usage);
    long clients = zg_number('c'), workers = zg_number('w');
    long services = zg_number('s'), fill = zg_number('z');
    pid_t pid = (pid_t) zg_number('p');
    int epoll = epoll_create1(0);

    signal(SIGPIPE, SIG_IGN);
    for (long i = 0; i < workers; i++) {
        struct peer *peer = add_peer(epoll, zg_value[2], true);
        if (zg_value[3] != NULL)
            zmtp_write(peer->fd, ready,
                       zmtp_encode(ready, zg_value[3], i % services, 0));
    }
    for (long i = 0; i < clients; i++)
        add_client(epoll, zg_value[0], zg_value[1], i % services,
                   zg_number('o'), (size_t) fill);
    run(epoll, zg_now() + WARM_UP_MS);
    answers = 0;
    double began = zmtp_now(), used = cpu_time(pid), own = cpu_time(getpid());
    run(epoll, zg_now() + zg_number('t'));
    double n = answers > 0 ? (double) answers : 1;
    printf("%.1f %.3f %.3f\n", (double) answers / (zmtp_now() - began),
           (cpu_time(pid) - used) / n * 1e6,
           (cpu_time(getpid()) - own) / n * 1e6);
    asking = false;
    run(epoll, zg_now() + DRAIN_MS);
    return EXIT_SUCCESS;
}
