/*
** lkeep.h
** Values that a host keeps in the array of the registry
** (Moonhive's addition to Lua)
*/

#ifndef lkeep_h
#define lkeep_h

#include "lua.h"


/* slots that 'lua_warmkept' looks at in one call */
#define MAXWARM		16


/*
** Puts 'false' into 'n' slots from 'first' on, which comes right behind the
** last one. There must be room for a value.
*/
LUA_API void lua_addslots (lua_State *L, int first, int n);

/*
** Pops a value into a slot of the registry that holds one. Raises nothing
** if the slot lies in the array, which it does unless the registry is new.
*/
LUA_API void lua_keepvalue (lua_State *L, int slot);

/*
** Pushes the value in a slot, for which there must be room, and leaves
** 'false' in its place.
*/
LUA_API void lua_takekept (lua_State *L, int slot);

/*
** Asks memory for the functions in 'n' slots, 'MAXWARM' at most, and for
** what they need to run. Nothing changes.
*/
LUA_API void lua_warmkept (lua_State *L, const int *slots, int n);


#endif
