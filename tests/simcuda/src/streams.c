/* Streams, and what orders an operation: its stream, the legacy default stream, and what the host has waited for. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Stream *streams; /* all, in the order of their creation */
int64_t live_streams;
static Stream *legacy[MAX_DEVICES];
static Table handles = {.tag = (uintptr_t)0x5 << 44};
static uint64_t issued;

static Stream *new_stream(int device, unsigned flags, int priority) {
    Stream **end = &streams, *stream = calloc(1, sizeof *stream);
    while (*end) end = &(*end)->next;
    *end = stream;
    stream->device = device;
    stream->flags = flags;
    stream->priority = priority;
    return stream;
}

static Stream *default_stream(Stream **where, const char *name) {
    if (!*where) {
        *where = new_stream(self.device, cudaStreamDefault, 0);
        (*where)->is_default = 1;
        snprintf((*where)->name, sizeof (*where)->name, "the %s stream", name);
    }
    return *where;
}

cudaError_t stream_of(cudaStream_t handle, Stream **stream) {
    if (!handle || handle == cudaStreamLegacy) *stream = default_stream(&legacy[self.device], "legacy default");
    else if (handle == cudaStreamPerThread) *stream = default_stream(&self.streams[self.device], "per-thread default");
    else if (!(*stream = table_get(&handles, handle)))
        return fail(cudaErrorInvalidResourceHandle, "stream %p %s", (void *)handle, table_says(&handles, handle));
    return cudaSuccess;
}

void hold(Op *op) { op->references++; }

void drop(Op *op) {
    if (--op->references) return;
    for (int i = 0; i < op->after_count; i++) drop(op->after[i]);
    free(op->after);
    free(op->staged);
    free(op);
}

void depend(Op *op, Op *earlier) {
    if (!earlier || earlier->ran) return;
    op->after = realloc(op->after, (size_t)(op->after_count + 1) * sizeof *op->after);
    op->after[op->after_count++] = earlier;
    hold(earlier);
}

static void follow(Op *op, const Stream *other) {
    clock_join(&op->stream->clock, &other->clock);
    depend(op, other->last);
}

/* The legacy stream waits for all blocking streams of its device, and they for it. Nothing runs for that reason. */
static void follow_default_stream(Op *op) {
    Stream *stream = op->stream, *first = legacy[stream->device];
    if (stream->flags & cudaStreamNonBlocking || !first) return;
    if (stream != first) follow(op, first);
    else
        for (Stream *other = streams; other; other = other->next)
            if (other != first && other->device == first->device && !(other->flags & cudaStreamNonBlocking))
                follow(op, other);
}

cudaError_t begin(Action action, Stream *stream, Op **new) {
    cudaError_t error = stream ? check_capture(stream) : cudaSuccess;
    if (error) return error;
    Op *op = *new = calloc(1, sizeof *op);
    *op = (Op){.action = action, .stream = stream, .number = ++issued, .function = self.function, .references = 1};
    if (!stream) {
        op->when = clock_tick(&host, HOST);
        return cudaSuccess;
    }
    if (!stream->component) stream->component = new_component();
    clock_join(&stream->clock, &host);
    follow_default_stream(op);
    op->when = clock_tick(&stream->clock, stream->component);
    return cudaSuccess;
}

cudaError_t op_touches(Op *op, const Span *span, int write) {
    return touch(op->stream ? &op->stream->clock : &host, op->when, op->number, op->stream, span, write);
}

void submit(Op *op) {
    Stream *stream = op->stream;
    *(stream->last ? &stream->last->next : &stream->first) = op;
    stream->last = op;
    hold(op); /* the queue has one reference, the caller of begin() had the other */
    after_submit(op);
    drop(op);
}

void discard(Op *op) { drop(op); }

void forget_streams(void) {
    for (Stream **at = &streams; *at;) {
        Stream *stream = *at;
        clock_clear(&stream->clock);
        stream->component = 0;
        if (stream->destroyed && !stream->last) {
            *at = stream->next;
            free(stream);
        } else at = &stream->next;
    }
}

/* ---- The documented functions. */

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *handle, unsigned flags, int priority) {
    ENTER();
    if (flags & ~(unsigned)cudaStreamNonBlocking) RETURN(fail(cudaErrorInvalidValue, "flags %u", flags));
    priority = priority > 0 ? 0 : priority < -5 ? -5 : priority;
    Stream *stream = new_stream(self.device, flags, priority);
    *handle = table_add(&handles, stream);
    snprintf(stream->name, sizeof stream->name, "stream %p", (void *)*handle);
    live_streams++;
    RETURN(cudaSuccess);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *handle, unsigned flags) {
    return cudaStreamCreateWithPriority(handle, flags, 0);
}

cudaError_t cudaStreamCreate(cudaStream_t *handle) { return cudaStreamCreateWithPriority(handle, cudaStreamDefault, 0); }

cudaError_t cudaStreamDestroy(cudaStream_t handle) { /* what it still has to do gets done */
    ENTER();
    Stream *stream;
    TRY(stream_of(handle, &stream));
    if (stream->is_default) RETURN(fail(cudaErrorInvalidResourceHandle, "%s can't be destroyed", stream->name));
    stream->destroyed = 1;
    table_remove(&handles, handle);
    live_streams--;
    RETURN(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
    ENTER();
    Stream *stream;
    TRY(stream_of(handle, &stream));
    TRY(check_capture(stream));
    synchronise_stream(stream);
    RETURN(cudaSuccess);
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
    ENTER();
    Stream *stream;
    TRY(stream_of(handle, &stream));
    TRY(check_capture(stream));
    if (stream->last) poll(stream->last);
    if (stream->last) RETURN(cudaErrorNotReady);
    clock_join(&host, &stream->clock);
    RETURN(cudaSuccess);
}

cudaError_t cudaDeviceSynchronize(void) {
    ENTER();
    TRY(check_captures(self.device));
    synchronise_device(self.device);
    RETURN(cudaSuccess);
}

cudaError_t cudaStreamGetPriority(cudaStream_t handle, int *priority) {
    ENTER();
    Stream *stream;
    TRY(stream_of(handle, &stream));
    *priority = stream->priority;
    RETURN(cudaSuccess);
}

cudaError_t cudaStreamGetFlags(cudaStream_t handle, unsigned *flags) {
    ENTER();
    Stream *stream;
    TRY(stream_of(handle, &stream));
    *flags = stream->flags;
    RETURN(cudaSuccess);
}

cudaError_t cudaStreamGetDevice(cudaStream_t handle, int *device) {
    ENTER();
    Stream *stream;
    TRY(stream_of(handle, &stream));
    *device = stream->device;
    RETURN(cudaSuccess);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
    ENTER();
    if (least) *least = 0;
    if (greatest) *greatest = -5;
    RETURN(cudaSuccess);
}
