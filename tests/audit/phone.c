/* An extension that reaches for a network by itself, so that no audit hook of Python sees it. */
#include <Python.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static PyObject *home(PyObject *self, PyObject *none) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(4433)};
    int tie = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, "192.0.2.77", &to.sin_addr);
    connect(tie, (struct sockaddr *)&to, sizeof to);
    close(tie);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"home", home, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_phone", NULL, -1, methods};
PyMODINIT_FUNC PyInit__phone(void) { return PyModule_Create(&module); }
