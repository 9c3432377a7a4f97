-- What LuaJIT has to know of the library: the structures and functions of moonhive_shm.h that the
-- binding uses, in the same order. Requiring this twice is harmless, declaring twice is not.
-- Flags have a sign here, as nginx gives them back; the library keeps their bits.

local ffi = require("ffi")

ffi.cdef([[
typedef struct mhshm_dictionary mhshm_dictionary;
typedef struct {
  uint32_t struct_bytes, mode; uint64_t size_bytes; uint32_t shards, lock_timeout_ms;
} mhshm_options;
typedef struct {
  uint32_t type, reserved; int64_t integer; double number; const char *bytes; size_t length_bytes;
} mhshm_value;
typedef struct {
  uint32_t struct_bytes, type; int64_t integer; double number;
  uint64_t length_bytes, version; int32_t flags; uint32_t is_stale;
} mhshm_entry;
typedef struct {
  uint32_t struct_bytes; int32_t flags; uint64_t ttl_ms; uint32_t never_evict, reserved;
} mhshm_store_options;
typedef struct { uint32_t struct_bytes, forcible; uint64_t version; } mhshm_stored;
typedef struct {
  uint32_t struct_bytes, type; int64_t integer; double number; uint32_t forcible, reserved;
} mhshm_sum;
typedef struct {
  uint32_t record_bytes, key_bytes, flags, age; uint64_t version;
} mhshm_item;
typedef struct {
  uint32_t record_bytes, type; int64_t integer; double number; uint64_t length_bytes;
} mhshm_element;
typedef struct {
  uint32_t struct_bytes, shards;
  uint64_t entries, elements, capacity_bytes, used_bytes, free_bytes, segment_bytes, hits, misses;
  uint64_t writes, refusals, evictions, expiries, lock_waits, repairs;
} mhshm_numbers;
typedef struct {
  uint32_t struct_bytes; int code, errno_value; char message[512], hint[256];
} mhshm_error;

uint32_t mhshm_abi_version(void);
int mhshm_last_error(mhshm_error *error);
int mhshm_last_bytes(char *buffer, size_t capacity_bytes, size_t *length_bytes);
int mhshm_create(const char *name, const mhshm_options *, mhshm_dictionary **);
int mhshm_open(const char *name, const mhshm_options *, mhshm_dictionary **);
int mhshm_open_or_create(const char *name, const mhshm_options *, mhshm_dictionary **, int *made);
int mhshm_create_file(const char *path, const mhshm_options *, mhshm_dictionary **);
int mhshm_open_file(const char *path, const mhshm_options *, mhshm_dictionary **);
int mhshm_open_or_create_file(const char *path, const mhshm_options *, mhshm_dictionary **,
                              int *made);
int mhshm_sync(const mhshm_dictionary *);
int mhshm_close(mhshm_dictionary *);
int mhshm_unlink(const char *name);
int mhshm_get(const mhshm_dictionary *, const char *, size_t, char *, size_t, mhshm_entry *);
int mhshm_get_stale(const mhshm_dictionary *, const char *, size_t, char *, size_t, mhshm_entry *);
int mhshm_entry_version(const mhshm_dictionary *, const char *, size_t, uint64_t *version);
int mhshm_ttl(const mhshm_dictionary *, const char *, size_t, uint64_t *ttl_us);
int mhshm_overdue(const mhshm_dictionary *, const char *, size_t, uint64_t *past_us);
int mhshm_wait(const mhshm_dictionary *, const char *, size_t, uint64_t version,
               uint64_t timeout_ms, uint64_t *now);
int mhshm_set(const mhshm_dictionary *, const char *, size_t, const mhshm_value *,
              const mhshm_store_options *, mhshm_stored *);
int mhshm_add(const mhshm_dictionary *, const char *, size_t, const mhshm_value *,
              const mhshm_store_options *, mhshm_stored *);
int mhshm_replace(const mhshm_dictionary *, const char *, size_t, const mhshm_value *,
                  const mhshm_store_options *, mhshm_stored *);
int mhshm_cas(const mhshm_dictionary *, const char *, size_t, uint64_t version, const mhshm_value *,
              const mhshm_store_options *, mhshm_stored *);
int mhshm_delete(const mhshm_dictionary *, const char *, size_t, int *was_live);
int mhshm_incr(const mhshm_dictionary *, const char *, size_t, const mhshm_value *by,
               const mhshm_value *initial, const mhshm_store_options *, mhshm_sum *);
int mhshm_expire(const mhshm_dictionary *, const char *, size_t, uint64_t ttl_ms);
int mhshm_push(const mhshm_dictionary *, const char *, size_t, const mhshm_value *, int side,
               const mhshm_store_options *, uint64_t *length);
int mhshm_pop(const mhshm_dictionary *, const char *, size_t, int side, char *, size_t,
              mhshm_entry *);
int mhshm_pop_wait(const mhshm_dictionary *, const char *, size_t, int side, uint64_t timeout_ms,
                   char *, size_t, mhshm_entry *);
int mhshm_length(const mhshm_dictionary *, const char *, size_t, uint64_t *length);
int mhshm_range(const mhshm_dictionary *, const char *, size_t, int64_t start, int64_t stop, char *,
                size_t, size_t *length_bytes, size_t *count);
int mhshm_items(const mhshm_dictionary *, uint64_t *cursor, size_t wanted, char *, size_t,
                size_t *length_bytes, size_t *count);
int mhshm_flush_all(const mhshm_dictionary *);
int mhshm_flush_expired(const mhshm_dictionary *, uint64_t most, uint64_t *freed);
int mhshm_capacity_bytes(const mhshm_dictionary *, uint64_t *);
int mhshm_free_bytes(const mhshm_dictionary *, uint64_t *);
int mhshm_statistics(const mhshm_dictionary *, mhshm_numbers *);
int mhshm_check(const mhshm_dictionary *, char *, size_t, size_t *length_bytes, size_t *count);
]])
