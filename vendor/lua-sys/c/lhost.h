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

/*
** A step of the collector ahead of time, finalizers included; nothing while
** it stands still. Returns 1 if the collection is to go on, 0 if it has
** ended.
*/
LUA_API int lua_gcahead (lua_State *L);

/*
** What a program builds while it starts lives on, but a collector that was
** tuned to an empty state looks through it again and again while it grows.
** lua_gcgrant puts collections off until that many bytes more are in use, and
** from then on as many between two of them; lua_gcsettle ends that: what is
** in use counts as alive, and the usual pace begins from there.
*/
LUA_API void lua_gcgrant (lua_State *L, size_t bytes);
LUA_API void lua_gcsettle (lua_State *L);

/*
** What an allocator is told in the place of the kind of object, for blocks
** of a table that is filled when it is looked at (see ldefer.h): this one is
** needed whatever the limit; this one may be refused even where the host has
** asked that nothing is.
*/
#define LUA_BLOCKMUST		64
#define LUA_BLOCKTRY		65

/*
** Finds what serves a method: the function that the table at 'ref' of the
** registry holds under the string at index 'name'; if it holds none, the
** table behind it by '__index', through at most 'chain' tables. Copies it to
** the slot 'to' and returns 1, or 0 where there is none. Both indices are
** positive and below the top. Runs no metamethod.
*/
LUA_API int lua_findmethod (lua_State *L, int ref, int name, int to,
                            int chain);

/*
** The same for a name that lies at 'name' of the registry: pushes the name
** and the function and returns 1, or pushes nothing and returns 0. There
** must be room for both.
*/
LUA_API int lua_pushmethod (lua_State *L, int ref, int name, int chain);

/*
** Whether the coroutine ends as soon as the running C function returns: it
** was called by a function of Lua that does nothing more but return, and so
** on down to the first one, with nothing to close and no hook.
*/
LUA_API int lua_endsnext (lua_State *L);


#endif
