/* SPDX-License-Identifier: 0BSD */
/* zpeer.c - one end of any conversation, for the tests.
 *
 *     zpeer [options] TYPE ENDPOINT [FRAME...]
 *
 * Sends the frames as one message, then prints what comes, a message a line,
 * each frame in brackets: as text, or as %XX bytes where it is not printable.
 * In a FRAME %XX is a byte, and %{N} N times the letter x. On a SUB socket the
 * frames are subscriptions. A FRAME %, ends a message, and the next begins; so
 * does %; but that waits for a message to come before the next is sent.
 *
 * It ends when nothing has come for -t MS, or after -n N messages; exit status
 * 1 if it received fewer than that (default: one, if any has to come at all).
 */
#include "zg.h"

#include <ctype.h>

static const char usage[] =
    "zpeer [-b] [-t MS] [-n COUNT] [-r N] [-i ID] [-w MS] [-e] TYPE ENDPOINT "
    "[FRAME...]\n"
    "One end of any conversation, for the tests.\n"
    "  -b        bind instead of connect\n"
    "  -t MS     end when nothing has come for so long (1000)\n"
    "  -n COUNT  end after so many messages; 0 to wait for none (1)\n"
    "  -r N      send the message so often (1)\n"
    "  -w MS     pause before each sending (0)\n"
    "  -i ID     routing id\n"
    "  -e        echo: send back whatever comes, -n 0 for ever\n"
    "  TYPE      REQ REP DEALER ROUTER PUB SUB XPUB XSUB PUSH PULL PAIR\n"
    "  ENDPOINT  where\n"
    "  FRAME...  what to send, nothing if there is none\n";

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

/* Turn %XX and %{N} of a frame into bytes, in place or in a larger buffer. */
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

static bool ends_message(const char *frame)
{
    return frame == NULL || strcmp(frame, "%,") == 0
           || strcmp(frame, "%;") == 0;
}

/* Returns where the message ended. */
static char **say(void *sock, char **frames)
{
    zg_msg msg = { 0 };

    for (; !ends_message(*frames); frames++) {
        size_t size;
        char *bytes = unescape(*frames, &size);
        if (msg.count == ZG_MAX_FRAMES)
            zg_usage_error();
        zg_insert(&msg, msg.count, bytes, size);
        free(bytes);
    }
    if (msg.count > 0 && !zg_send(&msg, sock, 0) && errno != ETERM)
        printf("not sent: %s\n", zmq_strerror(errno));
    zg_clear(&msg);
    return frames;
}

static void show(zg_msg *msg)
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
    long enough = zg_number('n'), times = zg_number('r'), received = 0;
    int wait = (int) zg_number('t');
    void *ctx = zg_start();
    void *sock = zg_socket(ctx, socket_type(zg_value[0]));
    zg_must(zmq_setsockopt(sock, ZMQ_MAXMSGSIZE, &(int64_t){ -1 }, 8));
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
        end = say(sock, frames);
    while (*end != NULL) {
        if (strcmp(*end, "%;") == 0 && zg_recv(&msg, sock, 0))
            show(&msg);
        end = say(sock, end + 1);
    }
    bool echo = zg_value['e'] != NULL;
    while ((received < enough || (echo && enough == 0))
           && zg_recv(&msg, sock, 0)) {
        show(&msg);
        received++;
        if (echo && !(zg_sleep(sock, zg_number('w')) && zg_send(&msg, sock, 0)))
            break;
    }
    zg_clear(&msg);
    zmq_close(sock);
    zg_stop(ctx);
    return received < enough;
}
