/*
** lglobals.h
** Which global variables a function uses, and where it assigns to its loop
** variables, for a checker
** (Moonhive's addition to Lua)
*/

#ifndef lglobals_h
#define lglobals_h

#include <stddef.h>

#include "lua.h"


#define LUA_GLOBALREAD		0
#define LUA_GLOBALWRITE		1	/* by its bare name */
#define LUA_GLOBALFIELD		2	/* written as a field of '_G' */

typedef void (*lua_GlobalVisitor) (void *ud, const char *name, size_t len,
                                   int line, int access, int nested);

/*
** Tell 'visit' of each access to a global variable in the main function
** of a chunk at 'idx' and in the functions inside it ('nested' is true
** for those). Only what the code itself shows: no access through a
** table made at run time. Returns 0, without any visit, for a chunk that
** assigns to '_ENV' and so may mean something else by its globals. The
** visitor must not use the state.
*/
LUA_API int lua_visitglobals (lua_State *L, int idx, lua_GlobalVisitor visit,
                              void *ud);


typedef void (*lua_VariableVisitor) (void *ud, const char *name, size_t len,
                                     int line);

/*
** Tell 'visit' of each instruction that assigns to a loop variable in the
** main function of a chunk at 'idx' and in the functions inside it. Only a
** chunk that was compiled with copies of its loop variables can have any
** (see LUA_SHCOMPAT54). One assignment may be several instructions. The
** visitor must not use the state.
*/
LUA_API void lua_visitloopvariables (lua_State *L, int idx,
                                     lua_VariableVisitor visit, void *ud);

#endif
