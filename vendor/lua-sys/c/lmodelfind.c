/*
** lmodelfind.c
** Finding the code that makes constant tables
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#define lmodelfind_c
#define LUA_CORE

#include "lprefix.h"

#include <stdlib.h>
#include <string.h>

#include "lua.h"

#include "lmodel.h"
#include "lobject.h"
#include "lopcodes.h"
#include "ltable.h"


/*
** One walk over the code. From an OP_NEWTABLE up to the first instruction
** that cannot be part of a run, it knows what is in registers set since.
** A table is open until it is stored into another one.
*/

/*
** Tables of one stretch. Nothing interrupts a VM in the middle of a model,
** so it must not take long.
*/
#define MAXMADE		10000

typedef struct Made {
  int pc;	/* of its OP_NEWTABLE */
  int end;	/* its run may end here; 0 if nowhere */
  int loads, endloads;	/* registers set before, and up to the end */
  int used;	/* room taken in its hash part, at most */
  Effect e;
} Made;

typedef struct Finder {
  Runs *runs;
  Proto *p;
  int isroot;
  Made *made;  /* in this stretch of code, in order */
  int nmade;
  size_t sizemade;
  int open[MAXARG_A + 1];	/* those in no other one, in order */
  int nopen;
  int loads;	/* registers set so far */
  int highest;	/* of these registers */
  int ok;
  KnownRegs regs;
} Finder;


/* (the list stays as it is when there is no memory) */
static int growlist (void **v, size_t n, size_t *size, size_t each) {
  size_t newsize = (*size < 16) ? 16 : *size * 2;
  void *newv;
  if (n < *size) return 1;
  newv = realloc(*v, newsize * each);
  if (newv == NULL) return 0;
  *v = newv;
  *size = newsize;
  return 1;
}


static size_t partbytes (unsigned asize, int lsizenode) {
  return roundedup(modelarray(cast_sizet(asize)))
       + (lsizenode < 0 ? 0 : sizeof(Node) << lsizenode);
}


/* add the run that begins with table 'i', which is followed by 'n' others */
static void addrun (Finder *f, int i, int n, int end, int hash) {
  Runs *runs = f->runs;
  Made *first = &f->made[i];
  Run *run;
  if (runs->n >= MODELBIT) return;
  if (!growlist(cast(void **, cast_voidp(&runs->v)), runs->n, &runs->size,
                sizeof(Run))) {
    f->ok = 0;
    return;
  }
  run = &runs->v[runs->n++];
  run->p = f->p;
  run->pc = first->pc;
  run->end = end;
  run->ntables = n + 1;
  run->maxregs = first->endloads - first->loads;
  if (run->maxregs > MAXARG_A) run->maxregs = MAXARG_A;
  run->bytes = partbytes(first->e.asize, hash);
  for (; n > 0; n--) {
    const Effect *e = &f->made[i + n].e;
    run->bytes += partbytes(e->asize, luaI_log2size(e->hsize));
  }
  runs->bytes += sizeof(Model) + run->bytes
               + cast_sizet(run->ntables) * sizeof(ModelTable)
               + cast_sizet(run->maxregs) * sizeof(ModelReg);
}


/* outer tables come first, and have what is in them for their runs */
static void addruns (Finder *f) {
  int i = 0;
  while (i < f->nmade) {
    Made *m = &f->made[i];
    int next = i + 1;
    int hash = luaI_runhash(f->p, m->pc, &m->e, f->isroot);
    if (m->end == 0 && hash > luaI_log2size(m->e.hsize)) {
      m->end = m->pc + 2;  /* nothing but room */
      m->endloads = m->loads + 1;
    }
    if (m->end > 0) {
      while (next < f->nmade && f->made[next].pc < m->end) next++;
      addrun(f, i, next - i - 1, m->end, hash);
    }
    i = next;
  }
}


/* begin anew */
static void endstretch (Finder *f) {
  int i;
  addruns(f);
  for (i = 0; i <= f->highest; i++)
    f->regs.r[i].pc = -1;
  f->nmade = f->nopen = f->loads = 0;
  f->highest = -1;
}


static int isopen (const Finder *f, int table) {
  int i = f->nopen;
  while (i-- > 0) {
    if (f->open[i] == table) return 1;
  }
  return 0;
}


/* a table that has a place nowhere else must stay in its register */
static int setregister (Finder *f, int reg, int pc, const TValue *v,
                        int table) {
  KnownReg *r = &f->regs.r[reg];
  if (r->pc >= 0 && r->table >= 0 && isopen(f, r->table)) return 0;
  r->pc = pc;
  r->table = table;
  if (table < 0) r->value = *v;
  if (reg > f->highest) f->highest = reg;
  f->loads++;
  return 1;
}


static int maketable (Finder *f, const Effect *e, int pc) {
  Made *m;
  if (f->nmade == MAXMADE) return 0;
  if (!growlist(cast(void **, cast_voidp(&f->made)), cast_sizet(f->nmade),
                &f->sizemade, sizeof(Made))) {
    f->ok = 0;
    return 0;
  }
  m = &f->made[f->nmade];
  m->pc = pc;
  m->end = m->endloads = m->used = 0;
  m->loads = f->loads;
  m->e = *e;
  if (f->nopen > MAXARG_A ||
      !setregister(f, e->reg, pc, NULL, f->nmade)) return 0;
  f->open[f->nopen++] = f->nmade++;
  return 1;
}


/*
** What is known of a register helps a table only if it is younger than
** that table: the code may also come to the OP_NEWTABLE from elsewhere.
*/
#define isyounger(f,reg,t)	((f)->regs.r[reg].pc > (f)->made[t].pc)


/* close the table in a register, if there is one; it must be the last */
static int storevalue (Finder *f, int t, int reg) {
  const KnownReg *r = &f->regs.r[reg];
  if (!isyounger(f, reg, t)) return 0;
  if (r->table < 0) return 1;
  if (f->open[f->nopen - 1] != r->table) return 0;
  f->nopen--;
  return 1;
}


/* does the array part, or what is left of the hash part, take the key? */
static int hasroom (Made *m, const TValue *key) {
  if (ttisinteger(key) && l_castS2U(ivalue(key)) - 1u < m->e.asize)
    return 1;
  return cast_uint(m->used++) < m->e.hsize;
}


/*
** A store into the last of the open tables is where the run of that one
** may end: all that were made since are in it.
*/
static int storevalues (Finder *f, const Effect *e, int next) {
  const KnownReg *r = &f->regs.r[e->reg];
  int t = r->table, n;
  Made *m;
  if (r->pc < 0 || t < 0) return 0;
  m = &f->made[t];
  if (e->kind == EFLIST) {
    if (cast_sizet(e->asize) + cast_uint(e->n) > m->e.asize) return 0;
  }
  else if (!hasroom(m, &e->key) ||
           (e->keyreg >= 0 && !isyounger(f, e->keyreg, t)))
    return 0;
  for (n = e->n; n > 0 && e->valuereg >= 0; n--) {
    if (!storevalue(f, t, e->valuereg + n - 1)) return 0;
  }
  if (f->open[f->nopen - 1] == t) {
    m->end = next;
    m->endloads = f->loads;
  }
  return 1;
}


static int apply (Finder *f, const Effect *e, int pc, int next) {
  int i;
  switch (e->kind) {
    case EFNEW: return maketable(f, e, pc);
    case EFLOAD:
      for (i = 0; i < e->n; i++) {
        if (!setregister(f, e->reg + i, pc, &e->value, -1)) return 0;
      }
      return 1;
    default: return storevalues(f, e, next);
  }
}


/*
** The next OP_NEWTABLE from 'pc' on that a run may begin with. (One for no
** items takes none without a new hash part, but may be given room.)
*/
static int nexttable (const Finder *f, int pc) {
  const Instruction *code = f->p->code;
  const Instruction *end = code + f->p->sizecode;
  const Instruction *i = code + pc;
  for (; i < end; i++) {
    if (GET_OPCODE(*i) == OP_NEWTABLE &&
        (f->isroot || GETARG_vB(*i) > 0 || GETARG_vC(*i) > 0))
      break;
  }
  return cast_int(i - code);
}


static void findin (Finder *f, Proto *p, int isroot) {
  Effect e;
  int pc;
  f->p = p;
  f->isroot = isroot;
  pc = nexttable(f, 0);
  while (pc < p->sizecode && f->ok) {
    int next;
    if (GET_OPCODE(p->code[pc]) == OP_NEWTABLE) luaI_plain(p, pc);
    next = luaI_effect(p, &f->regs, pc, &e);
    if (next > 0 && apply(f, &e, pc, next))
      pc = next;
    else if (f->nmade == 0)
      pc = nexttable(f, pc + 1);
    else {  /* look at this instruction again, if it makes a table */
      endstretch(f);
      pc = nexttable(f, pc);
    }
  }
  if (f->nmade > 0) endstretch(f);
  for (pc = 0; pc < p->sizep && f->ok; pc++)
    findin(f, p->p[pc], 0);
}


/* memory has ended: what came with the code must go all the same */
static void plaincode (Proto *p) {
  int i;
  for (i = 0; i < p->sizecode; i++)
    luaI_plain(p, i);
  for (i = 0; i < p->sizep; i++)
    plaincode(p->p[i]);
}


void luaI_findruns (Runs *runs, Proto *root) {
  Finder *f = cast(Finder *, malloc(sizeof(Finder)));
  int i;
  memset(runs, 0, sizeof(Runs));
  if (f == NULL) {
    plaincode(root);
    return;
  }
  f->runs = runs;
  f->made = NULL;
  f->sizemade = 0;
  f->nmade = f->nopen = f->loads = 0;
  f->highest = -1;
  f->ok = 1;
  for (i = 0; i <= MAXARG_A; i++)
    f->regs.r[i].pc = -1;
  findin(f, root, 1);
  if (!f->ok) {
    plaincode(root);
    runs->n = 0;
  }
  free(f->made);
  free(f);
}
