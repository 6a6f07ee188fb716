/* Memory pools. They hold nothing back: what is in use is all that there is. */
#include "sim.h"

#include <stdlib.h>

struct Pool {
    int device;
    int64_t attributes[cudaMemPoolAttrUsedMemHigh + 1];
};
static Table handles = {.tag = (uintptr_t)0x7 << 44};
static cudaMemPool_t defaults[MAX_DEVICES], currents[MAX_DEVICES];

static cudaMemPool_t new_pool(int device) {
    Pool *pool = calloc(1, sizeof *pool);
    pool->device = device;
    return table_add(&handles, pool);
}

static cudaError_t pool_of(cudaMemPool_t handle, Pool **pool) {
    if ((*pool = table_get(&handles, handle))) return cudaSuccess;
    return fail(cudaErrorInvalidValue, "memory pool %p %s", (void *)handle, table_says(&handles, handle));
}

static cudaError_t check_device(int device) {
    if (device < 0 || device >= device_count) return fail(cudaErrorInvalidDevice, "device %d", device);
    if (!defaults[device]) defaults[device] = currents[device] = new_pool(device);
    return cudaSuccess;
}

static cudaError_t allocate_from(void **pointer, size_t size, Pool *pool, Stream *stream) {
    Op *op;
    Span all;
    cudaError_t error = allocate(pointer, size, DEVICE, pool->device);
    if (error || !size || (error = begin(ALLOCATE, stream, &op))) return error;
    find(*pointer, 0)->pool = pool;
    span_of(&all, *pointer, size, size, 1);
    op_touches(op, &all, 1); /* for use by what is ordered after this */
    submit(op);
    return cudaSuccess;
}

cudaError_t cudaMallocAsync(void **pointer, size_t size, cudaStream_t handle) {
    ENTER();
    Stream *stream;
    Pool *pool;
    TRY(stream_of(handle, &stream));
    TRY(check_device(stream->device));
    TRY(pool_of(currents[stream->device], &pool));
    RETURN(allocate_from(pointer, size, pool, stream));
}

cudaError_t cudaMallocFromPoolAsync(void **pointer, size_t size, cudaMemPool_t pool_handle, cudaStream_t handle) {
    ENTER();
    Stream *stream;
    Pool *pool;
    TRY(stream_of(handle, &stream));
    TRY(pool_of(pool_handle, &pool));
    RETURN(allocate_from(pointer, size, pool, stream));
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t *pool, const struct cudaMemPoolProps *properties) {
    ENTER();
    if (properties->allocType != cudaMemAllocationTypePinned || properties->location.type != cudaMemLocationTypeDevice)
        RETURN(fail(cudaErrorNotSupported, "a pool of another kind than of a device's memory"));
    TRY(check_device(properties->location.id));
    *pool = new_pool(properties->location.id);
    RETURN(cudaSuccess);
}

cudaError_t cudaMemPoolDestroy(cudaMemPool_t handle) { /* what was allocated from it stays; so does the struct */
    ENTER();
    Pool *pool;
    TRY(pool_of(handle, &pool));
    if (handle == defaults[pool->device]) RETURN(fail(cudaErrorInvalidValue, "a default pool can't be destroyed"));
    if (handle == currents[pool->device]) currents[pool->device] = defaults[pool->device];
    table_remove(&handles, handle);
    RETURN(cudaSuccess);
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int device) {
    ENTER();
    TRY(check_device(device));
    *pool = defaults[device];
    RETURN(cudaSuccess);
}

cudaError_t cudaDeviceGetMemPool(cudaMemPool_t *pool, int device) {
    ENTER();
    TRY(check_device(device));
    *pool = currents[device];
    RETURN(cudaSuccess);
}

cudaError_t cudaDeviceSetMemPool(int device, cudaMemPool_t handle) {
    ENTER();
    Pool *pool;
    TRY(check_device(device));
    TRY(pool_of(handle, &pool));
    if (pool->device != device) RETURN(fail(cudaErrorInvalidValue, "the pool is of device %d", pool->device));
    currents[device] = handle;
    RETURN(cudaSuccess);
}

static void count_bytes(Allocation *it) {
    if (it->pool && !it->dead) it->pool->attributes[cudaMemPoolAttrUsedMemCurrent] += (int64_t)it->size;
}

static int is_switch(enum cudaMemPoolAttr which) { return which <= cudaMemPoolReuseAllowInternalDependencies; }

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t handle, enum cudaMemPoolAttr which, void *value) {
    ENTER();
    Pool *pool, *every;
    TRY(pool_of(handle, &pool));
    for (size_t i = 0; i < handles.count; i++)
        if ((every = handles.items[i])) every->attributes[cudaMemPoolAttrUsedMemCurrent] = 0;
    for_all_allocations(count_bytes);
    if (which >= cudaMemPoolAttrReservedMemCurrent) which = cudaMemPoolAttrUsedMemCurrent;
    if (is_switch(which)) *(int *)value = (int)pool->attributes[which]; /* switches are ints, sizes have 64 bits */
    else *(int64_t *)value = pool->attributes[which];
    RETURN(cudaSuccess);
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t handle, enum cudaMemPoolAttr which, void *value) {
    ENTER();
    Pool *pool;
    TRY(pool_of(handle, &pool));
    pool->attributes[which] = is_switch(which) ? *(int *)value : *(int64_t *)value;
    RETURN(cudaSuccess);
}

cudaError_t cudaMemPoolSetAccess(cudaMemPool_t handle, const struct cudaMemAccessDesc *list, size_t count) {
    ENTER();
    Pool *pool;
    (void)list, (void)count; /* every device may reach it */
    RETURN(pool_of(handle, &pool));
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t handle, size_t keep) {
    ENTER();
    Pool *pool;
    (void)keep; /* there is nothing to give back */
    RETURN(pool_of(handle, &pool));
}
