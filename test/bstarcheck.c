/* SPDX-License-Identifier: 0BSD */
/* bstarcheck.c - explores every state that a Binary Star pair can reach.
 *
 *     client --> primary === a link that delays and loses === backup <-- client
 *
 * The model has two machines of bstarfsm.h, the messages between the two, and a
 * clock that counts quarter intervals. In each step one thing happens: a
 * heartbeat is due, a message arrives or is lost, a client asks, a half
 * freezes, continues, is killed or starts, or a quarter passes. The program
 * explores all steps from all states, breadth first, so that a counterexample
 * is short. Times are stored relative to the present, so the number of states
 * is finite.
 *
 * As in the programs, a half reads a message that has arrived before it reads a
 * request. A killed half loses its messages; a frozen one reads them later, and
 * of those that have waited only the last of each kind. A half does not freeze
 * between the arrival of a message and its reading. Within a quarter the steps
 * of the primary come before those of the backup.
 *
 * Invariants:
 *   1. Both halves serve at the same time for at most -m quarters, counted from
 *      the last lost message.
 *   2. From every state: if no fault happens and clients ask both halves in
 *      each quarter, then exactly one half serves at most -e quarters later,
 *      and always after that. (None, if only a backup is up that has never seen
 *      its primary.)
 *   3. There is no state from which the pair cannot recover: 2 from all states.
 *
 * If an invariant does not hold, the program prints a counterexample and ends
 * with exit status 1.
 */
#include "bstarfsm.h"
#include "zg.h"

static const char usage[] =
    "bstarcheck [-n COUNT] [-t N] [-m N] [-e N] [-a] [-k] [-l] [-r]\n"
    "Explores all states of a Binary Star pair and checks its invariants.\n"
    "  -n COUNT  steps from the start, 0: all (0)\n"
    "  -t N      delay of a message in quarters, at most 4 (1)\n"
    "  -m N      quarters for which both halves may serve (6)\n"
    "  -e N      quarters until exactly one half serves (10)\n"
    "  -a        all faults: both halves may be down at the same time\n"
    "  -k        no half is killed\n"
    "  -l        the link loses no message\n"
    "  -r        a message may overtake another\n"
    "Peers: none; a tool of the tests\n";

enum {
    QUARTER = 10, /* ms */
    INTERVAL = 4 * QUARTER,
    NOW = 1000,
    SLOTS = 6, /* messages on the way in one direction; one more is lost */
    MAX_BOTH = 63,
    MAX_MOVES = 40,
    NEVER = 100, /* quarters; a pair that has not recovered never will */
};

enum { DEAD, UP, FROZEN };

/* A half; its deadlines in quarters from now, rounded up. */
struct node {
    unsigned state : 4, has_seen_primary : 4, mode : 4;
    unsigned peer_expiry : 4, lease : 4, settled : 4, heartbeat : 4, unused : 4;
};

/* Messages on the way to a node, in the order in which they were sent, 5 bits
 * each, the oldest lowest: 4 * age in quarters + state. 0 is no message. */
typedef uint32_t messages;

struct world {
    struct node node[2]; /* the primary, the backup */
    messages to[2];
    uint16_t turn; /* the node whose steps come now */
    uint16_t both; /* quarters for which both have served, until now */
};

enum kind { TICK, TURN, BEAT, ASK, DELIVER, LOSE, FREEZE, THAW, KILL, START };

struct move {
    enum kind kind;
    int node, state;
    struct world after;
};

/* All states that were reached, in that order; a hash table of their numbers,
 * counted from 1; the state that each was reached from. In `calm_parents`, the
 * same for the exploration without faults. */
static struct world *worlds;
static uint32_t *table, *parents, *calm_parents;
static size_t count, room, table_size;

static struct move moves[MAX_MOVES]; /* what can happen next */
static int move_count;

static unsigned max_delay;
static bool kills, loses, reorders, all_faults;

/* ---- A step of the pair -------------------------------------------------- */

/* Return a half as the machine needs it. */
static struct bstarfsm load(const struct node *node, int role)
{
    return (struct bstarfsm){
        .interval = INTERVAL,
        .role = role,
        .state = (int) node->state,
        .has_seen_primary = node->has_seen_primary,
        .peer_expiry = NOW + node->peer_expiry * QUARTER,
        .lease = NOW + node->lease * QUARTER,
        .settled_at = NOW + node->settled * QUARTER,
    };
}

/* Return the quarters from now to a deadline, rounded up. */
static unsigned quarters(int64_t deadline)
{
    int64_t left =
        deadline <= NOW ? 0 : (deadline - NOW + QUARTER - 1) / QUARTER;

    return left > 15 ? 15 : (unsigned) left;
}

static void store(struct node *node, const struct bstarfsm *half)
{
    node->state = (unsigned) half->state & 7;
    node->has_seen_primary = half->has_seen_primary;
    if (half->has_seen_primary
        && half->state != ACTIVE) /* otherwise it has no effect */
        node->peer_expiry = quarters(half->peer_expiry) & 15;
    else
        node->peer_expiry = 0;
    node->lease = quarters(half->lease) & 15;
    node->settled = quarters(half->settled_at) & 15;
}

static bool serves(const struct world *world, int i)
{
    struct bstarfsm half = load(&world->node[i], i + 1);

    return world->node[i].mode == UP && bstarfsm_serves(&half, NOW);
}

/* Return the n-th message of a queue, or 0. */
static unsigned get(messages queue, int n)
{
    return queue >> (5 * n) & 31;
}

static messages remove_message(messages queue, int n)
{
    messages below = (1u << (5 * n)) - 1;

    return (queue & below) | (queue >> 5 & ~below);
}

/* Append a message. The same one twice at the same time is as good as once. */
static messages append(messages queue, unsigned state)
{
    int n = 0;

    while (n < SLOTS && get(queue, n) != 0)
        n++;
    if (n > 0 && get(queue, n - 1) == state)
        return queue;
    if (n == SLOTS)
        queue = remove_message(queue, --n);
    return queue | state << (5 * n);
}

/* Let the messages grow older, up to the longest delay. Of those that have
 * arrived and wait for a frozen half, keep the last of each kind. */
static messages grow_older(messages queue)
{
    messages older = 0;
    int m = 0;

    for (int n = 0; n < SLOTS && get(queue, n) != 0; n++) {
        unsigned message = get(queue, n);
        if ((message - 1) / 4 < max_delay)
            message += 4;
        for (int old = 0; old < m; old++)
            if (get(older, old) == message) {
                older = remove_message(older, old);
                m--;
            }
        older |= message << (5 * m++);
    }
    return older;
}

static bool has_overdue(messages queue)
{
    return queue != 0 && (get(queue, 0) - 1) / 4 >= max_delay;
}

/* Let a half take a step. If it publishes, the message is on its way. */
static void step(struct world *world, int i, int event)
{
    struct bstarfsm before = load(&world->node[i], i + 1);
    struct bstarfsm half = bstarfsm_step(before, event, NOW);

    if (bstarfsm_must_publish(&before, &half) && world->node[!i].mode != DEAD)
        world->to[!i] = append(world->to[!i], (unsigned) half.state);
    store(&world->node[i], &half);
}

/* Handle an event as the programs do. */
static void handle(struct world *world, int i, int event)
{
    struct bstarfsm half = load(&world->node[i], i + 1);

    if (bstarfsm_lease_expired(&half, NOW))
        step(world, i, LEASE_EXPIRED);
    step(world, i, event);
}

/* ---- What can happen next ------------------------------------------------ */

/* Add a move to moves[]. Return its result, which the caller completes. */
static struct world *add_move(const struct world *world, enum kind kind, int i)
{
    struct move *move = &moves[move_count++];

    *move = (struct move){ kind, i, 0, *world };
    return &move->after;
}

static unsigned less(unsigned left)
{
    return left > 0 ? left - 1 : 0;
}

/* Let a quarter pass. The oldest messages to a frozen half wait. */
static void tick(struct world *world)
{
    bool both = serves(world, 0) && serves(world, 1);

    if (!both)
        world->both = 0;
    else if (world->both < MAX_BOTH)
        world->both++;
    for (int i = 0; i < 2; i++) {
        struct node *node = &world->node[i];
        world->to[i] = grow_older(world->to[i]);
        node->peer_expiry = less(node->peer_expiry) & 15;
        node->lease = less(node->lease) & 15;
        node->settled = less(node->settled) & 15;
        node->heartbeat = less(node->heartbeat) & 15;
    }
}

/* Return true if the half has been frozen for longer than its lease. */
static bool overslept(const struct node *node)
{
    return node->mode == FROZEN && node->lease == 0;
}

/* Let messages arrive at node i, and lose messages that it has just sent. The
 * link to a half that is frozen for long may lose messages even with -l. */
static void add_messages(const struct world *world, int i, bool faults)
{
    struct world *next;
    unsigned message;

    for (int n = 0; n < SLOTS; n++) {
        message = get(world->to[i], n);
        if (message != 0 && world->node[i].mode == UP && (n == 0 || reorders)) {
            next = add_move(world, DELIVER, i);
            moves[move_count - 1].state = (int) (message - 1) % 4 + 1;
            next->to[i] = remove_message(world->to[i], n);
            handle(next, i, moves[move_count - 1].state);
        }
        message = get(world->to[!i], n);
        if (faults && message >= 1 && message <= 4
            && (loses || overslept(&world->node[!i]))) {
            next = add_move(world, LOSE, !i);
            moves[move_count - 1].state = (int) message;
            next->to[!i] = remove_message(world->to[!i], n);
            if (!overslept(&world->node[!i]))
                next->both = 0;
        }
    }
}

static void start_node(struct world *world, int i)
{
    struct bstarfsm half = bstarfsm_start(i + 1, INTERVAL);

    memset(&world->node[i], 0, sizeof world->node[i]);
    store(&world->node[i], &half);
    world->node[i].mode = UP;
}

static void add_faults(const struct world *world, int i)
{
    unsigned mode = world->node[i].mode;
    struct world *next;

    if (mode == DEAD) {
        start_node(add_move(world, START, i), i);
        return;
    }
    if (mode == UP && world->node[!i].mode != UP && !all_faults)
        return;
    if (kills) {
        next = add_move(world, KILL, i);
        memset(&next->node[i], 0, sizeof next->node[i]);
        next->to[i] = 0;
    }
    if (mode == UP && has_overdue(world->to[i]))
        return; /* it freezes before the message arrives, or has read it */
    next = add_move(world, mode == UP ? FREEZE : THAW, i);
    next->node[i].mode = (mode == UP ? FROZEN : UP) & 15;
}

/* Fill moves[] with all that can happen now. Without faults, clients ask both
 * halves before a quarter passes. */
static void find_moves(const struct world *world, bool faults)
{
    int i = (int) world->turn;
    bool is_up = world->node[i].mode == UP;
    struct world *next;

    move_count = 0;
    if (is_up && world->node[i].heartbeat == 0) {
        next = add_move(world, BEAT, i);
        handle(next, i, HEARTBEAT);
        next->node[i].heartbeat = 4;
    }
    if (is_up && !has_overdue(world->to[i]) && faults)
        handle(add_move(world, ASK, i), i, CLIENT_REQUEST);
    add_messages(world, i, faults);
    if (faults)
        add_faults(world, i);
    if (is_up && (world->node[i].heartbeat == 0 || has_overdue(world->to[i])))
        return;
    next = add_move(world, i == 1 ? TICK : TURN, i);
    if (is_up && !faults)
        handle(next, i, CLIENT_REQUEST);
    if (i == 1)
        tick(next);
    next->turn = !i;
}

/* ---- The set of states --------------------------------------------------- */

static uint64_t hash(const struct world *world)
{
    uint32_t words[sizeof *world / 4];
    uint64_t h = 0;

    memcpy(words, world, sizeof words);
    for (size_t i = 0; i < sizeof words / 4; i++) {
        h = (h ^ words[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
}

/* Resize an array, or end the program. */
static void *grow(void *array, size_t n, size_t size)
{
    void *grown = realloc(array, n * size);

    if (grown == NULL)
        zg_die("realloc");
    return grown;
}

/* Return the place of a state in the table: there, or free. */
static uint32_t *find(const struct world *world)
{
    size_t at = hash(world) & (table_size - 1);

    while (table[at] != 0
           && memcmp(&worlds[table[at] - 1], world, sizeof *world) != 0)
        at = (at + 1) & (table_size - 1);
    return &table[at];
}

/* Double the size of the arrays, and fill the new hash table. */
static void make_room(void)
{
    room = room == 0 ? 1 << 16 : 2 * room;
    worlds = grow(worlds, room, sizeof *worlds);
    parents = grow(parents, room, sizeof *parents);
    table_size = 2 * room;
    free(table);
    table = calloc(table_size, sizeof *table);
    if (table == NULL)
        zg_die("calloc");
    for (size_t i = 0; i < count; i++)
        *find(&worlds[i]) = (uint32_t) i + 1;
}

/* Return false if the state was known. */
static bool add_world(const struct world *world, size_t parent)
{
    if (count == room)
        make_room();
    uint32_t *place = find(world);
    if (*place != 0)
        return false;
    worlds[count] = *world;
    parents[count++] = (uint32_t) parent;
    *place = (uint32_t) count;
    return true;
}

/* ---- Counterexamples ----------------------------------------------------- */

static void print_state(const struct world *world, int i)
{
    const struct node *node = &world->node[i];
    char text[40];

    if (node->mode == DEAD)
        snprintf(text, sizeof text, "dead");
    else
        snprintf(text, sizeof text, "%s%s", bstarfsm_state_name[node->state],
                 node->mode == FROZEN ? ", frozen"
                 : serves(world, i)   ? ", serves"
                                      : "");
    printf("  %-15s", text);
}

static void print_move(int ticks, const struct move *move)
{
    static const char *const text[] = {
        [BEAT] = "heartbeat", [ASK] = "a client asks", [DELIVER] = "receives",
        [LOSE] = "loses",     [FREEZE] = "freezes",    [THAW] = "continues",
        [KILL] = "is killed", [START] = "starts",
    };
    static const char *const who[] = { "primary", "backup" };
    char line[80];

    if (move->kind == TURN || move->kind == TICK)
        return;
    snprintf(line, sizeof line, "%s: %s %s", who[move->node], text[move->kind],
             bstarfsm_state_name[move->state]);
    printf("%6.2f  %-30s", ticks / 4.0, line);
    print_state(&move->after, 0);
    print_state(&move->after, 1);
    puts("");
}

/* Print the step from one state to the next. Return 1 if a quarter passed. */
static int print_step(int ticks, size_t from, size_t to)
{
    for (int faults = 1; faults >= 0; faults--) {
        find_moves(&worlds[from], faults);
        for (int i = 0; i < move_count; i++)
            if (memcmp(&moves[i].after, &worlds[to], sizeof *worlds) == 0) {
                print_move(ticks, &moves[i]);
                return moves[i].kind == TICK;
            }
    }
    return 0;
}

/* Print the steps to a state: from the start with faults, and if it is a state
 * that `calm` quarters without faults lead to, those. */
static void print_path(size_t end, int calm)
{
    uint32_t *path = grow(NULL, count + 100 * NEVER, sizeof *path);
    size_t length = 0, first_calm;
    int ticks = 0;

    /* Each state without faults has such a parent, also in a cycle. */
    path[length++] = (uint32_t) end;
    for (; calm > 0; path[length++] = (uint32_t) end) {
        calm -= worlds[end].turn == 0 && worlds[calm_parents[end]].turn == 1;
        end = calm_parents[end];
    }
    for (first_calm = length; end != 0; path[length++] = (uint32_t) end)
        end = parents[end];
    printf("  time  event                           primary          backup\n"
           "        (time in intervals)\n");
    for (size_t n = length - 1; n > 0; n--) {
        if (n == first_calm - 1)
            printf("%6.2f  no faults; clients ask both in each quarter\n",
                   ticks / 4.0);
        ticks += print_step(ticks, path[n], path[n - 1]);
    }
    printf("%6.2f  %-30s", ticks / 4.0, "");
    print_state(&worlds[path[0]], 0);
    print_state(&worlds[path[0]], 1);
    puts("");
    free(path);
}

/* ---- Exploration --------------------------------------------------------- */

/* Return 0 if not both serve now, else 1 for each quarter that has begun. */
static unsigned time_of_both(const struct world *world)
{
    return serves(world, 0) && serves(world, 1) ? world->both + 1u : 0;
}

/* Explore up to `limit` steps from the start; then, without faults, all that
 * follows. Return false if both halves serve for too long. */
static bool explore(long limit, unsigned max_both)
{
    long depth = 0;
    bool faults = true;
    unsigned longest = 0;

    for (size_t at = 0, end; at < count; depth++) {
        faults = limit == 0 || depth < limit;
        for (end = count; at < end; at++) {
            struct world world = worlds[at];
            find_moves(&world, faults);
            for (int i = 0; i < move_count; i++) {
                if (!add_world(&moves[i].after, at))
                    continue;
                if (time_of_both(&moves[i].after) > longest)
                    longest = time_of_both(&moves[i].after);
                if (longest > max_both) {
                    printf("E: both halves serve for %u quarters\n", longest);
                    print_path(count - 1, 0);
                    return false;
                }
            }
        }
    }
    printf("I: %zu states, the last one after %ld steps\n"
           "I: both halves serve for at most %u quarters\n",
           count, depth, longest);
    return true;
}

/* Exactly one half has to serve, if one is up that may serve. */
static bool is_wrong(const struct world *world)
{
    bool may_serve = false;

    for (int i = 0; i < 2; i++)
        if (world->node[i].mode == UP && world->node[i].has_seen_primary)
            may_serve = true;
    return serves(world, 0) + serves(world, 1) != may_serve;
}

/* Let quarters without faults pass, from all states at the same time: fewer and
 * fewer states are left, at last only those of a pair that has recovered.
 * Return false if a state in which not exactly one half serves is left for too
 * long. */
static bool recover(int limit)
{
    uint32_t *now = grow(NULL, count, sizeof *now);
    uint32_t *later = grow(NULL, count, sizeof *later);
    uint8_t *reached[2]; /* in which quarter: even ones, odd ones */
    size_t left = count, wrong = 0;
    int last = 0;

    for (int i = 0; i < 2; i++)
        if ((reached[i] = calloc(count, 1)) == NULL)
            zg_die("calloc");
    calm_parents = grow(NULL, count, sizeof *calm_parents);
    for (size_t i = 0; i < count; i++)
        now[i] = (uint32_t) i;
    for (int quarter = 0; quarter < NEVER; quarter++) {
        size_t next_count = 0;
        for (size_t i = 0; i < left; i++) {
            uint32_t from = now[i];
            if (is_wrong(&worlds[from])) {
                last = quarter;
                wrong = from;
            }
            find_moves(&worlds[from], false);
            for (int m = 0; m < move_count; m++) {
                bool passes = moves[m].kind == TICK;
                uint32_t to = *find(&moves[m].after) - 1;
                uint8_t *known = &reached[(quarter + passes) % 2][to];
                if (*known == quarter + passes)
                    continue; /* in quarter 0 that is every state */
                *known = (uint8_t) (quarter + passes);
                calm_parents[to] = from;
                if (passes)
                    later[next_count++] = to;
                else
                    now[left++] = to;
            }
        }
        uint32_t *swap = now;
        now = later;
        later = swap;
        left = next_count;
    }
    free(now);
    free(later);
    free(reached[0]);
    free(reached[1]);
    if (last >= limit) {
        printf("E: %d quarters after the last fault not exactly one serves\n",
               last);
        print_path(wrong, limit);
        return false;
    }
    printf("I: exactly one half serves %d quarters after the last fault\n",
           last + 1);
    return true;
}

int main(int argc, char *argv[])
{
    struct world start = { 0 }; /* both are dead */

    zg_args(argc, argv, usage);
    max_delay = (unsigned) zg_number('t');
    kills = zg_value['k'] == NULL;
    loses = zg_value['l'] == NULL;
    reorders = zg_value['r'] != NULL;
    all_faults = zg_value['a'] != NULL;
    if (max_delay > 4)
        zg_usage_error();
    add_world(&start, 0);
    bool holds = explore(zg_number('n'), (unsigned) zg_number('m'))
                 && recover((int) zg_number('e') + 1);
    free(worlds);
    free(table);
    free(parents);
    free(calm_parents);
    return holds ? EXIT_SUCCESS : EXIT_FAILURE;
}
