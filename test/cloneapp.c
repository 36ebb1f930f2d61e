/* SPDX-License-Identifier: 0BSD */
/* cloneapp SERVER... - an application of the clone class, told what to do by
 * the lines that it reads: set KEY VALUE [TTL], get KEY, sync MS, wait KEY,
 * blob KEY SIZE, gone KEY, many N SIZE, subtree DIR, connect SERVER, end. Each
 * has a line for an answer. */
#include "clone.h"

static const char *answer(bool done)
{
    return done ? "done" : zmq_strerror(errno);
}

/* A value of that size, with every byte there is, of which a get tells all. */
static void blob(struct clone *table, const char *key, size_t size)
{
    char *value = malloc(size + 1), *got;
    size_t length = 0;

    for (size_t i = 0; i < size; i++)
        value[i] = (char) i;
    bool done = clone_set(table, key, strlen(key), value, size, 0)
                && clone_sync(table, 10000);
    printf("blob %s: %s\n", key, answer(done));
    got = clone_get(table, key, strlen(key), &length);
    printf("same %s: %s\n", key,
           got != NULL && length == size && memcmp(got, value, size) == 0
               ? "yes"
               : "no");
    free(got);
    free(value);
}

static void get(struct clone *table, const char *key)
{
    char *value = clone_get(table, key, strlen(key), NULL);
    const char *none = errno == ENOENT ? "(nothing)" : zmq_strerror(errno);

    printf("get %s: %s\n", key, value != NULL ? value : none);
    free(value);
}

/* Until the key has a value */
static void await(struct clone *table, const char *key)
{
    char *value;

    while ((value = clone_get(table, key, strlen(key), NULL)) == NULL
           && errno != ETERM)
        usleep(20000);
    printf("wait %s: %s\n", key, value != NULL ? value : "(stopped)");
    free(value);
}

/* Until the key has none */
static void await_end(struct clone *table, const char *key)
{
    char *value;

    while ((value = clone_get(table, key, strlen(key), NULL)) != NULL) {
        free(value);
        usleep(20000);
    }
    printf("gone %s\n", key);
}

/* Set `count` keys to values of this size, or less if one fails. */
static void many(struct clone *table, long count, size_t size)
{
    char key[40], *value = calloc(1, size);
    long i = 0;

    do
        snprintf(key, sizeof key, "/many/%ld", i);
    while (clone_set(table, key, strlen(key), value, size, 0) && ++i < count);
    printf("many: %ld, %s\n", i, answer(i == count));
    free(value);
}

static void obey(struct clone *table, char *line)
{
    char word[20] = "", key[600] = "", value[600] = "";
    long ttl = 0;

    sscanf(line, "%19s %599s %599s %ld", word, key, value, &ttl);
    if (strcmp(word, "set") == 0)
        printf("set %s: %s\n", key,
               answer(clone_set(table, key, strlen(key), value, strlen(value),
                                ttl)));
    else if (strcmp(word, "get") == 0)
        get(table, key);
    else if (strcmp(word, "wait") == 0)
        await(table, key);
    else if (strcmp(word, "gone") == 0)
        await_end(table, key);
    else if (strcmp(word, "many") == 0)
        many(table, atol(key), (size_t) atol(value));
    else if (strcmp(word, "blob") == 0)
        blob(table, key, (size_t) atol(value));
    else if (strcmp(word, "sync") == 0)
        printf("sync: %s\n", answer(clone_sync(table, atol(key))));
    else if (strcmp(word, "subtree") == 0)
        printf("subtree: %s\n", answer(clone_subtree(table, key)));
    else if (strcmp(word, "connect") == 0)
        printf("connect: %s\n", answer(clone_connect(table, key)));
}

int main(int argc, char *argv[])
{
    void *ctx = zg_start();
    struct clone *table = clone_new(ctx, 1500);
    char line[2000];

    for (int i = 1; i < argc; i++)
        clone_connect(table, argv[i]);
    printf("I: ready\n");
    while (fgets(line, sizeof line, stdin) != NULL && strncmp(line, "end", 3))
        obey(table, line);
    clone_report(table);
    clone_destroy(&table);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
