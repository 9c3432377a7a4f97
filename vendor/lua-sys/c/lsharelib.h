/*
** lsharelib.h
** What the libraries and the compiler see of lshare*.c
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#ifndef lsharelib_h
#define lsharelib_h

#include <stdatomic.h>

#include "llimits.h"
#include "lua.h"

#include "lshare.h"


/*
** Number of VMs of the process with a pending interruption. A loop reads
** this one word; only when it is not zero does it ask about its own VM.
*/
LUAI_FUNC atomic_int luaI_pending;

/* raises the error of a pending interruption of this VM, if any */
LUAI_FUNC void luaI_polled (lua_State *L);

/* the same for loops that hold the lock of the core */
LUAI_FUNC void luaI_polledcore (lua_State *L);

/* 'luaL_loadfilex' by the host's loader, or LUA_LOADPASS */
LUAI_FUNC int luaI_loadfile (lua_State *L, const char *filename,
                             const char *mode);

/* push the function of the file whose name is the only argument, if the
   host has it at hand */
LUAI_FUNC int luaI_loadknown (lua_State *L);

/* the searcher of Lua files: what the host knows of a module, and loading
   one that was found in a file */
LUAI_FUNC int luaI_findmodule (lua_State *L, const char *name);
LUAI_FUNC int luaI_loadmodule (lua_State *L, const char *name,
                               const char *filename);

#define luaI_anypending()  \
  l_unlikely(atomic_load_explicit(&luaI_pending, memory_order_relaxed) != 0)

#define luaI_poll(L)		{ if (luaI_anypending()) luaI_polled(L); }
#define luaI_pollcore(L)	{ if (luaI_anypending()) luaI_polledcore(L); }

/* fill the table at a positive index, if there is one that is deferred (see
   ldefer.h) */
LUAI_FUNC void luaI_fillat (lua_State *L, int idx);

/*
** Room for the state of 'math.random' of this VM. The first time it is asked
** for, 'seed' gets a number that no other VM of the process was given, so
** that two that begin at once do not go the same way; else 0.
*/
LUAI_FUNC void *luaI_random (lua_State *L, size_t size,
                             unsigned long long *seed);

/* is the value on top a deferred table? It holds constants only. */
LUAI_FUNC int luaI_isdeferredtop (lua_State *L);

#endif
