/*
** lscan.c
** Tokens read where they lie in the buffer of the input
** (Moonhive's addition to Lua)
*/

#define lscan_c
#define LUA_CORE

#include "lprefix.h"

#include <float.h>
#include <limits.h>
#include <string.h>

#include "lua.h"

#include "lctype.h"
#include "lhash.h"
#include "llex.h"
#include "llimits.h"
#include "lobject.h"
#include "lscan.h"
#include "lstate.h"
#include "lstring.h"
#include "ltable.h"
#include "lzio.h"


/*
** Lua's scanner fetches each byte from the input, copies it to a buffer of
** its own and makes a string of that. Most tokens lie in one piece in the
** buffer of the input. Those are read here without being copied, and names
** and short strings are looked for among those that the chunk has had so
** far. Invariants:
**
** - Nothing counts until a whole token, blank or comment has been read
**   and the byte after it, which becomes the current one, lies in the same
**   buffer. So the input never asks its reader for more here, and what
**   does not fit is left to 'llex' untouched.
** - While 'ls->text' is not NULL, the last token lies between it and the
**   current byte. ('llex' and the reader are called after a new 'quickly'.)
** - The work is linear: what is read here in vain, 'llex' reads at once.
*/

#define byteat(p)	cast_uchar(*(p))

#define isnewline(c)	((c) == '\n' || (c) == '\r')


/* make the byte at 'p', which lies before 'end', the current one */
l_sinline void moveto (LexState *ls, const char *p, const char *end) {
  lua_assert(p < end);
  ls->current = byteat(p);
  ls->z->p = p + 1;
  ls->z->n = cast_sizet(end - p) - 1;
}


/*
** {======================================================
** Strings
** =======================================================
*/

l_sinline int isstring (const TString *ts, const char *s, size_t l,
                        unsigned hash) {
  return ts->hash == hash && ts->shrlen == cast(ls_byte, l) &&
         luaI_samebytes(rawgetshrstr(ts), s, l);
}


/*
** The short string with these bytes in the scanner's table, or NULL.
*/
l_sinline TString *known (LexState *ls, const char *s, size_t l,
                          unsigned hash) {
  const Table *h = ls->h;
  const Node *n = gnode(h, lmod(hash, sizenode(h)));
  for (;;) {
    int next;
    if (keyisshrstr(n)) {
      TString *ts = keystrval(n);
      if (isstring(ts, s, l, hash)) return ts;
    }
    next = gnext(n);
    if (next == 0) return NULL;
    n += next;
  }
}


l_sinline TString *stringof (LexState *ls, const char *s, size_t l) {
  if (l_likely(l <= LUAI_MAXSHORTLEN)) {
    unsigned hash = luaI_hashbytes(s, l, G(ls->L)->seed);
    TString *ts = known(ls, s, l, hash);
    if (l_likely(ts != NULL)) return ts;
  }
  return luaX_newstring(ls, s, l);
}


/*
** The string of a word. Those that are reserved live as long as the state,
** so the scanner's table can do without them: they are found in an array
** where only one of each hash has a place.
*/
l_sinline TString *stringofword (LexState *ls, const char *s, size_t l) {
  TString *ts, **slot;
  unsigned hash;
  if (l_unlikely(l > LUAI_MAXSHORTLEN)) return luaX_newstring(ls, s, l);
  hash = luaI_hashbytes(s, l, G(ls->L)->seed);
  slot = &ls->words[hash % SCANWORDS];
  if (*slot != NULL && isstring(*slot, s, l, hash)) return *slot;
  ts = known(ls, s, l, hash);
  if (ts != NULL) return ts;
  ts = luaS_newlstr(ls->L, s, l);
  if (!isreserved(ts)) return luaX_newstring(ls, s, l);
  *slot = ts;
  return ts;
}


TString *luaI_scanned (LexState *ls, const char *s, size_t l) {
  return stringof(ls, s, l);
}


/*
** What 'llex' has in its buffer after a token: its bytes, but a long
** string without the newline that it begins with.
*/
void luaI_tokentext (LexState *ls) {
  const char *s = ls->text;
  Mbuffer *b = ls->buff;
  size_t l, opening = 0;
  if (s == NULL) return;  /* it is there, or 'llex' would not keep it */
  ls->text = NULL;
  l = cast_sizet(ls->z->p - 1 - s);
  if (luaZ_sizebuffer(b) < l)
    luaZ_resizebuffer(ls->L, b, l);
  if (*s == '[') {
    do opening++; while (s[opening] != '[');
    opening++;
    memcpy(luaZ_buffer(b), s, opening);
    s += opening + (s[opening] == '\n');
    l = cast_sizet(ls->z->p - 1 - s);
  }
  memcpy(luaZ_buffer(b) + opening, s, l);
  b->n = opening + l;
}

/* }====================================================== */


/*
** {======================================================
** Parts of the input. Each function gets where one begins and returns
** what comes behind it, or NULL for what it does not know.
** =======================================================
*/

/* one of \n, \r, \n\r, or \r\n */
static const char *newline (LexState *ls, const char *p, const char *end) {
  const char *q = p + 1;
  if (l_unlikely(ls->linenumber >= INT_MAX - 2)) return NULL;
  if (isnewline(*q) && *q != *p) q++;
  if (q == end) return NULL;
  ls->linenumber++;
  return q;
}


#define ONES		(~0ull / 0xFF)
#define HIGHS		(ONES << 7)

/* a high bit for each byte of 'w' that is 'c', and perhaps above such */
#define bytesequal(w,c)  \
	((((w) ^ ONES * (c)) - ONES) & ~((w) ^ ONES * (c)) & HIGHS)


/* rest of a line, eight bytes at a time */
static const char *restofline (const char *p, const char *end) {
  while (end - p >= 8) {
    unsigned long long w = hashword(p);
    if (bytesequal(w, '\n') | bytesequal(w, '\r')) break;
    p += 8;
  }
  while (p < end && !isnewline(*p)) p++;
  return (p < end) ? p : NULL;
}


/*
** [=*[ ... ]=*] without a carriage return, which would need a copy; its
** lines are counted. Sets the place of its content.
*/
static const char *longbracket (LexState *ls, const char *p,
                                const char *end, const char **content,
                                size_t *size) {
  const char *q = p + 1;
  ptrdiff_t level;
  size_t lines = 0;
  while (q < end && *q == '=') q++;
  level = q - p - 1;
  if (q == end || *q != '[') return NULL;
  q++;
  if (q < end && *q == '\n') { lines++; q++; }
  *content = q;
  for (; q < end; q++) {
    if (*q == ']') {
      const char *close = q + 1;
      while (close < end && *close == '=') close++;
      if (close == end) return NULL;
      if (*close == ']' && close - q - 1 == level) {
        if (close + 1 == end) return NULL;
        if (lines >= cast_sizet(INT_MAX - 2 - ls->linenumber)) return NULL;
        *size = cast_sizet(q - *content);
        ls->linenumber += cast_int(lines);
        return close + 1;
      }
      q = close - 1;  /* a bracket may begin there */
    }
    else if (*q == '\n') lines++;
    else if (*q == '\r') return NULL;
  }
  return NULL;
}


/* after the two dashes */
static const char *comment (LexState *ls, const char *p, const char *end) {
  if (p < end && *p == '[') {
    const char *content;
    size_t size;
    if (p + 1 < end && (p[1] == '[' || p[1] == '='))  /* may be a long one */
      return longbracket(ls, p, end, &content, &size);
  }
  return restofline(p, end);
}


/* string in quotes without escape sequences */
static const char *quoted (const char *p, const char *end) {
  const char quote = *p;
  while (++p < end) {
    int c = byteat(p);
    if (lislalnum(c)) continue;
    if (c == quote) return p + 1;
    if (c == '\\' || isnewline(c)) return NULL;
  }
  return NULL;
}


/*
** Decimal numerals with so few digits that they fit an integer. A float
** is a quotient of two numbers that are exact, so it is rounded once, as
** the library would do it.
*/
#define MAXDIGITS	18

#if LUA_FLOAT_TYPE == LUA_FLOAT_DOUBLE && FLT_EVAL_METHOD == 0
#define MAXEXACT	(1ull << DBL_MANT_DIG)
#else
#define MAXEXACT	0  /* leave all to the library */
#endif

_Static_assert(sizeof(lua_Integer) >= 8, "integers have MAXDIGITS digits");

static const lua_Number powers[MAXDIGITS + 1] = {
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
  1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18
};


l_sinline const char *digits (const char *p, const char *end,
                              lua_Unsigned *v) {
  for (; p < end; p++) {
    unsigned digit = cast_uint(byteat(p)) - '0';
    if (digit > 9) break;
    *v = *v * 10 + digit;
  }
  return p;
}


static const char *numeral (const char *p, const char *end,
                            SemInfo *seminfo, int *token) {
  lua_Unsigned v = 0;
  const char *point = digits(p, end, &v);
  if (point == end || point - p > MAXDIGITS) return NULL;
  if (*point != '.') {
    if (lislalnum(byteat(point))) return NULL;
    seminfo->i = l_castU2S(v);
    *token = TK_INT;
    return point;
  }
  else {
    const char *last = digits(point + 1, end, &v);
    if (last == end || *last == '.' || lislalnum(byteat(last)) ||
        last - p > MAXDIGITS || v > MAXEXACT)
      return NULL;
    seminfo->r = cast_num(v) / powers[last - point - 1];
    *token = TK_FLT;
    return last;
  }
}

/* }====================================================== */


/*
** {======================================================
** Tokens: each function makes what comes behind one the current byte and
** returns it; or it makes the first byte of it that and returns 0.
** =======================================================
*/

/* leaves the rest to 'llex' */
static int leave (LexState *ls, const char *p, const char *end) {
  moveto(ls, p, end);
  return 0;
}


/* a token whose text 'llex' does not keep, of 'n' bytes */
l_sinline int symbol (LexState *ls, const char *p, const char *end, int n,
                      int token) {
  if (l_unlikely(end - p <= n)) return leave(ls, p, end);
  moveto(ls, p + n, end);
  return token;
}


/* as one with two bytes if the second is 'c', else with one */
#define either(ls,p,end,c,t2,t)  \
	((p)[1] == (c) ? symbol(ls, p, end, 2, t2) : symbol(ls, p, end, 1, t))


/* all that begins with a dot but numerals; 'llex' keeps the first one */
static int dots (LexState *ls, const char *p, const char *end) {
  if (l_unlikely(end - p < 4)) return leave(ls, p, end);
  luaZ_buffer(ls->buff)[0] = '.';
  ls->buff->n = 1;
  if (p[1] != '.') return symbol(ls, p, end, 1, '.');
  if (p[2] != '.') return symbol(ls, p, end, 2, TK_CONCAT);
  return symbol(ls, p, end, 3, TK_DOTS);
}


static int punctuation (LexState *ls, const char *p, const char *end) {
  switch (*p) {
    case '=': return either(ls, p, end, '=', TK_EQ, '=');
    case '~': return either(ls, p, end, '=', TK_NE, '~');
    case '/': return either(ls, p, end, '/', TK_IDIV, '/');
    case ':': return either(ls, p, end, ':', TK_DBCOLON, ':');
    case '<': {
      if (p[1] == '<') return symbol(ls, p, end, 2, TK_SHL);
      return either(ls, p, end, '=', TK_LE, '<');
    }
    case '>': {
      if (p[1] == '>') return symbol(ls, p, end, 2, TK_SHR);
      return either(ls, p, end, '=', TK_GE, '>');
    }
    case '.': return dots(ls, p, end);
    case '[': {  /* 'llex' keeps it */
      luaZ_buffer(ls->buff)[0] = '[';
      ls->buff->n = 1;
      return symbol(ls, p, end, 1, '[');
    }
    case '-': {
      if (p[1] != '-') return symbol(ls, p, end, 1, '-');
    }  /* FALLTHROUGH */
    case ' ': case '\f': case '\t': case '\v': case '\n': case '\r':
      return leave(ls, p, end);  /* what was not skipped */
    case '\0':
      return leave(ls, p, end);  /* as a token it says just that */
    default: return symbol(ls, p, end, 1, byteat(p));
  }
}


/* a token with a text, which begins at 'p' and ends before 'q' */
l_sinline void settext (LexState *ls, const char *p, const char *q,
                        const char *end) {
  moveto(ls, q, end);
  ls->text = p;
}

#define iswhole(q,end)	l_likely((q) != NULL && (q) != (end))


static int word (LexState *ls, const char *p, const char *end,
                 SemInfo *seminfo) {
  TString *ts;
  const char *q = p + 1;
  while (q < end && lislalnum(byteat(q))) q++;
  if (l_unlikely(q == end)) return leave(ls, p, end);
  settext(ls, p, q, end);
  ts = stringofword(ls, p, cast_sizet(q - p));
  if (isreserved(ts))
    return ts->extra - 1 + FIRST_RESERVED;
  seminfo->ts = ts;
  return TK_NAME;
}


static int string (LexState *ls, const char *p, const char *end,
                   SemInfo *seminfo) {
  const char *content = p + 1;
  const char *q;
  size_t size;
  if (*p == '[')
    q = longbracket(ls, p, end, &content, &size);
  else {
    q = quoted(p, end);
    size = (q != NULL) ? cast_sizet(q - p) - 2 : 0;
  }
  if (!iswhole(q, end)) return leave(ls, p, end);
  settext(ls, p, q, end);
  seminfo->ts = stringof(ls, content, size);
  return TK_STRING;
}


static int number (LexState *ls, const char *p, const char *end,
                   SemInfo *seminfo) {
  int token;
  const char *q = numeral(p, end, seminfo, &token);
  if (!iswhole(q, end)) return leave(ls, p, end);
  settext(ls, p, q, end);
  return token;
}


/*
** Skip blanks and comments, as long as each has something behind it.
*/
static const char *skip (LexState *ls, const char *p, const char *end) {
  while (end - p >= 2) {
    const char *q;
    switch (*p) {
      case ' ': case '\f': case '\t': case '\v': {
        q = p + 1;
        while (q < end && *q == ' ') q++;
        if (l_unlikely(q == end)) q--;  /* 'llex' skips the last one */
        break;
      }
      case '\n': case '\r': {
        q = newline(ls, p, end);
        break;
      }
      case '-': {
        q = (p[1] == '-') ? comment(ls, p + 2, end) : NULL;
        break;
      }
      default: return p;
    }
    if (q == NULL || q == end) break;
    p = q;
  }
  return p;
}


/*
** The next token, or 0 where it is left to 'llex': the buffer ends too early
** or the token is of a rare kind. Blanks and comments before it may have
** been skipped, nothing else.
*/
l_sinline int quickly (LexState *ls, SemInfo *seminfo) {
  const char *p, *end;
  int c = ls->current;
  luaZ_resetbuffer(ls->buff);
  ls->text = NULL;
  if (l_unlikely(c == EOZ)) return 0;
  p = ls->z->p - 1;
  end = p + ls->z->n + 1;
  lua_assert(byteat(p) == c);
  if (c <= ' ' || c == '-') {
    if (c == ' ' && end - p >= 2 && lislalnum(byteat(p + 1)))
      p++;  /* the most frequent case */
    else
      p = skip(ls, p, end);
    c = byteat(p);
  }
  if (l_unlikely(end - p < 2)) return leave(ls, p, end);
  if (lislalpha(c))
    return word(ls, p, end, seminfo);
  else if (lisdigit(c) || (c == '.' && lisdigit(byteat(p + 1))))
    return number(ls, p, end, seminfo);
  else if (c == '"' || c == '\'' ||
           (c == '[' && (p[1] == '[' || p[1] == '=')))
    return string(ls, p, end, seminfo);
  else
    return punctuation(ls, p, end);
}


void luaI_scan (LexState *ls, Token *t) {
  int token = quickly(ls, &t->seminfo);
  if (l_unlikely(token == 0))
    token = luaX_token(ls, &t->seminfo);
  t->token = token;
}

/* }====================================================== */
