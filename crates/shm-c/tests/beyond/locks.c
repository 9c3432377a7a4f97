/*
** Takes the lock of a key: locks NAME KEY TIMEOUT_MS. Says "waits" if another process has it, "holds" once it
** is its own; keeps it until its input ends, and gives it back. Its counterpart is tests/locks.rs.
*/

#include <moonhive_shm.h>
#include <inttypes.h>
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

static void say(const char *what) {
  printf("%s\n", what);
  fflush(stdout);
}

int main(int argc, char **argv) {
  mhshm_dictionary *jobs;
  uint64_t lock = 0, before;
  uint32_t owner = 0;
  size_t length;
  if (argc != 4) return 2;
  length = strlen(argv[2]);
  expect(mhshm_open(argv[1], NULL, &jobs), MHSHM_OK, "open");
  expect(mhshm_lock(jobs, argv[2], length, 0, 0, NULL), MHSHM_INVALID_ARGUMENT, "lock without a place");
  if (mhshm_lock_owner(jobs, argv[2], length, &owner) == MHSHM_OK) {
    expect(mhshm_lock(jobs, argv[2], length, 0, 0, &lock), MHSHM_TIMEOUT, "lock at once");
    say("waits");
  }
  expect(mhshm_lock(jobs, argv[2], length, strtoul(argv[3], NULL, 10), 0, &lock), MHSHM_OK, "lock");
  before = lock;
  expect(mhshm_renew_lock(jobs, argv[2], length, 3600000, &lock), MHSHM_OK, "renew");
  expect(mhshm_unlock(jobs, argv[2], length, before), MHSHM_CHANGED, "unlock with an old number");
  say("holds");
  while (getchar() != EOF) continue;
  expect(mhshm_unlock(jobs, argv[2], length, lock), MHSHM_OK, "unlock");
  expect(mhshm_unlock(jobs, argv[2], length, lock), MHSHM_NOT_FOUND, "unlock twice");
  expect(mhshm_renew_lock(jobs, argv[2], length, 0, &lock), MHSHM_NOT_FOUND, "renew too late");
  expect(mhshm_lock_owner(jobs, argv[2], length, &owner), MHSHM_NOT_FOUND, "owner");
  mhshm_close(jobs);
  return 0;
}
