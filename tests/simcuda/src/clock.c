/* Vector clocks: who knows of what. A moment happens before an operation if the operation's clock knows it. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

Clock host;
static uint32_t components = HOST + 1;

static void grow(Clock *clock, uint32_t size) {
    if (clock->size >= size) return;
    clock->ticks = realloc(clock->ticks, size * sizeof *clock->ticks);
    memset(clock->ticks + clock->size, 0, (size - clock->size) * sizeof *clock->ticks);
    clock->size = size;
}

void clock_join(Clock *clock, const Clock *seen) {
    grow(clock, seen->size);
    for (uint32_t i = 0; i < seen->size; i++)
        if (clock->ticks[i] < seen->ticks[i]) clock->ticks[i] = seen->ticks[i];
}

int clock_knows(const Clock *clock, Moment moment) {
    return moment.component < clock->size && clock->ticks[moment.component] >= moment.tick;
}

Moment clock_tick(Clock *clock, uint32_t component) {
    grow(clock, component + 1);
    return (Moment){component, ++clock->ticks[component]};
}

void clock_clear(Clock *clock) {
    free(clock->ticks);
    *clock = (Clock){0};
}

uint32_t new_component(void) { return components++; }

/* After this, every clock must be cleared and every stream must take a new component. */
void restart_components(void) { components = HOST + 1; }
