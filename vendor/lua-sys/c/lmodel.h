/*
** lmodel.h
** Constructors of constant tables, each run as one instruction
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#ifndef lmodel_h
#define lmodel_h

#include "lobject.h"
#include "lopcodes.h"
#include "lshareobj.h"
#include "lstate.h"


/*
** What a run of instructions makes of a new table, and of the tables that
** it makes for it, is the same each time when it stores constants only.
** For such runs an image has models: tables with keys, values, chains and
** sizes as the run leaves them, and what it leaves in registers. Where
** the run begins, 'OP_NEWTABLE' copies them and goes on behind the run.
**
** The instructions of the run stay as they are, for hooks, for private
** prototypes and for whoever jumps into the middle. That there is a model
** is said by the extra argument of 'OP_NEWTABLE', which would be zero (and
** not in use) else; dumps do not show it.
*/

/* bit of an extra argument that is the number of a model (it cannot be
   the size of an array, see MAX_CNST in lparser.c) */
#define MODELBIT	(1 << (SIZE_Ax - 1))

#define luaI_ismodel(extra)	(GETARG_Ax(extra) & MODELBIT)


/* one table of a model; a table stands before those that it refers to */
typedef struct ModelTable {
  Table t;	/* with parts in the image; tables in it are 'false' */
  size_t nodebytes;	/* of the hash part in a VM; 0 if it has none */
  int around;	/* number of the table that it is in */
  int depth;	/* how many tables are around it */
  int slot;	/* its place there: a node, or ~index in the array part */
  int reg;	/* register that has it in the end, or -1 */
  int ninner;	/* tables right in it */
  int count;	/* tables in it, at any depth, and itself */
  lu_byte hasvariable;	/* a table in it is a local variable, too */
  lu_byte deferred;	/* it is filled later (see ldefer.h) */
  size_t bytes;	/* of its parts, and of all tables in it */
  Proto *root;	/* main function of the image; NULL if it is in none */
  Node *lastfree;	/* while it is made: all nodes from here on are taken */
} ModelTable;


/* a constant that the run leaves in a register */
typedef struct ModelReg {
  int reg;
  TValue value;
} ModelReg;


typedef struct Model {
  int end;	/* the run ends before this instruction */
  int ntables;
  int nregs;
  ModelTable *tables;
  ModelReg *regs;
} Model;


/* tables inside each other */
#define MAXMODELDEPTH	16

/*
** A table whose contents take fewer bytes is not worth filling later. (The
** fields of a small record are in a hash part of 96 bytes.)
*/
#if !defined(MINDEFERRED)
#define MINDEFERRED	128
#endif

/* bytes of an array part */
#define modelarray(n)  \
	((n) == 0 ? 0 : (n) * (sizeof(Value) + 1) + sizeof(unsigned))


/*
** Copy the model that OP_NEWTABLE names by its extra argument; returns the
** instruction to go on with, or NULL if the function has to make its
** tables itself.
*/
LUAI_FUNC const Instruction *luaI_copymodel (lua_State *L, CallInfo *ci,
                                             const Instruction *extra);

/* give a table that has no such part a copy of its model's, in a block */
LUAI_FUNC void luaI_usenodes (Table *t, const ModelTable *m, char *block);
LUAI_FUNC void luaI_usearray (Table *t, const ModelTable *m, char *block);

/* put a table into the one around it */
LUAI_FUNC void luaI_placetable (lua_State *L, Table *around, int slot,
                                Table *t);

/* an instruction as it is without models */
LUAI_FUNC Instruction luaI_plaininst (const Proto *p, int pc);


/*
** {======================================================
** Making models
** =======================================================
*/

/* what is known of a register */
typedef struct KnownReg {
  int pc;	/* of the instruction that set it; -1 if not known */
  int table;	/* number of the table it has, or -1 for a constant */
  TValue value;
} KnownReg;


/* registers of a function ('MAXARG_A' is the last one) */
typedef struct KnownRegs {
  KnownReg r[MAXARG_A + 1];
} KnownRegs;


/* what an instruction does, if it can be part of a run */
typedef struct Effect {
  enum { EFLOAD, EFNEW, EFSTORE, EFLIST } kind;
  int reg;	/* first register set; register of the table stored to */
  int n;	/* registers set; values stored */
  int valuereg;	/* register of the (first) value, or -1 */
  unsigned asize;	/* of the new table; index before the first value */
  unsigned hsize;
  TValue key;	/* an integer or a short string */
  TValue value;
  int keyreg;	/* register that has the key, or -1 */
} Effect;

/* next instruction, or 0 if this one cannot be part of a run */
LUAI_FUNC int luaI_effect (const Proto *p, const KnownRegs *regs, int pc,
                           Effect *e);


/* where a model begins and ends */
typedef struct Run {
  Proto *p;
  int pc, end;
  int ntables;
  int maxregs;	/* no more registers are set */
  size_t bytes;	/* for parts of tables */
} Run;

typedef struct Runs {
  Run *v;
  size_t n, size;
  size_t bytes;	/* for everything */
} Runs;

/*
** Find the runs of a prototype and those in it, none when there is no
** memory. The code may come from another image, with notes of models that
** do not go with it: they are undone. Hash parts of tables of 'root', which
** runs once, get room for fields that it sets later.
*/
LUAI_FUNC void luaI_findruns (Runs *runs, Proto *root);

#define luaI_log2size(n)  \
	((n) == 0 ? -1 : cast_int(luaO_ceillog2(n)))

/* log2 of the hash part that a table of a run has, or -1 for none */
LUAI_FUNC int luaI_runhash (const Proto *p, int pc, const Effect *e,
                            int isroot);

/*
** Does the code from 'pc' on store into the table in a register? (Only a
** guess, as with the fields: it does not follow jumps.)
*/
LUAI_FUNC int luaI_iswritten (const Proto *p, int pc, int reg);

/*
** Fill a block with the models of these runs, and note them in the code.
** Returns how many tables are in them.
*/
LUAI_FUNC size_t luaI_fillmodels (const Runs *runs, Proto *root,
                                  char *block);

/* undo what the function above notes at an instruction, if it does */
LUAI_FUNC void luaI_plain (Proto *p, int pc);

#define roundedup(n)	(((n) + sizeof(Value) - 1) & ~(sizeof(Value) - 1))

/* }====================================================== */

#endif
