/*
** driver.h
** Included first in every file of the official suite's interpreter: makes
** its seeds repeatable
*/

#ifndef driver_h
#define driver_h

unsigned puc_seed (void);

#define luai_makeseed()		puc_seed()

#endif
