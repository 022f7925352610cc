/*
 * Reading a tree, in one pass and without recursion.
 *
 * Values go onto one stack. A container that opens is a value too; what follows it on the stack are
 * its elements. When it closes they move into the arena in one piece, and the container points there:
 *
 *     [1, {"a": 2}        stack: [ , 1, { , "a", 2      `open` is the index of {
 *     [1, {"a": 2}        stack: [ , 1, {*              * -> arena: "a", 2;  `open` is that of [
 *
 * While it is open, a container's `count` holds the index of the container around it, and `text` where
 * it begins. Repeated keys are looked for when an object closes, all keys of it at once, with a hash
 * table that all objects share: the entries of earlier objects are out of date by their generation,
 * so nothing is ever emptied, and a small object touches a small part of the table.
 *
 * For texts of a few dozen values nothing but the arena is allocated.
 */
#include "json/json_internal.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"

#include <assert.h>
#include <endian.h>

static_assert(sizeof(eng_json) == 16, "the header promises 16 bytes a value");

typedef struct {
    uint32_t generation;
    uint32_t pair;
} key_slot;

enum {
    FEW_VALUES = 64,
    FEW_SLOTS = 64,
    ROOM_SIZE = 16 * 1024, /* of a piece that strings are put into */
    SLACK = 16             /* behind a string, so that short ones are copied and hashed whole */
};
static const uint32_t NONE = UINT32_MAX;

typedef struct {
    const char *end;
    const char *text_end; /* behind `end` where the text is not UTF-8 */
    eng_arena *arena;

    eng_json *values;
    size_t used;
    size_t cap;
    uint32_t open; /* index of the innermost open container, or NONE */
    size_t depth;
    size_t depth_most;

    char *room; /* where the next string goes */
    char *room_end;

    key_slot *slots;
    size_t slot_count; /* a power of two */
    uint32_t generation;
    uint64_t secret[2];

    eng_status status; /* why a function returned NULL */
    eng_json_fault fault;
    eng_str repeated; /* the key, where it was that */

    eng_json few_values[FEW_VALUES];
    key_slot few_slots[FEW_SLOTS];
} reader;

static const char *no_memory(reader *r)
{
    r->status = ENG_ENOMEM;
    return NULL;
}

static const char *stop(reader *r, const char *at, const char *what)
{
    return eng_json_stop(&r->fault, at, what);
}

/* Twice as much room for `size` bytes that may still lie in the reader itself. NULL: no memory. */
static void *grown(void *old, const void *few, size_t size)
{
    if (old != few)
        return eng_realloc(old, size * 2);
    void *p = eng_alloc(size * 2);
    return p ? memcpy(p, few, size) : NULL;
}

static bool grow_values(reader *r)
{
    eng_json *values = grown(r->values, r->few_values, r->cap * sizeof *values);
    if (!values)
        return false;
    r->values = values;
    r->cap *= 2;
    return true;
}

/* ---- Repeated keys ---- */

static uint64_t load(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/*
 * Sixteen bytes a step, each half under a secret that was drawn for this process: whoever chooses the
 * keys does not know which of them collide. Half as dear as SipHash for short keys. Reading past the
 * key is what SLACK is for.
 */
static uint64_t hash_key(const reader *r, eng_str key)
{
    uint64_t hash = key.len;
    const char *p = key.ptr;
    size_t left = key.len;
    for (; left > 16; p += 16, left -= 16)
        hash = fold(load(p) ^ r->secret[0] ^ hash, load(p + 8) ^ r->secret[1]);
    uint64_t low = load(p), high = load(p + 8);
    /* What lies past the key is shifted out; a whole word would be shifted by too much. */
    if (left <= 8) {
        low = left ? low << (64 - 8 * left) : 0;
        high = 0;
    } else {
        high <<= 128 - 8 * left;
    }
    return fold(low ^ r->secret[0] ^ hash, high ^ r->secret[1]);
}

static bool grow_slots(reader *r, size_t pairs)
{
    size_t count = r->slot_count;
    while (count < 2 * pairs)
        count *= 2;
    if (count == r->slot_count)
        return true;
    key_slot *slots = eng_zalloc(count * sizeof *slots);
    if (!slots)
        return false;
    if (r->slots != r->few_slots)
        eng_free(r->slots);
    r->slots = slots;
    r->slot_count = count;
    return true;
}

static eng_str key_of(const eng_json *items, size_t pair)
{
    return (eng_str){items[2 * pair].as.text, items[2 * pair].count};
}

/* The first pair whose key stands before it already; `pairs` where there is none. */
static size_t find_repeated(reader *r, const eng_json *items, size_t pairs)
{
    size_t mask = FEW_SLOTS - 1;
    while (mask < 2 * pairs - 1)
        mask = 2 * mask + 1;
    r->generation++;
    for (size_t i = 0; i < pairs; i++) {
        eng_str key = key_of(items, i);
        size_t at = hash_key(r, key) & mask;
        for (; r->slots[at].generation == r->generation; at = (at + 1) & mask) {
            if (eng_str_eq(key_of(items, r->slots[at].pair), key))
                return i;
        }
        r->slots[at] = (key_slot){r->generation, (uint32_t)i};
    }
    return pairs;
}

/* Where the n-th key of the object at p stands in the text, which is known to be right so far. */
static const char *nth_key(const char *p, const char *end, size_t n)
{
    eng_json_fault ignored;
    bool escaped, key = false;
    size_t depth = 0;
    for (;; p++) {
        if (*p == '{' || *p == '[') {
            depth++;
            key = depth == 1;
        } else if (*p == '}' || *p == ']') {
            depth--;
        } else if (*p == ',') {
            key = depth == 1;
        } else if (*p == '"') {
            if (key && n-- == 0)
                return p;
            key = false;
            p = eng_json_string_end(p + 1, end, &escaped, &ignored);
        }
    }
}

static bool check_keys(reader *r, const eng_json *object, const eng_json *items, size_t pairs)
{
    if (pairs < 2)
        return true;
    if (!grow_slots(r, pairs)) {
        no_memory(r);
        return false;
    }
    size_t pair = find_repeated(r, items, pairs);
    if (pair == pairs)
        return true;
    r->repeated = key_of(items, pair);
    stop(r, nth_key(object->as.text, r->end, pair), "");
    return false;
}

/* ---- Values ---- */

/* Room for len bytes and SLACK, or NULL. What is left of the text bounds what its strings need. */
static char *string_room(reader *r, size_t len, size_t text_left)
{
    if ((size_t)(r->room_end - r->room) >= len)
        return r->room;
    if (len > ROOM_SIZE / 4)
        return eng_arena_alloc(r->arena, len + SLACK);
    size_t size = len + text_left < ROOM_SIZE ? len + text_left : ROOM_SIZE;
    char *room = eng_arena_alloc(r->arena, size + SLACK);
    if (room) {
        r->room = room;
        r->room_end = room + size;
    }
    return room;
}

static void copy_string(const char *p, size_t len, size_t text_left, char *to)
{
    /* Most strings are short, and a copy of 16 bytes is one load and one store. */
    if (len <= SLACK && text_left >= SLACK)
        memcpy(to, p, SLACK);
    else
        memcpy(to, p, len);
}

/* p stands behind the opening quote. */
static inline const char *read_string(reader *r, const char *p, eng_json *out)
{
    bool escaped = false;
    const char *close = p + eng_json_plain(p, r->end);
    if (close == r->end || *close != '"') {
        close = eng_json_string_end(p, r->end, &escaped, &r->fault);
        if (!close)
            return NULL;
    }
    size_t len = (size_t)(close - p);
    char *to = string_room(r, len + 1, (size_t)(r->end - close));
    if (!to)
        return no_memory(r);
    if (escaped)
        len = (size_t)(eng_json_unescape(p, close, to) - to);
    else
        copy_string(p, len, (size_t)(r->end - p), to);
    to[len] = '\0';
    if (to == r->room)
        r->room += len + 1;
    *out = (eng_json){.type = ENG_JSON_STRING, .count = (uint32_t)len, .as.text = to};
    return close + 1;
}

static const char *read_scalar(reader *r, const char *p, eng_json *out)
{
    if (*p == '"')
        return read_string(r, p + 1, out);
    if (*p == '-' || (*p >= '0' && *p <= '9'))
        return eng_json_scan_number(p, r->end, out, &r->fault);
    return eng_json_literal(p, r->end, out, &r->fault);
}

/* A key and its colon, onto the stack. */
static const char *read_key(reader *r, const char *p)
{
    p = eng_json_blanks(p, r->end);
    if (p == r->end || *p != '"')
        return stop(r, p, "expected a key in quotes");
    if (r->used == r->cap && !grow_values(r))
        return no_memory(r);
    p = read_string(r, p + 1, &r->values[r->used]);
    if (!p)
        return NULL;
    r->used++;
    p = eng_json_blanks(p, r->end);
    if (p == r->end || *p != ':')
        return stop(r, p, "expected ':'");
    return p + 1;
}

/* ---- The tree ---- */

/* p stands on the bracket, for which there is room on the stack. */
static bool open_container(reader *r, const char *p)
{
    if (++r->depth > r->depth_most) {
        stop(r, p, "");
        return false;
    }
    uint8_t type = *p == '{' ? ENG_JSON_OBJECT : ENG_JSON_ARRAY;
    r->values[r->used] = (eng_json){.type = type, .count = r->open, .as.text = p};
    r->open = (uint32_t)r->used++;
    return true;
}

static bool close_container(reader *r)
{
    eng_json *v = &r->values[r->open];
    size_t count = r->used - r->open - 1;
    uint32_t outer = v->count;
    eng_json *items = NULL;

    if (v->type == ENG_JSON_OBJECT && !check_keys(r, v, v + 1, count / 2))
        return false;
    if (count) {
        items = eng_arena_array(r->arena, count, sizeof *items);
        if (!items) {
            no_memory(r);
            return false;
        }
        memcpy(items, v + 1, count * sizeof *items);
    }
    v->count = (uint32_t)(v->type == ENG_JSON_OBJECT ? count / 2 : count);
    v->as.items = items;
    r->used = (size_t)r->open + 1;
    r->open = outer;
    r->depth--;
    return true;
}

/*
 * What follows a complete value: closing brackets, each of which completes another one, and then a
 * comma (and a key), behind which the next value is expected; or the end of the text, where *done.
 */
static const char *read_between(reader *r, const char *p, bool *done)
{
    for (;;) {
        p = eng_json_blanks(p, r->end);
        if (r->open == NONE) {
            *done = true;
            return p == r->text_end ? p : stop(r, p, "unexpected text behind the value");
        }
        bool object = r->values[r->open].type == ENG_JSON_OBJECT;
        if (p < r->end && *p == ',')
            return object ? read_key(r, p + 1) : p + 1;
        if (p == r->end || *p != (object ? '}' : ']'))
            return stop(r, p, object ? "expected ',' or '}'" : "expected ',' or ']'");
        if (!close_container(r))
            return NULL;
        p++;
    }
}

/* A value up to where it is complete, or the opening of a container up to its first value. */
static const char *read_value(reader *r, const char *p, bool *complete)
{
    p = eng_json_blanks(p, r->end);
    if (p == r->end)
        return stop(r, p, "expected a value");
    if (r->used == r->cap && !grow_values(r))
        return no_memory(r);

    bool object = *p == '{';
    if (!object && *p != '[') {
        *complete = true;
        return read_scalar(r, p, &r->values[r->used++]);
    }
    if (!open_container(r, p))
        return NULL;
    p = eng_json_blanks(p + 1, r->end);
    *complete = p < r->end && *p == (object ? '}' : ']');
    return object && !*complete ? read_key(r, p) : p;
}

static bool read_tree(reader *r, const char *p)
{
    for (bool done = false; p && !done;) {
        bool complete;
        p = read_value(r, p, &complete);
        if (p && complete)
            p = read_between(r, p, &done);
    }
    return p != NULL;
}

static eng_status explain(const reader *r, eng_str text, eng_error *err)
{
    if (r->status)
        return eng_fail_nomem(err);
    if (r->repeated.ptr)
        return eng_json_repeated(text, r->fault.at, r->repeated, err);
    if (r->depth > r->depth_most)
        return eng_json_too_deep(text, r->fault.at, r->depth_most, err);
    return eng_json_malformed(text, r->end, r->fault, err);
}

static void reader_clear(reader *r)
{
    if (r->values != r->few_values)
        eng_free(r->values);
    if (r->slots != r->few_slots)
        eng_free(r->slots);
}

eng_status eng_json_read(eng_str text, const eng_json_limits *limits, eng_arena *arena,
                         const eng_json **out, eng_error *err)
{
    reader r;
    eng_status status = eng_json_begin(text, limits, &r.depth_most, &r.end, err);
    if (status < 0)
        return status;
    r.text_end = text.ptr + text.len;
    r.arena = arena;
    r.values = r.few_values;
    r.used = 0;
    r.cap = FEW_VALUES;
    r.open = NONE;
    r.depth = 0;
    r.room = r.room_end = NULL;
    r.slots = r.few_slots;
    r.slot_count = FEW_SLOTS;
    r.generation = 0;
    r.secret[0] = eng_hash("json", 4);
    r.secret[1] = eng_hash("keys", 4);
    r.status = ENG_OK;
    r.repeated = (eng_str){NULL, 0};
    memset(r.few_slots, 0, sizeof r.few_slots);

    eng_json *root = NULL;
    if (!read_tree(&r, text.ptr)) {
        status = explain(&r, text, err);
    } else if (!(root = eng_arena_alloc(arena, sizeof *root))) {
        status = eng_fail_nomem(err);
    } else {
        *root = r.values[0];
        *out = root;
    }
    reader_clear(&r);
    return status;
}

/* ---- Looking into a tree ---- */

const eng_json *eng_json_get(const eng_json *v, eng_str key)
{
    if (!eng_json_is(v, ENG_JSON_OBJECT))
        return NULL;
    for (size_t i = 0; i < v->count; i++) {
        if (eng_str_eq(key_of(v->as.items, i), key))
            return &v->as.items[2 * i + 1];
    }
    return NULL;
}

const eng_json *eng_json_at(const eng_json *v, size_t index)
{
    bool there = eng_json_is(v, ENG_JSON_ARRAY) && index < v->count;
    return there ? &v->as.items[index] : NULL;
}

eng_str eng_json_key(const eng_json *object, size_t i)
{
    bool there = eng_json_is(object, ENG_JSON_OBJECT) && i < object->count;
    return there ? key_of(object->as.items, i) : (eng_str){"", 0};
}

const eng_json *eng_json_value(const eng_json *object, size_t i)
{
    bool there = eng_json_is(object, ENG_JSON_OBJECT) && i < object->count;
    return there ? &object->as.items[2 * i + 1] : NULL;
}

bool eng_json_number(const eng_json *v, double *out)
{
    if (eng_json_is(v, ENG_JSON_INT))
        *out = (double)v->as.integer;
    else if (eng_json_is(v, ENG_JSON_DOUBLE))
        *out = v->as.number;
    else
        return false;
    return true;
}

const char *eng_json_type_name(const eng_json *v)
{
    static const char *const names[] = {
        [ENG_JSON_NULL] = "null",        [ENG_JSON_BOOL] = "a boolean",
        [ENG_JSON_INT] = "an integer",   [ENG_JSON_DOUBLE] = "a number",
        [ENG_JSON_STRING] = "a string",  [ENG_JSON_ARRAY] = "an array",
        [ENG_JSON_OBJECT] = "an object",
    };
    return v ? names[v->type] : "nothing";
}
