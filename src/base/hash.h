/* SipHash-1-3, keyed: for hash maps whose keys strangers choose. */
#ifndef ENG_BASE_HASH_H
#define ENG_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t eng_siphash(const void *data, size_t len, const uint64_t key[2]);

/* With a key drawn once for this process: the same bytes hash alike until it ends. */
uint64_t eng_hash(const void *data, size_t len);

#endif
