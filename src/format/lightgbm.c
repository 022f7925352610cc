/* Lines "key=value"; a tree begins at "Tree=N" and ends at an empty line or the next one. */
#include "format/lightgbm.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/map.h"

#include <math.h>

typedef struct {
    eng_str rest;
    uint32_t line;
    eng_arena *arena;
    eng_lightgbm *m;
    eng_buf trees;
    eng_error *err;
} reader;

static eng_status malformed(reader *r, const char *what)
{
    eng_fail(r->err, ENG_EMALFORMED, "a LightGBM model, line %u: %s", r->line, what);
    if (r->err)
        r->err->line = r->line;
    return ENG_EMALFORMED;
}

static eng_status no_memory(reader *r)
{
    return eng_fail(r->err, ENG_ENOMEM, "a LightGBM model: out of memory");
}

static bool next_line(reader *r, eng_str *out)
{
    if (r->rest.len == 0)
        return false;
    if (!eng_str_cut(r->rest, '\n', out, &r->rest))
        r->rest = (eng_str){"", 0};
    if (out->len && out->ptr[out->len - 1] == '\r')
        out->len--;
    r->line++;
    return true;
}

/* ---- Lists ---- */

static size_t count_words(eng_str s, char between)
{
    size_t n = s.len > 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.ptr[i] == between;
    return n;
}

/* A number as C++ prints it: also nan, inf, and "1e+20". */
static bool number(eng_str s, double *out)
{
    eng_str body = s;
    bool minus = eng_str_starts(s, ENG_STR("-"));
    if (minus)
        body = eng_str_sub(s, 1, SIZE_MAX);
    if (eng_str_eq_nocase(body, ENG_STR("inf")) || eng_str_eq_nocase(body, ENG_STR("nan"))) {
        *out = body.ptr[0] == 'i' || body.ptr[0] == 'I' ? (minus ? -INFINITY : INFINITY) : NAN;
        return true;
    }
    return eng_number_read(s, out);
}

static eng_status numbers(reader *r, eng_str s, const double **out, size_t *count)
{
    size_t n = count_words(s, ' '), at = 0;
    double *to = eng_arena_array(r->arena, n, sizeof *to);
    if (!to)
        return no_memory(r);
    while (s.len) {
        eng_str word;
        if (!eng_str_cut(s, ' ', &word, &s))
            s = (eng_str){"", 0};
        if (word.len && !number(word, &to[at++]))
            return malformed(r, "expected numbers");
    }
    *out = to;
    *count = at;
    return ENG_OK;
}

static eng_status words(reader *r, eng_str s, const eng_str **out, size_t *count)
{
    size_t n = count_words(s, ' '), at = 0;
    eng_str *to = eng_arena_array(r->arena, n, sizeof *to);
    if (!to)
        return no_memory(r);
    while (s.len) {
        eng_str word;
        if (!eng_str_cut(s, ' ', &word, &s))
            s = (eng_str){"", 0};
        to[at++] = word;
    }
    *out = to;
    *count = at;
    return ENG_OK;
}

/* ---- A tree ---- */

typedef struct {
    size_t features, thresholds, decisions, lefts, rights, leaves;
} lengths;

static eng_status tree_line(reader *r, eng_lightgbm_tree *t, lengths *n, eng_str key, eng_str value)
{
    struct {
        eng_str key;
        const double **list;
        size_t *count;
    } lists[] = {{ENG_STR("split_feature"), &t->feature, &n->features},
                 {ENG_STR("threshold"), &t->threshold, &n->thresholds},
                 {ENG_STR("decision_type"), &t->decision, &n->decisions},
                 {ENG_STR("left_child"), &t->left, &n->lefts},
                 {ENG_STR("right_child"), &t->right, &n->rights},
                 {ENG_STR("leaf_value"), &t->leaf, &n->leaves},
                 {ENG_STR("cat_boundaries"), &t->set_ends, &t->sets},
                 {ENG_STR("cat_threshold"), &t->set_words, &t->words}};
    double x;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (eng_str_eq(key, lists[i].key))
            return numbers(r, value, lists[i].list, lists[i].count);
    if (eng_str_eq(key, ENG_STR("num_leaves"))) {
        if (!number(value, &x) || !(x >= 1 && x <= INT32_MAX))
            return malformed(r, "num_leaves");
        t->leaves = (size_t)x;
    }
    if (eng_str_eq(key, ENG_STR("is_linear")) && !eng_str_eq(value, ENG_STR("0")))
        return eng_fail(r->err, ENG_EUNSUPPORTED,
                        "a LightGBM model with linear models in its leaves (linear_tree)");
    return ENG_OK;
}

static eng_status end_tree(reader *r, eng_lightgbm_tree *t, const lengths *n)
{
    size_t splits = t->leaves - 1;
    if (t->leaves == 0 || n->leaves != t->leaves || n->features != splits ||
        n->thresholds != splits || n->lefts != splits || n->rights != splits ||
        (n->decisions != splits && n->decisions != 0))
        return malformed(r, "a tree whose lists are not as long as it has leaves");
    if (n->decisions == 0 && splits)
        return malformed(r, "a tree without decision_type");
    t->sets = t->sets ? t->sets - 1 : 0;
    for (size_t i = 0; i < t->sets; i++)
        if (!(t->set_ends[i] >= 0 && t->set_ends[i] <= t->set_ends[i + 1] &&
              t->set_ends[i + 1] <= (double)t->words))
            return malformed(r, "categories whose ends do not rise");
    eng_buf_bytes(&r->trees, t, sizeof *t);
    return ENG_OK;
}

static eng_status read_tree(reader *r)
{
    eng_lightgbm_tree t = {0};
    lengths n = {0};
    eng_str line, key, value;
    eng_status status = ENG_OK;
    while (status == ENG_OK && next_line(r, &line) && eng_str_cut(line, '=', &key, &value))
        status = tree_line(r, &t, &n, key, value);
    return status == ENG_OK ? end_tree(r, &t, &n) : status;
}

/* ---- The head ---- */

static eng_status whole(reader *r, eng_str value, size_t most, size_t *out)
{
    uint64_t n;
    if (!eng_str_u64(value, &n) || n > most)
        return malformed(r, "expected a whole number that is not too large");
    *out = (size_t)n;
    return ENG_OK;
}

static eng_status head_line(reader *r, eng_str key, eng_str value)
{
    eng_lightgbm *m = r->m;
    size_t count;
    eng_status status = ENG_OK;
    if (eng_str_eq(key, ENG_STR("num_tree_per_iteration"))) {
        status = whole(r, value, ENG_LIGHTGBM_CLASSES, &m->classes);
    } else if (eng_str_eq(key, ENG_STR("max_feature_idx"))) {
        if (m->features) /* what was held against it stands */
            return malformed(r, "max_feature_idx twice");
        status = whole(r, value, ENG_LIGHTGBM_FEATURES - 1, &m->features);
        m->features += status == ENG_OK;
    } else if (eng_str_eq(key, ENG_STR("objective"))) {
        m->objective = value;
    } else if (eng_str_eq(key, ENG_STR("feature_names"))) {
        status = words(r, value, &m->names, &count);
        if (status == ENG_OK && count != m->features)
            status = malformed(r, "names that are not as many as its features");
    } else if (eng_str_eq(key, ENG_STR("feature_infos"))) {
        status = words(r, value, &m->infos, &count);
        if (status == ENG_OK && count != m->features)
            status = malformed(r, "feature_infos that are not as many as its features");
    }
    return status;
}

/* What stands behind the trees: parameters that it was trained with, and pandas' categories. */
static eng_status tail_line(reader *r, eng_str line)
{
    static const char start[] = "[categorical_feature: ";
    if (eng_str_starts(line, ENG_STR("[categorical_feature: "))) {
        line = eng_str_sub(line, sizeof start - 1, SIZE_MAX);
        eng_str_cut(line, ']', &r->m->categorical, &line);
    } else if (eng_str_starts(line, ENG_STR("pandas_categorical:"))) {
        eng_str json = eng_str_trim(
            eng_str_sub(line, ENG_STR("pandas_categorical:").len, SIZE_MAX));
        eng_status status = eng_json_read(json, NULL, r->arena, &r->m->pandas, r->err);
        if (status < 0)
            return status == ENG_ENOMEM ? status : malformed(r, "pandas_categorical");
        if (r->m->pandas->type != ENG_JSON_ARRAY)
            r->m->pandas = NULL;
    }
    return ENG_OK;
}

static eng_status read_lines(reader *r)
{
    eng_str line, key, value;
    eng_status status = ENG_OK;
    bool ended = false;
    while (status == ENG_OK && next_line(r, &line)) {
        if (ended) {
            status = tail_line(r, line);
        } else if (eng_str_starts(line, ENG_STR("Tree="))) {
            if (r->trees.len / sizeof(eng_lightgbm_tree) >= ENG_LIGHTGBM_TREES)
                return eng_fail(r->err, ENG_ETOOBIG, "a LightGBM model of too many trees");
            status = read_tree(r);
        } else if (eng_str_eq(line, ENG_STR("end of trees"))) {
            ended = true;
        } else if (eng_str_eq(line, ENG_STR("average_output"))) {
            r->m->average = true;
        } else if (eng_str_cut(line, '=', &key, &value)) {
            status = head_line(r, key, value);
        }
    }
    if (status == ENG_OK && !ended)
        return malformed(r, "it ends before its trees do");
    return status;
}

bool eng_lightgbm_likely(eng_str bytes)
{
    return eng_str_starts(bytes, ENG_STR("tree\n")) || eng_str_starts(bytes, ENG_STR("tree\r\n"));
}

eng_status eng_lightgbm_read(eng_str bytes, eng_arena *arena, eng_lightgbm *out, eng_error *err)
{
    eng_lightgbm m = {.classes = 1};
    reader r = {.rest = bytes, .arena = arena, .m = &m, .err = err};
    eng_buf_init(&r.trees, (size_t)1 << 30);
    eng_status status = read_lines(&r);
    if (status == ENG_OK && (m.features == 0 || m.classes == 0))
        status = malformed(&r, "it says neither max_feature_idx nor num_tree_per_iteration");
    if (status == ENG_OK)
        status = eng_buf_check(&r.trees, "a LightGBM model", err);
    m.tree_count = r.trees.len / sizeof *m.trees;
    void *trees = status == ENG_OK ? eng_arena_alloc(arena, r.trees.len) : NULL;
    if (status == ENG_OK && !trees)
        status = no_memory(&r);
    if (trees && r.trees.len)
        memcpy(trees, r.trees.data, r.trees.len);
    m.trees = trees;
    if (status == ENG_OK)
        *out = m;
    eng_buf_clear(&r.trees);
    return status;
}
