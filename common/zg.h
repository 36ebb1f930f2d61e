/* SPDX-License-Identifier: 0BSD */
/* zg.h - the little that all programs share; everything else is raw libzmq.
 * A call that waits returns false (or -1) when its wait is over or the program
 * is to stop. A mistake ends the program. What a peer sends may be dropped. */
#pragma once
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h> /* brings errno.h, stdint.h and stdio.h */

/* Say what failed and why. To be stopped while setting up is no failure. */
static inline _Noreturn void zg_die(const char *what)
{
    if (errno != ETERM)
        fprintf(stderr, "E: %s: %s\n", what, zmq_strerror(errno));
    _exit(errno == ETERM ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* For calls that fail only by mistake: zg_must(zmq_connect(sock, endpoint)) */
#define zg_must(call) ((call) == -1 ? zg_die(#call) : (void) 0)

/* After any other call that failed: is it to be made again? */
static inline bool zg_again(const char *what)
{
    int e = errno;
    if (e != EINTR && e != EAGAIN && e != EHOSTUNREACH && e != ETERM)
        zg_die(what);
    return e == EINTR;
}

/* Arguments, as the usage text defines them: its line "  -t MS  run time (9)"
 * makes an option with a default, "  -v  talk" a switch, "  PLACE  (ipc://x)" a
 * positional one. The values stand under their letter, or under 0, 1, 2, ... */
static const char *zg_usage, *zg_value[128];

static inline _Noreturn void zg_misused(void)
{
    fprintf(stderr, "usage: %.*s\n", (int) strcspn(zg_usage, "\n"), zg_usage);
    exit(2);
}

/* Returns the positional arguments, ended by NULL. */
static inline char **zg_args(int argc, char *argv[], const char *usage)
{
    static char standard[128][128];
    char letters[64] = "h", *next = letters + 1;
    int c, places = 0;
    for (zg_usage = usage; (usage = strstr(usage, "\n  ")) != NULL;) {
        c = *(usage += 3) == '-' ? usage[1] : places++;
        if (sscanf(usage, "%*[^(\n](%127[^)\n])", standard[c]) == 1)
            zg_value[c] = standard[c];
        if (*usage == '-')
            next += sprintf(next, usage[3] == ' ' ? "%c" : "%c:", c);
    }
    for (opterr = 0; (c = getopt(argc, argv, letters)) != -1;) {
        if (c == 'h')
            exit(printf("usage: %s", zg_usage) < 0);
        if (c == '?')
            zg_misused();
        zg_value[c] = optarg != NULL ? optarg : "";
    }
    for (c = 0; c < places && c < argc - optind; c++)
        zg_value[c] = argv[optind + c];
    if (argc - optind > places && strstr(zg_usage, "...") == NULL)
        zg_misused();
    return argv + optind;
}

static inline long zg_number(char letter)
{
    const char *text = zg_value[(int) letter];
    if (strspn(text, "0123456789") != strlen(text) || strlen(text) - 1 > 8)
        zg_misused();
    return atol(text);
}

static inline pthread_t zg_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    if ((errno = pthread_create(&thread, NULL, run, arg)) != 0)
        zg_die("pthread_create");
    return thread;
}

/* Ctrl-C ends here, in a thread that only waits for it. Shutting the context
 * down makes every libzmq call in every other thread, blocked or yet to come,
 * return -1 with ETERM: no flag to test, no moment at which it is missed. */
static sigset_t zg_signals;
static pthread_t zg_signal_thread;
static inline void *zg_await_signal(void *ctx)
{
    int sig;
    sigwait(&zg_signals, &sig);
    zmq_ctx_shutdown(ctx);
    return NULL;
}

/* First: threads inherit the signal mask, and libzmq draws ids from random() */
static inline void *zg_start(void)
{
    void *ctx = zmq_ctx_new();
    srandom((unsigned) time(NULL) ^ (unsigned) getpid() << 16);
    setvbuf(stdout, NULL, _IOLBF, 0); /* whole lines, into a pipe too */
    sigemptyset(&zg_signals);
    sigaddset(&zg_signals, SIGINT);
    sigaddset(&zg_signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &zg_signals, NULL);
    zg_signal_thread = zg_thread(zg_await_signal, ctx);
    return ctx;
}

/* Last call of main(): returns when all sockets are closed. */
static inline void zg_stop(void *ctx)
{
    pthread_kill(zg_signal_thread, SIGTERM);
    pthread_join(zg_signal_thread, NULL);
    zmq_ctx_term(ctx);
}

#define zg_set(sock, option, value)                                            \
    zg_must(zmq_setsockopt(sock, option, &(int){ value }, sizeof(int)))

/* Half a second for what is unsent at the end; no frame of more than 1 MiB. */
static inline void *zg_socket(void *ctx, int type)
{
    void *sock = zmq_socket(ctx, type);
    if (sock == NULL)
        zg_die("zmq_socket");
    zg_set(sock, ZMQ_LINGER, type == ZMQ_SUB ? 0 : 500); /* SUB: wishes only */
    zg_must(zmq_setsockopt(sock, ZMQ_MAXMSGSIZE, &(int64_t){ 1 << 20 }, 8));
    return sock;
}

/* Bind, and say where: of port * only libzmq knows. */
static inline void zg_bind(void *sock, const char *name, const char *endpoint)
{
    char bound[256];
    size_t size = sizeof bound;
    if (zmq_bind(sock, endpoint) == -1)
        zg_die(endpoint);
    zg_must(zmq_getsockopt(sock, ZMQ_LAST_ENDPOINT, bound, &size));
    printf("I: %s bound to %s\n", name, bound);
}

/* Milliseconds, on a clock that nobody sets back. */
static inline int64_t zg_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* zmq_poll() until that moment of zg_now(), or ZG_FOREVER; -1 means stop. */
#define ZG_FOREVER INT64_MAX
static inline int zg_poll(zmq_pollitem_t *items, int n, int64_t until)
{
    int64_t left = until - zg_now();
    int rc = zmq_poll(items, n, left < 0 ? 0 : left > INT32_MAX ? -1 : left);
    return rc == -1 && zg_again("zmq_poll") ? 0 : rc;
}

/* Sleep; false when the program stops. (No socket ever shows ZMQ_POLLERR.) */
static inline bool zg_sleep(void *sock, long msecs)
{
    zmq_pollitem_t item = { sock, 0, ZMQ_POLLERR, 0 };
    return zg_poll(&item, 1, zg_now() + msecs) == 0;
}

/* A multipart message, its frames moved and never copied. It begins as { 0 }
 * and ends with zg_clear(). Peers fill 20 frames, our envelopes the others. */
enum { ZG_PEER_FRAMES = 20, ZG_FRAMES = 24 };
typedef struct {
    int count;
    zmq_msg_t frame[ZG_FRAMES];
} zg_msg;

/* For printf("%.*s", ZG_TEXT(&msg, i)): frames do not end in '\0'. */
#define ZG_TEXT(m, i)                                                          \
    (int) zmq_msg_size(&(m)->frame[i]), (char *) zmq_msg_data(&(m)->frame[i])

/* Is there a frame i, and is it exactly this text? */
static inline bool zg_is(zg_msg *m, int i, const char *text)
{
    return i < m->count && zmq_msg_size(&m->frame[i]) == strlen(text)
           && memcmp(zmq_msg_data(&m->frame[i]), text, strlen(text)) == 0;
}

static inline void zg_clear(zg_msg *m)
{
    while (m->count > 0)
        zmq_msg_close(&m->frame[--m->count]);
}

/* Put a copy of data into the message as frame i; later ones move up. */
static inline void zg_insert(zg_msg *m, int i, const void *data, size_t size)
{
    zmq_msg_init(&m->frame[m->count]);
    for (int j = m->count++; j > i; j--)
        zmq_msg_move(&m->frame[j], &m->frame[j - 1]);
    zg_must(zmq_msg_init_size(&m->frame[i], size));
    memcpy(zmq_msg_data(&m->frame[i]), data, size);
}

static inline void zg_pop(zg_msg *m)
{
    for (int i = 1; i < m->count; i++)
        zmq_msg_move(&m->frame[i - 1], &m->frame[i]);
    zmq_msg_close(&m->frame[--m->count]);
}

/* Receive a whole message in place of m; one too long comes out empty. */
static inline bool zg_recv(zg_msg *m, void *sock, int flags)
{
    int frames = 0;
    zg_clear(m);
    do {
        if (frames++ < ZG_PEER_FRAMES)
            zmq_msg_init(&m->frame[m->count++]);
        while (zmq_msg_recv(&m->frame[m->count - 1], sock, flags) == -1)
            if (!zg_again("zmq_msg_recv"))
                return zg_clear(m), false;
    } while (zmq_msg_more(&m->frame[m->count - 1]));
    if (frames > ZG_PEER_FRAMES)
        zg_clear(m);
    return true;
}

/* Send all frames; m is empty after that. False: not sent, m is as it was. */
static inline bool zg_send(zg_msg *m, void *sock, int flags)
{
    for (int i = 0; i < m->count; i++) {
        int more = i < m->count - 1 ? ZMQ_SNDMORE : 0;
        while (zmq_msg_send(&m->frame[i], sock, flags | more) == -1)
            if (!zg_again("zmq_msg_send"))
                return false;
    }
    zg_clear(m);
    return true;
}

/* A peer sent what makes no sense: say so and count it. */
static inline void zg_drop(zg_msg *m, const char *from)
{
    static _Atomic unsigned long dropped;
    fprintf(stderr, "W: dropped a message of %d frames from %s (%lu so far)\n",
            m->count, from, ++dropped);
}
