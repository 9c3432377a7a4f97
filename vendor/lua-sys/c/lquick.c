/*
** lquick.c
** What 'src/quick.rs' and 'src/inside.rs' assume of a state: checked here
** (Moonhive's addition to Lua)
*/

#define lquick_c
#define LUA_CORE

#include "lprefix.h"

#include <stddef.h>

#include "lua.h"

#include "lobject.h"
#include "lstate.h"
#include "ltable.h"


#define agree(c)	_Static_assert(c, #c)

#if defined(__LP64__)
agree(sizeof(StackValue) == 16 && offsetof(TValue, tt_) == 8);
agree(sizeof(StkIdRel) == sizeof(void *));
agree(offsetof(lua_State, status) == 11);
agree(offsetof(lua_State, top) == 16);
agree(offsetof(lua_State, l_G) == 24);
agree(offsetof(global_State, l_registry) == 64);
agree(offsetof(lua_State, ci) == 32);
agree(offsetof(lua_State, stack_last) == 40);
agree(offsetof(lua_State, tbclist) == 64);
agree(offsetof(lua_State, base_ci) == 96);
agree(offsetof(CallInfo, func) == 0 && offsetof(CallInfo, top) == 8);
agree(offsetof(TString, shrlen) == 11 && (ls_byte)-1 < 0);
agree(offsetof(TString, u) == 16 && sizeof(((TString *)0)->u.lnglen) == 8);
agree(offsetof(TString, contents) == 24);
agree(offsetof(Table, lsizenode) == 11 && offsetof(Table, asize) == 12);
agree(offsetof(Table, array) == 16 && offsetof(Table, node) == 24);
agree(offsetof(Table, metatable) == 32);
agree(sizeof(Node) == 24 && offsetof(Node, u.tt_) == 8);
agree(offsetof(Node, u.key_tt) == 9 && offsetof(Node, u.key_val) == 16);
agree(sizeof(Value) == 8 && sizeof(unsigned) == 4 && BIT_ISTABLE == 0x80);
agree(offsetof(Udata, nuvalue) == 10 && offsetof(Udata, len) == 16);
agree(offsetof(Udata, metatable) == 24 && udatamemoffset(0) == 32);
agree(ctb(LUA_VUSERDATA) == 0x47);
agree(LUA_VNIL == 0x00 && LUA_VFALSE == 0x01 && LUA_VTRUE == 0x11);
agree(LUA_VLIGHTUSERDATA == 0x02);
agree(LUA_VNUMINT == 0x03 && LUA_VNUMFLT == 0x13);
agree(ctb(LUA_VSHRSTR) == 0x44 && ctb(LUA_VLNGSTR) == 0x54);
#endif
