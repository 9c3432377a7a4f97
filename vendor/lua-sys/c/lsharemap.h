/*
** lsharemap.h
** Maps from addresses to positions
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#ifndef lsharemap_h
#define lsharemap_h

#include <stddef.h>

#include "llimits.h"
#include "lobject.h"


/* a hash table with linear probing, at most half full */
typedef struct AddressMap {
  const void **keys;  /* NULL for a free slot */
  size_t *places;
  size_t mask;
  size_t used;
} AddressMap;


/* slot of a key, or the free one where it belongs */
l_sinline size_t luaI_findslot (const AddressMap *m, const void *key) {
  size_t i = (point2uint(key) * 2654435761u >> 4) & m->mask;
  while (m->keys[i] != NULL && m->keys[i] != key)
    i = (i + 1) & m->mask;
  return i;
}

/* position of a key that is in the map */
#define placeof(m,key)	((m)->places[luaI_findslot(m, key)])

/*
** An empty map with so many slots, a power of 2. False when there is no
** memory; it is to be freed all the same.
*/
LUAI_FUNC int luaI_initmap (AddressMap *m, size_t slots);
LUAI_FUNC void luaI_freemap (AddressMap *m);

/*
** Position of 'key', which gets the next one (the number of keys before
** it) if it is new. False when there is no memory.
*/
LUAI_FUNC int luaI_addkey (AddressMap *m, const void *key);

#endif
