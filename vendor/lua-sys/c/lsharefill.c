/*
** lsharefill.c
** Turning a tree of tables into an image
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#define lsharefill_c
#define LUA_CORE

#include "lprefix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua.h"

#include "lapi.h"
#include "ldefer.h"
#include "lgc.h"
#include "lobject.h"
#include "lsharefn.h"
#include "lsharemap.h"
#include "lsharestr.h"
#include "lsharetab.h"
#include "lstate.h"
#include "lstring.h"
#include "ltable.h"
#include "ltm.h"
#include "lvm.h"

#include "lauxlib.h"


/* a table found in the tree, in the order of discovery */
typedef struct Found {
  Table *from;
  Table *to;  /* NULL until there is a block */
  size_t parent;  /* place of the table it was found in */
  unsigned asize;  /* its shape in the image */
  unsigned length;
  lu_byte lsizenode;
  lu_byte hasnodes;
} Found;


typedef struct Filler {
  lua_State *L;
  Found *tables;
  size_t numtables, sizetables;
  AddressMap tablemap;
  TString **strings;  /* of the tree; later the canonical ones */
  size_t sizestrings;
  AddressMap stringmap;
  FunctionSet functions;
  int takesfunctions;
  size_t size;  /* bytes of the block */
  char *next;  /* free part of the block */
  lua_Image *img;
  int interrupted;
  const char *refused;  /* kind of value that cannot be shared, or NULL */
  size_t where;  /* table with that value */
  TValue key;  /* and its key there */
} Filler;


#define rounded(n)	(((n) + sizeof(Node *) - 1) & ~(sizeof(Node *) - 1))


/*
** {======================================================
** Finding tables and strings
** =======================================================
*/

#define growlist(v,n,size,T)  \
  ((n) < (size) || (v = cast(T *, growblock(v, &(size), sizeof(T)))) != NULL)

/* (what does not fit any more is freed) */
static void *growblock (void *block, size_t *size, size_t each) {
  size_t newsize = (*size < 16) ? 16 : *size * 2;
  void *newblock = realloc(block, newsize * each);
  if (newblock == NULL) {
    free(block);
    *size = 0;
  }
  else *size = newsize;
  return newblock;
}


static int addtable (Filler *f, Table *h, size_t parent) {
  Found *t;
  if (isdeferred(h) && !luaI_tryfill(f->L, h)) return 0;
  if (!luaI_addkey(&f->tablemap, h)) return 0;
  if (f->tablemap.used == f->numtables) return 1;  /* already there */
  if (!growlist(f->tables, f->numtables, f->sizetables, Found)) {
    f->numtables = 0;
    return 0;
  }
  t = &f->tables[f->numtables++];
  t->from = h;
  t->to = NULL;
  t->parent = parent;
  return 1;
}


static int addstring (Filler *f, TString *ts) {
  size_t n = f->stringmap.used;
  if (!luaI_addkey(&f->stringmap, ts)) return 0;
  if (f->stringmap.used == n) return 1;  /* already there */
  if (!growlist(f->strings, n, f->sizestrings, TString *)) return 0;
  f->strings[n] = ts;
  return 1;
}


static int refuse (Filler *f, size_t where, const TValue *key,
                   const char *kind) {
  f->refused = kind;
  f->where = where;
  f->key = *key;
  return 0;
}


/* the VM is to be interrupted: what is half made will not be needed */
static int isinterrupted (Filler *f) {
  if (l_likely(atomic_load_explicit(&luaI_pending,
                                    memory_order_relaxed) == 0) ||
      lua_interrupted(f->L) == LUA_INTNONE)
    return 0;
  f->interrupted = 1;
  return 1;
}


static int addfunction (Filler *f, size_t where, const TValue *key,
                        const TValue *o) {
  if (!f->takesfunctions)
    return refuse(f, where, key, "a function");
  if (isinterrupted(f)) return 0;  /* code may take long to share */
  if (luaI_addfunction(f->L, &f->functions, o)) return 1;
  return (f->functions.why[0] == '\0') ? 0
         : refuse(f, where, key, f->functions.why);
}


static int addvalue (Filler *f, size_t where, const TValue *key,
                     const TValue *o) {
  switch (ttype(o)) {
    case LUA_TBOOLEAN: case LUA_TNUMBER: return 1;
    case LUA_TSTRING: return addstring(f, tsvalue(o));
    case LUA_TTABLE: {
      if (hvalue(o)->metatable != NULL)
        return refuse(f, where, key, "a table with a metatable");
      return addtable(f, hvalue(o), where);
    }
    case LUA_TFUNCTION: return addfunction(f, where, key, o);
    case LUA_TTHREAD: return refuse(f, where, key, "a coroutine");
    default: return refuse(f, where, key, "a userdata");
  }
}


static int addkeyvalue (Filler *f, size_t where, const TValue *key) {
  switch (ttype(key)) {
    case LUA_TBOOLEAN: case LUA_TNUMBER: return 1;
    case LUA_TSTRING: return addstring(f, tsvalue(key));
    default: return refuse(f, where, key, "a key that is no string, number "
                                          "or boolean");
  }
}


/*
** Border and array part of a table in the image. An array part that goes
** on in the hash is joined; empty places at its end are left out.
*/
static void measurearray (Filler *f, Found *t) {
  Table *h = t->from;
  lua_Unsigned n;
  unsigned asize = h->asize;
  while (asize > 0 && tagisempty(*getArrTag(h, asize - 1))) asize--;
  n = issharedtable(h) ? luaI_getn(h) : luaH_getn(f->L, h);
  if (n > asize) {  /* border in the hash: take the first one */
    TValue o;
    while (asize < INT_MAX / 2 &&
           !tagisempty(luaH_getint(h, cast(lua_Integer, asize) + 1, &o)))
      asize++;
    n = asize;
  }
  t->asize = asize;
  t->length = cast_uint(n);
}


#define inarray(t,key)  \
	(ttisinteger(key) && l_castS2U(ivalue(key)) - 1u < (t)->asize)


static void measurenodes (Found *t) {
  unsigned i, n = 0;
  for (i = 0; i < cast_uint(sizenode(t->from)); i++) {
    Node *node = gnode(t->from, i);
    TValue key;
    if (isempty(gval(node))) continue;
    getnodekey(cast(lua_State *, NULL), &key, node);
    n += !inarray(t, &key);
  }
  t->hasnodes = (n > 0);
  t->lsizenode = (n > 1) ? luaO_ceillog2(n) : 0;
}


#define arraybytes(n)  \
  ((n) == 0 ? 0 : rounded((n) * (sizeof(Value) + 1) + sizeof(unsigned)))

static size_t tablesize (const Found *t) {
  return rounded(sizeof(Table)) + arraybytes(cast_sizet(t->asize))
       + (t->hasnodes ? sizeof(Node) << t->lsizenode : 0);
}


/* add what a table holds */
static int visittable (Filler *f, size_t place) {
  Table *h = f->tables[place].from;
  unsigned i;
  TValue key, o;
  for (i = 0; i < h->asize; i++) {
    lu_byte tag = *getArrTag(h, i);
    if (tagisempty(tag)) continue;
    setivalue(&key, cast(lua_Integer, i) + 1);
    farr2val(h, i, tag, &o);
    if (!addvalue(f, place, &key, &o)) return 0;
  }
  for (i = 0; i < cast_uint(sizenode(h)); i++) {
    Node *n = gnode(h, i);
    if (isempty(gval(n))) continue;
    getnodekey(f->L, &key, n);
    if (!addkeyvalue(f, place, &key) || !addvalue(f, place, &key, gval(n)))
      return 0;
  }
  measurearray(f, &f->tables[place]);
  measurenodes(&f->tables[place]);
  f->size += tablesize(&f->tables[place]);
  return 1;
}


/*
** False when something cannot be shared ('refused'), memory ends, or the
** VM is to be interrupted.
*/
static int findall (Filler *f, Table *root) {
  size_t i;
  f->size = rounded(sizeof(Node));  /* the empty node of the image */
  if (!addtable(f, root, 0)) return 0;
  for (i = 0; i < f->numtables; i++) {
    if (isinterrupted(f) || !visittable(f, i)) return 0;
  }
  f->size += functionbytes(&f->functions);
  return 1;
}

/* }====================================================== */


/*
** {======================================================
** Filling the block
** =======================================================
*/

/* strings that are published under one lock */
#define STRINGSATONCE	1024

/*
** Publish up to STRINGSATONCE strings. Each time is a publication of its
** own, so that nobody waits long for the lock.
*/
static int publishsome (Filler *f) {
  lua_Image *img = f->img;
  size_t limit = img->numstrings + STRINGSATONCE;
  int ok = 1;
  if (limit > f->stringmap.used) limit = f->stringmap.used;
  luaI_lock();
  while (ok && img->numstrings < limit) {
    TString *from = f->strings[img->numstrings];
    size_t l;
    const char *s = getlstr(from, l);
    TString *ts = luaI_canonical(s, l, luaS_hash(s, l, luaI_seed),
                                 strisshr(from) ? from->extra : 0);
    if (ts == NULL) ok = 0;
    else img->strings[img->numstrings++] = ts;
  }
  luaI_published();
  img->stamp = luaI_publications();
  luaI_unlock();
  return ok;
}


static int publishstrings (Filler *f) {
  do {
    if (isinterrupted(f) || !publishsome(f)) return 0;
  } while (f->img->numstrings < f->stringmap.used);
  return 1;
}


static void *take (Filler *f, size_t size) {
  void *p = f->next;
  f->next += size;
  return p;
}


static void setemptynode (Node *n, int keytag) {
  memset(n, 0, sizeof(Node));
  setempty(gval(n));
  keytt(n) = cast_byte(keytag);
}


/* all tables, still empty, so that they can refer to each other */
static void placetables (Filler *f) {
  size_t i;
  for (i = 0; i < f->numtables; i++) {
    Found *t = &f->tables[i];
    Table *h = t->to = cast(Table *, take(f, rounded(sizeof(Table))));
    memset(h, 0, sizeof(Table));
    h->tt = LUA_VSHTABLE;
    h->marked = SHAREDMARKS;
    h->flags = maskflags;
    h->gclist = cast(GCObject *, cast_voidp(f->img));
    if (i > 0)
      h->next = obj2gco(f->tables[t->parent].to);
  }
}


/* a value or key as it is in the image */
static void convert (Filler *f, const TValue *o, TValue *res) {
  *res = *o;
  if (ttisstring(o)) {
    TString *ts = f->img->strings[placeof(&f->stringmap, tsvalue(o))];
    val_(res).gc = obj2gco(ts);
    settt_(res, ctb(ts->tt));
  }
  else if (ttistable(o)) {
    Table *h = f->tables[placeof(&f->tablemap, hvalue(o))].to;
    val_(res).gc = obj2gco(h);
    settt_(res, tabletag(LUA_VSHTABLE));
  }
  else if (ttisfunction(o)) {
    val_(res).gc = cast(GCObject *, placedfunction(&f->functions, o));
    settt_(res, ctb(LUA_VSHLCL));
  }
}


/* the table has a key that may be the name of an event */
static void noteevent (Filler *f, Table *h, const TValue *key) {
  int e;
  if (!ttisshrstring(key)) return;
  for (e = 0; e <= TM_EQ; e++) {
    if (strcmp(getshrstr(tsvalue(key)),
               getstr(G(f->L)->tmname[e])) == 0)
      h->flags &= cast_byte(~(1u << e));
  }
}


static void fillarray (Filler *f, const Found *t) {
  Table *h = t->to;
  unsigned i;
  h->asize = t->asize;
  h->array = NULL;
  if (t->asize == 0) return;
  h->array = cast(Value *, take(f, arraybytes(cast_sizet(t->asize))))
           + t->asize;
  *lenhint(h) = t->length;
  for (i = 0; i < t->asize; i++) {
    TValue o, res;
    setempty(&o);
    luaH_getint(t->from, cast(lua_Integer, i) + 1, &o);
    convert(f, &o, &res);
    if (tagisempty(rawtt(&res))) {
      val_(&res).i = 0;
      setempty(&res);
    }
    obj2arr(h, i, &res);
  }
}


/* store an entry in a node that is free */
static void setnode (Node *n, const TValue *key, const TValue *o) {
  setobj(cast(lua_State *, NULL), gval(n), o);
  setnodekey(n, key);
}


/* does the node have just this key? (All strings are canonical.) */
static int hasrawkey (const Node *n, const TValue *key) {
  TValue k;
  getnodekey(cast(lua_State *, NULL), &k, n);
  return luaV_rawequalobj(&k, key);
}


/*
** First every key that finds its main position free, then the others: a
** key outside its main position so never stands in another one's way.
*/
static void fillnodes (Filler *f, const Found *t, Node *end, int round) {
  Table *h = t->to;
  Node *freenode = end;
  unsigned i;
  for (i = 0; i < cast_uint(sizenode(t->from)); i++) {
    Node *from = gnode(t->from, i);
    TValue k, key, o;
    Node *mp;
    if (isempty(gval(from))) continue;
    getnodekey(f->L, &k, from);
    if (inarray(t, &k)) continue;
    convert(f, &k, &key);
    mp = luaH_mainposition(h, &key);
    convert(f, gval(from), &o);
    if (round == 0) {
      noteevent(f, h, &key);
      if (isempty(gval(mp))) setnode(mp, &key, &o);
    }
    else if (!hasrawkey(mp, &key)) {
      do freenode--; while (!isempty(gval(freenode)));
      setnode(freenode, &key, &o);
      gnext(freenode) = (gnext(mp) == 0) ? 0
                        : cast_int((mp + gnext(mp)) - freenode);
      gnext(mp) = cast_int(freenode - mp);
    }
  }
}


static void filltable (Filler *f, const Found *t, Node *empty) {
  Table *h = t->to;
  fillarray(f, t);
  if (!t->hasnodes) {
    h->node = empty;
    setdummy(h);
  }
  else {
    Node *end;
    unsigned i;
    h->lsizenode = t->lsizenode;
    h->node = cast(Node *, take(f, sizeof(Node) << t->lsizenode));
    end = h->node + sizenode(h);
    for (i = 0; i < cast_uint(sizenode(h)); i++)
      setemptynode(gnode(h, i), LUA_TNIL);
    fillnodes(f, t, end, 0);
    fillnodes(f, t, end, 1);
  }
}


/*
** Make the image of what was found; NULL when there is no memory, or the
** VM is to be interrupted.
*/
static lua_Image *fillimage (Filler *f, const char *name) {
  Node *empty;
  size_t i;
  lua_Image *img = luaI_newimage(f->size, f->stringmap.used);
  if (img == NULL) return NULL;
  f->img = img;
  img->name = cast_charp(malloc(strlen(name) + 1));
  if (img->name == NULL || !publishstrings(f)) {
    luaI_freeimage(img);
    return NULL;
  }
  strcpy(img->name, name);
  f->next = cast_charp(img->root);
  placetables(f);
  luaI_placefunctions(&f->functions, img,
                      take(f, functionbytes(&f->functions)));
  empty = cast(Node *, take(f, rounded(sizeof(Node))));
  setemptynode(empty, LUA_TDEADKEY);
  for (i = 0; i < f->numtables; i++)
    filltable(f, &f->tables[i], empty);
  lua_assert(f->next == cast_charp(img->root) + img->size);
  img->numtables = f->numtables;
  luaI_sealimage(img);
  countup(shares, 1);
  countup(sharebytes, img->size);
  return img;
}

/* }====================================================== */


/* path to the value that was refused */
static void refusedpath (Filler *f, char *buff, size_t size) {
  TValue steps[MAXSTEPS];
  size_t place = f->where;
  int n = 0;
  steps[n++] = f->key;
  while (place != 0 && n < MAXSTEPS) {
    size_t parent = f->tables[place].parent;
    if (!luaI_findvalue(f->tables[parent].from, f->tables[place].from,
                        &steps[n]))
      break;
    n++;
    place = parent;
  }
  luaI_writepath(buff, size, steps, n);
}


static lua_Image *sharetable (Filler *f, Table *h, const char *name,
                              char *why, size_t size) {
  lua_Image *img = NULL;
  if (h->metatable != NULL)
    snprintf(why, size, "the table has a metatable");
  else if (luaI_initmap(&f->tablemap, 16) && luaI_initmap(&f->stringmap, 64) &&
           luaI_initfunctions(&f->functions) && findall(f, h))
    img = fillimage(f, name);
  else if (f->refused != NULL) {
    char path[PATHSIZE];
    refusedpath(f, path, sizeof(path));
    snprintf(why, size, "'%s' is %s", path, f->refused);
  }
  if (f->interrupted)
    snprintf(why, size, "interrupted");
  luaI_freemap(&f->tablemap);
  luaI_freemap(&f->stringmap);
  luaI_freefunctions(&f->functions);
  free(f->tables);
  free(f->strings);
  return img;
}


LUA_API lua_Image *lua_sharetable (lua_State *L, int idx, const char *name,
                                   int functions) {
  Filler f;
  char why[PATHSIZE + WHYSIZE + 16] = "not enough memory";
  lua_Image *img;
  if (!lua_istable(L, idx)) {
    lua_pushfstring(L, "%s is not a table", luaL_typename(L, idx));
    return NULL;
  }
  memset(&f, 0, sizeof(f));
  f.L = L;
  f.takesfunctions = functions;
  lua_lock(L);
  img = sharetable(&f, cast(Table *, cast_voidp(lua_topointer(L, idx))),
                   name, why, sizeof(why));
  lua_unlock(L);
  if (img == NULL)
    lua_pushstring(L, why);
  return img;
}
