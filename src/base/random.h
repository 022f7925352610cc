/* Random bytes fit for secrets, from the kernel. */
#ifndef ENG_BASE_RANDOM_H
#define ENG_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Never fails: where the kernel gives none, the process cannot go on. */
void eng_random(void *out, size_t len);

/* len characters of 0-9 a-v (5 bits each) and a NUL; ids that fit into a path. */
void eng_random_id(char *out, size_t len);

#endif
