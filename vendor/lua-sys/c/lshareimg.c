/*
** lshareimg.c
** Images: the immutable form of compiled chunks, shared by all VMs
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#define lshareimg_c
#define LUA_CORE

#if defined(LUAI_SHARE_READONLY)
#define _DEFAULT_SOURCE	/* for MAP_ANONYMOUS */
#endif

#include "lprefix.h"

#include <stdlib.h>
#include <string.h>

#include "lua.h"

#include "lfunc.h"
#include "lgc.h"
#include "lmem.h"
#include "lmodel.h"
#include "lobject.h"
#include "lshareimg.h"
#include "lsharestr.h"
#include "lstate.h"
#include "lstring.h"


/*
** {======================================================
** Memory of blocks
** =======================================================
** With LUAI_SHARE_READONLY (a build for tests), each block has pages of
** its own, which nobody can write to after publication.
*/

#if defined(LUAI_SHARE_READONLY)	/* { */

#include <sys/mman.h>

static void *newblock (size_t size) {
  void *block = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return (block == MAP_FAILED) ? NULL : block;
}

#define sealblock(b,s)	mprotect(b, s, PROT_READ)
#define freeblock(b,s)	munmap(b, s)

#else					/* }{ */

#define newblock(s)	malloc(s)
#define sealblock(b,s)	((void)(b), (void)(s))
#define freeblock(b,s)	free(b)

#endif					/* } */

/* }====================================================== */


/*
** {======================================================
** Making an image
** =======================================================
*/

/*
** Strings of a function: those that can be keys (short constants), of
** which a VM must know one address only, and all others. Each is a hash
** table by address with linear probing, at most half full.
*/
typedef struct StringSet {
  StringPair *pairs;  /* a free slot has no 'from' */
  unsigned capacity;  /* a power of 2 */
  unsigned size;
} StringSet;

/* first capacity of a set */
#define MINSTRINGSET	512

typedef struct Builder {
  StringSet keys;
  StringSet names;
  char *next;  /* free part of the block */
  lua_Image *img;
  TString *source;  /* new canonical source, or NULL to keep the old one */
  StringPair known;
} Builder;


#define rounded(n)	(((n) + sizeof(void *) - 1) & ~(sizeof(void *) - 1))


/* bytes that a function and its inner functions need in a block */
static size_t blocksize (const Proto *f) {
  int i;
  size_t size = rounded(sizeof(Proto)) + vectorsize(f, k, sizek)
              + vectorsize(f, p, sizep)
              + vectorsize(f, upvalues, sizeupvalues)
              + vectorsize(f, locvars, sizelocvars)
              + vectorsize(f, abslineinfo, sizeabslineinfo)
              + vectorsize(f, code, sizecode)
              + vectorsize(f, lineinfo, sizelineinfo);
  size = rounded(size);
  for (i = 0; i < f->sizep; i++)
    size += blocksize(f->p[i]);
  return size;
}


/* slot of a string in a set, or the free one where it belongs */
l_sinline StringPair *slotof (const StringSet *set, const TString *ts) {
  unsigned mask = set->capacity - 1;
  unsigned long long h = cast(size_t, ts) * 0x9E3779B97F4A7C15ull;
  unsigned i = cast(unsigned, h >> 32) & mask;
  while (set->pairs[i].from != NULL && set->pairs[i].from != ts)
    i = (i + 1) & mask;
  return &set->pairs[i];
}


/* double the capacity; false when there is no memory */
static int growset (StringSet *set) {
  StringSet old = *set;
  unsigned i;
  set->capacity = (old.capacity == 0) ? MINSTRINGSET : old.capacity * 2;
  set->pairs = cast(StringPair *, calloc(set->capacity, sizeof(StringPair)));
  if (set->pairs == NULL) {
    *set = old;
    return 0;
  }
  for (i = 0; i < old.capacity; i++) {
    if (old.pairs[i].from != NULL)
      *slotof(set, old.pairs[i].from) = old.pairs[i];
  }
  free(old.pairs);
  return 1;
}


/* add a string that is not in the set; false when there is no memory */
static int insertstring (StringSet *set, TString *ts) {
  if (set->size * 2 >= set->capacity && !growset(set)) return 0;
  slotof(set, ts)->from = ts;
  set->size++;
  return 1;
}


/* add a string, if there is one; false when there is no memory */
#define addstring(set,ts)  \
	((ts) == NULL || slotof(set, ts)->from != NULL || insertstring(set, ts))


/*
** Add all strings of a function and its inner functions; false when
** there is no memory
*/
static int collectstrings (Builder *b, const Proto *f) {
  int i;
  int ok = addstring(&b->names, f->source);
  for (i = 0; ok && i < f->sizek; i++) {
    const TValue *o = &f->k[i];
    if (iskeyconstant(o)) ok = addstring(&b->keys, tsvalue(o));
    else if (ttisstring(o)) ok = addstring(&b->names, tsvalue(o));
  }
  for (i = 0; ok && i < f->sizeupvalues; i++)
    ok = addstring(&b->names, f->upvalues[i].name);
  for (i = 0; ok && i < f->sizelocvars; i++)
    ok = addstring(&b->names, f->locvars[i].varname);
  for (i = 0; ok && i < f->sizep; i++)
    ok = collectstrings(b, f->p[i]);
  return ok;
}


/* canonical string equal to this one, with a reference; or NULL */
static TString *canonicalcopy (TString *ts) {
  size_t l;
  const char *s;
  if (isshared(ts))
    return luaI_retainstring(ts);
  s = getlstr(ts, l);
  if (strisshr(ts))
    return luaI_canonical(s, l, ts->hash, ts->extra);
  return luaI_canonical(s, l, luaS_hash(s, l, luaI_seed), 0);
}


/* get the canonical strings of a set; false when there is no memory */
static int shareset (Builder *b, StringSet *set) {
  lua_Image *img = b->img;
  unsigned i;
  for (i = 0; i < set->capacity; i++) {
    StringPair *pair = &set->pairs[i];
    if (pair->from != NULL) {
      if (pair->from == b->known.from) pair->to = luaI_retainstring(b->known.to);
      else pair->to = canonicalcopy(pair->from);
      if (pair->to == NULL) return 0;
      img->strings[img->numstrings++] = pair->to;
    }
  }
  return 1;
}


static TString *canonicalof (const StringSet *set, TString *ts) {
  if (ts == NULL) return NULL;
  else {
    const StringPair *pair = slotof(set, ts);
    lua_assert(pair->from == ts);
    return pair->to;
  }
}


static void *take (Builder *b, size_t size) {
  void *p = b->next;
  b->next += size;
  return p;
}


/*
** Copy a vector of 'f' to the block of 'n'. (No vector is copied by its
** address when it is empty.)
*/
#define takevector(b,n,f,v,size) \
  { size_t sz_ = vectorsize(f, v, size); \
    (n)->size = (f)->size; \
    (n)->v = NULL; \
    if (sz_ > 0) { \
      void *to_ = take(b, sz_); \
      memcpy(to_, (f)->v, sz_); \
      (n)->v = to_; } }


/* copy the header of a prototype, without any vector */
void luaI_copyheader (Proto *n, const Proto *f) {
  n->numparams = f->numparams;
  n->maxstacksize = f->maxstacksize;
  n->linedefined = f->linedefined;
  n->lastlinedefined = f->lastlinedefined;
}


static void shareconstants (Builder *b, Proto *n) {
  int i;
  for (i = 0; i < n->sizek; i++) {
    TValue *o = &n->k[i];
    if (ttisstring(o)) {
      const StringSet *set = iskeyconstant(o) ? &b->keys : &b->names;
      TString *ts = canonicalof(set, tsvalue(o));
      val_(o).gc = obj2gco(ts);
      settt_(o, ctb(ts->tt));
    }
  }
}


static void sharenames (Builder *b, Proto *n, const Proto *f) {
  int i;
  n->source = canonicalof(&b->names, f->source);
  if (b->source != NULL && n->source != NULL)
    n->source = b->source;
  for (i = 0; i < n->sizeupvalues; i++)
    n->upvalues[i].name = canonicalof(&b->names, n->upvalues[i].name);
  for (i = 0; i < n->sizelocvars; i++)
    n->locvars[i].varname = canonicalof(&b->names, n->locvars[i].varname);
}


/* copy a function and its inner functions to the block, in preorder */
static Proto *copyproto (Builder *b, const Proto *f) {
  int i;
  Proto *n = cast(Proto *, take(b, rounded(sizeof(Proto))));
  memset(n, 0, sizeof(Proto));
  n->tt = LUA_VPROTO;
  n->marked = SHAREDMARKS;
  n->flag = cast_byte(f->flag & ~(PF_FIXED | PF_THIN));
  luaI_copyheader(n, f);
  takevector(b, n, f, k, sizek);
  takevector(b, n, f, p, sizep);
  takevector(b, n, f, upvalues, sizeupvalues);
  takevector(b, n, f, locvars, sizelocvars);
  takevector(b, n, f, abslineinfo, sizeabslineinfo);
  takevector(b, n, f, code, sizecode);
  takevector(b, n, f, lineinfo, sizelineinfo);
  b->next = cast_charp(b->img->root) +
            rounded(cast_sizet(b->next - cast_charp(b->img->root)));
  n->gclist = cast(GCObject *, cast_voidp(b->img));
  shareconstants(b, n);
  sharenames(b, n, f);
  for (i = 0; i < n->sizep; i++)
    n->p[i] = copyproto(b, f->p[i]);
  return n;
}


/* strings given back under one lock; others may have it in between */
#define STRINGSATONCE	1024

void luaI_freeimage (lua_Image *img) {
  size_t i;
  luaI_lock();
  for (i = 0; i < img->numstrings; i++) {
    if ((i + 1) % STRINGSATONCE == 0) {
      luaI_unlock();
      luaI_lock();
    }
    luaI_dropstring(img->strings[i]);
  }
  luaI_unlock();
  for (i = 0; i < img->numcodes; i++)
    lua_releaseimage(img->codes[i]);
  free(img->codes);
  if (img->root != NULL) freeblock(img->root, img->size);
  if (img->models != NULL) freeblock(img->models, img->modelsize);
  free(img->strings);
  free(img->name);
  free(img);
}


lua_Image *luaI_newimage (size_t size, size_t maxstrings) {
  lua_Image *img = cast(lua_Image *, calloc(1, sizeof(lua_Image)));
  if (img == NULL) return NULL;
  atomic_init(&img->refs, 1);
  atomic_init(&img->users, 0);
  atomic_init(&img->retired, 0);
  img->size = size;
  img->strings = cast(TString **, malloc((maxstrings + 1)
                                         * sizeof(TString *)));
  img->root = cast(Proto *, newblock(size));
  if (img->root == NULL || img->strings == NULL) {
    luaI_freeimage(img);
    return NULL;
  }
  return img;
}


/* nobody writes to the block from now on */
void luaI_sealimage (lua_Image *img) {
  sealblock(img->root, img->size);
  if (img->models != NULL) sealblock(img->models, img->modelsize);
}


/* make models of constant tables (without memory for them, none) */
static void makemodels (lua_Image *img) {
  Runs runs;
  luaI_findruns(&runs, img->root);
  if (runs.n > 0) {
    char *block = cast_charp(newblock(runs.bytes));
    if (block != NULL) {
      img->models = cast(Model *, cast_voidp(block));
      img->modelsize = runs.bytes;
      img->numtables = luaI_fillmodels(&runs, img->root, block);
    }
  }
  free(runs.v);
}


/*
** Get all strings of an image in one publication: VMs born later see all
** of them, older ones check their own strings when they clone.
*/
static int publishstrings (Builder *b, const char *source) {
  lua_Image *img = b->img;
  int ok;
  luaI_lock();
  ok = shareset(b, &b->keys);
  img->numkeys = img->numstrings;
  ok = ok && shareset(b, &b->names);
  if (ok && source != NULL) {
    size_t l = strlen(source);
    b->source = luaI_canonical(source, l, luaS_hash(source, l, luaI_seed), 0);
    if (b->source != NULL) img->strings[img->numstrings++] = b->source;
    else ok = 0;
  }
  luaI_published();
  img->stamp = luaI_publications();
  luaI_unlock();
  return ok;
}


static lua_Image *makeimage (const Proto *f, const char *source,
                             const StringPair *known) {
  Builder b;
  lua_Image *img = NULL;
  memset(&b, 0, sizeof(Builder));
  if (known != NULL) b.known = *known;
  if (growset(&b.keys) && growset(&b.names) && collectstrings(&b, f)) {
    img = luaI_newimage(blocksize(f),
                        cast_sizet(b.keys.size) + b.names.size + 1);
    if (img != NULL) {
      b.img = img;
      b.next = cast_charp(img->root);
      if (publishstrings(&b, source)) {
        copyproto(&b, f);
        lua_assert(b.next == cast_charp(img->root) + img->size);
        makemodels(img);
        luaI_sealimage(img);
        countup(images, 1);
        countup(imagebytes, lua_imagesize(img));
      }
      else {
        luaI_freeimage(img);
        img = NULL;
      }
    }
  }
  free(b.keys.pairs);
  free(b.names.pairs);
  return img;
}


lua_Image *luaI_makeimage (const Proto *f, const StringPair *known) {
  return makeimage(f, NULL, known);
}


LUA_API lua_Image *lua_sharefunction (lua_State *L, int idx) {
  if (!lua_isfunction(L, idx) || lua_iscfunction(L, idx) ||
      lua_issharedfunction(L, idx))
    return NULL;
  else {
    const LClosure *cl = cast(const LClosure *, lua_topointer(L, idx));
    return makeimage(cl->p, NULL, NULL);
  }
}


LUA_API lua_Image *lua_renameimage (lua_Image *img, const char *chunkname) {
  return makeimage(img->root, chunkname, NULL);
}


LUA_API lua_Image *lua_retainimage (lua_Image *img) {
  atomic_fetch_add_explicit(&img->refs, 1, memory_order_relaxed);
  return img;
}


LUA_API void lua_releaseimage (lua_Image *img) {
  if (atomic_fetch_sub_explicit(&img->refs, 1, memory_order_acq_rel) == 1) {
    if (hastables(img)) {
      countdown(shares, 1);
      countdown(sharebytes, img->size);
      countup(freedshares, 1);
    }
    else {
      countdown(images, 1);
      countdown(imagebytes, lua_imagesize(img));
      countup(freedimages, 1);
    }
    luaI_freeimage(img);
  }
}


LUA_API size_t lua_imagesize (const lua_Image *img) {
  return img->size + img->modelsize;
}


LUA_API unsigned lua_imageusers (const lua_Image *img) {
  return atomic_load_explicit(&img->users, memory_order_relaxed);
}


LUA_API void lua_retireimage (lua_Image *img) {
  atomic_store_explicit(&img->retired, 1, memory_order_release);
}

/* }====================================================== */
