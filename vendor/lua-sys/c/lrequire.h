/*
** lrequire.h
** A 'require' through which modules can be suspended while they load
** (Moonhive's addition to Lua)
*/

#ifndef lrequire_h
#define lrequire_h

#include "lua.h"


/* upvalues of the function: see 'lua/boot/require.lua' */
#define LUA_REQPACKAGE	1	/* the table 'package' */
#define LUA_REQLOADING	2	/* loads under way, by module name */
#define LUA_REQBEGIN	3	/* makes a load, a value to be closed */
#define LUA_REQJOIN	4	/* waits for the load of another task */
#define LUA_REQFINISH	5	/* runs the functions of a load */
#define LUA_REQLATER	6	/* gives a function to the innermost load */

/*
** The function itself. It does what Lua's own does, in C as that one, so
** that errors and tracebacks read alike; but searchers and loaders may
** yield.
*/
LUAMOD_API int lua_requiremodule (lua_State *L);

#endif
