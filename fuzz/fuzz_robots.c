/* A robots.txt and a path (the first line) as strangers may write them: judged, and the same each time. */
#include "net/net.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_str path, text, all = {(const char *)data, size};
    eng_str_cut(all, '\n', &path, &text);
    bool allowed = eng_robots_allow(text, ENG_STR("engenho"), path);
    if (allowed != eng_robots_allow(text, ENG_STR("ENGENHO"), path))
        abort();
    if (!eng_robots_allow(ENG_STR(""), ENG_STR("engenho"), path))
        abort();
    return 0;
}
