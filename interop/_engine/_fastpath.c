/* The look-up of the fast path in C, so that a plain array is converted without a Python frame.

   A ConversionFunction stands in front of a function of `interop._engine.implementation`. It looks
   for a native call by target and exact class of the array. If there is none, or if the native call
   returns NotImplemented, the Python function is called. This file knows no framework. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>

#if defined(Py_GIL_DISABLED) || defined(PYPY_VERSION)
#error "this Python is not supported, and interop works without this module"
#endif

/* -- the table of native calls ----------------------------------------------------------------- */

typedef struct {
    PyObject *to;
    PyTypeObject *cls;
    /* By Manner. NULL means that the array is of the target already. Then the array is the result,
       except that the function makes the copies. */
    PyObject *calls[3];
} Entry;

/* The keywords of a call: none, detach=True alone, copy=True alone, or other keywords. */
typedef enum { PLAIN, DETACHED, COPIED, OTHERWISE } Manner;

/* Few frameworks are loaded at the same time, and names are compared by address. So a short array
   is faster than a dict. A pair that does not fit into the array is looked up in Python. */
enum { MAX_ENTRIES = 32 };
static Entry entries[MAX_ENTRIES];
static int count;

static Entry *find(PyObject *to, PyTypeObject *cls)
{
    for (int i = 0; i < count; i++)
        if (entries[i].cls == cls && entries[i].to == to)
            return &entries[i];
    return NULL;
}

static PyObject *or_null(PyObject *object)
{
    return Py_IsNone(object) ? NULL : Py_NewRef(object);
}

PyDoc_STRVAR(register_doc, "register(to, cls, plain, detached, copied)\n--\n\n"
             "Add the native calls for arrays of exactly one class: without keywords, with\n"
             "detach=True and with copy=True.");

static PyObject *register_calls(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *to, *cls, *plain, *detached, *copied;
    if (!PyArg_ParseTuple(args, "OO!OOO", &to, &PyType_Type, &cls, &plain, &detached, &copied))
        return NULL;
    if (!find(to, (PyTypeObject *)cls) && count < MAX_ENTRIES)
        entries[count++] = (Entry){Py_NewRef(to), (PyTypeObject *)Py_NewRef(cls),
                                   {or_null(plain), or_null(detached), or_null(copied)}};
    Py_RETURN_NONE;
}

static PyObject *clear(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    while (count > 0) {
        Entry gone = entries[--count];
        /* Before the DECREFs, because a finaliser may convert an array. */
        entries[count] = (Entry){NULL};
        Py_DECREF(gone.to);
        Py_DECREF(gone.cls);
        for (int i = PLAIN; i < OTHERWISE; i++)
            Py_XDECREF(gone.calls[i]);
    }
    Py_RETURN_NONE;
}

/* -- conversion functions ---------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *to; /* NULL if the second argument of a call is the target */
    Entry *last;  /* the entry of the last call, which is tried first */
    PyObject *function, *dict, *weakrefs;
} ConversionFunction;

static PyObject *detach_name, *copy_name;

static inline Manner read_manner(PyObject *names, PyObject *const *values)
{
    if (names == NULL || PyTuple_GET_SIZE(names) == 0)
        return PLAIN;
    if (PyTuple_GET_SIZE(names) > 1 || values[0] != Py_True)
        return OTHERWISE;
    /* Names of keywords in code are interned, so the addresses are compared. */
    PyObject *name = PyTuple_GET_ITEM(names, 0);
    if (name == detach_name)
        return DETACHED;
    if (name == copy_name)
        return COPIED;
    return OTHERWISE;
}

/* Return the result of a native call. NULL without an exception means: call the function. */
static inline PyObject *call_native(ConversionFunction *conversion, PyObject *to, PyObject *x,
                                    Manner manner)
{
    Entry *entry = conversion->last;
    if (entry->cls != Py_TYPE(x) || entry->to != to)
        entry = find(to, Py_TYPE(x));
    if (entry == NULL || manner == OTHERWISE)
        return NULL;
    conversion->last = entry;
    PyObject *native = entry->calls[manner];
    if (native == NULL)
        return manner == COPIED ? NULL : Py_NewRef(x);
    Py_INCREF(native); /* `clear` may run during the call */
    PyObject *result = PyCFunction_CheckExact(native) && PyCFunction_GET_FLAGS(native) == METH_O
                           ? PyCFunction_GET_FUNCTION(native)(PyCFunction_GET_SELF(native), x)
                           : PyObject_CallOneArg(native, x);
    Py_DECREF(native);
    if (result == Py_NotImplemented)
        Py_CLEAR(result);
    return result;
}

static PyObject *call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    ConversionFunction *conversion = (ConversionFunction *)self;
    Entry *last = conversion->last;
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    /* The most frequent call: the array is of the target already, as in the call before. */
    if (n == 1 && !names && Py_TYPE(args[0]) == last->cls && conversion->to == last->to
        && !last->calls[PLAIN])
        return Py_NewRef(args[0]);
    if (n == (conversion->to ? 1 : 2)) {
        PyObject *to = conversion->to ? conversion->to : args[1];
        PyObject *result = call_native(conversion, to, args[0], read_manner(names, args + n));
        if (result || PyErr_Occurred())
            return result;
    }
    return PyObject_Vectorcall(conversion->function, args, nargsf, names);
}

static void dealloc(PyObject *self)
{
    ConversionFunction *conversion = (ConversionFunction *)self;
    if (conversion->weakrefs)
        PyObject_ClearWeakRefs(self);
    Py_CLEAR(conversion->dict);
    Py_CLEAR(conversion->function);
    Py_CLEAR(conversion->to);
    PyObject_Free(self);
}

static PyObject *repr(PyObject *self)
{
    return PyUnicode_FromFormat("<compiled %R>", ((ConversionFunction *)self)->function);
}

/* A ConversionFunction is pickled, copied and bound as a function is. */
static PyObject *reduce(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyObject_GetAttrString(self, "__qualname__");
}

static PyObject *bind(PyObject *self, PyObject *instance, PyObject *cls)
{
    (void)cls;
    return instance && !Py_IsNone(instance) ? PyMethod_New(self, instance) : Py_NewRef(self);
}

static PyMethodDef conversion_function_methods[] = {
    {"__reduce__", reduce, METH_NOARGS, NULL},
    {NULL},
};
static PyGetSetDef conversion_function_attributes[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict},
    {NULL},
};

static PyTypeObject conversion_function_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "interop._engine._fastpath.ConversionFunction",
    .tp_doc = "A function of interop with the compiled fast path in front.",
    .tp_basicsize = sizeof(ConversionFunction),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(ConversionFunction, vectorcall),
    .tp_dictoffset = offsetof(ConversionFunction, dict),
    .tp_weaklistoffset = offsetof(ConversionFunction, weakrefs),
    .tp_call = PyVectorcall_Call,
    .tp_dealloc = dealloc,
    .tp_repr = repr,
    .tp_descr_get = bind,
    .tp_methods = conversion_function_methods,
    .tp_getset = conversion_function_attributes,
};

PyDoc_STRVAR(wrap_doc, "wrap(function, to)\n--\n\n"
             "Put a ConversionFunction in front of a function.\n\n"
             "If `to` is None, the second argument of a call is the target.");

static PyObject *wrap(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *function, *to;
    if (!PyArg_ParseTuple(args, "OO", &function, &to))
        return NULL;
    ConversionFunction *conversion = PyObject_New(ConversionFunction, &conversion_function_type);
    if (conversion == NULL)
        return NULL;
    conversion->vectorcall = call;
    conversion->dict = conversion->weakrefs = NULL;
    conversion->function = Py_NewRef(function);
    conversion->to = or_null(to);
    conversion->last = entries;
    return (PyObject *)conversion;
}

/* -- the module -------------------------------------------------------------------------------- */

/* torch.compile traces a call by the Python code of `type(f).__call__`. So the dict of the type
   gets a `__call__` that is written in Python and calls the Python function. The entry is there
   before PyType_Ready, so it does not replace the slots in C, which the interpreter uses. */
static int make_type(void)
{
    static const char source[] =
        "lambda self, /, *args, **keywords: self.__wrapped__(*args, **keywords)";
    if (conversion_function_type.tp_flags & Py_TPFLAGS_READY)
        return 0; /* an earlier import failed later on, for want of memory */
    PyObject *names = PyDict_New();
    PyObject *traced = names ? PyRun_String(source, Py_eval_input, names, names) : NULL;
    PyObject *dict = traced ? PyDict_New() : NULL;
    int failed = dict == NULL || PyDict_SetItemString(dict, "__call__", traced) < 0;
    Py_XDECREF(traced);
    Py_XDECREF(names);
    if (failed) {
        Py_XDECREF(dict);
        return -1;
    }
    Py_XSETREF(conversion_function_type.tp_dict, dict);
    return PyType_Ready(&conversion_function_type);
}

static PyMethodDef methods[] = {
    {"wrap", wrap, METH_VARARGS, wrap_doc},
    {"register", register_calls, METH_VARARGS, register_doc},
    {"clear", clear, METH_NOARGS, "clear()\n--\n\nEmpty the table."},
    {NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "interop._engine._fastpath",
    "The look-up of the fast path in C: see `interop._engine.implementation`.",
    -1,
    methods,
};

PyMODINIT_FUNC PyInit__fastpath(void)
{
    detach_name = PyUnicode_InternFromString("detach");
    copy_name = PyUnicode_InternFromString("copy");
    if (detach_name == NULL || copy_name == NULL || make_type() < 0)
        return NULL;
    return PyModule_Create(&definition);
}
