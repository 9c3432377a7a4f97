/*
** lrow.h
** Making tables of a known form, for a codec
** (Moonhive's addition to Lua; see docs/message-format.md)
*/

#ifndef lrow_h
#define lrow_h

#include "lua.h"


/*
** Pushes a table with room for so many elements. There must be room for
** it. May raise a memory error.
*/
LUA_API void lua_pusharray (lua_State *L, unsigned n);

/*
** Where the short string at 'key' lies in the hash part of the table at
** 'row', or -1.
*/
LUA_API int lua_rowplace (lua_State *L, int row, int key);

/*
** Pushes a table with the keys of the hash part of the table at 'model',
** at their places, without values: to whoever asks, it is empty. There
** must be room for it. May raise a memory error.
*/
LUA_API void lua_pushrow (lua_State *L, int model);

/*
** Pops a value and gives it to the string at 'key' in the table at 'row',
** if that key lies at 'place', and returns 1; else changes nothing and
** returns 0. The table must be one of this VM without metatable.
*/
LUA_API int lua_setplace (lua_State *L, int row, int place, int key);

/*
** All indices here are positive and stand for values of the running
** function below the top.
*/

#endif
