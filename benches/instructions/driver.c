/*
** driver.c
** Runs one script and nothing else inside 'measured', so that callgrind
** counts the script alone; or tells how much memory an empty VM needs.
** usage: driver SEED private|shared SCRIPT
**        driver SEED load|image SCRIPT (counts loading it, not running it)
**        driver SEED memory
*/

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua.h"
#include "lauxlib.h"
#include "lualib.h"

#if defined(MOONHIVE_PATCHED)
#include "lshare.h"
#endif


static void *allocate (void *ud, void *block, size_t osize, size_t nsize) {
  (void)ud; (void)osize;
  if (nsize == 0) {
    free(block);
    return NULL;
  }
  return realloc(block, nsize);
}


static int fail (lua_State *L, const char *what) {
  fprintf(stderr, "driver: %s: %s\n", what, L ? lua_tostring(L, -1) : "");
  return EXIT_FAILURE;
}


/* replaces the function on the top by a closure over an image of it */
static int share (lua_State *L) {
#if defined(MOONHIVE_PATCHED)
  lua_Image *img = lua_sharefunction(L, -1);
  if (img == NULL) return 0;
  lua_pop(L, 1);
  lua_clonefunction(L, img);
  lua_releaseimage(img);
  return 1;
#else
  (void)L;
  return 0;
#endif
}


__attribute__((noinline)) int measured (lua_State *L);

int measured (lua_State *L) {
  return lua_pcall(L, 0, 0, 0);
}


static lua_State *newvm (unsigned seed) {
  lua_State *L = lua_newstate(allocate, NULL, seed);
  if (L != NULL) luaL_openlibs(L);
  return L;
}


static int runscript (unsigned seed, const char *name, int shared) {
  lua_State *L = newvm(seed);
  if (L == NULL) return fail(NULL, "no memory");
  if (luaL_loadfile(L, name) != LUA_OK) return fail(L, "load");
  if (shared && !share(L)) return fail(NULL, "share");
  lua_gc(L, LUA_GCCOLLECT);
  if (measured(L) != LUA_OK) return fail(L, "run");
  lua_close(L);
  return EXIT_SUCCESS;
}


/* loads as a miss of the cache does: compiled aside, made an image, cloned */
static int loadimage (lua_State *L, const char *name) {
#if defined(MOONHIVE_PATCHED)
  lua_Image *img = NULL;
  lua_State *scratch = lua_newstate(allocate, NULL, 0);
  if (scratch == NULL) return LUA_ERRMEM;
  lua_gc(scratch, LUA_GCSTOP);
  if (luaL_loadfile(scratch, name) == LUA_OK)
    img = lua_sharefunction(scratch, -1);
  lua_close(scratch);
  if (img == NULL) return LUA_ERRSYNTAX;
  lua_clonefunction(L, img);
  lua_releaseimage(img);
  return LUA_OK;
#else
  (void)L; (void)name;
  return LUA_ERRRUN;
#endif
}


typedef int (*Loader) (lua_State *L, const char *name);

static int loadstock (lua_State *L, const char *name) {
  return luaL_loadfile(L, name);
}


__attribute__((noinline))
int measuredload (lua_State *L, const char *name, Loader load);

int measuredload (lua_State *L, const char *name, Loader load) {
  return load(L, name);
}


/* the second load counts: the first one pays what the process pays once */
static int loadscript (unsigned seed, const char *name, int asimage) {
  lua_State *L = newvm(seed);
  Loader load = asimage ? loadimage : loadstock;
  if (L == NULL) return fail(NULL, "no memory");
  if (load(L, name) != LUA_OK) return fail(NULL, "load");
  lua_settop(L, 0);
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCSTOP);
  if (measuredload(L, name, load) != LUA_OK) return fail(NULL, "load");
  lua_close(L);
  return EXIT_SUCCESS;
}


/* bytes of a VM with all libraries: as opened, and after a collection */
static int tellmemory (unsigned seed) {
  int i;
  lua_State *first = newvm(seed);  /* pays what the process pays once */
  lua_State *L = newvm(seed);
  if (first == NULL || L == NULL) return fail(NULL, "no memory");
  for (i = 0; i < 2; i++) {
    printf("%d\n", lua_gc(L, LUA_GCCOUNT) * 1024 + lua_gc(L, LUA_GCCOUNTB));
    lua_gc(L, LUA_GCCOLLECT);
  }
  lua_close(L);
  lua_close(first);
  return EXIT_SUCCESS;
}


int main (int argc, char **argv) {
  unsigned seed = argc > 2 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
  if (argc == 3 && strcmp(argv[2], "memory") == 0)
    return tellmemory(seed);
  if (argc == 4 && strcmp(argv[2], "load") == 0)
    return loadscript(seed, argv[3], 0);
  if (argc == 4 && strcmp(argv[2], "image") == 0)
    return loadscript(seed, argv[3], 1);
  if (argc == 4)
    return runscript(seed, argv[3], strcmp(argv[2], "shared") == 0);
  return fail(NULL, "usage: driver SEED private|shared|load|image SCRIPT");
}
