/*
** lwalk.c
** Reading values and tables in few calls, for a codec
** (Moonhive's addition to Lua)
*/

#define lwalk_c
#define LUA_CORE

#include "lprefix.h"

#include <stddef.h>

#include "lua.h"

#include "ldefer.h"
#include "lgc.h"
#include "lobject.h"
#include "lstate.h"
#include "lstring.h"
#include "ltable.h"
#include "lwalk.h"


/* what 'src/walk.rs' declares */
_Static_assert(sizeof(lua_Seen) == 24 && offsetof(lua_Seen, u) == 0 &&
               offsetof(lua_Seen, kind) == 8 && offsetof(lua_Seen, len) == 16,
               "layout of 'lua_Seen'");
_Static_assert(LUA_WALKINTEGER == 9, "kind of integers");


static StkId slotat (lua_State *L, int idx) {
  lua_assert(0 < idx && L->ci->func.p + idx < L->top.p);
  UNUSED(L);
  return L->ci->func.p + idx;
}


static Table *tableat (lua_State *L, int idx) {
  const TValue *o = s2v(slotat(L, idx));
  lua_assert(ttistable(o));
  return hvalue(o);
}


static void seestring (TString *ts, lua_Seen *seen) {
  seen->kind = LUA_TSTRING;
  seen->u.s = getlstr(ts, seen->len);
}


static void see (const TValue *o, lua_Seen *seen) {
  seen->kind = ttype(o);
  switch (ttypetag(o)) {
    case LUA_VNUMINT: {
      seen->kind = LUA_WALKINTEGER;
      seen->u.i = ivalue(o);
      break;
    }
    case LUA_VNUMFLT: seen->u.n = fltvalue(o); break;
    case LUA_VSHRSTR: case LUA_VLNGSTR: seestring(tsvalue(o), seen); break;
    case LUA_VTRUE: seen->u.b = 1; break;
    case LUA_VFALSE: seen->u.b = 0; break;
    case LUA_VLIGHTUSERDATA: seen->u.p = pvalue(o); break;
    default: {
      if (iscollectable(o))
        seen->u.p = gcvalue(o);
      break;
    }
  }
}


/* an empty slot of a table reads as nil */
static void copyout (lua_State *L, int to, const TValue *o, lua_Seen *seen) {
  StkId slot = slotat(L, to);
  if (isempty(o))
    setnilvalue(s2v(slot));
  else
    setobj2s(L, slot, o);
  see(s2v(slot), seen);
}


LUA_API void lua_see (lua_State *L, int idx, lua_Seen *seen) {
  see(s2v(slotat(L, idx)), seen);
}


static size_t border (lua_State *L, Table *t) {
  return cast_sizet(issharedtable(t) ? luaI_getn(t) : luaH_getn(L, t));
}


LUA_API size_t lua_walkshape (lua_State *L, int idx, unsigned *slots) {
  Table *t = tableat(L, idx);
  *slots = 0;
  if (isdeferred(t) && !luaI_tryfill(L, t))
    return LUA_WALKNOMEMORY;
  *slots = t->asize;
  return border(L, t);
}


LUA_API size_t lua_walkborder (lua_State *L, const void *table) {
  Table *t = cast(Table *, cast(size_t, table));  /* 'luaH_getn' notes a hint in it */
  if (t->asize == 0 && isdummy(t)) {
    if (!isdeferred(t))
      return 0;
    if (!luaI_tryfill(L, t))
      return LUA_WALKNOMEMORY;
  }
  return border(L, t);
}


static void arrayout (lua_State *L, Table *t, unsigned place, int to,
                      lua_Seen *value) {
  TValue v;
  lu_byte tag = *getArrTag(t, place);
  farr2val(t, place, tag, &v);
  copyout(L, to, &v, value);
}


LUA_API void lua_walkarray (lua_State *L, int idx, unsigned place, int to,
                            lua_Seen *value) {
  Table *t = tableat(L, idx);
  if (place < t->asize)
    arrayout(L, t, place, to, value);
  else {  /* the table has changed */
    setnilvalue(s2v(slotat(L, to)));
    value->kind = LUA_TNIL;
  }
}


/* the first place of the array part from 'place' on that is not empty */
static unsigned nextinarray (const Table *t, unsigned place) {
  while (place < t->asize && tagisempty(*getArrTag(t, place)))
    place++;
  return place;
}


static int nextinnodes (lua_State *L, Table *t, unsigned *place, int to,
                        lua_Seen *key, lua_Seen *value) {
  unsigned i = *place - t->asize;
  unsigned size = sizenode(t);
  for (; i < size; i++) {
    Node *n = gnode(t, i);
    if (!isempty(gval(n))) {
      getnodekey(L, s2v(slotat(L, to)), n);
      see(s2v(slotat(L, to)), key);
      copyout(L, to + 1, gval(n), value);
      *place = t->asize + i + 1;
      return 1;
    }
  }
  return 0;
}


LUA_API int lua_walknext (lua_State *L, int idx, unsigned *place, int to,
                          lua_Seen *key, lua_Seen *value) {
  Table *t = tableat(L, idx);
  unsigned i = nextinarray(t, *place);
  if (i < t->asize) {
    setivalue(s2v(slotat(L, to)), l_castU2S(cast(lua_Unsigned, i) + 1));
    see(s2v(slotat(L, to)), key);
    arrayout(L, t, i, to + 1, value);
    *place = i + 1;
    return 1;
  }
  if (*place < t->asize)
    *place = t->asize;
  return nextinnodes(L, t, place, to, key, value);
}
