/* The order in which operations run, within what streams and events allow: the test's choice.
 *
 *   eager      at once
 *   lazy       when a synchronisation needs them; a poll brings what it asks for one step further
 *   greedy     at a synchronisation or a poll, first all other streams, as far as they can go
 *   adversary  likewise at a synchronisation; but what is polled completes, and nothing else moves
 *   random     by a seed: how long nothing runs unless it must, and which streams are favoured for a while */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"eager", "lazy", "greedy", "adversary", "random"};
static enum { EAGER, LAZY, GREEDY, ADVERSARY, RANDOM } schedule = EAGER;
static uint64_t ran;
static uint64_t seed, favour;  /* of RANDOM: who is favoured is a hash of this and the stream */
static uint32_t patience;      /* of RANDOM: how many operations are issued for one time that some run */

static uint64_t mix(uint64_t z) { /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint32_t random_below(uint32_t limit) { return (uint32_t)(mix(seed += 0x9E3779B97F4A7C15u) % limit); }

int set_schedule(const char *name, uint64_t new_seed) {
    for (int i = EAGER; i <= RANDOM; i++) {
        if (strcmp(name, names[i])) continue;
        schedule = i;
        seed = new_seed;
        patience = 1u << random_below(5);
        favour = seed;
        if (schedule == EAGER) run_all();
        return 1;
    }
    return 0;
}

static Op *blocker(Op *op) { /* what has to run before, or NULL */
    if (op->stream->first != op) return op->stream->first;
    while (op->after_count && op->after[op->after_count - 1]->ran) drop(op->after[--op->after_count]);
    return op->after_count ? op->after[op->after_count - 1] : NULL;
}

static void call_host_function(Op *op) {
    unlock();
    self.in_callback = 1;
    if (op->host_function) op->host_function(op->argument);
    else op->callback(op->handle, cudaSuccess, op->argument);
    self.in_callback = 0;
    lock();
}

static void run(Op *op) {
    op->running = 1;
    if (op->action == CALL) call_host_function(op);
    else run_effect(op);
    op->ran = ++ran;
    Stream *stream = op->stream;
    stream->first = op->next;
    if (!op->next) stream->last = NULL;
    drop(op);
    announce_change();
}

static int step_towards(Op *op) { /* 0: a host function that runs on another thread has to end first */
    for (Op *before; (before = blocker(op));) op = before;
    if (op->running) return 0;
    run(op);
    return 1;
}

void force(Op *op) {
    hold(op);
    while (!op->ran)
        if (!step_towards(op)) wait_for_change();
    drop(op);
}

static int can_run(const Stream *stream) { return stream->first && !stream->first->running && !blocker(stream->first); }

static void all_but(const Stream *last) { /* every other stream, until each needs the last one */
    for (int moved = 1; moved;) {
        moved = 0;
        for (Stream *stream = streams; stream; stream = stream->next)
            for (; stream != last && can_run(stream); moved = 1) run(stream->first);
    }
}

static int random_step(void) {
    Stream *chosen = NULL;
    if (!random_below(8)) favour = seed;
    for (Stream *stream = streams; stream; stream = stream->next)
        if (can_run(stream) && (!chosen || mix(favour + stream->component) > mix(favour + chosen->component)))
            chosen = stream;
    if (chosen) run(chosen->first);
    return chosen != NULL;
}

static void random_steps(uint32_t most) {
    for (uint32_t n = random_below(most + 1); n && random_step(); n--) {}
}

/* Neither this nor poll() ever waits: whoever calls may hold what a host function on another thread waits for. */
void after_submit(Op *op) {
    if (schedule == EAGER)
        while (!op->ran && step_towards(op)) {}
    else if (schedule == RANDOM && !random_below(patience)) random_steps(4);
}

void synchronise(Op *op) {
    hold(op);
    if (schedule == GREEDY || schedule == ADVERSARY) all_but(op->stream);
    else if (schedule == RANDOM)
        while (!op->ran && random_step()) {}
    force(op);
    drop(op);
}

void poll(Op *op) {
    hold(op);
    if (schedule == GREEDY) all_but(op->stream);
    else if (schedule == ADVERSARY)
        while (!op->ran && step_towards(op)) {}
    else if (schedule == RANDOM) random_steps(3);
    if (!op->ran && (schedule != RANDOM || random_below(2))) step_towards(op);
    drop(op);
}

void synchronise_stream(Stream *stream) {
    Clock seen = {0};
    clock_join(&seen, &stream->clock);
    if (stream->last) synchronise(stream->last);
    clock_join(&host, &seen);
    clock_clear(&seen);
}

void synchronise_device(int device) {
    for (Stream *stream = streams; stream; stream = stream->next)
        if (stream->device == device) synchronise_stream(stream);
}

void run_all(void) {
    for (Stream *stream = streams; stream; stream = stream->next)
        while (stream->last) force(stream->last);
}
