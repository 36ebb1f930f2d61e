/* SPDX-License-Identifier: 0BSD */
/* zmtp.h - the part of ZMTP 3.0 that many peers on one thread need.
 *
 * A benchmark measures the program in the middle, so both ends must be cheap:
 * plain sockets, frames that are made once and written many at a time.
 *
 * Specification: https://rfc.zeromq.org/spec/23/
 */
#pragma once
#include "zg.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { ZMTP_MORE = 1, ZMTP_LONG = 2, ZMTP_COMMAND = 4 };

/* tcp://127.0.0.1:5555 or ipc://name */
static inline int zmtp_open(const char *endpoint)
{
    struct sockaddr_in tcp = { .sin_family = AF_INET };
    struct sockaddr_un ipc = { .sun_family = AF_UNIX };
    bool is_ipc = strncmp(endpoint, "ipc://", 6) == 0;
    int fd = socket(is_ipc ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    struct sockaddr *to = (struct sockaddr *) &tcp;
    socklen_t size = sizeof tcp;

    if (is_ipc) {
        snprintf(ipc.sun_path, sizeof ipc.sun_path, "%s", endpoint + 6);
        to = (struct sockaddr *) &ipc;
        size = sizeof ipc;
    } else {
        tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        tcp.sin_port = htons((uint16_t) atoi(strrchr(endpoint, ':') + 1));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    }
    if (fd == -1 || connect(fd, to, size) == -1)
        zg_die(endpoint);
    return fd;
}

static inline void zmtp_write(int fd, const void *data, size_t size)
{
    const char *byte = data;
    ssize_t n;

    for (; size > 0; byte += n, size -= (size_t) n)
        if ((n = write(fd, byte, size)) == -1)
            zg_die("write to the program that is measured");
}

static inline void zmtp_read(int fd, void *data, size_t size)
{
    if (recv(fd, data, size, MSG_WAITALL) != (ssize_t) size)
        zg_die("handshake");
}

/* Exchange greetings and the types of both sockets. */
static inline int zmtp_connect(const char *endpoint, const char *type)
{
    unsigned char greeting[64] = { [0] = 0xFF, [9] = 0x7F, [10] = 3 };
    unsigned char ready[64] = "\004?\005READY\013Socket-Type\0\0\0", head[2];
    int fd = zmtp_open(endpoint), size = (int) strlen(type);

    memcpy(greeting + 12, "NULL", 4);
    ready[23] = (unsigned char) size;
    memcpy(ready + 24, type, (size_t) size);
    ready[1] = (unsigned char) (22 + size);
    zmtp_write(fd, greeting, sizeof greeting);
    zmtp_write(fd, ready, (size_t) (24 + size));
    zmtp_read(fd, greeting, sizeof greeting);
    zmtp_read(fd, head, sizeof head);
    zmtp_read(fd, greeting, head[1] < sizeof greeting ? head[1] : 0);
    return fd;
}

/* Encode "frame|frame|frame". "#" becomes the number, "@" eight zero bytes. The
 * last frame is padded to `fill` bytes. Return the size. */
static inline size_t zmtp_encode(char *out, const char *text, long number,
                                 size_t fill)
{
    char *at = out, *frame;

    for (bool more = true; more; text++) {
        frame = at;
        for (at += 9; *text != '\0' && *text != '|'; text++)
            at += *text == '#'   ? sprintf(at, "%ld", number)
                  : *text == '@' ? (memset(at, 0, 8), 8)
                                 : (*at = *text, 1);
        more = *text == '|';
        while (!more && (size_t) (at - frame) < fill + 9)
            *at++ = '.';
        uint64_t size = (uint64_t) (at - frame) - 9;
        frame[0] =
            (char) ((more ? ZMTP_MORE : 0) | (size > 255 ? ZMTP_LONG : 0));
        for (int i = 0; i < 8; i++)
            frame[1 + i] = (char) (size >> (56 - 8 * i));
        if (size <= 255) {
            frame[1] = (char) size;
            memmove(frame + 2, frame + 9, size);
            at = frame + 2 + size;
        }
    }
    return (size_t) (at - out);
}

/* Return the body of the frame at this position of the buffer, or NULL if its
 * header is incomplete. The body may be incomplete too. */
static inline const char *zmtp_frame(const char *at, const char *end,
                                     size_t *size)
{
    const unsigned char *byte = (const unsigned char *) at;
    int head = end - at < 1 ? 9 : *at & ZMTP_LONG ? 9 : 2;

    if (end - at < head)
        return NULL;
    *size = head == 2 ? byte[1] : 0;
    for (int i = 1; head == 9 && i < 9; i++)
        *size = *size << 8 | byte[i];
    return at + head;
}

static inline double zmtp_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}
