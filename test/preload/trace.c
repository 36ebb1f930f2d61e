/* SPDX-License-Identifier: 0BSD */
/* trace.c - records the messages of a program, for make trace-NAME: preloaded
 * into it, the library writes a line for each call of libzmq that moves a
 * message or connects a socket, and for each datagram of UDP.
 *
 *     cc -shared -fPIC test/preload/trace.c -o trace.so -ldl
 *     TRACE_DIR=/tmp LD_PRELOAD=./trace.so bin/lpclient
 *
 * Each process writes its own file in TRACE_DIR. Each line is one write(), so
 * the file of a killed process ends with its last message. A line has these
 * fields, with tabs between them: nanoseconds on the monotonic clock, the
 * thread (1 is main), the kind of event, the number of the socket, and details:
 *
 *     process PID NAME PROGRAM WALL-CLOCK-NS        kind, in place of a socket
 *     socket N TYPE       bind N ENDPOINT           connect N ENDPOINT
 *     id N ID             subscribe N TOPIC         unsubscribe N TOPIC
 *     monitor N ENDPOINT  close N                   exit
 *     send N FRAME...     refused N REASON FRAME... recv N SENDER FRAME...
 *
 * A FRAME is SIZE:CHECKSUM:FIRST-BYTES, where %XX stands for a blank, % or an
 * unprintable byte. SENDER is the socket that has sent the message, as FILE.N:
 * each socket sends its name to its peers in the handshake, as metadata of the
 * connection. SENDER is "-" if the peer is not traced, for inproc and for UDP,
 * which have no handshake. The number of a UDP socket is 10000 + descriptor.
 *
 * The library does not see messages that libzmq sends without a call of the
 * program: the PINGs of ZMTP heartbeats, the handshake, zmq_proxy_steerable().
 * It replaces zmq_proxy() by a loop of the same effect.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

/* The shell and its tools, which load this file too, have no libzmq. */
#pragma weak zmq_getsockopt
#pragma weak zmq_msg_close
#pragma weak zmq_msg_copy
#pragma weak zmq_msg_data
#pragma weak zmq_msg_get
#pragma weak zmq_msg_gets
#pragma weak zmq_msg_init
#pragma weak zmq_msg_size
#pragma weak zmq_poll

#ifdef __linux__
#define PROGRAM program_invocation_short_name
#else
#define PROGRAM getprogname()
#endif

/* The next function of this name; ISO C has no cast from a pointer to it. */
#define REAL(name) (__extension__(__typeof__(&name)) dlsym(RTLD_NEXT, #name))

enum {
    MAX_FRAMES = 8000, /* bytes of the frames of one message, in a line */
    SHOWN = 40,        /* first bytes of a frame that stand in the line */
    SUMMED = 4096,     /* first bytes of a frame that the checksum covers */
    METADATA = 95      /* ZMQ_METADATA, which zmq.h keeps for drafts */
};

struct message {
    char frames[MAX_FRAMES];
    size_t size;
};

struct socket {
    void *sock;
    int number;
    struct message out, in;
    char sender[80];
    struct socket *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct socket *sockets;
static int socket_count;
static int file = -1;
static pid_t file_owner;
static char file_name[48];
static pthread_t main_thread;
static __thread int thread; /* 1 is main, the others are counted */
static __thread int depth;  /* of libzmq calls that call each other */

/* ---- lines -------------------------------------------------------------- */

static long long clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

#define now_ns() clock_ns(CLOCK_MONOTONIC)

static void write_line(const char *line, int size)
{
    if (file >= 0 && write(file, line, (size_t) size) != size)
        file = -1; /* a full disk ends the trace, not the program */
}

/* Open the file of this process; after a fork(), that of the child. */
static void open_file(void)
{
    const char *dir = getenv("TRACE_DIR"), *name = getenv("TRACE_NAME");
    char line[512], path[512];
    long long now = now_ns();
    int fd;

    if (file_owner == getpid())
        return;
    file_owner = getpid();
    if (dir == NULL)
        return;
    /* Processes of two PID namespaces may have one PID, but not at one time. */
    snprintf(file_name, sizeof file_name, "%d-%lld", (int) getpid(), now);
    snprintf(path, sizeof path, "%s/%s", dir, file_name);
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    file = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    close(fd);
    write_line(line, snprintf(line, sizeof line,
                              "%lld\t1\tprocess\t%d\t%s\t%s\t%lld\n", now,
                              (int) getpid(), name != NULL ? name : PROGRAM,
                              PROGRAM, clock_ns(CLOCK_REALTIME)));
}

static int this_thread(void)
{
    static int threads = 1;

    if (thread == 0)
        thread = pthread_equal(pthread_self(), main_thread)
                     ? 1
                     : __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED);
    return thread;
}

/* Write a line. text is empty or begins with a tab; more_text follows it. */
static void record(long long at, const char *kind, int number, const char *text,
                   const char *more_text)
{
    char line[MAX_FRAMES + 2048];

    open_file();
    write_line(line, snprintf(line, sizeof line, "%lld\t%d\t%s\t%d%s%s\n", at,
                              this_thread(), kind, number, text, more_text));
}

/* Write bytes to text, each as itself or as %XX; return the end of the text. */
static char *escape(char *text, const void *bytes, size_t size)
{
    const unsigned char *b = bytes;

    for (size_t i = 0; i < size; i++)
        text += sprintf(
            text, b[i] > ' ' && b[i] < 127 && b[i] != '%' ? "%c" : "%%%02X",
            b[i]);
    *text = '\0';
    return text;
}

/* ---- sockets ------------------------------------------------------------ */

/* Return the entry of a socket, or NULL if it is not recorded. */
static struct socket *find(void *sock)
{
    struct socket *s;

    pthread_mutex_lock(&lock);
    for (s = sockets; s != NULL && s->sock != sock;)
        s = s->next;
    pthread_mutex_unlock(&lock);
    return s;
}

void *zmq_socket(void *ctx, int type)
{
    static const char *const types[] = { "PAIR", "PUB",    "SUB",    "REQ",
                                         "REP",  "DEALER", "ROUTER", "PULL",
                                         "PUSH", "XPUB",   "XSUB",   "STREAM" };
    void *sock = REAL(zmq_socket)(ctx, type);
    struct socket *s = calloc(1, sizeof *s);
    char tag[96];

    if (sock == NULL || s == NULL || getenv("TRACE_DIR") == NULL) {
        free(s);
        return sock;
    }
    s->sock = sock;
    pthread_mutex_lock(&lock);
    open_file();
    s->number = ++socket_count;
    s->next = sockets;
    sockets = s;
    pthread_mutex_unlock(&lock);
    snprintf(tag, sizeof tag, "X-Trace:%s.%d", file_name, s->number);
    REAL(zmq_setsockopt)(sock, METADATA, tag, strlen(tag));
    record(now_ns(), "socket", s->number, "\t",
           type >= 0 && type <= ZMQ_STREAM ? types[type] : "OTHER");
    return sock;
}

int zmq_close(void *sock)
{
    struct socket *s, **link;

    pthread_mutex_lock(&lock);
    for (link = &sockets; *link != NULL && (*link)->sock != sock;)
        link = &(*link)->next;
    s = *link;
    if (s != NULL)
        *link = s->next;
    pthread_mutex_unlock(&lock);
    if (s != NULL)
        record(now_ns(), "close", s->number, "", "");
    free(s);
    return REAL(zmq_close)(sock);
}

/* Record an endpoint; a path of ipc becomes an absolute one. */
static void record_endpoint(long long at, const char *kind, struct socket *s,
                            const char *endpoint)
{
    char place[1024], dir[512];

    if (s == NULL)
        return;
    if (strncmp(endpoint, "ipc://", 6) == 0
        && strchr("/@*", endpoint[6]) == NULL
        && getcwd(dir, sizeof dir) != NULL) {
        snprintf(place, sizeof place, "ipc://%s/%s", dir, endpoint + 6);
        endpoint = place;
    }
    record(at, kind, s->number, "\t", endpoint);
}

int zmq_bind(void *sock, const char *endpoint)
{
    long long at = now_ns();
    int rc = REAL(zmq_bind)(sock, endpoint), error = errno;
    char bound[256] = "";
    size_t size = sizeof bound;

    if (rc == 0) {
        zmq_getsockopt(sock, ZMQ_LAST_ENDPOINT, bound, &size);
        record_endpoint(at, "bind", find(sock), bound);
    }
    errno = error;
    return rc;
}

int zmq_connect(void *sock, const char *endpoint)
{
    long long at = now_ns();
    int rc = REAL(zmq_connect)(sock, endpoint), error = errno;

    if (rc == 0)
        record_endpoint(at, "connect", find(sock), endpoint);
    errno = error;
    return rc;
}

int zmq_socket_monitor(void *sock, const char *endpoint, int events)
{
    int rc = REAL(zmq_socket_monitor)(sock, endpoint, events), error = errno;

    if (rc == 0 && endpoint != NULL)
        record_endpoint(now_ns(), "monitor", find(sock), endpoint);
    errno = error;
    return rc;
}

int zmq_setsockopt(void *sock, int option, const void *value, size_t size)
{
    long long at = now_ns();
    int rc = REAL(zmq_setsockopt)(sock, option, value, size), error = errno;
    struct socket *s = find(sock);
    const char *kind = option == ZMQ_ROUTING_ID    ? "id"
                       : option == ZMQ_SUBSCRIBE   ? "subscribe"
                       : option == ZMQ_UNSUBSCRIBE ? "unsubscribe"
                                                   : NULL;
    char text[3 * 256 + 1];

    if (rc == 0 && s != NULL && kind != NULL) {
        escape(text, value, size < 256 ? size : 256);
        record(at, kind, s->number, "\t", text);
    }
    errno = error;
    return rc;
}

/* ---- messages ----------------------------------------------------------- */

/* Add a frame to a message, if there is room. */
static void add_frame(struct message *m, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    unsigned sum = 2166136261u; /* FNV-1a */
    char *text = m->frames + m->size;

    if (m->size + 3 * SHOWN + 40 > sizeof m->frames)
        return;
    for (size_t i = 0; i < size && i < SUMMED; i++)
        sum = (sum ^ bytes[i]) * 16777619u;
    text += sprintf(text, "\t%zu:%x:", size, sum);
    text = escape(text, data, size < SHOWN ? size : SHOWN);
    m->size = (size_t) (text - m->frames);
}

/* Write the line of a message after its last frame was sent, or that its first
 * frame was refused. at is the time before the call, before the size of s->out
 * without this frame, rc the result of the call. */
static void note_send(struct socket *s, long long at, size_t before, int rc,
                      int flags)
{
    int error = errno;

    if (rc == -1 && before == 0 && (error == EHOSTUNREACH || error == EAGAIN))
        record(at, "refused", s->number,
               error == EAGAIN ? "\tblocked" : "\tunreachable", s->out.frames);
    if (rc >= 0 && !(flags & ZMQ_SNDMORE))
        record(at, "send", s->number, s->out.frames, "");
    if (rc == -1 || !(flags & ZMQ_SNDMORE)) {
        s->out.size = rc == -1 ? before : 0;
        s->out.frames[s->out.size] = '\0';
    }
    errno = error;
}

/* Send a frame by this call, and record it. */
#define SEND(call, sock, data, bytes, flags)                                   \
    struct socket *s = depth == 0 ? find(sock) : NULL;                         \
    size_t before = s != NULL ? s->out.size : 0;                               \
    long long at = now_ns();                                                   \
    if (s != NULL)                                                             \
        add_frame(&s->out, data, bytes);                                       \
    depth++;                                                                   \
    int rc = call;                                                             \
    depth--;                                                                   \
    if (s != NULL)                                                             \
        note_send(s, at, before, rc, flags);                                   \
    return rc

int zmq_msg_send(zmq_msg_t *msg, void *sock, int flags)
{
    SEND(REAL(zmq_msg_send)(msg, sock, flags), sock, zmq_msg_data(msg),
         zmq_msg_size(msg), flags);
}

int zmq_sendmsg(void *sock, zmq_msg_t *msg, int flags)
{
    return zmq_msg_send(msg, sock, flags);
}

int zmq_send(void *sock, const void *data, size_t size, int flags)
{
    SEND(REAL(zmq_send)(sock, data, size, flags), sock, data, size, flags);
}

int zmq_send_const(void *sock, const void *data, size_t size, int flags)
{
    SEND(REAL(zmq_send_const)(sock, data, size, flags), sock, data, size,
         flags);
}

int zmq_msg_recv(zmq_msg_t *msg, void *sock, int flags)
{
    struct socket *s = depth == 0 ? find(sock) : NULL;
    const char *sender;
    int rc, error;

    depth++;
    rc = REAL(zmq_msg_recv)(msg, sock, flags);
    depth--;
    error = errno;
    if (s != NULL && rc >= 0) {
        add_frame(&s->in, zmq_msg_data(msg), zmq_msg_size(msg));
        sender = zmq_msg_gets(msg, "X-Trace");
        snprintf(s->sender, sizeof s->sender, "\t%s",
                 sender != NULL ? sender : "-");
        if (!zmq_msg_get(msg, ZMQ_MORE)) {
            record(now_ns(), "recv", s->number, s->sender, s->in.frames);
            s->in.size = 0;
            s->in.frames[0] = '\0';
        }
    }
    errno = error;
    return rc;
}

int zmq_recvmsg(void *sock, zmq_msg_t *msg, int flags)
{
    return zmq_msg_recv(msg, sock, flags);
}

int zmq_recv(void *sock, void *data, size_t room, int flags)
{
    zmq_msg_t msg;
    size_t size;
    int rc, error;

    zmq_msg_init(&msg);
    rc = zmq_msg_recv(&msg, sock, flags);
    error = errno;
    size = rc > 0 ? (size_t) rc : 0;
    if (size > 0 && room > 0)
        memcpy(data, zmq_msg_data(&msg), size < room ? size : room);
    zmq_msg_close(&msg);
    errno = error;
    return rc;
}

/* Pass one whole message on. Return -1 on shutdown. */
static int forward(void *from, void *to, void *capture)
{
    zmq_msg_t msg, copy;
    int more;

    do {
        zmq_msg_init(&msg);
        zmq_msg_init(&copy);
        if (zmq_msg_recv(&msg, from, 0) == -1)
            return -1;
        more = zmq_msg_get(&msg, ZMQ_MORE) ? ZMQ_SNDMORE : 0;
        if (capture != NULL
            && (zmq_msg_copy(&copy, &msg) == -1
                || zmq_msg_send(&copy, capture, more) == -1))
            return -1;
        if (zmq_msg_send(&msg, to, more) == -1)
            return -1;
    } while (more);
    return 0;
}

/* That of libzmq would send and receive unseen. */
int zmq_proxy(void *front, void *back, void *capture)
{
    for (;;) {
        zmq_pollitem_t in[] = { { front, 0, ZMQ_POLLIN, 0 },
                                { back, 0, ZMQ_POLLIN, 0 } };
        zmq_pollitem_t out[] = { { front, 0, ZMQ_POLLOUT, 0 },
                                 { back, 0, ZMQ_POLLOUT, 0 } };
        bool forth, returns;

        if (zmq_poll(in, 2, -1) == -1 || zmq_poll(out, 2, 0) == -1)
            return -1;
        forth = in[0].revents && out[1].revents;
        returns = in[1].revents && out[0].revents && front != back;
        if ((forth && forward(front, back, capture) == -1)
            || (returns && forward(back, front, capture) == -1))
            return -1;
        if (!forth && !returns) /* the receiver is slow */
            usleep(1000);
    }
}

/* ---- datagrams ----------------------------------------------------------- */

#ifdef __GLIBC__
typedef __CONST_SOCKADDR_ARG receiver_address;
typedef __SOCKADDR_ARG sender_address;
#else
typedef const struct sockaddr *receiver_address;
typedef struct sockaddr *sender_address;
#endif

/* Record a datagram that this call on a socket has moved. */
static void record_datagram(long long at, const char *kind, int fd,
                            const char *sender, const void *data, size_t size)
{
    static _Atomic bool known[1024];
    int type, error = errno, number = fd + 10000;
    struct sockaddr_storage own;
    socklen_t room = sizeof type, own_size = sizeof own;
    struct message m = { .size = 0 };

    if (getenv("TRACE_DIR") != NULL && fd >= 0 && fd < 1024
        && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &room) == 0
        && type == SOCK_DGRAM
        && getsockname(fd, (struct sockaddr *) &own, &own_size) == 0
        && own.ss_family == AF_INET) {
        if (!known[fd])
            record(at, "socket", number, "\tUDP", "");
        known[fd] = true;
        add_frame(&m, data, size);
        record(at, kind, number, sender, m.frames);
    }
    errno = error;
}

ssize_t sendto(int fd, const void *data, size_t size, int flags,
               receiver_address to, socklen_t to_size)
{
    long long at = now_ns();
    ssize_t rc = REAL(sendto)(fd, data, size, flags, to, to_size);

    if (rc >= 0)
        record_datagram(at, "send", fd, "", data, size);
    return rc;
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    long long at = now_ns();
    ssize_t rc = REAL(sendmsg)(fd, msg, flags);

    if (rc >= 0 && msg->msg_iovlen == 1)
        record_datagram(at, "send", fd, "", msg->msg_iov[0].iov_base,
                        msg->msg_iov[0].iov_len);
    return rc;
}

ssize_t recvfrom(int fd, void *data, size_t room, int flags,
                 sender_address from, socklen_t *from_size)
{
    ssize_t rc = REAL(recvfrom)(fd, data, room, flags, from, from_size);

    if (rc >= 0 && (size_t) rc <= room)
        record_datagram(now_ns(), "recv", fd, "\t-", data, (size_t) rc);
    return rc;
}

__attribute__((constructor)) static void note_main_thread(void)
{
    main_thread = pthread_self();
}

__attribute__((destructor)) static void note_exit(void)
{
    char line[64];

    if (file_owner == getpid())
        write_line(line,
                   snprintf(line, sizeof line, "%lld\t1\texit\n", now_ns()));
}
