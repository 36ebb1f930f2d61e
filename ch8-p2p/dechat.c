/* SPDX-License-Identifier: 0BSD */
/* dechat.c - chats with all hosts of a network, without a server.
 *
 *     PUB dechat (this) 9000 ---"joe: hello"---> SUB dechat
 *     SUB               9000 <---"ann: hi"------ PUB dechat
 *       |---- connects to each of 254 addresses
 *
 * A node does not know where its peers are, so it connects to every address of
 * the network. libzmq retries each connection without end. A try to connect to
 * an unused address ends after two seconds, and the next one begins a second
 * later. So a peer that starts, or restarts, is connected within about three
 * seconds. Lines for a peer that is not connected are lost. The node's own
 * address is one of the 254, so it receives its own lines.
 *
 * A node needs 254 descriptors for its connections, and as many for those of
 * its peers.
 *
 * A PUB drops messages for a peer whose queue is full, as in a long paste. With
 * ZMQ_XPUB_NODROP the send fails instead, and dechat retries it. After two
 * seconds dechat prints a warning and sends the line to all other peers.
 *
 * TCP keepalive informs a SUB within 15 s that the host of a peer has lost
 * its power. libzmq's own heartbeats would be faster. But libzmq aborts if
 * a heartbeat closes a connection while the program does not read from it, as
 * during a pause of the terminal.
 *
 * Build: cc -Icommon ch8-p2p/dechat.c -o dechat -lzmq -lpthread
 *
 * Try it:
 *     $ { sleep 2; echo hello; sleep 1; } | bin/dechat 127.0.0.1 127.0.0.1 joe
 *     I: joe bound to tcp://127.0.0.1:9000
 *     joe: hello
 *
 * Guide: chapter 8, "A Self-Healing P2P Network in 30 Seconds".
 */
#include "zg.h"

#include <arpa/inet.h>
#include <sys/socket.h>

static const char usage[] =
    "dechat [ADDRESS [INTERFACE [NAME]]]\n"
    "Chats with all hosts of a network, until the end of its input.\n"
    "  ADDRESS    any address of the network, a /24 (127.0.0.1)\n"
    "  INTERFACE  interface or address of this host, like eth0 (127.0.0.1)\n"
    "  NAME       shown in front of your lines (nobody)\n"
    "Peers: dechat ADDRESS INTERFACE NAME\n";

enum {
    PORT = 9000,
    FIRST_HOST = 1,
    LAST_HOST = 254,
    RECONNECT_MAX_MS = 1000,
    CONNECT_MS = 2000,
    WAIT_MS = 2000, /* for a peer whose queue is full */
    RETRY_MS = 10,  /* between two tries to publish to it */
    BATCH = 100,    /* received lines in a row; then the typed ones */
    MAX_NAME = 200,
    MAX_LINE = 65536,                   /* bytes; a longer one is split */
    MAX_TEXT = MAX_NAME + MAX_LINE + 4, /* "name: line\n" */
};

/* The user's input. The part from start to size is not yet published. */
static struct {
    char text[MAX_LINE];
    size_t start, size;
    bool has_ended;
} input;

static void connect_to_all(void *listener, const char *address)
{
    int network = (int) (strrchr(address, '.') - address);
    char endpoint[64];

    zg_set(listener, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    zg_set(listener, ZMQ_CONNECT_TIMEOUT, CONNECT_MS);
    zg_must(zmq_setsockopt(listener, ZMQ_SUBSCRIBE, "", 0));
    for (int host = FIRST_HOST; host <= LAST_HOST; host++) {
        snprintf(endpoint, sizeof endpoint, "tcp://%.*s.%d:%d", network,
                 address, host, PORT);
        zg_connect(listener, endpoint);
    }
}

/* Print [name: line], which may end with a newline. */
static void print_line(zg_msg *msg)
{
    static char text[MAX_TEXT];
    size_t size = msg->count == 1 ? zmq_msg_size(&msg->frame[0]) : 0;

    if (size == 0 || size >= sizeof text) {
        zg_drop(msg, "a peer");
        return;
    }
    zg_text(&msg->frame[0], text, sizeof text);
    if (((char *) zmq_msg_data(&msg->frame[0]))[size - 1] == '\n')
        text[size - 1] = '\0';
    puts(text);
}

/* Read more input. */
static void read_input(void)
{
    input.size -= input.start;
    memmove(input.text, input.text + input.start, input.size);
    input.start = 0;
    ssize_t size = read(STDIN_FILENO, input.text + input.size,
                        sizeof input.text - input.size);
    if (size > 0)
        input.size += (size_t) size;
    else if (size == 0 || (errno != EAGAIN && errno != EINTR))
        input.has_ended = true;
}

/* Return whether a byte of UTF-8 is not the first of its character. */
static bool is_inside_character(char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Find the next line of the input, without its newline. Return false if no line
 * is complete. Split a line that fills the buffer before its last character,
 * whose last bytes may not have arrived. */
static bool next_line(const char **line, size_t *length)
{
    size_t size = input.size - input.start;
    *line = input.text + input.start;
    const char *end = memchr(*line, '\n', size);

    *length = end != NULL ? (size_t) (end - *line) : size;
    if (end != NULL)
        return true;
    if (size < sizeof input.text)
        return input.has_ended && size > 0;
    do
        --*length;
    while (*length > size - 4 && is_inside_character((*line)[*length]));
    return true;
}

/* Publish [name: line]. Return false if the queue of a peer is full: try again.
 * After WAIT_MS publish it without that peer, which libzmq then skips until the
 * peer receives again. */
static bool publish(void *speaker, const char *line, size_t length)
{
    static char text[MAX_TEXT];
    static int64_t skip_at; /* 0 while no queue is full */
    size_t size = (size_t) snprintf(text, sizeof text, "%s: ", zg_value[2]);

    memcpy(text + size, line, length);
    size += length;
    text[size++] = '\n';
    if (zmq_send(speaker, text, size, ZMQ_DONTWAIT) != -1) {
        skip_at = 0;
        return true;
    }
    if (skip_at == 0)
        skip_at = zg_now() + WAIT_MS;
    if (zg_now() < skip_at)
        return false;
    fprintf(stderr, "W: a peer does not receive: it loses lines\n");
    zg_set(speaker, ZMQ_XPUB_NODROP, 0);
    zmq_send(speaker, text, size, ZMQ_DONTWAIT);
    zg_set(speaker, ZMQ_XPUB_NODROP, 1);
    skip_at = 0;
    return true;
}

/* Publish all complete lines. Return false if one must wait. */
static bool publish_lines(void *speaker)
{
    const char *line;
    size_t length;

    while (next_line(&line, &length)) {
        if (!publish(speaker, line, length))
            return false;
        input.start += length;
        if (input.start < input.size && input.text[input.start] == '\n')
            input.start++;
    }
    return true;
}

int main(int argc, char *argv[])
{
    struct in_addr valid;
    char endpoint[256];

    zg_args(argc, argv, usage);
    if (inet_pton(AF_INET, zg_value[0], &valid) != 1
        || strlen(zg_value[2]) > MAX_NAME)
        zg_usage_error();
    void *ctx = zg_start();
    void *speaker = zg_socket(ctx, ZMQ_PUB),
         *listener = zg_socket(ctx, ZMQ_SUB);
    zmq_pollitem_t items[] = { { listener, 0, ZMQ_POLLIN, 0 },
                               { NULL, STDIN_FILENO, ZMQ_POLLIN, 0 } };
    zg_msg msg = { 0 };
    bool is_waiting = false; /* a line waits for a peer whose queue is full */

    zg_set(speaker, ZMQ_XPUB_NODROP, 1);
    snprintf(endpoint, sizeof endpoint, "tcp://%s:%d", zg_value[1], PORT);
    zg_bind(speaker, zg_value[2], endpoint);
    connect_to_all(listener, zg_value[0]);
    while (is_waiting || !input.has_ended) {
        int64_t deadline = is_waiting ? zg_now() + RETRY_MS : ZG_FOREVER;
        if (zg_poll(items, is_waiting ? 1 : 2, deadline) == -1)
            break;
        for (int n = 0; n < BATCH && zg_recv(&msg, listener, ZMQ_DONTWAIT); n++)
            print_line(&msg);
        if (!is_waiting && items[1].revents != 0)
            read_input();
        is_waiting = !publish_lines(speaker);
    }
    zg_clear(&msg);
    zmq_close(speaker);
    zmq_close(listener);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
