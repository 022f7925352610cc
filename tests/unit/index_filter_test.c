/* Filters against a model of them: answered exactly, alone and nested, in memory and from files. */
#include "index_help.h"

enum { PASSAGES = 500, FIELDS = 6, VALUES = 3 };

/* Names and values of a passage's fields; a list has several. */
typedef struct {
    eng_index_field fields[FIELDS * VALUES];
    size_t count;
} meta;

static const char *const colours[] = {"azul", "verde", "âmbar", "Azul", "roxo", ""};
static const char *const names[FIELDS] = {"n", "x", "cor", "ativo", "dia", "lista"};

static eng_value random_value(size_t field, uint64_t *seed)
{
    switch (field) {
    case 0:
        return (eng_value){.type = ENG_VALUE_INTEGER, .as.integer = (int64_t)below(seed, 40) - 20};
    case 1:
        return (eng_value){.type = ENG_VALUE_NUMBER, .as.number = (double)below(seed, 80) / 2 - 20};
    case 2:
        return (eng_value){.type = ENG_VALUE_STRING,
                           .as.string = eng_str_of(colours[below(seed, 6)])};
    case 3:
        return (eng_value){.type = ENG_VALUE_BOOL, .as.boolean = below(seed, 2)};
    case 4:
        return (eng_value){.type = ENG_VALUE_DATE,
                           .as.integer = (int64_t)below(seed, 30) * 86400000};
    default:
        return random_value(below(seed, 2) * 2, seed);
    }
}

static void make_meta(meta *m, uint64_t *seed)
{
    m->count = 0;
    for (size_t f = 0; f < FIELDS; f++) {
        size_t values = f == 5 ? below(seed, VALUES + 1) : below(seed, 5) > 0;
        for (size_t v = 0; v < values; v++)
            m->fields[m->count++] = (eng_index_field){eng_str_of(names[f]), random_value(f, seed)};
        if (f == 5 && values == 0)
            m->fields[m->count++] = (eng_index_field){eng_str_of(names[f]),
                                                      {.type = ENG_VALUE_OTHER}};
    }
}

/* ---- The model ------------------------------------------------------------------------------------------- */

static double number(const eng_value *v)
{
    return v->type == ENG_VALUE_NUMBER ? v->as.number : (double)v->as.integer;
}

static bool is_number(const eng_value *v)
{
    return v->type == ENG_VALUE_NUMBER || v->type == ENG_VALUE_INTEGER;
}

/* -1, 0, 1; 2 where they have no order. */
static int order(const eng_value *a, const eng_value *b)
{
    if (a->type == ENG_VALUE_STRING && b->type == ENG_VALUE_STRING) {
        int o = eng_str_cmp(a->as.string, b->as.string);
        return o < 0 ? -1 : o > 0;
    }
    if (is_number(a) && is_number(b))
        return number(a) < number(b) ? -1 : number(a) > number(b);
    if (a->type == ENG_VALUE_DATE && b->type == ENG_VALUE_DATE)
        return a->as.integer < b->as.integer ? -1 : a->as.integer > b->as.integer;
    return 2;
}

static bool satisfies(const eng_filter *f, const eng_value *have)
{
    for (size_t i = 0; i < f->value_count; i++) {
        const eng_value *want = &f->values[i];
        int o = order(have, want);
        bool same_bool = have->type == ENG_VALUE_BOOL && want->type == ENG_VALUE_BOOL &&
                         have->as.boolean == want->as.boolean;
        switch (f->op) {
        case ENG_FILTER_IN:
            if (o == 0 || same_bool)
                return true;
            break;
        case ENG_FILTER_GT:
            return o == 1;
        case ENG_FILTER_GTE:
            return o == 0 || o == 1;
        case ENG_FILTER_LT:
            return o == -1;
        case ENG_FILTER_LTE:
            return o == 0 || o == -1;
        default:
            break;
        }
    }
    return false;
}

static bool matches(const eng_filter *f, const meta *m)
{
    switch (f->op) {
    case ENG_FILTER_ALL:
        for (size_t i = 0; i < f->child_count; i++) {
            if (!matches(&f->children[i], m))
                return false;
        }
        return true;
    case ENG_FILTER_ANY:
        for (size_t i = 0; i < f->child_count; i++) {
            if (matches(&f->children[i], m))
                return true;
        }
        return false;
    case ENG_FILTER_NOT:
        return !matches(&f->children[0], m);
    default:
        for (size_t i = 0; i < m->count; i++) {
            if (eng_str_eq(m->fields[i].name, f->field) &&
                (f->op == ENG_FILTER_EXISTS || satisfies(f, &m->fields[i].value)))
                return true;
        }
        return false;
    }
}

/* ---- Filters at random ----------------------------------------------------------------------------------- */

static void make_filter(eng_filter *f, uint64_t *seed, unsigned depth, eng_arena *arena)
{
    *f = (eng_filter){0};
    if (depth < 3 && below(seed, 3) == 0) {
        f->op = (eng_filter_op)below(seed, 3);
        f->child_count = f->op == ENG_FILTER_NOT ? 1 : below(seed, 4);
        eng_filter *children = eng_arena_array(arena, f->child_count + 1, sizeof *children);
        for (size_t i = 0; i < f->child_count; i++)
            make_filter(&children[i], seed, depth + 1, arena);
        f->children = children;
        return;
    }
    size_t field = below(seed, FIELDS);
    f->op = (eng_filter_op)(ENG_FILTER_IN + below(seed, 6));
    f->field = below(seed, 20) ? eng_str_of(names[field]) : ENG_STR("nada");
    f->value_count = f->op == ENG_FILTER_IN ? below(seed, 4) : 1;
    eng_value *values = eng_arena_array(arena, f->value_count + 1, sizeof *values);
    for (size_t i = 0; i < f->value_count; i++) /* now and then of another type than the field's */
        values[i] = random_value(below(seed, 8) ? field : below(seed, FIELDS), seed);
    f->values = values;
}

static void put_all(eng_index *x, meta *all, uint64_t *seed)
{
    eng_error err = {0};
    for (size_t i = 0; i < PASSAGES; i++) {
        make_meta(&all[i], seed);
        eng_index_item item = {.id = i + 1,
                               .document = i / 3,
                               .text = ENG_STR("comum"),
                               .fields = all[i].fields,
                               .field_count = all[i].count};
        assert_ok(eng_index_upsert(x, &item, 1, 1, &err), err);
        if (i == PASSAGES / 2)
            assert_ok(eng_index_flush(x, &err), err);
    }
}

static void check_filter(eng_index_view *view, const eng_filter *f, const meta *all)
{
    static eng_hit hits[PASSAGES + 1];
    eng_error err = {0};
    size_t count = 0, want = 0;
    assert_ok(eng_index_scroll(view, f, 0, PASSAGES + 1, hits, &count, &err), err);
    for (size_t i = 0; i < PASSAGES; i++) {
        if (!matches(f, &all[i]))
            continue;
        assert_true(want < count);
        assert_int_equal(hits[want].id, i + 1);
        assert_int_equal(hits[want++].document, i / 3);
    }
    assert_int_equal(count, want);
    eng_index_query q = {
        .mode = ENG_MODE_BM25, .text = ENG_STR("comum"), .filter = f, .limit = PASSAGES};
    assert_ok(eng_index_candidates(view, &q, hits, &count, &err), err);
    assert_int_equal(count, want);
}

static void filters_are_exact(void **state)
{
    (void)state;
    uint64_t seed = 11;
    char dir[256];
    meta *all = calloc(PASSAGES, sizeof *all);
    temporary_folder(dir);
    eng_index *x = open_index(dir, 0);
    put_all(x, all, &seed);
    for (int k = 0; k < 400; k++) {
        eng_arena arena;
        eng_filter f;
        eng_error err = {0};
        bool more = true;
        if (k == 200) {
            assert_ok(eng_index_flush(x, &err), err);
            eng_index_close(x);
            x = open_index(dir, 0);
        }
        while (k == 300 && more)
            assert_ok(eng_index_step(x, &more, &err), err);
        eng_arena_init(&arena, 1024, NULL);
        make_filter(&f, &seed, 0, &arena);
        eng_index_view *view = view_of(x);
        check_filter(view, &f, all);
        eng_index_view_free(view);
        eng_arena_clear(&arena);
    }
    eng_index_close(x);
    remove_folder(dir);
    free(all);
}

static size_t count_of(eng_index *x, const eng_filter *f)
{
    eng_error err = {0};
    eng_hit hits[16];
    size_t count = 0;
    eng_index_view *view = view_of(x);
    assert_ok(eng_index_scroll(view, f, 0, 16, hits, &count, &err), err);
    eng_index_view_free(view);
    return count;
}

static void put_value(eng_index *x, uint64_t id, eng_value value)
{
    eng_error err = {0};
    eng_index_field field = {ENG_STR("v"), value};
    eng_index_item item = {
        .id = id, .document = id, .text = ENG_STR("a"), .fields = &field, .field_count = 1};
    assert_ok(eng_index_upsert(x, &item, 1, 1, &err), err);
}

static eng_filter compare(eng_filter_op op, const eng_value *value)
{
    return (eng_filter){.op = op, .field = ENG_STR("v"), .values = value, .value_count = 1};
}

static void integers_are_compared_exactly(void **state)
{
    (void)state;
    static const int64_t big[] = {INT64_MIN,       -(1LL << 53) - 1, 0,
                                  (1LL << 53) + 1, INT64_MAX - 1,    INT64_MAX};
    eng_index *x = open_index(NULL, 0);
    for (size_t i = 0; i < 6; i++)
        put_value(x, i + 1, (eng_value){.type = ENG_VALUE_INTEGER, .as.integer = big[i]});
    put_value(x, 7, (eng_value){.type = ENG_VALUE_NUMBER, .as.number = -0.0});
    for (size_t i = 0; i < 6; i++) {
        eng_value v = {.type = ENG_VALUE_INTEGER, .as.integer = big[i]};
        eng_filter in = compare(ENG_FILTER_IN, &v), gt = compare(ENG_FILTER_GT, &v);
        assert_int_equal(count_of(x, &in), i == 2 ? 2 : 1);
        assert_int_equal(count_of(x, &gt), i < 2 ? 6 - i : 5 - i);
    }
    eng_value two_to_53 = {.type = ENG_VALUE_NUMBER, .as.number = 0x1p53};
    eng_filter in = compare(ENG_FILTER_IN, &two_to_53), gt = compare(ENG_FILTER_GT, &two_to_53);
    assert_int_equal(count_of(x, &in), 0);
    assert_int_equal(count_of(x, &gt), 3);
    eng_index_close(x);
}

static void long_strings_are_told_apart(void **state)
{
    (void)state;
    static char a[5000], b[5000];
    memset(a, 'a', sizeof a);
    memset(b, 'a', sizeof b);
    b[4999] = 'b';
    eng_index *x = open_index(NULL, 0);
    put_value(x, 1, (eng_value){.type = ENG_VALUE_STRING, .as.string = {a, sizeof a}});
    put_value(x, 2, (eng_value){.type = ENG_VALUE_STRING, .as.string = {b, sizeof b}});
    eng_value v = {.type = ENG_VALUE_STRING, .as.string = {b, sizeof b}};
    eng_filter in = compare(ENG_FILTER_IN, &v);
    assert_int_equal(count_of(x, &in), 1);
    eng_index_close(x);
}

static void documents_and_ids_are_fields_too(void **state)
{
    (void)state;
    eng_index *x = open_index(NULL, 0);
    for (uint64_t id = 1; id < 9; id++) {
        eng_error err = {0};
        eng_index_item item = {.id = id, .document = id % 2, .text = ENG_STR("a")};
        assert_ok(eng_index_upsert(x, &item, 1, 1, &err), err);
    }
    eng_value one = {.type = ENG_VALUE_INTEGER, .as.integer = 1};
    eng_filter document = compare(ENG_FILTER_DOCUMENT, &one), id = compare(ENG_FILTER_ID, &one);
    assert_int_equal(count_of(x, &document), 4);
    assert_int_equal(count_of(x, &id), 1);
    eng_index_close(x);
}

static void a_filter_that_is_too_deep_is_refused(void **state)
{
    (void)state;
    static eng_filter deep[ENG_FILTER_DEPTH_MAX + 3];
    eng_hit hit;
    size_t count;
    eng_index *x = open_index(NULL, 0);
    put_text(x, 1, "a");
    eng_index_view *view = view_of(x);
    for (size_t i = 0; i < ENG_FILTER_DEPTH_MAX + 2; i++)
        deep[i] = (eng_filter){.op = ENG_FILTER_NOT, .children = &deep[i + 1], .child_count = 1};
    deep[ENG_FILTER_DEPTH_MAX + 2] = (eng_filter){.op = ENG_FILTER_ALL};
    assert_int_equal(eng_index_scroll(view, deep, 0, 1, &hit, &count, NULL), ENG_EINVALID);
    assert_int_equal(eng_index_scroll(view, deep + 3, 0, 1, &hit, &count, NULL), ENG_OK);
    eng_index_view_free(view);
    eng_index_close(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_are_exact),
        cmocka_unit_test(integers_are_compared_exactly),
        cmocka_unit_test(long_strings_are_told_apart),
        cmocka_unit_test(documents_and_ids_are_fields_too),
        cmocka_unit_test(a_filter_that_is_too_deep_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
