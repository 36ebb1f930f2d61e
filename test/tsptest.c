/* SPDX-License-Identifier: 0BSD */
/* tsptest.c - damages a log of Titanic in every place, to test tsplog.
 *
 * The program writes a log of seven records. It flips one bit of the log, or
 * cuts the log after a byte, lets a new process open the result, and compares
 * what the process finds with the undamaged records; then it does so for the
 * next bit or byte. tsplog has one log per process, hence the processes.
 */
#include "tsplog.h"

#include <sys/stat.h>
#include <sys/wait.h>

static const char usage[] =
    "tsptest [-n COUNT] [WHAT [DIR]]\n"
    "Damages a log of Titanic in every place, to test tsplog.\n"
    "  -n COUNT  flip only each COUNTth bit (1)\n"
    "  WHAT      flip bits, or cut after each byte (flip)\n"
    "  DIR       a directory that does not exist yet (store)\n";

/* The records of the log, and which request each is about. */
enum { REQUEST, REPLY, CLOSE, RECORDS = 7, REQUESTS = 4 };
static const struct {
    int kind, request;
} records[RECORDS] = { { REQUEST, 0 }, { REQUEST, 1 }, { REPLY, 0 },
                       { REQUEST, 2 }, { CLOSE, 1 },   { REQUEST, 3 },
                       { REPLY, 3 } };

/* The state of a request. */
enum { NOTHING, A_REQUEST, A_REPLY };

static const char *dir;
static char uuids[REQUESTS][TSP_UUID + 1];
static char log_name[256], damaged_name[256], err_name[256];
static unsigned char bytes[1 << 16];
static size_t size;

static _Noreturn void fail(const char *what, size_t where)
{
    fprintf(stderr, "tsptest: %s at %zu\n", what, where);
    exit(EXIT_FAILURE);
}

/* [echo][][body]: the body depends on the request and on the kind of record. */
static void make_body(zg_msg *msg, int request, int kind)
{
    char text[200];

    memset(text, 'a' + request * 2 + kind, sizeof text);
    zg_clear(msg);
    zg_insert(msg, 0, "echo", 4);
    zg_insert(msg, 1, "", 0);
    zg_insert(msg, 2, text, (size_t) (10 + 50 * request));
}

static void ignore(tsp_entry *entry, zg_msg *request)
{
    (void) entry;
    (void) request;
}

static void write_log(void)
{
    zg_msg msg = { 0 };
    tsp_entry *entry;

    tsplog_open(dir, ignore);
    for (int i = 0; i < RECORDS; i++) {
        char *uuid = uuids[records[i].request];
        make_body(&msg, records[i].request, records[i].kind);
        if (records[i].kind == REQUEST) {
            if ((entry = tsplog_append_request(&msg)) == NULL)
                fail("append", 0);
            strcpy(uuid, entry->uuid);
        } else if (records[i].kind == REPLY) {
            tsplog_append_reply(tsplog_find(uuid), &msg);
        } else {
            tsplog_append_close(tsplog_find(uuid));
        }
    }
    tsplog_sync();
    zg_clear(&msg);
}

/* Open the log, and compare it with all records but this one. */
static void check_log(int without, size_t where)
{
    int expected[REQUESTS] = { NOTHING };
    zg_msg body = { 0 }, found = { 0 };
    tsp_entry *entry;

    for (int i = 0; i < RECORDS; i++)
        if (i != without)
            expected[records[i].request] = records[i].kind == REQUEST
                                               ? A_REQUEST
                                           : records[i].kind == REPLY ? A_REPLY
                                                                      : NOTHING;
    tsplog_open(dir, ignore);
    for (int i = 0; i < REQUESTS; i++) {
        entry = tsplog_find(uuids[i]);
        if ((entry == NULL) != (expected[i] == NOTHING))
            fail(entry == NULL ? "a request is lost" : "a request is back",
                 where);
        if (entry == NULL)
            continue;
        if (entry->has_reply != (expected[i] == A_REPLY))
            fail("the state is wrong", where);
        make_body(&body, i, entry->has_reply ? REPLY : REQUEST);
        if (!tsplog_read(entry, &found) || found.count != body.count)
            fail("cannot read", where);
        for (int j = 0; j < body.count; j++)
            if (!zg_equal(&body.frame[j], &found.frame[j]))
                fail("the body is wrong", where);
    }
    zg_clear(&body);
    zg_clear(&found);
}

/* Write the log, let a new process open it, and return its messages. */
static char *open_log(size_t length, int without, size_t where)
{
    static char text[1000];
    FILE *file = fopen(log_name, "w");
    int status;

    if (file == NULL || fwrite(bytes, 1, length, file) != length
        || fclose(file) != 0)
        zg_die(log_name);
    unlink(damaged_name);
    if (fork() == 0) {
        if (freopen(err_name, "w", stderr) == NULL)
            exit(EXIT_FAILURE);
        check_log(without, where);
        exit(EXIT_SUCCESS);
    }
    wait(&status);
    if ((file = fopen(err_name, "r")) == NULL)
        zg_die(err_name);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    if (status != 0) {
        fputs(text, stderr);
        fail("a process failed", where);
    }
    return text;
}

static bool is_set_aside(size_t length)
{
    static unsigned char kept[sizeof bytes];
    FILE *file = fopen(damaged_name, "r");
    size_t n = file == NULL ? 0 : fread(kept, 1, sizeof kept, file);

    if (file != NULL)
        fclose(file);
    return n == length && memcmp(kept, bytes, n) == 0;
}

/* Return the end of the record that begins here: see struct header. */
static size_t end_of(size_t at)
{
    uint64_t body;

    memcpy(&body, bytes + at + 40, sizeof body);
    return at + 64 + (body + 62) / 63 * 64;
}

static void flip_each_bit(void)
{
    size_t at = 0, end, step = (size_t) zg_number('n');

    for (int i = 0; i < RECORDS; i++, at = end) {
        end = end_of(at);
        for (size_t bit = at * 8; bit < end * 8; bit += step) {
            bytes[bit / 8] ^= (unsigned char) (1 << bit % 8);
            if (strstr(open_log(size, i, bit), "W: titanic.log: ") == NULL)
                fail("damage is not reported", bit);
            if (!is_set_aside(size))
                fail("damage is not set aside", bit);
            bytes[bit / 8] ^= (unsigned char) (1 << bit % 8);
        }
    }
    printf("%zu bits, %d records\n", size * 8, RECORDS);
}

static void cut_after_each_byte(void)
{
    size_t at = 0;

    for (int i = 0; i < RECORDS - 1; i++)
        at = end_of(at);
    for (size_t length = at; length < size; length++) {
        char *text = open_log(length, RECORDS - 1, length);
        if ((strstr(text, "unfinished") != NULL) != (length > at))
            fail("the report is wrong", length);
        if (is_set_aside(length))
            fail("an unfinished record is set aside", length);
    }
    printf("%zu bytes\n", size - at);
}

int main(int argc, char *argv[])
{
    FILE *file;
    int status, fds[2];

    zg_args(argc, argv, usage);
    dir = zg_value[1];
    snprintf(log_name, sizeof log_name, "%s/titanic.log", dir);
    snprintf(damaged_name, sizeof damaged_name, "%s/damaged-1", dir);
    snprintf(err_name, sizeof err_name, "%s.err", dir);
    zg_must(pipe(fds));
    if (fork() == 0) {
        write_log();
        exit(write(fds[1], uuids, sizeof uuids) != sizeof uuids);
    }
    wait(&status);
    if (status != 0 || read(fds[0], uuids, sizeof uuids) != sizeof uuids)
        fail("cannot write the log", 0);
    if ((file = fopen(log_name, "r")) == NULL)
        zg_die(log_name);
    size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    if (strcmp(zg_value[0], "flip") == 0)
        flip_each_bit();
    else
        cut_after_each_byte();
    return EXIT_SUCCESS;
}
