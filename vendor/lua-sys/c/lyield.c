/*
** lyield.c
** Yields that return
** (Moonhive's addition to Lua)
*/

#define lyield_c
#define LUA_CORE

#include "lprefix.h"

#include "lua.h"

#include "lapi.h"
#include "llimits.h"
#include "lobject.h"
#include "lstate.h"
#include "lyield.h"


LUA_API int lua_leavek (lua_State *L, int nresults, lua_KContext ctx,
                        lua_KFunction k) {
  CallInfo *ci = L->ci;
  /* calls that go through C count, and so do those that may not yield */
  if (L->nCcalls != G(L)->sharing.depth || L->hookmask)
    return lua_yieldk(L, nresults, ctx, k);
  lua_lock(L);
  api_checkpop(L, nresults);
  lua_assert(!isLua(ci));
  L->status = LUA_YIELD;
  ci->u2.nyield = nresults;
  if ((ci->u.c.k = k) != NULL)
    ci->u.c.ctx = ctx;
  if (isLua(ci->previous))
    ci->previous->u.l.trap = 1;
  lua_unlock(L);
  return LUA_LEFT;
}
