/* Devices: which there are, what they look like, which one is current. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int device_count = 2;
static int active[MAX_DEVICES]; /* has a context */
static int peers[MAX_DEVICES][MAX_DEVICES];

__attribute__((constructor)) static void count_devices(void) {
    const char *wanted = getenv("SIMCUDA_DEVICES");
    int count = wanted ? atoi(wanted) : device_count;
    if (count >= 0 && count <= MAX_DEVICES) device_count = count;
}

static cudaError_t check(int device) {
    if (!device_count) return fail(cudaErrorNoDevice, "there is none");
    return device >= 0 && device < device_count ? cudaSuccess : fail(cudaErrorInvalidDevice, "device %d", device);
}

cudaError_t cudaGetDeviceCount(int *count) {
    ENTER();
    *count = device_count;
    RETURN(device_count ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t cudaGetDevice(int *device) {
    ENTER();
    *device = self.device;
    RETURN(cudaSuccess);
}

cudaError_t cudaSetDevice(int device) {
    ENTER();
    TRY(check(device));
    self.device = device;
    active[device] = 1;
    RETURN(cudaSuccess);
}

EXPORT int simcuda_device_is_active(int device) { return device >= 0 && device < device_count && active[device]; }

EXPORT int simcuda_device(int set) { /* for libcuda, whose contexts are the devices' primary ones */
    if (set >= 0 && set < device_count) active[self.device = set] = 1;
    return self.device;
}

EXPORT int simcuda_attribute(int attribute) {
    switch (attribute) {
        case cudaDevAttrComputeCapabilityMajor: return 9;
        case cudaDevAttrMultiProcessorCount: return 8;
        case cudaDevAttrWarpSize: return 32;
        case cudaDevAttrMaxThreadsPerBlock: return 1024;
        case cudaDevAttrMaxThreadsPerMultiProcessor: return 2048;
        case cudaDevAttrMaxBlockDimX: return 1024;
        case cudaDevAttrMaxGridDimX: return 1 << 30;
        case cudaDevAttrMaxSharedMemoryPerBlock: return 48 << 10;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin: return 96 << 10;
        case cudaDevAttrUnifiedAddressing:
        case cudaDevAttrManagedMemory:
        case cudaDevAttrMemoryPoolsSupported:
        case cudaDevAttrHostRegisterSupported:
        case cudaDevAttrCanUseHostPointerForRegisteredMem:
        case cudaDevAttrCanMapHostMemory:
        case cudaDevAttrConcurrentKernels:
        case cudaDevAttrStreamPrioritiesSupported: return 1;
        default: return 0;
    }
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device) {
    ENTER();
    TRY(check(device));
    *value = attribute == cudaDevAttrPciBusId ? device + 1 : simcuda_attribute(attribute);
    RETURN(cudaSuccess);
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *out, int device) {
    ENTER();
    TRY(check(device));
    memset(out, 0, sizeof *out);
    snprintf(out->name, sizeof out->name, "Simulated GPU %d", device);
    memcpy(out->uuid.bytes, "simulated GPU  ", 15);
    out->uuid.bytes[15] = (char)device;
    out->totalGlobalMem = (size_t)8 << 30;
    out->major = simcuda_attribute(cudaDevAttrComputeCapabilityMajor);
    out->multiProcessorCount = simcuda_attribute(cudaDevAttrMultiProcessorCount);
    out->warpSize = 32;
    out->maxThreadsPerBlock = out->maxThreadsDim[0] = 1024;
    out->maxThreadsPerMultiProcessor = 2048;
    out->sharedMemPerBlock = out->sharedMemPerMultiprocessor = 48 << 10;
    out->sharedMemPerBlockOptin = 96 << 10;
    out->regsPerBlock = out->regsPerMultiprocessor = 65536;
    out->maxGridSize[0] = 1 << 30;
    out->unifiedAddressing = out->managedMemory = out->memoryPoolsSupported = out->canMapHostMemory = 1;
    out->concurrentKernels = out->streamPrioritiesSupported = out->hostRegisterSupported = 1;
    out->pciBusID = device + 1;
    RETURN(cudaSuccess);
}

cudaError_t cudaDeviceGetPCIBusId(char *id, int length, int device) {
    ENTER();
    TRY(check(device));
    snprintf(id, (size_t)length, "0000:%02x:00.0", (unsigned)device + 1);
    RETURN(cudaSuccess);
}

cudaError_t cudaDeviceGetByPCIBusId(int *device, const char *id) {
    ENTER();
    unsigned bus;
    if (sscanf(id, "0000:%x:00.0", &bus) != 1) RETURN(fail(cudaErrorInvalidValue, "%s", id));
    TRY(check((int)bus - 1));
    *device = (int)bus - 1;
    RETURN(cudaSuccess);
}

cudaError_t cudaDriverGetVersion(int *version) {
    ENTER();
    *version = CUDART_VERSION;
    RETURN(cudaSuccess);
}

cudaError_t cudaRuntimeGetVersion(int *version) {
    ENTER();
    *version = CUDART_VERSION;
    RETURN(cudaSuccess);
}

/* ---- Peers: every device can reach every other one, once it has been told to. */

cudaError_t cudaDeviceCanAccessPeer(int *can, int device, int peer) {
    ENTER();
    TRY(check(device));
    TRY(check(peer));
    *can = device != peer;
    RETURN(cudaSuccess);
}

cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned flags) {
    ENTER();
    TRY(check(peer));
    if (flags || peer == self.device) RETURN(fail(cudaErrorInvalidDevice, "device %d, flags %u", peer, flags));
    if (peers[self.device][peer]) RETURN(cudaErrorPeerAccessAlreadyEnabled); /* an answer, no failure */
    peers[self.device][peer] = 1;
    RETURN(cudaSuccess);
}

cudaError_t cudaDeviceDisablePeerAccess(int peer) {
    ENTER();
    TRY(check(peer));
    if (!peers[self.device][peer]) RETURN(fail(cudaErrorPeerAccessNotEnabled, "device %d", peer));
    peers[self.device][peer] = 0;
    RETURN(cudaSuccess);
}
