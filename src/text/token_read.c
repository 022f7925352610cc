/*
 * From tokenizer.json to a tokenizer: the file as a whole, its model and its added tokens. Normalisers,
 * pre-tokenizers and post-processors are read in token_steps.c.
 *
 * The file is a stranger's. Every field is checked before it is used, so that what encodes texts can
 * rely on it: ids are below t->ids, the trie's values are ids, no text is too long for it.
 */
#include "text/token_internal.h"

#include "base/error.h"
#include "base/map.h"

#include <math.h>
#include <stdio.h>

enum { IDS_MAX = 1 << 22, ADDED_MAX = 1 << 16 };

/* ---- Members ---- */

static eng_str name_of(const char *key) { return eng_str_of(key); }

static eng_status wrong(const eng_json *v, const char *key, const char *wanted, eng_error *err)
{
    if (!v)
        return eng_fail_field(err, ENG_EMALFORMED, name_of(key), "missing");
    return eng_fail_field(err, ENG_EMALFORMED, name_of(key), "expected %s, got %s", wanted,
                          eng_json_type_name(v));
}

eng_status eng_tok_bool(const eng_json *v, const char *key, const bool *preset, bool *out,
                        eng_error *err)
{
    const eng_json *member = eng_json_get(v, name_of(key));
    if (preset && (!member || eng_json_is(member, ENG_JSON_NULL))) {
        *out = *preset;
        return ENG_OK;
    }
    if (!eng_json_is(member, ENG_JSON_BOOL))
        return wrong(member, key, "a truth value", err);
    *out = member->as.boolean;
    return ENG_OK;
}

eng_status eng_tok_text(const eng_json *v, const char *key, eng_str *out, eng_error *err)
{
    const eng_json *member = eng_json_get(v, name_of(key));
    if (!eng_json_is(member, ENG_JSON_STRING))
        return wrong(member, key, "a string", err);
    *out = eng_json_text(member);
    return ENG_OK;
}

eng_status eng_tok_uint(const eng_json *v, const char *key, uint64_t most, uint64_t *out,
                        eng_error *err)
{
    const eng_json *member = eng_json_get(v, name_of(key));
    if (!eng_json_is(member, ENG_JSON_INT))
        return wrong(member, key, "a whole number", err);
    if (member->as.integer < 0 || (uint64_t)member->as.integer > most)
        return eng_fail_field(err, ENG_EMALFORMED, name_of(key), "not between 0 and %llu",
                              (unsigned long long)most);
    *out = (uint64_t)member->as.integer;
    return ENG_OK;
}

eng_status eng_tok_code_points(eng_str text, eng_arena *arena, const uint32_t **out, size_t *count,
                               eng_error *err)
{
    uint32_t *points = eng_arena_array(arena, text.len + 1, sizeof *points);
    if (!points)
        return eng_fail_nomem(err);
    *count = 0;
    for (size_t at = 0; at < text.len;)
        points[(*count)++] = eng_tok_next(text, &at);
    *out = points;
    return ENG_OK;
}

/* ---- The model ---- */

static eng_status check_token(eng_str token, eng_error *err)
{
    if (token.len > ENG_TRIE_KEY_MAX)
        return eng_fail_field(err, ENG_ETOOBIG, ENG_STR("vocab"), "a token of more than %d bytes",
                              ENG_TRIE_KEY_MAX);
    return ENG_OK;
}

static eng_status new_tokens(eng_tokenizer *t, size_t ids, eng_error *err)
{
    t->tokens = eng_arena_array(&t->arena, ids, sizeof *t->tokens);
    if (!t->tokens)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < ids; i++)
        t->tokens[i] = (eng_str){"", 0};
    t->ids = ids;
    return ENG_OK;
}

static eng_status keep_token(eng_tokenizer *t, uint32_t id, eng_str token, eng_error *err)
{
    t->tokens[id] = eng_arena_copy(&t->arena, token);
    return t->tokens[id].ptr ? ENG_OK : eng_fail_nomem(err);
}

/* The vocabulary's trie over t->tokens. */
static eng_status build_vocab(eng_tokenizer *t, eng_error *err)
{
    eng_trie_entry *entries = eng_alloc_array(t->ids, sizeof *entries);
    size_t count = 0;
    if (!entries)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < t->ids; i++) {
        if (t->tokens[i].len)
            entries[count++] = (eng_trie_entry){t->tokens[i], (uint32_t)i};
    }
    eng_status status = eng_trie_build(&t->vocab, entries, count, err);
    eng_free(entries);
    return status;
}

/* {"token": id, ...}: ids may have gaps, and a token of no bytes never matches anything. */
static eng_status read_words(eng_tokenizer *t, const eng_json *vocab, eng_error *err)
{
    size_t ids = 0;
    eng_status status = ENG_OK;
    for (size_t i = 0; i < vocab->count; i++) {
        const eng_json *id = eng_json_value(vocab, i);
        if (!eng_json_is(id, ENG_JSON_INT) || id->as.integer < 0 || id->as.integer >= IDS_MAX)
            return eng_fail_field(err, ENG_EMALFORMED, ENG_STR("vocab"),
                                  "the id of '%.*s' is not between 0 and %d",
                                  ENG_FMT(eng_json_key(vocab, i)), IDS_MAX - 1);
        ids = (size_t)id->as.integer + 1 > ids ? (size_t)id->as.integer + 1 : ids;
        status = check_token(eng_json_key(vocab, i), err);
        if (status < 0)
            return status;
    }
    t->vocab_count = vocab->count;
    status = new_tokens(t, ids, err);
    for (size_t i = 0; status == ENG_OK && i < vocab->count; i++) {
        uint32_t id = (uint32_t)eng_json_value(vocab, i)->as.integer;
        eng_str token = eng_json_key(vocab, i);
        if (t->tokens[id].len)
            return eng_fail_field(err, ENG_EMALFORMED, ENG_STR("vocab"),
                                  "'%.*s' and '%.*s' have the same id", ENG_FMT(t->tokens[id]),
                                  ENG_FMT(token));
        status = keep_token(t, id, token, err);
    }
    return status == ENG_OK ? build_vocab(t, err) : status;
}

/* The node behind "##": where the search for a word's further tokens begins. */
static void find_continued(eng_tokenizer *t, eng_str prefix)
{
    uint32_t node = 0;
    for (size_t i = 0; i < prefix.len; i++) {
        node = eng_trie_step(&t->vocab, node, (unsigned char)prefix.ptr[i]);
        if (node == 0) {
            t->continued = ENG_TOK_NONE;
            return;
        }
    }
    t->continued = node;
}

static eng_status read_wordpiece(eng_tokenizer *t, const eng_json *v, eng_error *err)
{
    eng_str unknown, prefix;
    uint64_t most;
    eng_status status = eng_tok_text(v, "unk_token", &unknown, err);
    if (status == ENG_OK)
        status = eng_tok_text(v, "continuing_subword_prefix", &prefix, err);
    if (status == ENG_OK)
        status = eng_tok_uint(v, "max_input_chars_per_word", INT64_MAX, &most, err);
    if (status < 0)
        return status;
    const eng_json *vocab = eng_json_get(v, ENG_STR("vocab"));
    if (!eng_json_is(vocab, ENG_JSON_OBJECT))
        return wrong(vocab, "vocab", "an object", err);
    status = read_words(t, vocab, err);
    if (status < 0)
        return status;
    t->unknown = eng_trie_find(&t->vocab, unknown);
    if (t->unknown == ENG_TOK_NONE)
        return eng_fail_field(err, ENG_EMALFORMED, ENG_STR("unk_token"),
                              "'%.*s' is not in the vocabulary", ENG_FMT(unknown));
    t->word_chars_max = (size_t)most;
    find_continued(t, prefix);
    return ENG_OK;
}

static double power_of_ten(int exponent)
{
    double power = 1;
    char text[16];
    int len = snprintf(text, sizeof text, "1e%d", exponent);
    bool ok = eng_number_read((eng_str){text, (size_t)len}, &power);
    return ok ? power : INFINITY;
}

/*
 * A score as the package has it, whose JSON reader takes the digits as an integer and divides by a
 * power of ten: two roundings, and often not the nearest double. The difference is the last bit, but
 * "22" + "2" and "2" + "22" are worth the same, and that bit says which it is.
 */
static double score_of(double exact)
{
    char digits[32];
    size_t len = eng_number_print(exact, digits), at = digits[0] == '-';
    uint64_t significand = 0;
    int exponent = 0, written = 0;
    for (bool point = false; at < len && digits[at] != 'e'; at++) {
        if (digits[at] == '.') {
            point = true;
            continue;
        }
        significand = significand * 10 + (uint64_t)(digits[at] - '0');
        exponent -= point;
    }
    if (at < len) {
        int64_t value = 0;
        at += digits[at + 1] == '+' ? 2 : 1;
        if (eng_str_i64((eng_str){digits + at, len - at}, &value))
            written = (int)value;
    }
    exponent += written;
    double power = power_of_ten(exponent < 0 ? -exponent : exponent);
    double score = exponent < 0 ? (double)significand / power : (double)significand * power;
    return exact < 0 ? -score : score;
}

/* [["token", score], ...], by id. */
static eng_status read_pieces(eng_tokenizer *t, const eng_json *vocab, eng_error *err)
{
    double least = INFINITY;
    if (vocab->count == 0 || vocab->count > IDS_MAX)
        return eng_fail_field(err, ENG_EMALFORMED, ENG_STR("vocab"), "not 1 to %d tokens", IDS_MAX);
    t->vocab_count = vocab->count;
    t->scores = eng_arena_array(&t->arena, vocab->count, sizeof *t->scores);
    eng_status status = t->scores ? new_tokens(t, vocab->count, err) : eng_fail_nomem(err);
    for (size_t i = 0; status == ENG_OK && i < vocab->count; i++) {
        const eng_json *pair = eng_json_at(vocab, i), *token = eng_json_at(pair, 0);
        if (eng_json_count(pair) != 2 || !eng_json_is(token, ENG_JSON_STRING) ||
            !eng_json_number(eng_json_at(pair, 1), &t->scores[i]))
            return eng_fail_field(err, ENG_EMALFORMED, ENG_STR("vocab"),
                                  "entry %zu is not a string and a number", i);
        if (eng_json_is(eng_json_at(pair, 1), ENG_JSON_DOUBLE))
            t->scores[i] = score_of(t->scores[i]);
        least = t->scores[i] < least ? t->scores[i] : least;
        status = check_token(eng_json_text(token), err);
        if (status == ENG_OK)
            status = keep_token(t, (uint32_t)i, eng_json_text(token), err);
    }
    t->unknown_score = least - 10;
    return status == ENG_OK ? build_vocab(t, err) : status;
}

/* Ids of <0x00> to <0xFF>, ENG_TOK_NONE where there is none. */
static eng_status find_bytes(eng_tokenizer *t, eng_error *err)
{
    uint32_t *ids = eng_arena_array(&t->arena, 256, sizeof *ids);
    if (!ids)
        return eng_fail_nomem(err);
    for (unsigned i = 0; i < 256; i++) {
        char name[8];
        int len = snprintf(name, sizeof name, "<0x%02X>", i);
        ids[i] = eng_trie_find(&t->vocab, (eng_str){name, (size_t)len});
    }
    t->bytes = ids;
    return ENG_OK;
}

static eng_status read_unigram(eng_tokenizer *t, const eng_json *v, eng_error *err)
{
    const eng_json *vocab = eng_json_get(v, ENG_STR("vocab"));
    const eng_json *unknown = eng_json_get(v, ENG_STR("unk_id"));
    static const bool no = false;
    bool fallback;
    if (!eng_json_is(vocab, ENG_JSON_ARRAY))
        return wrong(vocab, "vocab", "an array", err);
    eng_status status = read_pieces(t, vocab, err);
    if (status == ENG_OK)
        status = eng_tok_bool(v, "byte_fallback", &no, &fallback, err);
    if (status < 0)
        return status;
    t->unknown = ENG_TOK_NONE;
    if (unknown && !eng_json_is(unknown, ENG_JSON_NULL)) {
        uint64_t id;
        status = eng_tok_uint(v, "unk_id", t->ids - 1, &id, err);
        if (status < 0)
            return status;
        t->unknown = (uint32_t)id;
    }
    return fallback ? find_bytes(t, err) : ENG_OK;
}

/* Files from before models had a type are told apart as the package does it. */
static eng_str model_type(const eng_json *v)
{
    const eng_json *type = eng_json_get(v, ENG_STR("type"));
    if (type)
        return eng_json_text(type);
    const eng_json *vocab = eng_json_get(v, ENG_STR("vocab"));
    if (eng_json_is(vocab, ENG_JSON_ARRAY))
        return ENG_STR("Unigram");
    if (eng_json_get(v, ENG_STR("merges")))
        return ENG_STR("BPE");
    return eng_json_get(v, ENG_STR("max_input_chars_per_word")) ? ENG_STR("WordPiece")
                                                                : ENG_STR("");
}

static eng_status read_model(eng_tokenizer *t, const eng_json *v, eng_error *err)
{
    if (!eng_json_is(v, ENG_JSON_OBJECT))
        return wrong(v, "model", "an object", err);
    eng_str type = model_type(v);
    if (eng_str_eq(type, ENG_STR("WordPiece"))) {
        t->model = ENG_TOK_WORDPIECE;
        return read_wordpiece(t, v, err);
    }
    if (eng_str_eq(type, ENG_STR("Unigram"))) {
        t->model = ENG_TOK_UNIGRAM;
        return read_unigram(t, v, err);
    }
    return eng_fail(err, ENG_EUNSUPPORTED,
                    "a tokenizer with a model of the type '%.*s' (known: WordPiece, Unigram)",
                    ENG_FMT(type));
}

/* ---- Added tokens ---- */

typedef struct {
    eng_str text;   /* in the file's tree */
    eng_str wanted; /* what is looked for: normalised, where that is asked for */
    struct eng_added_item item;
    bool normalized;
    bool replaced; /* by a later one with the same text */
} added;

typedef struct {
    added *items;
    size_t count;
    eng_map by_text;
    size_t ids; /* one more than the largest of vocabulary and added tokens */
} added_list;

static eng_status read_added(const eng_json *v, added *out, eng_error *err)
{
    eng_status status = eng_tok_text(v, "content", &out->text, err);
    if (status == ENG_OK)
        status = eng_tok_bool(v, "single_word", NULL, &out->item.single_word, err);
    if (status == ENG_OK)
        status = eng_tok_bool(v, "lstrip", NULL, &out->item.left, err);
    if (status == ENG_OK)
        status = eng_tok_bool(v, "rstrip", NULL, &out->item.right, err);
    if (status == ENG_OK)
        status = eng_tok_bool(v, "normalized", NULL, &out->normalized, err);
    out->wanted = out->text;
    return status;
}

/* Through the normalisers, as text goes that it is compared with. */
static eng_status normalize_added(eng_tokenizer *t, added *a, eng_token_scratch *s, eng_error *err)
{
    s->chars.count = s->word.len = s->word.chars = 0;
    if (!eng_tok_chars_room(&s->chars, a->text.len))
        return eng_fail_nomem(err);
    for (size_t at = 0; at < a->text.len;)
        s->chars.items[s->chars.count++] = (eng_tok_char){eng_tok_next(a->text, &at), 0, 0};
    if (!eng_tok_normalize(t->normal, t->normal_count, s) ||
        !eng_tok_word_room(&s->word, s->chars.count * 4))
        return eng_fail_nomem(err);
    for (size_t i = 0; i < s->chars.count; i++)
        eng_tok_word_put(&s->word, s->chars.items[i]);
    if (s->word.len == 0)
        return eng_fail_field(err, ENG_EMALFORMED, ENG_STR("added_tokens"),
                              "nothing is left of '%.*s' when it is normalised", ENG_FMT(a->text));
    a->wanted = eng_arena_copy(&t->arena, (eng_str){s->word.bytes, s->word.len});
    return a->wanted.ptr ? ENG_OK : eng_fail_nomem(err);
}

/* The id is the vocabulary's, or that of an earlier one with this text, or the next that is free: the
 * file's own is not looked at, as in the package. */
static eng_status number_added(eng_tokenizer *t, added_list *list, added *a, eng_error *err)
{
    void *before = NULL;
    eng_status status = eng_map_put(&list->by_text, a->text, a, &before, err);
    if (status < 0)
        return status;
    if (before) {
        ((added *)before)->replaced = true;
        a->item.id = ((added *)before)->item.id;
        return ENG_OK;
    }
    a->item.id = eng_trie_find(&t->vocab, a->text);
    if (a->item.id == ENG_TOK_NONE)
        a->item.id = (uint32_t)list->ids++;
    return ENG_OK;
}

static eng_status add_one(eng_tokenizer *t, added_list *list, const eng_json *v,
                          eng_token_scratch *s, eng_error *err)
{
    added *a = &list->items[list->count];
    *a = (added){0};
    eng_status status = read_added(v, a, err);
    if (status < 0 || a->text.len == 0)
        return status;
    if (a->text.len > ENG_TRIE_KEY_MAX)
        return eng_fail_field(err, ENG_ETOOBIG, ENG_STR("added_tokens"),
                              "a token of more than %d bytes", ENG_TRIE_KEY_MAX);
    status = number_added(t, list, a, err);
    if (status == ENG_OK && a->normalized)
        status = normalize_added(t, a, s, err);
    if (status == ENG_OK)
        list->count++;
    return status;
}

/* Those whose `normalized` is this. */
static eng_status build_added(eng_tokenizer *t, const added_list *list, bool normalized,
                              eng_added *out, eng_error *err)
{
    size_t count = 0;
    eng_str *texts = eng_arena_array(&t->arena, list->count + 1, sizeof *texts);
    struct eng_added_item *items = eng_arena_array(&t->arena, list->count + 1, sizeof *items);
    if (!texts || !items)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < list->count; i++) {
        const added *a = &list->items[i];
        if (a->replaced || a->normalized != normalized)
            continue;
        texts[count] = a->wanted;
        items[count++] = a->item;
    }
    return eng_added_build(out, texts, items, count, &t->arena, err);
}

/* t->tokens gets those that the vocabulary does not have. */
static eng_status name_added(eng_tokenizer *t, const added_list *list, eng_error *err)
{
    eng_str *tokens = t->tokens;
    size_t known = t->ids;
    eng_status status = new_tokens(t, list->ids > known ? list->ids : known, err);
    if (status == ENG_OK && known)
        memcpy(t->tokens, tokens, known * sizeof *tokens);
    for (size_t i = 0; status == ENG_OK && i < list->count; i++) {
        uint32_t id = list->items[i].item.id;
        if (t->tokens[id].len == 0)
            status = keep_token(t, id, list->items[i].text, err);
    }
    return status;
}

static eng_status read_all_added(eng_tokenizer *t, const eng_json *v, eng_error *err)
{
    if (!v || eng_json_is(v, ENG_JSON_NULL))
        return ENG_OK;
    if (!eng_json_is(v, ENG_JSON_ARRAY))
        return wrong(v, "added_tokens", "an array", err);
    if (v->count > ADDED_MAX)
        return eng_fail_field(err, ENG_ETOOBIG, ENG_STR("added_tokens"), "more than %d", ADDED_MAX);

    added_list list = {.ids = t->vocab_count};
    eng_map_init(&list.by_text);
    list.items = eng_alloc_array(v->count + 1, sizeof *list.items);
    eng_token_scratch *s = eng_zalloc(sizeof *s);
    eng_status status = list.items && s ? ENG_OK : eng_fail_nomem(err);
    for (size_t i = 0; status == ENG_OK && i < v->count; i++)
        status = add_one(t, &list, eng_json_at(v, i), s, err);
    if (status == ENG_OK)
        status = build_added(t, &list, false, &t->raw, err);
    if (status == ENG_OK)
        status = build_added(t, &list, true, &t->normed, err);
    if (status == ENG_OK)
        status = name_added(t, &list, err);
    eng_token_scratch_free(s);
    eng_map_clear(&list.by_text);
    eng_free(list.items);
    return status;
}

/* ---- What a long text may be cut at ---- */

static bool is_local_step(const eng_normal_step *step)
{
    if (step->kind == ENG_NORMAL_CHARSMAP)
        return eng_charsmap_keeps(&step->map, ' ');
    if (step->kind != ENG_NORMAL_REPLACE)
        return true;
    /* One blank alone must match nothing, and be no part of a match. */
    if (step->pattern.least > 1)
        return true;
    bool blank = step->pattern.blank;
    for (size_t i = 0; i < step->pattern.count; i++)
        blank = blank || eng_tok_is_space(step->pattern.set[i]);
    return !blank;
}

/* Words end at blanks, no step looks past one, and no added token has one in it. */
static bool is_local(const eng_tokenizer *t, const eng_json *list)
{
    bool local = t->split_count > 0 &&
                 (t->split[0].kind != ENG_SPLIT_METASPACE || t->split[0].split);
    for (size_t i = 0; i < t->normal_count; i++)
        local = local && is_local_step(&t->normal[i]);
    for (size_t i = 0; i < eng_json_count(list); i++) {
        eng_str text = eng_json_text(eng_json_get(eng_json_at(list, i), ENG_STR("content")));
        for (size_t at = 0; at < text.len;)
            local = !eng_tok_is_space(eng_tok_next(text, &at)) && local;
    }
    return local;
}

/* ---- The file ---- */

static eng_status read_truncation(eng_tokenizer *t, const eng_json *v, eng_error *err)
{
    eng_str strategy, direction = ENG_STR("Right");
    uint64_t max;
    if (!v || eng_json_is(v, ENG_JSON_NULL))
        return ENG_OK;
    eng_status status = eng_tok_uint(v, "max_length", INT64_MAX, &max, err);
    if (status == ENG_OK)
        status = eng_tok_text(v, "strategy", &strategy, err);
    if (status == ENG_OK && eng_json_get(v, ENG_STR("direction")))
        status = eng_tok_text(v, "direction", &direction, err);
    if (status < 0)
        return status;
    t->max = (size_t)max;
    t->cut_left = eng_str_eq(direction, ENG_STR("Left"));
    if (!t->cut_left && !eng_str_eq(direction, ENG_STR("Right")))
        return eng_fail_field(err, ENG_EMALFORMED, ENG_STR("direction"), "neither Left nor Right");
    if (eng_str_eq(strategy, ENG_STR("LongestFirst")))
        t->strategy = ENG_CUT_LONGEST;
    else if (eng_str_eq(strategy, ENG_STR("OnlyFirst")))
        t->strategy = ENG_CUT_FIRST;
    else if (eng_str_eq(strategy, ENG_STR("OnlySecond")))
        t->strategy = ENG_CUT_SECOND;
    else
        return eng_fail_field(err, ENG_EMALFORMED, ENG_STR("strategy"), "unknown: '%.*s'",
                              ENG_FMT(strategy));
    return ENG_OK;
}

static eng_status read_parts(eng_tokenizer *t, const eng_json *root, eng_error *err)
{
    eng_status status = read_model(t, eng_json_get(root, ENG_STR("model")), err);
    if (status == ENG_OK)
        status = eng_tok_read_normal(t, eng_json_get(root, ENG_STR("normalizer")), err);
    if (status == ENG_OK)
        status = eng_tok_read_split(t, eng_json_get(root, ENG_STR("pre_tokenizer")), err);
    if (status == ENG_OK)
        status = read_all_added(t, eng_json_get(root, ENG_STR("added_tokens")), err);
    if (status == ENG_OK)
        status = eng_tok_read_post(t, eng_json_get(root, ENG_STR("post_processor")), err);
    if (status == ENG_OK)
        status = read_truncation(t, eng_json_get(root, ENG_STR("truncation")), err);
    if (status == ENG_OK)
        t->local = is_local(t, eng_json_get(root, ENG_STR("added_tokens")));
    return status == ENG_OK ? eng_bert_prepare(t, err) : status;
}

eng_status eng_tokenizer_read(eng_str json, eng_tokenizer **out, eng_error *err)
{
    eng_tokenizer *t = eng_zalloc(sizeof *t);
    if (!t)
        return eng_fail_nomem(err);
    eng_arena_init(&t->arena, 64 * 1024, NULL);
    eng_arena file;
    eng_arena_init(&file, 64 * 1024, NULL);
    const eng_json *root;
    eng_status status = eng_json_read(json, NULL, &file, &root, err);
    if (status == ENG_OK && !eng_json_is(root, ENG_JSON_OBJECT))
        status = eng_fail(err, ENG_EMALFORMED, "expected an object, got %s",
                          eng_json_type_name(root));
    if (status == ENG_OK)
        status = read_parts(t, root, err);
    eng_arena_clear(&file);
    if (status < 0) {
        eng_error_prefix(err, "tokenizer.json");
        eng_tokenizer_free(t);
        return status;
    }
    *out = t;
    return ENG_OK;
}

void eng_tokenizer_free(eng_tokenizer *t)
{
    if (!t)
        return;
    eng_trie_clear(&t->vocab);
    eng_trie_clear(&t->raw.trie);
    eng_trie_clear(&t->normed.trie);
    eng_arena_clear(&t->arena);
    eng_free(t);
}
