"""Counts visits in a dictionary that any other program may use at the same time.

    python3 visits.py NAME COUNT

Does what visits.c does, through ctypes: no module to compile. MOONHIVE_SHM_LIBRARY names the library if the
loader does not find it.
"""

import ctypes
import os
import sys
from ctypes import byref, c_char, c_double, c_int, c_int64, c_size_t, c_uint32, c_uint64

NOT_FOUND = 1
INTEGER, BYTES = 2, 4
RIGHT = 1


class Value(ctypes.Structure):
    """A value on its way in: mhshm_value."""

    _fields_ = [
        ("type", c_uint32),
        ("reserved", c_uint32),
        ("integer", c_int64),
        ("number", c_double),
        ("bytes", ctypes.c_char_p),
        ("length_bytes", c_size_t),
    ]


class Growing(ctypes.Structure):
    """A structure that begins with its size, so that a newer library knows how much of it there is."""

    def __init__(self, **fields):
        super().__init__(struct_bytes=ctypes.sizeof(self), **fields)


class Options(Growing):
    """mhshm_options"""

    _fields_ = [
        ("struct_bytes", c_uint32),
        ("mode", c_uint32),
        ("size_bytes", c_uint64),
        ("shards", c_uint32),
        ("lock_timeout_ms", c_uint32),
    ]


class Entry(Growing):
    """mhshm_entry"""

    _fields_ = [
        ("struct_bytes", c_uint32),
        ("type", c_uint32),
        ("integer", c_int64),
        ("number", c_double),
        ("length_bytes", c_uint64),
        ("version", c_uint64),
        ("flags", c_uint32),
        ("is_stale", c_uint32),
    ]


class Sum(Growing):
    """mhshm_sum"""

    _fields_ = [
        ("struct_bytes", c_uint32),
        ("type", c_uint32),
        ("integer", c_int64),
        ("number", c_double),
        ("forcible", c_uint32),
        ("reserved", c_uint32),
    ]


class Error(Growing):
    """mhshm_error"""

    _fields_ = [
        ("struct_bytes", c_uint32),
        ("code", c_int),
        ("errno_value", c_int),
        ("message", c_char * 512),
        ("hint", c_char * 256),
    ]


library = ctypes.CDLL(os.environ.get("MOONHIVE_SHM_LIBRARY", "libmoonhive_shm.so.1"))


class Dictionary:
    """A dictionary in shared memory, with the few functions that this example needs."""

    def __init__(self, name, size_bytes):
        self.handle = ctypes.c_void_p()
        options = Options(size_bytes=size_bytes)
        call("open_or_create", name.encode(), byref(options), byref(self.handle), None)

    def incr(self, key, by, initial):
        """Adds to a number and returns the sum."""
        total = Sum()
        by, initial = Value(type=INTEGER, integer=by), Value(type=INTEGER, integer=initial)
        self.call("incr", key, byref(by), byref(initial), None, byref(total))
        return total.integer

    def get(self, key):
        """The bytes of a key, or None."""
        buffer = ctypes.create_string_buffer(4096)
        entry = Entry()
        if self.call("get", key, buffer, c_size_t(len(buffer)), byref(entry)) == NOT_FOUND:
            return None
        return buffer.raw[: entry.length_bytes]

    def push(self, key, value):
        """Adds bytes at the end of a list and returns its length."""
        length = c_uint64()
        value = Value(type=BYTES, bytes=value, length_bytes=len(value))
        self.call("push", key, byref(value), c_int(RIGHT), None, byref(length))
        return length.value

    def findings(self):
        """How many invariants do not hold."""
        count = c_size_t()
        call("check", self.handle, None, c_size_t(0), None, byref(count))
        return count.value

    def call(self, name, key, *arguments):
        """Calls a function about a key."""
        return call(name, self.handle, key, c_size_t(len(key)), *arguments)


def call(name, *arguments):
    """Calls a function of the library. Raises what it says went wrong."""
    code = getattr(library, "mhshm_" + name)(*arguments)
    if code not in (0, NOT_FOUND):
        raise failure(name)
    return code


def failure(name):
    """What the library says went wrong in a function."""
    error = Error()
    library.mhshm_last_error(byref(error))
    return OSError(error.errno_value, f"{name}: {error.message.decode()}")


def main(name, count):
    """What the example does."""
    dictionary = Dictionary(name, 4 << 20)
    sums = [dictionary.incr(b"visits", 1, 0) for _ in range(count)]
    print("visits", "counted" if sums == sorted(set(sums)) else "lost")
    dictionary.push(b"guests", b"Python")
    greeting = dictionary.get(b"greeting")
    if greeting is not None:
        print("greeting", greeting.decode())
    print("findings", dictionary.findings())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
