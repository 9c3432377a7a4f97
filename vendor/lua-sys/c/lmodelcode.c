/*
** lmodelcode.c
** What instructions do to constant tables
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#define lmodelcode_c
#define LUA_CORE

#include "lprefix.h"

#include <string.h>

#include "lua.h"

#include "lmodel.h"
#include "lobject.h"
#include "lopcodes.h"
#include "ltable.h"
#include "lvm.h"


/*
** {======================================================
** Effects of instructions
** =======================================================
*/

static int load (Effect *e, Instruction i, int n, int next) {
  e->kind = EFLOAD;
  e->reg = GETARG_A(i);
  e->n = n;
  return (e->reg + n - 1 <= MAXARG_A) ? next : 0;
}


static int loadconstant (const Proto *p, Effect *e, Instruction i, int k,
                         int next) {
  e->value = p->k[k];
  return load(e, i, 1, next);
}


/*
** An array part that needs an extra argument is left alone. (A hash part
** is never larger than what the code can store there; who writes code by
** hand must not make the image huge.)
*/
static int newtable (const Proto *p, Effect *e, Instruction i, int next) {
  int b = GETARG_vB(i);
  e->kind = EFNEW;
  e->reg = GETARG_A(i);
  e->n = 1;
  e->asize = cast_uint(GETARG_vC(i));
  e->hsize = (b > 0) ? 1u << ((b - 1) & 31) : 0;
  return (TESTARG_k(i) || e->hsize / 2 > cast_uint(p->sizecode)) ? 0
                                                                 : next + 1;
}


static int store (const Proto *p, Effect *e, Instruction i, int next) {
  e->kind = EFSTORE;
  e->reg = GETARG_A(i);
  e->n = 1;
  if (TESTARG_k(i))
    e->value = p->k[GETARG_C(i)];
  else
    e->valuereg = GETARG_C(i);
  return next;
}


/* a key from a register; other kinds of keys are too rare in constructors */
static int storekey (const KnownRegs *regs, Effect *e, int reg) {
  const KnownReg *r = &regs->r[reg];
  lua_Integer n;
  if (r->pc < 0 || r->table >= 0)
    return 0;
  if (ttisfloat(&r->value) && luaV_flttointeger(fltvalue(&r->value), &n, F2Ieq))
    setivalue(&e->key, n)
  else if (ttisinteger(&r->value) || ttisshrstring(&r->value))
    e->key = r->value;
  else
    return 0;
  e->keyreg = reg;
  return 1;
}


/* (a list of values up to the top is not constant) */
static int storelist (const Proto *p, Effect *e, Instruction i, int next) {
  e->kind = EFLIST;
  e->reg = GETARG_A(i);
  e->n = GETARG_vB(i);
  e->valuereg = e->reg + 1;
  e->asize = cast_uint(GETARG_vC(i));
  if (TESTARG_k(i))
    e->asize += cast_uint(GETARG_Ax(p->code[next++])) * (MAXARG_vC + 1);
  return (e->n > 0 && e->reg + e->n <= MAXARG_A) ? next : 0;
}


int luaI_effect (const Proto *p, const KnownRegs *regs, int pc, Effect *e) {
  Instruction i = p->code[pc++];
  setnilvalue(&e->value);
  e->valuereg = e->keyreg = -1;
  switch (GET_OPCODE(i)) {
    case OP_LOADI:
      setivalue(&e->value, GETARG_sBx(i));
      return load(e, i, 1, pc);
    case OP_LOADF:
      setfltvalue(&e->value, cast_num(GETARG_sBx(i)));
      return load(e, i, 1, pc);
    case OP_LOADK:
      return loadconstant(p, e, i, GETARG_Bx(i), pc);
    case OP_LOADKX:
      return loadconstant(p, e, i, GETARG_Ax(p->code[pc]), pc + 1);
    case OP_LOADFALSE:
      setbfvalue(&e->value);
      return load(e, i, 1, pc);
    case OP_LOADTRUE:
      setbtvalue(&e->value);
      return load(e, i, 1, pc);
    case OP_LOADNIL:
      return load(e, i, GETARG_B(i) + 1, pc);
    case OP_NEWTABLE:
      return newtable(p, e, i, pc);
    case OP_SETFIELD:
      e->key = p->k[GETARG_B(i)];
      return store(p, e, i, pc);
    case OP_SETI:
      setivalue(&e->key, GETARG_B(i));
      return store(p, e, i, pc);
    case OP_SETTABLE:
      return storekey(regs, e, GETARG_B(i)) ? store(p, e, i, pc) : 0;
    case OP_SETLIST:
      return storelist(p, e, i, pc);
    default:
      return 0;
  }
}

/* }====================================================== */


/*
** {======================================================
** What comes later
** =======================================================
*/

/* does an instruction (perhaps) set this register? */
static int setsregister (Instruction i, int reg) {
  switch (GET_OPCODE(i)) {
    case OP_CALL: case OP_TAILCALL: case OP_TFORCALL: case OP_VARARG:
      return GETARG_A(i) <= reg;
    case OP_LOADNIL:
      return GETARG_A(i) <= reg && reg <= GETARG_A(i) + GETARG_B(i);
    case OP_SELF:
      return GETARG_A(i) == reg || GETARG_A(i) + 1 == reg;
    case OP_SETLIST:  /* what it stores was temporary */
      return GETARG_A(i) < reg;
    default:
      return testAMode(GET_OPCODE(i)) && GETARG_A(i) == reg;
  }
}


/*
** Fields with constant names that the code gives to the table made at
** 'pc'. It is only a guess at how many there will be: a name may come
** twice, and what follows may not run.
*/
static unsigned countfields (const Proto *p, int pc, int reg) {
  lu_byte isname[MAXARG_A + 1];
  unsigned n = 0;
  memset(isname, 0, sizeof(isname));
  for (pc += 2; pc < p->sizecode; pc++) {
    Instruction i = p->code[pc];
    OpCode op = GET_OPCODE(i);
    if (setsregister(i, reg)) break;
    if (op == OP_SETFIELD)
      n += (GETARG_A(i) == reg);
    else if (op == OP_SETTABLE)
      n += (GETARG_A(i) == reg && isname[GETARG_B(i)]);
    else if (testAMode(op))
      isname[GETARG_A(i)] = (op == OP_LOADK &&
                             ttisshrstring(&p->k[GETARG_Bx(i)]));
  }
  return n;
}


/* instructions that are looked at: what comes later is not next */
#define MAXLOOK		1000

int luaI_iswritten (const Proto *p, int pc, int reg) {
  int end = (p->sizecode - pc > MAXLOOK) ? pc + MAXLOOK : p->sizecode;
  for (; pc < end; pc++) {
    Instruction i = p->code[pc];
    switch (GET_OPCODE(i)) {
      case OP_SETFIELD: case OP_SETI: case OP_SETTABLE: case OP_SETLIST:
        if (GETARG_A(i) == reg) return 1;
        break;
      default: break;
    }
    if (setsregister(i, reg)) return 0;
  }
  return 0;
}


int luaI_runhash (const Proto *p, int pc, const Effect *e, int isroot) {
  unsigned n = e->hsize;
  if (isroot) {
    unsigned fields = countfields(p, pc, e->reg);
    if (fields > n) n = fields;
  }
  return luaI_log2size(n);
}

/* }====================================================== */
