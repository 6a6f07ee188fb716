/* The part of DLPack's C ABI that is used here: the tensor (DLPack 1.0) and the exchange API (DLPack 1.3).
   The declarations follow the specification, so that a build needs no headers of a framework. */

#ifndef INTEROP_DLPACK_H
#define INTEROP_DLPACK_H

#include <stdint.h>

enum { DL_CPU = 1 };
enum { DL_INT = 0, DL_UINT = 1, DL_FLOAT = 2, DL_COMPLEX = 5, DL_BOOL = 6 };

typedef struct {
    uint32_t major, minor;
} DLPackVersion;

typedef struct {
    int32_t device_type, device_id;
} DLDevice;

typedef struct {
    uint8_t code, bits;
    uint16_t lanes;
} DLDataType;

typedef struct {
    void *data;
    DLDevice device;
    int32_t ndim;
    DLDataType dtype;
    int64_t *shape, *strides; /* in elements */
    uint64_t byte_offset;
} DLTensor;

typedef struct DLManagedTensorVersioned {
    DLPackVersion version;
    void *manager_ctx;
    void (*deleter)(struct DLManagedTensorVersioned *);
    uint64_t flags;
    DLTensor dl_tensor;
} DLManagedTensorVersioned;

/* All functions return 0, or -1 with a Python exception set. */
typedef struct {
    DLPackVersion version;
    void *previous;
    void *allocate;
    void *lend;
    int (*take)(DLManagedTensorVersioned *, void **object); /* managed_tensor_to_py_object_no_sync */
    int (*look)(void *object, DLTensor *);                  /* dltensor_from_py_object_no_sync: borrowed; may be NULL */
    void *current_stream;
} DLPackExchangeAPI;

#endif
