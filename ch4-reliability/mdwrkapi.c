/* SPDX-License-Identifier: 0BSD */
/* mdwrkapi.c - Majordomo worker: signs on, heartbeats, and signs on again.
 *
 * A broker that sends nothing for three heartbeats is gone, and one that says
 * DISCONNECT does not know us (any more): both times the worker begins anew on
 * a new socket, but not more often than every 2.5 s.
 *
 * When the program is to stop, its context stops all that goes through it. The
 * goodbye has to get through even so: our socket has another context.
 *
 * Guide: chapter 4, "Service-Oriented Reliable Queuing (Majordomo Pattern)".
 */
#include "mdwrkapi.h"

#include "mdp.h"

mdwrk mdwrk_new(void *ctx, const char *broker, const char *service)
{
    return (mdwrk){ .stop = zg_socket(ctx, ZMQ_PAIR),
                    .broker = broker,
                    .service = service,
                    .heartbeat = 2500,
                    .liveness = 3,
                    .reconnect = 2500 };
}

/* Send [][MDPW01][command] and the frames of msg. */
static void tell(mdwrk *self, const char *command, zg_msg *msg)
{
    zg_insert(msg, 0, command, 1);
    zg_insert(msg, 0, MDPW_WORKER, 6);
    zg_insert(msg, 0, "", 0);
    mdp_show(self->verbose, "to broker:", msg);
    if (!zg_send(msg, self->socket, ZMQ_DONTWAIT))
        fprintf(stderr, "W: cannot send: %s\n", zmq_strerror(errno));
    zg_clear(msg);
    self->sent = zg_now();
}

static void sign_on(mdwrk *self)
{
    zg_msg msg = { 0 };

    if (self->net == NULL)
        self->net = self->own = zmq_ctx_new();
    self->socket = mdp_socket(self->net, ZMQ_DEALER, -1);
    /* Heartbeats pile up while we work; a full socket would be a dead one. */
    zg_set(self->socket, ZMQ_RCVHWM, 10000);
    zg_connect(self->socket, self->broker);
    zg_insert(&msg, 0, self->service, strlen(self->service));
    tell(self, MDPW_READY, &msg);
    self->ready = self->heard = self->sent;
}

static void sign_off(mdwrk *self, const char *why)
{
    fprintf(stderr, "W: %s %s, signing on again\n", self->broker, why);
    zg_set(self->socket, ZMQ_LINGER, 0);
    zmq_close(self->socket);
    self->socket = NULL;
}

/* The reply belongs to the client that asked. */
void mdwrk_reply(mdwrk *self, zg_msg *body)
{
    zmq_msg_t *client = &self->client.frame[0];

    zg_insert(body, 0, "", 0);
    zg_insert(body, 0, zmq_msg_data(client), zmq_msg_size(client));
    zg_clear(&self->client);
    tell(self, MDPW_REPLY, body);
}

/* From the broker. True: msg is now the body of a request. */
static bool accept(mdwrk *self, zg_msg *msg)
{
    bool ours = zg_is(msg, 0, "") && zg_is(msg, 1, MDPW_WORKER);

    mdp_show(self->verbose, "from broker:", msg);
    self->heard = zg_now();
    if (ours && zg_is(msg, 2, MDPW_REQUEST) && msg->count > 5
        && zg_is(msg, 4, "")) {
        mdp_copy(&self->client, &msg->frame[3], 1);
        for (int i = 0; i < 5; i++)
            zg_pop(msg, 1);
        return true;
    }
    if (ours && zg_is(msg, 2, MDPW_DISCONNECT) && msg->count == 3)
        sign_off(self, "says goodbye");
    else if (!ours || !zg_is(msg, 2, MDPW_HEARTBEAT) || msg->count != 3)
        zg_drop(msg, "the broker");
    return false;
}

/* When something is due without a message: to sign on, or to heartbeat. */
static int64_t due(mdwrk *self)
{
    return self->socket == NULL ? self->ready + self->reconnect
                                : self->sent + self->heartbeat;
}

static void watch(mdwrk *self)
{
    int64_t now = zg_now();
    zg_msg none = { 0 };

    if (self->socket != NULL
        && now >= self->heard + self->liveness * self->heartbeat)
        sign_off(self, "is silent");
    if (now < due(self))
        return;
    if (self->socket == NULL)
        sign_on(self);
    else
        tell(self, MDPW_HEARTBEAT, &none);
}

bool mdwrk_take(mdwrk *self, zg_msg *body)
{
    while (self->readable && self->socket != NULL
           && zg_recv(body, self->socket, ZMQ_DONTWAIT))
        if (accept(self, body))
            return true;
    zg_clear(body);
    watch(self);
    return false;
}

bool mdwrk_wait(mdwrk *workers, int n)
{
    zmq_pollitem_t items[1 + MDWRK_MANY];
    int64_t until = ZG_FOREVER;

    /* Nothing ever comes from stop, but the end of the program. */
    for (int i = 0; i < n; i++) {
        bool on = workers[i].socket != NULL;
        items[i] = (zmq_pollitem_t){ on ? workers[i].socket : workers[i].stop,
                                     0, on ? ZMQ_POLLIN : ZMQ_POLLERR, 0 };
        if (due(&workers[i]) < until)
            until = due(&workers[i]);
    }
    items[n] = (zmq_pollitem_t){ workers->stop, 0, ZMQ_POLLERR, 0 };
    if (zg_poll(items, n + 1, until) == -1)
        return false;
    for (int i = 0; i < n; i++)
        workers[i].readable = items[i].revents != 0;
    return true;
}

bool mdwrk_recv(mdwrk *self, zg_msg *body)
{
    if (self->client.count > 0)
        mdwrk_reply(self, body);
    while (!mdwrk_take(self, body))
        if (!mdwrk_wait(self, 1))
            return false;
    return true;
}

void mdwrk_destroy(mdwrk *self)
{
    zg_msg none = { 0 };

    if (self->socket != NULL) {
        tell(self, MDPW_DISCONNECT, &none);
        zmq_close(self->socket);
    }
    zg_clear(&self->client);
    zmq_close(self->stop);
    if (self->own != NULL)
        zmq_ctx_term(self->own);
}
