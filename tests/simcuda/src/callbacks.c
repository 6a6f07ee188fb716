/* Host functions, and the answer to whether a stream is being captured. */
#include "sim.h"

static cudaError_t call(cudaStream_t handle, cudaHostFn_t function, cudaStreamCallback_t callback, void *argument) {
    Stream *stream;
    Op *op;
    cudaError_t error = stream_of(handle, &stream);
    if (error || (error = begin(CALL, stream, &op))) return error;
    op->host_function = function;
    op->callback = callback;
    op->argument = argument;
    op->handle = handle;
    submit(op);
    return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *argument) {
    ENTER();
    RETURN(call(stream, function, NULL, argument));
}

cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback, void *argument, unsigned flags) {
    ENTER();
    if (flags) RETURN(fail(cudaErrorInvalidValue, "flags %u", flags));
    RETURN(call(stream, NULL, callback, argument));
}

/* ---- Capture. Graphs are not simulated; but a test may say that a stream is being captured, to see who respects it. */

static const Stream *captured_on(int device) {
    for (const Stream *stream = streams; stream; stream = stream->next)
        if (stream->captured && stream->device == device) return stream;
    return NULL;
}

static int is_legacy(const Stream *stream) { return stream->is_default && stream->name[4] == 'l'; }

/* Whether an operation, a query or a synchronisation would break a capture: of a stream, or of the whole device. */
cudaError_t check_capture(const Stream *stream) {
    if (stream->captured) return fail(cudaErrorStreamCaptureUnsupported, "%s is being captured", stream->name);
    if (is_legacy(stream) && captured_on(stream->device))
        return fail(cudaErrorStreamCaptureImplicit, "%s, while another is being captured", stream->name);
    return cudaSuccess;
}

cudaError_t check_captures(int device) {
    const Stream *stream = captured_on(device);
    return stream ? check_capture(stream) : cudaSuccess;
}

static cudaError_t capture_status(cudaStream_t handle, enum cudaStreamCaptureStatus *status) {
    Stream *stream;
    cudaError_t error = stream_of(handle, &stream);
    if (error || (!stream->captured && (error = check_capture(stream)))) return error;
    *status = stream->captured ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *status) {
    ENTER();
    RETURN(capture_status(stream, status));
}

#if CUDART_VERSION >= 13000
#define EDGES const cudaGraphEdgeData **edges,
#define CLEAR_EDGES() if (edges) *edges = NULL
#else /* by this name, CUDA 12 has the function without edges */
#define EDGES
#define CLEAR_EDGES()
#endif
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, enum cudaStreamCaptureStatus *status, unsigned long long *id,
                                     cudaGraph_t *graph, const cudaGraphNode_t **nodes, EDGES size_t *count) {
    ENTER();
    CLEAR_EDGES();
    if (id) *id = 1;
    if (graph) *graph = NULL;
    if (nodes) *nodes = NULL;
    if (count) *count = 0;
    RETURN(capture_status(stream, status));
}

cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *mode) {
    static __thread enum cudaStreamCaptureMode current = cudaStreamCaptureModeGlobal;
    ENTER();
    enum cudaStreamCaptureMode old = current;
    current = *mode;
    *mode = old;
    RETURN(cudaSuccess);
}

EXPORT int simcuda_capture(cudaStream_t handle, int on) {
    Stream *stream = NULL;
    lock();
    self.function = __func__;
    cudaError_t error = stream_of(handle, &stream);
    if (!error) stream->captured = on;
    unlock();
    return (int)error;
}
