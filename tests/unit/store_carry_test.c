/* A collection in a file: promises of store.h. */
#include "store_help.h"

enum { DIMS = 4, DOCUMENTS = 7, PARTS = 3 };

/* ---- Help ---- */

typedef struct {
    eng_store_passage passages[PARTS];
    eng_store_vector vectors[PARTS];
    float data[PARTS][DIMS];
} parts_of;

static void put(eng_store *s, int64_t c, int64_t g, const char *name, const char *text)
{
    parts_of m;
    eng_error err = {0};
    size_t len = strlen(text);
    eng_store_put p = {.text = eng_str_of(text)};
    p.document.name = eng_str_of(name);
    p.document.metadata = ENG_STR("{\"n\":1}");
    p.document.tokens = len;
    p.document.blocks = len % 2 ? ENG_STR("\x01\x02\x00") : (eng_str){0};
    memcpy(p.document.hash, text, len < ENG_STORE_HASH ? len : ENG_STORE_HASH);
    for (size_t i = 0; i < PARTS; i++) {
        m.passages[i] = (eng_store_passage){.kind = 1,
                                            .start = len * i / PARTS,
                                            .end = len * (i + 1) / PARTS,
                                            .tokens = 7,
                                            .heading = i ? ENG_STR("above") : (eng_str){0}};
        for (size_t k = 0; k < DIMS; k++)
            m.data[i][k] = (float)(len + i + k);
        m.vectors[i] = (eng_store_vector){
            .passage = (int64_t)i, .start = len * i / PARTS, .end = len, .data = m.data[i]};
    }
    p.parts = (eng_store_parts){m.passages, PARTS, m.vectors, PARTS, NULL, NULL};
    assert_ok(eng_store_document_put(s, c, g, &p, 1, &err), err);
}

/* A collection of DOCUMENTS, the first of them replaced once, so that passages are not in the order of
 * their documents; its generation. */
static int64_t make_collection(eng_store *s, const char *name, int64_t *collection)
{
    eng_error err = {0};
    eng_store_collection c = {
        .name = eng_str_of(name), .title = ENG_STR("T\xc3\xad"), .settings = ENG_STR("{}")};
    assert_ok(eng_store_collection_add(s, &c, &err), err);
    eng_store_generation g = {.collection = c.id,
                              .cut = ENG_STR("{\"size\":300}"),
                              .model = ENG_STR("mini"),
                              .dims = DIMS,
                              .settings = ENG_STR("{}")};
    assert_ok(eng_store_generation_begin(s, &g, &err), err);
    assert_ok(eng_store_generation_activate(s, g.id, &err), err);
    for (int i = 0; i < DOCUMENTS; i++) {
        char id[16], text[64];
        snprintf(id, sizeof id, "d%d", i);
        snprintf(text, sizeof text, "the text of document %d, in ASCII", i);
        put(s, c.id, g.id, id, text);
    }
    put(s, c.id, g.id, "d0", "another text of the first");
    *collection = c.id;
    return g.id;
}

static char *exported(eng_store *s, place *p, int64_t generation, size_t *len)
{
    eng_error err = {0};
    eng_buf all;
    assert_ok(eng_store_export(s, generation, ENG_STR("abcd"), p->copy, NULL, NULL, &err), err);
    eng_buf_init(&all, 16 << 20);
    assert_ok(eng_file_read(p->copy, 16 << 20, &all, &err), err);
    char *bytes = eng_arena_alloc(&p->arena, all.len);
    assert_non_null(bytes);
    memcpy(bytes, all.data, all.len);
    *len = all.len;
    eng_buf_clear(&all);
    unlink(p->copy);
    return bytes;
}

static eng_status open_it(const char *bytes, size_t len)
{
    eng_carry *c = NULL;
    eng_status status = eng_carry_open((eng_str){bytes, len}, &c, NULL);
    eng_carry_close(c);
    return status;
}

static eng_status import_as(eng_store *s, eng_str file, const char *name, bool vectors,
                            eng_error *err)
{
    int64_t id = 0;
    eng_carry *c = NULL;
    eng_store_import_options options = {.name = eng_str_of(name), .vectors = vectors};
    eng_status status = eng_carry_open(file, &c, err);
    if (status == ENG_OK)
        status = eng_store_import(s, c, &options, &id, err);
    eng_carry_close(c);
    return status;
}

static eng_store_collection get(eng_store *s, place *p, const char *name)
{
    eng_error err = {0};
    eng_store_collection c;
    assert_ok(eng_store_collection_get(s, eng_str_of(name), &p->arena, &c, &err), err);
    return c;
}

/* ---- There and back ---- */

static void same_document(eng_store *s, place *p, const eng_store_collection *a,
                          const eng_store_collection *b, const char *id)
{
    eng_error err = {0};
    eng_store_document x, y;
    eng_str text, other;
    eng_store_passage *was, *is;
    eng_store_vector *v, *w;
    size_t n, m;
    assert_ok(eng_store_document_get(s, a->id, eng_str_of(id), &p->arena, &x, &text, &err), err);
    assert_ok(eng_store_document_get(s, b->id, eng_str_of(id), &p->arena, &y, &other, &err), err);
    assert_true(eng_str_eq(text, other) && eng_str_eq(x.metadata, y.metadata));
    assert_true(eng_str_eq(x.blocks, y.blocks) && !x.blocks.ptr == !y.blocks.ptr);
    assert_true(x.version == y.version && x.tokens == y.tokens && x.bytes == y.bytes);
    assert_true(x.created_ms == y.created_ms && x.updated_ms == y.updated_ms);
    assert_memory_equal(x.hash, y.hash, sizeof x.hash);
    assert_ok(eng_store_passage_list(s, x.id, a->cutting, &p->arena, &was, &n, &err), err);
    assert_ok(eng_store_passage_list(s, y.id, b->cutting, &p->arena, &is, &m, &err), err);
    assert_int_equal(n, PARTS);
    assert_int_equal(m, PARTS);
    for (size_t i = 0; i < n; i++) {
        assert_true(was[i].start == is[i].start && was[i].end == is[i].end);
        assert_true(was[i].place == i && is[i].place == i && was[i].kind == is[i].kind);
        assert_true(eng_str_eq(was[i].text, is[i].text));
        assert_true(eng_str_eq(was[i].heading, is[i].heading));
    }
    assert_ok(
        eng_store_vector_range(s, a->generation, was[0].id, was[n - 1].id, &p->arena, &v, &n, &err),
        err);
    assert_ok(
        eng_store_vector_range(s, b->generation, is[0].id, is[m - 1].id, &p->arena, &w, &m, &err),
        err);
    assert_int_equal(n, PARTS);
    assert_int_equal(m, PARTS);
    for (size_t i = 0; i < n; i++) {
        assert_memory_equal(v[i].data, w[i].data, DIMS * sizeof(float));
        assert_int_equal(v[i].passage - was[0].id, w[i].passage - is[0].id);
        assert_true(v[i].start == w[i].start && v[i].end == w[i].end && v[i].kind == w[i].kind);
    }
}

static void a_collection_comes_back_as_it_was(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    int64_t id, g = make_collection(s, "a", &id);
    size_t len;
    char *bytes = exported(s, p, g, &len);
    assert_ok(import_as(s, (eng_str){bytes, len}, "b", true, &err), err);
    eng_store_collection a = get(s, p, "a"), b = get(s, p, "b");
    assert_true(a.documents == b.documents && a.passages == b.passages && a.bytes == b.bytes);
    assert_true(eng_str_eq(a.title, b.title) && eng_str_eq(a.settings, b.settings));
    for (int i = 0; i < DOCUMENTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%d", i);
        same_document(s, p, &a, &b, name);
    }
    assert_int_equal(import_as(s, (eng_str){bytes, len}, "b", true, &err), ENG_ECONFLICT);
    assert_ok(import_as(s, (eng_str){bytes, len}, "c", false, &err), err);
    eng_store_generation made;
    assert_ok(eng_store_generation_get(s, get(s, p, "c").generation, &p->arena, &made, &err), err);
    assert_true(made.dims == 0 && made.model.len == 0 && made.whole);
    eng_store_close(s);
}

static void an_export_is_of_the_active_generation(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    int64_t id, g = make_collection(s, "a", &id);
    assert_int_equal(eng_store_export(s, g + 1, ENG_STR(""), p->copy, NULL, NULL, &err),
                     ENG_ECONFLICT);
    assert_int_equal(access(p->copy, F_OK), -1);
    eng_store_close(s);
}

static bool never(void *ctx)
{
    (void)ctx;
    return false;
}

static void an_export_can_be_stopped_and_leaves_nothing(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    int64_t id, g = make_collection(s, "a", &id);
    assert_int_equal(eng_store_export(s, g, ENG_STR(""), p->copy, never, NULL, &err),
                     ENG_ECANCELLED);
    assert_int_equal(access(p->copy, F_OK), -1);
    eng_store_close(s);
}

/* ---- Damage ---- */

/* The whole file: a checksum is checked before anything else is looked at, so this is quick. */
static void a_file_that_lost_a_byte_or_a_bit_is_refused(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    int64_t id, g = make_collection(s, "a", &id);
    size_t len;
    char *bytes = exported(s, p, g, &len);
    assert_int_equal(open_it(bytes, len), ENG_OK);
    for (size_t i = 0; i < len; i += i < 100 || i + 200 > len ? 1 : 61) {
        bytes[i] ^= 0x10;
        eng_status status = open_it(bytes, len);
        assert_true(status == ENG_ECORRUPT || status == ENG_EVERSION);
        bytes[i] ^= 0x10;
    }
    for (size_t cut = 0; cut < len; cut += cut < 200 ? 1 : 97)
        assert_int_equal(open_it(bytes, cut), ENG_ECORRUPT);
    assert_int_equal(open_it(bytes + 1, len - 1), ENG_ECORRUPT);
    assert_int_equal(open_it(bytes, len - 1), ENG_ECORRUPT);
    eng_store_close(s);
}

/* As a stranger may make it, checksum and all. */
static eng_str changed_by_sqlite(place *p, const char *bytes, size_t len, const char *sql)
{
    eng_error err = {0};
    eng_buf all;
    unlink(p->copy);
    eng_str database = {bytes, len - ENG_CARRY_TAIL};
    assert_ok(eng_file_write(p->copy, database, 0600, &err), err);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(p->copy, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    eng_buf_init(&all, 16 << 20);
    assert_ok(eng_file_read(p->copy, 16 << 20, &all, &err), err);
    eng_str copy = eng_arena_copy(&p->arena, eng_buf_view(&all));
    eng_buf_clear(&all);
    return copy;
}

static eng_status import_unsummed(eng_store *s, eng_str database, eng_error *err)
{
    int64_t id = 0;
    eng_carry *c = NULL;
    eng_store_import_options options = {.name = ENG_STR("x"), .vectors = true};
    eng_status status = eng_carry_open_unsummed(database, &c, err);
    if (status == ENG_OK)
        status = eng_store_import(s, c, &options, &id, err);
    eng_carry_close(c);
    return status;
}

static void rows_that_make_no_sense_are_refused_and_leave_nothing(void **state)
{
    static const char *const changes[] = {
        "UPDATE meta SET value = '8' WHERE name = 'documents'",
        "UPDATE meta SET value = 'x' WHERE name = 'passages'",
        "UPDATE meta SET value = '0' WHERE name = 'dims'",
        "UPDATE meta SET value = '5' WHERE name = 'dims'",
        "DELETE FROM meta WHERE name = 'chunk'",
        "UPDATE document SET name = '' WHERE id = 3",
        "UPDATE document SET name = CAST(x'ff' AS TEXT) WHERE id = 3",
        "UPDATE document SET hash = x'00' WHERE id = 3",
        "UPDATE document SET version = 0 WHERE id = 3",
        "UPDATE document SET text = '' WHERE id = 3",
        "UPDATE document SET id = -3 WHERE id = 3",
        "UPDATE passage SET \"end\" = 4000 WHERE id = 5",
        "UPDATE passage SET start = -1 WHERE id = 5",
        "UPDATE passage SET kind = 4000 WHERE id = 5",
        "UPDATE passage SET document = 6 WHERE id = 2",
        "UPDATE passage SET document = 77 WHERE id = 21",
        "DELETE FROM passage WHERE id = 5",
        "UPDATE vector SET data = x'00' WHERE id = 5",
        "UPDATE vector SET data = zeroblob(16) WHERE id = 5",
        "UPDATE vector SET data = x'0000c07f0000c07f0000c07f0000c07f' WHERE id = 5",
        "UPDATE vector SET kind = 7 WHERE id = 5",
        "UPDATE vector SET passage = 1 WHERE id = 20",
        "UPDATE vector SET passage = passage + 1",
        "CREATE TABLE more (a)",
        "CREATE VIEW v AS SELECT 1",
        "CREATE INDEX i ON passage (document)",
        "PRAGMA application_id = 1",
        "DROP TABLE vector",
        "PRAGMA user_version = 1",
        "ALTER TABLE document DROP COLUMN blocks",
        "PRAGMA user_version = 0",
    };
    place *p = *state;
    eng_store *s = open_db(p);
    uint64_t count;
    int64_t id, g = make_collection(s, "a", &id);
    size_t len;
    char *bytes = exported(s, p, g, &len);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        eng_error err = {0};
        eng_str database = changed_by_sqlite(p, bytes, len, changes[i]);
        eng_status status = import_unsummed(s, database, &err);
        if (status != ENG_EINVALID && status != ENG_ECORRUPT)
            fail_msg("%s: %s", changes[i], eng_status_name(status));
        assert_ok(eng_store_collection_count(s, &count, &err), err);
        assert_int_equal(count, 1);
    }
    eng_error err = {0};
    eng_str database = changed_by_sqlite(p, bytes, len, "PRAGMA user_version = 9");
    assert_int_equal(import_unsummed(s, database, &err), ENG_EVERSION);
    database = changed_by_sqlite(p, bytes, len, "SELECT 1");
    assert_ok(import_unsummed(s, database, &err), err);
    eng_store_close(s);
}

static void the_first_layout_is_taken_too(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    eng_store_document d;
    eng_str text;
    int64_t id, g = make_collection(s, "a", &id);
    size_t len;
    char *bytes = exported(s, p, g, &len);
    eng_str database = changed_by_sqlite(p, bytes, len,
                                         "ALTER TABLE document DROP COLUMN blocks;"
                                         "PRAGMA user_version = 1");
    assert_ok(import_unsummed(s, database, &err), err);
    eng_store_collection x = get(s, p, "x");
    assert_int_equal(x.documents, DOCUMENTS);
    for (int i = 0; i < DOCUMENTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%d", i);
        assert_ok(eng_store_document_get(s, x.id, eng_str_of(name), &p->arena, &d, &text, &err),
                  err);
        assert_true(text.len > 0);
        assert_null(d.blocks.ptr);
    }
    eng_store_close(s);
}

/* ---- Crashes ---- */

static void what_was_on_its_way_in_is_gone_after_a_crash(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    uint64_t count;
    int64_t id;
    make_collection(s, "a", &id);
    eng_store_close(s);
    ask_sqlite(p->db, "UPDATE collection SET state = 0, active = NULL; SELECT 1;");
    s = open_db(p);
    assert_ok(eng_store_collection_count(s, &count, &err), err);
    assert_int_equal(count, 0);
    for (int i = 0; i < 2000 && ask_sqlite(p->db, "SELECT count(*) FROM document;") > 0; i++)
        sleep_ms(5);
    assert_int_equal(ask_sqlite(p->db, "SELECT count(*) FROM document;"), 0);
    eng_store_close(s);
}

static void no_memory_is_an_error(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    int64_t id, g = make_collection(s, "a", &id);
    size_t len;
    char *bytes = exported(s, p, g, &len);
    eng_status status = ENG_OK;
    assert_survives_no_memory(status, {
        eng_carry *c = NULL;
        status = eng_carry_open((eng_str){bytes, len}, &c, NULL);
        eng_carry_close(c);
    });
    assert_survives_no_memory(status, {
        unlink(p->copy);
        status = eng_store_export(s, g, ENG_STR(""), p->copy, NULL, NULL, NULL);
    });
    eng_store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(a_collection_comes_back_as_it_was),
        in_place(an_export_is_of_the_active_generation),
        in_place(an_export_can_be_stopped_and_leaves_nothing),
        in_place(a_file_that_lost_a_byte_or_a_bit_is_refused),
        in_place(rows_that_make_no_sense_are_refused_and_leave_nothing),
        in_place(the_first_layout_is_taken_too),
        in_place(what_was_on_its_way_in_is_gone_after_a_crash),
        in_place(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, start_store, stop_store);
}
