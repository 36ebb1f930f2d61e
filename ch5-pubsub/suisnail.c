/* SPDX-License-Identifier: 0BSD */
/* suisnail.c - a subscriber that ends itself when its news is too old.
 *
 *     PUB publisher ---> SUB subscriber       (this: both)
 *                   5556
 *
 * Each message carries the time at which it was sent. A subscriber that needs
 * more time for a message than the publisher falls behind, and behind it grows
 * a queue. Better it says so and dies than that it acts on stale news: somebody
 * notices, and can give it less work or more power.
 *
 * Between two machines this needs clocks that agree, by much less than -e.
 *
 * Build: cc -Icommon ch5-pubsub/suisnail.c -o suisnail -lzmq -lpthread
 *
 * Try it:
 *     $ bin/suisnail
 *     I: publisher bound to tcp://127.0.0.1:5556
 *     I: the news is ... ms old
 *     E: ... ms old is too old, after ... messages: the subscriber dies
 *
 * Guide: chapter 5, "Slow Subscriber Detection (Suicidal Snail Pattern)".
 */
#include "zg.h"
#include <time.h>

static const char usage[] =
    "suisnail [-S|-C] [-n COUNT] [-m N] [-t MS] [-e MS] [ENDPOINT]\n"
    "A publisher, and a subscriber that ends itself when it falls behind.\n"
    "  -S        only the publisher\n"
    "  -C        only the subscriber, which connects to ENDPOINT\n"
    "  -n COUNT  messages to publish, 0: until stopped (0)\n"
    "  -m N      messages per second, 0 = as fast as it can (1000)\n"
    "  -t MS     work per message, a random time up to this (2)\n"
    "  -e MS     older than this is too old (1000)\n"
    "  ENDPOINT  bind the publisher (tcp://127.0.0.1:5556)\n"
    "Peers: suisnail -C ENDPOINT\n";

enum { REPORT_MS = 1000 };

static void *ctx;
static long count, rate;         /* of what is published: -n, -m */
static long longest_work, limit; /* in milliseconds: -t, -e */

/* Milliseconds since 1970: a clock that all machines have. */
static int64_t wall_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* [time], in decimal digits */
static void *publish(void *publisher)
{
    int64_t began = zg_now(), due;
    char stamp[24];

    for (long n = 0; count == 0 || n < count; n++) {
        int size = sprintf(stamp, "%lld", (long long) wall_clock());
        if (zmq_send(publisher, stamp, (size_t) size, 0) == -1)
            return NULL;
        due = rate > 0 ? began + (int64_t) (n + 1) * 1000 / rate : 0;
        if (due > zg_now() && !zg_sleep(publisher, (long) (due - zg_now())))
            return NULL;
    }
    zmq_ctx_shutdown(ctx); /* all is said */
    return NULL;
}

/* How long ago was it sent? False if it does not carry a time. (One has 13
 * digits, until the year 2286; 18 fit.) */
static bool age_of(zg_msg *msg, int64_t *age)
{
    char stamp[20] = "";
    size_t size = msg->count == 1 ? zmq_msg_size(&msg->frame[0]) : 0;

    if (size == 0 || size >= sizeof stamp - 1)
        return false;
    memcpy(stamp, zmq_msg_data(&msg->frame[0]), size);
    *age = wall_clock() - atoll(stamp);
    return strspn(stamp, "0123456789") == size;
}

static bool work(void *subscriber)
{
    return longest_work == 0
           || zg_sleep(subscriber, 1 + random() % longest_work);
}

/* Work on what is published; false if it died of old news, true if it was asked
 * to stop. */
static bool subscribe(void *subscriber)
{
    int64_t age, report_at = zg_now() + REPORT_MS;
    zg_msg msg = { 0 };
    long messages = 0;
    bool alive = true;

    while (zg_recv(&msg, subscriber, 0)) {
        if (!age_of(&msg, &age)) {
            zg_drop(&msg, "the publisher");
            continue;
        }
        if (age > limit) {
            fprintf(stderr,
                    "E: %lld ms old is too old, after %ld messages: "
                    "the subscriber dies\n",
                    (long long) age, messages);
            alive = false;
            break;
        }
        if (!work(subscriber))
            break;
        messages++;
        if (zg_now() >= report_at) {
            printf("I: the news is %lld ms old\n", (long long) age);
            report_at = zg_now() + REPORT_MS;
        }
    }
    zg_clear(&msg);
    return alive;
}

int main(int argc, char *argv[])
{
    char endpoint[256];
    pthread_t thread = pthread_self();
    bool alive = true;

    zg_args(argc, argv, usage);
    bool publishes = zg_value['C'] == NULL, subscribes = zg_value['S'] == NULL;
    if (!publishes && !subscribes)
        zg_usage_error();
    count = zg_number('n');
    rate = zg_number('m');
    longest_work = zg_number('t');
    limit = zg_number('e');
    ctx = zg_start();
    void *publisher = zg_socket(ctx, ZMQ_PUB);
    void *subscriber = zg_socket(ctx, ZMQ_SUB);
    snprintf(endpoint, sizeof endpoint, "%s", zg_value[0]);
    if (publishes) {
        zg_bind(publisher, "publisher", endpoint);
        zg_must(zmq_getsockopt(publisher, ZMQ_LAST_ENDPOINT, endpoint,
                               &(size_t){ sizeof endpoint }));
        thread = zg_thread(publish, publisher);
    }
    if (subscribes) {
        zg_connect(subscriber, endpoint);
        zg_must(zmq_setsockopt(subscriber, ZMQ_SUBSCRIBE, "", 0));
        printf("I: subscribed to %s\n", endpoint);
        alive = subscribe(subscriber);
        zmq_ctx_shutdown(ctx); /* the publisher need not go on */
    }
    if (publishes)
        pthread_join(thread, NULL);
    zmq_close(publisher);
    zmq_close(subscriber);
    zg_stop(ctx);
    return alive ? EXIT_SUCCESS : EXIT_FAILURE;
}
