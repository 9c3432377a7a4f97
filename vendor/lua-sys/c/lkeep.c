/*
** lkeep.c
** Values that a host keeps in the array of the registry
** (Moonhive's addition to Lua)
**
** A host that holds a function for each of a hundred thousand timers puts
** one in and takes one out all the time, and each lies somewhere else in
** memory: its slot, the function, the variables it has captured. Whoever
** knows which come next asks for several at once ('lua_warmkept'), and
** waits for memory once.
*/

#define lkeep_c
#define LUA_CORE

#include "lprefix.h"

#include <stddef.h>

#include "lua.h"

#include "lgc.h"
#include "lkeep.h"
#include "lobject.h"
#include "lstate.h"
#include "ltable.h"


/* variables of one function that are asked for */
#define MAXWARMUPVALS	8

/* slots of an array that grows by half */
#define MINGROWN	64

#if defined(__GNUC__)
#define ask(p)		__builtin_prefetch(p)
#else
#define ask(p)		((void)(p))
#endif

/* what lies that far behind the beginning of an object may be in its next
   line of the cache */
#define askafter(o,n)	ask(cast(const char *, o) + (n))


static Table *registry (lua_State *L) {
  return hvalue(&G(L)->l_registry);
}


/* whether 'slot' is one of the array */
#define inarray(t,slot)		(cast_uint(slot) - 1u < (t)->asize)


LUA_API void lua_addslots (lua_State *L, int first, int n) {
  Table *t = registry(L);
  unsigned k = cast_uint(first) - 1u, end = k + cast_uint(n);
  if (t->asize < end && t->asize >= MINGROWN)
    luaH_resizearray(L, t, t->asize + t->asize / 2 + cast_uint(n));
  for (; k < end && k < t->asize; k++)
    *getArrTag(t, k) = LUA_VFALSE;
  for (; k < end; k++) {  /* a small one grows as Lua has it grow */
    lua_pushboolean(L, 0);
    lua_rawseti(L, LUA_REGISTRYINDEX, cast(lua_Integer, k) + 1);
  }
}


LUA_API void lua_keepvalue (lua_State *L, int slot) {
  Table *t = registry(L);
  if (inarray(t, slot)) {
    const TValue *o = s2v(L->top.p - 1);
    obj2arr(t, cast_uint(slot) - 1u, o);
    luaC_barrierback(L, obj2gco(t), o);
    L->top.p--;
  }
  else
    lua_rawseti(L, LUA_REGISTRYINDEX, slot);
}


LUA_API void lua_takekept (lua_State *L, int slot) {
  Table *t = registry(L);
  if (inarray(t, slot)) {
    unsigned k = cast_uint(slot) - 1u;
    TValue *o = s2v(L->top.p);
    arr2obj(t, k, o);
    *getArrTag(t, k) = LUA_VFALSE;
    L->top.p++;
    lua_assert(!isempty(o) && L->top.p <= L->ci->top.p);
  }
  else {
    lua_rawgeti(L, LUA_REGISTRYINDEX, slot);
    lua_pushboolean(L, 0);
    lua_rawseti(L, LUA_REGISTRYINDEX, slot);
  }
}


LUA_API void lua_warmkept (lua_State *L, const int *slots, int n) {
  const Table *t = registry(L);
  const LClosure *found[MAXWARM];
  int i, j, m = 0;
  lua_assert(n <= MAXWARM);
  for (i = 0; i < n; i++) {
    unsigned k = cast_uint(slots[i]) - 1u;
    if (k < t->asize && *getArrTag(t, k) == ctb(LUA_VLCL)) {
      found[m] = gco2lcl(getArrVal(t, k)->gc);
      ask(found[m]);
      m++;
    }
  }
  for (i = 0; i < m; i++) {
    const LClosure *f = found[i];
    int nup = (f->nupvalues < MAXWARMUPVALS) ? f->nupvalues : MAXWARMUPVALS;
    for (j = 0; j < nup; j++) {
      const UpVal *uv = f->upvals[j];
      if (uv != NULL) {  /* its own value, and the pointer to it */
        askafter(uv, offsetof(UpVal, v));
        askafter(uv, offsetof(UpVal, u.value.tt_));
      }
    }
  }
}
