/*
** lshare.h
** Shared images of Lua functions: what a host calls
** (Moonhive's addition to Lua; see docs/shared-code.md)
*/

#ifndef lshare_h
#define lshare_h

#include <stddef.h>

#include "lua.h"


/*
** An image is the immutable form of one compiled chunk. It is counted
** by its owners (a cache, VMs) and freed with the last of them. Any
** thread may use an image; a 'lua_State' stays with one thread at a time.
*/
typedef struct lua_Image lua_Image;


/*
** Make an image of the Lua function at index 'idx'. The caller owns one
** reference to the result. NULL when there is no memory for it or the
** value is not a Lua function. Upvalues keep their descriptions, not
** their values. Meant for a scratch state that is closed afterwards.
*/
LUA_API lua_Image *lua_sharefunction (lua_State *L, int idx);

/*
** The same code under another chunk name ('@file', '=name' or text).
** The caller owns one reference. NULL when there is no memory.
*/
LUA_API lua_Image *lua_renameimage (lua_Image *img, const char *chunkname);

/*
** Push a closure over the image: new upvalues, '_ENV' set to the
** globals of 'L'. The VM takes a reference of its own and gives it back
** when a full collection meets no closure over the image, or when it
** closes. Raises a memory error like any other push.
*/
LUA_API void lua_clonefunction (lua_State *L, lua_Image *img);

/*
** Make an image of the table at index 'idx' and of all tables in it; it
** is called 'name' in messages. The caller owns one reference. NULL, and
** a message pushed, when something in it cannot be shared or there is no
** memory. The table stays as it is. With 'functions', Lua functions that
** refer to nothing but globals may be in it: they are values like others,
** and whoever calls one runs it with the globals of the calling VM.
*/
LUA_API lua_Image *lua_sharetable (lua_State *L, int idx, const char *name,
                                   int functions);

/* whether the value at index 'idx' is a function of a shared table */
LUA_API int lua_issharedfunction (lua_State *L, int idx);

/*
** Push the table of an image: one that reads as any other and refuses
** every write. The VM takes a reference of its own. Strings of which the
** VM has copies of its own are replaced by the shared ones, everywhere in
** the VM. The copies live on until 'lua_sharecensus'. Raises an error
** inside the reader of a chunk that is being compiled.
*/
LUA_API void lua_pushshared (lua_State *L, lua_Image *img);

/*
** Replace references to shared tables everywhere in the VM: in tables (as
** values, keys and metatables), on stacks, in upvalues and user values.
** The table at index 'idx' says what takes the place of which: another
** shared table, or nothing (false). References in that table itself stay.
** Returns how many were replaced. May raise a memory error.
*/
LUA_API size_t lua_replaceshared (lua_State *L, int idx);

/*
** Number of tables in an image of tables; in one of a chunk, of constant
** tables that its code copies instead of making them field by field.
*/
LUA_API size_t lua_imagetables (const lua_Image *img);

/* the image of a shared table at index 'idx' (not retained), or NULL */
LUA_API lua_Image *lua_toshared (lua_State *L, int idx);

/* take and give back a reference; any thread */
LUA_API lua_Image *lua_retainimage (lua_Image *img);
LUA_API void lua_releaseimage (lua_Image *img);

/* bytes of the image's blocks; VMs that hold a reference right now */
LUA_API size_t lua_imagesize (const lua_Image *img);
LUA_API unsigned lua_imageusers (const lua_Image *img);

/*
** Say that nothing new will be loaded from the image (any thread): from
** now on a VM that has tables of it looks after each full collection
** whether it still refers to one. And
** count the images of which that was said and to which a VM still holds
** on (the thread of that VM).
*/
LUA_API void lua_retireimage (lua_Image *img);
LUA_API int lua_usesretired (lua_State *L);


/* process-wide figures, read without a lock (each alone is exact) */
typedef struct lua_ShareStats {
  size_t images;        /* live images */
  size_t imagebytes;    /* bytes in their blocks */
  size_t strings;       /* canonical strings */
  size_t stringbytes;   /* bytes in them */
  size_t limbo;         /* strings that no image uses, not yet freed */
  size_t limbobytes;
  size_t freedimages;   /* since the process began */
  size_t freedstrings;
  size_t thinclones;    /* images of which some VM needed private prototypes */
  size_t shares;        /* live images of tables */
  size_t sharebytes;    /* bytes in their blocks */
  size_t freedshares;   /* since the process began */
  size_t replacements;  /* times that a VM gave up copies of its own */
} lua_ShareStats;

LUA_API void lua_sharestats (lua_ShareStats *out);

/*
** Tell which limbo strings this VM still uses, and free those that no
** VM does. Walks the VM's heap only when there is something new to ask
** (then O(heap)). Full collections do it by themselves; a host calls it
** for VMs that sleep. Returns true if it walked. The caller, and whoever
** called it, holds no pointer into a string of the VM: copies that shared
** strings have replaced are left to the collector.
*/
LUA_API int lua_sharecensus (lua_State *L);

/* true if a census of this VM is what the process waits for */
LUA_API int lua_wantscensus (lua_State *L);

/* false if neither the function above nor the one below has news */
LUA_API int lua_censusnews (lua_State *L);

/*
** Number of the epoch in which VMs of the process are still to do their
** census, or 0. Any thread: a host that sees a new one asks the VMs that
** sleep.
*/
LUA_API unsigned long long lua_censusepoch (void);


/*
** A host's own way to load files. 'luaL_loadfilex' (and so 'require',
** 'loadfile', 'dofile') asks it first; it returns a status like
** 'luaL_loadfilex' (with the function or the message pushed) or
** LUA_LOADPASS to let the stock code go on. What was set of the two below
** is removed.
*/
#define LUA_LOADPASS	(-1)

typedef int (*lua_FileLoader) (void *ud, lua_State *L,
                               const char *filename, const char *mode);

LUA_API void lua_setfileloader (lua_State *L, lua_FileLoader f, void *ud);

/*
** A quick look before that, for 'loadfile' with a name and nothing else:
** pushes the function of a file that the host has at hand and returns 1, or
** returns 0. The name ends with a zero and may hold others.
*/
typedef int (*lua_KnownLoader) (void *ud, lua_State *L, const char *filename,
                                size_t length, int compat54);

LUA_API void lua_setknownloader (lua_State *L, lua_KnownLoader f);

/*
** A host's own way to find the files of modules, with the 'ud' of the file
** loader. The searcher of 'require' asks it before the file system, with a
** NULL 'filename': it pushes the function of the file, which carries the
** file's name, and returns 1, or returns 0. What the searcher found and
** loaded is then told in 'filename'. 'path' is 'package.path'.
*/
typedef int (*lua_ModuleFinder) (void *ud, lua_State *L, const char *name,
                                 const char *path, const char *filename);

LUA_API void lua_setmodulefinder (lua_State *L, lua_ModuleFinder f);


/*
** Options of a VM.
** LUA_SHCOMPAT54: a chunk that assigns to a loop variable compiles with
**   the meaning it has in Lua 5.4 (default: off).
** LUA_SHALLCHUNKS: every chunk that 'lua_load' compiles becomes an image
**   first and is cloned from there (default: off).
** Returns the previous value.
*/
#define LUA_SHCOMPAT54	0
#define LUA_SHALLCHUNKS	1

LUA_API int lua_shareoption (lua_State *L, int option, int value);


/*
** Interruption. 'lua_interrupt' is for the thread that runs the VM: the
** host calls it between turns or from a signal handler on that thread
** (it is async-signal-safe; 'L' is any state of the VM). The running code
** gets an error at its next instruction or at the next poll of a library
** loop, also inside finalizers and '__close' methods.
** LUA_INTONCE: one error, then the VM goes on.
** LUA_INTKILL: every instruction raises until the host clears it.
*/
#define LUA_INTNONE	0
#define LUA_INTONCE	1
#define LUA_INTKILL	2

LUA_API void lua_interrupt (lua_State *L, int kind);
LUA_API int lua_interrupted (lua_State *L);	/* pending kind, not cleared */
LUA_API void lua_clearinterrupt (lua_State *L);

/*
** Asks the code that runs where it is: at its next instruction or poll the
** teller is called, in the state that runs, and the code goes on. As safe
** in signal handlers as 'lua_interrupt'. The teller may ask for debug
** information ('lua_getstack', 'lua_getinfo' of what it does not push) and
** must leave the stack alone. 'lua_clearinterrupt' takes the question back.
*/
typedef void (*lua_Teller) (lua_State *L);

LUA_API void lua_asktotell (lua_State *L);
LUA_API void lua_setteller (lua_State *L, lua_Teller f);

/*
** 'L' works for 'patron', a state of another VM in the same thread that
** stays open (NULL: for nobody). What is pending there is an error at the
** next poll in 'L', and stays pending.
*/
LUA_API void lua_interruptwith (lua_State *L, lua_State *patron);

/* the message of the error ("interrupted" if NULL); static storage */
LUA_API void lua_interruptmessage (lua_State *L, const char *msg);


#endif
