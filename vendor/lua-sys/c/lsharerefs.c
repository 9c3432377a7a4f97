/*
** lsharerefs.c
** Replacing references to shared tables by others
** (Moonhive's addition to Lua; see docs/shared-tables.md)
*/

#define lsharerefs_c
#define LUA_CORE

#include "lprefix.h"

#include "lua.h"

#include "lapi.h"
#include "ldo.h"
#include "lgc.h"
#include "lobject.h"
#include "lsharewalk.h"
#include "lstate.h"
#include "ltable.h"


typedef struct Replacing {
  Walk w;  /* must be first */
  lua_State *L;
  Table *map;
  size_t count;
} Replacing;


/* what takes the place of a table: true, and it or nil in 'res' */
static int replacement (Table *map, const TValue *o, TValue *res) {
  if (!ttissharedtable(o) || tagisempty(luaH_get(map, o, res)))
    return 0;
  if (!ttissharedtable(res))  /* others would need barriers */
    setnilvalue(res);
  return 1;
}


static void replacevalue (Walk *w, TValue *o) {
  Replacing *r = cast(Replacing *, w);
  TValue res;
  if (replacement(r->map, o, &res)) {
    setobj(r->L, o, &res);
    r->count++;
  }
}


/*
** Replace the first such key of a table: another key has another place.
** False if there is none. (A key that was there already keeps its value.)
*/
static int replaceonekey (Replacing *r, Table *h) {
  unsigned i;
  for (i = 0; i < cast_uint(sizenode(h)) && !isdummy(h); i++) {
    Node *n = gnode(h, i);
    TValue key, res, value, old;
    if (isempty(gval(n))) continue;
    getnodekey(r->L, &key, n);
    if (!replacement(r->map, &key, &res)) continue;
    setobj(r->L, &value, gval(n));
    setempty(gval(n));
    setdeadkey(n);
    if (ttistable(&res) && tagisempty(luaH_get(h, &res, &old))) {
      luaH_set(r->L, h, &res, &value);
      invalidateTMcache(h);
      luaC_barrierback(r->L, obj2gco(h), &value);
    }
    r->count++;
    return 1;
  }
  return 0;
}


static void replacekeys (Table *h, void *ud) {
  Replacing *r = cast(Replacing *, ud);
  while (h != r->map && replaceonekey(r, h)) {}
}


/* (a table that grows may raise a memory error) */
static void replaceall (lua_State *L, void *ud) {
  Replacing *r = cast(Replacing *, ud);
  luaI_walk(&r->w);
  luaI_walktables(G(L), replacekeys, r);
}


LUA_API size_t lua_replaceshared (lua_State *L, int idx) {
  global_State *g = G(L);
  Replacing r;
  TStatus status;
  lu_byte oldstop = g->gcstopem;
  lua_lock(L);
  api_check(L, lua_istable(L, idx), "table expected");
  luaI_initwalk(&r.w, g, LUA_TTABLE, replacevalue);
  r.L = L;
  r.map = cast(Table *, cast_voidp(lua_topointer(L, idx)));
  r.count = 0;
  r.w.nokeys = 1;
  r.w.except = r.map;
  g->gcstopem = 1;  /* nothing may be swept while its list is walked */
  status = luaD_rawrunprotected(L, replaceall, &r);
  g->gcstopem = oldstop;
  if (status != LUA_OK)
    luaD_throw(L, status);
  lua_unlock(L);
  return r.count;
}
