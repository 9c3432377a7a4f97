/*
** lhost.h
** What a host needs of a VM that runs its natives
** (Moonhive's addition to Lua)
*/

#ifndef lhost_h
#define lhost_h

#include <stddef.h>

#include "lua.h"


/*
** The collector stands still while any bit of this word is set; LUA_GCHOLD
** is the host's own. A host that sets it during its natives has no
** finalizer (that is, no Lua code) run inside them. The word lives as long
** as the state and belongs to the thread that runs it.
*/
#define LUA_GCHOLD	(1 << 6)

LUA_API unsigned char *lua_gcstopword (lua_State *L);

/*
** What is allocated while the collector stands still leaves it with a debt,
** and Lua code that allocates nothing itself never looks at it. The word is
** zero or negative when work is due, and belongs to the thread that runs the
** state; lua_gcpoll does the work, finalizers included.
*/
LUA_API const ptrdiff_t *lua_gcdebtword (lua_State *L);
LUA_API void lua_gcpoll (lua_State *L);


#endif
