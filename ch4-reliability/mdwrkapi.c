/* SPDX-License-Identifier: 0BSD */
/* mdwrkapi.c - Majordomo worker class: registers, sends heartbeats, replies.
 *
 * The worker registers again, on a new socket, when the broker has sent nothing
 * for `liveness` intervals, or has sent DISCONNECT because it does not know the
 * worker. At least one interval passes between two registrations.
 *
 * The socket has a context of its own: Ctrl-C shuts the caller's context down,
 * and DISCONNECT can still be sent.
 *
 * Guide: chapter 4, "Service-Oriented Reliable Queuing (Majordomo Pattern)".
 */
#include "mdwrkapi.h"

#include "mdp.h"

mdwrk mdwrk_new(void *ctx, const char *broker, const char *service)
{
    return (mdwrk){ .interval = 2500,
                    .liveness = 3,
                    .stop = zg_socket(ctx, ZMQ_PAIR),
                    .ctx = zmq_ctx_new(),
                    .broker = broker,
                    .service = service };
}

/* Send [][MDPW01][command] and the frames of msg. */
static void send_command(mdwrk *self, const char *command, zg_msg *msg)
{
    zg_insert(msg, 0, command, 1);
    zg_insert(msg, 0, MDPW_WORKER, 6);
    zg_insert(msg, 0, "", 0);
    mdp_print(self->verbose, "to broker:", msg);
    if (!zg_send(msg, self->socket, ZMQ_DONTWAIT))
        fprintf(stderr, "W: message dropped: %s\n", zmq_strerror(errno));
    zg_clear(msg);
    self->heartbeat_at = zg_now() + self->interval;
}

static void connect_to_broker(mdwrk *self)
{
    zg_msg msg = { 0 };

    self->socket = zg_socket(self->ctx, ZMQ_DEALER);
    /* Heartbeats arrive while the caller works. If they filled the pipe, libzmq
     * would stop reading, and would not answer the broker's pings. */
    zg_set(self->socket, ZMQ_RCVHWM, 0);
    zg_connect(self->socket, self->broker);
    mdp_append(&msg, self->service);
    send_command(self, MDPW_READY, &msg);
    self->ready_at = zg_now() + self->interval;
    self->expiry = zg_now() + self->liveness * (int64_t) self->interval;
}

static void disconnect(mdwrk *self, const char *reason)
{
    fprintf(stderr, "W: %s: %s, registering again\n", self->broker, reason);
    zg_set(self->socket, ZMQ_LINGER, 0);
    zmq_close(self->socket);
    self->socket = NULL;
}

/* Send [client][][reply...]. */
static void send_reply(mdwrk *self, zg_msg *body)
{
    zg_msg msg = { 0 };

    errno = EINVAL;
    if (body->count == 0 || body->count > MDP_MAX_BODY)
        zg_die("mdwrk_recv: the reply must have 1 to 14 frames");
    zg_append(&msg, self->client.frame, 1);
    mdp_append(&msg, "");
    zg_append(&msg, body->frame, body->count);
    zg_clear(body);
    zg_clear(&self->client);
    send_command(self, MDPW_REPLY, &msg);
}

/* Read [][MDPW01][command]... from the broker. True if it is a REQUEST: msg is
 * its body then. */
static bool from_broker(mdwrk *self, zg_msg *msg)
{
    char command = mdp_command(msg, 0);

    mdp_print(self->verbose, "from broker:", msg);
    self->expiry = zg_now() + self->liveness * (int64_t) self->interval;
    if (command == *MDPW_REQUEST) {
        zg_append(&self->client, &msg->frame[3], 1);
        zg_pop(msg, 5);
        return true;
    }
    if (command == *MDPW_DISCONNECT)
        disconnect(self, "disconnected by the broker");
    else if (command != *MDPW_HEARTBEAT)
        zg_drop(msg, "the broker");
    return false;
}

/* Register, send a heartbeat, or give up a silent broker, if it is time to. */
static void check_timers(mdwrk *self)
{
    zg_msg none = { 0 };

    if (self->socket != NULL && zg_now() >= self->expiry)
        disconnect(self, "the broker is silent");
    if (self->socket == NULL && zg_now() >= self->ready_at)
        connect_to_broker(self);
    else if (self->socket != NULL && zg_now() >= self->heartbeat_at)
        send_command(self, MDPW_HEARTBEAT, &none);
}

/* Wait for a message or for the next timer. False on shutdown. */
static bool wait_for_broker(mdwrk *self)
{
    zmq_pollitem_t items[] = { { self->stop, 0, ZMQ_POLLERR, 0 },
                               { self->socket, 0, ZMQ_POLLIN, 0 } };
    int64_t deadline = self->ready_at;

    if (self->socket == NULL)
        return zg_poll(items, 1, deadline) != -1;
    deadline =
        self->heartbeat_at < self->expiry ? self->heartbeat_at : self->expiry;
    return zg_poll(items, 2, deadline) != -1;
}

bool mdwrk_recv(mdwrk *self, zg_msg *body)
{
    if (self->client.count > 0)
        send_reply(self, body);
    do {
        /* Read before looking at the timers: the heartbeats that arrived while
         * the caller worked show that the broker is alive. */
        while (self->socket != NULL
               && zg_recv(body, self->socket, ZMQ_DONTWAIT))
            if (from_broker(self, body))
                return true;
        check_timers(self);
    } while (wait_for_broker(self));
    zg_clear(body);
    return false;
}

void mdwrk_destroy(mdwrk *self)
{
    zg_msg none = { 0 };

    if (self->socket != NULL) {
        send_command(self, MDPW_DISCONNECT, &none);
        zmq_close(self->socket);
    }
    zg_clear(&self->client);
    zmq_close(self->stop);
    zmq_ctx_term(self->ctx);
}
