/*
** lshareaux.c
** Options of a VM: how it compiles, loads files, and is interrupted
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#define lshareaux_c
#define LUA_CORE

#include "lprefix.h"

#include <string.h>

#include "lua.h"

#include "lapi.h"
#include "ldebug.h"
#include "ldo.h"
#include "lgc.h"
#include "lobject.h"
#include "lopcodes.h"
#include "lshareobj.h"
#include "lstate.h"
#include "lstring.h"
#include "lzio.h"

#include "lauxlib.h"


/*
** {======================================================
** Compilation
** =======================================================
*/

/* text that a reader has given so far */
typedef struct Saved {
  lua_State *L;
  ZIO *z;  /* original stream */
  Mbuffer buff;
  int replay;  /* give the saved text first */
  int left;  /* values that the reader has left on the stack */
} Saved;


/*
** A second attempt begins with an empty stack. The reader finds as many
** values there as it has left, since 'load' pops one to push another: it
** would pop what keeps the chunk alive.
*/
static void pushleft (lua_State *L, int n) {
  CallInfo *ci = L->ci;
  luaD_checkstack(L, n + LUA_MINSTACK);
  if (ci->top.p < L->top.p + n + LUA_MINSTACK)
    ci->top.p = L->top.p + n + LUA_MINSTACK;
  while (n-- > 0) setnilvalue(s2v(L->top.p++));
}


/* next piece of the original stream, or NULL at its end */
static const char *readpiece (ZIO *z, size_t *size) {
  lua_State *L = z->L;
  const char *s;
  lua_unlock(L);
  s = z->reader(L, z->data, size);
  lua_lock(L);
  return s;
}


static void savepiece (Saved *sv, const char *s, size_t size) {
  Mbuffer *b = &sv->buff;
  if (size > b->buffsize - b->n) {
    size_t newsize = b->buffsize;
    if (l_unlikely(size >= MAX_SIZE / 2 - newsize))
      luaM_toobig(sv->L);
    newsize = (newsize + size) / 2 * 3 + 1;
    luaZ_resizebuffer(sv->L, b, newsize);
  }
  memcpy(b->buffer + b->n, s, size);
  b->n += size;
}


/* read, and save, one more piece of the original stream */
static const char *readsaving (Saved *sv, size_t *size) {
  const char *s = readpiece(sv->z, size);
  if (s != NULL && *size > 0)
    savepiece(sv, s, *size);
  return s;
}


/*
** Reader that saves what it reads, or gives it again. (The core calls
** readers without its lock.)
*/
static const char *savingreader (lua_State *L, void *ud, size_t *size) {
  Saved *sv = cast(Saved *, ud);
  const char *s;
  lua_lock(L);
  if (!sv->replay) {
    ptrdiff_t top = savestack(L, L->top.p);
    s = readsaving(sv, size);
    sv->left += cast_int(L->top.p - restorestack(L, top));
  }
  else {
    sv->replay = 0;
    pushleft(L, sv->left);
    s = luaZ_buffer(&sv->buff);
    *size = luaZ_bufflen(&sv->buff);
  }
  lua_unlock(L);
  return s;
}


static void initsaved (Saved *sv, lua_State *L, ZIO *z) {
  sv->L = L;
  sv->z = z;
  sv->replay = sv->left = 0;
  luaZ_initbuffer(L, &sv->buff);
  luaZ_resetbuffer(&sv->buff);
}


/*
** One attempt at a chunk. 'copies' tells whether loops get a copy of
** their control variable. The option is saved, since a reader may run
** Lua code that compiles other chunks.
*/
static TStatus attempt (lua_State *L, ZIO *z, const char *name,
                        const char *mode, lu_byte copies) {
  SharingVM *vm = &G(L)->sharing;
  lu_byte old = vm->loopcopy;
  TStatus status;
  vm->loopcopy = copies;
  vm->constassign = 0;
  status = luaD_protectedparser(L, z, name, mode);
  vm->loopcopy = old;
  return status;
}


/*
** Compile with 5.5's rules; when that stops at an assignment to a
** constant, which a loop variable is in 5.5, compile the same text again
** with a copy of each loop variable. (A real constant fails again, with
** the same message.)
*/
static TStatus compat54load (lua_State *L, ZIO *z, const char *name,
                             const char *mode) {
  Saved sv;
  ZIO z2;
  TStatus status;
  ptrdiff_t oldtop = savestack(L, L->top.p);
  initsaved(&sv, L, z);
  luaZ_init(L, &z2, savingreader, &sv);
  status = attempt(L, &z2, name, mode, 0);
  if (status == LUA_ERRSYNTAX && G(L)->sharing.constassign) {
    L->top.p = restorestack(L, oldtop);  /* remove error message */
    sv.replay = 1;
    luaZ_init(L, &z2, savingreader, &sv);
    status = attempt(L, &z2, name, mode, 1);
  }
  luaZ_freebuffer(L, &sv.buff);
  return status;
}


/* (neither attempt raises an error) */
static TStatus plainload (lua_State *L, ZIO *z, const char *name,
                          const char *mode) {
  SharingVM *vm = &G(L)->sharing;
  TStatus status;
  vm->compiling++;
  if (vm->compat54)
    status = compat54load(L, z, name, mode);
  else
    status = attempt(L, z, name, mode, 0);
  vm->compiling--;
  return status;
}


static void readall (lua_State *L, void *ud) {
  Saved *sv = cast(Saved *, ud);
  size_t size;
  const char *s;
  (void)L;
  do {
    s = readsaving(sv, &size);
  } while (s != NULL && size > 0);
}


struct CloneArg {
  lua_Image *img;
  const char *msg;
  size_t len;
};

static void f_clone (lua_State *L, void *ud) {
  luaI_clone(L, cast(struct CloneArg *, ud)->img);
}

static void f_message (lua_State *L, void *ud) {
  struct CloneArg *a = cast(struct CloneArg *, ud);
  setsvalue2s(L, L->top.p, luaS_newlstr(L, a->msg, a->len));
  api_incr_top(L);
}


/*
** Compile the saved text in a state of its own, and clone the image of
** the result.
*/
static TStatus loadshared (lua_State *L, Saved *sv, const char *name,
                           const char *mode) {
  global_State *g = G(L);
  struct CloneArg a;
  TStatus status;
  ptrdiff_t oldtop = savestack(L, L->top.p);
  lua_State *S = lua_newstate(g->frealloc, g->ud, g->seed);
  if (S == NULL) return LUA_ERRMEM;
  lua_shareoption(S, LUA_SHCOMPAT54, g->sharing.compat54);
  status = cast(TStatus, luaL_loadbufferx(S, luaZ_buffer(&sv->buff),
                                luaZ_bufflen(&sv->buff), name, mode));
  if (status == LUA_OK) {
    a.img = lua_sharefunction(S, -1);
    lua_close(S);
    if (a.img == NULL) return LUA_ERRMEM;
    status = luaD_pcall(L, f_clone, &a, oldtop, 0);
    lua_releaseimage(a.img);
  }
  else {
    TStatus res;
    a.msg = lua_tolstring(S, -1, &a.len);
    res = luaD_pcall(L, f_message, &a, oldtop, 0);
    if (res != LUA_OK) status = res;
    lua_close(S);
  }
  return status;
}


/*
** Turn the chunk into an image first. The text is read as a whole before
** the state that compiles it exists, so that an error of the reader
** leaves nothing behind.
*/
static TStatus shareload (lua_State *L, ZIO *z, const char *name,
                          const char *mode) {
  Saved sv;
  TStatus status;
  ptrdiff_t oldtop = savestack(L, L->top.p);
  initsaved(&sv, L, z);
  incnny(L);  /* reader cannot yield */
  status = luaD_pcall(L, readall, &sv, oldtop, L->errfunc);
  decnny(L);
  if (status == LUA_OK) {
    L->top.p = restorestack(L, oldtop);  /* remove what the reader left */
    status = loadshared(L, &sv, name, mode);
    if (status == LUA_ERRMEM) {
      L->top.p = restorestack(L, oldtop);
      luaD_seterrorobj(L, status, L->top.p);
    }
  }
  luaZ_freebuffer(L, &sv.buff);
  return status;
}


/* what 'lua_load' calls */
TStatus luaI_load (lua_State *L, ZIO *z, const char *name,
                   const char *mode) {
  if (G(L)->sharing.shareall)
    return shareload(L, z, name, mode);
  else
    return plainload(L, z, name, mode);
}


void *luaI_random (lua_State *L, size_t size, unsigned long long *seed) {
  static atomic_ullong seeded;
  SharingVM *vm = &G(L)->sharing;
  lua_assert(size <= sizeof(vm->random));
  UNUSED(size);
  *seed = 0;
  if (l_unlikely(!vm->seeded)) {
    vm->seeded = 1;
    *seed = 1 + atomic_fetch_add_explicit(&seeded, 1, memory_order_relaxed);
  }
  return vm->random;
}


LUA_API int lua_shareoption (lua_State *L, int option, int value) {
  SharingVM *vm = &G(L)->sharing;
  lu_byte *field = (option == LUA_SHCOMPAT54) ? &vm->compat54
                                              : &vm->shareall;
  int old = *field;
  *field = (value != 0);
  return old;
}

/* }====================================================== */


/*
** {======================================================
** Files
** =======================================================
*/

LUA_API void lua_setfileloader (lua_State *L, lua_FileLoader f, void *ud) {
  SharingVM *vm = &G(L)->sharing;
  vm->loader = f;
  vm->loaderud = ud;
  vm->knownloader = NULL;  /* others' functions know nothing of this 'ud' */
  vm->finder = NULL;
}


int luaI_loadfile (lua_State *L, const char *filename, const char *mode) {
  SharingVM *vm = &G(L)->sharing;
  return (vm->loader == NULL) ? LUA_LOADPASS
                              : vm->loader(vm->loaderud, L, filename, mode);
}


LUA_API void lua_setknownloader (lua_State *L, lua_KnownLoader f) {
  G(L)->sharing.knownloader = f;
}


int luaI_loadknown (lua_State *L) {
  SharingVM *vm = &G(L)->sharing;
  const TValue *o = s2v(L->ci->func.p + 1);
  if (L->top.p != L->ci->func.p + 2 || !ttisstring(o) ||
      vm->knownloader == NULL)
    return 0;
  else {
    size_t length;
    const char *name = getlstr(tsvalue(o), length);
    return vm->knownloader(vm->loaderud, L, name, length, vm->compat54);
  }
}


LUA_API void lua_setmodulefinder (lua_State *L, lua_ModuleFinder f) {
  G(L)->sharing.finder = f;
}


/*
** Both run in the searcher, which has the table 'package' as its upvalue.
** The first leaves the path, where the second finds it: it may be another
** one when the file has been loaded.
*/
#define SEARCHEDPATH	2

/*
** Push the name of the file that the function on top comes from. (The
** function keeps it: pushing may collect garbage, and finalizers may load
** code and clear caches.)
*/
static void pushfilename (lua_State *L) {
  const TString *source = clLvalue(s2v(L->top.p - 1))->p->source;
  lua_assert(source != NULL && *getstr(source) == '@');
  lua_pushlstring(L, getstr(source) + 1, tsslen(source) - 1);
}


int luaI_findmodule (lua_State *L, const char *name) {
  SharingVM *vm = &G(L)->sharing;
  if (vm->finder == NULL) return 0;
  lua_settop(L, SEARCHEDPATH - 1);
  if (lua_getfield(L, lua_upvalueindex(1), "path") != LUA_TSTRING ||
      !vm->finder(vm->loaderud, L, name, lua_tostring(L, -1), NULL))
    return 0;
  pushfilename(L);
  return 1;
}


int luaI_loadmodule (lua_State *L, const char *name, const char *filename) {
  SharingVM *vm = &G(L)->sharing;
  if (luaL_loadfilex(L, filename, "bt") != LUA_OK) return 0;
  if (vm->finder != NULL && lua_type(L, SEARCHEDPATH) == LUA_TSTRING)
    vm->finder(vm->loaderud, L, name, lua_tostring(L, SEARCHEDPATH), filename);
  return 1;
}

/* }====================================================== */


/*
** {======================================================
** Interruption
** =======================================================
** 'interrupt' holds the pending kinds, a bit each. It changes only on the
** thread that runs the VM, but also in signal handlers there: hence the
** atomic operations, which keep 'luaI_pending' exact. Instructions notice
** it by 'trap', the mechanism of debug hooks: frames that exist get it
** here, new ones by a bit in 'hookmask', coroutines when they are resumed.
*/

#define KINDS	(LUA_INTONCE | LUA_INTKILL)
#define TELL	4

atomic_int luaI_pending;


/* make the code of a thread stop at its next instruction */
void luaI_trap (lua_State *L) {
  CallInfo *ci;
  L->hookmask |= MASKINTERRUPT;
  for (ci = L->ci; ci != NULL; ci = ci->previous) {
    if (isLua(ci))
      ci->u.l.trap = 1;
  }
}


static void ask (lua_State *L, int kind) {
  SharingVM *vm = &G(L)->sharing;
  if (atomic_fetch_or(&vm->interrupt, kind) == LUA_INTNONE)
    atomic_fetch_add(&luaI_pending, 1);
  luaI_trap(L);
  if (vm->running != L)
    luaI_trap(vm->running);
}


/* true if there was something of these kinds */
static int forget (lua_State *L, int kinds) {
  int old;
  if ((luaI_asked(L) & kinds) == 0)
    return 0;  /* most often: spares a locked instruction */
  old = atomic_fetch_and(&G(L)->sharing.interrupt, ~kinds);
  if ((old & kinds) != 0 && (old & ~kinds) == 0)
    atomic_fetch_sub(&luaI_pending, 1);
  return (old & kinds) != 0;
}


LUA_API void lua_interrupt (lua_State *L, int kind) {
  ask(L, kind);
}


LUA_API int lua_interrupted (lua_State *L) {
  int kinds = luaI_asked(L) & KINDS;
  return (kinds & LUA_INTKILL) ? LUA_INTKILL : kinds;
}


LUA_API void lua_clearinterrupt (lua_State *L) {
  forget(L, KINDS | TELL);
}


LUA_API void lua_asktotell (lua_State *L) {
  ask(L, TELL);
}


LUA_API void lua_setteller (lua_State *L, lua_Teller f) {
  G(L)->sharing.teller = f;
}


/* the host is told where code is, if it has asked */
static void tell (lua_State *L) {
  lua_Teller f = G(L)->sharing.teller;
  if (forget(L, TELL) && f != NULL)
    f(L);
}


LUA_API void lua_interruptwith (lua_State *L, lua_State *patron) {
  G(L)->sharing.patron = patron;
}


LUA_API void lua_interruptmessage (lua_State *L, const char *msg) {
  G(L)->sharing.intmessage = msg;
}


static l_noret intererror (lua_State *L, const char *msg) {
  luaG_runerror(L, "%s", (msg != NULL) ? msg : "interrupted");
}


static l_noret raiseinterrupt (lua_State *L) {
  if (lua_interrupted(L) == LUA_INTONCE)
    forget(L, KINDS);
  intererror(L, G(L)->sharing.intmessage);
}


/* a loop inside the core has seen that some VM is to be interrupted */
void luaI_polledcore (lua_State *L) {
  lua_State *patron = G(L)->sharing.patron;
  tell(L);
  if (lua_interrupted(L) != LUA_INTNONE)
    raiseinterrupt(L);
  else if (patron != NULL && lua_interrupted(patron) != LUA_INTNONE)
    intererror(L, G(patron)->sharing.intmessage);  /* stays pending there */
}


/* a library loop has seen that some VM is to be interrupted */
void luaI_polled (lua_State *L) {
  lua_lock(L);
  luaI_polledcore(L);
  lua_unlock(L);
}


/*
** Called before an instruction of a trapped function. 'pc' points to
** that instruction.
*/
void luaI_interruptexec (lua_State *L, const Instruction *pc) {
  CallInfo *ci = L->ci;
  if (luaI_asked(L) == LUA_INTNONE) {
    L->hookmask &= ~MASKINTERRUPT;
    return;
  }
  ci->u.l.savedpc = pc + 1;
  tell(L);
  if (lua_interrupted(L) != LUA_INTNONE) {
    if (!luaP_isIT(*pc))  /* top not being used? */
      L->top.p = ci->top.p;  /* correct top */
    raiseinterrupt(L);
  }
}

/* }====================================================== */
