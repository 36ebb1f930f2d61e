/* SPDX-License-Identifier: 0BSD */
/* zpeer.c - plays one side of any conversation.
 *
 *     zpeer [options] TYPE ENDPOINT [FRAME...]
 *
 * It sends the frames as one message. Then it prints each message that it
 * receives on a line, each frame in brackets: as text, or as %XX for a byte
 * that is not printable. In a FRAME, %XX is a byte and %{N} is N times the
 * letter x. The FRAME %, ends a message and begins the next. The FRAME %; does
 * too, but the next message is sent only after one has been received. For SUB,
 * the frames are subscriptions.
 *
 * It ends after COUNT messages, or when none has come for MS. The exit status
 * is 1 if it has received fewer than COUNT.
 */
#include "zg.h"

#include <ctype.h>

static const char usage[] =
    "zpeer [-b] [-t MS] [-n COUNT] [-r N] [-i ID] [-w MS] [-e] TYPE ENDPOINT "
    "[FRAME...]\n"
    "Plays one side of any conversation.\n"
    "  -b        bind instead of connect\n"
    "  -t MS     end when no message has come for this time (1000)\n"
    "  -n COUNT  end after this number of received messages (1)\n"
    "  -r N      send the first message N times (1)\n"
    "  -w MS     pause before each sending (0)\n"
    "  -i ID     routing id\n"
    "  -e        echo: send each message back; with -n 0 without end\n"
    "  TYPE      REQ REP DEALER ROUTER PUB SUB XPUB XSUB PUSH PULL PAIR\n"
    "  ENDPOINT  to connect to, or to bind\n"
    "  FRAME...  of the messages to send; none: send nothing\n";

static int socket_type(const char *name)
{
    static const struct {
        const char *name;
        int type;
    } types[] = {
        { "REQ", ZMQ_REQ },       { "REP", ZMQ_REP },
        { "DEALER", ZMQ_DEALER }, { "ROUTER", ZMQ_ROUTER },
        { "PUB", ZMQ_PUB },       { "SUB", ZMQ_SUB },
        { "XPUB", ZMQ_XPUB },     { "XSUB", ZMQ_XSUB },
        { "PUSH", ZMQ_PUSH },     { "PULL", ZMQ_PULL },
        { "PAIR", ZMQ_PAIR },
    };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].type;
    zg_usage_error();
}

/* Return the bytes of a FRAME, which the caller frees. */
static char *unescape(const char *text, size_t *size)
{
    size_t room = strlen(text) + 1, n = 0, times;
    char *bytes = NULL, *at;
    unsigned byte;

    for (const char *t = text; (t = strstr(t, "%{")) != NULL; t++)
        room += strtoul(t + 2, NULL, 10);
    if ((bytes = malloc(room)) == NULL)
        zg_die("malloc");
    while (*text != '\0')
        if (text[0] == '%' && text[1] == '{') {
            times = strtoul(text + 2, &at, 10);
            memset(bytes + n, 'x', times);
            n += times;
            text = at + 1;
        } else if (sscanf(text, "%%%2x", &byte) == 1) {
            bytes[n++] = (char) byte;
            text += 3;
        } else {
            bytes[n++] = *text++;
        }
    *size = n;
    return bytes;
}

/* Return whether a FRAME, or the end of all, ends a message. */
static bool ends_message(const char *frame)
{
    return frame == NULL || strcmp(frame, "%,") == 0
           || strcmp(frame, "%;") == 0;
}

/* Send one message. Return where its frames end. */
static char **send_message(void *sock, char **frames)
{
    bool sent = true;

    for (; !ends_message(*frames); frames++) {
        size_t size;
        char *bytes = unescape(*frames, &size);
        int more = ends_message(frames[1]) ? 0 : ZMQ_SNDMORE;
        while (sent && zmq_send(sock, bytes, size, more) == -1)
            sent = zg_retry("zmq_send");
        free(bytes);
    }
    if (!sent && errno != ETERM)
        printf("not sent: %s\n", zmq_strerror(errno));
    return frames;
}

/* Print a message, and bytes that are not printable as %XX. */
static void print_message(zg_msg *msg)
{
    for (int i = 0; i < msg->count; i++) {
        const unsigned char *byte = zmq_msg_data(&msg->frame[i]);
        putchar('[');
        for (size_t n = zmq_msg_size(&msg->frame[i]); n > 0; n--, byte++)
            printf(isprint(*byte) && *byte != '%' ? "%c" : "%%%02X", *byte);
        putchar(']');
    }
    putchar('\n');
}

int main(int argc, char *argv[])
{
    char **frames = zg_args(argc, argv, usage) + 2;
    long wanted = zg_number('n'), times = zg_number('r'), received = 0;
    int wait = (int) zg_number('t');
    void *ctx = zg_start();
    void *sock = zg_socket(ctx, socket_type(zg_value[0]));
    zg_msg msg = { 0 };

    zg_set(sock, ZMQ_RCVTIMEO, wait);
    zg_must(zmq_setsockopt(sock, ZMQ_MAXMSGSIZE, &(int64_t){ -1 }, 8));
    if (zg_value['i'] != NULL)
        zg_must(zmq_setsockopt(sock, ZMQ_ROUTING_ID, zg_value['i'],
                               strlen(zg_value['i'])));
    if (zg_value['b'] != NULL)
        zg_bind(sock, "peer", zg_value[1]);
    else
        zg_connect(sock, zg_value[1]);
    if (strcmp(zg_value[0], "SUB") == 0)
        for (times = 0; *frames != NULL; frames++)
            zg_must(
                zmq_setsockopt(sock, ZMQ_SUBSCRIBE, *frames, strlen(*frames)));
    char **end = frames;
    while (times-- > 0 && zg_sleep(sock, zg_number('w')))
        end = send_message(sock, frames);
    while (*end != NULL) {
        if (strcmp(*end, "%;") == 0 && zg_recv(&msg, sock, 0))
            print_message(&msg);
        end = send_message(sock, end + 1);
    }
    bool echo = zg_value['e'] != NULL;
    while ((received < wanted || (echo && wanted == 0))
           && zg_recv(&msg, sock, 0)) {
        print_message(&msg);
        received++;
        if (echo && !(zg_sleep(sock, zg_number('w')) && zg_send(&msg, sock, 0)))
            break;
    }
    zg_clear(&msg);
    zmq_close(sock);
    zg_stop(ctx);
    return received < wanted;
}
