/* SPDX-License-Identifier: 0BSD */
/* zg.h - the helpers that every program shares. Sockets, their options and all
 * protocols stay in the programs, as plain libzmq calls. A failure is either
 *   a mistake      print what failed and why, exit with 1 (zg_must, zg_die),
 *   end of a wait  timeout, no room, no peer, shutdown: false or -1 (zg_retry),
 *   a bad message  log it, drop it, carry on (zg_drop). */
#pragma once
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h> /* includes errno.h, stdint.h and stdio.h */
#if ZMQ_VERSION < ZMQ_MAKE_VERSION(4, 3, 0)
#error "libzmq 4.3.0 or later is required"
#endif

/* Print "E: what: reason" and exit with 1. On shutdown (ETERM), exit with 0. */
static inline _Noreturn void zg_die(const char *what)
{
    if (errno != ETERM)
        fprintf(stderr, "E: %s: %s\n", what, zmq_strerror(errno));
    _exit(errno == ETERM ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* Wraps a call that can fail only by mistake: zg_must(zmq_unbind(...)). */
#define zg_must(call) ((call) == -1 ? zg_die(#call) : (void) 0)

/* After a failed call: repeat it (true), its wait is over (false), or exit. */
static inline bool zg_retry(const char *what)
{
    if (errno != EINTR && errno != EAGAIN && errno != EHOSTUNREACH
        && errno != ETERM)
        zg_die(what);
    return errno == EINTR;
}

/* The usage text defines the command line: "  -t MS  timeout (2500)\n" is an
 * option and its default, "  -v  log all\n" a switch, "  PORT  (5555)\n" an
 * argument. zg_value['t'] is the text of -t, zg_value[0] of PORT, or NULL. */
static const char *zg_usage, *zg_value[128];
static inline _Noreturn void zg_usage_error(void)
{
    fprintf(stderr, "usage: %.*s\n", (int) strcspn(zg_usage, "\n"), zg_usage);
    exit(2);
}

/* Return the positional arguments, terminated by NULL. */
static inline char **zg_args(int argc, char *argv[], const char *usage)
{
    static char defaults[128][128]; /* the text in a line's first parentheses */
    char letters[64] = "+h", *next = letters + 2; /* for getopt() */
    int c, positionals = 0;
    for (const char *line = zg_usage = usage; (line = strstr(line, "\n  "));) {
        line += 3;
        c = *line == '-' ? line[1] : positionals++;
        if (sscanf(line, "%*[^(\n](%127[^)\n])", defaults[c]) == 1)
            zg_value[c] = defaults[c];
        if (*line == '-')
            next += sprintf(next, line[3] == ' ' ? "%c" : "%c:", c);
    }
    for (opterr = 0; (c = getopt(argc, argv, letters)) != -1;) {
        if (c == 'h')
            exit(printf("usage: %s", zg_usage) < 0);
        if (c == '?')
            zg_usage_error();
        zg_value[c] = optarg != NULL ? optarg : "";
    }
    bool literal = strcmp(argv[optind - 1], "--") == 0;
    if (argc - optind > positionals && strstr(zg_usage, "...") == NULL)
        zg_usage_error();
    for (c = 0; c < argc - optind; c++)
        if (argv[optind + c][0] == '-' && !literal)
            zg_usage_error(); /* an option behind a positional argument */
        else if (c < positionals)
            zg_value[c] = argv[optind + c];
    return argv + optind;
}

/* Return the value of an option as a number of at most nine digits. */
static inline long zg_number(char letter)
{
    const char *text = zg_value[(int) letter];
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 9 || text[digits] != '\0')
        zg_usage_error();
    return atol(text);
}

static inline pthread_t zg_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    if ((errno = pthread_create(&thread, NULL, run, arg)) != 0)
        zg_die("pthread_create");
    return thread;
}

/* One thread waits for Ctrl-C and shuts the context down. From then on calls on
 * a socket fail with ETERM, even if they are already blocked. If main() blocks
 * elsewhere, as in a full pipe on stdout, the process exits a second later. */
#ifndef ZG_GRACE_S
#define ZG_GRACE_S 1
#endif
static sigset_t zg_signals;
static pthread_t zg_signal_thread;
static inline _Noreturn void zg_end_process(int sig)
{
    (void) sig;
    _exit(EXIT_SUCCESS);
}
static inline void *zg_handle_signals(void *ctx)
{
    int sig;
    sigwait(&zg_signals, &sig); /* zg_stop() can cancel the thread here */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    alarm(ZG_GRACE_S);
    zmq_ctx_shutdown(ctx);
    return NULL;
}

/* Return a new context. Call this before any thread or socket is made: threads
 * inherit the signal mask, and libzmq does not seed rand() for routing ids. */
static inline void *zg_start(void)
{
    unsigned seed = (unsigned) time(NULL) ^ (unsigned) getpid() << 16;
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2) /* libzmq must not get 0 to 2, if closed */
        fd = dup(fd);
    close(fd);
    struct rlimit files; /* libzmq aborts without a free descriptor */
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    srand(seed);
    srandom(seed);
    setvbuf(stdout, NULL, _IOLBF, 0); /* whole lines, even into a pipe */
    signal(SIGALRM, zg_end_process);
    sigemptyset(&zg_signals);
    sigaddset(&zg_signals, SIGINT);
    sigaddset(&zg_signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &zg_signals, NULL);
    void *ctx = zmq_ctx_new();
    zg_signal_thread = zg_thread(zg_handle_signals, ctx);
    return ctx;
}

/* The last call of main(), after all sockets are closed. */
static inline void zg_stop(void *ctx)
{
    pthread_cancel(zg_signal_thread);
    pthread_join(zg_signal_thread, NULL);
    zmq_ctx_term(ctx);
}

#define zg_set(sock, option, value)                                            \
    zg_must(zmq_setsockopt(sock, option, &(int){ value }, sizeof(int)))

/* Return a new socket. After zmq_close() libzmq sends its queue for half a
 * second. Frames over 1 MB disconnect their sender; on a PUB over 1 kB, since a
 * subscription takes 30 times its size. Keepalive finds a dead host in 15 s. */
static inline void *zg_socket(void *ctx, int type)
{
    int64_t max_size = type == ZMQ_PUB || type == ZMQ_XPUB ? 1024 : 1 << 20;
    void *sock = zmq_socket(ctx, type);
    if (sock == NULL)
        zg_die("zmq_socket");
    zg_set(sock, ZMQ_LINGER, type == ZMQ_SUB ? 0 : 500);
    zg_must(zmq_setsockopt(sock, ZMQ_MAXMSGSIZE, &max_size, 8));
    zg_set(sock, ZMQ_TCP_KEEPALIVE, 1);
    zg_set(sock, ZMQ_TCP_KEEPALIVE_IDLE, 6);
    zg_set(sock, ZMQ_TCP_KEEPALIVE_INTVL, 3);
    zg_set(sock, ZMQ_TCP_KEEPALIVE_CNT, 3);
    return sock;
}

/* Connect, without a limit on frames: after an oversized one libzmq would never
 * reconnect. Enable IPv6 only for [...]: otherwise "localhost" could be ::1. */
static inline void zg_connect(void *sock, const char *endpoint)
{
    zg_must(zmq_setsockopt(sock, ZMQ_MAXMSGSIZE, &(int64_t){ -1 }, 8));
    zg_set(sock, ZMQ_IPV6, strchr(endpoint, '[') != NULL);
    if (zmq_connect(sock, endpoint) == -1)
        zg_die(endpoint);
}

/* Bind, and print the endpoint with its actual port. */
static inline void zg_bind(void *sock, const char *name, const char *endpoint)
{
    char bound[256];
    zg_set(sock, ZMQ_IPV6, strchr(endpoint, '[') != NULL);
    if (zmq_bind(sock, endpoint) == -1
        || zmq_getsockopt(sock, ZMQ_LAST_ENDPOINT, bound, &(size_t){ 256 }))
        zg_die(endpoint);
    printf("I: %s bound to %s\n", name, bound);
}

/* Return milliseconds on the monotonic clock. */
static inline int64_t zg_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Wait for events until a deadline on the clock of zg_now(), or ZG_FOREVER.
 * Return the number of items that are ready, 0 on timeout, -1 on shutdown. */
#define ZG_FOREVER INT64_MAX
static inline int zg_poll(zmq_pollitem_t *items, int n, int64_t deadline)
{
    int64_t left;
    int ready;
    do {
        left = deadline - zg_now();
        left = left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : left;
        ready = zmq_poll(items, n, (long) left);
    } while (ready == -1 ? zg_retry("zmq_poll") : ready == 0 && left > 0);
    return ready;
}

/* Sleep. False on shutdown, which zmq_poll() reports only with a socket. */
static inline bool zg_sleep(void *sock, long msecs)
{
    zmq_pollitem_t item = { sock, 0, ZMQ_POLLERR, 0 };
    return zg_poll(&item, 1, zg_now() + msecs) == 0;
}

/* A multipart message; { 0 } is empty, zg_clear() frees it. Frames are moved or
 * shared, not copied. At most 20 are received; the rest is for envelopes. */
enum { ZG_MAX_RECV = 20, ZG_MAX_FRAMES = 24 };
typedef struct {
    int count;
    zmq_msg_t frame[ZG_MAX_FRAMES];
} zg_msg;

/* Remove all frames but the first n. */
static inline void zg_cut(zg_msg *m, int n)
{
    while (m->count > n)
        zmq_msg_close(&m->frame[--m->count]);
}
#define zg_clear(m) zg_cut(m, 0)

/* True if there is a frame i and it equals this text. */
static inline bool zg_is(zg_msg *m, int i, const char *text)
{
    return i < m->count && zmq_msg_size(&m->frame[i]) == strlen(text)
           && memcmp(zmq_msg_data(&m->frame[i]), text, strlen(text)) == 0;
}

static inline bool zg_equal(zmq_msg_t *a, zmq_msg_t *b)
{
    return zmq_msg_size(a) == zmq_msg_size(b)
           && memcmp(zmq_msg_data(a), zmq_msg_data(b), zmq_msg_size(a)) == 0;
}

/* Return the position of the empty frame before a body, from i on, or 0. */
static inline int zg_delimiter(zg_msg *m, int i)
{
    while (i < m->count && zmq_msg_size(&m->frame[i]) > 0)
        i++;
    return i < m->count - 1 ? i : 0;
}

/* Insert a new frame, a copy of the data, at position i. */
static inline void zg_insert(zg_msg *m, int i, const void *data, size_t size)
{
    zmq_msg_init(&m->frame[m->count]);
    for (int j = m->count++; j > i; j--)
        zmq_msg_move(&m->frame[j], &m->frame[j - 1]);
    zg_must(zmq_msg_init_size(&m->frame[i], size));
    memcpy(zmq_msg_data(&m->frame[i]), data, size);
}

/* Append n frames that share the bytes of these. */
static inline void zg_append(zg_msg *m, zmq_msg_t *frames, int n)
{
    for (int i = 0; i < n; i++) {
        zmq_msg_init(&m->frame[m->count]);
        zmq_msg_copy(&m->frame[m->count++], &frames[i]);
    }
}

/* Remove the first n frames. */
static inline void zg_pop(zg_msg *m, int n)
{
    for (int i = n; i < m->count; i++)
        zmq_msg_move(&m->frame[i - n], &m->frame[i]);
    zg_cut(m, m->count - n);
}

/* Receive a whole message in place of m. False if the wait is over. If it had
 * over ZG_MAX_RECV frames, m is empty, or has the sender's id on a ROUTER. */
static inline bool zg_recv(zg_msg *m, void *sock, int flags)
{
    int frames = 0, type;
    zg_clear(m);
    do {
        if (frames++ < ZG_MAX_RECV)
            zmq_msg_init(&m->frame[m->count++]);
        while (zmq_msg_recv(&m->frame[m->count - 1], sock, flags) == -1)
            if (!zg_retry("zmq_msg_recv"))
                return zg_clear(m), false;
    } while (zmq_msg_more(&m->frame[m->count - 1]));
    if (frames > ZG_MAX_RECV) {
        zmq_getsockopt(sock, ZMQ_TYPE, &type, &(size_t){ sizeof type });
        zg_cut(m, type == ZMQ_ROUTER ? 1 : 0);
    }
    return true;
}

/* Send all frames, which leaves m empty. False if it cannot be sent: m is then
 * unchanged, or partly sent (shutdown, the end of a connection): clear it. */
static inline bool zg_send(zg_msg *m, void *sock, int flags)
{
    for (int i = 0; i < m->count; i++) {
        int more = i < m->count - 1 ? ZMQ_SNDMORE : 0;
        while (zmq_msg_send(&m->frame[i], sock, flags | more) == -1)
            if (!zg_retry("zmq_msg_send"))
                return false;
    }
    zg_clear(m);
    return true;
}

/* Log and drop a malformed message. Of one too long, 0 or 1 frames remain. */
static inline void zg_drop(zg_msg *m, const char *sender)
{
    fprintf(stderr, "W: dropped a malformed message of %d frames from %s\n",
            m->count, sender);
    zg_clear(m);
}

/* Store a frame as a string, as far as text[room] goes, and return it. '?'
 * replaces control characters, also C1 (0x80 to 0x9f) after ASCII or 0xc2. */
static inline char *zg_text(zmq_msg_t *frame, char *text, size_t room)
{
    unsigned char *b = zmq_msg_data(frame), last = 0;
    size_t size = zmq_msg_size(frame) < room ? zmq_msg_size(frame) : room - 1;
    for (size_t i = 0; i < size; last = (unsigned char) text[i++]) {
        bool c1 = b[i] >= 0x80 && b[i] < 0xa0
                  && (last < 0x80 || last == 0xc2 || last > 0xf4);
        text[i] = b[i] < ' ' || b[i] == 0x7f || c1 ? '?' : (char) b[i];
    }
    text[size] = '\0';
    return text;
}
