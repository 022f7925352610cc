/* Two clocks: one that only grows, for durations; one of the calendar, for people, may step. */
#ifndef ENG_BASE_CLOCK_H
#define ENG_BASE_CLOCK_H

#include "engenho.h"

/* Nanoseconds of a clock that never goes back. */
uint64_t eng_clock_ns(void);
/* Milliseconds since 1970 in UTC. */
int64_t eng_clock_wall_ms(void);

/* "2026-11-24T14:03:07.250Z": 24 characters and a NUL. */
#define ENG_TIME_SIZE 25
/* Years 0 to 9999; what lies beyond becomes the first or the last instant of them. */
void eng_time_format(int64_t wall_ms, char out[ENG_TIME_SIZE]);
/* RFC 3339 with any offset and any number of decimals; false for what is none, dates that do not
 * exist included. Decimals beyond milliseconds are dropped; a leap second (23:59:60 in UTC) is the
 * second after it. */
bool eng_time_parse(eng_str text, int64_t *wall_ms);

#endif
