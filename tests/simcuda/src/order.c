/* Happens-before. Every allocation knows who touched which of its bytes. Whoever touches them next, one of the two
 * writing, must come after that by its clock: if not, nothing but luck orders them, and that is a race. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_RACES = 1000 };
typedef struct Race {
    Access first, second;
    uintptr_t base;
    size_t size;
    int device;
    Kind kind;
} Race;
static Race races[MOST_RACES];
static int race_count;
static uint64_t race_total;

static int row_overlaps(uintptr_t start, size_t width, const Span *span) {
    uintptr_t end = start + width;
    if (end <= span->start) return 0;
    if (span->rows == 1) return start < span->start + span->width;
    for (size_t i = 0; i < span->rows; i++) {
        uintptr_t row = span->start + i * span->pitch;
        if (start < row + span->width && row < end) return 1;
    }
    return 0;
}

static int overlaps(const Span *a, const Span *b) {
    for (size_t i = 0; i < a->rows; i++)
        if (row_overlaps(a->start + i * a->pitch, a->width, b)) return 1;
    return 0;
}

static int covers(const Span *a, const Span *b) {
    return a->rows == 1 && b->rows == 1 && a->start <= b->start && b->start + b->width <= a->start + a->width;
}

static void record_race(const Allocation *in, const Access *first, const Access *second) {
    race_total++;
    if (race_count == MOST_RACES) return;
    races[race_count++] = (Race){*first, *second, in->base, in->size, in->device, in->kind};
}

/* No later access can race with this one without racing with the new one, too; or none at all can. */
static int is_history(const Access *old, const Access *new, const Clock *clock) {
    if (clock_knows(&host, old->when)) return 1;
    return covers(&new->span, &old->span) && (new->write || !old->write) && clock_knows(clock, old->when);
}

cudaError_t touch(const Clock *clock, Moment when, uint64_t number, Stream *stream, const Span *span, int write) {
    Allocation *in = span->in;
    if (!in || !span->width || !span->rows) return cudaSuccess;
    if (in->freed && clock_knows(clock, in->when_freed))
        return fail(cudaErrorIllegalAddress, "use after free: %p was freed by %s", (void *)span->start, in->by_whom);
    Access *new = malloc(sizeof *new);
    *new = (Access){.span = *span, .when = when, .write = write, .number = number, .function = self.function};
    snprintf(new->stream, sizeof new->stream, "%s", stream ? stream->name : "the host");
    new->device = stream ? stream->device : self.device;
    for (Access **at = &in->history; *at;) {
        Access *old = *at;
        if ((write || old->write) && !clock_knows(clock, old->when) && overlaps(&new->span, &old->span))
            record_race(in, old, new);
        if (is_history(old, new, clock)) {
            *at = old->next;
            free(old);
        } else at = &old->next;
    }
    new->next = in->history;
    in->history = new;
    return cudaSuccess;
}

void forget_history(Allocation *allocation) {
    for (Access *next, *access = allocation->history; access; access = next) {
        next = access->next;
        free(access);
    }
    allocation->history = NULL;
}

void forget_races(void) {
    race_count = 0;
    race_total = 0;
}

static void say_access(Text *text, const char *name, const Access *it) {
    say(text, "\"%s\": {\"function\": \"%s\", \"number\": %llu, \"write\": %s, ", name, it->function,
        (unsigned long long)it->number, it->write ? "true" : "false");
    say(text, "\"stream\": \"%s\", \"device\": %d, \"address\": %llu, \"bytes\": %zu, \"rows\": %zu}", it->stream,
        it->device, (unsigned long long)it->span.start, it->span.width, it->span.rows);
}

EXPORT char *simcuda_races(void) {
    Text text = {0};
    lock();
    say(&text, "{\"total\": %llu, \"races\": [", (unsigned long long)race_total);
    for (int i = 0; i < race_count; i++) {
        say(&text, i ? ", {" : "{");
        say_access(&text, "first", &races[i].first);
        say(&text, ", ");
        say_access(&text, "second", &races[i].second);
        say(&text, ", \"base\": %llu, \"size\": %zu, \"kind\": \"%s\", \"device\": %d}",
            (unsigned long long)races[i].base, races[i].size, kind_name(races[i].kind), races[i].device);
    }
    say(&text, "]}");
    unlock();
    return text.chars;
}
