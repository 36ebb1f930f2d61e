/* SPDX-License-Identifier: 0BSD */
/* mdcliapi.c - Majordomo client: the Lazy Pirate, asking services by name.
 *
 * A request that is not answered in time is sent again on a new socket: a REQ
 * may not send twice, and a late reply to the old one can then not be taken
 * for a new one. So a service may do the same request more than once.
 *
 * Guide: chapter 4, "Service-Oriented Reliable Queuing (Majordomo Pattern)".
 */
#include "mdcliapi.h"

#include "mdp.h"

mdcli mdcli_new(void *ctx, const char *broker)
{
    return (mdcli){ .ctx = ctx, .broker = broker, .timeout = 2500, .tries = 3 };
}

static void connect_to_broker(mdcli *self)
{
    self->socket = mdp_socket(self->ctx, ZMQ_REQ, -1);
    zg_set(self->socket, ZMQ_LINGER, 0); /* given up is given up */
    zg_connect(self->socket, self->broker);
}

/* Send [MDPC01][service][body...], of which the body is kept for a next try. */
static void say(mdcli *self, const char *service, zg_msg *body)
{
    zg_msg request = { 0 };

    mdp_add(&request, MDPC_CLIENT);
    mdp_add(&request, service);
    mdp_copy(&request, body->frame, body->count);
    mdp_show(self->verbose, "request", &request);
    zg_send(&request, self->socket, ZMQ_DONTWAIT);
    zg_clear(&request);
}

/* Is it [MDPC01][service][body...]? */
static bool is_reply(zg_msg *msg, const char *service)
{
    return msg->count >= 3 && zg_is(msg, 0, MDPC_CLIENT)
           && zg_is(msg, 1, service);
}

/* One try. Like zmq_poll(): 1 with a reply, 0 without, -1 if we are to stop. */
static int ask(mdcli *self, const char *service, zg_msg *body)
{
    zmq_pollitem_t item = { self->socket, 0, ZMQ_POLLIN, 0 };
    int64_t until = zg_now() + self->timeout;
    zg_msg reply = { 0 };
    int rc;

    say(self, service, body);
    while ((rc = zg_poll(&item, 1, until)) > 0) {
        if (!zg_recv(&reply, self->socket, ZMQ_DONTWAIT))
            continue;
        mdp_show(self->verbose, "reply", &reply);
        if (is_reply(&reply, service)) {
            zg_clear(body);
            mdp_copy(body, &reply.frame[2], reply.count - 2);
            break;
        }
        zg_drop(&reply, "the broker");
    }
    zg_clear(&reply);
    return rc;
}

bool mdcli_send(mdcli *self, const char *service, zg_msg *body)
{
    int rc = 0;

    for (long left = self->tries; rc == 0 && left > 0; left--) {
        if (self->socket == NULL)
            connect_to_broker(self);
        if ((rc = ask(self, service, body)) == 1)
            return true;
        if (rc == 0)
            fprintf(stderr, "W: no reply from %s\n", self->broker);
        mdcli_destroy(self);
    }
    errno = rc == 0 ? ETIMEDOUT : ETERM;
    return false;
}

void mdcli_destroy(mdcli *self)
{
    if (self->socket != NULL)
        zmq_close(self->socket);
    self->socket = NULL;
}
