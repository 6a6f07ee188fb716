/* Copies and fills: what their documentation says about waiting, and what they do when they run. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {"HostToHost", "HostToDevice", "DeviceToHost", "DeviceToDevice"};

static int on_device(const Span *span) { return span->in && (span->in->kind == DEVICE || span->in->kind == MANAGED); }

static Direction direction_of(const Span *to, const Span *from) {
    if (on_device(to) && on_device(from)) return to->in->device == from->in->device ? D2D : P2P;
    return on_device(to) ? H2D : on_device(from) ? D2H : H2H;
}

/* With unified addresses, pinned memory passes for either; pageable and device memory do not. */
static cudaError_t check_kind(enum cudaMemcpyKind kind, const Span *to, const Span *from) {
    if (kind == cudaMemcpyDefault) return cudaSuccess;
    if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) return fail(cudaErrorInvalidMemcpyDirection, "%d", kind);
    int to_device = kind & 1, from_device = kind >> 1;
    for (int i = 0; i < 2; i++) {
        const Span *span = i ? from : to;
        if ((i ? from_device : to_device) ? !span->in : span->in && span->in->kind == DEVICE)
            return fail(cudaErrorInvalidValue, "%s, but %p is %s memory", kinds[kind], (void *)span->start,
                        span->in ? kind_name(span->in->kind) : "pageable");
    }
    return cudaSuccess;
}

static void copy_rows(const Span *to, char *target, const Span *from, const char *source) {
    for (size_t row = 0; row < to->rows; row++) memmove(target + row * to->pitch, source + row * from->pitch, to->width);
}

/* Pageable bytes that go up are staged when the call is made; those that come down, and what stays on the host, are
 * there on return. `blocking`: the call was one without Async, which also waits where pinned memory is involved. */
static cudaError_t copy(Span to, Span from, enum cudaMemcpyKind kind, Stream *stream, int blocking) {
    cudaError_t error = check_kind(kind, &to, &from);
    if (error || !to.width || !to.rows) return error;
    Direction direction = direction_of(&to, &from);
    int staged = !from.in && to.in;
    if (staged && blocking) synchronise_stream(stream);
    Op *op;
    if ((error = begin(COPY, stream, &op))) return error;
    op->to = to;
    op->from = from;
    if ((error = op_touches(op, &from, 0)) || (error = op_touches(op, &to, 1))) {
        discard(op);
        return error;
    }
    count_copy(direction, to.width * to.rows);
    if (staged) {
        op->staged = malloc(to.width * to.rows);
        op->from.pitch = to.width;
        copy_rows(&(Span){.width = to.width, .pitch = to.width, .rows = to.rows}, op->staged, &from, (char *)from.start);
    }
    submit(op);
    if (!to.in || direction == H2H || (blocking && !staged && (direction == H2D || direction == D2H)))
        synchronise_stream(stream);
    return cudaSuccess;
}

/* What happens when the operation runs. Memory may have gone by then: what is read from there is poison. */
void run_effect(Op *op) {
    if (op->action == RELEASE) bury(op->to.in);
    if (op->action != COPY && op->action != FILL) return;
    for (int i = 0; i < 2; i++) {
        const Allocation *in = i ? op->from.in : op->to.in;
        if (in && in->dead)
            fail(cudaErrorIllegalAddress, "use after free: %s #%llu %s memory when %s had freed it", op->function,
                 (unsigned long long)op->number, i ? "read" : "wrote", in->by_whom);
    }
    if (op->to.in && op->to.in->dead) return;
    char *target = bytes_of(&op->to);
    if (op->action == FILL || (op->from.in && op->from.in->dead))
        for (size_t row = 0; row < op->to.rows; row++)
            memset(target + row * op->to.pitch, op->action == FILL ? op->value : POISON, op->to.width);
    else copy_rows(&op->to, target, &op->from, op->staged ? op->staged : bytes_of(&op->from));
}

static cudaError_t fill(void *pointer, int value, size_t size, Stream *stream, int blocking) {
    Span to;
    Op *op;
    cudaError_t error = span_of(&to, pointer, size, size, 1);
    if (error || !size) return error;
    if (!to.in) return fail(cudaErrorInvalidValue, "%p is pageable memory", pointer);
    if ((error = begin(FILL, stream, &op))) return error;
    op->to = to;
    op->value = value;
    if ((error = op_touches(op, &to, 1))) {
        discard(op);
        return error;
    }
    submit(op);
    if (blocking && to.in->kind != DEVICE) synchronise_stream(stream);
    return cudaSuccess;
}

/* ---- The documented functions. */

#define SPANS(dpitch, spitch, width, height)                    \
    Stream *stream_;                                             \
    Span to_, from_;                                             \
    TRY(span_of(&to_, to, width, dpitch, height));               \
    TRY(span_of(&from_, from, width, spitch, height))

cudaError_t cudaMemcpy(void *to, const void *from, size_t size, enum cudaMemcpyKind kind) {
    ENTER();
    SPANS(size, size, size, 1);
    TRY(stream_of(cudaStreamLegacy, &stream_));
    RETURN(copy(to_, from_, kind, stream_, 1));
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t size, enum cudaMemcpyKind kind, cudaStream_t stream) {
    ENTER();
    SPANS(size, size, size, 1);
    TRY(stream_of(stream, &stream_));
    RETURN(copy(to_, from_, kind, stream_, 0));
}

cudaError_t cudaMemcpy2D(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height,
                         enum cudaMemcpyKind kind) {
    ENTER();
    if (width > to_pitch || width > from_pitch) RETURN(fail(cudaErrorInvalidPitchValue, "the width is %zu", width));
    SPANS(to_pitch, from_pitch, width, height);
    TRY(stream_of(cudaStreamLegacy, &stream_));
    RETURN(copy(to_, from_, kind, stream_, 1));
}

cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                              size_t height, enum cudaMemcpyKind kind, cudaStream_t stream) {
    ENTER();
    if (width > to_pitch || width > from_pitch) RETURN(fail(cudaErrorInvalidPitchValue, "the width is %zu", width));
    SPANS(to_pitch, from_pitch, width, height);
    TRY(stream_of(stream, &stream_));
    RETURN(copy(to_, from_, kind, stream_, 0));
}

static cudaError_t check_device(const Span *span, int device) {
    if (!on_device(span) || span->in->device == device) return cudaSuccess;
    return fail(cudaErrorInvalidValue, "%p is memory of device %d, not %d", (void *)span->start, span->in->device, device);
}

cudaError_t cudaMemcpyPeerAsync(void *to, int to_device, const void *from, int from_device, size_t size,
                                cudaStream_t stream) {
    ENTER();
    SPANS(size, size, size, 1);
    TRY(check_device(&to_, to_device));
    TRY(check_device(&from_, from_device));
    TRY(stream_of(stream, &stream_));
    RETURN(copy(to_, from_, cudaMemcpyDefault, stream_, 0));
}

/* In order with all that both devices and the current one do, before and after. */
cudaError_t cudaMemcpyPeer(void *to, int to_device, const void *from, int from_device, size_t size) {
    ENTER();
    SPANS(size, size, size, 1);
    TRY(check_device(&to_, to_device));
    TRY(check_device(&from_, from_device));
    TRY(stream_of(cudaStreamLegacy, &stream_));
    synchronise_device(self.device);
    synchronise_device(to_device);
    synchronise_device(from_device);
    TRY(copy(to_, from_, cudaMemcpyDefault, stream_, 1));
    synchronise_stream(stream_);
    RETURN(cudaSuccess);
}

cudaError_t cudaMemset(void *pointer, int value, size_t size) {
    ENTER();
    Stream *stream;
    TRY(stream_of(cudaStreamLegacy, &stream));
    RETURN(fill(pointer, value, size, stream, 1));
}

cudaError_t cudaMemsetAsync(void *pointer, int value, size_t size, cudaStream_t handle) {
    ENTER();
    Stream *stream;
    TRY(stream_of(handle, &stream));
    RETURN(fill(pointer, value, size, stream, 0));
}
