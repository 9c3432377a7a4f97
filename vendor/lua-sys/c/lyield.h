/*
** lyield.h
** Yields that return
** (Moonhive's addition to Lua)
**
** A yield of stock Lua jumps over all C frames between the function that
** yields and the resume. The processor has foreseen a return for each of
** them, and then foresees as many returns wrongly: that takes longer than
** everything else of a yield. Where nothing but the interpreter itself lies
** in between, the frames are left by returning from them.
*/

#ifndef lyield_h
#define lyield_h

#include "lua.h"


/* what a C function returns that has yielded; no number of results, and not
   what 'luaD_pretailcall' returns for a function of Lua */
#define LUA_LEFT	(-2)

/*
** As 'lua_yieldk', for functions that do nothing more: may return, and what
** it returns is then to be returned at once.
*/
LUA_API int lua_leavek (lua_State *L, int nresults, lua_KContext ctx,
                        lua_KFunction k);


/* whether a function of C that the interpreter has called yielded; the
   interpreter looks at that only where it is trapped, as 'lua_leavek' sees
   to. What else the trap may be set for is found when the coroutine is
   resumed */
#define luaI_hasleft(L,ci)  \
	((L)->status == LUA_YIELD && ((ci)->u.l.trap = 0, 1))


#endif
