/* SPDX-License-Identifier: 0BSD */
/* udplib.c - what it takes to send a datagram to everybody near.
 *
 *     udplib (this) --+-- eth0  --> 192.168.55.255:9999  all hosts there
 *                     +-- wlan0 --> 10.0.7.255:9999      and all there
 *
 * Mistakes end the program at its start: no such address, a port that another
 * has to itself. Later nothing does. Cables are pulled, interfaces come without
 * an address and get one, firewalls refuse: a datagram is lost then, which may
 * happen to any, and the next one tries again.
 *
 * One sent to 255.255.255.255 leaves by one interface only, the kernel's
 * favourite. So each time we ask which there are, and send by each of them.
 *
 * Guide: chapter 8, "Cooperative Discovery Using UDP Broadcasts".
 */
#include "udplib.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>

struct udplib {
    int handle, trouble; /* trouble: errno of the last send, or 0 */
    struct sockaddr_in to;
};

udplib *udplib_new(const char *broadcast, int port)
{
    udplib *self = calloc(1, sizeof *self);
    struct sockaddr_in here = { .sin_family = AF_INET };
    char place[UDPLIB_FROM];

    if (self == NULL)
        zg_die("calloc");
    here.sin_port = htons((uint16_t) port);
    self->to = here;
    errno = EINVAL;
    if (inet_pton(AF_INET, broadcast, &self->to.sin_addr) != 1)
        zg_die(broadcast);
    zg_must(self->handle =
                socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    zg_must(setsockopt(self->handle, SOL_SOCKET, SO_BROADCAST, &(int){ 1 },
                       sizeof(int)));
    zg_must(setsockopt(self->handle, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 },
                       sizeof(int)));
    snprintf(place, sizeof place, "udp://0.0.0.0:%d", port);
    if (bind(self->handle, (struct sockaddr *) &here, sizeof here) == -1)
        zg_die(place);
    return self;
}

void udplib_destroy(udplib **self)
{
    close((*self)->handle);
    free(*self);
    *self = NULL;
}

int udplib_handle(const udplib *self)
{
    return self->handle;
}

/* Returns 0 or why it could not be sent. */
static int send_to(udplib *self, in_addr_t address, const void *data,
                   size_t size)
{
    struct sockaddr_in to = self->to;

    to.sin_addr.s_addr = address;
    ssize_t sent =
        sendto(self->handle, data, size, 0, (struct sockaddr *) &to, sizeof to);
    return sent == -1 ? errno : 0;
}

/* An interface may have no address (a tunnel, one not set up yet), or one of
 * another kind; and not all kinds of network can broadcast. */
static bool can_broadcast(const struct ifaddrs *interface)
{
    return interface->ifa_addr != NULL && interface->ifa_netmask != NULL
           && interface->ifa_addr->sa_family == AF_INET
           && (interface->ifa_flags & IFF_UP)
           && (interface->ifa_flags & IFF_BROADCAST);
}

static in_addr_t ipv4(const struct sockaddr *address)
{
    return ((const struct sockaddr_in *) (const void *) address)
        ->sin_addr.s_addr;
}

/* Returns how many interfaces there were. */
static int send_by_each(udplib *self, const void *data, size_t size,
                        int *trouble)
{
    struct ifaddrs *all = NULL;
    int count = 0, failed;

    if (getifaddrs(&all) == -1)
        return 0;
    for (struct ifaddrs *one = all; one != NULL; one = one->ifa_next)
        if (can_broadcast(one)) {
            in_addr_t everybody = ipv4(one->ifa_addr) | ~ipv4(one->ifa_netmask);
            if ((failed = send_to(self, everybody, data, size)) != 0)
                *trouble = failed;
            count++;
        }
    freeifaddrs(all);
    return count;
}

void udplib_send(udplib *self, const void *data, size_t size)
{
    in_addr_t address = self->to.sin_addr.s_addr;
    int trouble = 0;

    if (address != INADDR_BROADCAST
        || send_by_each(self, data, size, &trouble) == 0)
        trouble = send_to(self, address, data, size);
    if (trouble != self->trouble)
        fprintf(stderr, "W: broadcast: %s\n",
                trouble == 0 ? "works again" : strerror(trouble));
    self->trouble = trouble;
}

ssize_t udplib_recv(udplib *self, void *data, size_t room,
                    char from[UDPLIB_FROM])
{
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    char address[INET_ADDRSTRLEN] = "";
    ssize_t size = recvfrom(self->handle, data, room, 0,
                            (struct sockaddr *) &peer, &length);

    if (size != -1) {
        inet_ntop(AF_INET, &peer.sin_addr, address, sizeof address);
        snprintf(from, UDPLIB_FROM, "%s:%d", address, ntohs(peer.sin_port));
    }
    return size;
}
