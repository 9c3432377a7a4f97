/*
** stock_module.c
** A C module as its author would write it for stock Lua 5.5: compiled
** against stock headers, it uses everything whose size or place the
** compiler copies into the module (structures, pseudo-indices, macros)
*/

#include <string.h>

#include "lua.h"
#include "lauxlib.h"


/*
** {======================================================
** Counters: userdata with a metatable, user values, extra space
** =======================================================
*/

#define COUNTER		"stock.counter"

typedef struct Counter { lua_Integer n; double step; } Counter;

static int counter_new (lua_State *L) {
  Counter *c = (Counter *)lua_newuserdatauv(L, sizeof(Counter), 2);
  c->n = luaL_optinteger(L, 1, 0);
  c->step = luaL_optnumber(L, 2, 1.0);
  lua_pushliteral(L, "first user value");
  lua_setiuservalue(L, -2, 1);
  luaL_setmetatable(L, COUNTER);
  return 1;
}

static int counter_add (lua_State *L) {
  Counter *c = (Counter *)luaL_checkudata(L, 1, COUNTER);
  c->n += (lua_Integer)c->step;
  lua_pushinteger(L, c->n);
  lua_getiuservalue(L, 1, 1);
  return 2;
}

/* adds one to the upvalue, through the pseudo-index compiled in here */
static int tick (lua_State *L) {
  lua_Integer n = lua_tointeger(L, lua_upvalueindex(1)) + 1;
  lua_pushinteger(L, n);
  lua_copy(L, -1, lua_upvalueindex(1));
  return 1;
}

static int ticker (lua_State *L) {
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, tick, 1);
  return 1;
}

static int extra (lua_State *L) {
  static int mark;
  void *p = &mark;
  memcpy(lua_getextraspace(L), &p, sizeof(p));
  memset(&p, 0, sizeof(p));
  memcpy(&p, lua_getextraspace(L), sizeof(p));
  lua_pushboolean(L, p == &mark && LUA_EXTRASPACE == sizeof(void *));
  return 1;
}

/* }====================================================== */


/* a buffer inside the module's frame that outgrows itself */
static int repeat (lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  lua_Integer n = luaL_checkinteger(L, 2);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (; n > 0; n--) {
    luaL_addlstring(&b, s, len);
    luaL_addchar(&b, ',');
  }
  if (luaL_bufflen(&b) > 0) luaL_buffsub(&b, 1);
  luaL_pushresult(&b);
  return 1;
}


/* who calls? fields from the front to the back of the structure */
static int caller (lua_State *L) {
  lua_Debug ar;
  if (!lua_getstack(L, 1, &ar) || !lua_getinfo(L, "nSlut", &ar))
    return luaL_error(L, "nobody calls");
  lua_pushstring(L, ar.name);
  lua_pushstring(L, ar.short_src);
  lua_pushinteger(L, ar.currentline);
  lua_pushinteger(L, ar.nparams);
  lua_pushboolean(L, ar.srclen == strlen(ar.source));
  return 5;
}


static int resumed (lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  lua_pushinteger(L, (lua_Integer)ctx + lua_tointeger(L, -1));
  return 1;
}

/* yields its argument and returns it plus what it is resumed with */
static int ask (lua_State *L) {
  lua_KContext n = (lua_KContext)luaL_checkinteger(L, 1);
  return lua_yieldk(L, lua_gettop(L), n, resumed);
}


/* calls a function that was kept in the registry */
static int remember (lua_State *L) {
  int ref;
  lua_settop(L, 1);
  ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
  luaL_unref(L, LUA_REGISTRYINDEX, ref);
  lua_call(L, 0, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_pushboolean(L, lua_istable(L, -1));
  lua_remove(L, -2);
  return 2;
}


typedef struct Dump { size_t n; char code[4096]; } Dump;

static int addchunk (lua_State *L, const void *p, size_t size, void *ud) {
  Dump *d = (Dump *)ud;
  (void)L;
  if (size > sizeof(d->code) - d->n) return 1;
  if (size > 0) memcpy(d->code + d->n, p, size);
  d->n += size;
  return 0;
}

/* dumps its argument and loads it again */
static int copyfunction (lua_State *L) {
  Dump d;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  d.n = 0;
  if (lua_dump(L, addchunk, &d, 0) != 0)
    return luaL_error(L, "unable to dump");
  if (luaL_loadbufferx(L, d.code, d.n, "=copy", "b") != LUA_OK)
    return lua_error(L);
  return 1;
}


/* a state of the module's own */
static int evaluate (lua_State *L) {
  lua_State *L1 = luaL_newstate();
  if (L1 == NULL || luaL_dostring(L1, luaL_checkstring(L, 1)))
    return luaL_error(L, "unable to run");
  lua_pushinteger(L, lua_tointeger(L1, -1));
  lua_close(L1);
  return 1;
}


static const luaL_Reg functions[] = {
  {"counter", counter_new},
  {"ticker", ticker},
  {"extra", extra},
  {"repeat_text", repeat},
  {"caller", caller},
  {"ask", ask},
  {"remember", remember},
  {"copyfunction", copyfunction},
  {"evaluate", evaluate},
  {NULL, NULL}
};

int luaopen_stock_module (lua_State *L);

int luaopen_stock_module (lua_State *L) {
  luaL_newmetatable(L, COUNTER);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, counter_add);
  lua_setfield(L, -2, "add");
  lua_pop(L, 1);
  luaL_newlib(L, functions);  /* checks version and number sizes */
  return 1;
}
