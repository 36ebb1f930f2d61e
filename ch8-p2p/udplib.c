/* SPDX-License-Identifier: 0BSD */
/* udplib.c - sends a datagram to all hosts of all networks.
 *
 *     udplib (this) --+-- eth0  --> 192.168.55.255:9999  all hosts there
 *                     +-- wlan0 --> 10.0.7.255:9999      all hosts there
 *
 * The kernel sends a datagram to 255.255.255.255 through one interface only. So
 * udplib reads the list of interfaces before each send, and sends through each
 * of them. It names the interface (IP_PKTINFO), since two interfaces may be in
 * the same network. FreeBSD lacks that option: there the kernel chooses one of
 * the two.
 *
 * An error in udplib_new() ends the program. Later errors do not: a cable is
 * pulled, an interface loses its address, a firewall refuses. That datagram is
 * lost, and udplib sends the next one.
 *
 * Guide: chapter 8, "Cooperative Discovery Using UDP Broadcasts".
 */
#include "udplib.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

struct udplib {
    int handle;
    int failure; /* errno of the last send, or 0 */
    struct sockaddr_in to;
};

static void set_option(int handle, int option)
{
    zg_must(setsockopt(handle, SOL_SOCKET, option, &(int){ 1 }, sizeof(int)));
}

udplib *udplib_new(const char *broadcast, int port)
{
    udplib *self = calloc(1, sizeof *self);
    struct sockaddr_in any = { .sin_family = AF_INET };
    char endpoint[32];

    if (self == NULL)
        zg_die("calloc");
    any.sin_port = htons((uint16_t) port);
    self->to = any;
    if (inet_pton(AF_INET, broadcast, &self->to.sin_addr) != 1) {
        fprintf(stderr, "E: %s: not an IPv4 address\n", broadcast);
        _exit(EXIT_FAILURE);
    }
    zg_must(self->handle = socket(AF_INET, SOCK_DGRAM, 0));
    set_option(self->handle, SO_BROADCAST);
    set_option(self->handle, SO_REUSEADDR);
#ifdef SO_REUSEPORT /* macOS and BSD share a port only with this one */
    set_option(self->handle, SO_REUSEPORT);
#endif
    snprintf(endpoint, sizeof endpoint, "udp://0.0.0.0:%d", port);
    if (bind(self->handle, (struct sockaddr *) &any, sizeof any) == -1)
        zg_die(endpoint);
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

static struct in_addr ipv4(const struct sockaddr *address)
{
    return ((const struct sockaddr_in *) (const void *) address)->sin_addr;
}

/* Return whether the interface is up, has an IPv4 address, and is in a network
 * that can broadcast. */
static bool can_broadcast(const struct ifaddrs *interface)
{
    return interface->ifa_addr != NULL && interface->ifa_netmask != NULL
           && interface->ifa_addr->sa_family == AF_INET
           && (interface->ifa_flags & IFF_UP)
           && (interface->ifa_flags & IFF_BROADCAST);
}

/* Return the broadcast address of the interface's network. A network of one or
 * two addresses (/32, /31) has none: return 255.255.255.255. getifaddrs() has
 * no broadcast address if the interface got its address without one. */
static in_addr_t broadcast_address(const struct ifaddrs *interface)
{
    in_addr_t hosts = ~ipv4(interface->ifa_netmask).s_addr;

    if (ntohl(hosts) <= 1)
        return INADDR_BROADCAST;
    return ipv4(interface->ifa_addr).s_addr | hosts;
}

/* Send through this interface. Return 0, or errno. */
static int send_through(udplib *self, const struct ifaddrs *interface,
                        const void *data, size_t size)
{
    struct sockaddr_in to = self->to;
    struct iovec bytes = { (void *) data, size };
    struct msghdr msg = { .msg_name = &to,
                          .msg_namelen = sizeof to,
                          .msg_iov = &bytes,
                          .msg_iovlen = 1 };

    to.sin_addr.s_addr = broadcast_address(interface);
#ifdef IP_PKTINFO
    struct in_pktinfo way = {
        .ipi_ifindex = if_nametoindex(interface->ifa_name),
        .ipi_spec_dst = ipv4(interface->ifa_addr), /* the source address */
    };
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof way)];
    } control = { .header = { .cmsg_len = CMSG_LEN(sizeof way),
                              .cmsg_level = IPPROTO_IP,
                              .cmsg_type = IP_PKTINFO } };
    memcpy(CMSG_DATA(&control.header), &way, sizeof way);
    msg.msg_control = &control;
    msg.msg_controllen = sizeof control;
#endif
    return sendmsg(self->handle, &msg, MSG_DONTWAIT) == -1 ? errno : 0;
}

/* Send through each interface that can broadcast. After a failure set *failure
 * to its errno. Return the number of interfaces. */
static int send_through_each(udplib *self, const void *data, size_t size,
                             int *failure)
{
    struct ifaddrs *interfaces;
    int count = 0, failed;

    if (getifaddrs(&interfaces) == -1)
        return 0;
    for (struct ifaddrs *i = interfaces; i != NULL; i = i->ifa_next)
        if (can_broadcast(i)) {
            if ((failed = send_through(self, i, data, size)) != 0)
                *failure = failed;
            count++;
        }
    freeifaddrs(interfaces);
    return count;
}

void udplib_send(udplib *self, const void *data, size_t size)
{
    bool all_networks = self->to.sin_addr.s_addr == INADDR_BROADCAST;
    int count = 0, failure = 0;

    if (all_networks)
        count = send_through_each(self, data, size, &failure);
    /* One network, or no interface: then the kernel says why it fails. */
    if (count == 0
        && sendto(self->handle, data, size, MSG_DONTWAIT,
                  (struct sockaddr *) &self->to, sizeof self->to)
               == -1)
        failure = errno;
    if (failure != self->failure && failure == 0)
        fprintf(stderr, "W: broadcast works again\n");
    else if (failure != self->failure)
        fprintf(stderr, "W: broadcast: %s\n", strerror(failure));
    self->failure = failure;
}

ssize_t udplib_recv(udplib *self, void *data, size_t room,
                    char from[UDPLIB_FROM])
{
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    char address[INET_ADDRSTRLEN] = "";
    ssize_t size = recvfrom(self->handle, data, room, MSG_DONTWAIT,
                            (struct sockaddr *) &peer, &length);

    if (size != -1) {
        inet_ntop(AF_INET, &peer.sin_addr, address, sizeof address);
        snprintf(from, UDPLIB_FROM, "%s:%d", address, ntohs(peer.sin_port));
    }
    return size;
}
