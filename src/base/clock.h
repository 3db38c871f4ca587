/* Time. Everything that a screen or a file shows takes it from here, so that tests can freeze it. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/* Seconds since an arbitrary start, for durations; never frozen. */
double clock_monotonic(void);
/* Seconds since 1970, or the value of QUANTWIZ_NOW where that is set. */
double clock_now(void);
/* "2026-11-21T15:04:05Z" */
char *clock_stamp(char out[static 32], double t);

#endif
