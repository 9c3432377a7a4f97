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
#include "lfunc.h"
#include "lgc.h"
#include "llex.h"
#include "lmem.h"
#include "lobject.h"
#include "lshareimg.h"
#include "lsharestr.h"
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
      luaI_canonical(getshrstr(ts), cast_sizet(ts->shrlen), ts->extra);
  }
  luaI_published();
  luaI_unlock();
}


/*
** Called by 'lua_newstate'. The first call of the process settles the
** seed of all hashes and builds a state only to share its names; that
** state comes through here again, on the same thread.
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
** Start to use an image: private prototypes for it, if this VM needs
** them, and a reference. The closure anchors what is created.
*/
static void attach (lua_State *L, LClosure *anchor, lua_Image *img) {
  SharingVM *vm = &G(L)->sharing;
  Proto *root = luaI_thinroot(L, anchor, img);
  int i;
  luaM_growvector(L, vm->uses, vm->nuses, vm->sizeuses, ImageUse, INT_MAX,
                  "images");
  i = finduse(vm, img);
  memmove(vm->uses + i + 1, vm->uses + i,
          cast_sizet(vm->nuses - i) * sizeof(ImageUse));
  vm->uses[i].img = lua_retainimage(img);
  vm->uses[i].root = root;
  vm->uses[i].noted = 1;  /* a running cycle may have passed the closure */
  vm->nuses++;
  atomic_fetch_add_explicit(&img->users, 1, memory_order_relaxed);
}


/* set the upvalue that is '_ENV' (the first one without names) */
static void setglobals (lua_State *L, LClosure *cl) {
  const Proto *p = cl->p;
  int i;
  for (i = 0; i < p->sizeupvalues; i++) {
    const TString *name = p->upvalues[i].name;
    if (name == NULL || strcmp(getstr(name), LUA_ENV) == 0) {
      TValue gt;
      luaH_getint(hvalue(&G(L)->l_registry), LUA_RIDX_GLOBALS, &gt);
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
  if (!isuseof(vm, i, img)) {
    attach(L, cl, img);
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


LUA_API void lua_clonefunction (lua_State *L, lua_Image *img) {
  lua_lock(L);
  luaI_clone(L, img);
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


/* a new cycle begins */
void luaI_startmark (global_State *g) {
  SharingVM *vm = &g->sharing;
  int i;
  for (i = 0; i < vm->nuses; i++)
    vm->uses[i].noted = 0;
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


/* number of images still in use; gives back the others */
static int dropunnoted (SharingVM *vm) {
  int i, n = 0;
  for (i = 0; i < vm->nuses; i++) {
    if (vm->uses[i].noted)
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
  if (!isminor(g))
    vm->nuses = dropunnoted(vm);
}


LUA_API int lua_usesretired (lua_State *L) {
  SharingVM *vm = &G(L)->sharing;
  int i, n = 0;
  for (i = 0; i < vm->nuses; i++)
    n += atomic_load_explicit(&vm->uses[i].img->retired, memory_order_relaxed);
  return n;
}


/* private prototypes of images in use, or NULL after the last one */
Proto *luaI_nextroot (global_State *g, int *i) {
  SharingVM *vm = &g->sharing;
  while (*i < vm->nuses) {
    ImageUse *use = &vm->uses[(*i)++];
    if (use->root != NULL && (use->noted || isminor(g)))
      return use->root;
  }
  return NULL;
}

/* }====================================================== */


/*
** {======================================================
** Census: which strings in limbo does this VM use?
** =======================================================
** Visits every object of the VM, reachable or not yet collected, and
** every slot that some code may still read.
*/

static void seestring (TString *ts) {
  if (ts != NULL && isshared(ts))
    luaI_seestring(ts);
}


static void seevalue (const TValue *o) {
  if (ttisstring(o))
    seestring(tsvalue(o));
}


static void seetable (Table *h) {
  unsigned i;
  for (i = 0; i < h->asize; i++) {
    if (novariant(*getArrTag(h, i)) == LUA_TSTRING)
      seestring(gco2ts(getArrVal(h, i)->gc));
  }
  for (i = 0; i < cast_uint(sizenode(h)); i++) {
    Node *n = gnode(h, i);
    seevalue(gval(n));
    if (keyiscollectable(n) && novariant(keytt(n)) == LUA_TSTRING)
      seestring(keystrval(n));  /* even if the entry is empty */
  }
}


/*
** Slots above the top are cleared, as the collector does, since a later
** collection may look at them.
*/
static void seethread (lua_State *th) {
  StkId o = th->stack.p;
  if (o == NULL) return;  /* stack not completely built yet */
  for (; o < th->top.p; o++)
    seevalue(s2v(o));
  for (; o < th->stack_last.p + EXTRA_STACK; o++)
    setnilvalue2s(o);
}


static void seeproto (const Proto *p) {
  int i;
  for (i = 0; i < p->sizek; i++)
    seevalue(&p->k[i]);
  if (isthin(p)) return;  /* the image has references to its names */
  seestring(p->source);
  for (i = 0; i < p->sizeupvalues; i++)
    seestring(p->upvalues[i].name);
  for (i = 0; i < p->sizelocvars; i++)
    seestring(p->locvars[i].varname);
}


static void seeobject (GCObject *o) {
  int i;
  switch (o->tt) {
    case LUA_VTABLE: seetable(gco2t(o)); break;
    case LUA_VPROTO: seeproto(gco2p(o)); break;
    case LUA_VTHREAD: seethread(gco2th(o)); break;
    case LUA_VUPVAL: seevalue(gco2upv(o)->v.p); break;
    case LUA_VUSERDATA: {
      Udata *u = gco2u(o);
      for (i = 0; i < u->nuvalue; i++)
        seevalue(&u->uv[i].uv);
      break;
    }
    case LUA_VCCL: {
      CClosure *cl = gco2ccl(o);
      for (i = 0; i < cl->nupvalues; i++)
        seevalue(&cl->upvalue[i]);
      break;
    }
    default: break;  /* strings and Lua closures refer to no string */
  }
}


static void seelist (GCObject *o) {
  for (; o != NULL; o = o->next)
    seeobject(o);
}


static void seeall (global_State *g) {
  int i, j;
  seelist(g->allgc);
  seelist(g->finobj);
  seelist(g->tobefnz);
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


/* the collector has reached a point where a census does no harm */
void luaI_gcpoint (lua_State *L) {
  global_State *g = G(L);
  if (g->gcstate == GCSpause || isminor(g))
    census(L, 0);
}


LUA_API int lua_sharecensus (lua_State *L) {
  int walked;
  lua_lock(L);
  walked = census(L, 1);
  lua_unlock(L);
  return walked;
}


LUA_API int lua_wantscensus (lua_State *L) {
  return luaI_censusdue(&G(L)->sharing, 0);
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
}

/* }====================================================== */
