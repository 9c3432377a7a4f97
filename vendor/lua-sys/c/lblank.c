/*
** lblank.c
** The standard libraries of a new state, copied instead of opened
** (Moonhive's addition to Lua)
**
** Opening the libraries looks some two hundred names up and puts them
** into tables one by one: more than half of what a new state costs. All
** states of a process have the same names (canonical strings) and hash
** them alike, so their tables have the same nodes in the same places.
** 'luaI_capture' keeps the graph of objects that hangs on the registry of
** the first state; 'lua_openblank' builds it again with one copy a table.
** The copy is never written to after the capture: any thread may read it.
** A table of names and constants (functions without upvalues are such) is
** not even copied before something looks into it: few programs use 'debug'
** or 'utf8', and 'math' takes more memory than all that a small one makes.
**
** The names of metamethods and the reserved words are kept as well: looking
** up fifty names is a third of what making a state costs without libraries.
*/

#define lblank_c
#define LUA_CORE

#include "lprefix.h"

#include <stdlib.h>
#include <string.h>

#include "lua.h"

#include "lauxlib.h"
#include "lblank.h"
#include "ldefer.h"
#include "ldo.h"
#include "lfunc.h"
#include "lgc.h"
#include "lmodel.h"
#include "lobject.h"
#include "lsharestr.h"
#include "lstate.h"
#include "lstring.h"
#include "ltable.h"
#include "ltm.h"
#include "lualib.h"


/* objects that a blank state may consist of */
#define MAXBLANKS	128

/* the first two exist in every state */
#define REGISTRY	0
#define GLOBALS		1

/* no metatable */
#define NOMETA		(-1)


/*
** One object of a blank state. In its values an object stands as its
** number; short strings are canonical and stand for themselves.
*/
typedef struct Blank {
  const GCObject *from;	/* only during the capture */
  lu_byte tag;
  int meta;	/* number of its metatable */
  unsigned n;	/* nodes, upvalues, or bytes */
  unsigned nitems;	/* slots in the array of a table */
  TValue *items;
  ModelTable *model;	/* of a table that is filled later, or NULL */
  lua_CFunction f;
  union {
    Node *nodes;
    TValue *upvals;
    char *bytes;
    void *block;
  } u;
} Blank;


static Blank blanks[MAXBLANKS];
static int numblanks;  /* 0 while nothing (or not all) was captured */
static int stringmeta;  /* number of the metatable of strings */


/* names of metamethods, once all names of the first state are shared */
static TString *tmnames[TM_N];
static int hasnames;


/*
** The libraries read these when they open; another value since makes the
** copy useless.
*/
static const char *const variables[] = {
  "LUA_PATH_5_5", "LUA_PATH", "LUA_CPATH_5_5", "LUA_CPATH"
};

#define NUMVARIABLES	(sizeof(variables) / sizeof(variables[0]))

static char *captured[NUMVARIABLES];


/*
** {======================================================
** Capture
** =======================================================
*/

typedef struct Capture {
  int n;
  int ok;
} Capture;


static TString *shared (const TString *ts) {
  return luaI_findstring(getshrstr(ts), cast_sizet(ts->shrlen), ts->hash);
}


static int number (Capture *c, const GCObject *o, lu_byte tag) {
  int i;
  for (i = 0; i < c->n; i++) {
    if (blanks[i].from == o)
      return i;
  }
  if (c->n == MAXBLANKS) {
    c->ok = 0;
    return 0;
  }
  memset(&blanks[c->n], 0, sizeof(Blank));
  blanks[c->n].from = o;
  blanks[c->n].tag = tag;
  blanks[c->n].meta = NOMETA;
  return c->n++;
}


static void encode (Capture *c, Value *v, lu_byte tt) {
  if (!(tt & BIT_ISCOLLECTABLE))
    return;
  if (tt == ctb(LUA_VSHRSTR)) {
    TString *ts = shared(gco2ts(v->gc));
    if (ts == NULL) c->ok = 0;
    else v->gc = obj2gco(ts);
  }
  else
    v->i = number(c, v->gc, v->gc->tt);
}


static void *block (Capture *c, size_t size) {
  void *b = malloc(size > 0 ? size : 1);
  if (b == NULL) c->ok = 0;
  return b;
}


static void captureitems (Capture *c, int i, Table *t) {
  unsigned n = (i == REGISTRY) ? 0 : t->asize;
  unsigned k;
  TValue *items = cast(TValue *, block(c, n * sizeof(TValue)));
  if (items == NULL) return;
  for (k = 0; k < n; k++) {
    if (tagisempty(luaH_getint(t, cast(lua_Integer, k) + 1, &items[k])))
      setnilvalue(&items[k]);
    encode(c, &items[k].value_, items[k].tt_);
  }
  blanks[i].nitems = n;
  blanks[i].items = items;
}


static void capturetable (Capture *c, int i, Table *t) {
  unsigned n = (isdummy(t)) ? 0 : sizenode(t);
  unsigned k;
  Node *nodes = cast(Node *, block(c, n * sizeof(Node)));
  if (isdeferred(t)) c->ok = 0;  /* the libraries of Lua have none */
  blanks[i].n = n;
  blanks[i].u.nodes = nodes;
  if (nodes == NULL) return;
  captureitems(c, i, t);
  memcpy(nodes, t->node, n * sizeof(Node));
  for (k = 0; k < n && c->ok; k++) {
    Node *node = &nodes[k];
    if (isempty(gval(node)))
      continue;
    /* an object would have another place as a key */
    if ((node->u.key_tt & BIT_ISCOLLECTABLE) && !keyisshrstr(node))
      c->ok = 0;
    else {
      encode(c, &node->u.key_val, node->u.key_tt);
      encode(c, &node->u.value_, node->u.tt_);
    }
  }
  if (t->metatable != NULL)
    blanks[i].meta = number(c, obj2gco(t->metatable), LUA_VTABLE);
}


static void captureclosure (Capture *c, int i, const CClosure *f) {
  unsigned n = f->nupvalues;
  unsigned k;
  TValue *upvals = cast(TValue *, block(c, n * sizeof(TValue)));
  blanks[i].f = f->f;
  blanks[i].n = n;
  blanks[i].u.upvals = upvals;
  if (upvals == NULL) return;
  memcpy(upvals, f->upvalue, n * sizeof(TValue));
  for (k = 0; k < n; k++)
    encode(c, &upvals[k].value_, upvals[k].tt_);
}


static void capturebytes (Capture *c, int i, const void *from, size_t n) {
  blanks[i].n = cast_uint(n);
  blanks[i].u.block = block(c, n);
  if (blanks[i].u.block != NULL)
    memcpy(blanks[i].u.block, from, n);
}


static void captureobject (Capture *c, int i) {
  GCObject *o = cast(GCObject *, blanks[i].from);
  switch (blanks[i].tag) {
    case LUA_VTABLE: capturetable(c, i, gco2t(o)); break;
    case LUA_VCCL: captureclosure(c, i, gco2ccl(o)); break;
    case LUA_VLNGSTR: {
      size_t len;
      const char *s = getlstr(gco2ts(o), len);
      capturebytes(c, i, s, len);
      break;
    }
    case LUA_VUSERDATA: {
      Udata *u = gco2u(o);
      if (u->nuvalue > 0) c->ok = 0;
      capturebytes(c, i, getudatamem(u), u->len);
      if (u->metatable != NULL)
        blanks[i].meta = number(c, obj2gco(u->metatable), LUA_VTABLE);
      break;
    }
    default: c->ok = 0;  /* nothing that a library leaves behind */
  }
}


/* names and constants, and no metatable */
static int isplain (const Blank *b) {
  unsigned k;
  if (b->tag != LUA_VTABLE || b->meta != NOMETA || b->nitems > 0)
    return 0;
  for (k = 0; k < b->n; k++) {
    const Node *node = &b->u.nodes[k];
    if (isempty(gval(node)))
      continue;
    if (!keyisshrstr(node) || *getshrstr(keystrval(node)) == '_' ||
        (iscollectable(gval(node)) && !ttisshrstring(gval(node))))
      return 0;  /* (names like '__index' are those of a metatable) */
  }
  return 1;
}


/* (its model is in no image, so it has no root) */
static void capturemodel (Capture *c, int i) {
  Blank *b = &blanks[i];
  ModelTable *m = cast(ModelTable *, block(c, sizeof(ModelTable)));
  if (m == NULL) return;
  memset(m, 0, sizeof(ModelTable));
  m->t.lsizenode = cast_byte(luaO_ceillog2(b->n));
  m->t.node = b->u.nodes;
  m->nodebytes = luaH_hashbytes(&m->t);
  m->reg = -1;
  m->count = 1;
  b->model = m;
}


static void capturemodels (Capture *c) {
  int i;
  for (i = GLOBALS + 1; i < c->n && c->ok; i++) {
    if (blanks[i].n * sizeof(Node) >= MINDEFERRED && isplain(&blanks[i]))
      capturemodel(c, i);
  }
}


static void capturevariables (Capture *c) {
  size_t i;
  for (i = 0; i < NUMVARIABLES; i++) {
    const char *value = getenv(variables[i]);
    captured[i] = (value != NULL) ? strdup(value) : NULL;
    if (value != NULL && captured[i] == NULL) c->ok = 0;
  }
}


/* (a reserved word says so itself) */
static void capturenames (const global_State *g) {
  int i;
  for (i = 0; i < g->strt.size; i++) {
    const TString *ts = g->strt.hash[i];
    for (; ts != NULL; ts = ts->u.hnext) {
      if (shared(ts) == NULL) return;
    }
  }
  for (i = 0; i < TM_N; i++)
    tmnames[i] = shared(g->tmname[i]);
  hasnames = 1;
}


int luaI_givenames (lua_State *L) {
  if (hasnames)
    memcpy(G(L)->tmname, tmnames, sizeof(tmnames));
  return hasnames;
}


/*
** All strings of the state must have been shared before. What does not
** work out (for want of memory) leaves every state to open its libraries
** by itself.
*/
void luaI_capture (lua_State *L) {
  global_State *g = G(L);
  Table *registry = hvalue(&g->l_registry);
  Capture c = {0, 1};
  TValue globals;
  int i;
  capturenames(g);
  number(&c, obj2gco(registry), LUA_VTABLE);
  luaH_getint(registry, LUA_RIDX_GLOBALS, &globals);
  number(&c, gcvalue(&globals), LUA_VTABLE);
  stringmeta = number(&c, obj2gco(g->mt[LUA_TSTRING]), LUA_VTABLE);
  for (i = 0; i < c.n && c.ok; i++)
    captureobject(&c, i);
  capturemodels(&c);
  capturevariables(&c);
  numblanks = (c.ok) ? c.n : 0;
}

/* }====================================================== */


/*
** {======================================================
** Copy
** =======================================================
** The collector stands still meanwhile, so nothing needs an anchor and,
** all objects being new, nothing needs a barrier but the two that were
** there before.
*/

static void decode (GCObject **made, Value *v, lu_byte tt) {
  if ((tt & BIT_ISCOLLECTABLE) && tt != ctb(LUA_VSHRSTR))
    v->gc = made[v->i];
}


/* (each object has a name: with assertions 'obj2gco' evaluates twice) */
static GCObject *make (lua_State *L, const Blank *b) {
  switch (b->tag) {
    case LUA_VTABLE: {
      Table *t = luaH_new(L);
      return obj2gco(t);
    }
    case LUA_VCCL: {
      CClosure *f = luaF_newCclosure(L, cast_int(b->n));
      return obj2gco(f);
    }
    case LUA_VLNGSTR: {
      TString *ts = luaS_newlstr(L, b->u.bytes, b->n);
      return obj2gco(ts);
    }
    default: {
      Udata *u = luaS_newudata(L, b->n, 0);
      memcpy(getudatamem(u), b->u.bytes, b->n);
      return obj2gco(u);
    }
  }
}


static void filltable (lua_State *L, GCObject **made, int i) {
  const Blank *b = &blanks[i];
  Table *t = gco2t(made[i]);
  unsigned k;
  if (b->n == 0 && b->nitems == 0) return;
  if (b->model != NULL) {
    luaI_defer(t, b->model);
    return;
  }
  luaH_resize(L, t, (i == REGISTRY) ? t->asize : b->nitems, b->n);
  for (k = 0; k < b->nitems; k++) {
    TValue item = b->items[k];
    decode(made, &item.value_, item.tt_);
    luaH_setint(L, t, cast(lua_Integer, k) + 1, &item);
  }
  if (b->n == 0) return;
  memcpy(t->node, b->u.nodes, b->n * sizeof(Node));
  invalidateTMcache(t);  /* an empty table knows that it has no '__gc' */
  for (k = 0; k < b->n; k++) {
    Node *node = gnode(t, k);
    if (!isempty(gval(node)))
      decode(made, &node->u.value_, node->u.tt_);
  }
}


static void fillclosure (GCObject **made, int i) {
  const Blank *b = &blanks[i];
  CClosure *f = gco2ccl(made[i]);
  unsigned k;
  f->f = b->f;
  memcpy(f->upvalue, b->u.upvals, b->n * sizeof(TValue));
  for (k = 0; k < b->n; k++)
    decode(made, &f->upvalue[k].value_, f->upvalue[k].tt_);
}


static void setmeta (lua_State *L, GCObject **made, int i) {
  Table *mt = gco2t(made[blanks[i].meta]);
  if (blanks[i].tag == LUA_VTABLE) gco2t(made[i])->metatable = mt;
  else gco2u(made[i])->metatable = mt;
  luaC_checkfinalizer(L, made[i], mt);
}


static void copyall (lua_State *L, void *ud) {
  global_State *g = G(L);
  GCObject *made[MAXBLANKS];
  TValue globals;
  int i;
  UNUSED(ud);
  made[REGISTRY] = obj2gco(hvalue(&g->l_registry));
  luaH_getint(hvalue(&g->l_registry), LUA_RIDX_GLOBALS, &globals);
  made[GLOBALS] = gcvalue(&globals);
  for (i = GLOBALS + 1; i < numblanks; i++)
    made[i] = make(L, &blanks[i]);
  /* closures first: tables ask for memory, and may be refused it */
  for (i = 0; i < numblanks; i++)
    if (blanks[i].tag == LUA_VCCL) fillclosure(made, i);
  for (i = 0; i < numblanks; i++)
    if (blanks[i].tag == LUA_VTABLE) filltable(L, made, i);
  for (i = 0; i < numblanks; i++) {
    if (blanks[i].meta != NOMETA) setmeta(L, made, i);
  }
  g->mt[LUA_TSTRING] = gco2t(made[stringmeta]);
  for (i = REGISTRY; i <= GLOBALS; i++) {
    if (isblack(made[i])) luaC_barrierback_(L, made[i]);
  }
}


/* whether the state has run nothing and may have what was captured */
static int untouched (lua_State *L) {
  size_t i;
  if (numblanks == 0 || G(L)->mt[LUA_TSTRING] != NULL ||
      hvalue(&G(L)->l_registry)->metatable != NULL ||
      !isdummy(hvalue(&G(L)->l_registry)))
    return 0;
  for (i = 0; i < NUMVARIABLES; i++) {
    const char *value = getenv(variables[i]);
    if (value == NULL ? captured[i] != NULL :
        captured[i] == NULL || strcmp(value, captured[i]) != 0)
      return 0;
  }
  return 1;
}


LUA_API void lua_openblank (lua_State *L) {
  global_State *g = G(L);
  lu_byte stopped = g->gcstp;
  TStatus status;
  if (!untouched(L)) {
    luaL_openlibs(L);
    return;
  }
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  g->gcstp |= GCSTPGC;
  g->gcstopem = 1;  /* nothing holds the copies yet, for want of memory either */
  status = luaD_rawrunprotected(L, copyall, NULL);
  g->gcstopem = 0;
  g->gcstp = stopped;
  if (status != LUA_OK) luaD_throw(L, status);
}

/* }====================================================== */
