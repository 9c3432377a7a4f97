/*
** Dictionaries in shared memory: any process of the machine opens the same one by name.
**
** A process may die at any instruction, by SIGKILL too: no other one hangs, crashes or reads a wrong
** value, and what it was doing is wholly done or not done. Reads take no lock.
**
** Results. Every function that can fail returns a code: MHSHM_OK, or what went wrong. "exists",
** "not_found" and their kin are answers that programs expect; mhshm_last_error tells the rest in words,
** with errno and a hint. What else a function has to say it writes through pointers; unless said
** otherwise such a pointer may be NULL, and nothing is written through it after a failure.
**
** Structures begin with their size in bytes, `struct_bytes`, which the caller sets (the macros
** MHSHM_..._INIT do), so that a program runs with a library that is newer. A field left 0 has its default.
**
** Bytes are any bytes, with their length; nothing ends at a zero byte. A key has 1 to 65,535 bytes.
** Bytes that come back go into a buffer of the caller. If it is too small, the code is MHSHM_TOO_SMALL, the
** length says how many there are, nothing is copied, and mhshm_last_bytes gives them without
** asking the dictionary again, until this thread calls another function that returns bytes.
**
** Time is in milliseconds or microseconds, as the names say, and counted by a clock that nobody sets
** back.
**
** Threads. Any number of threads may use one dictionary at once, without locks of their own; only
** mhshm_close must be the last call. The last error and the last bytes are those of each thread.
**
** Fork. A child may go on with a dictionary that its parent has opened, also while other threads of
** the parent use it. Closing in one leaves it open in the other.
**
** Signals. No function may be called in a signal handler. Loading the library does nothing: no thread, no
** handler, no memory.
*/

#ifndef MOONHIVE_SHM_H
#define MOONHIVE_SHM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of these functions and structures; mhshm_abi_version of a library must be this or more. What came
   after version 1 says so. */
#define MHSHM_ABI_VERSION 3

/* An open dictionary. */
typedef struct mhshm_dictionary mhshm_dictionary;

/* Codes. A number keeps its meaning for ever; unknown ones are failures. */
enum {
  MHSHM_OK = 0,
  /* Answers. */
  MHSHM_NOT_FOUND = 1,      /* no live entry has the key */
  MHSHM_EXISTS = 2,         /* a live entry has it */
  MHSHM_NO_MEMORY = 3,      /* the value finds no room; the old value is still there */
  MHSHM_VALUE_IS_LIST = 4,  /* the entry is a list, and a plain value is needed */
  MHSHM_VALUE_NOT_LIST = 5, /* the entry is a plain value, and a list is needed */
  MHSHM_NOT_NUMBER = 6,     /* the entry is not a number */
  MHSHM_OVERFLOW = 7,       /* the sum of two integers does not fit into 64 bits */
  MHSHM_CHANGED = 8,        /* the entry has another version */
  MHSHM_TIMEOUT = 9,        /* what was waited for did not happen */
  MHSHM_EMPTY_KEY = 10,
  MHSHM_KEY_TOO_LONG = 11,
  MHSHM_TOO_SMALL = 12, /* the buffer is: see mhshm_last_bytes */
  /* Mistakes of the caller. */
  MHSHM_INVALID_ARGUMENT = 20,
  MHSHM_INVALID_NAME = 21,
  MHSHM_INVALID_OPTION = 22,
  /* Objects that cannot be made or opened. */
  MHSHM_NO_SUCH_OBJECT = 23,
  MHSHM_ALREADY_EXISTS = 24,
  MHSHM_NO_SPACE = 25, /* the file system behind shared memory is too full */
  MHSHM_SYSTEM = 26,   /* a call of the system failed: see errno_value */
  MHSHM_WRONG_SIZE = 27,
  MHSHM_WRONG_MAGIC = 28,
  MHSHM_WRONG_VERSION = 29,
  MHSHM_WRONG_MACHINE = 30,
  MHSHM_UNKNOWN_FEATURES = 31,
  MHSHM_WRONG_PID_NAMESPACE = 32,
  MHSHM_WRONG_BOOT = 33,
  MHSHM_DAMAGED = 34,
  /* Locks. */
  MHSHM_LOCK_TIMEOUT = 35, /* another process holds a lock too long; the message names it */
  MHSHM_LOCK_BROKEN = 36,
  /* The rest. */
  MHSHM_INTERNAL = 37, /* a mistake in the library */
  MHSHM_OTHER = 38,
  MHSHM_BAD_DUMP = 39 /* a line of a file is no entry; since version 3 */
};

/* Types of values. */
enum {
  MHSHM_NIL = 0,     /* no value, as a value */
  MHSHM_BOOLEAN = 1, /* `integer` is 0 or 1 */
  MHSHM_INTEGER = 2, /* `integer` */
  MHSHM_DOUBLE = 3,  /* `number`; 3 and 3.0 are two values */
  MHSHM_BYTES = 4,   /* bytes */
  MHSHM_TABLE = 5,   /* bytes in the form of a Moonhive host's codec: hand them on as they are */
  MHSHM_LIST = 6     /* a list, in the answer of mhshm_entries alone; since version 3 */
};

/* Ends of a list. */
enum { MHSHM_LEFT = 0, MHSHM_RIGHT = 1 };

/* How to make and use a dictionary. NULL stands for the defaults. */
typedef struct mhshm_options {
  uint32_t struct_bytes;
  uint32_t mode;            /* permission bits of the object, to 0777; default 0600 */
  uint64_t size_bytes;      /* bytes of entries, their overhead included; default 1 MiB */
  uint32_t shards;          /* parts with a lock of their own, a power of two to 64; default by size */
  uint32_t lock_timeout_ms; /* longest wait of this process for a lock; default 5000 */
} mhshm_options;
#define MHSHM_OPTIONS_INIT {sizeof(mhshm_options), 0, 0, 0, 0}

/* A value to store. This structure does not grow. `reserved` is 0. */
typedef struct mhshm_value {
  uint32_t type;
  uint32_t reserved;
  int64_t integer;
  double number;
  const void *bytes;
  size_t length_bytes;
} mhshm_value;

/* What a key holds, but for its bytes. */
typedef struct mhshm_entry {
  uint32_t struct_bytes;
  uint32_t type;
  int64_t integer;
  double number;
  uint64_t length_bytes; /* of the bytes, whether they fitted or not */
  uint64_t version;      /* another one after each change, never used again for the key; never 0 */
  uint32_t flags;        /* what was stored beside the value */
  uint32_t is_stale;     /* 1: its time is over */
} mhshm_entry;
#define MHSHM_ENTRY_INIT {sizeof(mhshm_entry), 0, 0, 0, 0, 0, 0, 0}

/* How to store a value. NULL stands for the defaults. */
typedef struct mhshm_store_options {
  uint32_t struct_bytes;
  uint32_t flags;       /* a number to keep beside the value */
  uint64_t ttl_ms;      /* time to live; 0: for ever */
  uint32_t never_evict; /* 1: refuse instead of throwing out live entries of others ("safe") */
  uint32_t keep_ttl;    /* 1: an entry that is replaced keeps its end, and ttl_ms is for a new one; since
                           version 3, reserved and 0 before */
} mhshm_store_options;
#define MHSHM_STORE_OPTIONS_INIT {sizeof(mhshm_store_options), 0, 0, 0, 0}

/* What became of a store. Written after MHSHM_NO_MEMORY and MHSHM_CHANGED, too. */
typedef struct mhshm_stored {
  uint32_t struct_bytes;
  uint32_t forcible; /* 1: live entries were thrown out to make room */
  uint64_t version;  /* that the entry has now */
} mhshm_stored;
#define MHSHM_STORED_INIT {sizeof(mhshm_stored), 0, 0}

/* The sum after an increment: an MHSHM_INTEGER or an MHSHM_DOUBLE. */
typedef struct mhshm_sum {
  uint32_t struct_bytes;
  uint32_t type;
  int64_t integer;
  double number;
  uint32_t forcible; /* 1: live entries were thrown out for a new number */
  uint32_t reserved;
} mhshm_sum;
#define MHSHM_SUM_INIT {sizeof(mhshm_sum), 0, 0, 0, 0, 0}

/* A record in the answer of mhshm_items: this, then the key. The next one is record_bytes further. */
typedef struct mhshm_item {
  uint32_t record_bytes;
  uint32_t key_bytes;
  uint32_t flags;
  uint32_t age; /* how long ago it was used, in no unit; larger is longer */
  uint64_t version;
} mhshm_item;

/* A record in the answer of mhshm_range: this, then the bytes. The next one is record_bytes further. */
typedef struct mhshm_element {
  uint32_t record_bytes;
  uint32_t type;
  int64_t integer;
  double number;
  uint64_t length_bytes;
} mhshm_element;

/* A record in the answer of mhshm_entries: this, then the key, then the bytes of the value. The next one is
   record_bytes further. Of a list the type is MHSHM_LIST, and `integer` its length. Since version 3. */
typedef struct mhshm_listing {
  uint32_t record_bytes;
  uint32_t key_bytes;
  uint32_t flags;
  uint32_t type;
  uint64_t version;
  int64_t integer;
  double number;
  uint64_t length_bytes; /* of the value */
} mhshm_listing;

/* Numbers of a dictionary, all read at about one moment. Each is exact, but for hits and misses: one may
   be missing where two of more than 32 threads read at the same moment. */
typedef struct mhshm_numbers {
  uint32_t struct_bytes;
  uint32_t shards;
  uint64_t entries;        /* those included that have expired and were not reclaimed yet */
  uint64_t elements;       /* of lists */
  uint64_t capacity_bytes; /* that entries may take */
  uint64_t used_bytes;
  uint64_t free_bytes;
  uint64_t segment_bytes; /* of everything */
  uint64_t hits;          /* reads that found a live entry */
  uint64_t misses;
  uint64_t writes;
  uint64_t refusals;  /* stores refused for want of room */
  uint64_t evictions; /* live entries thrown out */
  uint64_t expiries;  /* expired entries reclaimed */
  uint64_t lock_waits;
  uint64_t repairs; /* after a death */
} mhshm_numbers;
#define MHSHM_NUMBERS_INIT {sizeof(mhshm_numbers), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* What the bytes of a dictionary hold. All that entries may take is key_bytes + value_bytes + overhead_bytes +
   element_bytes + overdue_bytes + free_bytes. Since version 3. */
typedef struct mhshm_usage {
  uint32_t struct_bytes;
  uint32_t reserved;
  uint64_t values;         /* live entries that are not lists */
  uint64_t lists;          /* live lists */
  uint64_t overdue;        /* entries that have ended and were not reclaimed yet */
  uint64_t key_bytes;      /* of live entries and lists */
  uint64_t value_bytes;    /* of live entries that are not lists */
  uint64_t overhead_bytes; /* what else live entries and heads of lists take */
  uint64_t overdue_bytes;  /* that what is overdue takes, without elements of lists */
  uint64_t element_bytes;  /* that elements of lists take, their overhead included; after the last step */
  uint64_t free_bytes;     /* that new entries can take; after the last step */
} mhshm_usage;
#define MHSHM_USAGE_INIT {sizeof(mhshm_usage), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* An object that has a name. */
typedef struct mhshm_object {
  uint32_t struct_bytes;
  int code; /* MHSHM_OK, or why it cannot be opened here */
  uint64_t size_bytes;
  uint64_t created_s; /* Unix time */
  uint32_t user;
  uint32_t group;
  uint32_t mode;
  uint32_t creator_pid;
  int attached; /* 1: some process has it open; 0: none; -1: unknown */
  char name[204];
} mhshm_object;

/* A failure in words. Both texts end with a zero byte; the hint may be empty. */
typedef struct mhshm_error {
  uint32_t struct_bytes;
  int code;
  int errno_value; /* the error of the system that is nearest */
  char message[512];
  char hint[256]; /* what to do about it */
} mhshm_error;
#define MHSHM_ERROR_INIT {sizeof(mhshm_error), 0, 0, {0}, {0}}

/* ---- The library ---------------------------------------------------------------------------- */

/* Version of the functions and structures of the library, and of the library as text. */
uint32_t mhshm_abi_version(void);
const char *mhshm_version(void);

/* The word of a code ("not_found"), for ever there; "unknown" for other numbers. */
const char *mhshm_code_name(int code);

/* The last failure of this thread in words; its code is 0 if there was none. As with errno, success
   leaves it as it was, and so does MHSHM_NOT_FOUND of a function that only reads. */
int mhshm_last_error(mhshm_error *error);

/* The bytes that the last function of this thread had no room for. */
int mhshm_last_bytes(void *buffer, size_t capacity_bytes, size_t *length_bytes);

/* ---- Objects -------------------------------------------------------------------------------- */

/* Make, open, or open and make if need be. A name has up to 200 letters, digits, dots, dashes and
   underscores. `made` says which of the two happened. Two processes that create one name at once:
   one succeeds, and the other never sees a half made object. `*dictionary` must not be a NULL place; it
   is NULL after a failure.
   MHSHM_INVALID_NAME, MHSHM_INVALID_OPTION, MHSHM_ALREADY_EXISTS, MHSHM_NO_SUCH_OBJECT, MHSHM_NO_SPACE,
   MHSHM_SYSTEM, or one of the codes that say how the object differs from what this library knows. */
int mhshm_create(const char *name, const mhshm_options *options, mhshm_dictionary **dictionary);
int mhshm_open(const char *name, const mhshm_options *options, mhshm_dictionary **dictionary);
int mhshm_open_or_create(const char *name, const mhshm_options *options,
                         mhshm_dictionary **dictionary, int *made);

/* The same for dictionaries in files, which outlive a restart of the machine, too. A path names the file, and
   has nothing to do with names; remove it as any file. All of its blocks are reserved when it is made. It
   must be on a disk of this machine, in a folder that knows files without a name (O_TMPFILE): else
   MHSHM_SYSTEM. The first who opens it after a start of the machine, or in another pid namespace while
   nobody has it open, renews it: a repaired copy takes its place, which takes as much room again and
   about 3 seconds for a million entries.
   MHSHM_INVALID_NAME for a path that names no file; MHSHM_WRONG_PID_NAMESPACE if it is in use in another one. Since
   version 2. */
int mhshm_create_file(const char *path, const mhshm_options *options,
                      mhshm_dictionary **dictionary);
int mhshm_open_file(const char *path, const mhshm_options *options, mhshm_dictionary **dictionary);
int mhshm_open_or_create_file(const char *path, const mhshm_options *options,
                              mhshm_dictionary **dictionary, int *made);

/* Writes a dictionary in a file to the disk, and returns once that is done; no lock is held meanwhile. What was
   stored before and is not changed afterwards survives a loss of power. MHSHM_SYSTEM. Since version 2. */
int mhshm_sync(const mhshm_dictionary *dictionary);

/* Writes all entries to a file, and stores those of such a file; the form is that of `moonhive shm dump` and load,
   a line of JSON for each entry. Versions are not kept; tables go as their bytes, and are written as of the type
   "table" also where they are none: moonhive loads such bytes only as of the type "unreadable table". Neither
   stops writers.
   Saving: each entry is written as it is when its turn comes, and the file takes the place of the one that is
   there, to which links are followed, once it is whole and on the disk. A file that cannot be replaced, because
   its folder may not be written to or something is mounted on the file, is written in place. What is no file,
   such as a pipe, is written to as it is, and so is an open descriptor (/dev/stdout, /dev/fd/3): flush before
   what stdio holds back. A pipe whose reader has left raises SIGPIPE, as by any write; a program that ignores
   it gets MHSHM_SYSTEM.
   Loading: what is under the same keys is replaced, other entries stay, and nothing is thrown out. `count` is how
   many entries were written or stored; mhshm_load writes it after a failure, too, when those before are stored. A
   file with a line that is no entry changes nothing.
   MHSHM_SYSTEM, MHSHM_BAD_DUMP (the message names file, line and field), MHSHM_NO_MEMORY, and what else a store
   fails with. Since version 3. */
int mhshm_save(const mhshm_dictionary *dictionary, const char *path, uint64_t *count);
int mhshm_load(const mhshm_dictionary *dictionary, const char *path, uint64_t *count);

/* A dictionary without a name: it goes with the last process that has it open. Hand its descriptor to
   a child, or through a Unix socket. The descriptor given to mhshm_open_descriptor stays the caller's;
   the one that mhshm_descriptor tells belongs to the dictionary. */
int mhshm_create_unnamed(const char *label, const mhshm_options *options,
                         mhshm_dictionary **dictionary);
int mhshm_open_descriptor(int descriptor, const mhshm_options *options,
                          mhshm_dictionary **dictionary);
int mhshm_descriptor(const mhshm_dictionary *dictionary, int *descriptor);

/* Closes a dictionary; NULL is fine. Its entries stay. */
int mhshm_close(mhshm_dictionary *dictionary);

/* Takes a name away. Who has the dictionary open keeps it. */
int mhshm_unlink(const char *name);

/* Describes every object that has a name, in order of name, into an array of `capacity`, the first of which
   has its struct_bytes set. `count` tells how many there are, which may be more. */
int mhshm_list(mhshm_object *objects, size_t capacity, size_t *count);

/* ---- Entries. Each may also fail with EMPTY_KEY, KEY_TOO_LONG, LOCK_TIMEOUT, LOCK_BROKEN ----------
   Where the order of use is exact (up to a mebibyte) and there are up to 256 entries, operations on keys and
   lists give up to two expired entries back on their way, those that have been used longest ago, as nginx's
   do; get_stale, version, ttl, expire and range do not. */

/* The live entry of a key; mhshm_get_stale: also one whose time is over, as long as nobody needed its
   memory. MHSHM_NOT_FOUND, MHSHM_VALUE_IS_LIST, MHSHM_TOO_SMALL (the entry is written then). */
int mhshm_get(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes, void *buffer,
              size_t capacity_bytes, mhshm_entry *entry);
int mhshm_get_stale(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
                    void *buffer, size_t capacity_bytes, mhshm_entry *entry);

/* The version of a live entry or list. MHSHM_NOT_FOUND. */
int mhshm_entry_version(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
                        uint64_t *version);

/* How long a live entry or list still lives, or MHSHM_FOREVER. MHSHM_NOT_FOUND. */
#define MHSHM_FOREVER UINT64_MAX
int mhshm_ttl(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
              uint64_t *ttl_us);

/* How long ago the time of an entry or a list was over that was not reclaimed yet, or MHSHM_FLUSHED.
   MHSHM_NOT_FOUND if it lives or is gone. Since version 2. */
#define MHSHM_FLUSHED UINT64_MAX
int mhshm_overdue(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
                  uint64_t *past_us);

/* Waits until a key has another version than this one, where 0 stands for no live entry; `now` is the
   version it has then. Sleeps; expiry is noticed within 100 ms. MHSHM_TIMEOUT. */
int mhshm_wait(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
               uint64_t version, uint64_t timeout_ms, uint64_t *now);

/* Store a value: always; if no live entry has the key (MHSHM_EXISTS); if one has (MHSHM_NOT_FOUND); if
   it has this version (MHSHM_CHANGED with the version that it has, MHSHM_NOT_FOUND). All: MHSHM_NO_MEMORY.
   A store that fails leaves the old value in place. The value must not be NULL.

   A value is changed by what a program makes of it, so that nobody's change is lost, in a loop of get and cas (a
   whole one, with text that grows: examples/shm/stock.c):

     mhshm_entry old = MHSHM_ENTRY_INIT;
     mhshm_store_options keep = MHSHM_STORE_OPTIONS_INIT;
     keep.keep_ttl = 1;
     do {
       code = mhshm_get(dictionary, key, key_bytes, buffer, sizeof(buffer), &old);
       if (code == MHSHM_OK) {
         keep.flags = old.flags;
         new_value = ...;
         code = mhshm_cas(dictionary, key, key_bytes, old.version, &new_value, &keep, NULL);
       } else if (code == MHSHM_NOT_FOUND) {
         code = mhshm_add(dictionary, key, key_bytes, &first_value, NULL, NULL);
       }
     } while (code == MHSHM_CHANGED || code == MHSHM_EXISTS || code == MHSHM_NOT_FOUND); */
int mhshm_set(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
              const mhshm_value *value, const mhshm_store_options *options, mhshm_stored *stored);
int mhshm_add(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
              const mhshm_value *value, const mhshm_store_options *options, mhshm_stored *stored);
int mhshm_replace(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
                  const mhshm_value *value, const mhshm_store_options *options,
                  mhshm_stored *stored);
int mhshm_cas(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
              uint64_t version, const mhshm_value *value, const mhshm_store_options *options,
              mhshm_stored *stored);

/* Ends an entry or a list. Succeeds if there is none; `was_live` tells. */
int mhshm_delete(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
                 int *was_live);

/* Ends an entry or a list if it has this version. MHSHM_CHANGED, MHSHM_NOT_FOUND. Since version 3. */
int mhshm_delete_version(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
                         uint64_t version);

/* Adds to a number; flags and time to live stay. Integers stay exact, and an integer plus a double is a
   double. Without a live entry the number begins as `initial` (NULL: MHSHM_NOT_FOUND) with the time of the
   options. MHSHM_NOT_NUMBER, MHSHM_OVERFLOW, MHSHM_NO_MEMORY (sum->forcible is written then). */
int mhshm_incr(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
               const mhshm_value *by, const mhshm_value *initial,
               const mhshm_store_options *options, mhshm_sum *sum);

/* Lets a live entry or list end after a time from now; 0: never. MHSHM_NOT_FOUND, MHSHM_NO_MEMORY. */
int mhshm_expire(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
                 uint64_t ttl_ms);

/* ---- Locks of keys. Since version 3 -----------------------------------------------------------------
   A lock is an entry that names the process which holds it, in any language: the locks of Moonhive services
   are the same. It ends when it is given back, with its time to live, and with its process, by SIGKILL
   too: then the next one who wants it takes it over. So two threads of a process, or a child after fork, are
   not told apart by the lock but by `lock`, the number that stands for it. Do not use the key of a lock for
   data, and keep locks in a dictionary that does not run full: it would throw them out like anything else. */

/* Takes the lock of a key, waiting until it is free; a timeout of 0 looks once, UINT64_MAX waits for ever. It lives
   for so many milliseconds, 0: for ever. Not recursive: a thread that holds it waits like any other. That its
   owner has died is noticed within 100 ms. `lock` must not be NULL. MHSHM_TIMEOUT if somebody holds it all
   the time, MHSHM_VALUE_IS_LIST, MHSHM_NO_MEMORY. */
int mhshm_lock(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
               uint64_t timeout_ms, uint64_t ttl_ms, uint64_t *lock);

/* Gives a lock back. MHSHM_NOT_FOUND or MHSHM_CHANGED if it was lost before; what is there now stays. */
int mhshm_unlock(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes, uint64_t lock);

/* Begins the time to live of a lock anew; 0: for ever. The lock has another number then, and the process that
   calls this is its owner. MHSHM_NOT_FOUND or MHSHM_CHANGED if it was lost before, MHSHM_NO_MEMORY; `*lock` is
   as it was after any of these. */
int mhshm_renew_lock(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
                     uint64_t ttl_ms, uint64_t *lock);

/* The process that holds the lock of a key. MHSHM_NOT_FOUND if there is no lock, or its owner has died. */
int mhshm_lock_owner(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
                     uint32_t *pid);

/* ---- Counters for many writers. Since version 3 ------------------------------------------------------
   A number in eight entries, NAME#1 to NAME#8, each with a lock that other threads seldom want: each
   thread adds to one of them, and a read adds them up. The counters of Moonhive services are the same. Keep them
   where nothing is thrown out: what a dictionary that is full throws out is lost to the sum. An empty name is
   MHSHM_EMPTY_KEY. */

/* Adds an integer or a double. MHSHM_NOT_NUMBER if something else has the key, MHSHM_OVERFLOW, MHSHM_NO_MEMORY. */
int mhshm_counter_add(const mhshm_dictionary *dictionary, const void *name, size_t name_bytes,
                      const mhshm_value *by);

/* The sum of all that was added since the last reset, 0 at first: exact for all that was added before the call;
   what is added meanwhile may be in it or not. MHSHM_NOT_NUMBER, MHSHM_OVERFLOW. */
int mhshm_counter_read(const mhshm_dictionary *dictionary, const void *name, size_t name_bytes,
                       mhshm_sum *sum);

/* Begins a counter anew at 0. What is added meanwhile may be lost. */
int mhshm_counter_reset(const mhshm_dictionary *dictionary, const void *name, size_t name_bytes);

/* ---- Lists. Each may also fail with MHSHM_VALUE_NOT_LIST ------------------------------------------ */

/* Adds an element at an end and tells the new length. Time and flags count for a new list only. Live entries
   are thrown out for it unless the options say never_evict. MHSHM_NO_MEMORY. */
int mhshm_push(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
               const mhshm_value *value, int side, const mhshm_store_options *options,
               uint64_t *length);

/* Take the element at an end; the last one takes the list with it. mhshm_pop_wait waits for one.
   MHSHM_NOT_FOUND or MHSHM_TIMEOUT; after MHSHM_TOO_SMALL the element is taken, and mhshm_last_bytes has it. */
int mhshm_pop(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes, int side,
              void *buffer, size_t capacity_bytes, mhshm_entry *entry);
int mhshm_pop_wait(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes, int side,
                   uint64_t timeout_ms, void *buffer, size_t capacity_bytes, mhshm_entry *entry);

/* Elements of a list; 0 without one. */
int mhshm_length(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes,
                 uint64_t *length);

/* Elements from one index to another, both included, from 0; negative ones count from the end. `buffer`
   gets `count` records, see mhshm_element. MHSHM_TOO_SMALL. */
int mhshm_range(const mhshm_dictionary *dictionary, const void *key, size_t key_bytes, int64_t start,
                int64_t stop, void *buffer, size_t capacity_bytes, size_t *length_bytes,
                size_t *count);

/* ---- The whole ------------------------------------------------------------------------------------ */

/* Live entries from a cursor on: about `wanted` records, see mhshm_item, in no order. The cursor is 0 at
   first and MHSHM_END after the last entry; an entry that exists all the time is met once. No lock is held for
   longer than a few dozen entries. MHSHM_TOO_SMALL (the cursor has moved on: use mhshm_last_bytes). */
#define MHSHM_END UINT64_MAX
int mhshm_items(const mhshm_dictionary *dictionary, uint64_t *cursor, size_t wanted, void *buffer,
                size_t capacity_bytes, size_t *length_bytes, size_t *count);

/* The same, of entries alone whose key begins with these bytes. Where few do, there may be fewer than `wanted`
   records, or none, before the end: a call passes over some thousand others. Since version 3. */
int mhshm_items_with_prefix(const mhshm_dictionary *dictionary, const void *prefix,
                            size_t prefix_bytes, uint64_t *cursor, size_t wanted, void *buffer,
                            size_t capacity_bytes, size_t *length_bytes, size_t *count);

/* The same with what the entries hold, see mhshm_listing; elements of lists are read by mhshm_range. An entry that
   ends before its turn comes is left out. No prefix (0 bytes) is that of all. Since version 3. */
int mhshm_entries(const mhshm_dictionary *dictionary, const void *prefix, size_t prefix_bytes,
                  uint64_t *cursor, size_t wanted, void *buffer, size_t capacity_bytes,
                  size_t *length_bytes, size_t *count);

/* Ends every entry that exists now. Its memory is given back as it is needed. */
int mhshm_flush_all(const mhshm_dictionary *dictionary);

/* Gives expired entries back, about `most` of them (0: all). A sweep looks at so many buckets from a cursor
   on, for a program that does it little by little; it begins anew at MHSHM_END. */
int mhshm_flush_expired(const mhshm_dictionary *dictionary, uint64_t most, uint64_t *freed);
int mhshm_sweep(const mhshm_dictionary *dictionary, uint64_t *cursor, uint64_t buckets,
                uint64_t *freed);

/* Bytes of entries that it was made for, and bytes that new entries can take. */
int mhshm_capacity_bytes(const mhshm_dictionary *dictionary, uint64_t *capacity_bytes);
int mhshm_free_bytes(const mhshm_dictionary *dictionary, uint64_t *free_bytes);

int mhshm_statistics(const mhshm_dictionary *dictionary, mhshm_numbers *statistics);

/* Adds to `usage` what about so many buckets from a cursor on hold: a walk in steps, as with mhshm_items, that holds
   no lock for longer than a few dozen entries. The cursor is 0 and `usage` MHSHM_USAGE_INIT at first; it is done at
   MHSHM_END. Neither may be NULL. While others write, it tells about what there is. Since version 3. */
int mhshm_measure(const mhshm_dictionary *dictionary, uint64_t *cursor, uint64_t buckets,
                  mhshm_usage *usage);

/* Verifies every invariant of a dictionary in use, a millisecond per 10,000 entries: `count` findings, each
   a line of text in the buffer. 0 findings is health. MHSHM_TOO_SMALL. */
int mhshm_check(const mhshm_dictionary *dictionary, void *buffer, size_t capacity_bytes,
                size_t *length_bytes, size_t *count);

/* Rebuilds everything that can be rebuilt and drops what is damaged. Nobody has to call it after a death:
   the next one who takes the dead one's lock does. */
int mhshm_repair(const mhshm_dictionary *dictionary);

#ifdef __cplusplus
}
#endif

#endif
