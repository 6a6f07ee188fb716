/* Conversions between torch's plain host memory and NumPy, without the second tensor that `Tensor.numpy` makes.

   Each function returns NotImplemented if the Python code has to decide or to explain something.
   Otherwise the result is the one that the Python code would return.

   This module does not link torch. It calls torch through DLPack's C exchange API, a table of functions that the
   class torch.Tensor offers. The functions of that table check nothing, so this module checks everything. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>

#include "_dlpack.h"

#if defined(Py_GIL_DISABLED) || defined(PYPY_VERSION) || NPY_SIZEOF_INTP != 8
#error "not written for this Python: interop works without this module"
#endif

/* Plain arrays have at most MAX_AXES axes. Copies of LARGE bytes or more are left to the planner
   (_LARGE in interop/_engine/choices.py), which chooses the faster framework. */
enum { MAX_AXES = 8, LARGE = 4 * 1024 * 1024 };

/* A callable without arguments. If it is written in C, `function` is called without the interpreter. */
typedef struct {
    PyObject *callable;
    PyCFunction function;
} Method;

static const DLPackExchangeAPI *exchange;
static PyTypeObject *tensor_class, *parameter_class;
static Method is_neg, is_conj, untyped_storage, resizable, numpy, detach, function_mode;
static PyGetSetDef *requires_grad, *dtype;
static PyObject *int8, *uint8;

static PyObject *call(const Method *method, PyObject *self)
{
    return method->function ? method->function(self, NULL) : PyObject_CallOneArg(method->callable, self);
}

/* Return NotImplemented, also after torch or a mode has refused the array by an exception: the Python code tries
   again and explains. Failed allocations and interrupts are not refusals. They stay set, and NULL is returned. */
static PyObject *not_plain(void)
{
    if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError))
            return NULL;
        PyErr_Clear();
    }
    Py_RETURN_NOTIMPLEMENTED;
}

/* The answer to a question that torch was asked. After FAILED an exception is set, so nothing else may be called. */
typedef enum { NO, YES, FAILED } Answer;

static Answer read_answer(PyObject *answer)
{
    if (answer == NULL)
        return FAILED;
    Py_DECREF(answer);
    return answer == Py_False ? NO : YES;
}

static int is_tensor(PyObject *x)
{
    return tensor_class && (Py_IS_TYPE(x, tensor_class) || Py_IS_TYPE(x, parameter_class));
}

/* Whether a TorchFunctionMode is on, which can watch or change every method call. */
static Answer is_watched(void)
{
    return read_answer(function_mode.function ? function_mode.function(NULL, NULL)
                                              : PyObject_CallNoArgs(function_mode.callable));
}

static Answer has_gradient(PyObject *x)
{
    return read_answer(requires_grad->get(x, requires_grad->closure));
}

/* Whether two elements may overlap in memory. The strides are in elements.
   The algorithm is that of interop._model.layout.overlaps. */
static int may_overlap(int ndim, const int64_t *shape, const int64_t *strides)
{
    struct {
        int64_t stride, length;
    } axes[MAX_AXES];
    int n = 0;
    for (int i = 0; i < ndim; i++) {
        if (shape[i] == 0)
            return 0;
        if (shape[i] == 1)
            continue;
        int at = n++; /* insert the axis, sorted by stride */
        for (; at > 0 && axes[at - 1].stride > strides[i]; at--)
            axes[at] = axes[at - 1];
        axes[at].stride = strides[i];
        axes[at].length = shape[i];
    }
    int64_t reach = 1;
    for (int i = 0; i < n; i++) {
        if (axes[i].stride < reach)
            return 1;
        if ((double)axes[i].stride * (double)axes[i].length + (double)reach > 9e18)
            return 1; /* no memory is that large, and `reach` would overflow */
        reach += axes[i].stride * (axes[i].length - 1);
    }
    return 0;
}

/* -- torch to NumPy ---------------------------------------------------------------------------------------------- */

static int numpy_type(DLDataType dtype)
{
    if (dtype.lanes != 1)
        return -1;
    switch (dtype.code << 8 | dtype.bits) {
    case DL_BOOL << 8 | 8: return NPY_BOOL;
    case DL_INT << 8 | 8: return NPY_INT8;
    case DL_INT << 8 | 16: return NPY_INT16;
    case DL_INT << 8 | 32: return NPY_INT32;
    case DL_INT << 8 | 64: return NPY_INT64;
    case DL_UINT << 8 | 8: return NPY_UINT8;
    case DL_UINT << 8 | 16: return NPY_UINT16;
    case DL_UINT << 8 | 32: return NPY_UINT32;
    case DL_UINT << 8 | 64: return NPY_UINT64;
    case DL_FLOAT << 8 | 16: return NPY_FLOAT16;
    case DL_FLOAT << 8 | 32: return NPY_FLOAT32;
    case DL_FLOAT << 8 | 64: return NPY_FLOAT64;
    case DL_COMPLEX << 8 | 64: return NPY_COMPLEX64;
    case DL_COMPLEX << 8 | 128: return NPY_COMPLEX128;
    }
    return -1;
}

/* Whether a dtype of 8 bits in DLPack really has 8 bits. torch exports int1 to int7 as 8 bits, too. */
static int is_whole(PyObject *x, DLDataType seen)
{
    if (seen.bits != 8 || (seen.code != DL_INT && seen.code != DL_UINT))
        return 1;
    PyObject *found = dtype->get(x, dtype->closure);
    Py_XDECREF(found);
    return found && (found == int8 || found == uint8);
}

/* Read the facts of a tensor, or set an exception. Return whether NumPy can have the memory as it is:
   elements on the host, which do not overlap, of a dtype that NumPy has. */
static int look(PyObject *x, DLTensor *seen)
{
    if (exchange->look(x, seen) < 0)
        return 0;
    return seen->device.device_type == DL_CPU && seen->data != NULL && seen->ndim <= MAX_AXES && seen->strides &&
           numpy_type(seen->dtype) >= 0 && is_whole(x, seen->dtype) &&
           !may_overlap(seen->ndim, seen->shape, seen->strides);
}

/* Return an ndarray over the memory that `look` has seen. Steals the reference to `owner`. */
static PyObject *over(const DLTensor *seen, PyObject *owner)
{
    npy_intp strides[MAX_AXES];
    size_t size = seen->dtype.bits / 8;
    for (int i = 0; i < seen->ndim; i++) /* unsigned, because the stride of an axis of length 1 may overflow */
        strides[i] = (npy_intp)((size_t)seen->strides[i] * size);
    PyObject *array = PyArray_NewFromDescr(
        &PyArray_Type, PyArray_DescrFromType(numpy_type(seen->dtype)), seen->ndim, (npy_intp *)seen->shape, strides,
        (char *)seen->data + seen->byte_offset, NPY_ARRAY_WRITEABLE, NULL);
    if (array == NULL)
        Py_DECREF(owner);
    else if (PyArray_SetBaseObject((PyArrayObject *)array, owner) < 0)
        Py_CLEAR(array);
    return array;
}

/* Return the result of `Tensor.numpy`. A tensor that torch refuses (a gradient) is not plain. */
static PyObject *by_torch(PyObject *x)
{
    PyObject *array = call(&numpy, x);
    return array ? array : not_plain();
}

static PyObject *by_torch_detached(PyObject *x)
{
    PyObject *bare = call(&detach, x);
    PyObject *array = bare ? by_torch(bare) : not_plain();
    Py_XDECREF(bare);
    return array;
}

/* Return the storage of a tensor, or NULL with or without an exception, and read the facts of the tensor.
   No other thread runs between the two, so they belong together. */
static PyObject *hold(PyObject *x, DLTensor *seen)
{
    PyObject *storage = call(&untyped_storage, x);
    if (storage && !look(x, seen))
        Py_CLEAR(storage);
    return storage;
}

/* As `hold`, but return NULL if a negation or conjugation is pending: then the memory holds other numbers.
   The calls that ask torch for pending operations let other threads run, so they come before `hold`.
   Only the facts tell whether a tensor is complex, so a complex tensor is held a second time. */
static PyObject *hold_resolved(PyObject *x, DLTensor *seen)
{
    PyObject *storage = read_answer(call(&is_neg, x)) == NO ? hold(x, seen) : NULL;
    if (storage && seen->dtype.code == DL_COMPLEX) {
        Py_DECREF(storage);
        storage = read_answer(call(&is_conj, x)) == NO ? hold(x, seen) : NULL;
    }
    return storage;
}

/* The first `untyped_storage()` of a tensor takes longer than sharing by torch.
   A program that always converts new tensors would pay for that each time.
   After PATIENCE misses in a row, the next REST tensors are shared by torch, without asking for the storage. */
enum { PATIENCE = 4, REST = 16 };
static int misses, rest;

static PyObject *share_checked(PyObject *x, int may_detach)
{
    DLTensor seen;
    if (!is_tensor(x))
        Py_RETURN_NOTIMPLEMENTED;
    Answer watched = is_watched();
    if (watched == YES) /* a mode sees each call, so make as few as possible */
        return !may_detach && look(x, &seen) ? by_torch(x) : not_plain();
    Answer gradient = watched == NO ? has_gradient(x) : FAILED;
    if (gradient == FAILED || (gradient == YES && !may_detach))
        return not_plain();
    if (rest > 0) {
        rest--;
        if (!look(x, &seen))
            return not_plain();
        return gradient == YES ? by_torch_detached(x) : by_torch(x);
    }
    PyObject *storage = hold_resolved(x, &seen);
    if (storage == NULL)
        return not_plain();
    /* The storage owns the memory, even if the tensor gets other memory later (`t.data = ...`).
       The storage must not be resized any more. The first `Tensor.numpy` forbids that for good. */
    Answer movable = read_answer(call(&resizable, storage));
    if (movable == NO) {
        misses = 0;
        return over(&seen, storage);
    }
    Py_DECREF(storage);
    if (movable == FAILED)
        return not_plain();
    if (++misses > PATIENCE)
        rest = REST;
    return gradient == YES ? by_torch_detached(x) : by_torch(x);
}

static PyObject *share(PyObject *module, PyObject *x)
{
    (void)module;
    return share_checked(x, 0);
}

static PyObject *share_detached(PyObject *module, PyObject *x)
{
    (void)module;
    return share_checked(x, 1);
}

/* Return a copy as an ndarray. The tensor may be resized afterwards. */
static PyObject *share_copy(PyObject *module, PyObject *x)
{
    (void)module;
    DLTensor seen;
    int plain = is_tensor(x) && is_watched() == NO && has_gradient(x) == NO;
    PyObject *storage = plain ? hold_resolved(x, &seen) : NULL;
    PyObject *view = storage ? over(&seen, storage) : NULL; /* resizing need not be forbidden for this view */
    if (view == NULL)
        return storage ? NULL : not_plain();
    int small = PyArray_NBYTES((PyArrayObject *)view) < LARGE;
    PyObject *array = small ? PyArray_NewCopy((PyArrayObject *)view, NPY_KEEPORDER) : Py_NewRef(Py_NotImplemented);
    Py_DECREF(view);
    return array;
}

/* -- NumPy to torch ---------------------------------------------------------------------------------------------- */

typedef struct {
    DLManagedTensorVersioned tensor;
    int64_t shape[MAX_AXES], strides[MAX_AXES];
    int *returned; /* set by the deleter while torch takes the memory, afterwards NULL */
} Lent;

/* Called by torch, on any thread, when the last tensor over the memory is deleted. */
static void give_back(DLManagedTensorVersioned *tensor)
{
    if (!Py_IsInitialized()) /* the interpreter has ended, and the array with it */
        return;
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *array = tensor->manager_ctx;
    if (((Lent *)tensor)->returned)
        *((Lent *)tensor)->returned = 1;
    PyMem_Free(tensor);
    Py_DECREF(array); /* last, because a finaliser may run */
    PyGILState_Release(state);
}

static int dlpack_code(int type)
{
    switch (type) {
    case NPY_BOOL: return DL_BOOL;
    case NPY_BYTE: case NPY_SHORT: case NPY_INT: case NPY_LONG: case NPY_LONGLONG: return DL_INT;
    case NPY_UBYTE: case NPY_USHORT: case NPY_UINT: case NPY_ULONG: case NPY_ULONGLONG: return DL_UINT;
    case NPY_HALF: case NPY_FLOAT: case NPY_DOUBLE: return DL_FLOAT;
    case NPY_CFLOAT: case NPY_CDOUBLE: return DL_COMPLEX;
    }
    return -1;
}

/* Whether no memory has the strides of an array (`interop.adapter.strides`). An access to the elements is a crash. */
static int is_beyond_memory(PyArrayObject *array)
{
    double reach = 0; /* an integer would overflow */
    for (int i = 0; i < PyArray_NDIM(array); i++) {
        double step = (double)PyArray_STRIDE(array, i) * (double)(PyArray_DIM(array, i) - 1);
        reach += step < 0 ? -step : step;
    }
    return reach > 144115188075855872.0; /* 2**57 */
}

/* Fill in the shape, and the strides in elements. Return false if torch does not support the strides. */
static int lay_out(Lent *lent, PyArrayObject *array)
{
    npy_intp item = PyArray_ITEMSIZE(array);
    int ndim = PyArray_NDIM(array);
    for (int i = 0; i < ndim; i++) {
        npy_intp n = lent->shape[i] = PyArray_DIM(array, i), stride = PyArray_STRIDE(array, i);
        int odd = stride < 0 || (stride & (item - 1));
        if (odd && n > 1)
            return 0;
        lent->strides[i] = odd ? 1 : stride / item; /* an odd stride of an axis of length 1 is never used */
    }
    int dense = PyArray_FLAGS(array) & (NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_F_CONTIGUOUS);
    return dense || !(is_beyond_memory(array) || may_overlap(ndim, lent->shape, lent->strides));
}

static int is_reversed(PyArrayObject *array)
{
    for (int i = 0; i < PyArray_NDIM(array); i++)
        if (PyArray_STRIDE(array, i) < 0 && PyArray_DIM(array, i) > 1)
            return 1;
    return 0;
}

/* Whether torch has the dtype and can use the memory (alignment, byte order). The strides are not checked. */
static int is_behaved(PyObject *x)
{
    return exchange && PyArray_CheckExact(x) && PyArray_ISALIGNED((PyArrayObject *)x) &&
           PyArray_ISNOTSWAPPED((PyArrayObject *)x) && PyArray_NDIM((PyArrayObject *)x) <= MAX_AXES &&
           dlpack_code(PyArray_TYPE((PyArrayObject *)x)) >= 0;
}

/* Whether torch's kernels cannot use the address of an array. torch aligns a complex number to its whole size
   (torch/headeronly/util/complex.h). NumPy aligns it to half of that. */
static int is_misaligned(PyArrayObject *array)
{
    uintptr_t address = (uintptr_t)PyArray_DATA(array);
    return PyArray_ISCOMPLEX(array) && address % (uintptr_t)PyArray_ITEMSIZE(array) != 0 && PyArray_SIZE(array) > 0;
}

/* Return a tensor over a behaved array, or NotImplemented because of the strides or the address. */
static PyObject *lend(PyArrayObject *array)
{
    Lent *lent = PyMem_Malloc(sizeof(Lent));
    if (lent == NULL)
        return PyErr_NoMemory();
    if (is_misaligned(array) || !lay_out(lent, array)) {
        PyMem_Free(lent);
        Py_RETURN_NOTIMPLEMENTED;
    }
    int returned = 0;
    lent->returned = &returned;
    lent->tensor = (DLManagedTensorVersioned){
        .version = {1, 0}, .manager_ctx = Py_NewRef(array), .deleter = give_back,
        .dl_tensor = {.data = PyArray_DATA(array), .device = {DL_CPU, 0}, .ndim = PyArray_NDIM(array),
                      .dtype = {dlpack_code(PyArray_TYPE(array)), (uint8_t)(8 * PyArray_ITEMSIZE(array)), 1},
                      .shape = lent->shape, .strides = lent->strides}};
    void *tensor = NULL;
    if (exchange->take(&lent->tensor, &tensor) == 0 && tensor) {
        lent->returned = NULL;
        return tensor;
    }
    /* torch has called the deleter if it failed late (no memory for the Python object), and has not if it failed
       early (strides that overflow). DLPack does not say which is right. */
    if (!returned)
        give_back(&lent->tensor);
    return not_plain();
}

/* Return a tensor over a copy that NumPy makes, for sizes at which the planner would do the same. */
static PyObject *lend_copy(PyArrayObject *array)
{
    if (PyArray_NBYTES(array) >= LARGE || is_beyond_memory(array))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *copied = PyArray_NewCopy(array, NPY_KEEPORDER);
    PyObject *tensor = copied ? lend((PyArrayObject *)copied) : NULL;
    Py_XDECREF(copied);
    return tensor;
}

static PyObject *adopt(PyObject *module, PyObject *x)
{
    (void)module;
    if (!is_behaved(x) || !PyArray_ISWRITEABLE((PyArrayObject *)x))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *tensor = lend((PyArrayObject *)x);
    if (tensor != Py_NotImplemented || !(is_reversed((PyArrayObject *)x) || is_misaligned((PyArrayObject *)x)))
        return tensor;
    Py_DECREF(tensor);
    return lend_copy((PyArrayObject *)x); /* torch supports neither negative strides nor this address */
}

static PyObject *adopt_copy(PyObject *module, PyObject *x)
{
    (void)module;
    if (!is_behaved(x))
        Py_RETURN_NOTIMPLEMENTED;
    return lend_copy((PyArrayObject *)x);
}

/* -- setup -------------------------------------------------------------------------------------------------- */

/* Each function replaces what an earlier `bind` has found, or returns -1 with an exception. */

static int find_method(Method *method, PyObject *cls, const char *name)
{
    PyObject *found = PyObject_GetAttrString(cls, name);
    if (found == NULL)
        return -1;
    method->function = NULL;
    if (Py_IS_TYPE(found, &PyMethodDescr_Type)) {
        PyMethodDef *definition = ((PyMethodDescrObject *)found)->d_method;
        method->function = definition->ml_flags == METH_NOARGS ? definition->ml_meth : NULL;
    }
    Py_XSETREF(method->callable, found);
    return 0;
}

static void take_function(Method *method, PyObject *function)
{
    int plain = PyCFunction_CheckExact(function) && PyCFunction_GET_FLAGS(function) == METH_NOARGS;
    method->function = plain ? PyCFunction_GET_FUNCTION(function) : NULL;
    Py_XSETREF(method->callable, Py_NewRef(function));
}

static int find_attribute(PyGetSetDef **attribute, PyObject *cls, const char *name)
{
    PyObject *found = PyObject_GetAttrString(cls, name);
    if (found == NULL)
        return -1;
    if (!Py_IS_TYPE(found, &PyGetSetDescr_Type)) {
        PyErr_Format(PyExc_AttributeError, "%s of a tensor is not written in C", name);
        Py_DECREF(found);
        return -1;
    }
    *attribute = ((PyGetSetDescrObject *)found)->d_getset; /* static data of torch */
    Py_DECREF(found);
    return 0;
}

/* Return the table of torch, or NULL with an exception. */
static const DLPackExchangeAPI *find_exchange(PyObject *cls)
{
    PyObject *capsule = PyObject_GetAttrString(cls, "__dlpack_c_exchange_api__");
    if (capsule == NULL)
        return NULL;
    const DLPackExchangeAPI *table = NULL;
    if (PyCapsule_IsValid(capsule, "dlpack_exchange_api"))
        table = PyCapsule_GetPointer(capsule, "dlpack_exchange_api");
    Py_DECREF(capsule); /* the table is static data of torch */
    if (table && table->version.major == 1 && table->look && table->take)
        return table;
    PyErr_SetString(PyExc_AttributeError, "torch's exchange API is of another version");
    return NULL;
}

PyDoc_STRVAR(bind_doc, "bind(Tensor, Parameter, UntypedStorage, is_mode_enabled, int8, uint8)\n--\n\n"
             "Find torch's functions. Raises AttributeError if this torch does not have all of them.");

static PyObject *bind(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *cls, *parameter, *storage, *mode, *signed_byte, *byte;
    if (!PyArg_ParseTuple(args, "O!O!OOOO", &PyType_Type, &cls, &PyType_Type, &parameter, &storage, &mode,
                          &signed_byte, &byte))
        return NULL;
    /* Without these two, all functions of this module return NotImplemented. So they are set last. */
    Py_CLEAR(tensor_class);
    exchange = NULL;
    const DLPackExchangeAPI *table = find_exchange(cls);
    if (table == NULL || find_attribute(&requires_grad, cls, "requires_grad") ||
        find_attribute(&dtype, cls, "dtype") || find_method(&is_neg, cls, "is_neg") ||
        find_method(&is_conj, cls, "is_conj") || find_method(&untyped_storage, cls, "untyped_storage") ||
        find_method(&numpy, cls, "numpy") || find_method(&detach, cls, "detach") ||
        find_method(&resizable, storage, "resizable"))
        return NULL;
    take_function(&function_mode, mode);
    Py_XSETREF(int8, Py_NewRef(signed_byte));
    Py_XSETREF(uint8, Py_NewRef(byte));
    Py_XSETREF(parameter_class, (PyTypeObject *)Py_NewRef(parameter));
    tensor_class = (PyTypeObject *)Py_NewRef(cls);
    exchange = table;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"bind", bind, METH_VARARGS, bind_doc},
    {"share", share, METH_O, "share(tensor)\n--\n\nReturn an ndarray over a plain tensor, else NotImplemented."},
    {"share_detached", share_detached, METH_O,
     "share_detached(tensor)\n--\n\nAs share, but detach a tensor that has a gradient."},
    {"share_copy", share_copy, METH_O,
     "share_copy(tensor)\n--\n\nReturn an ndarray with a copy of a plain tensor, else NotImplemented."},
    {"adopt", adopt, METH_O, "adopt(array)\n--\n\nReturn a tensor over a plain ndarray, else NotImplemented."},
    {"adopt_copy", adopt_copy, METH_O,
     "adopt_copy(array)\n--\n\nReturn a tensor over a copy of a plain ndarray, else NotImplemented."},
    {NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "interop.adapters.torch._native",
    "Compiled conversions between torch and NumPy.", -1, methods,
};

PyMODINIT_FUNC PyInit__native(void)
{
    import_array();
    return PyModule_Create(&definition);
}
