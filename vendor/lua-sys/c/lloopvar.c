/*
** lloopvar.c
** Where a chunk assigns to its loop variables, for a checker
** (Moonhive's addition to Lua)
*/

#define lloopvar_c
#define LUA_CORE

#include "lprefix.h"

#include <string.h>

#include "lua.h"

#include "ldebug.h"
#include "lfunc.h"
#include "lglobals.h"
#include "lobject.h"
#include "lopcodes.h"
#include "lstate.h"
#include "lstring.h"


/* how the compiler names what a loop keeps for itself */
#define HIDDEN		"(for state)"

typedef struct Variable {
  const TString *name;
  lua_VariableVisitor visit;
  void *ud;
} Variable;


static void found (const Variable *v, const Proto *p, int pc) {
  size_t len;
  const char *name = getlstr(v->name, len);
  v->visit(v->ud, name, len, luaG_getfuncline(p, pc));
}


/* the index of local variable 'reg', or of upvalue 'up', of the parent */
static int childupvalue (const Proto *child, int instack, int idx) {
  int i;
  for (i = 0; i < child->sizeupvalues; i++) {
    const Upvaldesc *up = &child->upvalues[i];
    if (up->instack == instack && up->idx == idx)
      return i;
  }
  return -1;
}


/* assignments to upvalue 'up' of 'p', also by functions inside it */
static void throughupvalue (const Variable *v, const Proto *p, int up) {
  int i;
  if (up < 0)
    return;
  for (i = 0; i < p->sizecode; i++) {
    Instruction ins = p->code[i];
    if (GET_OPCODE(ins) == OP_SETUPVAL && GETARG_B(ins) == up)
      found(v, p, i);
  }
  for (i = 0; i < p->sizep; i++)
    throughupvalue(v, p->p[i], childupvalue(p->p[i], 0, up));
}


static int changes (Instruction ins, int reg) {
  OpCode op = GET_OPCODE(ins);
  if (op == OP_LOADNIL)
    return GETARG_A(ins) <= reg && reg <= GETARG_A(ins) + GETARG_B(ins);
  return testAMode(op) && GETARG_A(ins) == reg;
}


/*
** Assignments while register 'reg' holds the variable: nothing else is
** kept there in that range, so whatever writes to it is one.
*/
static void inrange (const Variable *v, const Proto *p, int reg, int from,
                     int to) {
  int pc;
  for (pc = from; pc < to; pc++) {
    Instruction ins = p->code[pc];
    if (changes(ins, reg))
      found(v, p, pc);
    if (GET_OPCODE(ins) == OP_CLOSURE) {
      const Proto *child = p->p[GETARG_Bx(ins)];
      throughupvalue(v, child, childupvalue(child, 1, reg));
    }
  }
}


/*
** Is the local variable that begins at 'pc' the copy of a loop variable?
** Only for those does the compiler move what no code has a name for.
*/
static int iscopy (const Proto *p, const LocVar *local, int pc, int *reg) {
  Instruction ins = (pc > 0) ? p->code[pc - 1] : 0;
  const char *source, *target;
  if (pc == 0 || GET_OPCODE(ins) != OP_MOVE)
    return 0;
  *reg = GETARG_A(ins);
  source = luaF_getlocalname(p, GETARG_B(ins) + 1, pc);
  target = luaF_getlocalname(p, *reg + 1, pc);
  return source != NULL && strcmp(source, HIDDEN) == 0 &&
         target == getstr(local->varname);
}


static void visitproto (Variable *v, const Proto *p) {
  int i;
  for (i = 0; i < p->sizelocvars; i++) {
    const LocVar *local = &p->locvars[i];
    int reg;
    if (iscopy(p, local, local->startpc, &reg)) {
      v->name = local->varname;
      inrange(v, p, reg, local->startpc, local->endpc);
    }
  }
  for (i = 0; i < p->sizep; i++)
    visitproto(v, p->p[i]);
}


LUA_API void lua_visitloopvariables (lua_State *L, int idx,
                                     lua_VariableVisitor visit, void *ud) {
  const TValue *o = s2v(L->ci->func.p + idx);
  Variable v;
  lua_assert(0 < idx && L->ci->func.p + idx < L->top.p && isLfunction(o));
  UNUSED(L);
  v.name = NULL;
  v.visit = visit;
  v.ud = ud;
  visitproto(&v, clLvalue(o)->p);
}
