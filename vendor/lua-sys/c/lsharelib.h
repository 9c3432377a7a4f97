/*
** lsharelib.h
** What the auxiliary and standard libraries see of lshare*.c
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

/* 'luaL_loadfilex' by the host's loader, or LUA_LOADPASS */
LUAI_FUNC int luaI_loadfile (lua_State *L, const char *filename,
                             const char *mode);

#define luaI_poll(L)  \
  { if (l_unlikely(atomic_load_explicit(&luaI_pending, \
                                        memory_order_relaxed) != 0)) \
      luaI_polled(L); }

#endif
