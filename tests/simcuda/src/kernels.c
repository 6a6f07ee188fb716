/* Kernels can't run here. Compiled code still registers them when it is loaded (so do crt/host_runtime.h's functions,
 * which nvcc puts into it), so that a launch can say which one it was. */
#include "sim.h"

#include <stdlib.h>

typedef struct Kernel {
    const char *host_function, *name;
} Kernel;
static Kernel *kernels;
static size_t kernel_count, kernel_room;

static cudaError_t refuse(const void *host_function) {
    for (size_t i = 0; i < kernel_count; i++)
        if (kernels[i].host_function == host_function)
            return fail(cudaErrorNotSupported, "kernels are not simulated: %s", kernels[i].name);
    return fail(cudaErrorNotSupported, "kernels are not simulated");
}

cudaError_t cudaLaunchKernel(const void *function, dim3 grid, dim3 block, void **arguments, size_t shared,
                             cudaStream_t stream) {
    ENTER();
    (void)grid, (void)block, (void)arguments, (void)shared, (void)stream;
    RETURN(refuse(function));
}

cudaError_t cudaLaunchCooperativeKernel(const void *function, dim3 grid, dim3 block, void **arguments, size_t shared,
                                        cudaStream_t stream) {
    ENTER();
    (void)grid, (void)block, (void)arguments, (void)shared, (void)stream;
    RETURN(refuse(function));
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *configuration, const void *function, void **arguments) {
    ENTER();
    (void)configuration, (void)arguments;
    RETURN(refuse(function));
}

EXPORT cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void **arguments, size_t shared,
                                      cudaStream_t stream) {
    ENTER();
    (void)grid, (void)block, (void)arguments, (void)shared, (void)stream;
    RETURN(refuse(kernel));
}

EXPORT cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *host_function) {
    *kernel = (cudaKernel_t)host_function;
    return cudaSuccess;
}

EXPORT unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, struct CUstream_st *stream) {
    (void)grid, (void)block, (void)shared, (void)stream;
    return 0;
}

EXPORT cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared, void *stream) {
    *grid = *block = (dim3){1, 1, 1};
    *shared = 0;
    *(cudaStream_t *)stream = NULL;
    return cudaSuccess;
}

EXPORT void __cudaRegisterFunction(void **module, const char *host_function, char *device_function, const char *name,
                                   int threads, uint3 *tid, uint3 *bid, dim3 *block, dim3 *grid, int *warp) {
    (void)module, (void)device_function, (void)threads, (void)tid, (void)bid, (void)block, (void)grid, (void)warp;
    lock();
    if (kernel_count == kernel_room) {
        kernel_room = kernel_room ? 2 * kernel_room : 1024;
        kernels = realloc(kernels, kernel_room * sizeof *kernels);
    }
    kernels[kernel_count++] = (Kernel){host_function, name};
    unlock();
}

EXPORT void **__cudaRegisterFatBinary(void *binary) {
    static void *module;
    (void)binary;
    return &module;
}

EXPORT void __cudaRegisterFatBinaryEnd(void **module) { (void)module; }

EXPORT void __cudaUnregisterFatBinary(void **module) { (void)module; }

EXPORT char __cudaInitModule(void **module) {
    (void)module;
    return 1;
}

EXPORT void __cudaRegisterVar(void **module, char *host, char *device, const char *name, int external, size_t size,
                              int constant, int global) {
    (void)module, (void)host, (void)device, (void)name, (void)external, (void)size, (void)constant, (void)global;
}

cudaError_t cudaProfilerStart(void) { return cudaSuccess; }

cudaError_t cudaProfilerStop(void) { return cudaSuccess; }
