/*
** lsharestr.c
** Canonical strings: one copy of each string of shared code per process
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#define lsharestr_c
#define LUA_CORE

#include "lprefix.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lua.h"

#include "lgc.h"
#include "lhash.h"
#include "lobject.h"
#include "lsharestr.h"
#include "lstate.h"
#include "lstring.h"


ShareCounters luaI_counters;

unsigned luaI_seed;


/*
** {======================================================
** The table
** =======================================================
** Open addressing with linear probing, read without a lock. A slot has
** the hash of a string (0 in a slot never used, which ends a search) and
** its address (NULL when it was removed). Writers hold the lock and store
** the address before the hash. The table never shrinks;
** a larger one replaces it whole, and the old one is freed after a grace
** period, like a removed string. A reader that races with a publication
** may miss the string: that is harmless, because a VM older than a
** publication checks its own strings before it uses the image.
*/

#define MINSHAREDTAB	4096

static SharedTable notable;  /* one empty slot: finds nothing */
_Atomic(SharedTable *) luaI_table = &notable;

static size_t usedslots;  /* including those of removed strings */
static size_t livestrings;

/* number of publications so far */
static atomic_ullong publications;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void luaI_lock (void) { pthread_mutex_lock(&lock); }
void luaI_unlock (void) { pthread_mutex_unlock(&lock); }


/*
** What a slot stores of a hash: never zero. (A search begins where the
** hash itself says, as in 'luaI_lookup'; both are the same but for zero.)
*/
#define slothash(h)	((h) | (unsigned)((h) == 0))

#define eachslot(t,h,i)  \
	for (i = (h) & (t)->mask; slotvalue(t, i) != 0; \
	     i = (i + 1) & (t)->mask)

#define slotvalue(t,i)  \
	atomic_load_explicit(&(t)->hashes[i], memory_order_relaxed)

#define slothas(t,i,h)	(slotvalue(t, i) == (h))

#define slotstring(t,i)  \
	atomic_load_explicit(&(t)->strings[i], memory_order_acquire)


/*
** What is hardly ever called and must not cost its caller a frame
*/
#if defined(__GNUC__)
#define rarely	static __attribute__((noinline, cold))
#else
#define rarely	static
#endif


static void retiretable (SharedTable *t);


static SharedTable *newtable (size_t slots) {
  size_t size = offsetof(SharedTable, hashes) + slots * sizeof(atomic_uint);
  size_t start = (size + sizeof(TString *) - 1) / sizeof(TString *);
  SharedTable *t = cast(SharedTable *,
                        calloc(start + slots, sizeof(TString *)));
  if (t == NULL) return NULL;
  t->mask = slots - 1;
  t->strings = cast(_Atomic(TString *) *, cast_voidp(t)) + start;
  return t;
}


#define currenttable()  \
	atomic_load_explicit(&luaI_table, memory_order_relaxed)


/* store a string in a table that has a free slot */
static void addtotable (SharedTable *t, TString *ts) {
  unsigned h = slothash(ts->hash);
  size_t i;
  eachslot(t, ts->hash, i) { /* find the end of the chain */ }
  atomic_store_explicit(&t->strings[i], ts, memory_order_release);
  atomic_store_explicit(&t->hashes[i], h, memory_order_release);
}


static void removefromtable (TString *ts) {
  SharedTable *t = currenttable();
  size_t i;
  eachslot(t, ts->hash, i) {
    if (slotstring(t, i) == ts) {
      atomic_store_explicit(&t->strings[i], NULL, memory_order_release);
      livestrings--;
      return;
    }
  }
  lua_assert(0);  /* string must be there */
}


/*
** Ensure that the table has room for one more string. Most searches are
** for strings that are not there, so most slots stay empty: a search
** then looks at less than two. False when there is no memory.
*/
static int growtable (void) {
  SharedTable *old = currenttable();
  SharedTable *t;
  size_t slots = MINSHAREDTAB;
  size_t i;
  if (usedslots < (old->mask + 1) / 4)
    return 1;
  while (slots < livestrings * 5) slots *= 2;
  t = newtable(slots);
  if (t == NULL)  /* go on with the old one while it has an empty slot */
    return (usedslots < old->mask);
  for (i = 0; i <= old->mask && old != &notable; i++) {
    TString *ts = slotstring(old, i);
    if (ts != NULL) addtotable(t, ts);
  }
  usedslots = livestrings;
  atomic_store_explicit(&luaI_table, t, memory_order_release);
  if (old != &notable) retiretable(old);
  return 1;
}


/*
** The string itself, or NULL if it is dead. One in limbo is marked as seen
** by the same step that finds out that it is not dead.
*/
l_sinline TString *undead (TString *ts) {
  SharedString *ss = ts2shared(ts);
  if (l_likely(atomic_load_explicit(&ss->refs, memory_order_acquire) > 0) ||
      !(atomic_fetch_or(&ss->state, STRSEEN) & STRDEAD))
    return ts;
  return NULL;
}


/* 'luaI_findstring' where another string has the same hash, or had */
rarely TString *findamong (const char *s, size_t l, unsigned hash) {
  SharedTable *t = atomic_load_explicit(&luaI_table, memory_order_acquire);
  unsigned h = slothash(hash);
  size_t i;
  eachslot(t, hash, i) {
    TString *ts;
    if (slothas(t, i, h) && (ts = slotstring(t, i)) != NULL &&
        ts->shrlen == cast(ls_byte, l) &&
        memcmp(s, rawgetshrstr(ts), l) == 0)
      return undead(ts);
  }
  return NULL;
}


/*
** Short string with the given contents, or NULL. Called by any VM that
** is about to create a short string, if the first slot is not empty (see
** 'luaI_lookup'). It keeps nothing over a call, so it needs no frame.
*/
TString *luaI_findstring (const char *s, size_t l, unsigned hash) {
  SharedTable *t = atomic_load_explicit(&luaI_table, memory_order_acquire);
  const unsigned h = slothash(hash);
  unsigned found;
  TString *ts;
  size_t i = hash & t->mask;
  while ((found = slotvalue(t, i)) != h) {
    if (found == 0) return NULL;
    i = (i + 1) & t->mask;
  }
  ts = slotstring(t, i);
  if (l_likely(ts != NULL && ts->shrlen == cast(ls_byte, l) &&
               luaI_samebytes(s, rawgetshrstr(ts), l)))
    return undead(ts);
  return findamong(s, l, hash);
}


/* string with the given contents in the table, or NULL */
static TString *findequal (const char *s, size_t l, unsigned hash) {
  SharedTable *t = currenttable();
  unsigned h = slothash(hash);
  size_t i;
  eachslot(t, hash, i) {
    TString *ts = slotstring(t, i);
    if (ts != NULL && slothas(t, i, h)) {
      size_t l2;
      const char *s2 = getlstr(ts, l2);
      if (l == l2 && memcmp(s, s2, l) == 0)
        return ts;
    }
  }
  return NULL;
}


#define isshortlen(l)	((l) <= LUAI_MAXSHORTLEN)

static size_t lengthsize (size_t l) {
  return offsetof(SharedString, ts) +
         (isshortlen(l) ? sizestrshr(l) : luaS_sizelngstr(l, LSTRREG));
}

#define stringsize(ts)	lengthsize(tsslen(ts))


/*
** Create a shared string. Nobody writes to it once it is in the table,
** so a long string gets its hash here.
*/
static TString *newshared (const char *s, size_t l, unsigned hash,
                           lu_byte extra) {
  SharedString *ss = cast(SharedString *, malloc(lengthsize(l)));
  TString *ts;
  char *contents;
  if (ss == NULL) return NULL;
  ss->next = NULL;
  ss->stamp = luaI_publications() + 1;
  atomic_init(&ss->refs, 1);
  atomic_init(&ss->state, 0);
  ss->listed = 0;
  ts = &ss->ts;
  ts->next = NULL;
  ts->marked = SHAREDMARKS;
  ts->hash = hash;
  if (isshortlen(l)) {
    ts->tt = LUA_VSHRSTR;
    ts->extra = extra;
    ts->shrlen = cast(ls_byte, l);
    ts->u.hnext = NULL;
    contents = rawgetshrstr(ts);
  }
  else {
    ts->tt = LUA_VLNGSTR;
    ts->extra = 1;  /* it has its hash */
    ts->shrlen = LSTRREG;
    ts->u.lnglen = l;
    contents = ts->contents = cast_charp(ts) + offsetof(TString, falloc);
  }
  memcpy(contents, s, l);
  contents[l] = '\0';
  countup(strings, 1);
  countup(stringbytes, lengthsize(l));
  return ts;
}


/* one more reference to a string of the table */
static TString *reference (TString *ts) {
  SharedString *ss = ts2shared(ts);
  if (atomic_fetch_add(&ss->refs, 1) == 0) {  /* in limbo? */
    /* a VM that was already asked may get it now, by this image */
    atomic_fetch_or(&ss->state, STRSEEN);
    countdown(limbo, 1);
    countdown(limbobytes, stringsize(ts));
  }
  return ts;
}


/*
** One more reference to a shared string that some VM or image holds. (So
** it is in the table: no census has ended without that VM.)
*/
TString *luaI_retainstring (TString *ts) {
  lua_assert(isshared(ts) && !(atomic_load(&ts2shared(ts)->state) & STRDEAD));
  return reference(ts);
}


/*
** Canonical string with the given contents and one more reference. NULL
** when there is no memory. 'extra' is that of a short string.
*/
TString *luaI_canonical (const char *s, size_t l, unsigned hash,
                         lu_byte extra) {
  TString *ts = findequal(s, l, hash);
  if (ts != NULL)
    return reference(ts);
  if (growtable() && (ts = newshared(s, l, hash, extra)) != NULL) {
    addtotable(currenttable(), ts);
    usedslots++;
    livestrings++;
  }
  return ts;
}


/* all strings of a publication are in the table */
void luaI_published (void) {
  atomic_fetch_add_explicit(&publications, 1, memory_order_release);
}


unsigned long long luaI_publications (void) {
  return atomic_load_explicit(&publications, memory_order_acquire);
}

/* }====================================================== */


/*
** {======================================================
** Limbo: strings that no image uses any more
** =======================================================
** A value may still hold such a string. So strings without images wait
** for a census: an epoch during which every VM of the process walks its
** heap once and marks what it meets. (A VM born during the epoch can get
** hold of a string in limbo only by interning, which marks it too.) What
** nobody has seen leaves the table. It is freed, together with replaced
** tables, at the end of the next epoch, when every VM has been at a
** point where it could not be in the middle of a search.
** The lock protects everything here; 'epoch', 'inepoch' and 'newbytes'
** are also read without it.
*/

/* bytes new in limbo that start an epoch by themselves */
#if !defined(LUAI_LIMBOBYTES)
#define LUAI_LIMBOBYTES		(64 * 1024)
#endif

static atomic_ullong epoch;  /* number of the current or last epoch */
static atomic_int inepoch;  /* some VM has still to do its census */
static size_t numvms, waiting;  /* VMs; VMs that have to do a census */

static atomic_size_t newbytes;  /* bytes in 'newinlimbo' */
static SharedString *newinlimbo;  /* since the epoch began */
static SharedString *candidates;  /* in limbo when the epoch began */
static SharedString *held;  /* some VM had them in the last epoch */
static SharedString *dead, *dying;  /* unlinked in this, in the last epoch */
static SharedTable *deadtables, *dyingtables;  /* same, for tables */


static void retiretable (SharedTable *t) {
  t->next = deadtables;
  deadtables = t;
}


static void link2list (SharedString **list, SharedString *ss) {
  ss->next = *list;
  *list = ss;
}


/* give back one reference; the last one puts the string in limbo */
void luaI_dropstring (TString *ts) {
  SharedString *ss = ts2shared(ts);
  if (atomic_fetch_sub(&ss->refs, 1) == 1) {
    size_t size = stringsize(ts);
    countup(limbo, 1);
    countup(limbobytes, size);
    if (!ss->listed) {
      ss->listed = 1;
      link2list(&newinlimbo, ss);
      atomic_fetch_add_explicit(&newbytes, size, memory_order_relaxed);
    }
  }
}


static void freedying (void) {
  while (dying != NULL) {
    SharedString *ss = dying;
    dying = ss->next;
    countup(freedstrings, 1);
    countdown(strings, 1);
    countdown(stringbytes, stringsize(&ss->ts));
    free(ss);
  }
  while (dyingtables != NULL) {
    SharedTable *t = dyingtables;
    dyingtables = t->next;
    free(t);
  }
}


/* decide about one candidate after all VMs have told what they use */
static void judge (SharedString *ss) {
  unsigned char unseen = 0;
  if (atomic_load(&ss->refs) > 0)
    ss->listed = 0;  /* some image uses it again */
  else if (atomic_compare_exchange_strong(&ss->state, &unseen, STRDEAD)) {
    removefromtable(&ss->ts);
    countdown(limbo, 1);
    countdown(limbobytes, stringsize(&ss->ts));
    link2list(&dead, ss);
  }
  else
    link2list(&held, ss);
}


static void finishepoch (void) {
  lua_assert(inepoch && waiting == 0);
  inepoch = 0;
  while (candidates != NULL) {
    SharedString *ss = candidates;
    candidates = ss->next;
    judge(ss);
  }
  freedying();
}


static void makecandidates (SharedString *list) {
  while (list != NULL) {
    SharedString *ss = list;
    list = ss->next;
    if (atomic_load(&ss->refs) > 0)
      ss->listed = 0;  /* some image uses it again */
    else {
      atomic_store(&ss->state, 0);  /* nobody has seen it in this epoch */
      link2list(&candidates, ss);
    }
  }
}


/*
** Begin an epoch. 'epoch' changes first: a VM that interns a candidate
** while its mark is being erased has then still to do its census.
*/
static void startepoch (void) {
  lua_assert(!inepoch && candidates == NULL && dying == NULL);
  atomic_fetch_add(&epoch, 1);
  luai_sharepause();
  inepoch = 1;
  waiting = numvms;
  makecandidates(newinlimbo);
  makecandidates(held);
  newinlimbo = held = NULL;
  atomic_store_explicit(&newbytes, 0, memory_order_relaxed);
  dying = dead;
  dyingtables = deadtables;
  dead = NULL;
  deadtables = NULL;
  if (waiting == 0)
    finishepoch();
}


/*
** False if no epoch is open, none shall be, and the VM has nothing to tell:
** what a host asks after every turn.
*/
int luaI_censusnews (const SharingVM *vm) {
  return vm->nreplaced > 0 || vm->epoch != atomic_load(&epoch) ||
         atomic_load(&inepoch) ||
         atomic_load_explicit(&newbytes, memory_order_relaxed)
             >= LUAI_LIMBOBYTES;
}


/*
** Is a census of this VM due? Starts an epoch when there is none and
** limbo has grown enough, or holds anything at all and 'force' is true.
** To be called by the VM's thread, without the lock.
*/
int luaI_censusdue (SharingVM *vm, int force) {
  if (vm->epoch != atomic_load(&epoch))
    return 1;
  if (atomic_load_explicit(&inepoch, memory_order_relaxed) ||
      (!force && atomic_load_explicit(&newbytes, memory_order_relaxed)
                 < LUAI_LIMBOBYTES))
    return 0;
  luaI_lock();
  if (!inepoch && (newinlimbo || held || dead || deadtables))
    startepoch();
  luaI_unlock();
  return (vm->epoch != atomic_load(&epoch));
}


/*
** VM has told what it uses, in a walk that began in epoch 'walked'. (A
** later epoch needs another walk.)
*/
void luaI_censusdone (SharingVM *vm, unsigned long long walked) {
  luaI_lock();
  if (vm->epoch < walked && walked == atomic_load(&epoch)) {
    lua_assert(inepoch && waiting > 0);
    if (--waiting == 0)
      finishepoch();
  }
  vm->epoch = walked;
  luaI_unlock();
}


/*
** The epoch whose census is about to begin. With the lock: an epoch is
** seen before the marks of its candidates are erased, and what a walk
** marked meanwhile would be lost.
*/
unsigned long long luaI_epoch (void) {
  unsigned long long e;
  luaI_lock();
  e = atomic_load(&epoch);
  luaI_unlock();
  return e;
}


/* the current epoch while some VM has still to do its census, or 0 */
unsigned long long luaI_openepoch (void) {
  return atomic_load(&inepoch) ? atomic_load(&epoch) : 0;
}


/* true if no image uses the shared string */
int luaI_inlimbo (TString *ts) {
  return atomic_load(&ts2shared(ts)->refs) == 0;
}


/* a VM uses the shared string */
void luaI_seestring (TString *ts) {
  SharedString *ss = ts2shared(ts);
  if (atomic_load(&ss->refs) == 0) {
    lua_assert(!(atomic_load(&ss->state) & STRDEAD));
    atomic_fetch_or(&ss->state, STRSEEN);
  }
}


/* without an epoch of its own, a new VM has nothing to tell */
void luaI_registervm (SharingVM *vm) {
  luaI_lock();
  numvms++;
  vm->epoch = atomic_load(&epoch);
  vm->born = luaI_publications();
  luaI_unlock();
}


void luaI_unregistervm (SharingVM *vm) {
  luaI_lock();
  numvms--;
  if (vm->epoch != atomic_load(&epoch) && --waiting == 0)
    finishepoch();
  luaI_unlock();
}

/* }====================================================== */
