/* The fast part of eng_utf8_valid, for processors that can look up sixteen bytes at once. */
#ifndef ENG_BASE_UTF8_BLOCKS_H
#define ENG_BASE_UTF8_BLOCKS_H

#include <stddef.h>

/* How many of the first bytes are known to be whole, valid characters; at least nearly all of them
 * where the text is valid, and 0 where this processor has no fast way. */
size_t eng_utf8_blocks(const unsigned char *p, size_t len);

#endif
