/*
** lshareabi.c
** What callers of the C API were compiled against: checked, not assumed
** (Moonhive's addition to Lua; the other half is in src/abi.rs)
*/

#define lshareabi_c

#include "lprefix.h"

#include <limits.h>
#include <stddef.h>

#include "lua.h"

#include "lauxlib.h"
#include "lualib.h"


#if !defined(ltests_h)	/* internal tests change some of these on purpose */

#define agree(c)	_Static_assert(c, #c)

/* numbers */
agree(sizeof(int) == 4 && INT_MAX == 2147483647);
agree(sizeof(lua_Integer) == 8 && sizeof(lua_Unsigned) == 8);
agree(sizeof(lua_Number) == sizeof(double));
agree(sizeof(lua_KContext) == sizeof(void *));
agree(LUAL_NUMSIZES == sizeof(lua_Integer) * 16 + sizeof(lua_Number));
agree(LUA_VERSION_NUM == 505);

/* stack and registry */
agree(LUA_REGISTRYINDEX == -(INT_MAX / 2 + 1000));
agree(lua_upvalueindex(1) == LUA_REGISTRYINDEX - 1);
agree(LUA_RIDX_GLOBALS == 2 && LUA_RIDX_MAINTHREAD == 3);
agree(LUA_RIDX_LAST == 3);
agree(LUA_MINSTACK == 20);
agree(LUA_MULTRET == -1);
agree(LUA_EXTRASPACE == sizeof(void *));
agree(LUA_NOREF == -2 && LUA_REFNIL == -1);

/* types and statuses */
agree(LUA_TNIL == 0 && LUA_TTABLE == 5 && LUA_TTHREAD == 8);
agree(LUA_NUMTYPES == 9);
agree(LUA_OK == 0 && LUA_YIELD == 1 && LUA_ERRRUN == 2);
agree(LUA_ERRSYNTAX == 3 && LUA_ERRMEM == 4 && LUA_ERRERR == 5);
agree(LUA_ERRFILE == 6);

/* operators and collector */
agree(LUA_OPADD == 0 && LUA_OPBNOT == 13 && LUA_OPLE == 2);
agree(LUA_GCSTOP == 0 && LUA_GCGEN == 7 && LUA_GCPARAM == 9);
agree(LUA_GCPMINORMUL == 0 && LUA_GCPN == 6);

/* structures */
agree(sizeof(luaL_Reg) == 2 * sizeof(void *));
agree(LUAL_BUFFERSIZE == 16 * sizeof(void *) * sizeof(lua_Number));
agree(offsetof(luaL_Buffer, b) == 0);
agree(offsetof(luaL_Buffer, size) == sizeof(void *));
agree(offsetof(luaL_Buffer, n) == 2 * sizeof(void *));
agree(offsetof(luaL_Buffer, L) == 3 * sizeof(void *));
agree(offsetof(luaL_Buffer, init) == 4 * sizeof(void *));
agree(sizeof(luaL_Buffer) == 4 * sizeof(void *) + LUAL_BUFFERSIZE);
agree(LUA_IDSIZE == 60);

#if defined(__LP64__)
agree(offsetof(lua_Debug, event) == 0);
agree(offsetof(lua_Debug, name) == 8);
agree(offsetof(lua_Debug, source) == 32);
agree(offsetof(lua_Debug, srclen) == 40);
agree(offsetof(lua_Debug, currentline) == 48);
agree(offsetof(lua_Debug, nups) == 60);
agree(offsetof(lua_Debug, extraargs) == 63);
agree(offsetof(lua_Debug, istailcall) == 64);
agree(offsetof(lua_Debug, ftransfer) == 68);
agree(offsetof(lua_Debug, short_src) == 76);
agree(sizeof(lua_Debug) == 144);
#endif

/* events */
agree(LUA_HOOKCALL == 0 && LUA_HOOKTAILCALL == 4);
agree(LUA_MASKCOUNT == 1 << 3);

/* libraries */
agree(LUA_GLIBK == 1 && LUA_LOADLIBK == 2 && LUA_COLIBK == 4);
agree(LUA_DBLIBK == 8 && LUA_IOLIBK == 16 && LUA_MATHLIBK == 32);
agree(LUA_OSLIBK == 64 && LUA_STRLIBK == 128 && LUA_TABLIBK == 256);
agree(LUA_UTF8LIBK == 512);

#endif
