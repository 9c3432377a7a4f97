/*
** lsharethin.c
** Private prototypes over the code of an image
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#define lsharethin_c
#define LUA_CORE

#include "lprefix.h"

#include <string.h>

#include "lua.h"

#include "lgc.h"
#include "lmem.h"
#include "lobject.h"
#include "lshareimg.h"
#include "lsharestr.h"
#include "lstate.h"
#include "lstring.h"


/*
** A VM that had its own copy of a short string before an image brought
** the shared one must not meet both: equality is by address. So the
** functions that use such a constant, and those around them, get private
** prototypes with the VM's copy among their constants.
*/

/* the VM's own copy of a short string, or NULL */
static TString *owncopy (global_State *g, TString *shared) {
  stringtable *tb = &g->strt;
  TString *ts = tb->hash[lmod(shared->hash, tb->size)];
  for (; ts != NULL; ts = ts->u.hnext) {
    if (ts->hash == shared->hash && ts->shrlen == shared->shrlen &&
        memcmp(getshrstr(ts), getshrstr(shared),
               cast_sizet(shared->shrlen)) == 0) {
      if (isdead(g, ts)) changewhite(ts);  /* resurrect it */
      return ts;
    }
  }
  return NULL;
}


#define youngerthan(g,s)	(ts2shared(s)->stamp > (g)->sharing.born)


/* does the VM have its own copy of some key of the image? */
static int hasconflict (global_State *g, lua_Image *img) {
  size_t i;
  if (img->stamp <= g->sharing.born)
    return 0;  /* the VM found all these strings when it was born */
  for (i = 0; i < img->numkeys; i++) {
    TString *ts = img->strings[i];
    if (youngerthan(g, ts) && owncopy(g, ts) != NULL)
      return 1;
  }
  return 0;
}


static int usesowncopy (global_State *g, const Proto *f) {
  int i;
  for (i = 0; i < f->sizek; i++) {
    const TValue *o = &f->k[i];
    if (iskeyconstant(o) && youngerthan(g, tsvalue(o)) &&
        owncopy(g, tsvalue(o)) != NULL)
      return 1;
  }
  return 0;
}


static int needsthin (global_State *g, const Proto *f) {
  int i;
  if (usesowncopy(g, f)) return 1;
  for (i = 0; i < f->sizep; i++) {
    if (needsthin(g, f->p[i])) return 1;
  }
  return 0;
}


static Proto *newthin (lua_State *L, lua_Image *img, const Proto *f) {
  GCObject *o = luaC_newobj(L, LUA_VPROTO, sizeof(ThinProto));
  Proto *n = gco2p(o);
  n->flag = cast_byte(f->flag | PF_THIN);
  luaI_copyheader(n, f);
  n->code = f->code;
  n->sizecode = f->sizecode;
  n->lineinfo = f->lineinfo;
  n->sizelineinfo = f->sizelineinfo;
  n->abslineinfo = f->abslineinfo;
  n->sizeabslineinfo = f->sizeabslineinfo;
  n->upvalues = f->upvalues;
  n->sizeupvalues = f->sizeupvalues;
  n->locvars = f->locvars;
  n->sizelocvars = f->sizelocvars;
  n->source = f->source;
  n->k = NULL;
  n->p = NULL;
  n->sizek = n->sizep = 0;
  thin2image(n) = img;
  return n;
}


/* constants of a private prototype: the image's or the VM's own */
static void thinconstants (lua_State *L, Proto *n, const Proto *f) {
  global_State *g = G(L);
  int i;
  n->k = luaM_newvector(L, f->sizek, TValue);
  n->sizek = f->sizek;
  for (i = 0; i < f->sizek; i++) {
    TValue *o = &n->k[i];
    setobj(L, o, &f->k[i]);
    if (iskeyconstant(o) && youngerthan(g, tsvalue(o))) {
      TString *ts = owncopy(g, tsvalue(o));
      if (ts != NULL) {
        setsvalue2n(L, o, ts);
        luaC_objbarrier(L, n, ts);
      }
    }
  }
}


/* fill a private prototype that is already anchored */
static void fillthin (lua_State *L, Proto *n, const Proto *f) {
  int i;
  if (f->sizek > 0)
    thinconstants(L, n, f);
  if (f->sizep == 0) return;
  n->p = luaM_newvector(L, f->sizep, Proto *);
  n->sizep = f->sizep;
  for (i = 0; i < f->sizep; i++)
    n->p[i] = f->p[i];
  for (i = 0; i < f->sizep; i++) {
    if (needsthin(G(L), f->p[i])) {
      n->p[i] = newthin(L, thin2image(n), f->p[i]);
      luaC_objbarrier(L, n, n->p[i]);
      fillthin(L, n->p[i], f->p[i]);
    }
  }
}


/*
** Private prototype for the main function of an image, anchored in a
** closure, or NULL if this VM can run the image as it is. (An emergency
** collection on the way may remove copies of the VM; a private prototype
** is then more than needed, but right.)
*/
Proto *luaI_thinroot (lua_State *L, LClosure *anchor, lua_Image *img) {
  Proto *n;
  if (l_likely(!hasconflict(G(L), img)))
    return NULL;
  n = newthin(L, img, img->root);
  anchor->p = n;
  luaC_objbarrier(L, anchor, n);
  fillthin(L, n, img->root);
  countup(thinclones, 1);
  return n;
}


size_t luaI_thinsize (const Proto *p) {
  return sizeof(ThinProto) + vectorsize(p, k, sizek)
                           + vectorsize(p, p, sizep);
}


void luaI_freethin (lua_State *L, Proto *f) {
  luaM_freearray(L, f->p, cast_sizet(f->sizep));
  luaM_freearray(L, f->k, cast_sizet(f->sizek));
  luaM_freemem(L, f, sizeof(ThinProto));
}
