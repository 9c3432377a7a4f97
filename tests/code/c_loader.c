/*
** A C module that loads Lua files in each way that the auxiliary library has, as stock modules do.
*/

#include "lua.h"
#include "lauxlib.h"

/* load(path, mode, environment): the function, or nil, the message and the status */
static int load (lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  int status = luaL_loadfilex(L, path, luaL_optstring(L, 2, NULL));
  if (status != LUA_OK) {
    luaL_pushfail(L);
    lua_insert(L, -2);
    lua_pushinteger(L, status);
    return 3;
  }
  if (!lua_isnoneornil(L, 3)) {
    lua_pushvalue(L, 3);
    if (lua_setupvalue(L, -2, 1) == NULL) lua_pop(L, 1);
  }
  return 1;
}

/* run(path): what the file returns */
static int run (lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  if (luaL_dofile(L, path)) return lua_error(L);
  return lua_gettop(L) - 1;
}

/* opens the module whose name is the path of its file */
static int open_file (lua_State *L) {
  if (luaL_loadfile(L, luaL_checkstring(L, 1)) != LUA_OK) return lua_error(L);
  lua_call(L, 0, 1);
  return 1;
}

/* open(path): what the file returns, the first time that it is asked for */
static int open_once (lua_State *L) {
  luaL_requiref(L, luaL_checkstring(L, 1), open_file, 0);
  return 1;
}

static const luaL_Reg functions[] = {
  {"load", load}, {"run", run}, {"open", open_once}, {NULL, NULL}
};

LUAMOD_API int luaopen_c_loader (lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
