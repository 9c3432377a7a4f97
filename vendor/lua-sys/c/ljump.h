/*
** ljump.h
** How Lua unwinds: put before every source by the build script
** (Moonhive's addition to Lua)
*/

#ifndef ljump_h
#define ljump_h

/*
** Each resume sets a jump and each yield takes one. The compiler's own
** saves three words and lets the code around it do the rest, where the
** library's saves all registers and looks for cleanups of threads: 150
** instructions less for a resume and a yield. Sanitizers know only the
** library's.
*/
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/* the first five words of a 'jmp_buf' serve as the compiler's buffer */
#define luaI_jumpbuffer(c)	((void **)(void *)(c)->b)

#define LUAI_THROW(L,c)		__builtin_longjmp(luaI_jumpbuffer(c), 1)
#define LUAI_TRY(L,c,f,ud)  \
	if (__builtin_setjmp(luaI_jumpbuffer(c)) == 0) ((f)(L, ud))

#endif

#endif
