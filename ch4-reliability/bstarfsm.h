/* SPDX-License-Identifier: 0BSD */
/* bstarfsm.h - one half of a Binary Star pair: its states, as a table.
 *
 *     PUB this half ---> SUB other half     each publishes its state once
 *     SUB           <--- PUB                per interval, and on change
 *
 * A client that asks while the peer has been silent for two intervals gives
 * its vote: a failover takes a dead peer and somebody who misses it. For the
 * same reason we serve only within two intervals of our last publication. If
 * we overslept that, the peer may have replaced us, and we had better listen.
 *
 * Guide: chapter 4, "High-Availability Pair (Binary Star Pattern)".
 */
#pragma once
#include "zg.h"

/* A state is an event for the peer. On the wire it is a digit, '1' to '4'. */
enum { PRIMARY = 1, BACKUP, ACTIVE, PASSIVE, VOTE, OVERSLEPT, EVENTS };

/* Not states: our own first one; ACTIVE in the primary, else PASSIVE. */
enum { START = EVENTS, YIELD };

/* The next state. Where there is none we stay as we are. */
static const char bstar_next[][EVENTS] = {
    [PRIMARY] = { [BACKUP] = ACTIVE, [ACTIVE] = PASSIVE, [VOTE] = ACTIVE },
    [BACKUP] = { [ACTIVE] = PASSIVE, [VOTE] = ACTIVE },
    [ACTIVE] = { [ACTIVE] = YIELD, [OVERSLEPT] = START },
    [PASSIVE] = { [PRIMARY] = ACTIVE,
                  [BACKUP] = ACTIVE,
                  [PASSIVE] = START,
                  [VOTE] = ACTIVE },
};

struct bstarfsm {
    void *statepub, *statesub;
    int start, state;
    long interval;
    int64_t vote_at; /* from then on a client's request is a vote */
    int64_t lease;   /* until then the peer cannot have taken over */
    int64_t news_at; /* what was heard before may be old */
};

/* A backup that has never seen its primary takes no votes. */
static inline void bstarfsm_open(struct bstarfsm *fsm, void *ctx, bool primary,
                                 const char *local, const char *remote,
                                 long interval)
{
    *fsm = (struct bstarfsm){ zg_socket(ctx, ZMQ_PUB), zg_socket(ctx, ZMQ_SUB),
                              .interval = interval };
    fsm->state = fsm->start = primary ? PRIMARY : BACKUP;
    fsm->vote_at = primary ? 0 : ZG_FOREVER;
    for (int i = 0; i < 2; i++) {
        /* A peer that is back is heard well before we take votes again. */
        void *sock = i == 0 ? fsm->statepub : fsm->statesub;
        zg_set(sock, ZMQ_HEARTBEAT_IVL, (int) interval);
        zg_set(sock, ZMQ_HEARTBEAT_TIMEOUT, (int) interval * 2);
        zg_set(sock, ZMQ_CONNECT_TIMEOUT, (int) interval);
        zg_set(sock, ZMQ_RECONNECT_IVL, (int) (interval + 9) / 10);
        zg_set(sock, ZMQ_LINGER, 0);
    }
    zg_must(zmq_setsockopt(fsm->statesub, ZMQ_SUBSCRIBE, "", 0));
    zg_bind(fsm->statepub, "state", local);
    zg_connect(fsm->statesub, remote);
    printf("I: %s, waiting for the peer\n", primary ? "primary" : "backup");
}

static inline void bstarfsm_close(struct bstarfsm *fsm)
{
    zmq_close(fsm->statepub);
    zmq_close(fsm->statesub);
}

static inline void bstarfsm_publish(struct bstarfsm *fsm)
{
    /* It ends with us first, by the time that our next word may need. */
    fsm->lease = zg_now() + 2 * fsm->interval - fsm->interval / 10;
    zmq_send(fsm->statepub, &(char){ (char) ('0' + fsm->state) }, 1, 0);
}

static inline void bstarfsm_step(struct bstarfsm *fsm, int event)
{
    static const char *const name[] = {
        "",        "primary", "backup",           "active",
        "passive", "a vote",  "it has overslept",
    };
    int next = bstar_next[fsm->state][event];

    if (next == START)
        next = fsm->start;
    else if (next == YIELD)
        next = fsm->start == PRIMARY ? ACTIVE : PASSIVE;
    if (next == 0 || next == fsm->state)
        return;
    printf("I: %s -> %s: %s%s\n", name[fsm->state], name[next],
           event < VOTE ? "the peer is " : "", name[event]);
    fsm->state = next;
    bstarfsm_publish(fsm);
}

/* One that overslept, or begins, hears out the peer before it takes votes. What
 * the peer said meanwhile comes now, and may not be true any more. */
static inline void bstarfsm_wake(struct bstarfsm *fsm)
{
    if (zg_now() < fsm->lease)
        return;
    if (fsm->vote_at != ZG_FOREVER)
        fsm->vote_at = zg_now() + 2 * fsm->interval;
    fsm->news_at = zg_now() + fsm->interval;
    bstarfsm_step(fsm, OVERSLEPT);
    bstarfsm_publish(fsm);
}

/* To be called once per interval. */
static inline void bstarfsm_beat(struct bstarfsm *fsm)
{
    bstarfsm_wake(fsm);
    bstarfsm_publish(fsm);
}

/* From the peer: [digit], maybe with a blank and something after it. */
static inline void bstarfsm_heard(struct bstarfsm *fsm, zg_msg *msg)
{
    const char *text = msg->count == 1 ? zmq_msg_data(&msg->frame[0]) : "";
    size_t size = msg->count == 1 ? zmq_msg_size(&msg->frame[0]) : 0;

    if (size == 0 || text[0] < '1' || text[0] > '4'
        || (size > 1 && text[1] != ' ')) {
        zg_drop(msg, "the peer");
        return;
    }
    int event = text[0] - '0';
    if (event == fsm->start)
        fprintf(stderr,
                "W: the peer has our own role, one should be changed\n");
    bstarfsm_wake(fsm);
    if (fsm->vote_at != ZG_FOREVER || event != BACKUP)
        fsm->vote_at = zg_now() + 2 * fsm->interval;
    if (event == ACTIVE || zg_now() >= fsm->news_at)
        bstarfsm_step(fsm, event); /* to stand back can never be wrong */
}

/* A client asks: are we to serve it? If not, silence is the answer. */
static inline bool bstarfsm_serves(struct bstarfsm *fsm)
{
    bstarfsm_wake(fsm);
    if (zg_now() >= fsm->vote_at)
        bstarfsm_step(fsm, VOTE);
    return fsm->state == ACTIVE;
}
