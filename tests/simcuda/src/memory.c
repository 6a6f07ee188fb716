/* Address spaces and allocations.
 *
 * A device address lies in a range that the process has reserved but may not touch, so a host access to it is a
 * segmentation fault. Its bytes lie in a second range, a constant distance away, which only the simulator knows.
 * Pinned and managed memory come from a third range, which the host may touch while they live. No address is given
 * out twice: what is freed stays forbidden, and is known by name until the next reset. */
#define _GNU_SOURCE
#include "sim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE ((size_t)4096)
#define RESERVED ((size_t)1 << 41) /* 2 TiB of addresses each, no memory */
#define FILLED ((size_t)1 << 26)   /* of a larger allocation, only this much gets the FRESH pattern */

int64_t live_device_bytes[MAX_DEVICES], live_host_bytes;
static const size_t total_bytes = (size_t)8 << 30;

static char *device_space, *bytes_space, *host_space;
static size_t device_used, host_used;
static Allocation **table; /* sorted by base, the dead among them */
static size_t table_count, table_room;
static Allocation **removed; /* registered memory that has been unregistered: its address may come back */
static size_t removed_count, removed_room;

static char *reserve(void) {
    char *space = mmap(NULL, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return space == MAP_FAILED ? NULL : space;
}

static char *take(char **space, size_t *used, size_t size) { /* a page between two allocations stays forbidden */
    size_t needs = (size + PAGE - 1) / PAGE * PAGE + PAGE;
    if (!*space && !(*space = reserve())) return NULL;
    if (RESERVED - *used < needs) return NULL;
    char *start = *space + *used;
    *used += needs;
    return start;
}

static char *open_bytes(char *start, size_t size) { /* let the bytes be read and written */
    if (mprotect(start, (size + PAGE - 1) / PAGE * PAGE, PROT_READ | PROT_WRITE)) return NULL;
    memset(start, FRESH, size < FILLED ? size : FILLED);
    return start;
}

static void close_bytes(char *start, size_t size) {
    mmap(start, (size + PAGE - 1) / PAGE * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

char *bytes_of(const Span *span) {
    if (span->in && span->in->kind == DEVICE) return bytes_space + (span->start - (uintptr_t)device_space);
    return (char *)span->start;
}

static void push(Allocation ***list, size_t *count, size_t *room, Allocation *item) {
    if (*count == *room) {
        *room = *room ? 2 * *room : 64;
        *list = realloc(*list, *room * sizeof **list);
    }
    (*list)[(*count)++] = item;
}

static size_t position(uintptr_t address) { /* of the first allocation that starts after the address */
    size_t low = 0, high = table_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (table[middle]->base <= address) low = middle + 1;
        else high = middle;
    }
    return low;
}

Allocation *find(const void *pointer, int dead_too) {
    size_t at = position((uintptr_t)pointer);
    if (!at) return NULL;
    Allocation *found = table[at - 1];
    size_t offset = (uintptr_t)pointer - found->base;
    return offset < found->size && (dead_too || !found->dead) ? found : NULL;
}

static Allocation *enter_in_table(void *base, size_t size, Kind kind, int device) {
    Allocation *new = calloc(1, sizeof *new);
    *new = (Allocation){.base = (uintptr_t)base, .size = size, .kind = kind, .device = device};
    size_t at = position(new->base);
    push(&table, &table_count, &table_room, new);
    memmove(table + at + 1, table + at, (table_count - 1 - at) * sizeof *table);
    table[at] = new;
    *(kind == DEVICE ? &live_device_bytes[device] : &live_host_bytes) += (int64_t)size;
    return new;
}

cudaError_t allocate(void **pointer, size_t size, Kind kind, int device) {
    if (kind == REGISTERED) {
        enter_in_table(*pointer, size, kind, device);
        return cudaSuccess;
    }
    *pointer = NULL;
    if (!size) return cudaSuccess;
    if (kind == DEVICE && size > total_bytes - (size_t)live_device_bytes[device])
        return fail(cudaErrorMemoryAllocation, "device %d has no %zu bytes left", device, size);
    if (!bytes_space && !(bytes_space = reserve())) return fail(cudaErrorMemoryAllocation, "no address space");
    char *start = kind == DEVICE ? take(&device_space, &device_used, size) : take(&host_space, &host_used, size);
    if (!start || !open_bytes(kind == DEVICE ? bytes_space + (start - device_space) : start, size))
        return fail(cudaErrorMemoryAllocation, "the machine has no %zu bytes left", size);
    enter_in_table(start, size, kind, device);
    *pointer = start;
    return cudaSuccess;
}

void bury(Allocation *dead) {
    Span all = {.in = dead, .start = dead->base};
    *(dead->kind == DEVICE ? &live_device_bytes[dead->device] : &live_host_bytes) -= (int64_t)dead->size;
    dead->dead = 1;
    if (dead->kind != REGISTERED) {
        close_bytes(bytes_of(&all), dead->size);
        return;
    }
    size_t at = position(dead->base);
    memmove(table + at - 1, table + at, (--table_count - (at - 1)) * sizeof *table);
    push(&removed, &removed_count, &removed_room, dead);
}

static int is_device_address(const void *pointer) {
    return device_space && (const char *)pointer >= device_space && (const char *)pointer < device_space + RESERVED;
}

cudaError_t span_of(Span *span, const void *pointer, size_t width, size_t pitch, size_t rows) {
    *span = (Span){find(pointer, 1), (uintptr_t)pointer, width, pitch, rows};
    Allocation *in = span->in;
    size_t size = width && rows ? (rows - 1) * pitch + width : 0;
    if (!size) return cudaSuccess;
    if (!in && is_device_address(pointer)) return fail(cudaErrorInvalidValue, "%p is in no allocation", pointer);
    if (!in) return cudaSuccess;
    if (in->dead)
        return fail(cudaErrorIllegalAddress, "use after free: %p is in %zu bytes of %s memory that %s freed", pointer,
                    in->size, kind_name(in->kind), in->by_whom);
    if (size > in->size - (span->start - in->base))
        return fail(cudaErrorInvalidValue, "out of bounds: %zu bytes at %p leave an allocation of %zu bytes at %p", size,
                    pointer, in->size, (void *)in->base);
    return cudaSuccess;
}

const char *kind_name(Kind kind) {
    return (const char *[]){"device", "pinned", "managed", "registered"}[kind];
}

void for_all_allocations(void (*what)(Allocation *)) {
    for (size_t i = 0; i < table_count; i++) what(table[i]);
}

static void forget(Allocation *it) {
    forget_history(it);
    free(it);
}

void forget_the_dead(void) {
    size_t kept = 0;
    for (size_t i = 0; i < table_count; i++) {
        if (table[i]->dead) forget(table[i]);
        else table[kept++] = table[i];
    }
    table_count = kept;
    while (removed_count) forget(removed[--removed_count]);
}

cudaError_t cudaMemGetInfo(size_t *free, size_t *total) {
    ENTER();
    *total = total_bytes;
    *free = total_bytes - (size_t)live_device_bytes[self.device];
    RETURN(cudaSuccess);
}
