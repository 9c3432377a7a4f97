/*
** ldefer.c
** Constant tables that get their contents when something looks into them
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#define ldefer_c
#define LUA_CORE

#include "lprefix.h"

#include <string.h>

#include "lua.h"

#include "ldefer.h"
#include "ldo.h"
#include "lgc.h"
#include "lhost.h"
#include "lmem.h"
#include "lmodel.h"
#include "lobject.h"
#include "lsharelib.h"
#include "lstate.h"
#include "ltable.h"


#define modelof(t)	cast(const ModelTable *, cast_voidp((t)->array))


void luaI_defer (Table *t, const ModelTable *m) {
  lua_assert(t->asize == 0 && isdummy(t) && t->metatable == NULL);
  t->array = cast(Value *, cast(size_t, m));  /* only the collector and this file read it */
  t->flags |= BITDEFERRED;
}


void luaI_notedeferred (global_State *g, const Table *t) {
  Proto *root = modelof(t)->root;
  if (root != NULL)  /* (tables of the standard library have none) */
    luaI_note(g, root);
}


/*
** Everything that a deferred table gets, before it is its own. 'kind' is 0
** or that of its blocks (LUA_BLOCK*).
*/
typedef struct Contents {
  int kind;
  char *nodes;
  char *array;
  Table *inner;  /* one for each table in it, as a list */
} Contents;


/* (without a kind the collector is called when memory ends) */
static void *newblock (lua_State *L, int kind, size_t size) {
  global_State *g = G(L);
  void *block;
  if (kind == 0)
    return luaM_realloc_(L, NULL, 0, size);
  block = (*g->frealloc)(g->ud, NULL, cast_sizet(kind), size);
  if (block != NULL)
    g->GCdebt -= cast(l_mem, size);
  return block;
}


/* (an empty part has no block) */
static int getpart (lua_State *L, int kind, size_t size, char **part) {
  *part = (size == 0) ? NULL : cast_charp(newblock(L, kind, size));
  return size == 0 || *part != NULL;
}


static void freecontents (lua_State *L, const ModelTable *m, Contents *c) {
  while (c->inner != NULL) {
    Table *t = c->inner;
    c->inner = cast(Table *, cast_voidp(t->next));
    luaM_free(L, t);
  }
  luaM_freemem(L, c->array, c->array ? modelarray(cast_sizet(m->t.asize)) : 0);
  luaM_freemem(L, c->nodes, c->nodes ? m->nodebytes : 0);
}


static int getinner (lua_State *L, const ModelTable *m, Contents *c) {
  int n;
  for (n = m->ninner; n > 0; n--) {
    Table *t = cast(Table *, newblock(L, c->kind, sizeof(Table)));
    if (t == NULL) return 0;
    t->next = cast(GCObject *, cast_voidp(c->inner));
    c->inner = t;
  }
  return 1;
}


static int getcontents (lua_State *L, const ModelTable *m, Contents *c) {
  size_t arraybytes = modelarray(cast_sizet(m->t.asize));
  if (getpart(L, c->kind, m->nodebytes, &c->nodes) &&
      getpart(L, c->kind, arraybytes, &c->array) &&
      getinner(L, m, c))
    return 1;
  freecontents(L, m, c);
  return 0;
}


/* make a block a table without parts, which the collector knows */
static void linktable (global_State *g, Table *t) {
  luaH_initempty(t);
  t->tt = LUA_VTABLE;
  t->marked = luaC_white(g);
  t->next = g->allgc;
  g->allgc = obj2gco(t);
}


/* each table in it is deferred itself, unless it is to be empty */
static void placeinner (lua_State *L, Table *t, const ModelTable *m,
                        Table *inner) {
  int n;
  const ModelTable *im = m + 1;  /* the first one, if there is one */
  for (n = m->ninner; n > 0; n--) {
    Table *next = cast(Table *, cast_voidp(inner->next));
    linktable(G(L), inner);
    if (im->nodebytes > 0 || im->t.asize > 0)
      luaI_defer(inner, im);
    luaI_placetable(L, t, im->slot, inner);
    im += im->count;
    inner = next;
  }
  lua_assert(inner == NULL && im == m + m->count);
}


/*
** Everything is there before anything changes, so that a table is whole or
** as deferred as before. The collector comes by only when memory ends, and
** must find the table.
*/
static int fill (lua_State *L, Table *t, int kind) {
  const ModelTable *m = modelof(t);
  Contents c = {kind, NULL, NULL, NULL};
  int ok;
  lua_assert(isdeferred(t));
  sethvalue2s(L, L->top.p, t);  /* anchor 't' */
  L->top.p++;  /* assume EXTRA_STACK */
  ok = getcontents(L, m, &c);
  L->top.p--;
  if (!ok) return 0;
  t->array = NULL;
  t->flags &= cast_byte(~BITDEFERRED);
  if (c.nodes != NULL) luaI_usenodes(t, m, c.nodes);
  if (c.array != NULL) luaI_usearray(t, m, c.array);
  placeinner(L, t, m, c.inner);
  return 1;
}


void luaI_filldeferred (lua_State *L, Table *t) {
  if (!fill(L, t, 0))
    luaM_error(L);
}


void luaI_mustfill (lua_State *L, Table *t) {
  if (l_unlikely(!fill(L, t, LUA_BLOCKMUST)))
    luaI_filldeferred(L, t);  /* the machine has no more of it */
}


int luaI_tryfill (lua_State *L, Table *t) {
  return fill(L, t, LUA_BLOCKTRY);
}


void luaI_fillat (lua_State *L, int idx) {
  const TValue *o = s2v(L->ci->func.p + idx);
  lua_assert(0 < idx && L->ci->func.p + idx < L->top.p);
  if (ttistable(o) && isdeferred(hvalue(o)))
    luaI_filldeferred(L, hvalue(o));
}


int luaI_isdeferredtop (lua_State *L) {
  const TValue *o = s2v(L->top.p - 1);
  return ttistable(o) && isdeferred(hvalue(o));
}
