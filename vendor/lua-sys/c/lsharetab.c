/*
** lsharetab.c
** Shared tables: reading their length, refusing writes, saying where
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#define lsharetab_c
#define LUA_CORE

#include "lprefix.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lua.h"

#include "lapi.h"
#include "ldebug.h"
#include "lgc.h"
#include "lobject.h"
#include "lsharestr.h"
#include "lsharetab.h"
#include "lstate.h"
#include "lstring.h"
#include "ltable.h"
#include "ltm.h"
#include "lvm.h"


/* length of a shared table: nobody may write a hint */
lua_Unsigned luaI_getn (const Table *h) {
  return (h->asize == 0) ? 0 : *lenhint(h);
}


/* equality of two tables of which one is shared and the other is not */
int luaI_equaltables (lua_State *L, const TValue *t1, const TValue *t2) {
  const TValue *tm;
  if (L == NULL) return 0;  /* raw equality */
  tm = fasttm(L, hvalue(t1)->metatable, TM_EQ);
  if (tm == NULL)
    tm = fasttm(L, hvalue(t2)->metatable, TM_EQ);
  if (tm == NULL) return 0;
  return !tagisfalse(luaT_callTMres(L, tm, t1, t2, L->top.p));
}


/*
** {======================================================
** Paths
** =======================================================
*/

/* find the key under which 'h' has table 'value' */
int luaI_findvalue (const Table *h, const Table *value, TValue *key) {
  unsigned i;
  for (i = 0; i < h->asize; i++) {
    if (novariant(*getArrTag(h, i)) == LUA_TTABLE &&
        getArrVal(h, i)->gc == obj2gco(value)) {
      setivalue(key, cast(lua_Integer, i) + 1);
      return 1;
    }
  }
  for (i = 0; i < cast_uint(sizenode(h)); i++) {
    Node *n = gnode(h, i);
    if (ttistable(gval(n)) && hvalue(gval(n)) == value) {
      getnodekey(cast(lua_State *, NULL), key, n);
      return 1;
    }
  }
  return 0;
}


static int isname (const char *s, size_t l) {
  size_t i;
  if (l == 0 || isdigit(cast_uchar(s[0]))) return 0;
  for (i = 0; i < l; i++) {
    if (!isalnum(cast_uchar(s[i])) && s[i] != '_') return 0;
  }
  return 1;
}


/* write one key; returns how long it is */
static int writekey (char *buff, size_t size, const TValue *key,
                     int isfirst) {
  switch (ttypetag(key)) {
    case LUA_VNUMINT: case LUA_VNUMFLT: {
      char number[LUA_N2SBUFFSZ];
      unsigned l = luaO_tostringbuff(key, number);
      return snprintf(buff, size, "[%.*s]", cast_int(l), number);
    }
    case LUA_VFALSE: return snprintf(buff, size, "[false]");
    case LUA_VTRUE: return snprintf(buff, size, "[true]");
    case LUA_VSHRSTR: case LUA_VLNGSTR: {
      size_t l;
      const char *s = getlstr(tsvalue(key), l);
      if (isname(s, l))
        return snprintf(buff, size, "%s%.40s", isfirst ? "" : ".", s);
      else
        return snprintf(buff, size, "[\"%.40s\"]", s);
    }
    default:
      return snprintf(buff, size, "[a %s]", ttypename(ttype(key)));
  }
}


/* write a path; the last step is the first in 'steps' */
void luaI_writepath (char *buff, size_t size, TValue *steps, int n) {
  size_t used = 0;
  int i;
  buff[0] = '\0';
  for (i = n - 1; i >= 0 && used < size; i--) {
    int l = writekey(buff + used, size - used, &steps[i], i == n - 1);
    if (l < 0) break;
    used += cast_sizet(l);
  }
  if (used >= size)
    strcpy(buff + size - 4, "...");
}

/* }====================================================== */


/*
** {======================================================
** Writes
** =======================================================
*/

/*
** Write the path from the first table of the image to 'h', and on to
** 'key' unless that is NULL.
*/
static void pathto (char *buff, size_t size, const Table *h,
                    const TValue *key) {
  TValue steps[MAXSTEPS];
  const Table *parent;
  int n = 0;
  if (key != NULL)
    steps[n++] = *key;
  while (n < MAXSTEPS && (parent = tableparent(h)) != NULL &&
         luaI_findvalue(parent, h, &steps[n])) {
    n++;
    h = parent;
  }
  luaI_writepath(buff, size, steps, n);
}


/* a C function is blamed on the Lua function that called it */
static void addposition (lua_State *L, const char *msg) {
  CallInfo *ci = L->ci;
  if (!isLua(ci)) ci = ci->previous;
  if (ci != NULL && isLua(ci)) {
    const Proto *p = ci_func(ci)->p;
    luaG_addinfo(L, msg, p->source,
                 luaG_getfuncline(p, pcRel(ci->u.l.savedpc, p)));
    setobjs2s(L, L->top.p - 2, L->top.p - 1);  /* remove 'msg' */
    L->top.p--;
  }
}


/*
** Refuse to write to a shared table: to its field 'key', or to its
** metatable if that is NULL.
*/
l_noret luaI_readonly (lua_State *L, const Table *h, const TValue *key) {
  char path[PATHSIZE];
  const char *name = table2image(h)->name;
  const char *msg;
  pathto(path, sizeof(path), h, key);
  if (path[0] == '\0')
    msg = luaO_pushfstring(L, "shared table '%s' is read-only", name);
  else if (key != NULL)
    msg = luaO_pushfstring(L, "shared table '%s' is read-only: cannot "
                              "change '%s'", name, path);
  else
    msg = luaO_pushfstring(L, "shared table '%s' is read-only: cannot "
                              "change the metatable of '%s'", name, path);
  addposition(L, msg);
  luaG_errormsg(L);
}

/* }====================================================== */


LUA_API size_t lua_imagetables (const lua_Image *img) {
  return img->numtables;
}


LUA_API lua_Image *lua_toshared (lua_State *L, int idx) {
  const Table *h;
  if (!lua_istable(L, idx)) return NULL;
  h = cast(const Table *, lua_topointer(L, idx));
  return issharedtable(h) ? table2image(h) : NULL;
}
