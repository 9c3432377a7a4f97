/*
** lcall.h
** Calls that need no more than a frame
** (Moonhive's addition to Lua)
**
** 'luaD_precall' prepares every kind of call, and 'luaD_poscall' ends it
** for every number of results. Nearly all calls that the interpreter makes
** are of two kinds, find room on the stack and a 'CallInfo' of an earlier
** call, and begin here: of functions of Lua, and, where no hook is set, of
** C, which end here if at most one result is wanted. That takes half of the
** instructions. All others are left to the two.
*/

#ifndef lcall_h
#define lcall_h

#include "lapi.h"
#include "ldo.h"
#include "lgc.h"
#include "llimits.h"
#include "lobject.h"
#include "lstate.h"
#include "lyield.h"


/* whether a frame above the interpreter's is at hand, and room for so many
   values above the arguments */
#define luaI_hasframe(L,ci,room)  \
	((ci)->next != NULL && (L)->stack_last.p - (L)->top.p > (room))


/* the frame of a call for so many results, to be filled in */
l_sinline CallInfo *luaI_frame (lua_State *L, CallInfo *caller, StkId func,
                                unsigned status) {
  CallInfo *ci = caller->next;
  lua_assert(L->ci == caller);
  ci->func.p = func;
  ci->callstatus = status;
  L->ci = ci;
  return ci;
}


/*
** Begins the call of a function of Lua with the arguments above it, for so
** many results; NULL, and nothing done, if it is another kind of call.
*/
l_sinline CallInfo *luaI_enterlua (lua_State *L, CallInfo *caller,
                                   StkId func, int nresults) {
  CallInfo *ci;
  const Proto *p;
  StkId missing, end;
  if (!ttisLclosure(s2v(func)))
    return NULL;
  p = clLvalue(s2v(func))->p;
  if (!luaI_hasframe(L, caller, p->maxstacksize))
    return NULL;
  ci = luaI_frame(L, caller, func, cast_uint(nresults + 1));
  ci->top.p = func + 1 + p->maxstacksize;
  lua_assert(ci->top.p <= L->stack_last.p);
  ci->u.l.savedpc = p->code;
  end = func + 1 + p->numparams;
  for (missing = L->top.p; missing < end; missing++) {
    setnilvalue(s2v(missing));
    L->top.p = missing + 1;
  }
  return ci;
}


/*
** Ends the call of a function of C that has so many results on the top. It
** may have moved the stack, set a hook, or asked for something to be closed.
*/
l_sinline void luaI_finishc (lua_State *L, CallInfo *caller, CallInfo *ci,
                             int n) {
  unsigned wanted = ci->callstatus & (CIST_TBC | CIST_NRESULTS);
  StkId to = ci->func.p;
  if (l_likely(wanted <= 2 && wanted >= 1 && !L->hookmask)) {
    if (wanted == 2) {
      if (n == 0)
        setnilvalue(s2v(to));
      else
        setobjs2s(L, to, L->top.p - n);
      to++;
    }
    lua_assert(!(ci->callstatus &
          (CIST_HOOKED | CIST_YPCALL | CIST_FIN | CIST_CLSRET)));
    L->top.p = to;
    L->ci = caller;
  }
  else
    luaD_poscall(L, ci, n);
}


/*
** Calls a function of C with the arguments above it, for so many results;
** false, and nothing done, if it is another kind of call.
*/
l_sinline int luaI_callc (lua_State *L, CallInfo *caller, StkId func,
                          int nresults) {
  lua_CFunction f;
  CallInfo *ci;
  int n;
  if (ttislcf(s2v(func)))
    f = fvalue(s2v(func));
  else if (ttisCclosure(s2v(func)))
    f = clCvalue(s2v(func))->f;
  else
    return 0;
  if (!luaI_hasframe(L, caller, LUA_MINSTACK) || L->hookmask)
    return 0;
  ci = luaI_frame(L, caller, func, cast_uint(nresults + 1) | CIST_C);
  ci->top.p = L->top.p + LUA_MINSTACK;
  lua_assert(ci->top.p <= L->stack_last.p);
  lua_unlock(L);
  n = f(L);
  lua_lock(L);
  if (l_unlikely(n == LUA_LEFT))
    return 1;
  api_checknelems(L, n);
  luaI_finishc(L, caller, ci, n);
  return 1;
}

#endif
