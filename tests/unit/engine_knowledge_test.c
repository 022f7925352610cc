/* Collections, documents and search without an encoder, by words alone: promises of engenho.h and of
 * engine/knowledge.h. */
#include "engine/knowledge.h"
#include "engine_help.h"

#include <dirent.h>
#include <math.h>

/* ---- Help ---- */

static eng_str str(const char *s) { return s ? eng_str_of(s) : (eng_str){NULL, 0}; }

static eng_source text_source(const char *id, const char *text, const char *metadata)
{
    return (eng_source){.id = str(id),
                        .title = {NULL, 0},
                        .url = {NULL, 0},
                        .metadata = str(metadata),
                        .text = eng_str_of(text),
                        .bytes = {NULL, 0}};
}

static eng_source file_source(const char *id, const char *file, const char *bytes)
{
    return (eng_source){.id = str(id),
                        .title = {NULL, 0},
                        .url = {NULL, 0},
                        .metadata = {NULL, 0},
                        .text = {NULL, 0},
                        .bytes = eng_str_of(bytes),
                        .file = eng_str_of(file)};
}

static eng_ingest_report *ingest(eng *e, const char *c, const eng_source *sources, size_t count)
{
    eng_ingest_options o = {.make = true, .title = {NULL, 0}};
    eng_ingest_report *report = NULL;
    eng_error err = {0};
    assert_ok(eng_ingest(e, eng_str_of(c), sources, count, &o, &report, &err), err);
    return report;
}

/* One source that comes to one document. */
static eng_ingest_state put(eng *e, const char *c, eng_source source)
{
    eng_ingest_report *r = ingest(e, c, &source, 1);
    assert_int_equal(r->count, 1);
    eng_ingest_state state = r->items[0].state;
    if (state == ENG_INGEST_FAILED) {
        assert_non_null(r->items[0].error);
        assert_true(r->items[0].why < 0);
    } else {
        assert_null(r->items[0].error);
        assert_true(r->items[0].passages > 0);
        assert_true(r->items[0].tokens > 0);
    }
    eng_ingest_report_free(r);
    return state;
}

static eng_ingest_state put_text(eng *e, const char *c, const char *id, const char *text)
{
    return put(e, c, text_source(id, text, NULL));
}

static eng_results *ask(eng *e, const char *c, const char *question, const char *filter)
{
    eng_search_query q = {.text = eng_str_of(question),
                          .filter = str(filter),
                          .top_k = 100,
                          .group_by_document = true};
    eng_results *results = NULL;
    eng_error err = {0};
    assert_ok(eng_search(e, eng_str_of(c), &q, &results, &err), err);
    for (size_t i = 0; i < results->count; i++) {
        const eng_result *r = &results->items[i];
        assert_true(r->score >= 0 && r->score <= 1);
        assert_true(i == 0 || results->items[i - 1].score >= r->score);
        assert_true(isnan(r->dense));
        assert_int_equal(strlen(r->text), r->end - r->start);
    }
    return results;
}

static size_t hits(eng *e, const char *c, const char *question, const char *filter)
{
    eng_results *r = ask(e, c, question, filter);
    size_t n = r->count;
    eng_results_free(r);
    return n;
}

/* The only document that matches. */
static void finds(eng *e, const char *c, const char *question, const char *document)
{
    eng_results *r = ask(e, c, question, NULL);
    assert_int_equal(r->count, 1);
    assert_string_equal(r->items[0].document, document);
    eng_results_free(r);
}

/* The best that matches. */
static void finds_first(eng *e, const char *c, const char *question, const char *document)
{
    eng_results *r = ask(e, c, question, NULL);
    assert_true(r->count > 0);
    assert_string_equal(r->items[0].document, document);
    eng_results_free(r);
}

static eng_collection *show(eng *e, const char *c)
{
    eng_collection *out = NULL;
    eng_error err = {0};
    assert_ok(eng_collection_get(e, eng_str_of(c), &out, &err), err);
    return out;
}

static void holds(eng *e, const char *c, uint64_t documents)
{
    eng_collection *x = show(e, c);
    assert_int_equal(x->documents, documents);
    assert_true(x->passages >= documents);
    eng_collection_free(x);
}

static void fill(eng *e)
{
    assert_int_equal(put_text(e, "loja", "prazo", "O prazo de entrega é de sete dias úteis."),
                     ENG_INGEST_INDEXED);
    assert_int_equal(put_text(e, "loja", "troca", "A troca pede a nota fiscal e a embalagem."),
                     ENG_INGEST_INDEXED);
    assert_int_equal(put_text(e, "loja", "frete", "Acima de cem reais o transporte é gratuito."),
                     ENG_INGEST_INDEXED);
}

static void all_is_found(eng *e)
{
    holds(e, "loja", 3);
    finds(e, "loja", "prazo entrega", "prazo");
    finds(e, "loja", "nota fiscal", "troca");
    finds(e, "loja", "transporte gratuito", "frete");
}

/* ---- Collections ---- */

static void a_collection_is_made_changed_and_dropped(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_error err = {0};
    eng_collection *c = NULL;
    eng_cutting chunk = {.size = 30, .overlap = 5, .characters = true};
    eng_collection_spec spec = {
        .title = ENG_STR("São Paulo"), .chunk = &chunk, .embedding_model = {NULL, 0}};
    assert_ok(eng_collection_make(e, ENG_STR("a b"), &spec, &c, &err), err);
    assert_string_equal(c->name, "a b");
    assert_string_equal(c->title, "São Paulo");
    assert_string_equal(c->embedding_model, "");
    assert_int_equal(c->chunk.size, 30);
    assert_int_equal(c->chunk.overlap, 5);
    assert_true(c->chunk.characters);
    assert_int_equal(c->documents, 0);
    assert_true(c->created_ms > 0);
    eng_collection_free(c);
    assert_int_equal(eng_collection_make(e, ENG_STR("a b"), &spec, &c, &err), ENG_ECONFLICT);

    int64_t job = 7;
    eng_collection_spec change = {.title = ENG_STR("Outra"), .embedding_model = {NULL, 0}};
    assert_ok(eng_collection_change(e, ENG_STR("a b"), &change, &job, &c, &err), err);
    assert_int_equal(job, 0);
    assert_string_equal(c->title, "Outra");
    assert_int_equal(c->chunk.size, 30);
    eng_collection_free(c);

    assert_ok(eng_collection_drop(e, ENG_STR("a b"), &err), err);
    assert_int_equal(eng_collection_get(e, ENG_STR("a b"), &c, &err), ENG_ENOTFOUND);
    assert_int_equal(eng_collection_drop(e, ENG_STR("a b"), &err), ENG_ENOTFOUND);
    assert_int_equal(eng_collection_change(e, ENG_STR("a b"), &change, &job, &c, &err),
                     ENG_ENOTFOUND);
    eng_close(e);
}

static void what_is_not_set_is_the_default(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_error err = {0};
    eng_collection *c = NULL;
    eng_collection_spec spec = {.title = {NULL, 0}, .embedding_model = {NULL, 0}};
    assert_ok(eng_collection_make(e, ENG_STR("a"), &spec, &c, &err), err);
    assert_string_equal(c->title, "a");
    assert_int_equal(c->chunk.size, 250);
    assert_false(c->chunk.characters);
    eng_collection_free(c);
    eng_cutting chunk = {.characters = true};
    spec.chunk = &chunk;
    assert_ok(eng_collection_make(e, ENG_STR("b"), &spec, &c, &err), err);
    assert_int_equal(c->chunk.size, 1000);
    assert_true(c->chunk.characters);
    eng_collection_free(c);
    eng_close(e);
}

static void settings_that_cannot_be_are_refused(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_error err = {0};
    eng_collection *c = NULL;
    eng_collection_spec spec = {.title = {NULL, 0}, .embedding_model = {NULL, 0}};
    static const char *const names[] = {"", "a/b", "a\nb", "..", "a..b", "\xff", "a\\b", "\x7f"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(eng_collection_make(e, eng_str_of(names[i]), &spec, &c, &err),
                         ENG_EINVALID);
        assert_string_equal(err.field, "name");
    }
    char name[202];
    memset(name, 'x', sizeof name);
    assert_int_equal(eng_collection_make(e, (eng_str){name, 201}, &spec, &c, &err), ENG_EINVALID);
    assert_ok(eng_collection_make(e, (eng_str){name, 200}, &spec, &c, &err), err);
    eng_collection_free(c);
    eng_cutting chunk = {.size = 10, .overlap = 10};
    spec.chunk = &chunk;
    assert_int_equal(eng_collection_make(e, ENG_STR("a"), &spec, &c, &err), ENG_EINVALID);
    assert_string_equal(err.field, "chunk");
    spec.chunk = NULL;
    spec.embedding_model = ENG_STR("none-such");
    assert_int_equal(eng_collection_make(e, ENG_STR("a"), &spec, &c, &err), ENG_EINVALID);
    assert_string_equal(err.field, "embedding_model");
    assert_int_equal(eng_collection_get(e, ENG_STR("a"), &c, &err), ENG_ENOTFOUND);
    eng_close(e);
}

/* Nothing is changed where something is refused. */
static void a_change_is_whole_or_none(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_error err = {0};
    eng_collection *c = NULL;
    int64_t job = 0;
    fill(e);
    eng_collection_spec change = {.title = ENG_STR("Outra"),
                                  .embedding_model = ENG_STR("none-such")};
    assert_int_equal(eng_collection_change(e, ENG_STR("loja"), &change, &job, &c, &err),
                     ENG_EINVALID);
    assert_string_equal(err.field, "embedding_model");
    c = show(e, "loja");
    assert_string_equal(c->title, "loja");
    eng_collection_free(c);
    eng_close(e);
}

static void pages_hold_each_collection_once(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_error err = {0};
    char name[24], next[ENG_NEXT_SIZE] = "";
    eng_collection_spec spec = {.title = {NULL, 0}, .embedding_model = {NULL, 0}};
    for (int i = 0; i < 5; i++) {
        eng_collection *c = NULL;
        snprintf(name, sizeof name, "c%d", i);
        assert_ok(eng_collection_make(e, eng_str_of(name), &spec, &c, &err), err);
        eng_collection_free(c);
    }
    size_t seen = 0;
    do {
        eng_collection_page *page = NULL;
        assert_ok(eng_collection_list(e, 2, next[0] ? next : NULL, &page, &err), err);
        for (size_t i = 0; i < page->count; i++, seen++) {
            snprintf(name, sizeof name, "c%zu", seen);
            assert_string_equal(page->items[i].name, name);
        }
        memcpy(next, page->next, sizeof next);
        eng_collection_page_free(page);
    } while (next[0]);
    assert_int_equal(seen, 5);
    eng_close(e);
}

/* ---- Documents ---- */

static void each_document_tells_what_became_of_it(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_error err = {0};
    assert_int_equal(put_text(e, "c", "a", "Um moinho de vento."), ENG_INGEST_INDEXED);
    assert_int_equal(put_text(e, "c", "a", "Um moinho de vento."), ENG_INGEST_UNCHANGED);
    assert_int_equal(put_text(e, "c", "a", "Uma roda de pedra."), ENG_INGEST_REPLACED);
    assert_int_equal(put_text(e, "c", "a", "   "), ENG_INGEST_FAILED);
    assert_int_equal(put_text(e, "c", "", "texto"), ENG_INGEST_FAILED);
    assert_int_equal(put_text(e, "c", NULL, "Sem nome algum."), ENG_INGEST_INDEXED);
    assert_int_equal(put_text(e, "c", NULL, "Sem nome algum."), ENG_INGEST_UNCHANGED);
    assert_int_equal(put(e, "c", file_source("f", "x.pdf", "no pdf")), ENG_INGEST_FAILED);
    holds(e, "c", 2);
    assert_int_equal(hits(e, "c", "moinho", NULL), 0);
    finds(e, "c", "pedra", "a");

    eng_document *d = NULL;
    assert_ok(eng_document_get(e, ENG_STR("c"), ENG_STR("a"), &d, &err), err);
    assert_string_equal(d->text, "Uma roda de pedra.");
    assert_string_equal(d->metadata, "{}");
    assert_string_equal(d->title, "");
    assert_int_equal(d->version, 2);
    assert_int_equal(d->bytes, strlen(d->text));
    assert_int_equal(d->passage_count, 1);
    assert_int_equal(d->passages[0].end, strlen(d->text));
    assert_int_equal(d->passages[0].tokens, 4);
    eng_document_free(d);
    assert_int_equal(eng_document_get(e, ENG_STR("c"), ENG_STR("zz"), &d, &err), ENG_ENOTFOUND);
    assert_int_equal(eng_document_get(e, ENG_STR("zz"), ENG_STR("a"), &d, &err), ENG_ENOTFOUND);
    eng_close(e);
}

static void one_that_fails_fails_alone(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_source s[] = {text_source("a", "primeiro moinho", NULL), text_source("b", " ", NULL),
                      file_source("c", "x.docx", "no docx"),
                      text_source("d", "segundo moinho", NULL)};
    eng_ingest_report *r = ingest(e, "c", s, 4);
    static const eng_ingest_state want[] = {ENG_INGEST_INDEXED, ENG_INGEST_FAILED,
                                            ENG_INGEST_FAILED, ENG_INGEST_INDEXED};
    assert_int_equal(r->count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(r->items[i].state, want[i]);
        assert_true(eng_str_eq(eng_str_of(r->items[i].id), s[i].id));
    }
    eng_ingest_report_free(r);
    assert_int_equal(hits(e, "c", "moinho", NULL), 2);
    eng_close(e);
}

static void of_an_id_twice_the_last_wins(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_source s[] = {text_source("a", "um moinho", NULL), text_source("b", "outra coisa", NULL),
                      text_source("a", "uma pedra", NULL), text_source("a", "uma azenha", NULL),
                      text_source("a", "uma azenha", NULL)};
    eng_ingest_report *r = ingest(e, "c", s, 5);
    assert_int_equal(r->count, 5);
    assert_int_equal(r->items[0].state, ENG_INGEST_INDEXED);
    assert_int_equal(r->items[2].state, ENG_INGEST_REPLACED);
    assert_int_equal(r->items[3].state, ENG_INGEST_REPLACED);
    assert_int_equal(r->items[4].state, ENG_INGEST_UNCHANGED);
    eng_ingest_report_free(r);
    holds(e, "c", 2);
    finds(e, "c", "azenha", "a");
    assert_int_equal(hits(e, "c", "moinho", NULL), 0);
    assert_int_equal(hits(e, "c", "pedra", NULL), 0);
    eng_close(e);
}

/* More than goes into a group at once. */
static void many_documents_are_all_found(void **state)
{
    enum { MANY = 700 };
    place *p = *state;
    eng *e = open_at(p->data);
    eng_source s[MANY];
    char ids[MANY][16], texts[MANY][64];
    for (size_t i = 0; i < MANY; i++) {
        snprintf(ids[i], sizeof ids[i], "d%zu", i);
        snprintf(texts[i], sizeof texts[i], "peça palavra%zu de reposição", i);
        s[i] = text_source(ids[i], texts[i], NULL);
    }
    eng_ingest_report *r = ingest(e, "c", s, MANY);
    assert_int_equal(r->count, MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_string_equal(r->items[i].id, ids[i]);
        assert_int_equal(r->items[i].state, ENG_INGEST_INDEXED);
    }
    eng_ingest_report_free(r);
    holds(e, "c", MANY);
    finds_first(e, "c", "palavra0", "d0");
    finds_first(e, "c", "palavra255", "d255");
    finds_first(e, "c", "palavra256", "d256");
    finds_first(e, "c", "palavra699", "d699");

    char next[ENG_NEXT_SIZE] = "";
    size_t seen = 0;
    do {
        eng_document_page *page = NULL;
        eng_error err = {0};
        assert_ok(eng_document_list(e, ENG_STR("c"), 300, next[0] ? next : NULL, &page, &err), err);
        for (size_t i = 0; i < page->count; i++, seen++)
            assert_string_equal(page->items[i].id, ids[seen]);
        memcpy(next, page->next, sizeof next);
        eng_document_page_free(page);
    } while (next[0]);
    assert_int_equal(seen, MANY);
    eng_close(e);
}

static void rows_of_a_table_are_documents(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    const char *table = "produto,preco\nmoinho,10\npedra,20\nvela,30\n";
    eng_source s = file_source("tabela", "precos.csv", table);
    s.metadata = ENG_STR("{\"loja\":\"sul\"}");
    eng_ingest_report *r = ingest(e, "c", &s, 1);
    assert_int_equal(r->count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(r->items[i].state, ENG_INGEST_INDEXED);
        assert_int_equal(strncmp(r->items[i].id, "tabela#", 7), 0);
    }
    char id[32];
    snprintf(id, sizeof id, "%s", r->items[1].id);
    eng_ingest_report_free(r);
    finds(e, "c", "pedra", id);
    assert_int_equal(hits(e, "c", "moinho pedra vela", "{\"loja\":\"sul\"}"), 3);
    assert_int_equal(hits(e, "c", "moinho pedra vela", "{\"loja\":\"norte\"}"), 0);
    r = ingest(e, "c", &s, 1);
    assert_int_equal(r->count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(r->items[i].state, ENG_INGEST_UNCHANGED);
    eng_ingest_report_free(r);
    eng_close(e);
}

static void a_file_goes_by_its_own_title_or_its_name(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_document *d = NULL;
    eng_error err = {0};
    assert_int_equal(put(e, "c", file_source("a", "manual.txt", "Um moinho.")), ENG_INGEST_INDEXED);
    assert_int_equal(put(e, "c",
                         file_source("b", "x.html",
                                     "<html><head><title>Guia</title></head><body><p>Uma pedra "
                                     "grande.</p></body></html>")),
                     ENG_INGEST_INDEXED);
    assert_ok(eng_document_get(e, ENG_STR("c"), ENG_STR("a"), &d, &err), err);
    assert_string_equal(d->title, "manual");
    eng_document_free(d);
    assert_ok(eng_document_get(e, ENG_STR("c"), ENG_STR("b"), &d, &err), err);
    assert_string_equal(d->title, "Guia");
    eng_document_free(d);
    finds(e, "c", "pedra", "b");
    finds(e, "c", "guia", "b"); /* titles are found too */
    eng_close(e);
}

static void removed_is_gone_from_every_search(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_error err = {0};
    eng_document *d = NULL;
    fill(e);
    assert_ok(eng_document_remove(e, ENG_STR("loja"), ENG_STR("prazo"), &err), err);
    assert_int_equal(hits(e, "loja", "prazo entrega", NULL), 0);
    assert_int_equal(eng_document_get(e, ENG_STR("loja"), ENG_STR("prazo"), &d, &err),
                     ENG_ENOTFOUND);
    assert_int_equal(eng_document_remove(e, ENG_STR("loja"), ENG_STR("prazo"), &err),
                     ENG_ENOTFOUND);
    assert_int_equal(eng_document_remove(e, ENG_STR("zz"), ENG_STR("prazo"), &err), ENG_ENOTFOUND);
    holds(e, "loja", 2);
    finds(e, "loja", "nota fiscal", "troca");
    assert_int_equal(put_text(e, "loja", "prazo", "O prazo de entrega voltou."),
                     ENG_INGEST_INDEXED);
    finds(e, "loja", "prazo entrega", "prazo");
    eng_close(e);
}

/* ---- Search ---- */

static void filters_choose_by_metadata(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    put(e, "c",
        text_source("a", "moinho", "{\"ano\":2024,\"loja\":\"sul\",\"dia\":\"2024-05-01\"}"));
    put(e, "c", text_source("b", "moinho", "{\"ano\":2025,\"loja\":[\"sul\",\"norte\"]}"));
    put(e, "c", text_source("d", "moinho", "{\"ano\":2026.5,\"dono\":{\"nome\":\"Ana\"}}"));
    put(e, "c", text_source("x", "moinho", NULL));
    static const struct {
        const char *filter;
        size_t count;
    } cases[] = {
        {"{}", 4},
        {"{\"ano\":2024}", 1},
        {"{\"ano\":2024.0}", 1},
        {"{\"ano\":\"2024\"}", 0},
        {"{\"ano\":{\"gte\":2025}}", 2},
        {"{\"ano\":{\"gt\":2024,\"lt\":2026}}", 1},
        {"{\"loja\":\"sul\"}", 2},
        {"{\"loja\":{\"in\":[\"norte\",\"leste\"]}}", 1},
        {"{\"loja\":{\"in\":[]}}", 0},
        {"{\"loja\":{\"exists\":false}}", 2},
        {"{\"not\":{\"loja\":\"sul\"}}", 2},
        {"{\"or\":[{\"ano\":2024},{\"dono.nome\":\"Ana\"}]}", 2},
        {"{\"and\":[{\"loja\":\"sul\"},{\"loja\":\"norte\"}]}", 1},
        {"{\"dia\":{\"gte\":\"2024-05-01T00:00:00Z\"}}", 1},
        {"{\"dia\":\"2024-05-01\"}", 1},
        {"{\"dia\":{\"gt\":\"2024-05-01\"}}", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = hits(e, "c", "moinho", cases[i].filter);
        if (n != cases[i].count)
            fail_msg("%s: expected %zu, got %zu", cases[i].filter, cases[i].count, n);
    }
    eng_close(e);
}

static void a_bad_question_names_its_field(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_results *r = NULL;
    eng_error err = {0};
    fill(e);
    const eng_str none = {NULL, 0};
    const struct {
        eng_search_query query;
        const char *field;
    } bad[] = {
        {{.text = ENG_STR(" \n"), .filter = none}, "query"},
        {{.text = ENG_STR("a"), .filter = none, .top_k = 1001}, "top_k"},
        {{.text = ENG_STR("a"), .filter = none, .threshold = 1.5}, "threshold"},
        {{.text = ENG_STR("a"), .filter = none, .threshold = -1}, "threshold"},
        {{.text = ENG_STR("a"), .filter = none, .threshold = NAN}, "threshold"},
        {{.text = ENG_STR("a"), .filter = ENG_STR("[]")}, "filter"},
        {{.text = ENG_STR("a"), .filter = none, .mode = ENG_SEARCH_DENSE}, "mode"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(eng_search(e, ENG_STR("loja"), &bad[i].query, &r, &err), ENG_EINVALID);
        assert_string_equal(err.field, bad[i].field);
    }
    eng_search_query good = {.text = ENG_STR("a"), .filter = none};
    assert_int_equal(eng_search(e, ENG_STR("zz"), &good, &r, &err), ENG_ENOTFOUND);
    eng_close(e);
}

static void passages_of_one_document_are_grouped(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_error err = {0};
    eng_collection *c = NULL;
    eng_results *r = NULL;
    eng_cutting chunk = {.size = 4};
    eng_collection_spec spec = {.title = {NULL, 0}, .chunk = &chunk, .embedding_model = {NULL, 0}};
    assert_ok(eng_collection_make(e, ENG_STR("c"), &spec, &c, &err), err);
    eng_collection_free(c);
    put_text(e, "c", "a", "Um moinho de vento. O moinho de água. Mais moinho de pedra.");
    eng_search_query q = {.text = ENG_STR("moinho"), .filter = {NULL, 0}, .explain = true};
    assert_ok(eng_search(e, ENG_STR("c"), &q, &r, &err), err);
    assert_int_equal(r->count, 3);
    for (size_t i = 0; i < r->count; i++) {
        eng_arena arena;
        const eng_json *v;
        eng_arena_init(&arena, 1024, NULL);
        assert_string_equal(r->items[i].document, "a");
        assert_non_null(r->items[i].explain);
        assert_ok(eng_json_read(eng_str_of(r->items[i].explain), NULL, &arena, &v, &err), err);
        eng_arena_clear(&arena);
    }
    eng_results_free(r);
    q.group_by_document = true;
    q.explain = false;
    assert_ok(eng_search(e, ENG_STR("c"), &q, &r, &err), err);
    assert_int_equal(r->count, 1);
    assert_null(r->items[0].explain);
    eng_results_free(r);
    q.threshold = 1;
    assert_ok(eng_search(e, ENG_STR("c"), &q, &r, &err), err);
    assert_int_equal(r->count, 0);
    eng_results_free(r);
    eng_close(e);
}

/* ---- Opening again ---- */

static void all_is_found_after_opening_again(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    fill(e);
    all_is_found(e);
    eng_close(e);
    for (int i = 0; i < 2; i++) {
        e = open_at(p->data);
        all_is_found(e);
        eng_close(e);
    }
    e = open_at(p->data);
    assert_int_equal(put_text(e, "loja", "novo", "Uma azenha."), ENG_INGEST_INDEXED);
    eng_close(e);
    e = open_at(p->data);
    finds(e, "loja", "azenha", "novo");
    finds(e, "loja", "nota fiscal", "troca");
    eng_close(e);
}

static void an_index_that_is_gone_is_made_anew(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_error err = {0};
    fill(e);
    eng_close(e);
    char *dir = eng_path_join(p->data, "index");
    assert_ok(eng_dir_remove(dir, &err), err);
    eng_free(dir);
    e = open_at(p->data);
    all_is_found(e);
    eng_close(e);
}

/* Calls for each file of the only index; the number of them. */
static size_t each_file(const char *data,
                        void (*call)(const char *dir, const char *name, size_t nth), size_t nth)
{
    char *index = eng_path_join(data, "index"), path[512];
    size_t seen = 0;
    DIR *outer = opendir(index);
    assert_non_null(outer);
    for (struct dirent *g; (g = readdir(outer));) {
        if (g->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", index, g->d_name);
        DIR *inner = opendir(path);
        for (struct dirent *f; inner && (f = readdir(inner));) {
            if (f->d_name[0] == '.')
                continue;
            call(path, f->d_name, nth);
            seen++;
        }
        if (inner)
            closedir(inner);
    }
    closedir(outer);
    eng_free(index);
    return seen;
}

static void *count_all(void *ctx)
{
    eng_search_query q = {.text = ENG_STR("moinho"), .top_k = 1000};
    eng_results *r = NULL;
    size_t found = SIZE_MAX;
    if (eng_search(ctx, ENG_STR("c"), &q, &r, NULL) == ENG_OK)
        found = r->count;
    eng_results_free(r);
    return (void *)(uintptr_t)found;
}

static void who_searches_while_an_index_is_made_sees_all_of_it(void **state)
{
    enum { DOCUMENTS = 400, THREADS = 4 };
    place *p = *state;
    eng *e = open_at(p->data);
    char ids[DOCUMENTS][8];
    static eng_source sources[DOCUMENTS];
    for (size_t i = 0; i < DOCUMENTS; i++) {
        snprintf(ids[i], sizeof ids[i], "%u", (unsigned)i % 1000);
        sources[i] = text_source(ids[i], "Um moinho de vento na beira do rio.", NULL);
    }
    eng_ingest_report_free(ingest(e, "c", sources, DOCUMENTS));
    eng_close(e);
    eng_error err = {0};
    char dir[128];
    snprintf(dir, sizeof dir, "%s/index", p->data);
    assert_ok(eng_dir_remove(dir, &err), err);
    e = open_at(p->data);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_all, e), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *found;
        pthread_join(threads[i], &found);
        assert_int_equal((uintptr_t)found, DOCUMENTS);
    }
    eng_close(e);
}

/* A byte of every file: spread over the file as the rounds go on. */
static void flip(const char *dir, const char *name, size_t nth)
{
    char path[1024];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(stat(path, &st), 0);
    if (S_ISREG(st.st_mode) && st.st_size > 0)
        change_byte(dir, name, (off_t)((size_t)st.st_size * nth / 16), 0x41);
}

static void an_index_that_is_damaged_is_made_anew(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    fill(e);
    eng_close(e);
    for (size_t nth = 0; nth < 16; nth++) {
        assert_true(each_file(p->data, flip, nth) > 0);
        e = open_at(p->data);
        all_is_found(e);
        eng_close(e);
    }
}

/* ---- The doctor ---- */

static size_t findings_of(const char *data, bool repair, bool *sound, bool *repaired)
{
    eng_findings *found = NULL;
    eng_error err = {0};
    size_t count = 0;
    assert_ok(eng_examine(data, repair, &found, &err), err);
    *sound = found->sound;
    *repaired = false;
    for (size_t i = 0; i < found->count; i++) {
        if (strcmp(found->items[i].check, "indexes") != 0 || found->items[i].status == ENG_OK)
            continue;
        count++;
        *repaired = found->items[i].repaired;
        assert_non_null(strstr(found->items[i].message, "'loja'"));
    }
    eng_findings_free(found);
    return count;
}

static void the_doctor_finds_an_index_that_is_damaged(void **state)
{
    place *p = *state;
    bool sound, repaired;
    eng *e = open_at(p->data);
    fill(e);
    eng_close(e);
    assert_int_equal(findings_of(p->data, false, &sound, &repaired), 0);
    assert_true(sound);
    for (size_t nth = 0; nth < 16; nth += 5) {
        assert_true(each_file(p->data, flip, nth) > 0);
        for (int again = 0; again < 2; again++) { /* looking mends nothing */
            assert_int_equal(findings_of(p->data, false, &sound, &repaired), 1);
            assert_false(sound || repaired);
        }
        assert_int_equal(findings_of(p->data, true, &sound, &repaired), 1);
        assert_true(sound && repaired);
        assert_int_equal(findings_of(p->data, false, &sound, &repaired), 0);
        e = open_at(p->data);
        all_is_found(e);
        eng_close(e);
    }
}

/* A string that the doctor of an engine that is open says. */
static void doctor_says(eng *e, bool repair, const char *wanted)
{
    int64_t id;
    eng_error err = {0};
    assert_ok(eng_doctor(e, repair, &id, &err), err);
    eng_job *job = wait_for(e, id);
    assert_int_equal(job->state, ENG_JOB_DONE);
    if (!strstr(job->result, wanted))
        fail_msg("%s", job->result);
    eng_job_free(job);
}

/* Also what was sound when it was first read; and what nobody has opened yet. */
static void the_doctor_mends_an_index_that_is_in_use(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    fill(e);
    eng_close(e);
    for (int opened = 0; opened < 2; opened++) {
        e = open_at(p->data);
        if (opened)
            all_is_found(e);
        doctor_says(e, false, "every file of every index is whole");
        assert_true(each_file(p->data, flip, 3) > 0);
        doctor_says(e, false, "\"sound\":false");
        doctor_says(e, true, "made anew of the database");
        doctor_says(e, false, "every file of every index is whole");
        all_is_found(e);
        eng_close(e);
    }
}

static void the_doctor_removes_what_is_of_no_collection(void **state)
{
    place *p = *state;
    eng_error err = {0};
    bool sound, repaired;
    eng *e = open_at(p->data);
    fill(e);
    eng_close(e);
    char *index = eng_path_join(p->data, "index"), *left = eng_path_join(index, "777");
    assert_ok(eng_dir_make(left, 0700, &err), err);
    assert_int_equal(findings_of(p->data, false, &sound, &repaired), 0);
    assert_true(eng_data_exists(left));
    assert_int_equal(findings_of(p->data, true, &sound, &repaired), 0);
    assert_false(eng_data_exists(left));
    eng_free(index);
    eng_free(left);
    e = open_at(p->data);
    all_is_found(e);
    eng_close(e);
}

static void count_only(const char *dir, const char *name, size_t nth)
{
    (void)dir;
    (void)name;
    (void)nth;
}

/* Also of one that nobody has opened since. */
static void a_dropped_collection_leaves_no_index(void **state)
{
    place *p = *state;
    eng_error err = {0};
    for (int again = 0; again < 2; again++) {
        eng *e = open_at(p->data);
        fill(e);
        if (again) {
            eng_close(e);
            e = open_at(p->data);
        }
        assert_ok(eng_collection_drop(e, ENG_STR("loja"), &err), err);
        eng_close(e);
        assert_int_equal(each_file(p->data, count_only, 0), 0);
    }
}

/* Asked before each source: before the second one the collection is cut another way. */
typedef struct {
    eng *e;
    int asked;
} switching;

static bool switch_now(void *ctx)
{
    switching *w = ctx;
    if (w->asked++ != 1)
        return false;
    eng_cutting chunk = {.size = 12, .characters = true};
    eng_collection_spec spec = {.title = {NULL, 0}, .chunk = &chunk, .embedding_model = {NULL, 0}};
    eng_collection *c = NULL;
    eng_error err = {0};
    int64_t job = 0;
    assert_ok(eng_collection_change(w->e, ENG_STR("c"), &spec, &job, &c, &err), err);
    eng_collection_free(c);
    eng_job *done = wait_for(w->e, job);
    assert_int_equal(done->state, ENG_JOB_DONE);
    eng_job_free(done);
    return false;
}

static void a_group_that_meets_another_generation_is_put_anew(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_error err = {0};
    eng_document *d = NULL;
    put(e, "c", text_source("um", "Um moinho de vento. Uma azenha.", NULL));
    eng_source two[] = {text_source("dois", "Um forno de lenha. Um poço fundo.", NULL),
                        text_source("tres", "Uma ponte de pedra. Um carro velho.", NULL)};
    switching w = {.e = e};
    eng_ingest_options o = {.title = {NULL, 0}, .cancelled = switch_now, .ctx = &w};
    eng_ingest_report *r = NULL;
    assert_ok(eng_ingest(e, ENG_STR("c"), two, 2, &o, &r, &err), err);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(r->items[i].state, ENG_INGEST_INDEXED);
        assert_true(r->items[i].passages > 1); /* cut as the collection is cut now */
    }
    eng_ingest_report_free(r);
    assert_ok(eng_document_get(e, ENG_STR("c"), ENG_STR("dois"), &d, &err), err);
    assert_true(d->passage_count > 1);
    eng_document_free(d);
    eng_close(e);
}

/* ---- Jobs ---- */

/* Puts one more in and takes one out, leaves the care of indexes some time, and ends without closing. */
static void change_and_crash(const char *data)
{
    eng *e = open_at(data);
    eng_source more = text_source("more", "O moinho tem outra roda.", NULL);
    eng_ingest_options o = {.make = true, .title = {NULL, 0}};
    eng_ingest_report *report = NULL;
    bool ok = eng_ingest(e, ENG_STR("c"), &more, 1, &o, &report, NULL) == ENG_OK &&
              eng_document_remove(e, ENG_STR("c"), ENG_STR("first"), NULL) == ENG_OK;
    sleep_ms(200);
    _exit(ok ? 0 : 1);
}

static void after_a_crash_the_index_goes_on_from_its_files(void **state)
{
    const place *p = *state;
    char mark[160];
    int status = 1;
    eng *e = open_at(p->data);
    put_text(e, "c", "first", "O moinho tem uma roda.");
    put_text(e, "c", "second", "O engenho tem um moinho.");
    eng_close(e);
    /* A file that only a folder which is made anew lacks. */
    snprintf(mark, sizeof mark, "%s/index/1/mark", p->data);
    assert_ok(eng_file_write(mark, ENG_STR("x"), 0600, NULL), (eng_error){0});
    pid_t child = fork();
    if (child == 0)
        change_and_crash(p->data);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    e = open_at(p->data);
    eng_results *r = ask(e, "c", "moinho roda", NULL);
    assert_int_equal(r->count, 2);
    eng_results_free(r);
    eng_close(e);
    assert_int_equal(access(mark, F_OK), 0);
}

static void later_is_a_job_with_a_result(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_error err = {0};
    eng_arena arena;
    const eng_json *v;
    int64_t id = 0;
    eng_source s[] = {text_source("a", "um moinho", "{\"n\":1}"), text_source("b", " ", NULL),
                      file_source("c", "t.csv", "x,y\npedra,1\nvela,2\n")};
    eng_ingest_options o = {.make = true, .title = ENG_STR("Com título")};
    assert_ok(eng_ingest_later(e, ENG_STR("c"), s, 3, &o, &id, &err), err);
    eng_job *job = wait_for(e, id);
    assert_int_equal(job->state, ENG_JOB_DONE);
    eng_arena_init(&arena, 1024, NULL);
    assert_ok(eng_json_read(eng_str_of(job->result), NULL, &arena, &v, &err), err);
    assert_str_view(eng_json_text(eng_json_get(v, ENG_STR("collection"))), "c");
    assert_int_equal(eng_json_get(v, ENG_STR("indexed"))->as.integer, 3);
    assert_int_equal(eng_json_get(v, ENG_STR("failed"))->as.integer, 1);
    const eng_json *errors = eng_json_get(v, ENG_STR("errors"));
    assert_int_equal(eng_json_count(errors), 1);
    assert_str_view(eng_json_text(eng_json_get(eng_json_at(errors, 0), ENG_STR("id"))), "b");
    eng_arena_clear(&arena);
    eng_job_free(job);
    holds(e, "c", 3);
    finds(e, "c", "moinho", "a");
    assert_int_equal(hits(e, "c", "pedra", NULL), 1);
    assert_int_equal(hits(e, "c", "moinho", "{\"n\":1}"), 1);
    eng_close(e);
}

static void another_cutting_is_a_job(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_error err = {0};
    int64_t id = 0;
    eng_collection *c = NULL;
    fill(e);
    put_text(
        e, "loja", "longo",
        "Primeira frase sobre moinhos. Segunda frase sobre pedras. Terceira frase sobre velas. "
        "Quarta frase sobre rodas.");
    eng_collection *before = show(e, "loja");
    eng_cutting chunk = {.size = 5};
    eng_collection_spec change = {
        .title = {NULL, 0}, .chunk = &chunk, .embedding_model = {NULL, 0}};
    assert_ok(eng_collection_change(e, ENG_STR("loja"), &change, &id, &c, &err), err);
    eng_collection_free(c);
    assert_true(id > 0);
    eng_job *job = wait_for(e, id);
    if (job->state != ENG_JOB_DONE)
        fail_msg("the job failed: %s", job->error ? job->error : "");
    eng_job_free(job);
    for (int again = 0; again < 2; again++) {
        c = show(e, "loja");
        assert_int_equal(c->chunk.size, 5);
        assert_int_equal(c->documents, before->documents);
        assert_true(c->passages > before->passages);
        eng_collection_free(c);
        eng_document *d = NULL;
        assert_ok(eng_document_get(e, ENG_STR("loja"), ENG_STR("longo"), &d, &err), err);
        assert_true(d->passage_count > 1);
        assert_int_equal(d->version, 1);
        for (size_t i = 0; i < d->passage_count; i++)
            assert_true(d->passages[i].tokens <= 5);
        eng_document_free(d);
        finds(e, "loja", "pedras", "longo");
        finds(e, "loja", "nota fiscal", "troca");
        eng_close(e); /* and the same after opening again */
        e = open_at(p->data);
    }
    assert_int_equal(put_text(e, "loja", "novo", "Uma azenha nova."), ENG_INGEST_INDEXED);
    finds(e, "loja", "azenha", "novo");
    assert_int_equal(put_text(e, "loja", "troca", "A devolução é livre."), ENG_INGEST_REPLACED);
    assert_int_equal(hits(e, "loja", "nota fiscal", NULL), 0);
    eng_collection_free(before);
    eng_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(a_collection_is_made_changed_and_dropped),
        in_place(what_is_not_set_is_the_default),
        in_place(settings_that_cannot_be_are_refused),
        in_place(a_change_is_whole_or_none),
        in_place(pages_hold_each_collection_once),
        in_place(each_document_tells_what_became_of_it),
        in_place(one_that_fails_fails_alone),
        in_place(of_an_id_twice_the_last_wins),
        in_place(many_documents_are_all_found),
        in_place(rows_of_a_table_are_documents),
        in_place(a_file_goes_by_its_own_title_or_its_name),
        in_place(removed_is_gone_from_every_search),
        in_place(filters_choose_by_metadata),
        in_place(a_bad_question_names_its_field),
        in_place(passages_of_one_document_are_grouped),
        in_place(all_is_found_after_opening_again),
        in_place(an_index_that_is_gone_is_made_anew),
        in_place(who_searches_while_an_index_is_made_sees_all_of_it),
        in_place(an_index_that_is_damaged_is_made_anew),
        in_place(the_doctor_finds_an_index_that_is_damaged),
        in_place(the_doctor_mends_an_index_that_is_in_use),
        in_place(the_doctor_removes_what_is_of_no_collection),
        in_place(a_dropped_collection_leaves_no_index),
        in_place(a_group_that_meets_another_generation_is_put_anew),
        in_place(after_a_crash_the_index_goes_on_from_its_files),
        in_place(later_is_a_job_with_a_result),
        in_place(another_cutting_is_a_job),
    };
    return cmocka_run_group_tests(tests, start_library, stop_library);
}
