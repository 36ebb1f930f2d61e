/* SPDX-License-Identifier: 0BSD */
/* mdcliapi.c - Majordomo client class: Lazy Pirate with a name of a service.
 *
 * If no reply arrives in time, the client sends the request again on a new
 * socket. A REQ socket cannot send twice, and a late reply cannot reach the new
 * socket. A worker may therefore execute the same request more than once.
 *
 * Guide: chapter 4, "Service-Oriented Reliable Queuing (Majordomo Pattern)".
 */
#include "mdcliapi.h"

#include "mdp.h"

mdcli mdcli_new(void *ctx, const char *broker)
{
    return (mdcli){ .timeout = 2500, .tries = 3, .ctx = ctx, .broker = broker };
}

static void connect_to_broker(mdcli *self)
{
    self->socket = zg_socket(self->ctx, ZMQ_REQ);
    zg_set(self->socket, ZMQ_LINGER, 0); /* do not send abandoned requests */
    zg_connect(self->socket, self->broker);
}

static void close_socket(mdcli *self)
{
    if (self->socket != NULL)
        zmq_close(self->socket);
    self->socket = NULL;
}

/* Send [MDPC01][service][body...]. */
static void send_request(mdcli *self, const char *service, zg_msg *body)
{
    zg_msg request = { 0 };

    mdp_append(&request, MDPC_CLIENT);
    mdp_append(&request, service);
    zg_append(&request, body->frame, body->count);
    mdp_print(self->verbose, "request", &request);
    /* Fails only on shutdown, which wait_for_reply() then reports. */
    zg_send(&request, self->socket, ZMQ_DONTWAIT);
    zg_clear(&request);
}

/* Wait for [MDPC01][service][reply...] and put the reply into body. Return 1
 * for a reply, 0 on timeout, -1 on shutdown. */
static int wait_for_reply(mdcli *self, const char *service, zg_msg *body)
{
    zmq_pollitem_t item = { self->socket, 0, ZMQ_POLLIN, 0 };
    int64_t deadline = zg_now() + self->timeout;
    zg_msg reply = { 0 };
    int ready;

    while ((ready = zg_poll(&item, 1, deadline)) == 1) {
        if (!zg_recv(&reply, self->socket, ZMQ_DONTWAIT))
            continue;
        mdp_print(self->verbose, "reply", &reply);
        if (reply.count > 2 && zg_is(&reply, 0, MDPC_CLIENT)
            && zg_is(&reply, 1, service)) {
            zg_clear(body);
            zg_append(body, &reply.frame[2], reply.count - 2);
            break;
        }
        zg_drop(&reply, "the broker");
    }
    zg_clear(&reply);
    return ready;
}

bool mdcli_send(mdcli *self, const char *service, zg_msg *body)
{
    int ready = 0;

    errno = EINVAL;
    if (body->count == 0 || body->count > MDP_MAX_BODY)
        return false;
    for (long left = self->tries; ready == 0 && left > 0; left--) {
        if (self->socket == NULL)
            connect_to_broker(self);
        send_request(self, service, body);
        ready = wait_for_reply(self, service, body);
        if (ready == 0)
            fprintf(stderr, "W: no reply from %s\n", self->broker);
        if (ready != 1)
            close_socket(self);
    }
    errno = ready == 0 ? ETIMEDOUT : ETERM;
    return ready == 1;
}

void mdcli_destroy(mdcli *self)
{
    close_socket(self);
}
