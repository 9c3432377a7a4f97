/*
** lsharewalk.c
** Visiting every slot of a VM that holds a value
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#define lsharewalk_c
#define LUA_CORE

#include "lprefix.h"

#include <string.h>

#include "lua.h"

#include "lgc.h"
#include "lobject.h"
#include "lshareimg.h"
#include "lsharewalk.h"
#include "lstate.h"
#include "lstring.h"
#include "ltable.h"
#include "ltm.h"


#define wanted(w,tag)  \
  (((tag) & BIT_ISCOLLECTABLE) && \
   (novariant(tag) == (w)->type || \
    ((w)->functions && (tag) == ctb(LUA_VSHLCL))))


static void walkvalue (Walk *w, TValue *o) {
  if (wanted(w, rawtt(o)))
    w->visit(w, o);
}


/* a slot that holds a string without a tag */
static void walkname (Walk *w, TString **name) {
  TValue o;
  if (*name == NULL || w->type != LUA_TSTRING) return;
  val_(&o).gc = obj2gco(*name);
  settt_(&o, ctb((*name)->tt));
  w->visit(w, &o);
  *name = gco2ts(val_(&o).gc);
}


/* a slot that holds a metatable */
static void walkmetatable (Walk *w, Table **mt) {
  TValue o;
  if (*mt == NULL || w->type != LUA_TTABLE) return;
  setgcovalue(mainthread(w->g), &o, obj2gco(*mt));
  w->visit(w, &o);
  *mt = ttisnil(&o) ? NULL : hvalue(&o);
}


/* which references of a table are weak? */
static void weakness (global_State *g, const Table *h, int *keys,
                      int *values) {
  const TValue *mode = gfasttm(g, h->metatable, TM_MODE);
  *keys = *values = 0;
  if (mode != NULL && ttisshrstring(mode)) {
    const char *smode = getshrstr(tsvalue(mode));
    *keys = (strchr(smode, 'k') != NULL);
    *values = (strchr(smode, 'v') != NULL);
  }
}


static void walkarray (Walk *w, Table *h) {
  unsigned i;
  for (i = 0; i < h->asize; i++) {
    lu_byte tag = *getArrTag(h, i);
    if (wanted(w, tag)) {
      TValue o;
      farr2val(h, i, tag, &o);
      w->visit(w, &o);
      obj2arr(h, i, &o);
    }
  }
}


/* (keys are visited even if their entry is empty) */
static void walkkey (Walk *w, Node *n) {
  if (wanted(w, keytt(n))) {
    TValue k;
    getnodekey(cast(lua_State *, NULL), &k, n);
    w->visit(w, &k);
    setnodekey(n, &k);
  }
  else if (keyisdead(n) && w->deadkey != NULL)
    w->deadkey(w, n);
}


static void walktable (Walk *w, Table *h) {
  int weakkeys = 0, weakvalues = 0;
  unsigned i;
  if (h == w->except) return;
  walkmetatable(w, &h->metatable);
  if (w->strong)
    weakness(w->g, h, &weakkeys, &weakvalues);
  if (!weakvalues)
    walkarray(w, h);
  if (isdummy(h)) return;
  for (i = 0; i < cast_uint(sizenode(h)); i++) {
    Node *n = gnode(h, i);
    if (!weakvalues) walkvalue(w, gval(n));
    if (!weakkeys && !w->nokeys) walkkey(w, n);
  }
}


/*
** Slots above the top are cleared, as the collector does, since a later
** collection may look at them.
*/
static void walkthread (Walk *w, lua_State *th) {
  StkId o = th->stack.p;
  if (o == NULL) return;  /* stack not completely built yet */
  for (; o < th->top.p; o++)
    walkvalue(w, s2v(o));
  for (; o < th->stack_last.p + EXTRA_STACK; o++)
    setnilvalue2s(o);
}


static void walkproto (Walk *w, Proto *p) {
  int i;
  for (i = 0; i < p->sizek; i++)
    walkvalue(w, &p->k[i]);
  if (isthin(p)) return;  /* its names belong to the image */
  walkname(w, &p->source);
  for (i = 0; i < p->sizeupvalues; i++)
    walkname(w, &p->upvalues[i].name);
  for (i = 0; i < p->sizelocvars; i++)
    walkname(w, &p->locvars[i].varname);
}


static void walkuserdata (Walk *w, Udata *u) {
  int i;
  walkmetatable(w, &u->metatable);
  for (i = 0; i < u->nuvalue; i++)
    walkvalue(w, &u->uv[i].uv);
}


static void walkobject (Walk *w, GCObject *o) {
  switch (o->tt) {
    case LUA_VTABLE: walktable(w, gco2t(o)); break;
    case LUA_VPROTO: walkproto(w, gco2p(o)); break;
    case LUA_VTHREAD: walkthread(w, gco2th(o)); break;
    case LUA_VUPVAL: walkvalue(w, gco2upv(o)->v.p); break;
    case LUA_VUSERDATA: walkuserdata(w, gco2u(o)); break;
    case LUA_VCCL: {
      CClosure *cl = gco2ccl(o);
      int i;
      for (i = 0; i < cl->nupvalues; i++)
        walkvalue(w, &cl->upvalue[i]);
      break;
    }
    default: break;  /* strings and Lua closures hold no such value */
  }
}


/*
** Dead objects still in the list wait to be swept; what they refer to may
** be gone.
*/
static void walklist (Walk *w, GCObject *o) {
  for (; o != NULL; o = o->next) {
    if (!isdead(w->g, o))
      walkobject(w, o);
  }
}


void luaI_walk (Walk *w) {
  global_State *g = w->g;
  int i;
  walklist(w, g->allgc);
  walklist(w, g->finobj);
  walklist(w, g->tobefnz);
  for (i = 0; i < LUA_NUMTYPES; i++)
    walkmetatable(w, &g->mt[i]);
}


static void tablelist (global_State *g, GCObject *o, TableVisitor f,
                       void *ud) {
  for (; o != NULL; o = o->next) {
    if (o->tt == LUA_VTABLE && !isdead(g, o))
      f(gco2t(o), ud);
  }
}


void luaI_walktables (global_State *g, TableVisitor f, void *ud) {
  tablelist(g, g->allgc, f, ud);
  tablelist(g, g->finobj, f, ud);
  tablelist(g, g->tobefnz, f, ud);
}


typedef struct WeakWalk {
  global_State *g;
  WeakVisitor f;
  void *ud;
} WeakWalk;

static void visitweak (Table *h, void *ud) {
  WeakWalk *w = cast(WeakWalk *, ud);
  int keys, values;
  weakness(w->g, h, &keys, &values);
  if (keys || values)
    w->f(h, keys, values, w->ud);
}


void luaI_walkweak (global_State *g, WeakVisitor f, void *ud) {
  WeakWalk w;
  w.g = g;
  w.f = f;
  w.ud = ud;
  luaI_walktables(g, visitweak, &w);
}


void luaI_initwalk (Walk *w, global_State *g, int type,
                    void (*visit) (Walk *w, TValue *o)) {
  memset(w, 0, sizeof(Walk));
  w->g = g;
  w->type = type;
  w->visit = visit;
}
