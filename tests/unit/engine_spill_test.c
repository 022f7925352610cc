/* Vectors between the encoder and the store: promises of engine/knowledge.h. */
#include "engine/knowledge.h"
#include "engine_help.h"

enum { DIM = 4096, PARAGRAPHS = 500 };

static size_t words_of(void *ctx, eng_str text)
{
    (void)ctx;
    return text.len / 5;
}

/* Says which text it was. */
static eng_status encode(void *ctx, const eng_str *texts, size_t count, bool query, float *out,
                         eng_error *err)
{
    (void)ctx;
    (void)query;
    (void)err;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < DIM; k++)
            out[i * DIM + k] = (float)texts[i].len;
        out[i * DIM] = (float)(unsigned char)texts[i].ptr[0];
        out[i * DIM + DIM - 1] = (float)(unsigned char)texts[i].ptr[texts[i].len - 1];
    }
    return ENG_OK;
}

static const eng_rag_encoder fake = {
    .dim = DIM, .max_tokens = 128, .count = words_of, .encode = encode};

static eng_draft draft_of(eng_arena *arena, size_t paragraphs)
{
    eng_draft d;
    eng_error err = {0};
    eng_buf text;
    eng_buf_init(&text, 1 << 24);
    for (size_t i = 0; i < paragraphs; i++)
        eng_buf_format(&text, "Moinho %zu gira ao vento. A roda %zu tem %zu dentes de pau.\n\n", i,
                       i, i % 7);
    eng_draft_source source = {.id = ENG_STR("d"),
                               .title = ENG_STR("Moinhos"),
                               .text = eng_arena_copy(arena, eng_buf_view(&text)),
                               .language = ENG_STR("pt")};
    eng_cut_options cut = {.size = 12, .overlap = 0};
    eng_buf_clear(&text);
    assert_ok(eng_draft_begin(&source, arena, &d, &err), err);
    assert_ok(eng_draft_cut(&d, &source, &cut, arena, &err), err);
    assert_true(d.passage_count >= paragraphs);
    return d;
}

/* All that the store reads is what the units of the whole draft give. */
static void compare(const eng_store_parts *parts, const eng_draft *d, eng_arena *arena)
{
    eng_draft_unit *units = NULL;
    float *floats = eng_alloc_array(DIM, sizeof *floats);
    size_t count = 0;
    eng_error err = {0};
    assert_ok(eng_draft_units(d, &fake, arena, &units, &count, &err), err);
    assert_int_equal(parts->vector_count, count);
    assert_int_equal(parts->passage_count, d->passage_count);
    for (size_t at = 0; at < count;) {
        const eng_store_vector *v = NULL;
        size_t some = 0;
        assert_ok(parts->read(parts->ctx, at, &v, &some, &err), err);
        assert_true(some > 0 && at + some <= count);
        for (size_t i = 0; i < some; i++, at++) {
            assert_ok(encode(NULL, &units[at].text, 1, false, floats, &err), err);
            assert_memory_equal(v[i].data, floats, DIM * sizeof *floats);
            assert_int_equal(v[i].passage, units[at].passage);
            assert_int_equal(v[i].kind,
                             units[at].sentence ? ENG_VECTOR_SENTENCE : ENG_VECTOR_PASSAGE);
            assert_int_equal(v[i].start, units[at].start);
            assert_int_equal(v[i].end, units[at].end);
        }
    }
    eng_free(floats);
}

/* A document before one that fills the file, and one behind it. */
static void all_vectors_are_read_as_often_as_they_are_asked_for(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_arena arena;
    eng_error err = {0};
    eng_spill *s = eng_zalloc(sizeof *s);
    eng_draft drafts[3];
    eng_store_parts parts[3];
    size_t counts[3], first = 0;
    eng_arena_init(&arena, 4096, NULL);
    eng_spill_init(s, e, &fake);
    for (int i = 0; i < 3; i++) {
        drafts[i] = draft_of(&arena, i == 1 ? PARAGRAPHS : 3);
        assert_ok(eng_spill_add(s, &drafts[i], &counts[i], &err), err);
    }
    assert_ok(eng_spill_end(s, &err), err);
    assert_true(s->fd >= 0 && s->written > 0);
    assert_true(s->held.len < 32 << 20);
    for (int i = 0; i < 3; i++) {
        assert_ok(eng_spill_parts(s, &drafts[i], first, counts[i], &arena, &parts[i], &err), err);
        first += counts[i];
    }
    assert_int_equal(first, s->count);
    for (int again = 0; again < 2; again++) {
        for (int i = 0; i < 3; i++)
            compare(&parts[i], &drafts[i], &arena);
    }
    eng_spill_clear(s);
    eng_spill_clear(s);
    eng_free(s);
    eng_arena_clear(&arena);
    eng_close(e);
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void embedding_stops_when_it_is_told_to(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_arena arena;
    eng_error err = {0};
    eng_spill *s = eng_zalloc(sizeof *s);
    size_t count;
    eng_arena_init(&arena, 4096, NULL);
    eng_spill_init(s, e, &fake);
    s->stopped = at_once;
    eng_draft d = draft_of(&arena, 2);
    assert_ok(eng_spill_add(s, &d, &count, &err), err);
    assert_int_equal(eng_spill_end(s, &err), ENG_ECANCELLED);
    eng_spill_clear(s);
    eng_free(s);
    eng_arena_clear(&arena);
    eng_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(all_vectors_are_read_as_often_as_they_are_asked_for),
        in_place(embedding_stops_when_it_is_told_to),
    };
    return cmocka_run_group_tests(tests, start_library, stop_library);
}
