/*
** lhost.c
** What a host needs of a VM that runs its natives
** (Moonhive's addition to Lua)
*/

#define lhost_c
#define LUA_CORE

#include "lprefix.h"

#include "lua.h"

#include "lapi.h"
#include "ldefer.h"
#include "lgc.h"
#include "lhost.h"
#include "lobject.h"
#include "lopcodes.h"
#include "lstate.h"
#include "ltable.h"
#include "ltm.h"


_Static_assert((LUA_GCHOLD & (GCSTPUSR | GCSTPGC | GCSTPCLS)) == 0,
               "the host's bit is free");


LUA_API unsigned char *lua_gcstopword (lua_State *L) {
  return &G(L)->gcstp;
}


LUA_API const ptrdiff_t *lua_gcdebtword (lua_State *L) {
  return &G(L)->GCdebt;
}


LUA_API void lua_gcpoll (lua_State *L) {
  lua_lock(L);
  luaC_checkGC(L);
  lua_unlock(L);
}


LUA_API int lua_gcahead (lua_State *L) {
  global_State *g = G(L);
  int more = 0;
  lua_lock(L);
  if (g->gcstp == 0) {
    luaC_step(L);
    more = (g->gckind != KGC_GENMINOR && g->gcstate != GCSpause);
  }
  lua_unlock(L);
  return more;
}


LUA_API void lua_gcgrant (lua_State *L, size_t bytes) {
  global_State *g = G(L);
  lua_lock(L);
  if (g->gckind == KGC_GENMINOR)
    g->GCmajorminor = cast(l_mem, bytes) * 100 / LUAI_GENMINORMUL;
  luaE_setdebt(g, cast(l_mem, bytes));
  lua_unlock(L);
}


LUA_API void lua_gcsettle (lua_State *L) {
  global_State *g = G(L);
  l_mem used = gettotalbytes(g);
  lua_lock(L);
  if (g->gckind == KGC_GENMINOR) {
    g->GCmajorminor = used;
    /* counts what becomes old; what is young here will soon, and is no sign
       of a program that needs a major collection */
    g->GCmarked = -used;
    luaE_setdebt(g, applygcparam(g, MINORMUL, used));
  }
  else if (g->GCdebt > used)
    luaE_setdebt(g, used);
  lua_unlock(L);
}


static StkId slotat (lua_State *L, int idx) {
  lua_assert(0 < idx && L->ci->func.p + idx < L->top.p);
  UNUSED(L);
  return L->ci->func.p + idx;
}


/* what a slot of the registry holds; most lie in its array */
static lu_byte registered (lua_State *L, int slot, TValue *o) {
  Table *t = hvalue(&G(L)->l_registry);
  unsigned k = cast_uint(slot) - 1u;
  if (l_likely(k < t->asize)) {
    arr2obj(t, k, o);
    return *getArrTag(t, k);
  }
  return luaH_getint(t, slot, o);
}


/* The function for a method, or 0; see 'lua_findmethod'. */
static int findmethod (lua_State *L, int ref, TString *key, int chain,
                       TValue *f) {
  TValue o;
  lu_byte tag = registered(L, ref, &o);
  while (!tagisempty(tag) && ttistable(&o) && chain-- > 0) {
    Table *t = hvalue(&o);
    luaI_undefer(L, t);
    tag = luaH_getstr(t, key, f);
    if (novariant(tag) == LUA_TFUNCTION)
      return 1;
    if (t->metatable == NULL)
      return 0;
    tag = luaH_getshortstr(t->metatable, G(L)->tmname[TM_INDEX], &o);
  }
  return 0;
}


LUA_API int lua_findmethod (lua_State *L, int ref, int name, int to,
                            int chain) {
  TValue f;
  if (!findmethod(L, ref, tsvalue(s2v(slotat(L, name))), chain, &f))
    return 0;
  setobj2s(L, slotat(L, to), &f);
  return 1;
}


LUA_API int lua_pushmethod (lua_State *L, int ref, int name, int chain) {
  TValue k, f;
  if (tagisempty(registered(L, name, &k)) || !ttisstring(&k) || !findmethod(L, ref, tsvalue(&k), chain, &f))
    return 0;
  setobj2s(L, L->top.p, &k);
  setobj2s(L, L->top.p + 1, &f);
  L->top.p += 2;
  lua_assert(L->top.p <= L->ci->top.p);
  return 1;
}


/* instructions looked at before a return, and calls below it */
#define MAXBEFORERETURN	8
#define MAXCALLSBELOW	16


/* Whether nothing from 'pc' on, which follows a call, does anything before the
   function returns but to load or move values. */
static int returnsnext (const Instruction *pc) {
  int n;
  for (n = 0; n < MAXBEFORERETURN; n++) {
    Instruction i = *pc++;
    switch (GET_OPCODE(i)) {
      case OP_MOVE: case OP_LOADI: case OP_LOADF: case OP_LOADK:
      case OP_LOADFALSE: case OP_LOADTRUE: case OP_LOADNIL:
        break;
      case OP_JMP:
        pc += GETARG_sJ(i);
        break;
      case OP_RETURN:  /* the flag tells of variables to be closed */
        return !TESTARG_k(i);
      case OP_RETURN0: case OP_RETURN1:
        return 1;
      default:
        return 0;
    }
  }
  return 0;
}


/* Whether a function is in the middle of a call that its code makes, and not
   of a metamethod, of closing a variable or of a hook, which are called
   between or within other instructions. */
static int isincall (const CallInfo *ci) {
  if (!isLua(ci) || (ci->callstatus & (CIST_HOOKED | CIST_FIN)))
    return 0;
  switch (GET_OPCODE(ci->u.l.savedpc[-1])) {
    case OP_CALL: case OP_TAILCALL:
      return 1;
    default:
      return 0;
  }
}


LUA_API int lua_endsnext (lua_State *L) {
  const CallInfo *ci = L->ci->previous;
  int n;
  /* what C has called goes back to it, but see 'lua_leavek' */
  if (L->hookmask || L->nCcalls != G(L)->sharing.depth)
    return 0;
  for (n = 0; n < MAXCALLSBELOW; n++, ci = ci->previous) {
    if (ci == &L->base_ci)
      return 1;
    if (!isincall(ci) || !returnsnext(ci->u.l.savedpc))
      return 0;
  }
  return 0;
}
