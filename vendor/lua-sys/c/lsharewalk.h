/*
** lsharewalk.h
** Visiting every slot of a VM that holds a value
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#ifndef lsharewalk_h
#define lsharewalk_h

#include "lobject.h"
#include "lstate.h"


/*
** A walk visits each reference from an object of the VM, and from the VM
** itself, to a string or to a table, whichever it asks for. It meets
** objects that are not yet collected as well, and every slot that some
** code may still read. 'visit' may store something else in the slot: for a
** string, another one with the same contents; for a table that is no key,
** another one or nil. A walk allocates nothing and runs no code.
*/
typedef struct Walk Walk;

struct Walk {
  global_State *g;
  int type;  /* LUA_TSTRING or LUA_TTABLE */
  lu_byte strong;  /* visit no reference of a weak table that is weak */
  lu_byte nokeys;  /* visit no key */
  lu_byte functions;  /* visit functions of shared tables as well */
  const Table *except;  /* visit nothing in this table; optional */
  void (*visit) (Walk *w, TValue *o);
  /* a key that was collected, or may have been; optional */
  void (*deadkey) (Walk *w, Node *n);
};

/* a walk that visits everything of a type */
LUAI_FUNC void luaI_initwalk (Walk *w, global_State *g, int type,
                              void (*visit) (Walk *w, TValue *o));
LUAI_FUNC void luaI_walk (Walk *w);

/*
** Call 'f' for each weak table of the VM; 'f' may remove entries.
*/
typedef void (*WeakVisitor) (Table *h, int weakkeys, int weakvalues,
                             void *ud);

LUAI_FUNC void luaI_walkweak (global_State *g, WeakVisitor f, void *ud);

/*
** Call 'f' for each table of the VM; 'f' may change it, but must not let
** the collector run.
*/
typedef void (*TableVisitor) (Table *h, void *ud);

LUAI_FUNC void luaI_walktables (global_State *g, TableVisitor f, void *ud);

#endif
