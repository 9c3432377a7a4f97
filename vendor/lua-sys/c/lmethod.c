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
#include "lstring.h"
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


/* what a table has under a short name, NULL for nothing; no call for what
   every call of a method asks for twice */
static const TValue *named (const Table *t, const TString *name) {
  const Node *n = gnode(t, lmod(name->hash, sizenode(t)));
  for (;;) {
    int next;
    if (keyisshrstr(n) && eqshrstr(keystrval(n), name))
      return ttisnil(gval(n)) ? NULL : gval(n);
    next = gnext(n);
    if (next == 0)
      return NULL;
    n += next;
  }
}


/* what '__index' of a metatable is, NULL for nothing */
static const TValue *indexof (lua_State *L, Table *mt) {
  const TValue *index;
  if (checknoTM(mt, TM_INDEX))
    return NULL;
  index = named(mt, G(L)->tmname[TM_INDEX]);
  /* Lua's own search keeps in mind that there is none */
  return (index != NULL) ? index
                         : luaT_gettm(mt, TM_INDEX, G(L)->tmname[TM_INDEX]);
}


lu_byte luaI_methodof (lua_State *L, const TValue *o, TString *key,
                       TValue *res, lu_byte tag) {
  int i;
  if (ttistable(o) && isdeferred(hvalue(o)))
    return tag;  /* the field may be there once the table is filled */
  for (i = 0; i < MAXCLASSES; i++) {
    const TValue *slot;
    const TValue *class = indexof(L, metatableof(L, o));
    if (class == NULL || !ttistable(class) || isdeferred(hvalue(class)))
      return tag;
    slot = named(hvalue(class), key);
    if (slot != NULL) {
      setobj(L, res, slot);
      return ttypetag(slot);
    }
    o = class;
  }
  return tag;
}
