/* The documented functions that allocate, free and describe memory. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

cudaError_t cudaMalloc(void **pointer, size_t size) {
    ENTER();
    RETURN(allocate(pointer, size, DEVICE, self.device));
}

cudaError_t cudaMallocManaged(void **pointer, size_t size, unsigned flags) {
    ENTER();
    (void)flags;
    RETURN(allocate(pointer, size, MANAGED, self.device));
}

cudaError_t cudaHostAlloc(void **pointer, size_t size, unsigned flags) {
    ENTER();
    (void)flags; /* all of it is portable and mapped, as with unified addressing */
    RETURN(allocate(pointer, size, PINNED, self.device));
}

cudaError_t cudaMallocHost(void **pointer, size_t size) {
    ENTER();
    RETURN(allocate(pointer, size, PINNED, self.device));
}

cudaError_t cudaHostRegister(void *pointer, size_t size, unsigned flags) {
    ENTER();
    (void)flags;
    if (!pointer || !size) RETURN(fail(cudaErrorInvalidValue, "nothing to register"));
    if (find(pointer, 0) || find((char *)pointer + size - 1, 0))
        RETURN(fail(cudaErrorHostMemoryAlreadyRegistered, "%p is registered already", pointer));
    RETURN(allocate(&pointer, size, REGISTERED, self.device));
}

/* The allocation that starts here, ready to be freed by the function that was called. */
static cudaError_t to_free(Allocation **found, const void *pointer, int kinds) {
    Allocation *it = *found = find(pointer, 1);
    if (!it || it->base != (uintptr_t)pointer || !(kinds >> it->kind & 1))
        return fail(cudaErrorInvalidValue, "%p is nothing that this function frees", pointer);
    if (it->freed) return fail(cudaErrorInvalidValue, "double free: %p was freed by %s", pointer, it->by_whom);
    return cudaSuccess;
}

static void mark_freed(Allocation *it, Moment when, uint64_t number) {
    it->freed = 1;
    it->when_freed = when;
    snprintf(it->by_whom, sizeof it->by_whom, "%s #%llu", self.function, (unsigned long long)number);
}

/* Free at once: to whoever is not ordered before this, a write. */
static cudaError_t free_now(Allocation *it) {
    Op *op;
    cudaError_t error = begin(MARK, NULL, &op);
    if (error) return error;
    Span all = {it, it->base, it->size, 0, 1};
    op_touches(op, &all, 1);
    mark_freed(it, op->when, op->number);
    bury(it);
    discard(op);
    return cudaSuccess;
}

/* cudaFree waits for the device, except for memory that came from a pool: so says its documentation. */
cudaError_t cudaFree(void *pointer) {
    ENTER();
    Allocation *it;
    if (!pointer) RETURN(cudaSuccess);
    TRY(to_free(&it, pointer, 1 << DEVICE | 1 << MANAGED));
    if (!it->pool) {
        TRY(check_captures(it->device));
        synchronise_device(it->device);
    }
    RETURN(free_now(it));
}

cudaError_t cudaFreeHost(void *pointer) { /* nothing says that it waits */
    ENTER();
    Allocation *it;
    if (!pointer) RETURN(cudaSuccess);
    TRY(to_free(&it, pointer, 1 << PINNED));
    RETURN(free_now(it));
}

cudaError_t cudaHostUnregister(void *pointer) {
    ENTER();
    Allocation *it = find(pointer, 0);
    if (!it || it->kind != REGISTERED || it->base != (uintptr_t)pointer)
        RETURN(fail(cudaErrorHostMemoryNotRegistered, "%p is not registered", pointer));
    RETURN(free_now(it));
}

cudaError_t cudaFreeAsync(void *pointer, cudaStream_t handle) {
    ENTER();
    Stream *stream;
    Allocation *it;
    Op *op;
    TRY(stream_of(handle, &stream));
    TRY(to_free(&it, pointer, 1 << DEVICE));
    TRY(begin(RELEASE, stream, &op));
    op->to = (Span){it, it->base, it->size, 0, 1};
    op_touches(op, &op->to, 1);
    mark_freed(it, op->when, op->number);
    submit(op);
    RETURN(cudaSuccess);
}

cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *out, const void *pointer) {
    ENTER();
    Allocation *it = find(pointer, 0);
    memset(out, 0, sizeof *out);
    out->device = it ? it->device : cudaInvalidDeviceId;
    out->hostPointer = it && it->kind == DEVICE ? NULL : (void *)pointer;
    if (!it) RETURN(cudaSuccess); /* the type is cudaMemoryTypeUnregistered, 0 */
    out->devicePointer = (void *)pointer;
    out->type = it->kind == DEVICE ? cudaMemoryTypeDevice : it->kind == MANAGED ? cudaMemoryTypeManaged : cudaMemoryTypeHost;
    RETURN(cudaSuccess);
}

EXPORT int simcuda_device_of(const void *pointer) { /* for libcuda */
    struct cudaPointerAttributes found;
    return cudaPointerGetAttributes(&found, pointer) || found.type == cudaMemoryTypeUnregistered ? -1 : found.device;
}

cudaError_t cudaHostGetDevicePointer(void **device, void *pointer, unsigned flags) {
    ENTER();
    (void)flags;
    if (!find(pointer, 0)) RETURN(fail(cudaErrorInvalidValue, "%p is not pinned", pointer));
    *device = pointer;
    RETURN(cudaSuccess);
}
