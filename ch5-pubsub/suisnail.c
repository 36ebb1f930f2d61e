/* SPDX-License-Identifier: 0BSD */
/* suisnail.c - subscriber that exits when its messages are too old.
 *
 *     PUB publisher ---> SUB subscriber       (this: both)
 *                   5556
 *
 * Each message carries the time at which it was sent. A subscriber that needs
 * more time for a message than the publisher falls behind and works on old
 * data. So it compares the time of each message with its clock, and exits with
 * an error when the message is too old. An operator sees the exit, and can give
 * the subscriber less work or a faster host.
 *
 * On two hosts the clocks must agree to a fraction of -e. A publisher that
 * stops is not detected: no message arrives that could be too old. Messages
 * sent while the connection is down are lost: clonecli3.c detects missed
 * messages and fetches a snapshot.
 *
 * Build: cc -Icommon ch5-pubsub/suisnail.c -o suisnail -lzmq -lpthread
 *
 * Try it:
 *     $ bin/suisnail
 *     I: publisher bound to tcp://127.0.0.1:5556
 *     I: received a message, ... ms old
 *     E: a message is ... ms old, after ... others: the subscriber exits
 *
 * Guide: chapter 5, "Slow Subscriber Detection (Suicidal Snail Pattern)".
 */
#include "zg.h"

static const char usage[] =
    "suisnail [-S|-C] [-m N] [-t MS] [-e MS] [ENDPOINT]\n"
    "A publisher, and a subscriber that exits when it falls behind.\n"
    "  -S        only the publisher\n"
    "  -C        only the subscriber, which connects to ENDPOINT\n"
    "  -m N      messages per second, 0 = as fast as possible (1000)\n"
    "  -t MS     work on each message, a random time up to this (2)\n"
    "  -e MS     a message older than this is too old (1000)\n"
    "  ENDPOINT  bind the publisher (tcp://127.0.0.1:5556)\n"
    "Peers: suisnail -C ENDPOINT\n";

enum { REPORT_MS = 1000 };

static void *ctx, *publisher, *subscriber;
static long rate;              /* messages per second: -m */
static long max_work, max_age; /* milliseconds: -t, -e */

/* Return milliseconds since 1970. The monotonic clock of zg_now() cannot be
 * compared between hosts. */
static int64_t wall_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Sleep until a time on the clock of zg_now(). Return false on shutdown. */
static bool sleep_until(int64_t time)
{
    return zg_sleep(publisher, (long) (time - zg_now()));
}

/* Publish [time], in decimal digits. */
static void *publish(void *arg)
{
    int64_t start = zg_now();
    char text[24];

    for (int64_t n = 1;; n++) {
        int size = sprintf(text, "%lld", (long long) wall_clock());
        if (zmq_send(publisher, text, (size_t) size, 0) == -1)
            return arg;
        if (rate > 0 && !sleep_until(start + n * 1000 / rate))
            return arg;
    }
}

/* Set the age of a message in ms. Return false if it is not [time], in 1 to 18
 * digits. */
static bool get_age(zg_msg *msg, int64_t *age)
{
    char text[20] = "";
    if (msg->count == 1)
        zg_text(&msg->frame[0], text, sizeof text);
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18 || text[digits] != '\0')
        return false;
    *age = wall_clock() - atoll(text);
    return true;
}

/* Simulate work. Return false on shutdown. */
static bool work(void)
{
    return max_work == 0 || zg_sleep(subscriber, 1 + random() % max_work);
}

/* Work on all messages. Return false after a message that is too old, true on
 * shutdown. */
static bool subscribe(void)
{
    int64_t age, report_at = zg_now() + REPORT_MS;
    long messages = 0;
    zg_msg msg = { 0 };

    while (zg_recv(&msg, subscriber, 0)) {
        if (!get_age(&msg, &age)) {
            zg_drop(&msg, "the publisher");
            continue;
        }
        if (age > max_age) {
            fprintf(stderr,
                    "E: a message is %lld ms old, after %ld others: "
                    "the subscriber exits\n",
                    (long long) age, messages);
            zg_clear(&msg);
            return false;
        }
        if (!work())
            break;
        messages++;
        if (zg_now() >= report_at) {
            printf("I: received a message, %lld ms old\n", (long long) age);
            report_at = zg_now() + REPORT_MS;
        }
    }
    zg_clear(&msg);
    return true;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    bool publishes = zg_value['C'] == NULL, subscribes = zg_value['S'] == NULL;
    if (!publishes && !subscribes)
        zg_usage_error();
    rate = zg_number('m');
    max_work = zg_number('t');
    max_age = zg_number('e');
    ctx = zg_start();
    publisher = zg_socket(ctx, ZMQ_PUB);
    subscriber = zg_socket(ctx, ZMQ_SUB);
    pthread_t thread = pthread_self(); /* any value: unused without publisher */
    char endpoint[256];
    bool in_time = true;

    snprintf(endpoint, sizeof endpoint, "%s", zg_value[0]);
    if (publishes) {
        zg_bind(publisher, "publisher", endpoint);
        zg_must(zmq_getsockopt(publisher, ZMQ_LAST_ENDPOINT, endpoint,
                               &(size_t){ sizeof endpoint }));
        thread = zg_thread(publish, NULL);
    }
    if (subscribes) {
        zg_connect(subscriber, endpoint);
        zg_must(zmq_setsockopt(subscriber, ZMQ_SUBSCRIBE, "", 0));
        printf("I: subscribed to %s\n", endpoint);
        in_time = subscribe();
        zmq_ctx_shutdown(ctx); /* ends the publisher */
    }
    if (publishes)
        pthread_join(thread, NULL);
    zmq_close(publisher);
    zmq_close(subscriber);
    zg_stop(ctx);
    return in_time ? EXIT_SUCCESS : EXIT_FAILURE;
}
