/*
** Coverage of C code for libFuzzer. gcc's `-fsanitize-coverage=trace-pc` calls a function at each
** edge, where libFuzzer expects clang's counters and its own function does nothing (the linker puts
** this one in its place); but it also reads any counters that lie in a section of this name. An
** edge is known by its place in the program; a collision only hides an edge.
*/

#include <stdint.h>

#define COUNTERS (1u << 14)

/* what is called at each edge must not be instrumented itself */
#define PLAIN __attribute__((no_sanitize_coverage, no_sanitize_address))

__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];

PLAIN void __wrap___sanitizer_cov_trace_pc (void);
PLAIN void __sanitizer_cov_trace_cmpf (float left, float right);
PLAIN void __sanitizer_cov_trace_cmpd (double left, double right);

void __wrap___sanitizer_cov_trace_pc (void) {
  uintptr_t edge = (uintptr_t)__builtin_return_address(0) - (uintptr_t)counters;
  uint8_t *counter = &counters[(edge ^ (edge >> 14)) % COUNTERS];
  if (*counter < UINT8_MAX) ++*counter;
}

/* gcc reports comparisons of floats too; libFuzzer learns from integers only */

void __sanitizer_cov_trace_cmpf (float left, float right) {
  (void)left; (void)right;
}

void __sanitizer_cov_trace_cmpd (double left, double right) {
  (void)left; (void)right;
}
