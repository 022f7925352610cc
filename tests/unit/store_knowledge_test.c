/* Collections, documents, generations and the log of changes: promises of store.h. */
#include "store_help.h"

#include <stdatomic.h>

enum { DIMS = 4, PARTS = 3 };

/* ---- Making things ---- */

static int64_t add_collection(eng_store *s, const char *name)
{
    eng_error err = {0};
    eng_store_collection c = {
        .name = eng_str_of(name), .title = eng_str_of(name), .settings = ENG_STR("{}")};
    assert_ok(eng_store_collection_add(s, &c, &err), err);
    assert_true(c.id > 0 && c.version > 0 && c.created_ms > 0);
    return c.id;
}

static int64_t begin(eng_store *s, int64_t collection, int64_t cutting)
{
    eng_error err = {0};
    eng_store_generation g = {.collection = collection,
                              .cutting = cutting,
                              .cut = ENG_STR("{\"size\":300}"),
                              .model = ENG_STR("mini"),
                              .dims = DIMS,
                              .settings = ENG_STR("{}")};
    assert_ok(eng_store_generation_begin(s, &g, &err), err);
    assert_true(g.id > 0 && g.cutting > 0 && !g.whole);
    return g.id;
}

/* A collection with an active generation. */
static int64_t make_collection(eng_store *s, const char *name, int64_t *generation)
{
    eng_error err = {0};
    int64_t id = add_collection(s, name);
    *generation = begin(s, id, 0);
    assert_ok(eng_store_generation_activate(s, *generation, &err), err);
    return id;
}

static eng_store_collection get_collection(eng_store *s, place *p, const char *name)
{
    eng_error err = {0};
    eng_store_collection c;
    assert_ok(eng_store_collection_get(s, eng_str_of(name), &p->arena, &c, &err), err);
    return c;
}

/* Three passages that cut the text into thirds, a vector each; all say `value`. */
typedef struct {
    eng_store_passage passages[PARTS];
    eng_store_vector vectors[PARTS];
    float data[PARTS][DIMS];
} parts_of;

static eng_store_parts make_parts(parts_of *m, size_t len, float value)
{
    for (size_t i = 0; i < PARTS; i++) {
        uint64_t start = len * i / PARTS, end = len * (i + 1) / PARTS;
        m->passages[i] = (eng_store_passage){.kind = 1,
                                             .start = start,
                                             .end = end,
                                             .tokens = 7,
                                             .heading = i ? ENG_STR("above") : (eng_str){0}};
        for (size_t k = 0; k < DIMS; k++)
            m->data[i][k] = value + (float)k;
        m->vectors[i] = (eng_store_vector){
            .passage = (int64_t)i, .kind = 1, .start = start, .end = end, .data = m->data[i]};
    }
    return (eng_store_parts){m->passages, PARTS, m->vectors, PARTS, NULL, NULL};
}

static eng_store_put make_put(parts_of *m, const char *name, const char *text)
{
    eng_store_put put = {.text = eng_str_of(text)};
    put.document.name = eng_str_of(name);
    put.document.title = ENG_STR("a title");
    put.document.metadata = ENG_STR("{\"n\":1}");
    put.document.tokens = 21;
    for (size_t i = 0; i < ENG_STORE_HASH && text[i]; i++)
        put.document.hash[i] = (unsigned char)text[i];
    put.parts = make_parts(m, put.text.len, (float)put.text.len);
    return put;
}

static eng_store_put put(eng_store *s, int64_t c, int64_t g, const char *name, const char *text)
{
    parts_of m;
    eng_error err = {0};
    eng_store_put p = make_put(&m, name, text);
    assert_ok(eng_store_document_put(s, c, g, &p, 1, &err), err);
    return p;
}

static eng_store_document get(eng_store *s, place *p, int64_t c, const char *name, eng_str *text)
{
    eng_error err = {0};
    eng_store_document d;
    assert_ok(eng_store_document_get(s, c, eng_str_of(name), &p->arena, &d, text, &err), err);
    return d;
}

static size_t removed(eng_store *s, int64_t c, const char *name)
{
    size_t count = 77;
    eng_error err = {0};
    eng_str names[] = {eng_str_of(name)};
    assert_ok(eng_store_document_remove(s, c, names, 1, &count, &err), err);
    return count;
}

static size_t list(eng_store *s, place *p, int64_t document, int64_t cutting,
                   eng_store_passage **out)
{
    size_t count = 0;
    eng_error err = {0};
    assert_ok(eng_store_passage_list(s, document, cutting, &p->arena, out, &count, &err), err);
    return count;
}

/* ---- Collections ---- */

static void a_collection_goes_its_way(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    uint64_t count;
    int64_t a = add_collection(s, "a"), b = add_collection(s, "b");
    assert_true(b > a);
    eng_store_collection c = {
        .name = ENG_STR("a"), .title = ENG_STR("x"), .settings = ENG_STR("{}")};
    assert_int_equal(eng_store_collection_add(s, &c, &err), ENG_ECONFLICT);
    assert_non_null(strstr(err.message, "'a'"));
    assert_ok(eng_store_collection_change(s, a, ENG_STR("Título"), (eng_str){0}, &err), err);
    c = get_collection(s, p, "a");
    assert_str_view(c.title, "Título");
    assert_str_view(c.settings, "{}");
    assert_int_equal(c.generation, 0);
    assert_int_equal(c.documents, 0);

    eng_store_collection *page;
    size_t found;
    assert_ok(eng_store_collection_page(s, 0, 1, &p->arena, &page, &found, &err), err);
    assert_int_equal(found, 1);
    assert_str_view(page[0].name, "a");
    assert_ok(eng_store_collection_page(s, page[0].id, 5, &p->arena, &page, &found, &err), err);
    assert_int_equal(found, 1);
    assert_str_view(page[0].name, "b");

    assert_ok(eng_store_collection_drop(s, a, &err), err);
    assert_int_equal(eng_store_collection_drop(s, a, &err), ENG_ENOTFOUND);
    assert_int_equal(eng_store_collection_change(s, a, c.title, c.title, &err), ENG_ENOTFOUND);
    assert_int_equal(eng_store_collection_get(s, ENG_STR("a"), &p->arena, &c, &err), ENG_ENOTFOUND);
    assert_ok(eng_store_collection_count(s, &count, &err), err);
    assert_int_equal(count, 1);
    assert_true(add_collection(s, "a") > b); /* the name is free, the id is not */
    eng_store_close(s);
}

/* ---- Documents ---- */

static void a_document_comes_back_as_it_was(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    int64_t g, c = make_collection(s, "c", &g);
    eng_store_put made = put(s, c, g, "d\xc3\xa9", "one two three");
    assert_int_equal(made.fate, ENG_STORE_ADDED);
    eng_store_close(s);
    s = open_db(p);

    eng_str text;
    eng_store_document d = get(s, p, c, "d\xc3\xa9", &text);
    assert_int_equal(d.id, made.document.id);
    assert_int_equal(d.version, 1);
    assert_str_view(text, "one two three");
    assert_str_view(d.title, "a title");
    assert_str_view(d.metadata, "{\"n\":1}");
    assert_null(d.url.ptr);
    assert_null(d.language.ptr);
    assert_int_equal(d.bytes, 13);
    assert_int_equal(d.tokens, 21);
    assert_int_equal(d.passages, PARTS);
    assert_true(d.created_ms > 0 && d.created_ms == d.updated_ms);

    eng_store_collection sums = get_collection(s, p, "c");
    assert_int_equal(sums.generation, g);
    assert_int_equal(sums.documents, 1);
    assert_int_equal(sums.passages, PARTS);
    assert_int_equal(sums.bytes, 13);
    eng_store_close(s);
}

static void passages_and_vectors_come_back(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    int64_t g, c = make_collection(s, "c", &g);
    int64_t d = put(s, c, g, "d", "one two three").document.id;
    int64_t cutting = get_collection(s, p, "c").cutting;
    eng_store_passage *passages, *batch;
    eng_store_vector *vectors;
    size_t count;
    assert_int_equal(list(s, p, d, cutting, &passages), PARTS);
    assert_str_view(passages[0].text, "one ");
    assert_str_view(passages[1].text, "two ");
    assert_str_view(passages[2].text, "three");
    assert_null(passages[0].heading.ptr);
    assert_str_view(passages[1].heading, "above");
    assert_int_equal(passages[2].id, passages[0].id + 2);

    int64_t ids[] = {passages[2].id, 999, passages[0].id, passages[2].id};
    assert_ok(eng_store_passage_batch(s, ids, 4, &p->arena, &batch, &err), err);
    assert_str_view(batch[0].text, "three");
    assert_int_equal(batch[1].id, 0);
    assert_str_view(batch[2].text, "one ");
    assert_int_equal(batch[3].document, d);

    assert_ok(eng_store_vector_page(s, g, 0, 2, &p->arena, &vectors, &count, &err), err);
    assert_int_equal(count, 2);
    assert_ok(eng_store_vector_page(s, g, vectors[1].unit, 9, &p->arena, &vectors, &count, &err),
              err);
    assert_int_equal(count, 1);
    assert_int_equal(vectors[0].passage, passages[2].id);
    assert_true(vectors[0].data[0] == 13.0f && vectors[0].data[3] == 16.0f);
    assert_int_equal((uintptr_t)vectors[0].data % 16, 0);
    assert_ok(eng_store_vector_range(s, g, passages[1].id, passages[2].id, &p->arena, &vectors,
                                     &count, &err),
              err);
    assert_int_equal(count, 2);
    assert_int_equal(vectors[0].passage, passages[1].id);
    eng_store_close(s);
}

static void the_same_again_is_unchanged(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    int64_t g, c = make_collection(s, "c", &g);
    eng_store_put first = put(s, c, g, "d", "one two three");
    uint64_t version = get_collection(s, p, "c").version;
    eng_store_put again = put(s, c, g, "d", "one two three");
    assert_int_equal(again.fate, ENG_STORE_UNCHANGED);
    assert_int_equal(again.document.id, first.document.id);
    assert_int_equal(again.document.version, 1);
    assert_int_equal(again.document.created_ms, first.document.created_ms);
    assert_int_equal(get_collection(s, p, "c").version, version);
    assert_int_equal(put(s, c, g, "other", "one two three").fate, ENG_STORE_ADDED);

    eng_error err = {0};
    eng_store_document d;
    assert_ok(eng_store_document_find(s, c, first.document.hash, &p->arena, &d, &err), err);
    assert_int_equal(d.id, first.document.id);
    first.document.hash[0]++;
    assert_int_equal(eng_store_document_find(s, c, first.document.hash, &p->arena, &d, &err),
                     ENG_ENOTFOUND);
    eng_store_close(s);
}

static void another_text_replaces_and_ids_are_new(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_str text;
    int64_t g, c = make_collection(s, "c", &g), last = 0;
    int64_t id = put(s, c, g, "d", "first").document.id;
    int64_t cutting = get_collection(s, p, "c").cutting;
    const char *const texts[] = {"the second", "the third one", "x"};
    for (uint64_t i = 0; i < 3; i++) {
        eng_store_passage *passages;
        eng_store_put now = put(s, c, g, "d", texts[i]);
        assert_int_equal(now.fate, ENG_STORE_REPLACED);
        assert_int_equal(now.document.id, id);
        assert_int_equal(get(s, p, c, "d", &text).version, i + 2);
        assert_true(eng_str_eq(text, eng_str_of(texts[i])));
        assert_int_equal(list(s, p, id, cutting, &passages), PARTS);
        assert_true(passages[0].id > last);
        last = passages[2].id;
    }
    eng_store_collection sums = get_collection(s, p, "c");
    assert_int_equal(sums.documents, 1);
    assert_int_equal(sums.passages, PARTS);
    assert_int_equal(sums.bytes, 1);

    /* Removed and made again: everything is new, nothing is left over. */
    assert_int_equal(removed(s, c, "d"), 1);
    assert_int_equal(removed(s, c, "d"), 0);
    eng_store_document again = put(s, c, g, "d", "x").document;
    assert_true(again.id > id);
    eng_store_passage *passages;
    assert_int_equal(list(s, p, again.id, cutting, &passages), PARTS);
    assert_true(passages[0].id > last);
    assert_int_equal(removed(s, c, "d"), 1);
    sums = get_collection(s, p, "c");
    assert_int_equal(sums.documents, 0);
    assert_int_equal(sums.passages, 0);
    assert_int_equal(sums.bytes, 0);
    eng_store_close(s);
    assert_int_equal(ask_sqlite(p->db, "SELECT (SELECT count(*) FROM document_text) + "
                                       "(SELECT count(*) FROM passage) + "
                                       "(SELECT count(*) FROM vector)"),
                     0);
}

static void a_batch_is_all_or_nothing(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    int64_t g, c = make_collection(s, "c", &g);
    put(s, c, g, "a", "old");
    parts_of m[4];
    eng_store_put puts[] = {make_put(&m[0], "a", "new"), make_put(&m[1], "b", "bbb"),
                            make_put(&m[2], "b", "the last wins"), make_put(&m[3], "c", "ccc")};
    m[3].vectors[2].passage = PARTS; /* of no passage */
    assert_int_equal(eng_store_document_put(s, c, g, puts, 4, &err), ENG_EINVALID);
    eng_str text;
    get(s, p, c, "a", &text);
    assert_str_view(text, "old");
    assert_int_equal(get_collection(s, p, "c").documents, 1);

    m[3].vectors[2].passage = 2;
    assert_ok(eng_store_document_put(s, c, g, puts, 4, &err), err);
    assert_int_equal(puts[0].fate, ENG_STORE_REPLACED);
    assert_int_equal(puts[1].fate, ENG_STORE_ADDED);
    assert_int_equal(puts[2].fate, ENG_STORE_REPLACED);
    get(s, p, c, "b", &text);
    assert_str_view(text, "the last wins");
    assert_int_equal(get_collection(s, p, "c").documents, 3);
    assert_int_equal(get_collection(s, p, "c").passages, 3 * PARTS);

    assert_int_equal(eng_store_document_put(s, c, g + 1, puts, 4, &err), ENG_ECONFLICT);
    assert_int_equal(eng_store_document_put(s, c + 1, g, puts, 4, &err), ENG_ENOTFOUND);
    eng_store_close(s);
}

static void documents_are_paged_and_batched(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    int64_t g, c = make_collection(s, "c", &g), other_g, after = 0;
    int64_t other = make_collection(s, "other", &other_g), ids[40];
    char name[24];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "n%d", 39 - i);
        ids[i] = put(s, c, g, name, name).document.id;
        put(s, other, other_g, name, name);
    }
    eng_store_document *docs;
    size_t count = 1, seen = 0;
    while (count) {
        assert_ok(eng_store_document_page(s, c, after, 7, &p->arena, &docs, &count, &err), err);
        for (size_t i = 0; i < count; i++, after = docs[i - 1].id)
            assert_int_equal(docs[i].id, ids[seen++]);
    }
    assert_int_equal(seen, 40);

    eng_str *texts;
    int64_t some[] = {ids[5], 100000, ids[0]};
    assert_ok(eng_store_document_batch(s, some, 3, &p->arena, &docs, &texts, &err), err);
    assert_str_view(docs[0].name, "n34");
    assert_str_view(texts[0], "n34");
    assert_int_equal(docs[1].id, 0);
    assert_null(texts[1].ptr);
    assert_int_equal(docs[2].passages, PARTS);

    eng_str names[] = {ENG_STR("n1"), ENG_STR("nobody"), ENG_STR("n2")};
    assert_ok(eng_store_document_remove(s, c, names, 3, &count, &err), err);
    assert_int_equal(count, 2);
    assert_int_equal(get_collection(s, p, "c").documents, 38);
    assert_int_equal(get_collection(s, p, "other").documents, 40);
    eng_store_close(s);
}

/* A passage of a long text is read without the text. */
static void long_texts_are_read_in_pieces(void **state)
{
    place *p = *state;
    enum { LONG = 20 << 20 };
    eng_store *s = open_db(p);
    eng_error err = {0};
    int64_t g, c = make_collection(s, "c", &g);
    char *text = malloc(LONG);
    for (size_t i = 0; i < LONG; i++)
        text[i] = (char)('a' + i % 26);
    eng_store_passage cut[2] = {{.start = 0, .end = 5}, {.start = LONG - 30, .end = LONG}};
    eng_store_put long_put = {.text = {text, LONG}, .parts = {.passages = cut, .passage_count = 2}};
    long_put.document.name = ENG_STR("long");
    assert_ok(eng_store_document_put(s, c, g, &long_put, 1, &err), err);
    eng_store_passage *passages;
    int64_t before = eng_alloc_count().bytes;
    assert_int_equal(list(s, p, long_put.document.id, get_collection(s, p, "c").cutting, &passages),
                     2);
    assert_true(eng_alloc_count().bytes - before < 4 << 20);
    assert_str_view(passages[0].text, "abcde");
    assert_int_equal(passages[1].text.len, 30);
    assert_memory_equal(passages[1].text.ptr, text + LONG - 30, 30);

    /* Passages that do not lie within their text are damage. */
    cut[1].end = LONG + 1;
    long_put.document.hash[0] = 1;
    assert_ok(eng_store_document_put(s, c, g, &long_put, 1, &err), err);
    size_t count;
    assert_int_equal(eng_store_passage_list(s, long_put.document.id,
                                            get_collection(s, p, "c").cutting, &p->arena, &passages,
                                            &count, &err),
                     ENG_ECORRUPT);
    free(text);
    eng_store_close(s);
}

/* ---- The log of changes ---- */

enum { IDS = 4096 };

/* An index that knows which passages there are. */
typedef struct {
    int64_t seq;
    bool has[IDS];
} follower;

static void follow(eng_store *s, place *p, int64_t c, follower *f)
{
    eng_store_change *changes;
    eng_error err = {0};
    size_t count = 1;
    while (count) {
        assert_ok(eng_store_change_page(s, c, f->seq, 5, &p->arena, &changes, &count, &err), err);
        for (size_t i = 0; i < count; i++) {
            assert_true(changes[i].seq > f->seq);
            f->seq = changes[i].seq;
            for (int64_t id = changes[i].first;
                 changes[i].what != ENG_STORE_SWITCHED && id <= changes[i].last; id++)
                f->has[id] = changes[i].what == ENG_STORE_CAME;
        }
    }
}

static void assert_follows(eng_store *s, place *p, const follower *f, int64_t cutting)
{
    eng_store_passage *all;
    eng_error err = {0};
    size_t count, has = 0;
    assert_ok(eng_store_passage_page(s, cutting, 0, IDS, &p->arena, &all, &count, &err), err);
    for (size_t i = 0; i < count; i++)
        assert_true(f->has[all[i].id]);
    for (size_t i = 0; i < IDS; i++)
        has += f->has[i];
    assert_int_equal(has, count);
}

static void an_index_can_follow(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    follower *f = eng_zalloc(sizeof *f);
    unsigned random = 1;
    int64_t g, c = make_collection(s, "c", &g), other_g;
    int64_t other = make_collection(s, "other", &other_g);
    int64_t cutting = get_collection(s, p, "c").cutting;
    for (int i = 0; i < 300; i++) {
        char name[24], text[24];
        random = random * 1103515245 + 12345;
        snprintf(name, sizeof name, "%u", random / 65536 % 20);
        snprintf(text, sizeof text, "text %d", i);
        if (random / 2097152 % 3 == 0)
            removed(s, c, name);
        else
            put(s, c, g, name, text);
        put(s, other, other_g, name, text);
        if (i % 40 == 0)
            follow(s, p, c, f);
    }
    eng_store_close(s);
    s = open_db(p);
    follow(s, p, c, f);
    assert_follows(s, p, f, cutting);
    int64_t last = 0;
    eng_error err = {0};
    assert_ok(eng_store_change_last(s, c, &last, &err), err);
    assert_int_equal(last, f->seq);
    eng_free(f);
    eng_store_close(s);
}

static void what_is_forgotten_is_refused(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    eng_store_change *changes;
    size_t count;
    int64_t g, c = make_collection(s, "c", &g), last = 0, after = 0;
    for (int i = 0; i < 5; i++)
        put(s, c, g, "d", i % 2 ? "odd" : "even");
    assert_ok(eng_store_change_last(s, c, &last, &err), err);
    assert_ok(eng_store_change_forget(s, c, last - 2, &err), err);
    assert_int_equal(eng_store_change_page(s, c, last - 3, 9, &p->arena, &changes, &count, &err),
                     ENG_EVERSION);
    assert_ok(eng_store_change_page(s, c, last - 2, 9, &p->arena, &changes, &count, &err), err);
    assert_int_equal(count, 2);
    assert_ok(eng_store_change_forget(s, c, INT64_MAX, &err), err);
    assert_ok(eng_store_change_last(s, c, &after, &err), err);
    assert_int_equal(after, last);
    put(s, c, g, "d", "odd");
    assert_ok(eng_store_change_page(s, c, last, 9, &p->arena, &changes, &count, &err), err);
    assert_int_equal(count, 2); /* went, came */
    assert_int_equal(changes[0].what, ENG_STORE_WENT);
    wait_for_rows(p, "change", 2);
    assert_int_equal(ask_sqlite(p->db, "SELECT count(*) FROM change"), 2);
    assert_int_equal(eng_store_change_page(s, 99, 0, 9, &p->arena, &changes, &count, &err),
                     ENG_ENOTFOUND);
    eng_store_close(s);
}

/* ---- Generations ---- */

/* Fills what is lacking until nothing is; the number of documents. */
static size_t fill_up(eng_store *s, place *p, int64_t g, bool shared)
{
    size_t filled = 0;
    eng_error err = {0};
    for (;;) {
        eng_store_todo todo;
        assert_ok(eng_store_generation_todo(s, g, 3, &p->arena, &todo, &err), err);
        if (todo.count == 0)
            return filled;
        parts_of m[3];
        eng_store_parts parts[3];
        eng_str *texts;
        eng_store_document *docs;
        assert_ok(
            eng_store_document_batch(s, todo.documents, todo.count, &p->arena, &docs, &texts, &err),
            err);
        for (size_t i = 0; i < todo.count; i++) {
            eng_store_generation gen;
            eng_store_passage *there;
            assert_int_equal(docs[i].version, todo.versions[i]);
            parts[i] = make_parts(&m[i], texts[i].len, 100.0f);
            assert_ok(eng_store_generation_get(s, g, &p->arena, &gen, &err), err);
            if (shared && list(s, p, docs[i].id, gen.cutting, &there) == PARTS)
                memcpy(m[i].passages, there, sizeof m[i].passages);
        }
        assert_ok(eng_store_generation_fill(s, g, parts, &todo, &err), err);
        filled += todo.count;
    }
}

static size_t vectors_of(eng_store *s, place *p, int64_t g)
{
    eng_store_vector *vectors;
    eng_error err = {0};
    size_t count = 0;
    assert_ok(eng_store_vector_page(s, g, 0, 1000, &p->arena, &vectors, &count, &err), err);
    return count;
}

static void fill_collection(eng_store *s, int64_t c, int64_t g)
{
    char name[24];
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "doc %d", i);
        put(s, c, g, name, name);
    }
}

static void another_generation_takes_over(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    int64_t old, c = make_collection(s, "c", &old);
    fill_collection(s, c, old);
    int64_t young = begin(s, c, 0);
    assert_int_equal(eng_store_generation_activate(s, young, &err), ENG_ECONFLICT);

    /* Meanwhile the old one answers, and documents come, change and go. */
    assert_int_equal(fill_up(s, p, young, false), 10);
    put(s, c, old, "doc 3", "changed");
    put(s, c, old, "new", "a new one");
    removed(s, c, "doc 4");
    assert_int_equal(eng_store_generation_activate(s, young, &err), ENG_ECONFLICT);
    assert_int_equal(get_collection(s, p, "c").generation, old);
    assert_int_equal(fill_up(s, p, young, false), 2);
    assert_ok(eng_store_generation_activate(s, young, &err), err);
    assert_ok(eng_store_generation_activate(s, young, &err), err); /* it is */

    eng_store_collection sums = get_collection(s, p, "c");
    assert_int_equal(sums.generation, young);
    assert_int_equal(sums.documents, 10);
    assert_int_equal(sums.passages, 10 * PARTS);
    assert_int_equal(vectors_of(s, p, young), 10 * PARTS);
    assert_int_equal(vectors_of(s, p, old), 10 * PARTS);
    parts_of m;
    eng_store_put late = make_put(&m, "late", "for the old one");
    assert_int_equal(eng_store_document_put(s, c, old, &late, 1, &err), ENG_ECONFLICT);
    put(s, c, young, "late", "for the young one");

    /* Back again. */
    assert_int_equal(eng_store_generation_activate(s, old, &err), ENG_ECONFLICT);
    assert_int_equal(fill_up(s, p, old, false), 1);
    assert_ok(eng_store_generation_activate(s, old, &err), err);
    assert_int_equal(get_collection(s, p, "c").passages, 11 * PARTS);
    assert_int_equal(fill_up(s, p, young, false), 0);

    eng_store_generation *all;
    size_t count;
    assert_ok(eng_store_generation_list(s, c, &p->arena, &all, &count, &err), err);
    assert_int_equal(count, 2);
    assert_true(all[0].whole && all[1].whole);
    assert_str_view(all[1].cut, "{\"size\":300}");
    assert_int_equal(eng_store_generation_drop(s, old, &err), ENG_ECONFLICT);
    assert_ok(eng_store_generation_drop(s, young, &err), err);
    assert_int_equal(eng_store_generation_drop(s, young, &err), ENG_ENOTFOUND);
    assert_int_equal(eng_store_generation_activate(s, young, &err), ENG_ENOTFOUND);
    wait_for_rows(p, "generation", 1);
    wait_for_rows(p, "vector", 11 * PARTS);
    wait_for_rows(p, "cutting", 1);
    eng_store_close(s);
    assert_int_equal(ask_sqlite(p->db, "SELECT count(*) FROM vector"), 11 * PARTS);
    assert_int_equal(ask_sqlite(p->db, "SELECT count(*) FROM passage"), 11 * PARTS);
    assert_int_equal(ask_sqlite(p->db, "SELECT count(*) FROM cutting"), 1);
}

/* The same passages with another model: only vectors are new. */
static void a_cutting_can_be_shared(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    int64_t old, c = make_collection(s, "c", &old);
    fill_collection(s, c, old);
    int64_t cutting = get_collection(s, p, "c").cutting;
    int64_t young = begin(s, c, cutting);
    assert_int_equal(fill_up(s, p, young, true), 10);
    put(s, c, old, "doc 3", "changed");
    assert_int_equal(fill_up(s, p, young, true), 1);
    assert_int_equal(fill_up(s, p, young, true), 0);
    assert_ok(eng_store_generation_activate(s, young, &err), err);
    assert_int_equal(get_collection(s, p, "c").cutting, cutting);
    assert_int_equal(get_collection(s, p, "c").passages, 10 * PARTS);
    assert_ok(eng_store_generation_drop(s, old, &err), err);
    wait_for_rows(p, "generation", 1);
    eng_store_close(s);
    assert_int_equal(ask_sqlite(p->db, "SELECT count(*) FROM passage"), 10 * PARTS);
    assert_int_equal(ask_sqlite(p->db, "SELECT count(*) FROM vector"), 10 * PARTS);
    s = open_db(p);
    eng_store_generation g = {.collection = c,
                              .cutting = 99,
                              .cut = ENG_STR("{}"),
                              .model = ENG_STR("m"),
                              .dims = DIMS,
                              .settings = ENG_STR("{}")};
    assert_int_equal(eng_store_generation_begin(s, &g, &err), ENG_ENOTFOUND);
    g.collection = 99;
    assert_int_equal(eng_store_generation_begin(s, &g, &err), ENG_ENOTFOUND);
    eng_store_close(s);
}

/* A crash in the middle of filling: it goes on where it stopped. */
static void filling_goes_on_after_a_crash(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    int64_t old, c = make_collection(s, "c", &old);
    fill_collection(s, c, old);
    int64_t young = begin(s, c, 0);
    eng_store_todo todo;
    parts_of m;
    assert_ok(eng_store_generation_todo(s, young, 4, &p->arena, &todo, &err), err);
    assert_int_equal(todo.count, 4);
    eng_store_parts same = make_parts(&m, 5, 1), parts[] = {same, same, same, same};
    assert_ok(eng_store_generation_fill(s, young, parts, &todo, &err), err);
    copy_as_after_a_crash(p);
    eng_store_close(s);
    s = open_path(p->copy);
    assert_int_equal(vectors_of(s, p, young), 4 * PARTS);
    assert_int_equal(fill_up(s, p, young, false), 6);
    assert_ok(eng_store_generation_activate(s, young, &err), err);
    assert_int_equal(eng_store_generation_fill(s, young, parts, &todo, &err), ENG_ECONFLICT);
    assert_int_equal(vectors_of(s, p, young), 10 * PARTS);
    eng_store_close(s);
}

/* Texts without a single passage are whole too. */
static void empty_documents_hold_nothing_up(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    int64_t old, c = make_collection(s, "c", &old);
    eng_store_put empty = {.document.name = ENG_STR("empty")};
    assert_ok(eng_store_document_put(s, c, old, &empty, 1, &err), err);
    int64_t young = begin(s, c, 0);
    eng_store_todo todo;
    for (int i = 0; i < 3; i++) {
        assert_ok(eng_store_generation_todo(s, young, 4, &p->arena, &todo, &err), err);
        eng_store_parts nothing = {0};
        assert_int_equal(todo.count, 1);
        assert_ok(eng_store_generation_fill(s, young, &nothing, &todo, &err), err);
        assert_ok(eng_store_generation_todo(s, young, 4, &p->arena, &todo, &err), err);
        assert_int_equal(todo.count, 0);
        empty.document.hash[0]++;
        assert_ok(eng_store_document_put(s, c, old, &empty, 1, &err), err);
    }
    eng_store_close(s);
}

/* ---- Dropping ---- */

static void what_was_dropped_is_removed_in_pieces(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    int64_t g, c = make_collection(s, "c", &g), keep_g;
    int64_t keep = make_collection(s, "keep", &keep_g);
    char name[24];
    for (int i = 0; i < 700; i++) {
        snprintf(name, sizeof name, "%d", i);
        put(s, c, g, name, name);
    }
    fill_collection(s, keep, keep_g);
    eng_store_document d;
    assert_ok(eng_store_collection_drop(s, c, &err), err);
    assert_int_equal(eng_store_document_get(s, c, ENG_STR("1"), &p->arena, &d, NULL, &err),
                     ENG_ENOTFOUND);
    parts_of m;
    eng_store_put late = make_put(&m, "late", "x");
    assert_int_equal(eng_store_document_put(s, c, g, &late, 1, &err), ENG_ENOTFOUND);
    eng_store_close(s); /* at once: the rest is done at the next opening */
    s = open_db(p);
    wait_for_rows(p, "collection", 1);
    assert_int_equal(get_collection(s, p, "keep").documents, 10);
    eng_store_close(s);
    assert_int_equal(ask_sqlite(p->db, "SELECT count(*) FROM collection"), 1);
    assert_int_equal(ask_sqlite(p->db, "SELECT count(*) FROM document"), 10);
    assert_int_equal(ask_sqlite(p->db, "SELECT count(*) FROM vector"), 10 * PARTS);
    assert_int_equal(ask_sqlite(p->db, "SELECT count(*) FROM cutting"), 1);
    assert_int_equal(ask_sqlite(p->db, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

/* ---- How much is looked at ---- */

enum { DOCUMENTS = 1000, STEPS_MOST = 2000 };

/* SQLite's instructions a run, of the statements that the writer has used since the last call. */
static eng_status count_steps(eng_conn *c, void *args, eng_error *err)
{
    (void)err;
    int *most = args;
    *most = 0;
    for (size_t i = 0; i < ENG_CONN_KEEPS; i++) {
        sqlite3_stmt *stmt = c->kept[i].stmt;
        int runs = stmt ? sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_RUN, 1) : 0;
        int steps = stmt ? sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1) : 0;
        if (runs && steps / runs > *most)
            *most = steps / runs;
        if (runs && steps / runs > STEPS_MOST)
            print_error("%d steps: %s\n", steps / runs, c->kept[i].text);
    }
    return ENG_OK;
}

static void fill_many(eng_store *s, int64_t c, int64_t g)
{
    char name[24];
    eng_error err = {0};
    eng_str none = {NULL, 0}, me = ENG_STR("me");
    eng_arena arena;
    eng_store_job job;
    eng_arena_init(&arena, 4096, NULL);
    for (int i = 0; i < DOCUMENTS; i++) {
        int64_t id;
        snprintf(name, sizeof name, "%d", i);
        put(s, c, g, name, name);
        assert_ok(eng_store_job_add(s, me, me, &id, &err), err);
        assert_ok(eng_store_job_claim(s, me, 1000, &arena, &job, &err), err);
        assert_ok(eng_store_job_end(s, id, me, ENG_JOB_DONE, none, none, &err), err);
    }
    eng_arena_clear(&arena);
}

/* What concerns one document or job costs the same however many there are. */
static void one_among_many_costs_the_same(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    eng_store_todo todo;
    eng_store_job job;
    parts_of m;
    size_t count;
    int most = 0;
    int64_t g, c = make_collection(s, "c", &g), id;
    fill_many(s, c, g);
    int64_t young = begin(s, c, 0);
    fill_up(s, p, young, false);
    put(s, c, g, "7", "before the count");
    assert_ok(eng_store_write(s, count_steps, &most, &err), err);

    put(s, c, g, "7", "replaced");
    put(s, c, g, "new", "new");
    removed(s, c, "8");
    eng_str names[] = {ENG_STR("not there")};
    assert_ok(eng_store_document_remove(s, c, names, 1, &count, &err), err);
    assert_ok(eng_store_generation_todo(s, young, 1, &p->arena, &todo, &err), err);
    eng_store_parts parts = make_parts(&m, 3, 1);
    assert_int_equal(todo.count, 1);
    assert_ok(eng_store_generation_fill(s, young, &parts, &todo, &err), err);
    assert_ok(eng_store_job_release(s, &err), err);
    assert_ok(eng_store_job_add(s, ENG_STR("x"), ENG_STR("{}"), &id, &err), err);
    assert_ok(eng_store_job_claim(s, ENG_STR("me"), 1000, &p->arena, &job, &err), err);
    assert_int_equal(job.id, id);
    assert_ok(eng_store_write(s, count_steps, &most, &err), err);
    assert_in_range(most, 1, STEPS_MOST);
    eng_store_close(s);
}

/* ---- Several at once ---- */

typedef struct {
    eng_store *s;
    int64_t collection;
    _Atomic bool stop;
    _Atomic unsigned wrong;
} reading;

/* The text and the passages of one instant belong together. */
static void *read_on(void *arg)
{
    reading *r = arg;
    eng_arena arena;
    eng_arena_init(&arena, 4096, NULL);
    while (!atomic_load(&r->stop)) {
        eng_store_document d;
        eng_str text;
        eng_arena_reset(&arena);
        if (eng_store_document_get(r->s, r->collection, ENG_STR("d"), &arena, &d, &text, NULL) <
                0 ||
            text.len != d.bytes || d.passages != PARTS || text.ptr[0] != text.ptr[text.len - 1])
            atomic_fetch_add(&r->wrong, 1);
    }
    eng_arena_clear(&arena);
    return NULL;
}

static void readers_see_the_old_or_the_new(void **state)
{
    place *p = *state;
    reading r = {.s = open_db(p)};
    pthread_t readers[3];
    int64_t g;
    char text[200];
    r.collection = make_collection(r.s, "c", &g);
    put(r.s, r.collection, g, "d", "xx");
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &r), 0);
    for (int i = 0; i < 200; i++) {
        size_t len = 2 + (size_t)i % 190;
        memset(text, 'a' + i % 26, len);
        text[len] = '\0';
        put(r.s, r.collection, g, "d", text);
    }
    atomic_store(&r.stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(atomic_load(&r.wrong), 0);
    eng_store_close(r.s);
}

/* kill -9 while documents are put: those that were acknowledged are whole, others are absent. */
static void a_killed_ingestion_is_never_half(void **state)
{
    place *p = *state;
    for (int round = 0; round < 5; round++) {
        int fds[2], n, last = -1;
        unlink(p->db);
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        if (child == 0) {
            int64_t g;
            eng_store *s = open_db(p);
            int64_t c = make_collection(s, "c", &g);
            for (int i = 0;; i++) {
                char name[24];
                snprintf(name, sizeof name, "%d", i);
                put(s, c, g, name, "some text of it");
                if (write(fds[1], &i, sizeof i) != sizeof i)
                    _exit(1);
            }
        }
        close(fds[1]);
        assert_int_equal(read(fds[0], &last, sizeof last), sizeof last);
        sleep_ms(5 * round);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(fds[0], &n, sizeof n) == sizeof n)
            last = n;
        close(fds[0]);
        eng_store *s = open_db(p);
        eng_store_collection c = get_collection(s, p, "c");
        assert_true(c.documents >= (uint64_t)last + 1);
        assert_int_equal(c.passages, c.documents * PARTS);
        assert_int_equal(vectors_of(s, p, c.generation), c.passages > 1000 ? 1000 : c.passages);
        eng_store_close(s);
    }
}

/* ---- No memory ---- */

static eng_status use_all(eng_store *s, eng_arena *arena, int64_t c, int64_t g)
{
    parts_of m;
    size_t count;
    eng_str names[] = {ENG_STR("d")}, text;
    eng_store_collection found;
    eng_store_document d, *docs;
    eng_store_passage *passages;
    eng_store_vector *vectors;
    eng_store_change *changes;
    eng_store_put one = make_put(&m, "d", "some text");
    eng_status status = eng_store_document_put(s, c, g, &one, 1, NULL);
    if (status == ENG_OK)
        status = eng_store_collection_get(s, ENG_STR("c"), arena, &found, NULL);
    if (status == ENG_OK)
        status = eng_store_document_get(s, c, names[0], arena, &d, &text, NULL);
    if (status == ENG_OK)
        status = eng_store_document_page(s, c, 0, 9, arena, &docs, &count, NULL);
    if (status == ENG_OK)
        status = eng_store_passage_list(s, d.id, found.cutting, arena, &passages, &count, NULL);
    if (status == ENG_OK)
        status = eng_store_vector_range(s, g, passages[0].id, passages[2].id, arena, &vectors,
                                        &count, NULL);
    if (status == ENG_OK)
        status = eng_store_change_page(s, c, 0, 99, arena, &changes, &count, NULL);
    if (status == ENG_OK)
        status = eng_store_document_remove(s, c, names, 1, &count, NULL);
    return status;
}

static eng_status use_generation(eng_store *s, eng_arena *arena, int64_t c)
{
    eng_store_todo todo;
    parts_of m;
    eng_store_generation g = {.collection = c,
                              .cut = ENG_STR("{}"),
                              .model = ENG_STR("m"),
                              .dims = DIMS,
                              .settings = ENG_STR("{}")};
    eng_store_parts same = make_parts(&m, 3, 1);
    eng_status status = eng_store_generation_begin(s, &g, NULL);
    if (status == ENG_OK)
        status = eng_store_generation_todo(s, g.id, 1, arena, &todo, NULL);
    if (status == ENG_OK && todo.count)
        status = eng_store_generation_fill(s, g.id, &same, &todo, NULL);
    if (status == ENG_OK)
        status = eng_store_generation_activate(s, g.id, NULL);
    return status;
}

static void knowledge_survives_no_memory(void **state)
{
    place *p = *state;
    int64_t g;
    eng_store *s = open_db(p);
    eng_error err = {0};
    int64_t c = make_collection(s, "c", &g);
    eng_store_close(s);
    bool faulted = true;
    for (uint64_t n = 1; faulted; n += 3) {
        int64_t held = eng_alloc_count().bytes;
        eng_arena arena;
        eng_arena_init(&arena, 256, NULL);
        s = open_db(p);
        g = get_collection(s, p, "c").generation;
        eng_arena_clear(&p->arena);
        eng_alloc_fail_at(n, n % 2 == 0);
        eng_status status = use_all(s, &arena, c, g);
        if (status == ENG_OK)
            status = use_generation(s, &arena, c);
        faulted = eng_alloc_faulted();
        eng_alloc_fail_at(0, false);
        if (status != ENG_OK && (status != ENG_ENOMEM || !faulted))
            fail_msg("allocation %llu failed: %s", (unsigned long long)n, eng_status_name(status));
        size_t count;
        eng_str names[] = {ENG_STR("d")};
        assert_ok(eng_store_document_remove(s, c, names, 1, &count, &err), err);
        eng_store_close(s);
        eng_arena_clear(&arena);
        assert_int_equal(eng_alloc_count().bytes, held);
    }
    assert_int_equal(ask_sqlite(p->db, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(a_collection_goes_its_way),
        in_place(a_document_comes_back_as_it_was),
        in_place(passages_and_vectors_come_back),
        in_place(the_same_again_is_unchanged),
        in_place(another_text_replaces_and_ids_are_new),
        in_place(a_batch_is_all_or_nothing),
        in_place(documents_are_paged_and_batched),
        in_place(long_texts_are_read_in_pieces),
        in_place(an_index_can_follow),
        in_place(what_is_forgotten_is_refused),
        in_place(another_generation_takes_over),
        in_place(a_cutting_can_be_shared),
        in_place(filling_goes_on_after_a_crash),
        in_place(empty_documents_hold_nothing_up),
        in_place(what_was_dropped_is_removed_in_pieces),
        in_place(one_among_many_costs_the_same),
        in_place(readers_see_the_old_or_the_new),
        in_place(a_killed_ingestion_is_never_half),
        in_place(knowledge_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, start_store, stop_store);
}
