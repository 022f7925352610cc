/* The phrase itself. */
#include "rag/answer_internal.h"

enum { B_KIND, B_COUNT };
const char *const eng_brief_names[] = {"kind"};
const size_t eng_brief_count = B_COUNT;

size_t eng_briefs_of(const search_state *s, brief *out, size_t max)
{
    (void)s;
    (void)out;
    (void)max;
    return 0;
}
