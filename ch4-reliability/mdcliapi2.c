/* SPDX-License-Identifier: 0BSD */
/* mdcliapi2.c - asynchronous Majordomo client class.
 *
 * A DEALER socket may send many requests before it receives a reply. The class
 * sends the empty frame, which a REQ socket would add.
 *
 * Guide: chapter 4, "Asynchronous Majordomo Pattern".
 */
#include "mdcliapi2.h"

#include "mdp.h"

mdcli2 mdcli2_new(void *ctx, const char *broker)
{
    mdcli2 self = { .timeout = 2500, .socket = zg_socket(ctx, ZMQ_DEALER) };

    /* If this filled up, the broker's pings would wait behind the replies, and
     * the broker would close the connection of a slow reader. */
    zg_set(self.socket, ZMQ_RCVHWM, 0);
    zg_connect(self.socket, broker);
    return self;
}

/* Send [][MDPC01][service][body...]. */
bool mdcli2_send(mdcli2 *self, const char *service, zg_msg *body)
{
    zg_msg request = { 0 };

    errno = EINVAL;
    if (body->count == 0 || body->count > MDP_MAX_BODY)
        return false;
    mdp_append(&request, "");
    mdp_append(&request, MDPC_CLIENT);
    mdp_append(&request, service);
    zg_append(&request, body->frame, body->count);
    mdp_print(self->verbose, "request", &request);
    bool sent = zg_send(&request, self->socket, ZMQ_DONTWAIT);
    zg_clear(&request);
    if (sent)
        zg_clear(body);
    return sent;
}

/* Receive [][MDPC01][service][reply...]. */
bool mdcli2_recv(mdcli2 *self, zg_msg *reply)
{
    zmq_pollitem_t item = { self->socket, 0, ZMQ_POLLIN, 0 };
    int64_t deadline = zg_now() + self->timeout;
    int ready;

    do {
        while (zg_recv(reply, self->socket, ZMQ_DONTWAIT)) {
            mdp_print(self->verbose, "reply", reply);
            if (reply->count > 3 && mdp_is_client_message(reply, 0)) {
                zg_pop(reply, 2);
                return true;
            }
            zg_drop(reply, "the broker");
        }
    } while ((ready = zg_poll(&item, 1, deadline)) > 0);
    errno = ready == 0 ? ETIMEDOUT : ETERM;
    return false;
}

void mdcli2_destroy(mdcli2 *self)
{
    zmq_close(self->socket);
}
