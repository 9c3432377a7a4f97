/*
** lsharecopy.c
** A VM's own copies of strings give way to the shared ones
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#define lsharecopy_c
#define LUA_CORE

#include "lprefix.h"

#include <stdlib.h>
#include <string.h>

#include "lua.h"

#include "ldebug.h"
#include "ldo.h"
#include "lgc.h"
#include "lmem.h"
#include "lobject.h"
#include "lsharestr.h"
#include "lsharetab.h"
#include "lsharewalk.h"
#include "lstate.h"
#include "lstring.h"
#include "ltm.h"


/*
** A VM that made its own "gold" before a shared table brought the
** canonical one must not meet both: equality is by address. Reading a
** shared table is an ordinary read, so there is no place to exchange one
** for the other later. The VM therefore looks through its own strings
** when it takes a table that is younger than itself; for those that
** are shared by now, it replaces every reference in its heap.
**
** A copy that was replaced is out of the VM's table of strings. It has
** the bit of shared objects and leads to the canonical string; nothing in
** the VM refers to it. But the C functions that are running may look at
** its contents: it stays alive until the host says that none runs.
*/

#define canonicalof(ts)		((ts)->u.hnext)

#define isreplaced(ts)  \
	(strisshr(ts) && isshared(ts) && canonicalof(ts) != NULL)


/* canonical string with the contents of a VM's own short string, or NULL */
static TString *findcanonical (const TString *ts) {
  TString *res;
  luaI_lookup(res, getshrstr(ts), cast_sizet(ts->shrlen), ts->hash);
  return res;
}


/* how many short strings of the VM are shared as well? */
static int countcopies (global_State *g) {
  int i, n = 0;
  for (i = 0; i < g->strt.size; i++) {
    TString *ts = g->strt.hash[i];
    for (; ts != NULL; ts = ts->u.hnext)
      n += (findcanonical(ts) != NULL);
  }
  return n;
}


/*
** Take at most 'max' such strings out of the VM's table, into its list of
** replaced ones. False if there may be more: other threads publish
** meanwhile, so that any of those that were counted may be left.
*/
static int detachcopies (global_State *g, int max) {
  SharingVM *vm = &g->sharing;
  int i;
  for (i = 0; i < g->strt.size; i++) {
    TString **p = &g->strt.hash[i];
    while (*p != NULL) {
      TString *ts = *p;
      TString *shared = findcanonical(ts);
      if (shared == NULL)
        p = &ts->u.hnext;
      else {
        if (max-- == 0) return 0;
        *p = ts->u.hnext;
        g->strt.nuse--;
        if (isdead(g, ts)) changewhite(ts);  /* resurrect it */
        l_setbit(ts->marked, SHAREDBIT);
        canonicalof(ts) = shared;
        vm->replaced[vm->nreplaced++] = ts;
      }
    }
  }
  return 1;
}


static void replacevalue (Walk *w, TValue *o) {
  TString *ts = tsvalue(o);
  UNUSED(w);
  if (isreplaced(ts))
    val_(o).gc = obj2gco(canonicalof(ts));
}


static int comparecopies (const void *a, const void *b) {
  const TString *x = *cast(TString *const *, a);
  const TString *y = *cast(TString *const *, b);
  return (x > y) - (x < y);
}


/*
** A dead key may be the address of a string that a traversal still has on
** the stack, or of anything: it is compared, not looked at.
*/
static void replacedead (Walk *w, Node *n) {
  SharingVM *vm = &w->g->sharing;
  TString *key = cast(TString *, cast_voidp(keyval(n).gc));
  TString **found = cast(TString **,
    bsearch(&key, vm->replaced, cast_sizet(vm->nreplaced),
            sizeof(TString *), comparecopies));
  if (found != NULL)
    keyval(n).gc = obj2gco(canonicalof(*found));
}


static void replacename (TString **name) {
  if (isreplaced(*name))
    *name = canonicalof(*name);
}


/* names that the VM itself holds */
static void replacenames (global_State *g) {
  int i, j;
  for (i = 0; i < TM_N; i++)
    replacename(&g->tmname[i]);
  replacename(&g->memerrmsg);
  for (i = 0; i < STRCACHE_N; i++) {
    for (j = 0; j < STRCACHE_M; j++)
      replacename(&g->strcache[i][j]);
  }
}


static void replaceall (global_State *g) {
  SharingVM *vm = &g->sharing;
  Walk w;
  qsort(vm->replaced, cast_sizet(vm->nreplaced), sizeof(TString *),
        comparecopies);
  luaI_initwalk(&w, g, LUA_TSTRING, replacevalue);
  w.deadkey = replacedead;
  luaI_walk(&w);
  replacenames(g);
  countup(replacements, 1);
}


/* room for 'n' more replaced copies */
static void growreplaced (lua_State *L, int n) {
  SharingVM *vm = &G(L)->sharing;
  int size = vm->nreplaced + n;
  TString **v = luaM_reallocvector(L, vm->replaced, vm->sizereplaced, size,
                                   TString *);
  if (v == NULL) luaM_error(L);
  vm->replaced = v;
  vm->sizereplaced = size;
}


/*
** From here on the VM has no copy of any string published so far, as if
** it were born now. (A compiler at work holds strings where no walk finds
** them, so nothing can be replaced then.)
*/
void luaI_replacecopies (lua_State *L) {
  global_State *g = G(L);
  SharingVM *vm = &g->sharing;
  unsigned long long known = luaI_publications();
  int n, all = 0;
  while (!all && (n = countcopies(g)) > 0) {
    if (vm->compiling > 0)
      luaG_runerror(L, "cannot take a shared table while a chunk is "
                       "being compiled");
    growreplaced(L, n);
    luai_sharepause();
    all = detachcopies(g, n);
    replaceall(g);
  }
  vm->born = known;
}


/* nothing looks at replaced copies any more */
void luaI_forgetcopies (lua_State *L) {
  SharingVM *vm = &G(L)->sharing;
  luaM_freearray(L, vm->replaced, cast_sizet(vm->sizereplaced));
  vm->replaced = NULL;
  vm->nreplaced = vm->sizereplaced = 0;
}
