/*
** lsharefn.c
** Functions in shared tables
** (Moonhive's addition to Lua; see docs/shared-tables.md)
*/

#define lsharefn_c
#define LUA_CORE

#include "lprefix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua.h"

#include "lapi.h"
#include "lfunc.h"
#include "lgc.h"
#include "llex.h"
#include "lmem.h"
#include "lobject.h"
#include "lopcodes.h"
#include "lsharefn.h"
#include "lshareimg.h"
#include "lstate.h"
#include "ltable.h"
#include "lvm.h"


/*
** {======================================================
** Publishing
** =======================================================
** A function can be shared if all that it refers to is its code and the
** globals, which every VM has.
*/

static int growlist (void **list, size_t n, size_t *size, size_t each) {
  if (n >= *size) {
    size_t newsize = (*size < 8) ? 8 : *size * 2;
    void *newlist = realloc(*list, newsize * each);
    if (newlist == NULL) return 0;
    *list = newlist;
    *size = newsize;
  }
  return 1;
}


int luaI_initfunctions (FunctionSet *s) {
  memset(s, 0, sizeof(FunctionSet));
  return luaI_initmap(&s->map, 8) && luaI_initmap(&s->codemap, 8);
}


void luaI_freefunctions (FunctionSet *s) {
  size_t i;
  for (i = 0; s->codes != NULL && i < s->codemap.used; i++)
    lua_releaseimage(s->codes[i]);
  free(s->codes);
  free(s->v);
  luaI_freemap(&s->map);
  luaI_freemap(&s->codemap);
}


static int refuse (FunctionSet *s, const char *why) {
  snprintf(s->why, WHYSIZE, "%s", why);
  return 0;
}


/* (the name of an upvalue may have been stripped) */
static int isglobals (lua_State *L, const TValue *o) {
  TValue gt;
  luaH_getint(hvalue(&G(L)->l_registry), LUA_RIDX_GLOBALS, &gt);
  return luaV_rawequalobj(o, &gt);
}


/*
** Does the code assign to this upvalue of it? (Functions inside are code of
** the VM that calls, but may have the upvalue as one of their own.)
*/
static int assigns (const Proto *p, int upvalue) {
  int i, j;
  for (i = 0; i < p->sizecode; i++) {
    const Instruction code = p->code[i];
    if (GET_OPCODE(code) == OP_SETUPVAL && GETARG_B(code) == upvalue)
      return 1;
  }
  for (i = 0; i < p->sizep; i++) {
    const Proto *inner = p->p[i];
    for (j = 0; j < inner->sizeupvalues; j++) {
      const Upvaldesc *u = &inner->upvalues[j];
      if (!u->instack && u->idx == upvalue && assigns(inner, j))
        return 1;
    }
  }
  return 0;
}


static int checkupvalues (lua_State *L, FunctionSet *s, const LClosure *cl) {
  int i;
  for (i = 0; i < cl->nupvalues; i++) {
    const TString *name = cl->p->upvalues[i].name;
    if (isglobals(L, cl->upvals[i]->v.p)) {
      if (i == 0 && (name == NULL || strcmp(getstr(name), LUA_ENV) == 0)) {
        if (assigns(cl->p, i))
          return refuse(s, "a function that changes its globals for others");
        continue;
      }
    }
    else if (name != NULL && strcmp(getstr(name), LUA_ENV) == 0)
      return refuse(s, "a function with globals of its own");
    snprintf(s->why, WHYSIZE, "a function with the upvalue '%.30s'",
             (name == NULL) ? "?" : getstr(name));
    return 0;
  }
  return 1;
}


/* the prototype of a tree that has this code, or NULL */
static Proto *findcode (Proto *root, const Instruction *code) {
  int i;
  if (root->code == code) return root;
  for (i = 0; i < root->sizep; i++) {
    Proto *found = findcode(root->p[i], code);
    if (found != NULL) return found;
  }
  return NULL;
}


/* own the image of a shared prototype; takes a reference if it is new */
static int addcode (FunctionSet *s, lua_Image *img) {
  size_t n = s->codemap.used;
  if (!growlist((void **)&s->codes, n, &s->sizecodes, sizeof(lua_Image *)) ||
      !luaI_addkey(&s->codemap, img))
    return 0;
  if (s->codemap.used > n)
    s->codes[n] = lua_retainimage(img);
  return 1;
}


/*
** The shared form of a prototype: the image's that it comes from, or one
** of an image made for it.
*/
static Proto *sharedproto (FunctionSet *s, Proto *p) {
  lua_Image *img = imageof(p);
  int ok;
  if (img == NULL) {  /* compiled by this VM alone */
    TString *source = p->source;
    img = luaI_makeimage(p, &s->source);
    if (img == NULL) return NULL;
    p = img->root;
    s->source.from = source;
    s->source.to = p->source;
  }
  else {
    lua_retainimage(img);
    if (isthin(p))
      p = findcode(img->root, p->code);
  }
  ok = addcode(s, img);
  lua_releaseimage(img);
  return ok ? p : NULL;
}


int luaI_addfunction (lua_State *L, FunctionSet *s, const TValue *o) {
  size_t n = s->map.used;
  Proto *p;
  s->why[0] = '\0';
  if (!ttissharedfunction(o) && !ttisLclosure(o))
    return refuse(s, "a function of C");
  if (!growlist((void **)&s->v, n, &s->size, sizeof(FoundFunction)) ||
      !luaI_addkey(&s->map, gcvalue(o)))
    return 0;
  if (s->map.used == n) return 1;  /* already there */
  s->v[n].p = NULL;
  s->v[n].to = NULL;
  if (ttissharedfunction(o))
    p = sharedproto(s, gc2function(gcvalue(o))->p);
  else if (checkupvalues(L, s, clLvalue(o)))
    p = sharedproto(s, clLvalue(o)->p);
  else
    return 0;
  s->v[n].p = p;
  return (p != NULL);
}


void luaI_placefunctions (FunctionSet *s, lua_Image *img, void *block) {
  SharedFunction *f = cast(SharedFunction *, block);
  size_t i;
  for (i = 0; i < s->map.used; i++, f++) {
    memset(f, 0, sizeof(SharedFunction));
    f->tt = LUA_VSHLCL;
    f->marked = SHAREDMARKS;
    f->p = s->v[i].p;
    f->img = img;
    s->v[i].to = f;
  }
  img->codes = s->codes;
  img->numcodes = s->codemap.used;
  s->codes = NULL;
}

/* }====================================================== */


/*
** {======================================================
** Calling
** =======================================================
** The value that a program has is the same in all VMs. A VM that calls it
** runs a closure over its globals, and remembers that until no frame uses
** it any more when the collector has looked.
*/

/* position of a function among those called, or where to insert it */
static int findown (const SharingVM *vm, const SharedFunction *f) {
  int lo = 0, hi = vm->nowns;
  while (lo < hi) {
    int mid = (lo + hi) / 2;
    if (vm->owns[mid].from < f) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}


/*
** (Of a function that was freed since, another one may have the address;
** the prototype of a closure that is alive is never freed.)
*/
#define isown(vm,i,f)  \
  ((i) < (vm)->nowns && (vm)->owns[i].from == (f) && \
   (vm)->owns[i].cl->p == (f)->p)


static void remember (lua_State *L, const SharedFunction *f, LClosure *cl) {
  SharingVM *vm = &G(L)->sharing;
  int i;
  luaM_growvector(L, vm->owns, vm->nowns, vm->sizeowns, OwnClosure, INT_MAX,
                  "shared functions");
  i = findown(vm, f);
  if (i == vm->nowns || vm->owns[i].from != f) {
    memmove(vm->owns + i + 1, vm->owns + i,
            cast_sizet(vm->nowns - i) * sizeof(OwnClosure));
    vm->nowns++;
  }
  vm->owns[i].from = f;
  vm->owns[i].cl = cl;
}


/*
** Put a closure of the VM in the place of a shared function. Collections
** on the way are those of an emergency, which leave stacks where they are.
*/
void luaI_ownclosure (lua_State *L, union StackValue *func) {
  SharingVM *vm = &G(L)->sharing;
  const SharedFunction *f = gc2function(gcvalue(s2v(func)));
  int i = findown(vm, f);
  LClosure *cl;
  if (l_likely(isown(vm, i, f))) {
    setclLvalue2s(L, func, vm->owns[i].cl);
    return;
  }
  cl = luaI_newclosure(L, f->p);  /* on the top of the stack */
  remember(L, f, cl);
  setclLvalue2s(L, func, cl);
  L->top.p--;
}


/* a mark has ended: forget the closures that it did not meet */
void luaI_forgetowns (struct global_State *g) {
  SharingVM *vm = &g->sharing;
  int i, n = 0;
  for (i = 0; i < vm->nowns; i++) {
    if (!iswhite(vm->owns[i].cl))
      vm->owns[n++] = vm->owns[i];
  }
  vm->nowns = n;
}


LUA_API int lua_issharedfunction (lua_State *L, int idx) {
  return lua_isfunction(L, idx) && !lua_iscfunction(L, idx) &&
         cast(const GCObject *, lua_topointer(L, idx))->tt == LUA_VSHLCL;
}

/* }====================================================== */
