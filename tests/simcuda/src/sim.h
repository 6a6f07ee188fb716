/* The simulated CUDA runtime, seen from inside. One lock guards everything below; every documented function takes it
 * in ENTER and gives it back in RETURN, and only a host function runs without it (schedule.c). */
#ifndef SIM_H
#define SIM_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default) /* what NVIDIA's headers declare is what the library exports; all else is hidden */
#include <cuda_runtime_api.h>
#include <cuda_profiler_api.h>
#pragma GCC visibility pop

#define EXPORT __attribute__((visibility("default")))
#define MAX_DEVICES 8
#define POISON 0xDB /* in freed memory */
#define FRESH 0xCD  /* in memory that nobody has written yet */

/* ---- clock.c: vector clocks. A component per stream, and one for the host. */
typedef struct Clock {
    uint32_t size;
    uint32_t *ticks;
} Clock;
typedef struct Moment { /* one tick of one component */
    uint32_t component, tick;
} Moment;
enum { HOST = 0 };                              /* the component of the host's threads, which share one clock */
void clock_join(Clock *clock, const Clock *seen);
int clock_knows(const Clock *clock, Moment moment);
Moment clock_tick(Clock *clock, uint32_t component);
void clock_clear(Clock *clock);
uint32_t new_component(void);
void restart_components(void);

/* ---- control.c: calls, errors, what Python asks for. */
typedef struct Function { /* one documented function, known from its first call on */
    const char *name;
    uint64_t calls;
    struct Function *next;
} Function;
typedef struct Thread {
    int device;               /* the current one */
    int in_callback;          /* in a host function, which may not call CUDA */
    cudaError_t last_error;
    const char *function;     /* the one being called */
    struct Stream *streams[MAX_DEVICES]; /* the per-thread default streams */
} Thread;
extern __thread Thread self;
extern Clock host; /* what the host's threads have waited for */
extern int device_count;
int enter(Function *function);
cudaError_t leave(cudaError_t error);
cudaError_t fail(cudaError_t error, const char *format, ...) __attribute__((format(printf, 2, 3)));
void wait_for_change(void); /* give up the lock until another thread has run something */
void announce_change(void);
void lock(void);
void unlock(void);
#define ENTER()                                      \
    static Function this_function = {.name = __func__}; \
    if (!enter(&this_function)) return cudaErrorNotPermitted
#define RETURN(error) return leave(error)
#define TRY(call)                          \
    do {                                   \
        cudaError_t error_ = (call);       \
        if (error_) return leave(error_);  \
    } while (0)

/* ---- counts.c: what has been done so far. */
typedef enum { H2H, H2D, D2H, D2D, P2P, DIRECTIONS } Direction;
void count_copy(Direction direction, size_t bytes);
extern int64_t live_device_bytes[MAX_DEVICES], live_host_bytes, live_streams, live_events;

/* ---- memory.c: address spaces and allocations. */
typedef enum { DEVICE, PINNED, MANAGED, REGISTERED } Kind;
typedef struct Allocation Allocation;
typedef struct Pool Pool;
typedef struct Span { /* bytes that an operation touches: rows of `width`, `pitch` apart */
    Allocation *in;     /* NULL: pageable host memory */
    uintptr_t start;
    size_t width, pitch, rows;
} Span;
typedef struct Access { /* one operation on some bytes, for order.c */
    Span span;
    Moment when;
    int write;
    uint64_t number;
    const char *function;
    char stream[40];
    int device;
    struct Access *next;
} Access;
struct Allocation {
    uintptr_t base;
    size_t size;
    Kind kind;
    int device;
    Pool *pool;         /* that it came from, by cudaMallocAsync */
    int dead;           /* its bytes are gone */
    int freed;          /* cudaFree or a kin has been called; by a stream, it may still have to run */
    Moment when_freed;
    char by_whom[64];   /* the call that freed it */
    Access *history;
};
cudaError_t allocate(void **pointer, size_t size, Kind kind, int device);
cudaError_t release(Allocation *allocation);
void bury(Allocation *allocation);             /* the bytes go, the name stays */
Allocation *find(const void *pointer, int dead_too);
cudaError_t span_of(Span *span, const void *pointer, size_t width, size_t pitch, size_t rows);
char *bytes_of(const Span *span);              /* where the simulator reads and writes them */
const char *kind_name(Kind kind);
void forget_the_dead(void);
void for_all_allocations(void (*what)(Allocation *));

/* ---- order.c: happens-before. */
struct Stream;
cudaError_t touch(const Clock *clock, Moment when, uint64_t number, struct Stream *stream, const Span *span, int write);
void forget_history(Allocation *allocation);
void forget_races(void);
void forget_event_clocks(void); /* events.c */

/* ---- schedule.c and streams.c: operations wait in queues until a schedule lets them run. */
typedef enum { COPY, FILL, RECORD, WAIT, CALL, ALLOCATE, RELEASE, MARK } Action;
typedef struct Op {
    Action action;
    struct Stream *stream;
    struct Op *next;           /* in the stream */
    uint64_t number;           /* in the order of issue */
    uint64_t ran;              /* in the order of running; 0: not yet */
    const char *function;
    Moment when;
    int running, references;
    struct Op **after;         /* operations of other streams that come first */
    int after_count;
    Span from, to;             /* COPY, FILL, RELEASE */
    char *staged;              /* COPY: pageable bytes, taken at the call */
    int value;                 /* FILL */
    cudaHostFn_t host_function; /* CALL: one of the two */
    cudaStreamCallback_t callback;
    void *argument;
    cudaStream_t handle;       /* what the callback gets */
} Op;
typedef struct Stream {
    char name[40];
    int device, priority;
    unsigned flags;
    int is_default;            /* legacy or per-thread: nobody made it, nobody destroys it */
    int destroyed, captured;
    Op *first, *last;
    Clock clock;               /* of its last operation */
    uint32_t component;        /* of the clock; 0: none since the last reset */
    struct Stream *next;
} Stream;
extern Stream *streams;
cudaError_t stream_of(cudaStream_t handle, Stream **stream);
cudaError_t begin(Action action, Stream *stream, Op **op); /* orders it; then touch(), then submit() or discard() */
cudaError_t op_touches(Op *op, const Span *span, int write);
void submit(Op *op);
void discard(Op *op);
void depend(Op *op, Op *earlier);
void hold(Op *op);
void drop(Op *op);
void forget_streams(void);     /* those that are destroyed, and the past of the others */
cudaError_t check_capture(const Stream *stream); /* callbacks.c: what would break a capture is an error */
cudaError_t check_captures(int device);
void run_effect(Op *op);       /* copies.c */
void force(Op *op);            /* run it and what it needs, nothing else */
void synchronise(Op *op);      /* the same, after what the schedule lets go first */
void poll(Op *op);             /* somebody asks whether it has run */
void after_submit(Op *op);
void run_all(void);
void synchronise_stream(Stream *stream);
void synchronise_device(int device);
int set_schedule(const char *name, uint64_t seed);

/* ---- handles.c: what the program holds. No handle is given out twice. */
typedef struct Table {
    uintptr_t tag;
    void **items;
    size_t count, room;
} Table;
void *table_add(Table *table, void *item);
void *table_get(const Table *table, const void *handle);
void table_remove(Table *table, const void *handle);
const char *table_says(const Table *table, const void *handle); /* "was destroyed", "was never created" */

/* ---- text.c: JSON for Python. */
typedef struct Text {
    char *chars;
    size_t length, room;
} Text;
void say(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void say_string(Text *text, const char *string);

#endif
