/*
** lextern.c
** Strings whose bytes the host holds and several VMs may read
** (Moonhive's addition to Lua; see docs/message-format.md)
*/

#define lextern_c
#define LUA_CORE

#include "lprefix.h"

#include "lua.h"

#include "lapi.h"
#include "lextern.h"
#include "lgc.h"
#include "lobject.h"
#include "lstate.h"
#include "lstring.h"


/*
** They are external strings of Lua with this function as deallocator.
*/
void *luaI_release (void *ud, void *block, size_t osize, size_t nsize) {
  lua_Holder *holder = (lua_Holder *)ud;
  UNUSED(block); UNUSED(osize); UNUSED(nsize);
  holder->release(holder);
  return NULL;
}


LUA_API void lua_pushheld (lua_State *L, const char *s, size_t len,
                           lua_Holder *holder) {
  TString *ts;
  lua_lock(L);
  api_check(L, len > LUAI_MAXSHORTLEN && s[len] == '\0', "no such string");
  ts = luaS_newextlstr(L, s, len, luaI_release, holder);
  setsvalue2s(L, L->top.p, ts);
  api_incr_top(L);
  G(L)->GCdebt -= cast(l_mem, luaI_heldsize(ts));
  luaC_checkGC(L);
  lua_unlock(L);
}


LUA_API lua_Holder *lua_holderof (const void *text) {
  const TString *ts = (const TString *)text;
  lua_assert(!strisshr(ts));
  return luaI_isheld(ts) ? (lua_Holder *)ts->ud : NULL;
}


LUA_API int lua_ownsblock (lua_State *L, const void *text) {
  const TString *ts = (const TString *)text;
  const global_State *g = G(L);
  lua_assert(!strisshr(ts));
  return ts->shrlen == LSTRMEM && ts->falloc == g->frealloc
                               && ts->ud == g->ud;
}


LUA_API void lua_handover (lua_State *L, void *text, lua_Holder *holder) {
  TString *ts = (TString *)text;
  lua_lock(L);
  lua_assert(lua_ownsblock(L, text));
  ts->falloc = luaI_release;
  ts->ud = holder;
  G(L)->GCdebt -= cast(l_mem, luaI_heldsize(ts));
  lua_unlock(L);
}
