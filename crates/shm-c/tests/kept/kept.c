/*
** Counts a visit in a dictionary in a file, puts it on the disk, and finds it again: called with the path of
** the file and the path of one that is not there. Its counterpart is tests/programs.rs.
*/

#include <moonhive_shm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect(int code, int wanted, const char *what) {
  mhshm_error error = MHSHM_ERROR_INIT;
  if (code == wanted) return;
  mhshm_last_error(&error);
  fprintf(stderr, "%s: %s instead of %s: %s\n", what, mhshm_code_name(code),
          mhshm_code_name(wanted), error.message);
  exit(1);
}

static long long visit(mhshm_dictionary *kept) {
  mhshm_value one = {MHSHM_INTEGER, 0, 1, 0, NULL, 0};
  mhshm_value zero = {MHSHM_INTEGER, 0, 0, 0, NULL, 0};
  mhshm_sum sum = MHSHM_SUM_INIT;
  expect(mhshm_incr(kept, "visits", strlen("visits"), &one, &zero, NULL, &sum), MHSHM_OK, "incr");
  return sum.integer;
}

int main(int argc, char **argv) {
  mhshm_options options = MHSHM_OPTIONS_INIT;
  mhshm_entry entry = MHSHM_ENTRY_INIT;
  mhshm_dictionary *kept = NULL;
  long long visits;
  int made = -1;
  if (argc != 3 || mhshm_abi_version() < MHSHM_ABI_VERSION) return 2;
  options.size_bytes = 64 << 10;

  expect(mhshm_open_or_create_file(argv[1], &options, &kept, &made), MHSHM_OK, "open or create");
  visits = visit(kept);
  expect(mhshm_sync(kept), MHSHM_OK, "sync");
  mhshm_close(kept);

  expect(mhshm_create_file(argv[1], &options, &kept), MHSHM_ALREADY_EXISTS, "create");
  expect(mhshm_open_file(argv[2], NULL, &kept), MHSHM_NO_SUCH_OBJECT, "open nothing");
  expect(mhshm_open_file("/", NULL, &kept), MHSHM_INVALID_NAME, "open a folder");
  expect(mhshm_open_file(NULL, NULL, &kept), MHSHM_INVALID_ARGUMENT, "open null");
  expect(mhshm_sync(NULL), MHSHM_INVALID_ARGUMENT, "sync null");
  if (kept) return 3;

  expect(mhshm_open_file(argv[1], NULL, &kept), MHSHM_OK, "open");
  expect(mhshm_get(kept, "visits", strlen("visits"), NULL, 0, &entry), MHSHM_OK, "get");
  if (entry.integer != visits) return 4;
  mhshm_close(kept);
  printf("%s, visit %lld\n", made ? "made" : "found", visits);
  return 0;
}
