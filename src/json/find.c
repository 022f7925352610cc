/*
 * One value of a text, by its path, without a tree.
 *
 * The walk checks all of the text; beside that it knows how far the path has come. The containers
 * along the path are the outermost ones that are open, because a path is found once: `along` of them.
 * `found` segments of the path have been met. While the innermost open container is one along the
 * path and its segment was not met yet, keys and positions are compared; where it was met, a second
 * key of that name is an error, and no other element can match.
 *
 *     {"a": [10, {"b": 1}]}     path /a/1/b: along 3, found 3 at the 1
 */
#include "json/json_internal.h"

#include "base/error.h"

typedef struct {
    const char *end;
    const char *text_end;                      /* behind `end` where the text is not UTF-8 */
    uint64_t objects[ENG_JSON_DEPTH_MAX / 64]; /* a bit for each open container */
    size_t depth;
    size_t depth_most;

    eng_str path;
    size_t segments;
    size_t along;
    size_t found;
    bool here;       /* the value that comes next is that of segment `found` - 1 */
    size_t index;    /* of the element that comes next, in the innermost container along the path */
    eng_str segment; /* the one that this container's keys are compared with, as it is written */

    const char *raw; /* where the value begins; NULL: not there yet */
    size_t raw_depth;
    size_t raw_len;

    eng_json_fault fault;
    eng_str repeated;
} walker;

/* ---- The path ---- */

/* The n-th segment, from 0, still with ~0 and ~1 in it. */
static eng_str path_segment(eng_str path, size_t n)
{
    eng_str head = {"", 0}, rest = eng_str_sub(path, 1, path.len);
    for (size_t i = 0; i <= n; i++)
        eng_str_cut(rest, '/', &head, &rest);
    return head;
}

static eng_status check_path(eng_str path, size_t *segments, eng_error *err)
{
    *segments = 0;
    if (path.len && path.ptr[0] != '/')
        return eng_fail(err, ENG_EUSAGE, "the path '%.*s' does not begin with '/'", ENG_FMT(path));
    for (size_t i = 0; i < path.len; i++) {
        char next = i + 1 < path.len ? path.ptr[i + 1] : '\0';
        if (path.ptr[i] == '~' && next != '0' && next != '1')
            return eng_fail(err, ENG_EUSAGE, "the path '%.*s' has a '~' without 0 or 1 behind it",
                            ENG_FMT(path));
        *segments += path.ptr[i] == '/';
    }
    return ENG_OK;
}

/* The next character of a segment, decoded. */
static char segment_char(eng_str segment, size_t *at)
{
    char c = segment.ptr[(*at)++];
    if (c != '~')
        return c;
    return segment.ptr[(*at)++] == '0' ? '~' : '/';
}

/* Whether the key between p and end, as it stands in the text, is this segment. */
static bool is_segment(eng_str segment, const char *p, const char *end)
{
    size_t at = 0;
    while (p < end) {
        char text[4] = {*p};
        const char *next = p + 1;
        size_t len = 1;
        if (*p == '\\') {
            eng_json_fault none;
            next = eng_json_escape_end(p, end, &none);
            len = (size_t)(eng_json_unescape(p, next, text) - text);
        }
        for (size_t i = 0; i < len; i++) {
            if (at == segment.len || segment_char(segment, &at) != text[i])
                return false;
        }
        p = next;
    }
    return at == segment.len;
}

/* "0", "1", "2" ..., without zeros in front. */
static bool is_index(eng_str segment, size_t index)
{
    uint64_t v;
    bool plain = segment.len && (segment.ptr[0] != '0' || segment.len == 1);
    return plain && eng_str_u64(segment, &v) && v == index;
}

/* ---- The walk ---- */

static bool in_object(const walker *w)
{
    return w->objects[(w->depth - 1) / 64] >> (w->depth - 1) % 64 & 1;
}

/* The innermost open container lies along the path. */
static bool on_path(const walker *w) { return w->depth == w->along; }

static const char *stop(walker *w, const char *at, const char *what)
{
    return eng_json_stop(&w->fault, at, what);
}

/* p stands on the bracket. */
static bool open_container(walker *w, const char *p)
{
    if (++w->depth > w->depth_most) {
        stop(w, p, "");
        return false;
    }
    uint64_t bit = 1ull << (w->depth - 1) % 64, *word = &w->objects[(w->depth - 1) / 64];
    *word = *p == '{' ? *word | bit : *word & ~bit;
    if (w->here && w->found < w->segments) {
        w->along = w->depth;
        w->segment = path_segment(w->path, w->along - 1);
        w->index = 0;
    }
    w->here = false;
    return true;
}

static void close_container(walker *w)
{
    if (w->along == w->depth && --w->along > 0)
        w->segment = path_segment(w->path, w->along - 1);
    w->depth--;
}

/* A key and its colon. */
static const char *walk_key(walker *w, const char *p)
{
    bool escaped;
    p = eng_json_blanks(p, w->end);
    if (p == w->end || *p != '"')
        return stop(w, p, "expected a key in quotes");
    const char *key = p + 1;
    p = eng_json_string_end(key, w->end, &escaped, &w->fault);
    if (!p)
        return NULL;
    if (on_path(w) && is_segment(w->segment, key, p)) {
        if (w->found >= w->along) {
            w->repeated = w->segment;
            return stop(w, key - 1, "");
        }
        w->found = w->along;
        w->here = true;
    }
    p = eng_json_blanks(p + 1, w->end);
    if (p == w->end || *p != ':')
        return stop(w, p, "expected ':'");
    return p + 1;
}

static void count_element(walker *w)
{
    if (on_path(w) && w->found < w->along && is_index(w->segment, w->index++)) {
        w->found = w->along;
        w->here = true;
    }
}

static const char *walk_scalar(walker *w, const char *p)
{
    eng_json ignored;
    bool escaped;
    w->here = false;
    if (*p == '"') {
        p = eng_json_string_end(p + 1, w->end, &escaped, &w->fault);
        return p ? p + 1 : NULL;
    }
    if (*p == '-' || (*p >= '0' && *p <= '9'))
        return eng_json_scan_number(p, w->end, &ignored, &w->fault);
    return eng_json_literal(p, w->end, &ignored, &w->fault);
}

static void complete_value(walker *w, const char *p)
{
    if (w->raw && w->raw_len == 0 && w->depth == w->raw_depth)
        w->raw_len = (size_t)(p - w->raw);
}

/* As in read.c: what follows a complete value, up to where the next is expected. */
static const char *walk_between(walker *w, const char *p, bool *done)
{
    for (;;) {
        complete_value(w, p);
        p = eng_json_blanks(p, w->end);
        if (w->depth == 0) {
            *done = true;
            return p == w->text_end ? p : stop(w, p, "unexpected text behind the value");
        }
        bool object = in_object(w);
        if (p < w->end && *p == ',')
            return object ? walk_key(w, p + 1) : p + 1;
        if (p == w->end || *p != (object ? '}' : ']'))
            return stop(w, p, object ? "expected ',' or '}'" : "expected ',' or ']'");
        close_container(w);
        p++;
    }
}

static const char *walk_value(walker *w, const char *p, bool *complete)
{
    p = eng_json_blanks(p, w->end);
    if (p == w->end)
        return stop(w, p, "expected a value");
    if (w->depth && !in_object(w))
        count_element(w);
    if (w->here && w->found == w->segments) {
        w->raw = p;
        w->raw_depth = w->depth;
    }
    bool object = *p == '{';
    if (!object && *p != '[') {
        *complete = true;
        return walk_scalar(w, p);
    }
    if (!open_container(w, p))
        return NULL;
    p = eng_json_blanks(p + 1, w->end);
    *complete = p < w->end && *p == (object ? '}' : ']');
    return object && !*complete ? walk_key(w, p) : p;
}

static eng_status explain(const walker *w, eng_str text, eng_error *err)
{
    if (w->repeated.ptr) {
        char name[sizeof err->field];
        size_t len = 0;
        for (size_t at = 0; at < w->repeated.len && len < sizeof name;)
            name[len++] = segment_char(w->repeated, &at);
        return eng_json_repeated(text, w->fault.at, (eng_str){name, len}, err);
    }
    if (w->depth > w->depth_most)
        return eng_json_too_deep(text, w->fault.at, w->depth_most, err);
    return eng_json_malformed(text, w->end, w->fault, err);
}

eng_status eng_json_find(eng_str text, eng_str path, const eng_json_limits *limits, eng_str *raw,
                         eng_error *err)
{
    walker w = {.text_end = text.ptr + text.len, .path = path, .here = true};
    eng_status status = eng_json_begin(text, limits, &w.depth_most, &w.end, err);
    if (status < 0)
        return status;
    status = check_path(path, &w.segments, err);
    if (status < 0)
        return status;

    const char *p = text.ptr;
    for (bool done = false; p && !done;) {
        bool complete;
        p = walk_value(&w, p, &complete);
        if (p && complete)
            p = walk_between(&w, p, &done);
    }
    if (!p)
        return explain(&w, text, err);
    if (!w.raw)
        return eng_fail(err, ENG_ENOTFOUND, "the JSON text has no '%.*s'", ENG_FMT(path));
    *raw = (eng_str){w.raw, w.raw_len};
    return ENG_OK;
}
