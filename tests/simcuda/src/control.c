/* Entering and leaving a documented function; errors; and what Python asks for. */
#define _GNU_SOURCE
#include "sim.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__thread Thread self;
static __thread char last_message[400];
static __thread cudaError_t last_message_error;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;

typedef struct Failure {
    char function[64], message[400];
    cudaError_t error;
} Failure;
static Failure *failures;
static size_t failure_count, failure_room;

void lock(void) { pthread_mutex_lock(&mutex); }

void unlock(void) { pthread_mutex_unlock(&mutex); }

void wait_for_change(void) { pthread_cond_wait(&change, &mutex); }

void announce_change(void) { pthread_cond_broadcast(&change); }

/* ---- Calls. */

static Function *functions;

int enter(Function *function) {
    lock();
    if (self.in_callback) {
        self.function = function->name;
        leave(fail(cudaErrorNotPermitted, "a host function must not call CUDA"));
        return 0;
    }
    self.function = function->name;
    if (!function->calls++) {
        function->next = functions;
        functions = function;
    }
    return 1;
}

cudaError_t leave(cudaError_t error) {
    if (error && error != cudaErrorNotReady) self.last_error = error; /* not ready is not really an error */
    unlock();
    return error;
}

cudaError_t fail(cudaError_t error, const char *format, ...) {
    va_list arguments;
    if (failure_count == failure_room) {
        failure_room = failure_room ? 2 * failure_room : 64;
        failures = realloc(failures, failure_room * sizeof *failures);
    }
    Failure *failure = &failures[failure_count++];
    failure->error = error;
    snprintf(failure->function, sizeof failure->function, "%s", self.function);
    va_start(arguments, format);
    vsnprintf(failure->message, sizeof failure->message, format, arguments);
    va_end(arguments);
    snprintf(last_message, sizeof last_message, "%.60s: %.300s", self.function, failure->message);
    last_message_error = error;
    if (getenv("SIMCUDA_LOG")) fprintf(stderr, "[simcuda] %s: %s\n", cudaGetErrorName(error), last_message);
    return error;
}

EXPORT cudaError_t simcuda_unsupported(Function *function) { /* all that stubs.c does */
    if (!enter(function)) return cudaErrorNotPermitted;
    fail(cudaErrorNotSupported, "not simulated");
    int of_runtime = !strncmp(function->name, "cuda", 4); /* libcuda's errors are not cudaGetLastError's */
    cudaError_t before = self.last_error, error = leave(cudaErrorNotSupported);
    if (!of_runtime) self.last_error = before;
    return error;
}

cudaError_t cudaGetLastError(void) {
    cudaError_t error = self.last_error;
    self.last_error = cudaSuccess;
    return error;
}

cudaError_t cudaPeekAtLastError(void) { return self.last_error; }

const char *cudaGetErrorName(cudaError_t error) {
    switch ((int)error) {
#define NAME(name, number) \
    case number: return #name;
#include "errors.inc" /* made from the headers by builder.py */
    }
    return "cudaErrorUnknown";
}

/* More than the name, where this thread has just seen it: which function, and why. */
const char *cudaGetErrorString(cudaError_t error) {
    if (error && error == last_message_error) return last_message;
    return error == cudaErrorMemoryAllocation ? "out of memory" : cudaGetErrorName(error);
}

/* ---- libcuda's functions, for who asks by name. */

cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned version,
                                             unsigned long long flags, enum cudaDriverEntryPointQueryResult *found) {
    ENTER();
    static void *(*lookup)(const char *);
    (void)version, (void)flags;
    void *driver = lookup ? NULL : dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
    if (driver) *(void **)&lookup = dlsym(driver, "simcuda_lookup");
    *function = lookup ? lookup(name) : NULL;
    if (found) *found = *function ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
    RETURN(*function || found ? cudaSuccess : cudaErrorSymbolNotFound);
}

/* ---- What Python asks for. Text is JSON; simcuda_free() takes it back. */

EXPORT void simcuda_free(char *text) { free(text); }

EXPORT int simcuda_schedule(const char *name, uint64_t seed) {
    lock();
    self.function = __func__;
    int known = set_schedule(name, seed);
    unlock();
    return known;
}

EXPORT void simcuda_drain(void) {
    lock();
    self.function = __func__;
    run_all();
    unlock();
}

static uint64_t copies[DIRECTIONS], copied_bytes[DIRECTIONS];

void count_copy(Direction direction, size_t bytes) {
    copies[direction]++;
    copied_bytes[direction] += bytes;
}

EXPORT void simcuda_reset(void) {
    lock();
    self.function = __func__;
    for (Stream *stream = streams; stream; stream = stream->next) stream->captured = 0;
    run_all();
    clock_clear(&host);
    forget_event_clocks();
    forget_streams();
    restart_components();
    for_all_allocations(forget_history);
    forget_the_dead();
    forget_races();
    failure_count = 0;
    self.last_error = cudaSuccess;
    unlock();
}

EXPORT char *simcuda_errors(void) {
    Text text = {0};
    lock();
    say(&text, "[");
    for (size_t i = 0; i < failure_count; i++) {
        say(&text, "%s{\"function\": \"%s\", \"code\": %d, \"name\": \"%s\", \"message\": ", i ? ", " : "",
            failures[i].function, failures[i].error, cudaGetErrorName(failures[i].error));
        say_string(&text, failures[i].message);
        say(&text, "}");
    }
    say(&text, "]");
    unlock();
    return text.chars;
}

EXPORT char *simcuda_counts(void) {
    static const char *const names[] = {"HtoH", "HtoD", "DtoH", "DtoD", "PtoP"};
    Text text = {0};
    lock();
    say(&text, "{\"calls\": {");
    for (Function *function = functions; function; function = function->next)
        say(&text, "\"%s\": %llu%s", function->name, (unsigned long long)function->calls, function->next ? ", " : "");
    for (int i = 0; i < DIRECTIONS; i++)
        say(&text, "%s\"%s\": [%llu, %llu]", i ? ", " : "}, \"copies\": {", names[i], (unsigned long long)copies[i],
            (unsigned long long)copied_bytes[i]);
    say(&text, "}}");
    unlock();
    return text.chars;
}

EXPORT char *simcuda_live(void) {
    Text text = {0};
    int64_t pending = 0;
    lock();
    for (const Stream *stream = streams; stream; stream = stream->next)
        for (const Op *op = stream->first; op; op = op->next) pending++;
    say(&text, "{\"streams\": %lld, \"events\": %lld, \"host_bytes\": %lld, \"pending\": %lld, \"device_bytes\": [",
        (long long)live_streams, (long long)live_events, (long long)live_host_bytes, (long long)pending);
    for (int i = 0; i < device_count; i++) say(&text, "%s%lld", i ? ", " : "", (long long)live_device_bytes[i]);
    say(&text, "]}");
    unlock();
    return text.chars;
}
