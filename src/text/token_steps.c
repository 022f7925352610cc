/*
 * From tokenizer.json to steps: normalisers, pre-tokenizers, post-processors. A Sequence is its members
 * one after the other. What we do not know is refused by name, for a tokenizer that left a step out
 * would give other ids than the model was trained on, and nobody would notice.
 */
#include "text/token_internal.h"

#include "base/error.h"

enum { STEPS_MAX = 64, PARTS_MAX = 64 };

static eng_str type_of(const eng_json *v)
{
    return eng_json_text(eng_json_get(v, ENG_STR("type")));
}

static eng_status unknown(const char *what, const eng_json *v, eng_error *err)
{
    if (!eng_json_is(v, ENG_JSON_OBJECT))
        return eng_fail(err, ENG_EMALFORMED, "a %s is %s", what, eng_json_type_name(v));
    return eng_fail(err, ENG_EUNSUPPORTED, "a tokenizer with a %s of the type '%.*s'", what,
                    ENG_FMT(type_of(v)));
}

/* The members of a sequence, or v itself as the only one; NULL past the last. */
static const eng_json *member(const eng_json *v, const char *list, size_t i)
{
    if (eng_str_eq(type_of(v), ENG_STR("Sequence")))
        return eng_json_at(eng_json_get(v, eng_str_of(list)), i);
    return i == 0 ? v : NULL;
}

static bool is_none(const eng_json *v) { return !v || eng_json_is(v, ENG_JSON_NULL); }

/* ---- Normalisers ---- */

static eng_status read_bert(const eng_json *v, eng_normal_step *step, eng_error *err)
{
    step->kind = ENG_NORMAL_BERT;
    eng_status status = eng_tok_bool(v, "clean_text", NULL, &step->clean, err);
    if (status == ENG_OK)
        status = eng_tok_bool(v, "handle_chinese_chars", NULL, &step->ideographs, err);
    if (status == ENG_OK)
        status = eng_tok_bool(v, "lowercase", NULL, &step->lower, err);
    /* Where nothing is said of accents, they go where case goes. */
    return status < 0 ? status
                      : eng_tok_bool(v, "strip_accents", &step->lower, &step->accents, err);
}

static eng_status read_strip(const eng_json *v, eng_normal_step *step, eng_error *err)
{
    step->kind = ENG_NORMAL_STRIP;
    eng_status status = eng_tok_bool(v, "strip_left", NULL, &step->left, err);
    return status < 0 ? status : eng_tok_bool(v, "strip_right", NULL, &step->right, err);
}

/*
 * A regular expression of one set and how often: " {2,}", "\s+", "[ \t]{2}", "\n". That is all that
 * the files of the models we know need; *at moves along, and false says that it is something else.
 */
static bool read_escape(const uint32_t *c, size_t count, size_t *at, uint32_t *out, bool *blank)
{
    if (*at == count)
        return false;
    uint32_t letter = c[(*at)++];
    switch (letter) {
    case 's':
        *blank = true;
        return true;
    case 'n':
        *out = '\n';
        return true;
    case 'r':
        *out = '\r';
        return true;
    case 't':
        *out = '\t';
        return true;
    default:
        *out = letter;
        return !((letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
                 (letter >= 'A' && letter <= 'Z'));
    }
}

static bool is_special(uint32_t c) { return c < 0x80 && c && strchr(".^$*+?()[]{}|\\", (int)c); }

/* One character or \s, into the set that grows at `set`. */
static bool read_one(const uint32_t *c, size_t count, size_t *at, uint32_t *set,
                     eng_tok_pattern *out)
{
    bool blank = false;
    uint32_t one = c[(*at)++];
    if (one == '\\' && !read_escape(c, count, at, &one, &blank))
        return false;
    if (blank)
        out->blank = true;
    else
        set[out->count++] = one;
    return true;
}

static bool read_set(const uint32_t *c, size_t count, size_t *at, uint32_t *set,
                     eng_tok_pattern *out)
{
    if (c[*at] != '[')
        return (c[*at] == '\\' || !is_special(c[*at])) && read_one(c, count, at, set, out);
    ++*at;
    while (*at < count && c[*at] != ']') {
        if (c[*at] == '^' || c[*at] == '-' || c[*at] == '[' || c[*at] == '&' ||
            !read_one(c, count, at, set, out))
            return false;
    }
    return (*at)++ < count && (out->count || out->blank);
}

static bool read_count(const uint32_t *c, size_t count, size_t *at, uint32_t *out)
{
    uint32_t value = 0;
    size_t start = *at;
    for (; *at < count && c[*at] >= '0' && c[*at] <= '9' && value < 1000; ++*at)
        value = value * 10 + (c[*at] - '0');
    *out = value;
    return *at > start && value < 1000;
}

static bool read_times(const uint32_t *c, size_t count, size_t *at, eng_tok_pattern *out)
{
    out->least = out->most = 1;
    if (*at == count)
        return true;
    uint32_t sign = c[(*at)++];
    if (sign == '+') {
        out->most = UINT32_MAX;
        return *at == count;
    }
    if (sign != '{' || !read_count(c, count, at, &out->least) || *at == count)
        return false;
    out->most = out->least;
    if (c[*at] == ',') {
        ++*at;
        if (*at < count && c[*at] == '}')
            out->most = UINT32_MAX;
        else if (!read_count(c, count, at, &out->most))
            return false;
    }
    return *at + 1 == count && c[*at] == '}' && out->least > 0 && out->most >= out->least;
}

static eng_status read_pattern(eng_tokenizer *t, const eng_json *v, eng_tok_pattern *out,
                               eng_error *err)
{
    const eng_json *text = eng_json_get(v, ENG_STR("String"));
    const eng_json *regex = eng_json_get(v, ENG_STR("Regex"));
    eng_str source = eng_json_text(text ? text : regex);
    const uint32_t *points;
    size_t count, at = 0;
    if (source.len == 0)
        return eng_fail_field(err, ENG_EMALFORMED, ENG_STR("pattern"),
                              "neither a String nor a Regex");
    eng_status status = eng_tok_code_points(source, &t->arena, &points, &count, err);
    if (status < 0)
        return status;
    *out = (eng_tok_pattern){.set = points, .count = count};
    if (text)
        return ENG_OK;
    uint32_t *set = eng_arena_array(&t->arena, count, sizeof *set);
    if (!set)
        return eng_fail_nomem(err);
    *out = (eng_tok_pattern){.set = set};
    if (!read_set(points, count, &at, set, out) || !read_times(points, count, &at, out))
        return eng_fail(err, ENG_EUNSUPPORTED,
                        "a tokenizer that replaces the regular expression '%.*s'", ENG_FMT(source));
    return ENG_OK;
}

static eng_status read_replace(eng_tokenizer *t, const eng_json *v, eng_normal_step *step,
                               eng_error *err)
{
    eng_str content;
    step->kind = ENG_NORMAL_REPLACE;
    eng_status status = read_pattern(t, eng_json_get(v, ENG_STR("pattern")), &step->pattern, err);
    if (status == ENG_OK)
        status = eng_tok_text(v, "content", &content, err);
    return status < 0
               ? status
               : eng_tok_code_points(content, &t->arena, &step->content, &step->content_count, err);
}

static eng_status read_prepend(eng_tokenizer *t, const eng_json *v, eng_normal_step *step,
                               eng_error *err)
{
    eng_str content;
    step->kind = ENG_NORMAL_PREPEND;
    eng_status status = eng_tok_text(v, "prepend", &content, err);
    return status < 0
               ? status
               : eng_tok_code_points(content, &t->arena, &step->content, &step->content_count, err);
}

static eng_status read_charsmap(eng_tokenizer *t, const eng_json *v, eng_normal_step *step,
                                eng_error *err)
{
    eng_str base64;
    step->kind = ENG_NORMAL_CHARSMAP;
    eng_status status = eng_tok_text(v, "precompiled_charsmap", &base64, err);
    return status < 0 ? status : eng_charsmap_read(&step->map, base64, &t->arena, err);
}

/* Those that have nothing but a name. */
static const struct {
    const char *name;
    eng_normal_kind kind;
} plain_normals[] = {{"NFC", ENG_NORMAL_NFC},         {"NFD", ENG_NORMAL_NFD},
                     {"NFKC", ENG_NORMAL_NFKC},       {"NFKD", ENG_NORMAL_NFKD},
                     {"Lowercase", ENG_NORMAL_LOWER}, {"StripAccents", ENG_NORMAL_STRIP_ACCENTS},
                     {"Nmt", ENG_NORMAL_NMT}};

static eng_status read_normal(eng_tokenizer *t, const eng_json *v, eng_normal_step *step,
                              eng_error *err)
{
    eng_str type = type_of(v);
    for (size_t i = 0; i < sizeof plain_normals / sizeof plain_normals[0]; i++) {
        if (eng_str_eq(type, eng_str_of(plain_normals[i].name))) {
            step->kind = plain_normals[i].kind;
            return ENG_OK;
        }
    }
    if (eng_str_eq(type, ENG_STR("BertNormalizer")))
        return read_bert(v, step, err);
    if (eng_str_eq(type, ENG_STR("Strip")))
        return read_strip(v, step, err);
    if (eng_str_eq(type, ENG_STR("Replace")))
        return read_replace(t, v, step, err);
    if (eng_str_eq(type, ENG_STR("Prepend")))
        return read_prepend(t, v, step, err);
    if (eng_str_eq(type, ENG_STR("Precompiled")))
        return read_charsmap(t, v, step, err);
    return unknown("normalizer", v, err);
}

/* Sequences in sequences are laid flat. */
static eng_status read_normals(eng_tokenizer *t, const eng_json *v, eng_error *err)
{
    eng_status status = ENG_OK;
    const eng_json *m;
    for (size_t i = 0; status == ENG_OK && (m = member(v, "normalizers", i)); i++) {
        if (eng_str_eq(type_of(m), ENG_STR("Sequence"))) {
            status = read_normals(t, m, err);
        } else if (t->normal_count == STEPS_MAX) {
            status = eng_fail(err, ENG_ETOOBIG, "more than %d normalizers", STEPS_MAX);
        } else {
            t->normal[t->normal_count] = (eng_normal_step){0};
            status = read_normal(t, m, &t->normal[t->normal_count++], err);
        }
    }
    return status;
}

eng_status eng_tok_read_normal(eng_tokenizer *t, const eng_json *v, eng_error *err)
{
    if (is_none(v))
        return ENG_OK;
    t->normal = eng_arena_array(&t->arena, STEPS_MAX, sizeof *t->normal);
    return t->normal ? read_normals(t, v, err) : eng_fail_nomem(err);
}

/* ---- Pre-tokenizers ---- */

/* Files of several ages: add_prefix_space is the older word for prepend_scheme. */
static eng_status read_prepend_scheme(const eng_json *v, eng_split_step *step, eng_error *err)
{
    static const bool yes = true;
    bool prefix;
    eng_str scheme = ENG_STR("always");
    eng_status status = eng_tok_bool(v, "add_prefix_space", &yes, &prefix, err);
    if (status == ENG_OK && eng_json_get(v, ENG_STR("prepend_scheme")))
        status = eng_tok_text(v, "prepend_scheme", &scheme, err);
    if (status < 0)
        return status;
    if (eng_str_eq(scheme, ENG_STR("always")) && eng_json_get(v, ENG_STR("prepend_scheme")) &&
        !prefix)
        return eng_fail_field(err, ENG_EMALFORMED, ENG_STR("add_prefix_space"),
                              "does not agree with prepend_scheme");
    if (!prefix || eng_str_eq(scheme, ENG_STR("never")))
        step->prepend = ENG_PREPEND_NEVER;
    else if (eng_str_eq(scheme, ENG_STR("first")))
        step->prepend = ENG_PREPEND_FIRST;
    else if (eng_str_eq(scheme, ENG_STR("always")))
        step->prepend = ENG_PREPEND_ALWAYS;
    else
        return eng_fail_field(err, ENG_EMALFORMED, ENG_STR("prepend_scheme"), "unknown: '%.*s'",
                              ENG_FMT(scheme));
    return ENG_OK;
}

static eng_status read_metaspace(const eng_json *v, eng_split_step *step, eng_error *err)
{
    static const bool yes = true;
    eng_str replacement;
    size_t at = 0;
    step->kind = ENG_SPLIT_METASPACE;
    eng_status status = eng_tok_text(v, "replacement", &replacement, err);
    if (status == ENG_OK)
        status = eng_tok_bool(v, "split", &yes, &step->split, err);
    if (status == ENG_OK)
        status = read_prepend_scheme(v, step, err);
    if (status < 0)
        return status;
    if (replacement.len)
        step->replacement = eng_tok_next(replacement, &at);
    if (replacement.len == 0 || at != replacement.len)
        return eng_fail_field(err, ENG_EMALFORMED, ENG_STR("replacement"), "not one character");
    return ENG_OK;
}

static eng_status read_split(const eng_json *v, eng_split_step *step, eng_error *err)
{
    eng_str type = type_of(v);
    if (eng_str_eq(type, ENG_STR("Metaspace")))
        return read_metaspace(v, step, err);
    if (eng_str_eq(type, ENG_STR("BertPreTokenizer")))
        step->kind = ENG_SPLIT_BERT;
    else if (eng_str_eq(type, ENG_STR("Whitespace")))
        step->kind = ENG_SPLIT_WORDS;
    else if (eng_str_eq(type, ENG_STR("WhitespaceSplit")))
        step->kind = ENG_SPLIT_BLANKS;
    else
        return unknown("pre_tokenizer", v, err);
    return ENG_OK;
}

static eng_status read_splits(eng_tokenizer *t, const eng_json *v, eng_error *err)
{
    eng_status status = ENG_OK;
    const eng_json *m;
    for (size_t i = 0; status == ENG_OK && (m = member(v, "pretokenizers", i)); i++) {
        if (eng_str_eq(type_of(m), ENG_STR("Sequence"))) {
            status = read_splits(t, m, err);
        } else if (t->split_count == STEPS_MAX) {
            status = eng_fail(err, ENG_ETOOBIG, "more than %d pre_tokenizers", STEPS_MAX);
        } else {
            t->split[t->split_count] = (eng_split_step){0};
            status = read_split(m, &t->split[t->split_count++], err);
        }
    }
    return status;
}

eng_status eng_tok_read_split(eng_tokenizer *t, const eng_json *v, eng_error *err)
{
    if (is_none(v))
        return ENG_OK;
    t->split = eng_arena_array(&t->arena, STEPS_MAX, sizeof *t->split);
    return t->split ? read_splits(t, v, err) : eng_fail_nomem(err);
}

/* ---- Post-processors ---- */

static eng_status put_part(eng_template *out, eng_part part, eng_error *err)
{
    if (out->count == PARTS_MAX)
        return eng_fail(err, ENG_ETOOBIG, "more than %d parts in a post_processor", PARTS_MAX);
    out->parts[out->count++] = part;
    out->specials += part.kind == ENG_PART_SPECIAL;
    return ENG_OK;
}

static eng_status new_templates(eng_tokenizer *t, eng_error *err)
{
    t->single = (eng_template){.parts = eng_arena_array(&t->arena, PARTS_MAX, sizeof(eng_part))};
    t->pair = (eng_template){.parts = eng_arena_array(&t->arena, PARTS_MAX, sizeof(eng_part))};
    return t->single.parts && t->pair.parts ? ENG_OK : eng_fail_nomem(err);
}

/* An id that a post-processor adds: what has embeddings must have a row for it, so it counts. */
static eng_status special_id(eng_tokenizer *t, const eng_json *v, uint32_t *out, eng_error *err)
{
    if (!eng_json_is(v, ENG_JSON_INT) || v->as.integer < 0 || (uint64_t)v->as.integer >= t->ids)
        return eng_fail(err, ENG_EMALFORMED,
                        "the post_processor adds a token whose id is none of the vocabulary's");
    *out = (uint32_t)v->as.integer;
    return ENG_OK;
}

/* ["[SEP]", 102] */
static eng_status read_named(eng_tokenizer *t, const eng_json *v, const char *key, uint32_t *out,
                             eng_error *err)
{
    const eng_json *pair = eng_json_get(v, eng_str_of(key));
    if (eng_json_count(pair) != 2 || !eng_json_is(pair, ENG_JSON_ARRAY))
        return eng_fail_field(err, ENG_EMALFORMED, eng_str_of(key), "not a token and its id");
    return special_id(t, eng_json_at(pair, 1), out, err);
}

/* [CLS] A [SEP], [CLS] A [SEP] B [SEP]; RoBERTa's has another [SEP] before B, and one type. */
static eng_status read_classic(eng_tokenizer *t, const eng_json *v, bool roberta, eng_error *err)
{
    uint32_t cls = 0, sep = 0;
    eng_status status = read_named(t, v, "cls", &cls, err);
    if (status == ENG_OK)
        status = read_named(t, v, "sep", &sep, err);
    if (status == ENG_OK && roberta)
        status = eng_tok_bool(v, "trim_offsets", NULL, &t->trim, err);
    if (status == ENG_OK && roberta)
        status = eng_tok_bool(v, "add_prefix_space", NULL, &t->prefix_kept, err);
    if (status < 0)
        return status;
    uint8_t second = roberta ? 0 : 1;
    const eng_part parts[] = {{ENG_PART_SPECIAL, 0, cls}, {ENG_PART_A, 0, 0},
                              {ENG_PART_SPECIAL, 0, sep}, {ENG_PART_SPECIAL, 0, sep},
                              {ENG_PART_B, second, 0},    {ENG_PART_SPECIAL, second, sep}};
    for (size_t i = 0; status == ENG_OK && i < sizeof parts / sizeof parts[0]; i++) {
        if (i < 3)
            status = put_part(&t->single, parts[i], err);
        if (status == ENG_OK && (i != 3 || roberta))
            status = put_part(&t->pair, parts[i], err);
    }
    return status;
}

static eng_status read_type_id(const eng_json *v, uint8_t *out, eng_error *err)
{
    uint64_t type;
    eng_status status = eng_tok_uint(v, "type_id", UINT8_MAX, &type, err);
    if (status == ENG_OK)
        *out = (uint8_t)type;
    return status;
}

static eng_status read_sequence_part(const eng_json *v, bool pair, eng_template *out,
                                     eng_error *err)
{
    eng_part part = {0};
    eng_str id;
    eng_status status = eng_tok_text(v, "id", &id, err);
    if (status == ENG_OK)
        status = read_type_id(v, &part.type, err);
    if (status < 0)
        return status;
    part.kind = eng_str_eq(id, ENG_STR("B")) ? ENG_PART_B : ENG_PART_A;
    if ((part.kind == ENG_PART_A && !eng_str_eq(id, ENG_STR("A"))) ||
        (part.kind == ENG_PART_B && !pair))
        return eng_fail_field(err, ENG_EMALFORMED, ENG_STR("post_processor"),
                              "no such sequence: '%.*s'", ENG_FMT(id));
    return put_part(out, part, err);
}

static eng_status read_special_part(eng_tokenizer *t, const eng_json *v, const eng_json *specials,
                                    eng_template *out, eng_error *err)
{
    eng_part part = {.kind = ENG_PART_SPECIAL};
    eng_str name;
    eng_status status = eng_tok_text(v, "id", &name, err);
    if (status == ENG_OK)
        status = read_type_id(v, &part.type, err);
    if (status < 0)
        return status;
    const eng_json *ids = eng_json_get(eng_json_get(specials, name), ENG_STR("ids"));
    if (!eng_json_is(ids, ENG_JSON_ARRAY))
        return eng_fail_field(err, ENG_EMALFORMED, ENG_STR("special_tokens"), "no ids of '%.*s'",
                              ENG_FMT(name));
    for (size_t i = 0; status == ENG_OK && i < ids->count; i++) {
        status = special_id(t, eng_json_at(ids, i), &part.id, err);
        if (status == ENG_OK)
            status = put_part(out, part, err);
    }
    return status;
}

static eng_status read_template(eng_tokenizer *t, const eng_json *v, const char *key, bool pair,
                                eng_template *out, eng_error *err)
{
    const eng_json *parts = eng_json_get(v, eng_str_of(key));
    const eng_json *specials = eng_json_get(v, ENG_STR("special_tokens"));
    eng_status status = ENG_OK;
    if (!eng_json_is(parts, ENG_JSON_ARRAY))
        return eng_fail_field(err, ENG_EMALFORMED, eng_str_of(key), "not a list of parts");
    for (size_t i = 0; status == ENG_OK && i < parts->count; i++) {
        const eng_json *part = eng_json_at(parts, i);
        const eng_json *sequence = eng_json_get(part, ENG_STR("Sequence"));
        const eng_json *special = eng_json_get(part, ENG_STR("SpecialToken"));
        if (sequence)
            status = read_sequence_part(sequence, pair, out, err);
        else if (special)
            status = read_special_part(t, special, specials, out, err);
        else
            status = eng_fail_field(err, ENG_EMALFORMED, eng_str_of(key),
                                    "part %zu is neither a Sequence nor a SpecialToken", i);
    }
    return status;
}

/* Without a post-processor the texts follow each other. */
static eng_status plain_templates(eng_tokenizer *t, eng_error *err)
{
    const eng_part a = {ENG_PART_A, 0, 0}, b = {ENG_PART_B, 1, 0};
    eng_status status = put_part(&t->single, a, err);
    if (status == ENG_OK)
        status = put_part(&t->pair, a, err);
    return status == ENG_OK ? put_part(&t->pair, b, err) : status;
}

eng_status eng_tok_read_post(eng_tokenizer *t, const eng_json *v, eng_error *err)
{
    eng_status status = new_templates(t, err);
    if (status < 0)
        return status;
    if (is_none(v))
        return plain_templates(t, err);
    /* A sequence of one is that one. */
    if (eng_str_eq(type_of(v), ENG_STR("Sequence")) &&
        eng_json_count(eng_json_get(v, ENG_STR("processors"))) == 1)
        v = member(v, "processors", 0);
    eng_str type = type_of(v);
    if (eng_str_eq(type, ENG_STR("BertProcessing")))
        return read_classic(t, v, false, err);
    if (eng_str_eq(type, ENG_STR("RobertaProcessing")))
        return read_classic(t, v, true, err);
    if (!eng_str_eq(type, ENG_STR("TemplateProcessing")))
        return unknown("post_processor", v, err);
    status = read_template(t, v, "single", false, &t->single, err);
    return status == ENG_OK ? read_template(t, v, "pair", true, &t->pair, err) : status;
}
