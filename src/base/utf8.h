/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
#ifndef ENG_BASE_UTF8_H
#define ENG_BASE_UTF8_H

#include "engenho.h"

/* Bytes up to the first that is wrong: text.len when all is well. */
size_t eng_utf8_valid(eng_str text);

/* Characters (code points) of text that is valid. */
size_t eng_utf8_count(eng_str text);

/* The longest prefix of at most max bytes that does not cut a character. */
eng_str eng_utf8_cut(eng_str text, size_t max);

/* The character at *at, which moves on; 0xFFFD and one byte further where there is none. */
uint32_t eng_utf8_next(eng_str text, size_t *at);

/* Writes 1..4 bytes; 0 where c is no character. */
size_t eng_utf8_put(uint32_t c, char out[4]);

#endif
