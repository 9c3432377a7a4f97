/*
** lmethod.c
** Methods found through tables that '__index' leads to
** (Moonhive's addition to Lua)
**
** Every call of a method of a userdata, of a string or of an object with
** a class looks for it in the same way: there is no such field, '__index'
** is a table, the method is there, or further up. 'luaV_finishget' goes
** this way for all kinds of keys and metamethods; here it is gone for
** names alone, with nothing to protect, in less than half of the steps.
*/

#define lmethod_c
#define LUA_CORE

#include "lprefix.h"

#include "lua.h"

#include "lgc.h"
#include "lmethod.h"
#include "lobject.h"
#include "lstate.h"
#include "ltable.h"
#include "ltm.h"


/* classes that are looked through; deeper ones are left to Lua */
#define MAXCLASSES	16


static Table *metatableof (lua_State *L, const TValue *o) {
  if (ttistable(o))
    return hvalue(o)->metatable;
  else if (ttisfulluserdata(o))
    return uvalue(o)->metatable;
  else
    return G(L)->mt[ttype(o)];
}


lu_byte luaI_methodof (lua_State *L, const TValue *o, TString *key,
                       TValue *res, lu_byte tag) {
  int i;
  if (ttistable(o) && isdeferred(hvalue(o)))
    return tag;  /* the field may be there once the table is filled */
  for (i = 0; i < MAXCLASSES; i++) {
    const TValue *slot;
    Table *mt = metatableof(L, o);
    const TValue *class = fasttm(L, mt, TM_INDEX);
    if (class == NULL || !ttistable(class) || isdeferred(hvalue(class)))
      return tag;
    slot = luaH_Hgetshortstr(hvalue(class), key);
    if (!ttisnil(slot)) {
      setobj(L, res, slot);
      return ttypetag(slot);
    }
    o = class;
  }
  return tag;
}
