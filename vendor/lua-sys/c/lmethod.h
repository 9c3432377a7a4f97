/*
** lmethod.h
** Methods found through tables that '__index' leads to
** (Moonhive's addition to Lua)
*/

#ifndef lmethod_h
#define lmethod_h

#include "lobject.h"


/*
** The tag of the field 'key', a short string, of what 'o' inherits from,
** with its value in 'res'; 'tag', and 'res' untouched, if only
** 'luaV_finishget' can tell. Never raises and runs no code.
*/
LUAI_FUNC lu_byte luaI_methodof (lua_State *L, const TValue *o, TString *key,
                                 TValue *res, lu_byte tag);

#endif
