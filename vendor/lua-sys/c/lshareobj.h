/*
** lshareobj.h
** Shared images and strings: what Lua's own files see of them
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#ifndef lshareobj_h
#define lshareobj_h

#include <stdatomic.h>

#include "llimits.h"
#include "lua.h"

#include "lshare.h"
#include "lsharelib.h"


/*
** Shared objects (prototypes of images, canonical strings) are black, old
** and in no list, so that no collector touches them; nobody writes to
** them after publication. They carry this bit, which for other objects
** means "has a finalizer" and so is free in prototypes and strings.
*/
#define SHAREDBIT	6	/* FINALIZEDBIT */

#define isshared(x)	testbit((x)->marked, SHAREDBIT)

/*
** A table may have a finalizer, so a shared one is told by a variant of
** its own: see 'LUA_VSHTABLE' in lobject.h.
*/
#define issharedtable(h)	((h)->tt == LUA_VSHTABLE)

/*
** A function in a shared table (see lsharefn.h) reads as any other value.
** Its tag is none that can be called, so calls come to 'luaI_ownclosure'.
*/
#define LUA_VSHLCL	makevariant(LUA_TFUNCTION, 3)

#define ttissharedfunction(o)	checktag((o), ctb(LUA_VSHLCL))

/* color, age and mark of a shared object */
#define SHAREDMARKS	(bitmask(BLACKBIT) | bitmask(SHAREDBIT) | G_OLD)


/*
** Flag of a private prototype whose code and debug information belong to
** an image (see 'ThinProto' in lshareimg.h)
*/
#define PF_THIN		8


/*
** A VM starts with a small table of strings: the standard names are not
** in it. For the same reason a table may be nearly empty after each
** collection; a small one keeps its size then, lest every cycle shrinks
** it and makes it grow again.
*/
#if !defined(MINSTRTABSIZE)
#define MINSTRTABSIZE	32
#endif

#define MINSHRINKTAB	512


/*
** Names that C passes again and again are few in a VM whose names are
** shared; each slot of their cache costs every VM 16 bytes and a look in
** every collection.
*/
#if !defined(STRCACHE_N)
#define STRCACHE_N	23
#define STRCACHE_M	2
#endif


/* bit in 'hookmask' that makes new calls trap while interrupted */
#define MASKINTERRUPT	(1 << 7)


/* one image used by one VM */
typedef struct ImageUse {
  lua_Image *img;
  struct Proto *root;  /* private prototype of the main function, or NULL */
  lu_byte noted;	/* a closure over the image was met in this cycle */
  lu_byte cloned;	/* closures were made since it began, and it was in use */
} ImageUse;


/* a function of a shared table, and what the VM runs for it */
typedef struct OwnClosure {
  const struct SharedFunction *from;
  struct LClosure *cl;	/* not marked by this */
} OwnClosure;


struct GCObject;
struct global_State;
struct Proto;
union StackValue;
struct Table;
struct TString;
struct TValue;
struct Zio;


/*
** The part of a VM that deals with sharing (in 'global_State'). Only the
** thread that runs the VM writes here.
*/
typedef struct SharingVM {
  ImageUse *uses;	/* sorted by image address */
  int nuses;
  int sizeuses;
  OwnClosure *owns;	/* sorted by the function's address */
  int nowns, sizeowns;
  struct TString **replaced;	/* copies that C code may still look at */
  int nreplaced, sizereplaced;
  int compiling;	/* depth of compilations under way */
  lua_Image *lastnoted;	/* most recent image noted in this cycle */
  unsigned long long born;	/* publications that precede the VM */
  unsigned long long epoch;	/* last census (or birth) */
  lua_FileLoader loader;
  lua_KnownLoader knownloader;
  void *loaderud;
  lua_ModuleFinder finder;
  lua_State *running;	/* the coroutine that runs (or would) */
  lua_State *patron;	/* whose interruptions end work here, too */
  const char *intmessage;
  unsigned long long random[4];	/* state of 'math.random' */
  atomic_int interrupt;	/* pending kinds; written by signal handlers too */
  lua_Teller teller;	/* whom to tell where code is */
  l_uint32 depth;	/* calls that counted when 'running' was resumed */
  lu_byte compat54;	/* LUA_SHCOMPAT54 */
  lu_byte shareall;	/* LUA_SHALLCHUNKS */
  lu_byte loopcopy;	/* compiling with a copy of each loop variable */
  lu_byte constassign;	/* last compilation assigned to a constant */
  lu_byte seeded;	/* 'random' is in use */
  lu_byte fullmark;	/* a full mark has ended, its sweep perhaps not */
} SharingVM;


/* VMs */
LUAI_FUNC unsigned luaI_begin (unsigned seed);
LUAI_FUNC void luaI_openvm (lua_State *L);
LUAI_FUNC void luaI_closevm (lua_State *L);
LUAI_FUNC void luaI_clone (lua_State *L, lua_Image *img);

/* canonical strings ('luaS_hash' is in lstring.c) */
LUAI_FUNC unsigned luaS_hash (const char *str, size_t l, unsigned seed);
LUAI_FUNC struct TString *luaI_findstring (const char *s, size_t l,
                                           unsigned h);

/* table of all canonical strings (see lsharestr.c) */
typedef struct SharedTable {
  struct SharedTable *next;	/* list of replaced tables */
  size_t mask;	/* number of slots minus 1 */
  _Atomic(struct TString *) *strings;
  atomic_uint hashes[1];
} SharedTable;

LUAI_FUNC _Atomic(SharedTable *) luaI_table;

/*
** Set 'ts' to the canonical short string with the given contents, or to
** NULL. Almost always the string is not there, and one empty slot tells.
*/
#define luaI_lookup(ts,s,l,h)  \
  { SharedTable *t_ = atomic_load_explicit(&luaI_table, \
                                           memory_order_acquire); \
    (ts) = l_likely(atomic_load_explicit(&t_->hashes[(h) & t_->mask], \
                                         memory_order_relaxed) == 0) \
           ? NULL : luaI_findstring(s, l, h); }

/* hooks of the collector */
LUAI_FUNC void luaI_startmark (struct global_State *g);
LUAI_FUNC void luaI_note (struct global_State *g, struct Proto *p);
LUAI_FUNC void luaI_endmark (lua_State *L);
LUAI_FUNC struct GCObject *luaI_nextroot (struct global_State *g, int *i);
LUAI_FUNC void luaI_gcpoint (lua_State *L);
LUAI_FUNC size_t luaI_thinsize (const struct Proto *p);
LUAI_FUNC void luaI_freethin (lua_State *L, struct Proto *p);

/* functions in shared tables */
LUAI_FUNC void luaI_ownclosure (lua_State *L, union StackValue *func);
LUAI_FUNC void luaI_forgetowns (struct global_State *g);

/* tables that are filled later (see ldefer.h) */
LUAI_FUNC void luaI_filldeferred (lua_State *L, struct Table *t);
LUAI_FUNC void luaI_notedeferred (struct global_State *g,
                                  const struct Table *t);

/* shared tables ('lua_Unsigned' as in 'luaH_getn') */
LUAI_FUNC lua_Unsigned luaI_getn (const struct Table *h);
LUAI_FUNC l_noret luaI_readonly (lua_State *L, const struct Table *h,
                                 const struct TValue *key);
LUAI_FUNC int luaI_equaltables (lua_State *L, const struct TValue *t1,
                                const struct TValue *t2);

/*
** Strings whose bytes the host holds (see lextern.h): 'luaI_heldsize' is
** what they have outside, for a collector that takes it for the VM's own.
*/
LUAI_FUNC void *luaI_release (void *ud, void *block, size_t osize,
                              size_t nsize);

#define luaI_isheld(ts)  \
  ((ts)->shrlen == LSTRMEM && (ts)->falloc == luaI_release)
#define luaI_heldsize(ts)	(luaI_isheld(ts) ? (ts)->u.lnglen + 1 : 0)

/* compilation */
LUAI_FUNC TStatus luaI_load (lua_State *L, struct Zio *z, const char *name,
                             const char *mode);

/* interruption: is anything asked of the code that runs? */
#define luaI_asked(L)  \
  atomic_load_explicit(&G(L)->sharing.interrupt, memory_order_relaxed)

LUAI_FUNC void luaI_trap (lua_State *L);
LUAI_FUNC void luaI_interruptexec (lua_State *L, const l_uint32 *pc);

#endif
