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
#include "lgc.h"
#include "lhost.h"
#include "lstate.h"


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
