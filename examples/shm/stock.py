"""Sells from a stock that any other program may sell from at the same time.

    python3 stock.py NAME COUNT

Does what stock.c does, through ctypes, with the structures of visits.py.
"""

import contextlib
import ctypes
import sys
from ctypes import byref, c_size_t, c_uint32, c_uint64

import visits
from visits import BYTES, INTEGER, NOT_FOUND, Entry, Growing, Sum, Value, library

EXISTS, CHANGED = 2, 8
END = 2**64 - 1


class StoreOptions(Growing):
    """mhshm_store_options"""

    _fields_ = [
        ("struct_bytes", c_uint32),
        ("flags", c_uint32),
        ("ttl_ms", c_uint64),
        ("never_evict", c_uint32),
        ("keep_ttl", c_uint32),
    ]


class Item(ctypes.Structure):
    """mhshm_item"""

    _fields_ = [
        ("record_bytes", c_uint32),
        ("key_bytes", c_uint32),
        ("flags", c_uint32),
        ("age", c_uint32),
        ("version", c_uint64),
    ]


class Dictionary(visits.Dictionary):
    """A dictionary in shared memory, with what goes beyond keys and values."""

    def update(self, key, make):
        """Stores what `make` makes of the bytes or the integer of a key, or of None; asks again if others were
        faster. An entry that is there keeps its end and its flags."""
        while True:
            entry, buffer = Entry(), ctypes.create_string_buffer(65536)
            if self.call("get", key, buffer, c_size_t(len(buffer)), byref(entry)) == NOT_FOUND:
                code = self.try_store("add", key, value_of(make(None)), None)
            else:
                old = entry.integer if entry.type == INTEGER else buffer.raw[: entry.length_bytes]
                keep = StoreOptions(flags=entry.flags, keep_ttl=1)
                new = value_of(make(old))
                code = self.try_store("cas", key, c_uint64(entry.version), new, byref(keep))
            if code == 0:
                return

    def try_store(self, name, key, *arguments):
        """Stores; the code if the entry is not as it was."""
        function = getattr(library, "mhshm_" + name)
        arguments = [byref(it) if isinstance(it, Value) else it for it in arguments]
        code = function(self.handle, key, c_size_t(len(key)), *arguments, None)
        if code not in (0, EXISTS, CHANGED, NOT_FOUND):
            raise visits.failure(name)
        return code

    @contextlib.contextmanager
    def lock(self, key, timeout_ms=5000):
        """Holds the lock of a key. Should this process die meanwhile, the next one gets it."""
        held = c_uint64()
        self.call("lock", key, c_uint64(timeout_ms), c_uint64(0), byref(held))
        try:
            yield
        finally:
            self.call("unlock", key, held)

    def count(self, name, by=1):
        """Adds to a counter for many writers."""
        self.call("counter_add", name, byref(Value(type=INTEGER, integer=by)))

    def counted(self, name):
        """What was added to a counter."""
        total = Sum()
        self.call("counter_read", name, byref(total))
        return total.integer

    def keys(self, prefix=b""):
        """The keys that begin with these bytes, a few at a time."""
        cursor, buffer = c_uint64(0), ctypes.create_string_buffer(65536)
        length, count = c_size_t(), c_size_t()
        while cursor.value != END:
            answer = [buffer, c_size_t(len(buffer)), byref(length), byref(count)]
            self.call("items_with_prefix", prefix, byref(cursor), c_size_t(64), *answer)
            at = 0
            while at < length.value:
                item = Item.from_buffer_copy(buffer, at)
                start = at + ctypes.sizeof(Item)
                yield buffer.raw[start : start + item.key_bytes]
                at += item.record_bytes


def value_of(value):
    """Bytes or an integer on their way in."""
    if isinstance(value, bytes):
        return Value(type=BYTES, bytes=value, length_bytes=len(value))
    return Value(type=INTEGER, integer=value)


def main(name, count):
    """What the example does."""
    dictionary = Dictionary(name, 4 << 20)
    for _ in range(count):
        dictionary.update(b"stock:apples", lambda stock: 1_000_000 if stock is None else stock - 1)
        dictionary.update(b"stock:journal", lambda journal: (journal or b"") + b"P")
        dictionary.count(b"sales")
    with dictionary.lock(b"report:lock"):
        sales = dictionary.counted(b"sales")
        dictionary.update(b"report", lambda _: sales)
    print("sales", sales)
    for key in sorted(dictionary.keys(b"stock:")):
        print("in stock:", key.decode())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
