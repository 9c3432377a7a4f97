/*
** lextern.h
** Strings whose bytes the host holds and several VMs may read
** (Moonhive's addition to Lua; see docs/message-format.md)
*/

#ifndef lextern_h
#define lextern_h

#include <stddef.h>

#include "lua.h"


/*
** What a string of one VM has of bytes outside: 'release' is called when
** the string is freed, and then the holder is the host's again.
*/
typedef struct lua_Holder lua_Holder;

struct lua_Holder {
  void (*release) (lua_Holder *holder);
};

/*
** Pushes a string of 'len' bytes that lie at 's', with a zero after them,
** for as long as 'holder' is not released. The collector counts them as
** if they were the VM's. There must be room for it, and 'len' must be
** beyond that of short strings. May raise a memory error; the holder is
** then released.
*/
LUA_API void lua_pushheld (lua_State *L, const char *s, size_t len,
                           lua_Holder *holder);

/*
** The holder of the long string at the address 'text', or NULL.
*/
LUA_API lua_Holder *lua_holderof (const void *text);

/*
** Whether the bytes of the long string at the address 'text' are a block
** of their own, made by the allocator of the VM: those of the buffers of
** the auxiliary library are.
*/
LUA_API int lua_ownsblock (lua_State *L, const void *text);

/*
** Gives such a block to 'holder'; the string stays as it is.
*/
LUA_API void lua_handover (lua_State *L, void *text, lua_Holder *holder);

#endif
