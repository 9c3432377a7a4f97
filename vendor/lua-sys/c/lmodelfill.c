/*
** lmodelfill.c
** Making models of constant tables
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#define lmodelfill_c
#define LUA_CORE

#include "lprefix.h"

#include <string.h>

#include "lua.h"

#include "lfunc.h"
#include "lgc.h"
#include "lmodel.h"
#include "lobject.h"
#include "lopcodes.h"
#include "lshareobj.h"
#include "ltable.h"
#include "ltm.h"


/* a run at work; it takes its memory from a block with enough of it */
typedef struct Filler {
  const Run *run;
  Proto *root;  /* of the image */
  int isroot;  /* the run is in it */
  Model *m;
  char *next;
  KnownRegs regs;
} Filler;


static void *take (Filler *f, size_t size) {
  void *p = f->next;
  f->next += size;
  return p;
}


/*
** A reference to another table of the model, until all are made: no
** constant is a light userdata.
*/
#define setreference(o,n)  \
	setpvalue(o, cast_voidp(cast_sizet(n)))
#define isreference(tag)	((tag) == LUA_VLIGHTUSERDATA)
#define reference(v)		cast_int(cast_sizet((v).p))


/*
** {======================================================
** Tables
** =======================================================
** Whatever Lua would do in a VM is done here without one. The places of
** keys are those that a VM gives them: all VMs hash alike.
*/

static void makenodes (Filler *f, ModelTable *mt, int lsizenode) {
  Table *t = &mt->t;
  unsigned i;
  if (lsizenode < 0) {
    setdummy(t);
    return;
  }
  t->lsizenode = cast_byte(lsizenode);
  t->node = cast(Node *, take(f, sizeof(Node) << lsizenode));
  mt->lastfree = t->node + sizenode(t);
  mt->nodebytes = luaH_hashbytes(t);
  memset(t->node, 0, sizeof(Node) << lsizenode);
  for (i = 0; i < cast_uint(sizenode(t)); i++) {
    setnilkey(gnode(t, i));
    setempty(gval(gnode(t, i)));
  }
}


/* (the hint for its length as in 'luaH_resize') */
static void makearray (Filler *f, Table *t, unsigned asize) {
  size_t size = modelarray(cast_sizet(asize));
  unsigned i;
  if (asize == 0) return;
  t->asize = asize;
  t->array = cast(Value *, take(f, roundedup(size)));
  memset(t->array, 0, size);
  t->array += asize;
  *lenhint(t) = asize;
  for (i = 0; i < asize; i++)
    *getArrTag(t, i) = LUA_VEMPTY;
}


static void maketable (Filler *f, const Effect *e, int pc) {
  int n = f->m->ntables++;
  ModelTable *mt = &f->m->tables[n];
  memset(mt, 0, sizeof(ModelTable));
  mt->reg = -1;
  mt->t.flags = maskflags;
  makenodes(f, mt, luaI_runhash(f->run->p, pc, e, f->isroot && n == 0));
  makearray(f, &mt->t, e->asize);
  f->regs.r[e->reg].pc = pc;
  f->regs.r[e->reg].table = n;
}


/* value of a key in the hash part, or NULL */
static TValue *findkey (const Table *t, const TValue *key) {
  Node *n = luaH_mainposition(t, key);
  for (;;) {
    if (keytt(n) == rawtt(key) &&
        (ttisinteger(key) ? keyival(n) == ivalue(key)
                          : keyval(n).gc == gcvalue(key)))
      return gval(n);
    if (gnext(n) == 0) return NULL;
    n += gnext(n);
  }
}


/* (the number of stores is limited, so there is one) */
static Node *freenode (ModelTable *mt) {
  do {
    mt->lastfree--;
    lua_assert(mt->lastfree >= mt->t.node);
  } while (!keyisnil(mt->lastfree));
  return mt->lastfree;
}


/* main position of the key in a node */
static Node *mainposition (const Table *t, const Node *n) {
  TValue key;
  getnodekey(cast(lua_State *, NULL), &key, n);
  return luaH_mainposition(t, &key);
}


/* move a node that is not in its main position elsewhere */
static void movenode (ModelTable *mt, Node *n) {
  Node *to = freenode(mt);
  Node *before = mainposition(&mt->t, n);
  while (before + gnext(before) != n)
    before += gnext(before);
  *to = *n;
  gnext(before) = cast_int(to - before);
  if (gnext(n) != 0) gnext(to) = cast_int((n + gnext(n)) - to);
  gnext(n) = 0;
}


/*
** A new key goes to its main position. Who is there and belongs elsewhere
** makes room; else the key gets a free node in the chain. ('next' so
** gives the order that it has without a model.)
*/
static void addkey (ModelTable *mt, const TValue *key, const TValue *v) {
  Table *t = &mt->t;
  Node *n = luaH_mainposition(t, key);
  if (!isempty(gval(n))) {
    if (mainposition(t, n) != n)
      movenode(mt, n);
    else {
      Node *to = freenode(mt);
      gnext(to) = (gnext(n) == 0) ? 0 : cast_int((n + gnext(n)) - to);
      gnext(n) = cast_int(to - n);
      n = to;
    }
  }
  setnodekey(n, key);
  setobj(cast(lua_State *, NULL), gval(n), v);
  invalidateTMcache(t);
}


static void storekey (ModelTable *mt, const TValue *key, const TValue *v) {
  Table *t = &mt->t;
  lua_Unsigned i = ttisinteger(key) ? l_castS2U(ivalue(key)) - 1u : t->asize;
  if (i < t->asize)
    obj2arr(t, i, v);
  else if (!isdummy(t)) {
    TValue *old = findkey(t, key);
    if (old != NULL)
      setobj(cast(lua_State *, NULL), old, v)
    else if (!ttisnil(v))
      addkey(mt, key, v);
  }
}

/* }====================================================== */


/*
** {======================================================
** Runs
** =======================================================
*/

/* value 'i' of a store; false if it is not known */
static int valueof (const Filler *f, const Effect *e, int i, TValue *v) {
  if (e->valuereg < 0)
    *v = e->value;
  else {
    const KnownReg *r = &f->regs.r[e->valuereg + i];
    if (r->pc < 0) return 0;
    if (r->table < 0)
      *v = r->value;
    else
      setreference(v, r->table);
  }
  return 1;
}


static int storevalues (Filler *f, const Effect *e) {
  const KnownReg *r = &f->regs.r[e->reg];
  int i;
  if (r->pc < 0 || r->table < 0) return 0;
  for (i = 0; i < e->n; i++) {
    TValue key, v;
    if (!valueof(f, e, i, &v)) return 0;
    if (e->kind == EFLIST)
      setivalue(&key, cast(lua_Integer, e->asize) + i + 1)
    else
      key = e->key;
    storekey(&f->m->tables[r->table], &key, &v);
  }
  return 1;
}


static int apply (Filler *f, const Effect *e, int pc) {
  int i;
  switch (e->kind) {
    case EFNEW:
      if (f->m->ntables == f->run->ntables) return 0;
      maketable(f, e, pc);
      return 1;
    case EFLOAD:
      for (i = e->reg; i < e->reg + e->n; i++) {
        f->regs.r[i].pc = pc;
        f->regs.r[i].table = -1;
        f->regs.r[i].value = e->value;
      }
      return 1;
    default: return storevalues(f, e);
  }
}


/* table 'n' of the model is in a slot of table 'around' */
static int linktable (Model *m, int n, int around, int slot) {
  ModelTable *mt = &m->tables[n];
  if (mt->depth > 0) return 0;  /* has a place already */
  mt->around = around;
  mt->depth = m->tables[around].depth + 1;
  mt->slot = slot;
  return mt->depth < MAXMODELDEPTH;
}


/* replace references to tables by 'false', and note where they were */
static int linktables (Model *m, int around) {
  Table *t = &m->tables[around].t;
  int i;
  for (i = 0; i < cast_int(t->asize); i++) {
    if (isreference(*getArrTag(t, i))) {
      if (!linktable(m, reference(*getArrVal(t, i)), around, ~i)) return 0;
      *getArrTag(t, i) = LUA_VFALSE;
    }
  }
  for (i = 0; !isdummy(t) && i < cast_int(sizenode(t)); i++) {
    TValue *v = gval(gnode(t, i));
    if (isreference(rawtt(v))) {
      if (!linktable(m, reference(val_(v)), around, i)) return 0;
      setbfvalue(v);
    }
  }
  return 1;
}


/*
** A copy is made table by table, and the tables around the one at work are
** all that is remembered: each must be where that leads to it.
*/
static int linkall (Model *m) {
  int path[MAXMODELDEPTH];
  int i;
  for (i = 0; i < m->ntables; i++) {
    const ModelTable *mt = &m->tables[i];
    if (i > 0 && (mt->depth == 0 || path[mt->depth - 1] != mt->around))
      return 0;
    path[mt->depth] = i;
    if (!linktables(m, i)) return 0;
  }
  return 1;
}


static void keepregisters (Filler *f) {
  Model *m = f->m;
  int i;
  for (i = 0; i <= MAXARG_A; i++) {
    const KnownReg *r = &f->regs.r[i];
    if (r->pc < 0) continue;
    if (r->table >= 0)
      m->tables[r->table].reg = i;
    else {
      lua_assert(m->nregs < f->run->maxregs);
      m->regs[m->nregs].reg = i;
      m->regs[m->nregs++].value = r->value;
    }
  }
}


/*
** Is a table inside another one in the register of a local variable, too? A
** deferred one would not be there. (Where names are gone nobody can tell; what
** a constructor leaves in other registers is not read again.)
*/
static int isvariable (const Filler *f, const ModelTable *mt) {
  const Proto *p = f->run->p;
  return mt->depth > 0 && mt->reg >= 0 &&
         (p->sizelineinfo == 0 ||
          luaF_getlocalname(p, mt->reg + 1, f->run->end) != NULL);
}


/*
** What a main function makes is there for all who load the module; what
** other functions make is most often read at once. What is written next
** would be filled at once, too.
*/
static int tobedeferred (const Filler *f, const ModelTable *mt) {
  return f->isroot && mt->bytes >= MINDEFERRED && !mt->hasvariable &&
         !(mt->depth == 0 && luaI_iswritten(f->run->p, f->run->end, mt->reg));
}


/* (tables inside others come behind them) */
static void sumup (Filler *f) {
  Model *m = f->m;
  int i;
  for (i = m->ntables - 1; i >= 0; i--) {
    ModelTable *mt = &m->tables[i];
    mt->root = f->root;
    mt->count++;
    mt->bytes += mt->nodebytes + modelarray(cast_sizet(mt->t.asize));
    mt->deferred = cast_byte(tobedeferred(f, mt));
    if (i > 0) {
      ModelTable *around = &m->tables[mt->around];
      around->ninner++;
      around->count += mt->count;
      around->bytes += mt->bytes + sizeof(Table);
      around->hasvariable |= cast_byte(mt->hasvariable | isvariable(f, mt));
    }
  }
}


/* false if the run does something that a model cannot tell */
static int fillmodel (Filler *f) {
  const Run *run = f->run;
  Model *m = f->m;
  Effect e;
  int pc;
  m->end = run->end;
  m->ntables = m->nregs = 0;
  m->tables = cast(ModelTable *, take(f, cast_sizet(run->ntables)
                                         * sizeof(ModelTable)));
  m->regs = cast(ModelReg *, take(f, cast_sizet(run->maxregs)
                                     * sizeof(ModelReg)));
  for (pc = 0; pc <= MAXARG_A; pc++)
    f->regs.r[pc].pc = -1;
  for (pc = run->pc; pc < run->end; ) {
    int next = luaI_effect(run->p, &f->regs, pc, &e);
    if (next == 0 || !apply(f, &e, pc)) return 0;
    pc = next;
  }
  if (pc != run->end || !linkall(m)) return 0;
  keepregisters(f);
  sumup(f);
  return 1;
}


static void notemodel (const Run *run, size_t number) {
  Instruction *code = run->p->code + run->pc;
  SETARG_k(code[0], 1);
  SETARG_Ax(code[1], cast_int(number) | MODELBIT);
}


/* (the code is marked when nothing reads it any more) */
size_t luaI_fillmodels (const Runs *runs, Proto *root, char *block) {
  size_t ntables = 0;
  Filler f;
  Model *models = cast(Model *, cast_voidp(block));
  size_t i;
  f.next = block + runs->n * sizeof(Model);
  f.root = root;
  for (i = 0; i < runs->n; i++) {
    char *begin = f.next;
    f.run = &runs->v[i];
    f.isroot = (f.run->p == root);
    f.m = &models[i];
    if (!fillmodel(&f))
      f.m->ntables = 0;
    lua_assert(f.next <= begin + f.run->bytes
               + cast_sizet(f.run->ntables) * sizeof(ModelTable)
               + cast_sizet(f.run->maxregs) * sizeof(ModelReg));
    (void)begin;
  }
  for (i = 0; i < runs->n; i++) {
    ntables += cast_sizet(models[i].ntables);
    if (models[i].ntables > 0)
      notemodel(&runs->v[i], i);
  }
  return ntables;
}

/* }====================================================== */
