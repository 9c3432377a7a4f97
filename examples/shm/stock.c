/*
** Sells from a stock that any other program may sell from at the same time.
**
**   cc stock.c $(pkg-config --cflags --libs moonhive_shm) -o stock
**   ./stock NAME COUNT
**
** Opens the dictionary NAME, or makes it, and COUNT times: takes one from the stock under "stock:apples"
** (compare and swap), adds the sale to the journal under "stock:journal" (the same with text that grows), and
** counts it (a counter for many writers). Then, alone for that time (a lock that ends with its owner), writes
** the report, and shows what there is under "stock:" (a prefix).
*/

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moonhive_shm.h>

#define KEY(text) text, sizeof(text) - 1

/* Says what the last failure was, and ends. */
static void fail(const char *what) {
  mhshm_error error = MHSHM_ERROR_INIT;
  mhshm_last_error(&error);
  fprintf(stderr, "%s: %s (%s)\n", what, error.message, mhshm_code_name(error.code));
  if (error.hint[0] != '\0') fprintf(stderr, "hint: %s\n", error.hint);
  exit(EXIT_FAILURE);
}

static mhshm_value integer(int64_t number) {
  mhshm_value value = {MHSHM_INTEGER, 0, number, 0, NULL, 0};
  return value;
}

static mhshm_value text(const char *bytes, size_t length) {
  mhshm_value value = {MHSHM_BYTES, 0, 0, 0, bytes, length};
  return value;
}

/* What is not there yet, or is another one now, is tried again. */
static int is_to_be_repeated(int code) {
  return code == MHSHM_CHANGED || code == MHSHM_EXISTS || code == MHSHM_NOT_FOUND;
}

/* Takes one from the stock. Its end, if it has one, stays. */
static void take_one(mhshm_dictionary *dictionary) {
  mhshm_entry stock = MHSHM_ENTRY_INIT;
  mhshm_store_options keep = MHSHM_STORE_OPTIONS_INIT;
  int code;
  keep.keep_ttl = 1;
  do {
    mhshm_value less;
    code = mhshm_get(dictionary, KEY("stock:apples"), NULL, 0, &stock);
    if (code != MHSHM_OK) fail("get");
    less = integer(stock.integer - 1);
    keep.flags = stock.flags;
    code = mhshm_cas(dictionary, KEY("stock:apples"), stock.version, &less, &keep, NULL);
  } while (is_to_be_repeated(code));
  if (code != MHSHM_OK) fail("cas");
}

/* Reads text of any length; the caller frees it. */
static char *read_text(mhshm_dictionary *dictionary, const char *key, size_t key_bytes,
                       mhshm_entry *entry, int *code) {
  *code = mhshm_get(dictionary, key, key_bytes, NULL, 0, entry);
  if (*code == MHSHM_OK) return calloc(1, 1); /* the text is empty */
  if (*code != MHSHM_TOO_SMALL) return NULL;
  char *bytes = malloc((size_t)entry->length_bytes);
  *code = mhshm_last_bytes(bytes, (size_t)entry->length_bytes, NULL);
  return bytes;
}

/* Adds a letter to the journal. */
static void note(mhshm_dictionary *dictionary, char letter) {
  int code;
  do {
    mhshm_entry old = MHSHM_ENTRY_INIT;
    char *bytes = read_text(dictionary, KEY("stock:journal"), &old, &code);
    if (code == MHSHM_NOT_FOUND) {
      mhshm_value first = text(&letter, 1);
      code = mhshm_add(dictionary, KEY("stock:journal"), &first, NULL, NULL);
    } else if (code == MHSHM_OK) {
      size_t length = (size_t)old.length_bytes;
      mhshm_value longer;
      bytes = realloc(bytes, length + 1);
      bytes[length] = letter;
      longer = text(bytes, length + 1);
      code = mhshm_cas(dictionary, KEY("stock:journal"), old.version, &longer, NULL, NULL);
    }
    free(bytes);
  } while (is_to_be_repeated(code));
  if (code != MHSHM_OK) fail("journal");
}

/* Counts a sale. */
static void count_one(mhshm_dictionary *dictionary) {
  mhshm_value one = integer(1);
  if (mhshm_counter_add(dictionary, KEY("sales"), &one) != MHSHM_OK) fail("count");
}

/* Writes the report while nobody else does. Who dies here leaves the lock to the next one. */
static void report(mhshm_dictionary *dictionary) {
  uint64_t lock;
  mhshm_sum sales = MHSHM_SUM_INIT;
  mhshm_value value;
  if (mhshm_lock(dictionary, KEY("report:lock"), 5000, 0, &lock) != MHSHM_OK) fail("lock");
  if (mhshm_counter_read(dictionary, KEY("sales"), &sales) != MHSHM_OK) fail("read");
  value = integer(sales.integer);
  if (mhshm_set(dictionary, KEY("report"), &value, NULL, NULL) != MHSHM_OK) fail("set");
  if (mhshm_unlock(dictionary, KEY("report:lock"), lock) != MHSHM_OK) fail("unlock");
  printf("sales %" PRId64 "\n", sales.integer);
}

/* Goes through the keys of the stock, a few at a time; other keys are passed over in the library. */
static void show_stock(mhshm_dictionary *dictionary) {
  char buffer[4096];
  uint64_t cursor = 0;
  while (cursor != MHSHM_END) {
    size_t length, count;
    if (mhshm_items_with_prefix(dictionary, KEY("stock:"), &cursor, 16, buffer, sizeof(buffer),
                                &length, &count) != MHSHM_OK) {
      fail("items");
    }
    for (size_t at = 0; at < length;) {
      mhshm_item item;
      memcpy(&item, buffer + at, sizeof(item));
      printf("in stock: %.*s\n", (int)item.key_bytes, buffer + at + sizeof(item));
      at += item.record_bytes;
    }
  }
}

int main(int count, char **arguments) {
  mhshm_dictionary *dictionary;
  mhshm_options options = MHSHM_OPTIONS_INIT;
  mhshm_value apples = integer(1000000);
  int code;
  if (count != 3) {
    fprintf(stderr, "usage: stock NAME COUNT\n");
    return EXIT_FAILURE;
  }
  options.size_bytes = 4 << 20;
  if (mhshm_open_or_create(arguments[1], &options, &dictionary, NULL) != MHSHM_OK) fail("open");
  code = mhshm_add(dictionary, KEY("stock:apples"), &apples, NULL, NULL);
  if (code != MHSHM_OK && code != MHSHM_EXISTS) fail("add");
  for (long i = 0; i < atol(arguments[2]); i++) {
    take_one(dictionary);
    note(dictionary, 'C');
    count_one(dictionary);
  }
  report(dictionary);
  show_stock(dictionary);
  mhshm_close(dictionary);
  return EXIT_SUCCESS;
}
