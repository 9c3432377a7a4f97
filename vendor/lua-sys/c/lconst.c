/*
** lconst.c
** Constants that the functions under compilation have so far
** (Moonhive's addition to Lua)
*/

#define lconst_c
#define LUA_CORE

#include "lprefix.h"

#include <string.h>

#include "lua.h"

#include "lconst.h"
#include "lhash.h"
#include "llex.h"
#include "lmem.h"
#include "lobject.h"
#include "lopcodes.h"
#include "lparser.h"
#include "lstate.h"


/*
** Lua's compiler makes a table for each function, to find a constant that
** the function has already. Here all functions of a chunk use one hash
** table. A function is compiled while those around it wait, so its
** constants are noted above theirs and go before them: a stack of notes,
** in lists by hash whose heads are the latest. Invariant: each list goes
** down the stack, so a search ends where the notes of an outer function
** begin.
*/

typedef struct ConstNote {
  unsigned long long bits;	/* of the key, see 'keybits' */
  unsigned tag : 6;	/* type of the key */
  unsigned k : 26;	/* index of the constant */
  int next;	/* note below this one in its list, or -1 */
} ConstNote;

_Static_assert(MAXARG_Ax < (1 << 26), "indices of constants fit a note");

#define FIRSTHEADS	16	/* a power of two */


/*
** What tells a key from others of its type. Strings are unified by the
** scanner, and no zeros or numbers that are not are keys.
*/
l_sinline unsigned long long keybits (const TValue *key) {
  unsigned long long bits = 0;
  switch (ttypetag(key)) {
    case LUA_VNUMINT: {
      bits = cast(unsigned long long, ivalue(key));
      break;
    }
    case LUA_VNUMFLT: {
      lua_Number n = fltvalue(key);
      memcpy(&bits, &n, sizeof(n) < sizeof(bits) ? sizeof(n) : sizeof(bits));
      break;
    }
    case LUA_VLIGHTUSERDATA: {
      bits = cast_sizet(pvalue(key));
      break;
    }
    case LUA_VSHRSTR: case LUA_VLNGSTR: case LUA_VTABLE: {
      bits = cast_sizet(gcvalue(key));
      break;
    }
    default: break;  /* nil, false and true: the tag says it all */
  }
  return bits;
}


/* (seeded: nobody can write a chunk with all constants in one list) */
l_sinline unsigned headof (const ConstNotes *cn, unsigned long long bits) {
  return cast_uint(hashstep(cn->seed, bits, 0)) & cast_uint(cn->nheads - 1);
}


void luaI_initconsts (lua_State *L, Dyndata *dyd) {
  ConstNotes *cn = &dyd->consts;
  cn->notes = NULL;
  cn->heads = NULL;
  cn->n = cn->size = cn->nheads = 0;
  cn->seed = (G(L)->seed + HASHFIRST) * HASHSECOND;
}


void luaI_freeconsts (lua_State *L, Dyndata *dyd) {
  ConstNotes *cn = &dyd->consts;
  luaM_freearray(L, cn->notes, cast_sizet(cn->size));
  luaM_freearray(L, cn->heads, cast_sizet(cn->nheads));
}


void luaI_openconsts (FuncState *fs) {
  fs->firstconst = fs->ls->dyd->consts.n;
}


void luaI_closeconsts (FuncState *fs) {
  ConstNotes *cn = &fs->ls->dyd->consts;
  while (cn->n > fs->firstconst) {
    const ConstNote *note = &cn->notes[--cn->n];
    cn->heads[headof(cn, note->bits)] = note->next;
  }
}


int luaI_findconst (const FuncState *fs, const TValue *key) {
  const ConstNotes *cn = &fs->ls->dyd->consts;
  const unsigned long long bits = keybits(key);
  int i;
  if (l_unlikely(cn->nheads == 0)) return -1;
  i = cn->heads[headof(cn, bits)];
  while (i >= fs->firstconst) {
    const ConstNote *note = &cn->notes[i];
    if (note->bits == bits && note->tag == ttypetag(key))
      return cast_int(note->k);
    i = note->next;
  }
  return -1;
}


/* double the heads and put all notes on their lists, the latest last */
static void growheads (lua_State *L, ConstNotes *cn) {
  int n = (cn->nheads == 0) ? FIRSTHEADS : cn->nheads * 2;
  int i;
  cn->heads = cast(int *, luaM_saferealloc_(L, cn->heads,
                            cast_sizet(cn->nheads) * sizeof(int),
                            cast_sizet(n) * sizeof(int)));
  cn->nheads = n;
  for (i = 0; i < n; i++) cn->heads[i] = -1;
  for (i = 0; i < cn->n; i++) {
    unsigned h = headof(cn, cn->notes[i].bits);
    cn->notes[i].next = cn->heads[h];
    cn->heads[h] = i;
  }
}


void luaI_noteconst (FuncState *fs, const TValue *key, int k) {
  lua_State *L = fs->ls->L;
  ConstNotes *cn = &fs->ls->dyd->consts;
  ConstNote *note;
  unsigned h;
  luaM_growvector(L, cn->notes, cn->n, cn->size, ConstNote, INT_MAX / 4,
                  "constants");
  if (cn->n >= cn->nheads)
    growheads(L, cn);
  note = &cn->notes[cn->n];
  note->bits = keybits(key);
  note->tag = cast_uint(ttypetag(key)) & 0x3F;
  note->k = cast_uint(k);
  h = headof(cn, note->bits);
  note->next = cn->heads[h];
  cn->heads[h] = cn->n++;
}
