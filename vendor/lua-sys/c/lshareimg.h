/*
** lshareimg.h
** Images: what lshare*.c know of them
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#ifndef lshareimg_h
#define lshareimg_h

#include <stdatomic.h>

#include "lobject.h"
#include "lstate.h"


/*
** Image of a chunk, or of a tree of tables. The handle is separate from
** the block with the prototypes or tables, so that the block can be
** mapped read-only. Only the atomic fields change after publication.
*/
struct lua_Image {
  atomic_uint refs;	/* owners: caches and VMs */
  atomic_uint users;	/* VMs */
  atomic_int retired;	/* nobody is given it any more */
  char *name;	/* of published tables; NULL for a chunk */
  Proto *root;	/* start of the block (see 'img2table') */
  size_t size;	/* of the block */
  struct Model *models;	/* of constant tables (see lmodel.h), or NULL */
  size_t modelsize;	/* of the block that holds them */
  size_t numtables;	/* in the block, or in the models */
  unsigned long long stamp;	/* number of its publication */
  size_t numstrings;
  size_t numkeys;	/* the first ones are short strings used as constants */
  TString **strings;	/* one reference each */
  lua_Image **codes;	/* of functions in the tables; one reference each */
  size_t numcodes;
};

/* images of tables */
#define hastables(img)	((img)->name != NULL)
#define img2table(img)	cast(Table *, cast_voidp((img)->root))

/* bytes of a vector of a prototype */
#define vectorsize(f,v,n)	(cast_sizet((f)->n) * sizeof(*(f)->v))

/* a constant that may be a key: a VM must know one address of it only */
#define iskeyconstant(o)	ttisshrstring(o)

/* image of a shared prototype (a field that only the collector uses) */
#define proto2image(p)	cast(lua_Image *, cast_voidp((p)->gclist))


/*
** Private prototype over the code of an image, for a VM that has a copy
** of its own of some constant. It is an ordinary object of the VM; its
** code, line information, upvalue descriptions and names belong to the
** image.
*/
typedef struct ThinProto {
  Proto p;	/* must be first */
  lua_Image *img;
} ThinProto;

#define isthin(p)	((p)->flag & PF_THIN)
#define thin2image(f)	(cast(ThinProto *, cast_voidp(f))->img)

/* image of a prototype, or NULL */
#define imageof(p)  \
	(isshared(p) ? proto2image(p) : isthin(p) ? thin2image(p) : NULL)


/*
** An image that has still to be filled, with room for 'maxstrings'
** strings; NULL when there is no memory.
*/
LUAI_FUNC lua_Image *luaI_newimage (size_t size, size_t maxstrings);
LUAI_FUNC void luaI_sealimage (lua_Image *img);
LUAI_FUNC void luaI_freeimage (lua_Image *img);

/* a string of a VM and its canonical copy */
typedef struct StringPair {
  TString *from;
  TString *to;
} StringPair;

/*
** An image of a function; NULL when there is no memory. 'known' is one of
** its strings whose canonical copy somebody holds already (to find that of
** a long source takes time in proportion to its length), or NULL.
*/
LUAI_FUNC lua_Image *luaI_makeimage (const Proto *f, const StringPair *known);

/*
** Push a closure over a shared prototype of which the VM knows only the
** canonical strings. (No room is asked for: one extra slot is there.)
*/
LUAI_FUNC LClosure *luaI_newclosure (lua_State *L, Proto *p);

LUAI_FUNC void luaI_copyheader (Proto *n, const Proto *f);

LUAI_FUNC Proto *luaI_thinroot (lua_State *L, LClosure *anchor,
                                lua_Image *img);

#endif
