/* SPDX-License-Identifier: 0BSD */
/* bstarfsm.h - one half of a Binary Star pair, as a pure state machine.
 *
 *     (half, event, now) -> half      no sockets, no clock, no output
 *
 * The program that uses the machine reads the clock and turns what its sockets
 * receive into events. Whenever bstarfsm_must_publish() says so, it publishes
 * the state of the half in a state message. Before each event it checks
 * bstarfsm_lease_expired(), and if that is true, LEASE_EXPIRED comes first.
 *
 * Three deadlines limit the time for which both halves can serve:
 *
 *     peer expiry    two intervals after the latest of: a state message from
 *                    the peer, the start, an expired lease. From then on a
 *                    request of a client is a vote: the half takes over.
 *     lease          1.9 intervals after this half last published its state. An
 *                    active half serves only until then, because the peer may
 *                    take over later.
 *     settling time  one interval after the start or an expired lease. Until
 *                    then the half accepts only "active". Any other state
 *                    message may be old, because it waited in the socket.
 *
 * test/bstarcheck.c explores all states that two such machines can reach.
 *
 * Guide: chapter 4, "High-Availability Pair (Binary Star Pattern)".
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* A state message is one digit, '1' to '4'. */
enum bstar_state { PRIMARY = 1, BACKUP, ACTIVE, PASSIVE };

enum bstar_event {
    PEER_PRIMARY = 1, /* the peer is in that state: the same numbers */
    PEER_BACKUP,
    PEER_ACTIVE,
    PEER_PASSIVE,
    CLIENT_REQUEST, /* changes the state only if it is a vote */
    HEARTBEAT,      /* an interval has passed since the last one */
    LEASE_EXPIRED,
    BSTAR_EVENTS
};

/* Entries of the table that depend on the role. RESTART is the state in which
 * the half started. BACKUP_YIELDS is PASSIVE in the backup, and ACTIVE in the
 * primary. */
enum { RESTART = PASSIVE + 1, BACKUP_YIELDS };

/* The next state. Where the table has no entry, the state remains. */
static const char bstarfsm_next[][BSTAR_EVENTS] = {
    [PRIMARY] = { [PEER_BACKUP] = ACTIVE,
                  [PEER_ACTIVE] = PASSIVE,
                  [CLIENT_REQUEST] = ACTIVE },
    [BACKUP] = { [PEER_ACTIVE] = PASSIVE, [CLIENT_REQUEST] = ACTIVE },
    [ACTIVE] = { [PEER_ACTIVE] = BACKUP_YIELDS, [LEASE_EXPIRED] = RESTART },
    [PASSIVE] = { [PEER_PRIMARY] = ACTIVE,
                  [PEER_BACKUP] = ACTIVE,
                  [PEER_PASSIVE] = RESTART,
                  [CLIENT_REQUEST] = ACTIVE },
};

/* For log lines. */
static const char *const bstarfsm_state_name[] = { "", "primary", "backup",
                                                   "active", "passive" };
static const char *const bstarfsm_event_name[BSTAR_EVENTS] = {
    [PEER_PRIMARY] = "the peer is primary",
    [PEER_BACKUP] = "the peer is backup",
    [PEER_ACTIVE] = "the peer is active",
    [PEER_PASSIVE] = "the peer is passive",
    [CLIENT_REQUEST] = "a vote",
    [HEARTBEAT] = "heartbeat",
    [LEASE_EXPIRED] = "its lease has expired",
};

struct bstarfsm {
    int64_t interval; /* ms */
    int role;         /* PRIMARY or BACKUP, the state in which it starts */
    int state;
    bool has_seen_primary; /* otherwise a backup takes no votes */
    int64_t peer_expiry, lease, settled_at;
};

/* Return a half that has just started. All deadlines are 0, so LEASE_EXPIRED
 * comes first and sets them. */
static inline struct bstarfsm bstarfsm_start(int role, int64_t interval)
{
    return (struct bstarfsm){ .interval = interval,
                              .role = role,
                              .state = role,
                              .has_seen_primary = role == PRIMARY };
}

static inline bool bstarfsm_lease_expired(const struct bstarfsm *half,
                                          int64_t now)
{
    return now >= half->lease;
}

/* Return true if a request that arrives now may be answered. */
static inline bool bstarfsm_serves(const struct bstarfsm *half, int64_t now)
{
    return half->state == ACTIVE && !bstarfsm_lease_expired(half, now);
}

/* Return false if the event must not change the state now. */
static inline bool bstarfsm_accepts(const struct bstarfsm *half, int event,
                                    int64_t now)
{
    if (event == CLIENT_REQUEST)
        return half->has_seen_primary && now >= half->peer_expiry;
    if (event == PEER_PRIMARY || event == PEER_BACKUP || event == PEER_PASSIVE)
        return now >= half->settled_at;
    /* PEER_ACTIVE can only make a half passive, which is safe. The other events
     * come from the half itself. */
    return true;
}

/* Return the half after an event at `now`, in ms. */
static inline struct bstarfsm bstarfsm_step(struct bstarfsm half, int event,
                                            int64_t now)
{
    int before = half.state, next = bstarfsm_next[before][event];

    if (next != 0 && bstarfsm_accepts(&half, event, now))
        half.state = next;
    if (half.state == RESTART)
        half.state = half.role;
    else if (half.state == BACKUP_YIELDS)
        half.state = half.role == PRIMARY ? ACTIVE : PASSIVE;
    if (event <= PEER_PASSIVE || event == LEASE_EXPIRED)
        half.peer_expiry = now + 2 * half.interval;
    /* A peer that says BACKUP is not the primary. */
    if (event <= PEER_PASSIVE && event != PEER_BACKUP)
        half.has_seen_primary = true;
    if (event == LEASE_EXPIRED)
        half.settled_at = now + half.interval;
    if (half.state != before || event == HEARTBEAT || event == LEASE_EXPIRED)
        half.lease = now + 2 * half.interval - half.interval / 10;
    return half;
}

/* Return true if the half must publish its state: the step from `before` has
 * changed the state or renewed the lease. */
static inline bool bstarfsm_must_publish(const struct bstarfsm *before,
                                         const struct bstarfsm *half)
{
    return half->state != before->state || half->lease != before->lease;
}
