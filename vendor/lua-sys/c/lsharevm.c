/*
** lsharevm.c
** Shared images in a VM: cloning, what the collector tells, the census
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#define lsharevm_c
#define LUA_CORE

#include "lprefix.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lua.h"

#include "lapi.h"
#include "lblank.h"
#include "lfunc.h"
#include "lgc.h"
#include "llex.h"
#include "lmem.h"
#include "lobject.h"
#include "lsharefn.h"
#include "lshareimg.h"
#include "lsharelib.h"
#include "lsharestr.h"
#include "lsharetab.h"
#include "lsharewalk.h"
#include "lstate.h"
#include "lstring.h"
#include "ltable.h"

#include "lauxlib.h"
#include "lualib.h"


/*
** {======================================================
** Beginning and end of VMs
** =======================================================
*/

static void *plainalloc (void *ud, void *block, size_t osize, size_t nsize) {
  (void)ud; (void)osize;
  if (nsize == 0) {
    free(block);
    return NULL;
  }
  return realloc(block, nsize);
}


/*
** All names that a VM begins with. (Compiling something tells the lexer
** which words are reserved: with LUA_COMPAT_GLOBAL it takes one back.)
*/
static int makenames (lua_State *L) {
  luaL_openlibs(L);
  (void)luaL_loadstring(L, "");
  return 0;
}


/*
** Share the names that every VM needs: reserved words, metamethods, the
** standard library. They keep one reference for ever. Without memory for
** some of them, each VM makes its own.
*/
static void sharenames (global_State *g) {
  int i;
  luaI_lock();
  for (i = 0; i < g->strt.size; i++) {
    TString *ts = g->strt.hash[i];
    for (; ts != NULL; ts = ts->u.hnext)
      luaI_canonical(getshrstr(ts), cast_sizet(ts->shrlen), ts->hash,
                     ts->extra);
  }
  luaI_published();
  luaI_unlock();
}


/*
** Called by 'lua_newstate'. The first call of the process settles the
** seed of all hashes and builds a state only to share its names and its
** libraries; that state comes through here again, on the same thread.
*/
unsigned luaI_begin (unsigned seed) {
  static pthread_mutex_t beginlock = PTHREAD_MUTEX_INITIALIZER;
  static atomic_int begun;  /* 0 not yet, 1 done */
  static _Thread_local int beginning;
  if (l_likely(atomic_load_explicit(&begun, memory_order_acquire)) ||
      beginning)
    return luaI_seed;
  pthread_mutex_lock(&beginlock);
  if (!atomic_load_explicit(&begun, memory_order_relaxed)) {
    lua_State *L;
    beginning = 1;
    luaI_seed = seed;
    L = lua_newstate(plainalloc, NULL, seed);
    if (L != NULL) {
      lua_pushcfunction(L, makenames);
      (void)lua_pcall(L, 0, 0, 0);
      sharenames(G(L));
      luaI_capture(L);
      lua_close(L);
    }
    beginning = 0;
    atomic_store_explicit(&begun, 1, memory_order_release);
  }
  pthread_mutex_unlock(&beginlock);
  return luaI_seed;
}


void luaI_openvm (lua_State *L) {
  SharingVM *vm = &G(L)->sharing;
  memset(vm, 0, sizeof(SharingVM));
  atomic_init(&vm->interrupt, LUA_INTNONE);
  vm->teller = NULL;
  vm->running = L;
  luaI_registervm(vm);
}


static void dropuse (ImageUse *use) {
  atomic_fetch_sub_explicit(&use->img->users, 1, memory_order_relaxed);
  lua_releaseimage(use->img);
}


void luaI_closevm (lua_State *L) {
  SharingVM *vm = &G(L)->sharing;
  int i;
  lua_clearinterrupt(L);
  for (i = 0; i < vm->nuses; i++)
    dropuse(&vm->uses[i]);
  luaI_forgetcopies(L);
  luaM_freearray(L, vm->owns, cast_sizet(vm->sizeowns));
  vm->owns = NULL;
  vm->nowns = vm->sizeowns = 0;
  luaM_freearray(L, vm->uses, cast_sizet(vm->sizeuses));
  vm->uses = NULL;
  vm->nuses = vm->sizeuses = 0;
  luaI_unregistervm(vm);
}

/* }====================================================== */


/*
** {======================================================
** Images in use
** =======================================================
*/

/* position of an image in the list of uses, or where to insert it */
static int finduse (const SharingVM *vm, const lua_Image *img) {
  int lo = 0, hi = vm->nuses;
  while (lo < hi) {
    int mid = (lo + hi) / 2;
    if (vm->uses[mid].img < img) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

#define isuseof(vm,i,m)	((i) < (vm)->nuses && (vm)->uses[i].img == (m))


/*
** Start to use an image, with the private prototypes that this VM needs
** for it: take a reference.
*/
static void adduse (lua_State *L, lua_Image *img, Proto *root) {
  SharingVM *vm = &G(L)->sharing;
  int i;
  luaM_growvector(L, vm->uses, vm->nuses, vm->sizeuses, ImageUse, INT_MAX,
                  "images");
  i = finduse(vm, img);
  memmove(vm->uses + i + 1, vm->uses + i,
          cast_sizet(vm->nuses - i) * sizeof(ImageUse));
  vm->uses[i].img = lua_retainimage(img);
  vm->uses[i].root = root;
  vm->uses[i].noted = 1;  /* a running cycle may have passed the closure */
  vm->uses[i].cloned = 0;
  vm->nuses++;
  atomic_fetch_add_explicit(&img->users, 1, memory_order_relaxed);
}


#define isenvname(s)	(tsslen(s) == 4 && memcmp(getstr(s), "_ENV", 4) == 0)

/* set the upvalue that is '_ENV' (the first one without names) */
static void setglobals (lua_State *L, LClosure *cl) {
  const Proto *p = cl->p;
  int i;
  for (i = 0; i < p->sizeupvalues; i++) {
    const TString *name = p->upvalues[i].name;
    if (name == NULL || isenvname(name)) {
      Table *registry = hvalue(&G(L)->l_registry);
      TValue gt;
      if (l_likely(registry->asize >= LUA_RIDX_GLOBALS))
        arr2obj(registry, LUA_RIDX_GLOBALS - 1, &gt);
      else
        luaH_getint(registry, LUA_RIDX_GLOBALS, &gt);
      setobj(L, cl->upvals[i]->v.p, &gt);
      luaC_barrier(L, cl->upvals[i], &gt);
      return;
    }
  }
}


/*
** Push a closure over an image. (Finalizers may run at the end only, when
** the VM has a reference of its own.)
*/
void luaI_clone (lua_State *L, lua_Image *img) {
  SharingVM *vm = &G(L)->sharing;
  LClosure *cl;
  int i;
  cl = luaF_newLclosure(L, img->root->sizeupvalues);
  setclLvalue2s(L, L->top.p, cl);
  api_incr_top(L);
  i = finduse(vm, img);
  if (l_likely(isuseof(vm, i, img)))
    vm->uses[i].cloned = 1;
  else {
    adduse(L, img, luaI_thinroot(L, cl, img));
    i = finduse(vm, img);
  }
  if (vm->uses[i].root == NULL)
    cl->p = img->root;
  else {
    cl->p = vm->uses[i].root;
    luaC_objbarrier(L, cl, cl->p);
  }
  luaF_initupvals(L, cl);
  setglobals(L, cl);
  luaC_checkGC(L);
}


LClosure *luaI_newclosure (lua_State *L, Proto *p) {
  SharingVM *vm = &G(L)->sharing;
  lua_Image *img = proto2image(p);
  LClosure *cl = luaF_newLclosure(L, p->sizeupvalues);
  setclLvalue2s(L, L->top.p, cl);
  L->top.p++;
  lua_assert(img->stamp <= vm->born);
  if (!isuseof(vm, finduse(vm, img), img))
    adduse(L, img, NULL);
  cl->p = p;
  luaF_initupvals(L, cl);
  setglobals(L, cl);
  return cl;
}


LUA_API void lua_clonefunction (lua_State *L, lua_Image *img) {
  lua_lock(L);
  luaI_clone(L, img);
  lua_unlock(L);
}


LUA_API void lua_pushshared (lua_State *L, lua_Image *img) {
  SharingVM *vm = &G(L)->sharing;
  lua_lock(L);
  lua_assert(hastables(img));
  if (img->stamp > vm->born)
    luaI_replacecopies(L);
  if (!isuseof(vm, finduse(vm, img), img))
    adduse(L, img, NULL);
  setgcovalue(L, s2v(L->top.p), obj2gco(img2table(img)));
  api_incr_top(L);
  luaC_checkGC(L);
  lua_unlock(L);
}

/* }====================================================== */


/*
** {======================================================
** What the collector tells
** =======================================================
** A full mark that meets no closure over an image shows that the VM does
** not use the image any more. A minor collection shows nothing, but it
** must keep the private prototypes of all images.
*/

#define isminor(g)	((g)->gckind == KGC_GENMINOR)

#define isretired(img)  \
	(atomic_load_explicit(&(img)->retired, memory_order_acquire) != 0)


/*
** A new cycle begins. An image that is loaded again and again stays in use
** though its closures are garbage by then: each time that it comes back its
** strings are looked for in the VM. One that is retired does not stay.
*/
void luaI_startmark (global_State *g) {
  SharingVM *vm = &g->sharing;
  int i;
  for (i = 0; i < vm->nuses; i++) {
    ImageUse *use = &vm->uses[i];
    use->noted = (use->cloned && !isretired(use->img) && !g->gcemergency);
    use->cloned = 0;
  }
  vm->lastnoted = NULL;
}


/* the mark met a closure over prototype 'p' */
void luaI_note (global_State *g, Proto *p) {
  SharingVM *vm = &g->sharing;
  lua_Image *img = imageof(p);
  if (img != NULL && img != vm->lastnoted && !isminor(g)) {
    int i = finduse(vm, img);
    if (isuseof(vm, i, img))
      vm->uses[i].noted = 1;
    vm->lastnoted = img;
  }
}


#define maybeunused(use)	(!(use)->noted && !hastables((use)->img))


/* number of images still in use; gives back the others */
static int dropunnoted (SharingVM *vm) {
  int i, n = 0;
  for (i = 0; i < vm->nuses; i++) {
    if (!maybeunused(&vm->uses[i]))
      vm->uses[n++] = vm->uses[i];
    else
      dropuse(&vm->uses[i]);
  }
  return n;
}


/*
** All reachable closures are marked. (Prototypes that only dead closures
** refer to may go away with their image: sweeping a closure does not look
** at its prototype.)
*/
void luaI_endmark (lua_State *L) {
  global_State *g = G(L);
  SharingVM *vm = &g->sharing;
  luaI_forgetowns(g);
  if (!isminor(g)) {
    vm->nuses = dropunnoted(vm);
    vm->fullmark = 1;
  }
}


LUA_API int lua_usesretired (lua_State *L) {
  SharingVM *vm = &G(L)->sharing;
  int i, n = 0;
  for (i = 0; i < vm->nuses; i++)
    n += atomic_load_explicit(&vm->uses[i].img->retired, memory_order_relaxed);
  return n;
}


/*
** Private prototypes of images in use, and copies of strings that C code
** may still look at; NULL after the last one.
*/
GCObject *luaI_nextroot (global_State *g, int *i) {
  SharingVM *vm = &g->sharing;
  while (*i < vm->nuses) {
    ImageUse *use = &vm->uses[(*i)++];
    if (use->root != NULL && (use->noted || isminor(g)))
      return obj2gco(use->root);
  }
  if (*i < vm->nuses + vm->nreplaced) {
    TString *ts = vm->replaced[*i - vm->nuses];
    (*i)++;
    return obj2gco(ts);
  }
  return NULL;
}

/* }====================================================== */


/*
** {======================================================
** Retired tables
** =======================================================
** Any slot may refer to a shared table, and the collector never marks
** them. While a VM has only tables that are published, nothing would be
** gained by knowing which it uses; a walk tells as soon as there is
** something to give back.
*/

/* image of a shared table or of a function in one, or NULL */
static lua_Image *homeof (int tt, const GCObject *o) {
  if (tt == tabletag(LUA_VSHTABLE))
    return table2image(gco2t(o));
  return (tt == ctb(LUA_VSHLCL)) ? function2image(o) : NULL;
}


static void notetable (Walk *w, TValue *o) {
  SharingVM *vm = &w->g->sharing;
  lua_Image *img = homeof(rawtt(o), gcvalue(o));
  if (img != NULL && img != vm->lastnoted) {
    int i = finduse(vm, img);
    lua_assert(isuseof(vm, i, img));
    vm->uses[i].noted = 1;
    vm->lastnoted = img;
  }
}


/*
** Begin to note retired tables; false if the VM has none. (What another
** thread retires from here on counts as noted.)
*/
static int unnoteretired (SharingVM *vm) {
  int i, found = 0;
  for (i = 0; i < vm->nuses; i++) {
    if (hastables(vm->uses[i].img)) {
      int retired = isretired(vm->uses[i].img);
      vm->uses[i].noted = !retired;
      found |= retired;
    }
  }
  vm->lastnoted = NULL;
  return found;
}


#define notinuse(use)	(!(use)->noted && hastables((use)->img))


static int isgone (SharingVM *vm, int tt, GCObject *o) {
  lua_Image *img = homeof(tt, o);
  return img != NULL && notinuse(&vm->uses[finduse(vm, img)]);
}


/* entries of a weak table that refer to a table given back */
static void clearentries (Table *h, int weakkeys, int weakvalues,
                          void *ud) {
  SharingVM *vm = cast(SharingVM *, ud);
  unsigned i;
  for (i = 0; weakvalues && i < h->asize; i++) {
    if (isgone(vm, *getArrTag(h, i), getArrVal(h, i)->gc))
      *getArrTag(h, i) = LUA_VEMPTY;
  }
  for (i = 0; i < cast_uint(sizenode(h)) && !isdummy(h); i++) {
    Node *n = gnode(h, i);
    if (weakvalues && isgone(vm, rawtt(gval(n)), val_(gval(n)).gc))
      setempty(gval(n));
    if (weakkeys && isgone(vm, keytt(n), keyval(n).gc)) {
      setempty(gval(n));
      setdeadkey(n);
    }
  }
}


/* give back the retired tables that no strong reference leads to */
static void dropretired (global_State *g) {
  SharingVM *vm = &g->sharing;
  Walk w;
  int i, n = 0;
  if (l_likely(!unnoteretired(vm))) return;
  luaI_initwalk(&w, g, LUA_TTABLE, notetable);
  w.strong = w.functions = 1;
  luaI_walk(&w);
  luaI_walkweak(g, clearentries, vm);
  for (i = 0; i < vm->nuses; i++) {
    if (notinuse(&vm->uses[i]))
      dropuse(&vm->uses[i]);
    else
      vm->uses[n++] = vm->uses[i];
  }
  vm->nuses = n;
}

/* }====================================================== */


/*
** {======================================================
** Census: which strings in limbo does this VM use?
** =======================================================
** Visits every object of the VM, reachable or not yet collected, and
** every slot that some code may still read.
*/

static void seestring (Walk *w, TValue *o) {
  TString *ts = tsvalue(o);
  (void)w;
  if (isshared(ts))
    luaI_seestring(ts);
}


static void seeall (global_State *g) {
  Walk w;
  int i, j;
  luaI_initwalk(&w, g, LUA_TSTRING, seestring);
  luaI_walk(&w);
  for (i = 0; i < STRCACHE_N; i++) {
    for (j = 0; j < STRCACHE_M; j++) {
      TString *ts = g->strcache[i][j];
      if (isshared(ts) && luaI_inlimbo(ts))
        g->strcache[i][j] = g->memerrmsg;
    }
  }
}


static int census (lua_State *L, int force) {
  SharingVM *vm = &G(L)->sharing;
  unsigned long long epoch;
  if (!luaI_censusdue(vm, force))
    return 0;
  epoch = luaI_epoch();
  seeall(G(L));
  luaI_censusdone(vm, epoch);
  return 1;
}


/*
** The collector has reached a point where a census does no harm. When a
** full mark and its sweep are over, what still refers to a retired table
** is (but for newer garbage) in use.
*/
void luaI_gcpoint (lua_State *L) {
  global_State *g = G(L);
  if (g->gcstate == GCSpause || isminor(g)) {
    census(L, 0);
    if (g->sharing.fullmark) {
      g->sharing.fullmark = 0;
      dropretired(g);
    }
  }
}


LUA_API int lua_sharecensus (lua_State *L) {
  int walked;
  lua_lock(L);
  luaI_forgetcopies(L);
  walked = census(L, 1);
  lua_unlock(L);
  return walked;
}


LUA_API int lua_wantscensus (lua_State *L) {
  SharingVM *vm = &G(L)->sharing;
  return vm->nreplaced > 0 || luaI_censusdue(vm, 0);
}


LUA_API int lua_censusnews (lua_State *L) {
  return luaI_censusnews(&G(L)->sharing);
}


LUA_API unsigned long long lua_censusepoch (void) {
  return luaI_openepoch();
}


#define loadcounter(f)  \
	atomic_load_explicit(&luaI_counters.f, memory_order_relaxed)

LUA_API void lua_sharestats (lua_ShareStats *out) {
  out->images = loadcounter(images);
  out->imagebytes = loadcounter(imagebytes);
  out->strings = loadcounter(strings);
  out->stringbytes = loadcounter(stringbytes);
  out->limbo = loadcounter(limbo);
  out->limbobytes = loadcounter(limbobytes);
  out->freedimages = loadcounter(freedimages);
  out->freedstrings = loadcounter(freedstrings);
  out->thinclones = loadcounter(thinclones);
  out->shares = loadcounter(shares);
  out->sharebytes = loadcounter(sharebytes);
  out->freedshares = loadcounter(freedshares);
  out->replacements = loadcounter(replacements);
}

/* }====================================================== */
