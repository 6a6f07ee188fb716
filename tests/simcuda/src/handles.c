/* Handles of streams and events: numbers that look like addresses, never given out twice, so that a stale one is
 * found out and never means something else. */
#include "sim.h"

#include <stdlib.h>

enum { STEP = 64 };

void *table_add(Table *table, void *item) {
    if (table->count == table->room) {
        table->room = table->room ? 2 * table->room : 64;
        table->items = realloc(table->items, table->room * sizeof *table->items);
    }
    table->items[table->count++] = item;
    return (void *)(table->tag + table->count * STEP);
}

static size_t position(const Table *table, const void *handle) { /* from 1; 0: none of ours */
    uintptr_t distance = (uintptr_t)handle - table->tag;
    return distance % STEP == 0 && distance / STEP <= table->count ? distance / STEP : 0;
}

void *table_get(const Table *table, const void *handle) {
    size_t at = position(table, handle);
    return at ? table->items[at - 1] : NULL;
}

void table_remove(Table *table, const void *handle) { table->items[position(table, handle) - 1] = NULL; }

const char *table_says(const Table *table, const void *handle) {
    return position(table, handle) ? "was destroyed" : "was never created";
}
