"""Does what kept.c does, through ctypes: kept.py LIBRARY PATH ABSENT."""

import ctypes
import sys
from ctypes import byref, c_char_p, c_int, c_uint64, c_void_p

ALREADY_EXISTS, NO_SUCH_OBJECT = 24, 23

library, path, absent = ctypes.CDLL(sys.argv[1]), sys.argv[2].encode(), sys.argv[3].encode()
library.mhshm_create_file.argtypes = [c_char_p, c_void_p, c_void_p]
library.mhshm_open_file.argtypes = [c_char_p, c_void_p, c_void_p]
library.mhshm_open_or_create_file.argtypes = [c_char_p, c_void_p, c_void_p, c_void_p]
library.mhshm_sync.argtypes = library.mhshm_close.argtypes = [c_void_p]
library.mhshm_entry_version.argtypes = [c_void_p, c_char_p, ctypes.c_size_t, c_void_p]

kept, made, version = c_void_p(), c_int(-1), c_uint64()
assert library.mhshm_abi_version() >= 2
assert library.mhshm_open_or_create_file(path, None, byref(kept), byref(made)) == 0
assert library.mhshm_sync(kept) == 0
assert library.mhshm_close(kept) == 0
assert library.mhshm_create_file(path, None, byref(kept)) == ALREADY_EXISTS
assert library.mhshm_open_file(absent, None, byref(kept)) == NO_SUCH_OBJECT
assert not kept
assert library.mhshm_open_file(path, None, byref(kept)) == 0
assert library.mhshm_entry_version(kept, b"visits", 6, byref(version)) == 0
library.mhshm_close(kept)
print("made" if made.value else "found")
