/*
** lsharefn.h
** Functions in shared tables: what lshare*.c know of them
** (Moonhive's addition to Lua; see docs/shared-tables.md)
*/

#ifndef lsharefn_h
#define lsharefn_h

#include "lobject.h"
#include "lshareimg.h"
#include "lsharemap.h"


/*
** A function in a shared table: a prototype of an image of code, of which
** each VM makes a closure of its own when it calls the function.
*/
typedef struct SharedFunction {
  CommonHeader;
  Proto *p;	/* shared */
  lua_Image *img;	/* of the table; it owns a reference to the code's */
} SharedFunction;

#define gc2function(o)	cast(SharedFunction *, cast_voidp(o))
#define function2image(o)	(gc2function(o)->img)


/* a function found in a tree of tables */
typedef struct FoundFunction {
  Proto *p;  /* shared */
  SharedFunction *to;  /* NULL until there is a block */
} FoundFunction;


/* longest reason why a function cannot be shared */
#define WHYSIZE		80

/* the functions of a tree, and the images that their code belongs to */
typedef struct FunctionSet {
  FoundFunction *v;
  AddressMap map;  /* places in 'v' */
  size_t size;
  lua_Image **codes;  /* one reference each */
  AddressMap codemap;  /* places in 'codes' */
  size_t sizecodes;
  StringPair source;  /* of the last function imaged; an image here has it */
  char why[WHYSIZE];
} FunctionSet;

LUAI_FUNC int luaI_initfunctions (FunctionSet *s);
LUAI_FUNC void luaI_freefunctions (FunctionSet *s);

/*
** Add a function. False if it cannot be shared ('why' says so) or there
** is no memory ('why' is empty).
*/
LUAI_FUNC int luaI_addfunction (lua_State *L, FunctionSet *s,
                                const TValue *o);

/* bytes of the functions in a block */
#define functionbytes(s)	((s)->map.used * sizeof(SharedFunction))

/* make them, in an image that owns their code from now on */
LUAI_FUNC void luaI_placefunctions (FunctionSet *s, lua_Image *img,
                                    void *block);

/* the function that has been made of one */
#define placedfunction(s,o)	((s)->v[placeof(&(s)->map, gcvalue(o))].to)

#endif
