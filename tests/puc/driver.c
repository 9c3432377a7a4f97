/*
** driver.c
** Linked into the stand-alone interpreter of the official suite, between
** it and two functions (linker option --wrap): a state that opens
** libraries turns every chunk into an image if MOONHIVE_SHARE_ALL is set.
** What became of the images is written to the file that
** MOONHIVE_SHARE_REPORT names, when the program ends
*/

#include <stdio.h>
#include <stdlib.h>

#include "lua.h"
#include "lshare.h"

#include "driver.h"


lua_State *__real_lua_newstate (lua_Alloc f, void *ud, unsigned seed);
lua_State *__wrap_lua_newstate (lua_Alloc f, void *ud, unsigned seed);
void __real_luaL_openselectedlibs (lua_State *L, int load, int preload);
void __wrap_luaL_openselectedlibs (lua_State *L, int load, int preload);


/* not zero while the library makes a state (for the names of all VMs) */
static int making = 0;

lua_State *__wrap_lua_newstate (lua_Alloc f, void *ud, unsigned seed) {
  lua_State *L;
  making++;
  L = __real_lua_newstate(f, ud, seed);
  making--;
  return L;
}


/* five numbers: images left, freed, private; strings left, in limbo */
static void report (void) {
  const char *name = getenv("MOONHIVE_SHARE_REPORT");
  FILE *f = (name == NULL) ? NULL : fopen(name, "w");
  if (f != NULL) {
    lua_ShareStats st;
    lua_sharestats(&st);
    fprintf(f, "%zu %zu %zu %zu %zu\n", st.images, st.freedimages,
               st.thinclones, st.strings, st.limbo);
    fclose(f);
  }
}


void __wrap_luaL_openselectedlibs (lua_State *L, int load, int preload) {
  static int registered = 0;
  if (!registered) {
    registered = 1;
    atexit(report);
  }
  if (making == 0 && getenv("MOONHIVE_SHARE_ALL") != NULL)
    lua_shareoption(L, LUA_SHALLCHUNKS, 1);
  __real_luaL_openselectedlibs(L, load, preload);
}


/* the seed that the run was started with */
unsigned puc_seed (void) {
  const char *seed = getenv("MOONHIVE_SEED");
  return (seed == NULL) ? 0 : (unsigned)strtoul(seed, NULL, 10);
}
