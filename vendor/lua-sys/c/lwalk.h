/*
** lwalk.h
** Reading values and tables in few calls, for a codec
** (Moonhive's addition to Lua; see docs/message-format.md)
*/

#ifndef lwalk_h
#define lwalk_h

#include <stddef.h>

#include "lua.h"


/* the kind of an integer; all other kinds are types (LUA_T*) */
#define LUA_WALKINTEGER		LUA_NUMTYPES

/*
** What a value is, without any conversion. A string lives as long as
** whatever holds it; addresses of other objects are only for comparing.
*/
typedef struct lua_Seen {
  union {
    int b;
    lua_Integer i;
    lua_Number n;
    const char *s;
    void *p;  /* light userdata, tables, functions, userdata, threads */
  } u;
  int kind;  /* between the two, lest compilers read both at once (a stall) */
  size_t len;  /* of a string */
} lua_Seen;

/* Look at the value at 'idx'. */
LUA_API void lua_see (lua_State *L, int idx, lua_Seen *seen);

/*
** The border of the table at 'idx' (its raw length), and in '*slots'
** how many values its array part has room for. This comes first: it fills a
** table that is deferred (see ldefer.h), and returns LUA_WALKNOMEMORY where
** that would take more memory than there may be.
*/
#define LUA_WALKNOMEMORY	((size_t)-1)

LUA_API size_t lua_walkshape (lua_State *L, int idx, unsigned *slots);

/* The border of a table of this VM, by its address; as lua_walkshape. */
LUA_API size_t lua_walkborder (lua_State *L, const void *table);

/*
** Copy the value at place 'place' (from 0) of the array part of the table
** at 'idx' to the stack slot 'to'; nil where there is none.
*/
LUA_API void lua_walkarray (lua_State *L, int idx, unsigned place, int to,
                            lua_Seen *value);

/*
** Copy the first entry at or after '*place' of the table at 'idx' to the
** stack slots 'to' (key) and 'to' + 1 (value), and move '*place' behind
** it. Returns 0 at the end. Places begin with the array part; hash nodes
** follow. Walking by place needs no lookup, and raises no error when the
** table changes in between: entries may then be missed or met again.
*/
LUA_API int lua_walknext (lua_State *L, int idx, unsigned *place, int to,
                          lua_Seen *key, lua_Seen *value);

/*
** All indices here are positive and stand for values or slots of the
** running function below the top.
*/

#endif
