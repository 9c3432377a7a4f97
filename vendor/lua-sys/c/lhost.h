/*
** lhost.h
** What a host needs of a VM that runs its natives
** (Moonhive's addition to Lua)
*/

#ifndef lhost_h
#define lhost_h

#include "lua.h"


/*
** The collector stands still while any bit of this word is set; LUA_GCHOLD
** is the host's own. A host that sets it during its natives has no
** finalizer (that is, no Lua code) run inside them. The word lives as long
** as the state and belongs to the thread that runs it.
*/
#define LUA_GCHOLD	(1 << 6)

LUA_API unsigned char *lua_gcstopword (lua_State *L);


#endif
