/*
** lsharestr.h
** Canonical strings of the process: what lshare*.c know of them
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#ifndef lsharestr_h
#define lsharestr_h

#include <stdatomic.h>
#include <stddef.h>

#include "lobject.h"
#include "lstate.h"


/*
** Canonical string. The header in front of the string proper is all that
** changes after publication:
** - 'refs' counts the images that use the string (plus one for the names
**   of the standard library). Changed only under the lock.
** - 'state' starts as zero; any thread may set STRSEEN; STRDEAD is set
**   under the lock and only on a string that nobody has seen.
** - 'next' links it into one limbo list ('listed'), under the lock.
*/
typedef struct SharedString {
  struct SharedString *next;
  unsigned long long stamp;	/* publication that brought it */
  atomic_uint refs;
  atomic_uchar state;
  lu_byte listed;
  TString ts;	/* must be last: contents follow */
} SharedString;

#define STRSEEN		1	/* some VM has (or may have) a reference */
#define STRDEAD		2	/* unlinked, not to be used any more */

#define ts2shared(s)  \
	cast(SharedString *, cast_charp(s) - offsetof(SharedString, ts))


/* counters of 'lua_ShareStats', each kept with relaxed atomics */
typedef struct ShareCounters {
  atomic_size_t images, imagebytes;
  atomic_size_t strings, stringbytes;
  atomic_size_t limbo, limbobytes;
  atomic_size_t freedimages, freedstrings;
  atomic_size_t thinclones;
  atomic_size_t shares, sharebytes, freedshares;
  atomic_size_t replacements;
} ShareCounters;

LUAI_FUNC ShareCounters luaI_counters;

#define countup(f,n)  \
	atomic_fetch_add_explicit(&luaI_counters.f, n, memory_order_relaxed)
#define countdown(f,n)  \
	atomic_fetch_sub_explicit(&luaI_counters.f, n, memory_order_relaxed)


/* the seed of all string hashes of the process; set before the first VM */
LUAI_FUNC unsigned luaI_seed;

/* a pause in which others may go on, for tests of threads */
#if !defined(luai_sharepause)
#define luai_sharepause()	((void)0)
#endif

/* the lock that serializes publication and limbo */
LUAI_FUNC void luaI_lock (void);
LUAI_FUNC void luaI_unlock (void);

/* under the lock: */
LUAI_FUNC TString *luaI_retainstring (TString *ts);
LUAI_FUNC TString *luaI_canonical (const char *s, size_t l, unsigned hash,
                                   lu_byte extra);
LUAI_FUNC void luaI_dropstring (TString *ts);
LUAI_FUNC void luaI_published (void);

/* without it: */
LUAI_FUNC unsigned long long luaI_publications (void);
LUAI_FUNC unsigned long long luaI_epoch (void);
LUAI_FUNC unsigned long long luaI_openepoch (void);
LUAI_FUNC void luaI_registervm (SharingVM *vm);
LUAI_FUNC void luaI_unregistervm (SharingVM *vm);
LUAI_FUNC int luaI_inlimbo (TString *ts);
LUAI_FUNC void luaI_seestring (TString *ts);
LUAI_FUNC int luaI_censusnews (const SharingVM *vm);
LUAI_FUNC int luaI_censusdue (SharingVM *vm, int force);
LUAI_FUNC void luaI_censusdone (SharingVM *vm, unsigned long long walked);

#endif
