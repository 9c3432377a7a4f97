/*
** lmodel.c
** Constructors of constant tables, each run as one instruction
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#define lmodel_c
#define LUA_CORE

#include "lprefix.h"

#include <string.h>

#include "lua.h"

#include "ldebug.h"
#include "ldefer.h"
#include "lgc.h"
#include "lmem.h"
#include "lmodel.h"
#include "lobject.h"
#include "lopcodes.h"
#include "lshareimg.h"
#include "lstate.h"
#include "ltable.h"


void luaI_usenodes (Table *t, const ModelTable *m, char *block) {
  t->lsizenode = m->t.lsizenode;
  t->flags = m->t.flags;  /* (not a dummy any more) */
  luaH_usehash(t, block);
  memcpy(t->node, m->t.node, sizeof(Node) << t->lsizenode);
}


void luaI_usearray (Table *t, const ModelTable *m, char *block) {
  memcpy(block, m->t.array - m->t.asize,
         modelarray(cast_sizet(m->t.asize)));
  t->array = cast(Value *, cast_voidp(block)) + m->t.asize;
  t->asize = m->t.asize;
}


void luaI_placetable (lua_State *L, Table *around, int slot, Table *t) {
  if (slot >= 0)
    sethvalue(L, gval(gnode(around, slot)), t)
  else {
    *getArrTag(around, ~slot) = tabletag(LUA_VTABLE);
    getArrVal(around, ~slot)->gc = obj2gco(t);
  }
  luaC_objbarrierback(L, obj2gco(around), obj2gco(t));
}


/*
** Any allocation may collect everything it does not find and may turn what
** it finds old: so a table is in its place before it gets parts, and each
** part is in the table before the next one is asked for. Strings of images
** and numbers need no barrier.
*/

static void copyparts (lua_State *L, Table *t, const ModelTable *m) {
  if (m->nodebytes > 0)
    luaI_usenodes(t, m, luaM_newblock(L, m->nodebytes));
  if (m->t.asize > 0)
    luaI_usearray(t, m, luaM_newblock(L, modelarray(cast_sizet(m->t.asize))));
}


/*
** Registers that would hold tables inside a deferred one hold nothing. (No
** variable is among them, see 'isvariable'.)
*/
static void skipinner (CallInfo *ci, const ModelTable *m) {
  int i;
  for (i = 1; i < m->count; i++) {
    if (m[i].reg >= 0)
      setnilvalue(s2v(ci->func.p + 1 + m[i].reg));
  }
}


/*
** The collector may step between two tables, as it may after each
** OP_NEWTABLE. (What a finalizer does cannot reach these tables, but it
** can move the stack.)
*/
static void copytables (lua_State *L, CallInfo *ci, const Model *m) {
  Table *around[MAXMODELDEPTH];
  int i = 0;
  while (i < m->ntables) {
    const ModelTable *mt = &m->tables[i];
    Table *t = luaH_new(L);
    if (mt->reg >= 0)
      sethvalue2s(L, ci->func.p + 1 + mt->reg, t);
    if (mt->depth > 0)
      luaI_placetable(L, around[mt->depth - 1], mt->slot, t);
    around[mt->depth] = t;
    if (mt->deferred) {
      luaI_defer(t, mt);
      skipinner(ci, mt);
      i += mt->count;
    }
    else {
      copyparts(L, t, mt);
      i++;
    }
    luaC_checkGC(L);
  }
}


/*
** A trapped function must execute its instructions. A private prototype
** does so because its keys are not those of the model.
*/
const Instruction *luaI_copymodel (lua_State *L, CallInfo *ci,
                                   const Instruction *extra) {
  const Proto *p = ci_func(ci)->p;
  const Model *m;
  int i;
  if (l_unlikely(ci->u.l.trap || !isshared(p)))
    return NULL;
  m = &proto2image(p)->models[GETARG_Ax(*extra) & ~MODELBIT];
  L->top.p = ci->top.p;  /* the collector may look at all registers */
  copytables(L, ci, m);
  for (i = 0; i < m->nregs; i++) {
    const ModelReg *r = &m->regs[i];
    setobj2s(L, ci->func.p + 1 + r->reg, &r->value);
  }
  return p->code + m->end;
}


/* does the code have a model at this instruction? */
static int hasmodel (const Proto *p, int pc) {
  return 0 <= pc && pc + 1 < p->sizecode &&
         GET_OPCODE(p->code[pc]) == OP_NEWTABLE &&
         TESTARG_k(p->code[pc]) && luaI_ismodel(p->code[pc + 1]);
}


Instruction luaI_plaininst (const Proto *p, int pc) {
  Instruction i = p->code[pc];
  if (hasmodel(p, pc))
    SETARG_k(i, 0);
  else if (hasmodel(p, pc - 1))
    SETARG_Ax(i, 0);
  return i;
}


void luaI_plain (Proto *p, int pc) {
  if (hasmodel(p, pc)) {
    SETARG_Ax(p->code[pc + 1], 0);
    SETARG_k(p->code[pc], 0);
  }
}
