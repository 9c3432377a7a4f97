/*
** lblank.h
** The standard libraries of a new state, copied instead of opened
** (Moonhive's addition to Lua)
*/

#ifndef lblank_h
#define lblank_h

#include "lua.h"


/*
** Open all standard libraries, as 'luaL_openlibs' does for a state that
** has run nothing yet. Raises a memory error like any other push.
*/
LUA_API void lua_openblank (lua_State *L);


#if defined(LUA_CORE)

#include "llimits.h"

/*
** Remember what the libraries left in a state that ran nothing else, and
** its names.
*/
LUAI_FUNC void luaI_capture (lua_State *L);

/*
** Give a state that is being made the names of metamethods; the reserved
** words are those of the process. False if it has to make them by itself.
*/
LUAI_FUNC int luaI_givenames (lua_State *L);

#endif


#endif
