#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void eng_random(void *out, size_t len)
{
    unsigned char *p = out;
    while (len) {
        ssize_t got = getrandom(p, len, 0);
        /* Only a kernel without the call fails here, and whatever came instead could be guessed. */
        if (got < 0 && errno != EINTR)
            abort();
        if (got > 0) {
            p += got;
            len -= (size_t)got;
        }
    }
}

void eng_random_id(char *out, size_t len)
{
    eng_random(out, len);
    for (size_t i = 0; i < len; i++)
        out[i] = "0123456789abcdefghijklmnopqrstuv"[out[i] & 31];
    out[len] = '\0';
}
