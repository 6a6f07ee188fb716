/* libcuda.so.1: what finds devices and the current context, by way of our runtime. All else is in driver_stubs.c. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

#pragma GCC visibility push(default)
#include <cuda.h>
#pragma GCC visibility pop

extern int simcuda_device_is_active(int device);
extern int simcuda_device(int set);
extern int simcuda_attribute(int attribute);
extern int simcuda_device_of(const void *pointer);
extern const struct Entry {
    const char *name;
    void *function;
} simcuda_entries[]; /* driver_stubs.c: every function of cuda.h, the newest variant first */

EXPORT void *simcuda_lookup(const char *name) { /* cuMemAlloc means its newest variant */
    size_t length = strlen(name);
    for (const struct Entry *entry = simcuda_entries; entry->name; entry++)
        if (!strncmp(entry->name, name, length) && (!entry->name[length] || !strncmp(entry->name + length, "_v", 2)))
            return entry->function;
    return NULL;
}

CUresult cuGetProcAddress_v2(const char *name, void **function, int version, cuuint64_t flags,
                             CUdriverProcAddressQueryResult *found) {
    (void)version, (void)flags;
    *function = simcuda_lookup(name);
    if (found) *found = *function ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUresult cuInit(unsigned flags) {
    (void)flags;
    return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int *version) {
    *version = CUDA_VERSION;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *count) {
    cudaGetDeviceCount(count);
    return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    int count;
    cudaGetDeviceCount(&count);
    *device = ordinal;
    return ordinal >= 0 && ordinal < count ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
    snprintf(name, (size_t)length, "Simulated GPU %d", device);
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device) {
    memset(uuid, device, sizeof *uuid);
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
    (void)device; /* the numbers of the attributes are the runtime's */
    *value = simcuda_attribute((int)attribute);
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *active) {
    *flags = 0;
    *active = simcuda_device_is_active(device);
    return CUDA_SUCCESS;
}

static CUcontext context_of(int device) { return (CUcontext)(intptr_t)(0x10 * (device + 1)); }

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    *context = context_of(device);
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    (void)device;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext *context) {
    int device = simcuda_device(-1);
    *context = simcuda_device_is_active(device) ? context_of(device) : NULL;
    return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext context) {
    if (context) simcuda_device((int)((intptr_t)context / 0x10) - 1);
    return CUDA_SUCCESS;
}

/* The primary contexts are all there are, so that the stack of contexts has one place: what is pushed is current. */
CUresult cuCtxPushCurrent_v2(CUcontext context) { return cuCtxSetCurrent(context); }

CUresult cuCtxPopCurrent_v2(CUcontext *context) { return cuCtxGetCurrent(context); }

CUresult cuCtxGetDevice(CUdevice *device) {
    *device = simcuda_device(-1);
    return CUDA_SUCCESS;
}

/* Memory and streams are the runtime's: numbers of errors, handles and pointers are the same. */
CUresult cuMemGetInfo_v2(size_t *free, size_t *total) { return (CUresult)cudaMemGetInfo(free, total); }

CUresult cuMemAlloc_v2(CUdeviceptr *pointer, size_t size) { return (CUresult)cudaMalloc((void **)pointer, size); }

CUresult cuMemFree_v2(CUdeviceptr pointer) { return (CUresult)cudaFree((void *)(uintptr_t)pointer); }

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t size) {
    return (CUresult)cudaMemcpy((void *)(uintptr_t)to, from, size, cudaMemcpyHostToDevice);
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t size, CUstream stream) {
    return (CUresult)cudaMemcpyAsync((void *)(uintptr_t)to, from, size, cudaMemcpyHostToDevice, stream);
}

CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t size) {
    return (CUresult)cudaMemcpy(to, (const void *)(uintptr_t)from, size, cudaMemcpyDeviceToHost);
}

CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
    return (CUresult)cudaStreamCreateWithFlags(stream, flags);
}

CUresult cuStreamDestroy_v2(CUstream stream) { return (CUresult)cudaStreamDestroy(stream); }

CUresult cuStreamSynchronize(CUstream stream) { return (CUresult)cudaStreamSynchronize(stream); }

CUresult cuCtxSynchronize(void) { return (CUresult)cudaDeviceSynchronize(); }

CUresult cuGetErrorName(CUresult error, const char **name) {
    *name = cudaGetErrorName((cudaError_t)error); /* the numbers are the runtime's */
    return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult error, const char **string) {
    *string = cudaGetErrorString((cudaError_t)error);
    return CUDA_SUCCESS;
}

#if CUDA_VERSION >= 12090
CUresult cuLogsRegisterCallback(CUlogsCallback function, void *data, CUlogsCallbackHandle *handle) {
    (void)function, (void)data; /* there are no logs to tell of */
    if (handle) *handle = NULL;
    return CUDA_SUCCESS;
}
#endif

/* Of a pointer, one asks for its device; all else the runtime tells. */
CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr pointer) {
    if (attribute != CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL) return CUDA_ERROR_NOT_SUPPORTED;
    int device = simcuda_device_of((const void *)(uintptr_t)pointer);
    if (device < 0) return CUDA_ERROR_INVALID_VALUE;
    *(int *)data = device;
    return CUDA_SUCCESS;
}
