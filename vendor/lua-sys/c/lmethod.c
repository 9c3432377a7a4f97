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


/* what a table has under a short name, NULL for nothing: the nodes after
   the first one of its place */
static const TValue *namedlater (const Node *n, const TString *name) {
  int next;
  while ((next = gnext(n)) != 0) {
    n += next;
    if (keyisshrstr(n) && eqshrstr(keystrval(n), name))
      return ttisnil(gval(n)) ? NULL : gval(n);
  }
  return NULL;
}


/* the same; no call for what every call of a method asks for twice, and
   finds at the first place */
l_sinline const TValue *named (const Table *t, const TString *name) {
  const Node *n = gnode(t, lmod(name->hash, sizenode(t)));
  if (l_likely(keyisshrstr(n) && eqshrstr(keystrval(n), name)))
    return ttisnil(gval(n)) ? NULL : gval(n);
  return namedlater(n, name);
}


/* what '__index' of a metatable is, NULL for nothing: Lua's own search,
   which follows, keeps that in mind for a table */
l_sinline const TValue *indexof (lua_State *L, Table *mt) {
  return checknoTM(mt, TM_INDEX) ? NULL
                                 : named(mt, G(L)->tmname[TM_INDEX]);
}


/* the field of the class of an object, with the class in '*class'; NULL,
   and no class, if only Lua can tell */
l_sinline const TValue *ofclass (lua_State *L, const TValue *o,
                                 TString *key, const TValue **class) {
  *class = indexof(L, metatableof(L, o));
  if (*class == NULL || !ttistable(*class) || isdeferred(hvalue(*class))) {
    *class = NULL;
    return NULL;
  }
  return named(hvalue(*class), key);
}


/* as 'luaI_methodof' of a class that has no such field itself */
static lu_byte inherited (lua_State *L, const TValue *o, TString *key,
                          TValue *res, lu_byte tag) {
  int i;
  for (i = 1; i < MAXCLASSES; i++) {
    const TValue *slot = ofclass(L, o, key, &o);
    if (slot != NULL) {
      setobj(L, res, slot);
      return ttypetag(slot);
    }
    if (o == NULL)
      return tag;
  }
  return tag;
}


lu_byte luaI_methodof (lua_State *L, const TValue *o, TString *key,
                       TValue *res, lu_byte tag) {
  const TValue *class;
  const TValue *slot;
  if (ttistable(o) && isdeferred(hvalue(o)))
    return tag;  /* the field may be there once the table is filled */
  slot = ofclass(L, o, key, &class);
  if (l_likely(slot != NULL)) {
    setobj(L, res, slot);
    return ttypetag(slot);
  }
  return (class != NULL) ? inherited(L, class, key, res, tag) : tag;
}
