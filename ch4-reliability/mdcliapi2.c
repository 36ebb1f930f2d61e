/* SPDX-License-Identifier: 0BSD */
/* mdcliapi2.c - Majordomo client that does not wait: it sends, and receives.
 *
 * A REQ would insist on taking turns. A DEALER does not, but for that we make
 * the empty frame ourselves, which ends the envelope.
 *
 * Guide: chapter 4, "Asynchronous Majordomo Pattern".
 */
#include "mdcliapi2.h"

#include "mdp.h"

mdcli2 mdcli2_new(void *ctx, const char *broker)
{
    mdcli2 self = { .socket = mdp_socket(ctx, ZMQ_DEALER, -1),
                    .timeout = 2500 };

    /* All that we asked for has room here. In a socket that is full, behind
     * what we did not read yet, the broker's heartbeats would be stuck too,
     * and it would take us for dead. */
    zg_set(self.socket, ZMQ_RCVHWM, 0);
    zg_connect(self.socket, broker);
    return self;
}

bool mdcli2_send(mdcli2 *self, const char *service, zg_msg *body)
{
    zg_msg request = { 0 };

    mdp_add(&request, "");
    mdp_add(&request, MDPC_CLIENT);
    mdp_add(&request, service);
    mdp_copy(&request, body->frame, body->count);
    mdp_show(self->verbose, "request:", &request);
    bool sent = zg_send(&request, self->socket, ZMQ_DONTWAIT);
    zg_clear(sent ? body : &request);
    return sent;
}

bool mdcli2_recv(mdcli2 *self, zg_msg *reply)
{
    zmq_pollitem_t item = { self->socket, 0, ZMQ_POLLIN, 0 };
    int64_t until = zg_now() + self->timeout;
    int rc;

    do {
        while (zg_recv(reply, self->socket, ZMQ_DONTWAIT)) {
            mdp_show(self->verbose, "reply:", reply);
            if (reply->count > 3 && zg_is(reply, 0, "")
                && zg_is(reply, 1, MDPC_CLIENT)) {
                zg_pop(reply, 2);
                return true;
            }
            zg_drop(reply, "the broker");
        }
    } while ((rc = zg_poll(&item, 1, until)) > 0);
    errno = rc == 0 ? ETIMEDOUT : ETERM;
    return false;
}

void mdcli2_destroy(mdcli2 *self)
{
    zmq_close(self->socket);
}
