/*
** lsharemap.c
** Maps from addresses to positions
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#define lsharemap_c
#define LUA_CORE

#include "lprefix.h"

#include <stdlib.h>

#include "lua.h"

#include "lobject.h"
#include "lsharemap.h"


int luaI_initmap (AddressMap *m, size_t slots) {
  m->keys = cast(const void **, calloc(slots, sizeof(void *)));
  m->places = cast(size_t *, malloc(slots * sizeof(size_t)));
  m->mask = slots - 1;
  m->used = 0;
  return m->keys != NULL && m->places != NULL;
}


void luaI_freemap (AddressMap *m) {
  free(cast_voidp(m->keys));
  free(m->places);
}


static int growmap (AddressMap *m) {
  AddressMap old = *m;
  size_t i;
  if (!luaI_initmap(m, (old.mask + 1) * 2)) {
    luaI_freemap(m);
    *m = old;
    return 0;
  }
  for (i = 0; i <= old.mask; i++) {
    if (old.keys[i] != NULL) {
      size_t j = luaI_findslot(m, old.keys[i]);
      m->keys[j] = old.keys[i];
      m->places[j] = old.places[i];
    }
  }
  m->used = old.used;
  luaI_freemap(&old);
  return 1;
}


int luaI_addkey (AddressMap *m, const void *key) {
  size_t i = luaI_findslot(m, key);
  if (m->keys[i] != NULL) return 1;
  if (m->used >= m->mask / 2 + 1) {
    if (!growmap(m)) return 0;
    i = luaI_findslot(m, key);
  }
  m->keys[i] = key;
  m->places[i] = m->used++;
  return 1;
}
