/*
** lsharetab.h
** Shared tables: what lshare*.c know of them
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#ifndef lsharetab_h
#define lsharetab_h

#include "lobject.h"
#include "lshareimg.h"


/*
** A shared table is a 'Table' in the block of an image. Its metatable is
** NULL; its 'flags' say of each event whether it has that key, so that
** nobody has to note it when the table serves as a metatable; the hint of
** its array is its length. Two fields that only the collector uses for
** other tables hold its image and the table it was found in (NULL for the
** first).
*/
#define table2image(h)	cast(lua_Image *, cast_voidp((h)->gclist))
#define tableparent(h)	cast(Table *, cast_voidp((h)->next))


/* the VM gives up its own copies of strings that are shared */
LUAI_FUNC void luaI_replacecopies (lua_State *L);
LUAI_FUNC void luaI_forgetcopies (lua_State *L);

/*
** Where a value is in a tree of tables, such as 'rows[3].name': the keys
** that lead there, the last one first.
*/
#define MAXSTEPS	24	/* from the end */
#define PATHSIZE	120

LUAI_FUNC void luaI_writepath (char *buff, size_t size, TValue *steps,
                               int n);
LUAI_FUNC int luaI_findvalue (const Table *h, const Table *value,
                              TValue *key);

#endif
