/* The input is a program of takes over itself: whatever it asks for, a span stays within its bytes. */
#include "base/span.h"

#include <stdlib.h>

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* Every byte of a view is read, so that a sanitizer sees one outside the input. */
static unsigned sum(eng_str view)
{
    unsigned total = 0;
    for (size_t i = 0; i < view.len; i++)
        total += (unsigned char)view.ptr[i];
    return total;
}

static unsigned take(eng_span *s, unsigned op)
{
    switch (op % 9) {
    case 0:
        return eng_span_u8(s);
    case 1:
        return eng_span_u16(s);
    case 2:
        return eng_span_u32(s) != 0;
    case 3:
        return eng_span_u64(s) != 0;
    case 4:
        return eng_span_f64(s) > 0;
    case 5:
        return sum(eng_span_bytes(s, eng_span_u16(s)));
    case 6:
        return sum(eng_span_until(s, (unsigned char)op));
    case 7:
        return eng_span_varint(s) != 0;
    default: {
        eng_span part = eng_span_part(s, eng_span_u8(s));
        check(part.failed == s->failed);
        return sum(eng_span_bytes(&part, eng_span_left(&part)));
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_span program = eng_span_of(data, size), s = program;
    unsigned seen = 0;
    while (eng_span_left(&program) > 0) {
        size_t from = s.pos;
        bool failed = s.failed;
        seen += take(&s, eng_span_u8(&program));
        check(s.pos <= s.len && s.pos >= from);
        check(!failed || (s.failed && s.pos == from)); /* a failure sticks where it happened */
        check((eng_span_check(&s, "record", NULL) == ENG_OK) == !s.failed);
    }
    check(size > 0 || seen == 0);
    return 0;
}
