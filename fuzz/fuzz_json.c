/*
 * The first line is a path, the rest a text. What is read and written again must read back the same; a
 * walk must see what the tree shows; a number must be the one that strtod reads; and whatever bytes
 * are written as a string, the text is JSON.
 */
#include "base/alloc.h"
#include "json/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* The tree as text; NULL stands for nothing. */
static void print(const eng_json *v, eng_buf *out)
{
    eng_buf_init(out, SIZE_MAX / 2);
    if (!v)
        return;
    eng_json_writer w = eng_json_write_to(out);
    eng_json_copy(&w, v);
    check(out->failed == ENG_OK);
}

static void check_equal(const eng_json *a, const eng_json *b)
{
    eng_buf x, y;
    print(a, &x);
    print(b, &y);
    check(eng_str_eq(eng_buf_view(&x), eng_buf_view(&y)));
    eng_buf_clear(&x);
    eng_buf_clear(&y);
}

static void check_reads_back(const eng_json *v, eng_arena *arena)
{
    eng_buf text;
    const eng_json *again;
    print(v, &text);
    check(eng_json_read(eng_buf_view(&text), NULL, arena, &again, NULL) == ENG_OK);
    check_equal(v, again);
    eng_buf_clear(&text);
}

/* A path that is one, followed in the tree. */
static const eng_json *follow(const eng_json *v, eng_str path)
{
    eng_str rest = eng_str_sub(path, 1, path.len), segment;
    for (bool more = path.len > 0; v && more;) {
        more = eng_str_cut(rest, '/', &segment, &rest);
        eng_buf key;
        eng_buf_init(&key, SIZE_MAX / 2);
        for (size_t i = 0; i < segment.len; i++) {
            bool escaped = segment.ptr[i] == '~';
            i += escaped;
            eng_buf_byte(&key, !escaped ? segment.ptr[i] : segment.ptr[i] == '0' ? '~' : '/');
        }
        uint64_t index;
        bool number = eng_str_u64(segment, &index) && (segment.ptr[0] != '0' || segment.len == 1);
        if (eng_json_is(v, ENG_JSON_ARRAY))
            v = number ? eng_json_at(v, index) : NULL;
        else
            v = eng_json_get(v, eng_buf_view(&key));
        eng_buf_clear(&key);
    }
    return v;
}

static void check_walk(eng_str text, eng_str path, eng_status read, const eng_json *root,
                       eng_arena *arena)
{
    eng_str raw;
    eng_error err;
    eng_status status = eng_json_find(text, path, NULL, &raw, &err);
    if (status == ENG_EUSAGE)
        return;
    if (status == ENG_OK) {
        check(raw.ptr >= text.ptr && raw.len > 0 && raw.ptr + raw.len <= text.ptr + text.len);
        const eng_json *found;
        if (read == ENG_OK) {
            check(eng_json_read(raw, NULL, arena, &found, NULL) == ENG_OK);
            check_equal(found, follow(root, path));
        }
    } else if (read == ENG_OK) {
        check(status == ENG_ENOTFOUND && !follow(root, path));
    }
}

/* Without a path a walk finds the same faults, but for repeated keys. */
static void check_faults(eng_str text, eng_status read, const eng_error *err)
{
    eng_str raw;
    eng_error walked = {.status = ENG_OK};
    eng_status status = eng_json_find(text, ENG_STR(""), NULL, &raw, &walked);
    bool repeated = read != ENG_OK && strstr(err->message, "stands twice");
    check(repeated || status == read);
    if (read != ENG_OK) {
        check(err->position <= text.len && err->line > 0 && err->column > 0);
        check(repeated || walked.position == err->position);
    }
}

static void check_number(eng_str text)
{
    double ours, theirs;
    if (!eng_number_read(text, &ours))
        return;
    char *copy = eng_strdup(text);
    theirs = strtod(copy, NULL);
    check(memcmp(&ours, &theirs, sizeof ours) == 0 ||
          (ours == 0 && eng_str_eq(text, ENG_STR("-0"))));
    eng_free(copy);

    char printed[32];
    double back;
    check(eng_number_read((eng_str){printed, eng_number_print(ours, printed)}, &back));
    check(memcmp(&ours, &back, sizeof ours) == 0);
}

static void check_string(eng_str bytes, eng_arena *arena)
{
    eng_buf text;
    eng_buf_init(&text, SIZE_MAX / 2);
    eng_json_writer w = eng_json_write_to(&text);
    eng_json_string(&w, bytes);
    const eng_json *v;
    check(eng_json_read(eng_buf_view(&text), NULL, arena, &v, NULL) == ENG_OK);
    check(eng_json_is(v, ENG_JSON_STRING));
    eng_buf_clear(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_str path, text;
    if (!eng_str_cut((eng_str){(const char *)data, size}, '\n', &path, &text)) {
        text = path;
        path = ENG_STR("");
    }
    eng_arena arena;
    eng_arena_init(&arena, 1024, NULL);

    const eng_json *root = NULL;
    eng_error err = {.status = ENG_OK};
    eng_status status = eng_json_read(text, NULL, &arena, &root, &err);
    check(status == ENG_OK || status == ENG_EMALFORMED);
    if (status == ENG_OK)
        check_reads_back(root, &arena);
    check_faults(text, status, &err);
    check_walk(text, path, status, root, &arena);
    check_number(text);
    check_string(text, &arena);

    eng_arena_clear(&arena);
    return 0;
}
