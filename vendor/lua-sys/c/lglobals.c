/*
** lglobals.c
** Which global variables a function uses, for a checker
** (Moonhive's addition to Lua)
*/

#define lglobals_c
#define LUA_CORE

#include "lprefix.h"

#include <string.h>

#include "lua.h"

#include "lauxlib.h"
#include "ldebug.h"
#include "lglobals.h"
#include "lobject.h"
#include "lopcodes.h"
#include "lstate.h"
#include "lstring.h"


/* how far the use of a register is looked for, in instructions */
#define MAXDISTANCE	200

#define NOENV		(-1)


typedef struct Visit {
  lua_GlobalVisitor visit;
  void *ud;
} Visit;


static const TString *stringat (const Proto *p, int k) {
  return ttisstring(&p->k[k]) ? tsvalue(&p->k[k]) : NULL;
}


static void found (const Visit *v, const Proto *p, int pc, const TString *ts,
                   int access, int nested) {
  if (ts != NULL) {
    size_t len;
    const char *name = getlstr(ts, len);
    v->visit(v->ud, name, len, luaG_getfuncline(p, pc), access, nested);
  }
}


/* the index of the environment among the upvalues of a child of 'p' */
static int childenv (const Proto *child, int env) {
  int i;
  for (i = 0; i < child->sizeupvalues; i++) {
    const Upvaldesc *up = &child->upvalues[i];
    if (!up->instack && up->idx == env)
      return i;
  }
  return NOENV;
}


static int assignsenv (const Proto *p, int env) {
  int i;
  if (env == NOENV)
    return 0;
  for (i = 0; i < p->sizecode; i++) {
    Instruction ins = p->code[i];
    if (GET_OPCODE(ins) == OP_SETUPVAL && GETARG_B(ins) == env)
      return 1;
  }
  for (i = 0; i < p->sizep; i++) {
    if (assignsenv(p->p[i], childenv(p->p[i], env)))
      return 1;
  }
  return 0;
}


/* the string that was last loaded into register 'reg' before 'pc' */
static const TString *loaded (const Proto *p, int from, int pc, int reg) {
  while (--pc > from) {
    Instruction ins = p->code[pc];
    if (GET_OPCODE(ins) == OP_LOADK && GETARG_A(ins) == reg)
      return stringat(p, GETARG_Bx(ins));
  }
  return NULL;
}


/*
** Register 'A' of instruction 'at' holds the environment because the name
** that is wanted from it did not fit into an instruction.
*/
static void faraccess (const Visit *v, const Proto *p, int at, int nested) {
  int reg = GETARG_A(p->code[at]);
  int pc;
  for (pc = at + 1; pc < p->sizecode && pc - at < MAXDISTANCE; pc++) {
    Instruction ins = p->code[pc];
    OpCode op = GET_OPCODE(ins);
    if (op == OP_GETTABLE && GETARG_B(ins) == reg) {
      const TString *ts = loaded(p, at, pc, GETARG_C(ins));
      found(v, p, pc, ts, LUA_GLOBALREAD, nested);
      return;
    }
    else if (op == OP_SETTABLE && GETARG_A(ins) == reg) {
      const TString *ts = loaded(p, at, pc, GETARG_B(ins));
      found(v, p, pc, ts, LUA_GLOBALWRITE, nested);
      return;
    }
    else if (testAMode(op) && GETARG_A(ins) == reg)
      return;  /* overwritten */
  }
}


/* register 'A' of instruction 'at' holds '_G': is a field of it written? */
static void fieldwrite (const Visit *v, const Proto *p, int at, int nested) {
  int reg = GETARG_A(p->code[at]);
  int pc;
  for (pc = at + 1; pc < p->sizecode && pc - at < MAXDISTANCE; pc++) {
    Instruction ins = p->code[pc];
    OpCode op = GET_OPCODE(ins);
    if (op == OP_SETFIELD && GETARG_A(ins) == reg) {
      const TString *ts = stringat(p, GETARG_B(ins));
      found(v, p, pc, ts, LUA_GLOBALFIELD, nested);
      return;
    }
    else if (testAMode(op) && GETARG_A(ins) == reg)
      return;  /* overwritten */
  }
}


static void visitcode (const Visit *v, const Proto *p, int env, int nested) {
  int pc;
  for (pc = 0; pc < p->sizecode; pc++) {
    Instruction ins = p->code[pc];
    switch (GET_OPCODE(ins)) {
      case OP_GETTABUP: {
        if (GETARG_B(ins) == env) {
          const TString *ts = stringat(p, GETARG_C(ins));
          found(v, p, pc, ts, LUA_GLOBALREAD, nested);
          if (ts != NULL && strcmp(getstr(ts), LUA_GNAME) == 0)
            fieldwrite(v, p, pc, nested);
        }
        break;
      }
      case OP_SETTABUP: {
        if (GETARG_A(ins) == env)
          found(v, p, pc, stringat(p, GETARG_B(ins)), LUA_GLOBALWRITE, nested);
        break;
      }
      case OP_GETUPVAL: {
        if (GETARG_B(ins) == env)
          faraccess(v, p, pc, nested);
        break;
      }
      default: break;
    }
  }
}


static void visitproto (const Visit *v, const Proto *p, int env, int nested) {
  int i;
  if (env == NOENV)
    return;
  visitcode(v, p, env, nested);
  for (i = 0; i < p->sizep; i++)
    visitproto(v, p->p[i], childenv(p->p[i], env), 1);
}


LUA_API int lua_visitglobals (lua_State *L, int idx, lua_GlobalVisitor visit,
                              void *ud) {
  const TValue *o = s2v(L->ci->func.p + idx);
  const Proto *p;
  Visit v;
  lua_assert(0 < idx && L->ci->func.p + idx < L->top.p && isLfunction(o));
  UNUSED(L);
  p = clLvalue(o)->p;
  v.visit = visit;
  v.ud = ud;
  /* the only upvalue of a main function is the environment */
  if (p->sizeupvalues != 1 || assignsenv(p, 0))
    return 0;
  visitproto(&v, p, 0, 0);
  return 1;
}
