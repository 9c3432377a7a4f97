/*
** lrow.c
** Making tables of a known form, for a codec
** (Moonhive's addition to Lua; see docs/message-format.md)
*/

#define lrow_c
#define LUA_CORE

#include "lprefix.h"

#include <string.h>

#include "lua.h"

#include "lapi.h"
#include "lgc.h"
#include "lmem.h"
#include "lmodel.h"
#include "lobject.h"
#include "lrow.h"
#include "lstate.h"
#include "ltable.h"
#include "ltm.h"


static TValue *valueat (lua_State *L, int idx) {
  lua_assert(0 < idx && L->ci->func.p + idx < L->top.p);
  return s2v(L->ci->func.p + idx);
}


static Table *tableat (lua_State *L, int idx) {
  TValue *o = valueat(L, idx);
  lua_assert(ttistable(o));
  return hvalue(o);
}


LUA_API int lua_rowplace (lua_State *L, int row, int key) {
  const Table *t = tableat(L, row);
  const TValue *k = valueat(L, key);
  unsigned i;
  if (!ttisshrstring(k) || isdummy(t))
    return -1;
  for (i = 0; i < sizenode(t); i++) {
    const Node *n = gnode(t, i);
    if (keyisshrstr(n) && keystrval(n) == tsvalue(k))
      return cast_int(i);
  }
  return -1;
}


/* push a table without parts */
static Table *pushtable (lua_State *L) {
  Table *t = luaH_new(L);
  sethvalue2s(L, L->top.p, t);
  api_incr_top(L);
  return t;
}


/* (what 'lua_createtable' leaves, without the way through 'luaH_resize') */
LUA_API void lua_pusharray (lua_State *L, unsigned n) {
  Table *t = pushtable(L);
  if (n > 0) {
    char *block = luaM_newblock(L, modelarray(cast_sizet(n)));
    t->array = cast(Value *, cast_voidp(block)) + n;
    t->asize = n;
    *lenhint(t) = n;
    memset(getArrTag(t, 0), LUA_VEMPTY, n);
  }
  luaC_checkGC(L);
}


/*
** The nodes are copied whole, chains included: a key lies at the same
** place in all tables whose hash parts have one size and came to be in one
** order. An empty node with a key is what an assignment of nil leaves, so
** the rest of Lua knows it.
*/
LUA_API void lua_pushrow (lua_State *L, int model) {
  Table *m = tableat(L, model);
  Table *t = pushtable(L);
  if (!isdummy(m)) {
    char *block = luaM_newblock(L, luaH_hashbytes(m));
    unsigned i;
    t->lsizenode = m->lsizenode;
    t->flags = 0;  /* not a dummy any more, and may get metamethods */
    luaH_usehash(t, block);
    for (i = 0; i < sizenode(t); i++) {
      *gnode(t, i) = *gnode(m, i);
      setempty(gval(gnode(t, i)));
    }
    if (isblack(t))  /* the collector may have come by: it must see the keys */
      luaC_barrierback_(L, obj2gco(t));
  }
  luaC_checkGC(L);
}


LUA_API int lua_setplace (lua_State *L, int row, int place, int key) {
  Table *t = tableat(L, row);
  const TValue *v = s2v(L->top.p - 1);
  Node *n = gnode(t, place);
  lua_assert(0 <= place && t->metatable == NULL && ttisstring(valueat(L, key)));
  if (cast_uint(place) >= sizenode(t) || !keyisshrstr(n) ||
      keystrval(n) != tsvalue(valueat(L, key)))
    return 0;
  setobj2t(L, gval(n), v);
  luaC_barrierback(L, obj2gco(t), v);
  L->top.p--;
  return 1;
}
