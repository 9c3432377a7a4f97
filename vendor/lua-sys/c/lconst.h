/*
** lconst.h
** Constants that the functions under compilation have so far
** (Moonhive's addition to Lua)
*/

#ifndef lconst_h
#define lconst_h

#include "lobject.h"
#include "lparser.h"


LUAI_FUNC void luaI_initconsts (lua_State *L, Dyndata *dyd);
LUAI_FUNC void luaI_freeconsts (lua_State *L, Dyndata *dyd);

LUAI_FUNC void luaI_openconsts (FuncState *fs);
LUAI_FUNC void luaI_closeconsts (FuncState *fs);

/*
** The index of the constant that was noted last in this function with
** this key, or -1 if there is none.
*/
LUAI_FUNC int luaI_findconst (const FuncState *fs, const TValue *key);
LUAI_FUNC void luaI_noteconst (FuncState *fs, const TValue *key, int k);

#endif
