/* Events. What waits for an event waits for the record that it saw: recording it anew changes nothing for that. */
#include "sim.h"

#include <stdlib.h>

typedef struct Event {
    int device;
    unsigned flags;
    Op *record;  /* the last one; NULL: never recorded */
    Clock clock; /* of that */
} Event;
int64_t live_events;
static Table handles = {.tag = (uintptr_t)0x6 << 44};

static cudaError_t event_of(cudaEvent_t handle, Event **event) {
    if ((*event = table_get(&handles, handle))) return cudaSuccess;
    return fail(cudaErrorInvalidResourceHandle, "event %p %s", (void *)handle, table_says(&handles, handle));
}

static void forget_record(Event *event) {
    if (event->record) drop(event->record);
    event->record = NULL;
    clock_clear(&event->clock);
}

void forget_event_clocks(void) {
    for (size_t i = 0; i < handles.count; i++)
        if (handles.items[i]) clock_clear(&((Event *)handles.items[i])->clock);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *handle, unsigned flags) {
    ENTER();
    if (flags & ~(unsigned)(cudaEventBlockingSync | cudaEventDisableTiming))
        RETURN(fail(cudaErrorNotSupported, "flags %u", flags)); /* events between processes */
    Event *event = calloc(1, sizeof *event);
    event->device = self.device;
    event->flags = flags;
    *handle = table_add(&handles, event);
    live_events++;
    RETURN(cudaSuccess);
}

cudaError_t cudaEventCreate(cudaEvent_t *handle) { return cudaEventCreateWithFlags(handle, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t handle) { /* who waits for it already keeps waiting */
    ENTER();
    Event *event;
    TRY(event_of(handle, &event));
    table_remove(&handles, handle);
    forget_record(event);
    free(event);
    live_events--;
    RETURN(cudaSuccess);
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event_handle, cudaStream_t stream_handle, unsigned flags) {
    ENTER();
    Event *event;
    Stream *stream;
    Op *op;
    if (flags != cudaEventRecordDefault) RETURN(fail(cudaErrorNotSupported, "flags %u", flags));
    TRY(event_of(event_handle, &event));
    TRY(stream_of(stream_handle, &stream));
    if (event->device != stream->device)
        RETURN(fail(cudaErrorInvalidResourceHandle, "event %p is of device %d, %s of device %d", (void *)event_handle,
                    event->device, stream->name, stream->device));
    TRY(begin(RECORD, stream, &op));
    forget_record(event);
    event->record = op;
    hold(op);
    clock_join(&event->clock, &stream->clock);
    submit(op);
    RETURN(cudaSuccess);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    return cudaEventRecordWithFlags(event, stream, cudaEventRecordDefault);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream_handle, cudaEvent_t event_handle, unsigned flags) {
    ENTER();
    Event *event;
    Stream *stream;
    Op *op;
    if (flags != cudaEventWaitDefault) RETURN(fail(cudaErrorNotSupported, "flags %u", flags));
    TRY(event_of(event_handle, &event));
    TRY(stream_of(stream_handle, &stream));
    if (!event->record) RETURN(cudaSuccess);
    TRY(begin(WAIT, stream, &op));
    clock_join(&stream->clock, &event->clock);
    depend(op, event->record);
    submit(op);
    RETURN(cudaSuccess);
}

/* Ask for the last record, or wait for it, and know what it knew: another thread may record anew in the meantime. */
static int reached(Event *event, void (*how)(Op *)) {
    Op *record = event->record;
    if (!record) return 1;
    Clock seen = {0};
    clock_join(&seen, &event->clock);
    hold(record);
    if (!record->ran) how(record);
    int ran = record->ran != 0;
    if (ran) clock_join(&host, &seen);
    drop(record);
    clock_clear(&seen);
    return ran;
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
    ENTER();
    Event *event;
    TRY(event_of(handle, &event));
    RETURN(reached(event, poll) ? cudaSuccess : cudaErrorNotReady);
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
    ENTER();
    Event *event;
    TRY(event_of(handle, &event));
    reached(event, synchronise);
    RETURN(cudaSuccess);
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t from, cudaEvent_t to) {
    ENTER();
    Event *events[2];
    TRY(event_of(from, &events[0]));
    TRY(event_of(to, &events[1]));
    for (int i = 0; i < 2; i++)
        if (!events[i]->record || events[i]->flags & cudaEventDisableTiming)
            RETURN(fail(cudaErrorInvalidResourceHandle, "an event without a time"));
    for (int i = 0; i < 2; i++)
        if (!events[i]->record->ran) RETURN(cudaErrorNotReady);
    *milliseconds = 1e-3f * (float)((int64_t)events[1]->record->ran - (int64_t)events[0]->record->ran);
    RETURN(cudaSuccess); /* an operation takes a microsecond */
}
