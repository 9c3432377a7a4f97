/*
** lscan.h
** Tokens read where they lie in the buffer of the input
** (Moonhive's addition to Lua)
*/

#ifndef lscan_h
#define lscan_h

#include <stddef.h>

#include "llex.h"
#include "lobject.h"


/* read the next token into 't' */
LUAI_FUNC void luaI_scan (LexState *ls, Token *t);

/* put the text of the last token into the scanner's own buffer, where
   error messages look for it */
LUAI_FUNC void luaI_tokentext (LexState *ls);

/* 'luaX_newstring', quicker for what the scanner's table has */
LUAI_FUNC TString *luaI_scanned (LexState *ls, const char *s, size_t l);

#endif
