/*
** share_stress.c
** Threads that compile, share, clone, run, collect and close at random,
** publish tables, take, read and retire them,
** over a vocabulary small enough that VMs often have their own copies of
** what an image brings, and large enough that strings die. Every answer
** is checked: a string made at run time must equal, and find, the same
** string among the constants of an image and in a shared table.
** usage: share_stress SEED THREADS ROUNDS
*/

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua.h"
#include "lauxlib.h"
#include "lualib.h"
#include "lshare.h"

#define SLOTS	12	/* images that the "cache" holds */
#define VMS	4	/* VMs of one thread */
#define WORDS	40	/* words alive at a time */
#define PARTS	6	/* words of one image */


typedef struct Random { unsigned long long s; } Random;

static unsigned next (Random *r, unsigned n) {
  r->s = r->s * 6364136223846793005ULL + 1442695040888963407ULL;
  return (unsigned)(r->s >> 33) % n;
}


static pthread_mutex_t cachelock = PTHREAD_MUTEX_INITIALIZER;
static lua_Image *cache[SLOTS];
static lua_Image *tables[SLOTS];	/* published (same lock) */
static unsigned published;	/* moves the vocabulary on (same lock) */


static const char program[] =
  "local held, funcs = {}, {}\n"
  "local T = {}\n"
  "local function rebuilt(s)\n"
  "  local t = {}\n"
  "  for i = 1, #s do t[i] = s:sub(i, i) end\n"
  "  return table.concat(t)\n"
  "end\n"
  "function T.own(w) held[w % 17] = 'w_' .. w end\n"
  "function T.use(f, w)\n"
  "  local words, is, inner = f()\n"
  "  funcs[w % 11] = { is, inner }\n"
  "  for i, s in ipairs(words) do\n"
  "    local mine = rebuilt(s)\n"
  "    assert(mine == s, 'equality')\n"
  "    assert(words[words.index[mine]] == mine, 'key')\n"
  "    assert(is[i](mine), 'constant of an inner function')\n"
  "    assert(inner()(i, mine), 'constant of a function inside another')\n"
  "    held[w % 17 + i] = s\n"
  "  end\n"
  "end\n"
  "function T.check()\n"
  "  for _, s in pairs(held) do assert(rebuilt(s) == s, 'held') end\n"
  "  for _, pair in pairs(funcs) do pair[2]()(1, 'x') end\n"
  "end\n"
  "function T.build(w)\n"
  "  local t = { words = {}, index = {}, inner = { { w } } }\n"
  "  for i = 1, 6 do\n"
  "    local s = 'w_' .. w + i * i\n"
  "    t.words[i], t.index[s] = s, i\n"
  "  end\n"
  "  t.self = t\n"
  "  t.find = load('local t, s = ... return t.index[s], W, w_' .. w)\n"
  "  return t\n"
  "end\n"
  "local finds = {}\n"
  "W = tostring(T)\n"
  "local function verify(t)\n"
  "  assert(#t.words == 6 and t.self == t and t.inner[1][1])\n"
  "  for i, s in ipairs(t.words) do\n"
  "    local mine = rebuilt(s)\n"
  "    assert(mine == s and t.index[mine] == i and t.index[s] == i)\n"
  "    assert(({ [mine] = 1 })[s] == 1, 'a table as key')\n"
  "  end\n"
  "  for s, i in pairs(t.index) do assert(rebuilt(s) == t.words[i]) end\n"
  "  local i, mine, name = t.find(t, rebuilt(t.words[3]))\n"
  "  assert(i == 3 and mine == W and name == nil)\n"
  "  local kept = finds[#t.words[1]] or t.find\n"
  "  assert(kept(t, t.words[2]) == 2)\n"
  "  finds[#t.words[1]] = t.find\n"
  "end\n"
  "local tabs, weak = {}, setmetatable({}, { __mode = 'kv' })\n"
  "function T.read(t, w)\n"
  "  verify(t)\n"
  "  assert(not pcall(rawset, t, 'x', w) and not pcall(table.sort,\n"
  "    t.words, function() return true end))\n"
  "  held[w % 17] = t.words[w % 6 + 1]\n"
  "  tabs[w % 7] = t\n"
  "  tabs[-1] = setmetatable({}, t.inner[1])\n"
  "  weak[w % 13], weak[t.inner[1]] = t, t.index\n"
  "end\n"
  "function T.verify()\n"
  "  for _, t in pairs(tabs) do if t.self then verify(t) end end\n"
  "  for i = 0, 12 do if weak[i] then verify(weak[i]) end end\n"
  "end\n"
  "function T.drop(w)\n"
  "  held[w % 17], funcs[w % 11], tabs[w % 7] = nil, nil, nil\n"
  "end\n"
  "function T.clear() held, funcs, tabs = {}, {}, {} end\n"
  "function T.thread(f)\n"
  "  local co = coroutine.wrap(function() local a, b = f();\n"
  "    coroutine.yield(a[1]); return b[1](rebuilt(a[1])) end)\n"
  "  local s = co(); collectgarbage(); assert(rebuilt(s) == s)\n"
  "  assert(co() == true)\n"
  "end\n"
  "return T\n";


static void fail (const char *what, lua_State *L) {
  fprintf(stderr, "share_stress: %s: %s\n", what,
          L ? luaL_tolstring(L, -1, NULL) : "");
  abort();
}


static lua_State *newvm (Random *r) {
  lua_State *L = luaL_newstate();
  if (L == NULL) fail("no memory", NULL);
  luaL_openlibs(L);
  if (next(r, 2)) lua_gc(L, LUA_GCGEN);
  if (luaL_dostring(L, program)) fail("program", L);
  lua_setglobal(L, "T");
  return L;
}


/* text of a chunk with some words of the vocabulary in every position */
static void writechunk (Random *r, char *buff, size_t size, unsigned base) {
  char *p = buff;
  unsigned w[PARTS], i;
  for (i = 0; i < PARTS; i++) w[i] = base + next(r, WORDS);
  p += snprintf(p, size, "local words, is = { index = {} }, {}\n");
  for (i = 0; i < PARTS; i++) {
    p += snprintf(p, size - (size_t)(p - buff),
      "words[%u] = 'w_%u' words.index['w_%u'] = %u\n"
      "is[%u] = function (s) local t = { w_%u = 1 };"
      " return s == 'w_%u' and t[s] == 1 end\n",
      i + 1, w[i], w[i], i + 1, i + 1, w[i], w[i]);
  }
  p += snprintf(p, size - (size_t)(p - buff),
    "local function inner () return function (i, s)\n"
    "  return ({ 'w_%u', 'w_%u', 'w_%u', 'w_%u', 'w_%u', 'w_%u' })[i] == s"
    " end end\n"
    "for i, s in ipairs(words) do words.index[s] = i end\n"
    "local long = 'a long string that is the same in every image %s'\n"
    "return words, is, inner, long\n",
    w[0], w[1], w[2], w[3], w[4], w[5], "............................");
}


/* first word of the vocabulary, which 'steps' publications move on */
static unsigned firstword (unsigned steps) {
  unsigned base;
  pthread_mutex_lock(&cachelock);
  base = (published += steps) / 3;
  pthread_mutex_unlock(&cachelock);
  return base;
}


static lua_Image *compile (Random *r) {
  char text[4096];
  lua_Image *img;
  lua_State *S = luaL_newstate();
  writechunk(r, text, sizeof(text), firstword(1));
  if (S == NULL || luaL_loadbufferx(S, text, strlen(text), "=chunk", "t"))
    fail("compile", S);
  img = lua_sharefunction(S, -1);
  lua_close(S);
  if (img == NULL) fail("share", NULL);
  return img;
}


static void replaceslot (unsigned slot, lua_Image *img) {
  lua_Image *old;
  pthread_mutex_lock(&cachelock);
  old = cache[slot];
  cache[slot] = img;
  pthread_mutex_unlock(&cachelock);
  if (old) lua_releaseimage(old);
}


static lua_Image *takeslot (unsigned slot) {
  lua_Image *img;
  pthread_mutex_lock(&cachelock);
  img = cache[slot] ? lua_retainimage(cache[slot]) : NULL;
  pthread_mutex_unlock(&cachelock);
  return img;
}


static void replacetable (unsigned slot, lua_Image *img) {
  lua_Image *old;
  pthread_mutex_lock(&cachelock);
  old = tables[slot];
  tables[slot] = img;
  pthread_mutex_unlock(&cachelock);
  if (old) {
    lua_retireimage(old);
    lua_releaseimage(old);
  }
}


/* make a table of the current vocabulary in a VM, and publish it */
static void publish (lua_State *L, unsigned slot) {
  lua_Image *img;
  lua_getglobal(L, "T");
  lua_getfield(L, -1, "build");
  lua_pushinteger(L, (lua_Integer)firstword(1));
  if (lua_pcall(L, 1, 1, 0)) fail("build", L);
  img = lua_sharetable(L, -1, "table", 1);
  if (img == NULL) fail("share", L);
  lua_settop(L, 0);
  replacetable(slot, img);
}


/* take a published table and read it */
static void readtable (lua_State *L, unsigned slot, unsigned arg) {
  lua_Image *img;
  pthread_mutex_lock(&cachelock);
  img = tables[slot] ? lua_retainimage(tables[slot]) : NULL;
  pthread_mutex_unlock(&cachelock);
  if (img == NULL) return;
  lua_getglobal(L, "T");
  lua_getfield(L, -1, "read");
  lua_pushshared(L, img);
  lua_releaseimage(img);
  lua_pushinteger(L, (lua_Integer)arg);
  if (lua_pcall(L, 2, 0, 0)) fail("read", L);
  lua_settop(L, 0);
}


static void callT (lua_State *L, const char *name, lua_Image *img,
                   unsigned arg) {
  int n = 1;
  lua_getglobal(L, "T");
  lua_getfield(L, -1, name);
  if (img) {
    lua_clonefunction(L, img);
    lua_releaseimage(img);
    n++;
  }
  lua_pushinteger(L, (lua_Integer)arg);
  if (lua_pcall(L, n, 0, 0)) fail(name, L);
  lua_settop(L, 0);
}


static void step (Random *r, lua_State **vm) {
  lua_State *L = *vm;
  lua_Image *img;
  switch (next(r, 22)) {
    case 0: case 1: replaceslot(next(r, SLOTS), compile(r)); break;
    case 2: replaceslot(next(r, SLOTS), NULL); break;
    case 3: {
      if ((img = takeslot(next(r, SLOTS))) != NULL) {
        lua_Image *renamed = lua_renameimage(img, "@other.lua");
        if (renamed == NULL) fail("rename", NULL);
        lua_releaseimage(img);
        callT(L, "use", renamed, next(r, 100));
      }
      break;
    }
    case 4: callT(L, "own", NULL, firstword(0) + next(r, WORDS)); break;
    case 5: callT(L, "check", NULL, 0); break;
    case 6: callT(L, "drop", NULL, next(r, 100)); break;
    case 7: lua_gc(L, LUA_GCCOLLECT); break;
    case 8: lua_gc(L, LUA_GCSTEP, (size_t)next(r, 4000)); break;
    case 9: lua_gc(L, next(r, 2) ? LUA_GCGEN : LUA_GCINC); break;
    case 10: lua_sharecensus(L); break;
    case 11: if (next(r, 4) == 0) callT(L, "clear", NULL, 0); break;
    case 12:
      if (next(r, 6) == 0) {
        lua_close(L);
        *vm = newvm(r);
      }
      break;
    case 13:
      if ((img = takeslot(next(r, SLOTS))) != NULL)
        callT(L, "thread", img, 0);
      break;
    case 14: publish(L, next(r, SLOTS)); break;
    case 15: replacetable(next(r, SLOTS), NULL); break;
    case 16: callT(L, "verify", NULL, 0); break;
    case 17: case 18: case 19:
      readtable(L, next(r, SLOTS), next(r, 1000));
      break;
    default:
      if ((img = takeslot(next(r, SLOTS))) != NULL)
        callT(L, "use", img, next(r, 100));
      break;
  }
}


typedef struct Job { unsigned long long seed; long rounds; } Job;

static void *work (void *arg) {
  Job *job = (Job *)arg;
  Random r = { job->seed };
  lua_State *vms[VMS];
  long i;
  int v;
  for (v = 0; v < VMS; v++) vms[v] = newvm(&r);
  for (i = 0; i < job->rounds; i++) step(&r, &vms[next(&r, VMS)]);
  for (v = 0; v < VMS; v++) lua_close(vms[v]);
  return NULL;
}


/* with all VMs gone, everything but the standard names must go too */
static void checkempty (size_t strings) {
  lua_ShareStats st;
  lua_State *L;
  int i;
  for (i = 0; i < SLOTS; i++) {
    replaceslot((unsigned)i, NULL);
    replacetable((unsigned)i, NULL);
  }
  L = luaL_newstate();
  for (i = 0; i < 3; i++) lua_sharecensus(L);
  lua_close(L);
  lua_sharestats(&st);
  printf("images %zu, strings %zu (%zu at first), limbo %zu, "
         "freed %zu images, %zu strings, private %zu; tables %zu, "
         "freed %zu, replacements %zu\n", st.images,
         st.strings, strings, st.limbo, st.freedimages, st.freedstrings,
         st.thinclones, st.shares, st.freedshares, st.replacements);
  if (st.images != 0 || st.shares != 0 || st.limbo != 0 || st.strings != strings)
    fail("something is left", NULL);
}


int main (int argc, char **argv) {
  unsigned long long seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
  int n = argc > 2 ? atoi(argv[2]) : 4;
  long rounds = argc > 3 ? atol(argv[3]) : 20000;
  pthread_t threads[64];
  Job jobs[64];
  lua_ShareStats st;
  int i;
  if (n < 1 || n > 64) n = 4;
  printf("seed %llu, %d threads, %ld rounds each\n", seed, n, rounds);
  lua_close(luaL_newstate());
  lua_sharestats(&st);
  for (i = 0; i < n; i++) {
    jobs[i].seed = seed * 1000003 + (unsigned)i;
    jobs[i].rounds = rounds;
    pthread_create(&threads[i], NULL, work, &jobs[i]);
  }
  for (i = 0; i < n; i++) pthread_join(threads[i], NULL);
  checkempty(st.strings);
  printf("OK\n");
  return 0;
}
