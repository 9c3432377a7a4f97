/*
** ldefer.h
** Constant tables that get their contents when something looks into them
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#ifndef ldefer_h
#define ldefer_h

#include "lobject.h"
#include "lstate.h"
#include "ltable.h"


/*
** A module with data makes tables of which most services read few. So what
** a main function makes by copying a model (see lmodel.h) are deferred
** tables where the model is large: an object of the VM, as ever, but with
** no parts, no metatable, and the address of its model in the place of the
** array. Who does not know of them takes one for an empty table, finds
** nothing, and comes to where a metamethod would be looked for. There, and
** wherever raw access begins, the table is filled. Tables in it are then
** deferred in their turn.
**
** A deferred table keeps the image of its model. It is no metatable and
** has none. Most tables of the standard library begin as deferred ones, too,
** with models that live as long as the process (see lblank.c).
*/
struct ModelTable;

/* make a new table a deferred one */
LUAI_FUNC void luaI_defer (Table *t, const struct ModelTable *m);

/*
** Fill a deferred table. Code of Lua may be refused the memory, and gets an
** error ('luaI_filldeferred'). Functions of the C API that raise no error
** get what they need beyond any limit ('luaI_mustfill'): they fill one
** table a call, and whoever called them may ask whether it was too much.
** Who walks over whole trees is told, and nothing is changed
** ('luaI_tryfill' returns 0); the collector does not come by.
*/
LUAI_FUNC void luaI_mustfill (lua_State *L, Table *t);
LUAI_FUNC int luaI_tryfill (lua_State *L, Table *t);

/* make a table that may be deferred an ordinary one (a shared table is never
   deferred) */
#define luaI_undefer(L,t)  \
	{ if (l_unlikely(isdeferred(t))) luaI_mustfill(L, t); }

#endif
