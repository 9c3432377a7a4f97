/*
** lrequire.c
** A 'require' through which modules can be suspended while they load
** (Moonhive's addition to Lua)
*/

#define lrequire_c
#define LUA_LIB

#include "lprefix.h"

#include <string.h>

#include "lua.h"

#include "lauxlib.h"
#include "llimits.h"
#include "lrequire.h"


/* what lies where in the stack during a load */
#define NAME		1
#define LOADED		2	/* 'package.loaded' */
#define LOAD		3	/* the load itself, a value to be closed */
#define SEARCHERS	4
#define TRIED		5	/* what the searchers said so far */


static int run (lua_State *L);


/* what the searcher returned: is it a loader? */
static int isloader (lua_State *L) {
  if (lua_isfunction(L, -2))
    return 1;
  if (lua_isstring(L, -2)) {
    lua_pop(L, 1);  /* remove extra return */
    lua_pushliteral(L, "\n\t");
    lua_insert(L, -2);
    lua_pushvalue(L, TRIED);
    lua_insert(L, -3);
    lua_concat(L, 3);
    lua_replace(L, TRIED);
  }
  return 0;
}


static int searched (lua_State *L, int status, lua_KContext i);


/* ask the searchers, from number 'i' on */
static int search (lua_State *L, lua_KContext i) {
  for (;; i++) {
    lua_settop(L, TRIED);
    if (l_unlikely(lua_rawgeti(L, SEARCHERS, (lua_Integer)i) == LUA_TNIL))
      return luaL_error(L, "module '%s' not found:%s", lua_tostring(L, NAME),
                           lua_tostring(L, TRIED));
    lua_pushvalue(L, NAME);
    lua_callk(L, 1, 2, i, searched);
    if (isloader(L))
      return run(L);
  }
}


static int searched (lua_State *L, int status, lua_KContext i) {
  UNUSED(status);
  return isloader(L) ? run(L) : search(L, i + 1);
}


/*
** How many values the load gives: the module and the loader data, or the
** module alone. What C code or an entry of 'package.preload' loads comes
** with its data always.
** stack: ...; loader; loader data
*/
static int countresults (lua_State *L) {
  int isalone;
  if (lua_iscfunction(L, -2) || lua_type(L, -1) != LUA_TSTRING ||
      strcmp(lua_tostring(L, -1), ":preload:") == 0)
    return 2;
  lua_getfield(L, LOAD, "alone");
  isalone = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return isalone ? 1 : 2;
}


/* stack: ...; loader data; what the module returned */
static int finished (lua_State *L, int status, lua_KContext results) {
  UNUSED(status);
  lua_pushvalue(L, NAME);
  lua_insert(L, -2);
  if (lua_isnil(L, -1))
    lua_pop(L, 2);
  else
    lua_settable(L, LOADED);  /* LOADED[name] = returned value */
  lua_pushvalue(L, NAME);
  if (lua_gettable(L, LOADED) == LUA_TNIL) {  /* module set no value? */
    lua_pop(L, 1);
    lua_pushboolean(L, 1);  /* use true as result */
    lua_pushvalue(L, NAME);
    lua_pushvalue(L, -2);
    lua_settable(L, LOADED);
  }
  if (results == 2)
    lua_rotate(L, -2, 1);  /* loader data <-> module result */
  return (int)results;
}


static int ran (lua_State *L, int status, lua_KContext results) {
  if (lua_rawlen(L, LOAD) > 0) {  /* functions to run behind the module? */
    lua_pushvalue(L, lua_upvalueindex(LUA_REQFINISH));
    lua_pushvalue(L, LOAD);
    lua_callk(L, 1, 0, results, finished);
  }
  return finished(L, status, results);
}


/* stack: ...; loader; loader data */
static int run (lua_State *L) {
  lua_KContext results = countresults(L);
  lua_rotate(L, -2, 1);
  lua_pushvalue(L, NAME);
  lua_pushvalue(L, -3);
  lua_callk(L, 2, 1, results, ran);
  return ran(L, LUA_OK, results);
}


/*
** Begin a load. It is known to others only when it is sure to be closed,
** however it ends.
*/
static int begin (lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(LUA_REQBEGIN));
  lua_pushvalue(L, NAME);
  lua_call(L, 1, 1);
  lua_assert(lua_gettop(L) == LOAD);
  lua_toclose(L, LOAD);
  lua_pushvalue(L, NAME);
  lua_pushvalue(L, LOAD);
  lua_rawset(L, lua_upvalueindex(LUA_REQLOADING));
  if (l_unlikely(lua_getfield(L, lua_upvalueindex(LUA_REQPACKAGE),
                              "searchers") != LUA_TTABLE))
    return luaL_error(L, "'package.searchers' must be a table");
  lua_pushliteral(L, "");
  lua_assert(lua_gettop(L) == TRIED);
  return search(L, 1);
}


/* (also after another task's load, for which this one has waited) */
static int enter (lua_State *L, int status, lua_KContext ctx) {
  UNUSED(status); UNUSED(ctx);
  for (;;) {
    lua_settop(L, LOADED);
    lua_pushvalue(L, NAME);
    lua_gettable(L, LOADED);
    if (lua_toboolean(L, -1))  /* is it there? */
      return 1;
    lua_settop(L, LOADED);
    lua_pushvalue(L, NAME);
    if (lua_rawget(L, lua_upvalueindex(LUA_REQLOADING)) == LUA_TNIL) {
      lua_settop(L, LOADED);
      return begin(L);
    }
    lua_pushvalue(L, lua_upvalueindex(LUA_REQJOIN));
    lua_pushvalue(L, NAME);
    lua_callk(L, 1, 0, 0, enter);
  }
}


LUAMOD_API int lua_requiremodule (lua_State *L) {
  if (lua_isfunction(L, 1)) {
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(LUA_REQLATER));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
  }
  luaL_checkstring(L, 1);
  lua_settop(L, NAME);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  return enter(L, LUA_OK, 0);
}
