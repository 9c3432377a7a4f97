/*
** lhash.h
** Hash of strings, and whether two are the same
** (Moonhive's addition to Lua)
*/

#ifndef lhash_h
#define lhash_h

#include <string.h>

#include "llimits.h"
#include "luaconf.h"


/*
** Eight bytes at a time and a product of 128 bits for each sixteen, where
** Lua takes a step of four operations for each byte, each of which waits
** for the one before. Only for this process: it depends on the order of
** bytes of the machine. Both factors depend on the seed: with a known one,
** whoever makes it zero would choose the hash.
*/

/* bits of the square roots of 3 and 5: no pattern of their own */
#define HASHFIRST	0xBB67AE8584CAA73Bull
#define HASHSECOND	0x3C6EF372FE94F82Bull


l_sinline unsigned long long hashmix (unsigned long long a,
                                      unsigned long long b) {
#if defined(__SIZEOF_INT128__)
  __extension__ typedef unsigned __int128 Product;
  Product r = (Product)a * b;
  return (unsigned long long)r ^ (unsigned long long)(r >> 64);
#else
  unsigned long long r = (a ^ (b >> 29)) * (b | 1);
  r ^= r >> 32;
  return r * HASHFIRST;
#endif
}


/* one factor from the bytes 'a', one from 'b' */
#define hashstep(h,a,b)  \
	hashmix((a) ^ (h), (b) ^ ((h) << 32 | (h) >> 32))


l_sinline unsigned long long hashword (const char *s) {
  unsigned long long w;
  memcpy(&w, s, sizeof(w));
  return w;
}


l_sinline unsigned long long hashhalf (const char *s) {
  l_uint32 w;
  memcpy(&w, s, sizeof(w));
  return w;
}


l_sinline unsigned luaI_hashbytes (const char *s, size_t l, unsigned seed) {
  unsigned long long a, b;
  unsigned long long h = (seed + HASHFIRST) * HASHSECOND + l;
  for (; l > 16; s += 16, l -= 16)
    h = hashstep(h, hashword(s), hashword(s + 8));
  if (l >= 8) {  /* the last sixteen bytes or fewer, from both ends */
    a = hashword(s);
    b = hashword(s + l - 8);
  }
  else if (l >= 4) {
    a = hashhalf(s);
    b = hashhalf(s + l - 4);
  }
  else if (l > 0) {
    a = cast_byte(s[0]) | (unsigned)cast_byte(s[l - 1]) << 8;
    b = cast_byte(s[l / 2]);
  }
  else a = b = 0;
  h = hashstep(h, a, b);
  return cast_uint(h ^ (h >> 32));
}


/*
** Are so many bytes the same? Names are short: words that overlap need
** no call.
*/
l_sinline int luaI_samebytes (const char *a, const char *b, size_t l) {
  if (l >= 8) {
    unsigned long long wa, wb;
    for (; l > 8; a += 8, b += 8, l -= 8) {
      memcpy(&wa, a, 8);
      memcpy(&wb, b, 8);
      if (wa != wb) return 0;
    }
    memcpy(&wa, a + l - 8, 8);
    memcpy(&wb, b + l - 8, 8);
    return wa == wb;
  }
  else if (l >= 4) {
    unsigned wa, wb;
    memcpy(&wa, a, 4);
    memcpy(&wb, b, 4);
    if (wa != wb) return 0;
    memcpy(&wa, a + l - 4, 4);
    memcpy(&wb, b + l - 4, 4);
    return wa == wb;
  }
  else return l == 0 ||
    (a[0] == b[0] && a[l / 2] == b[l / 2] && a[l - 1] == b[l - 1]);
}

#endif
