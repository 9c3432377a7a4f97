/*
** Counts visits in a dictionary that any other program may use at the same time.
**
**   cc visits.c $(pkg-config --cflags --libs moonhive_shm) -o visits
**   ./visits NAME COUNT
**
** Opens the dictionary NAME, or makes it; adds 1 to "visits" COUNT times; leaves its name in the list
** "guests"; shows "greeting" if somebody has left one, all keys, and how the dictionary is.
*/

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moonhive_shm.h>

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

static mhshm_value text(const char *bytes) {
  mhshm_value value = {MHSHM_BYTES, 0, 0, 0, bytes, strlen(bytes)};
  return value;
}

/* Adds 1 so many times; whatever others do meanwhile, no visit is lost. */
static void visit(mhshm_dictionary *dictionary, long count) {
  mhshm_value one = integer(1), none = integer(0);
  mhshm_sum sum = MHSHM_SUM_INIT;
  for (long i = 0; i < count; i++) {
    if (mhshm_incr(dictionary, "visits", 6, &one, &none, NULL, &sum) != MHSHM_OK) fail("incr");
  }
  printf("visits %s\n", sum.integer >= count ? "counted" : "lost");
}

/* Shows a text that may be longer than we thought. */
static void show_greeting(mhshm_dictionary *dictionary) {
  char buffer[16];
  char *bytes = buffer;
  size_t length = 0;
  mhshm_entry entry = MHSHM_ENTRY_INIT;
  int code = mhshm_get(dictionary, "greeting", 8, buffer, sizeof(buffer), &entry);
  if (code == MHSHM_NOT_FOUND) return;
  if (code == MHSHM_TOO_SMALL) {
    bytes = malloc((size_t)entry.length_bytes);
    code = mhshm_last_bytes(bytes, (size_t)entry.length_bytes, &length);
  }
  if (code != MHSHM_OK) fail("get");
  printf("greeting %.*s\n", (int)entry.length_bytes, bytes);
  if (bytes != buffer) free(bytes);
}

/* Goes through all keys, a few at a time. */
static void show_keys(mhshm_dictionary *dictionary) {
  char buffer[4096];
  uint64_t cursor = 0;
  while (cursor != MHSHM_END) {
    size_t length, count;
    if (mhshm_items(dictionary, &cursor, 16, buffer, sizeof(buffer), &length, &count) != MHSHM_OK) {
      fail("items");
    }
    for (size_t at = 0; at < length;) {
      mhshm_item item;
      memcpy(&item, buffer + at, sizeof(item));
      printf("key %.*s\n", (int)item.key_bytes, buffer + at + sizeof(item));
      at += item.record_bytes;
    }
  }
}

static void show_health(mhshm_dictionary *dictionary) {
  size_t findings;
  mhshm_numbers numbers = MHSHM_NUMBERS_INIT;
  int code = mhshm_check(dictionary, NULL, 0, NULL, &findings);
  if (code != MHSHM_OK && code != MHSHM_TOO_SMALL) fail("check");
  if (mhshm_statistics(dictionary, &numbers) != MHSHM_OK) fail("statistics");
  printf("entries %" PRIu64 ", findings %zu\n", numbers.entries, findings);
}

int main(int count, char **arguments) {
  mhshm_dictionary *dictionary;
  mhshm_options options = MHSHM_OPTIONS_INIT;
  mhshm_value guest = text("C");
  if (count != 3) {
    fprintf(stderr, "usage: visits NAME COUNT\n");
    return EXIT_FAILURE;
  }
  options.size_bytes = 4 << 20;
  if (mhshm_open_or_create(arguments[1], &options, &dictionary, NULL) != MHSHM_OK) fail("open");
  visit(dictionary, atol(arguments[2]));
  if (mhshm_push(dictionary, "guests", 6, &guest, MHSHM_RIGHT, NULL, NULL) != MHSHM_OK) fail("push");
  show_greeting(dictionary);
  show_keys(dictionary);
  show_health(dictionary);
  mhshm_close(dictionary);
  return EXIT_SUCCESS;
}
