/*
 * Sources into documents that are found.
 *
 *     sources -> take: extract, cut -> group -> flush: embed, store, index
 *
 * Documents go through in groups, which bound the memory and share a commit. What the store has already
 * costs no embedding. A group is flushed early where an id comes a second time, so that the last wins.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/utf8.h"
#include "engine/knowledge.h"

#include <sodium.h>

enum {
    GROUP_DOCUMENTS = 256,
    GROUP_PASSAGES = 1024,
    GROUP_BYTES = 8 << 20,
    TRIES = 10, /* of a group that meets another generation each time */
    ID_BYTES = 512,
};

typedef struct {
    eng_ingest_report report;
    eng_arena arena;
    size_t cap;
} result;

typedef struct {
    eng_draft draft;
    eng_draft_source source; /* lives as long as the group: to be cut another way */
    size_t slot;             /* of the report */
    size_t first_vector;     /* in the spill */
    size_t vector_count;     /* none without an encoder */
} waiting;

typedef struct {
    eng *e;
    const eng_ingest_options *options;
    result *out;
    eng_store_collection row;
    eng_shelf *shelf;
    eng_lent_encoder lent;
    eng_rag_encoder encoder;
    eng_cut_options cut;

    const eng_source *source; /* the one that is being read */
    size_t taken;             /* documents that it gave */

    eng_arena arena; /* of the group */
    waiting group[GROUP_DOCUMENTS];
    size_t count, passages, bytes;
    eng_map ids; /* of the group */
    eng_spill spill;
    eng_status last_failure;
    size_t stored;
} intake;

static double since(uint64_t from) { return (double)(eng_clock_ns() - from) / 1e6; }

static bool cancelled(void *ctx)
{
    const intake *in = ctx;
    return in->options->cancelled && in->options->cancelled(in->options->ctx);
}

/* ---- The report ---- */

static eng_status add_slot(intake *in, eng_ingested what, size_t *slot, eng_error *err)
{
    result *r = in->out;
    if (r->report.count == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 64;
        eng_ingested *items = eng_arena_array(&r->arena, cap, sizeof *items);
        if (!items)
            return eng_fail_nomem(err);
        if (r->report.count)
            memcpy(items, r->report.items, r->report.count * sizeof *items);
        r->report.items = items;
        r->cap = cap;
    }
    if (slot)
        *slot = r->report.count;
    r->report.items[r->report.count++] = what;
    return ENG_OK;
}

static eng_status add_failure(intake *in, eng_str id, const eng_error *why, eng_error *err)
{
    eng_str name = eng_arena_copy(&in->out->arena, id.ptr ? id : ENG_STR(""));
    eng_str message = eng_arena_copy(&in->out->arena, eng_str_of(why->message));
    if (!name.ptr || !message.ptr)
        return eng_fail_nomem(err);
    in->last_failure = why->status;
    return add_slot(
        in,
        (eng_ingested){
            .id = name.ptr, .state = ENG_INGEST_FAILED, .why = why->status, .error = message.ptr},
        NULL, err);
}

/* What ends everything rather than one document. */
static bool is_fatal(eng_status status) { return status == ENG_ENOMEM || status == ENG_ECANCELLED; }

/* ---- Flushing a group ---- */

static eng_status embed(intake *in, eng_error *err)
{
    uint64_t from = eng_clock_ns();
    eng_status status = ENG_OK;
    eng_spill_clear(&in->spill);
    eng_spill_init(&in->spill, in->e, &in->encoder);
    in->spill.stopped = cancelled;
    in->spill.ctx = in;
    for (size_t i = 0; in->encoder.dim && status == ENG_OK && i < in->count; i++) {
        waiting *w = &in->group[i];
        w->first_vector = in->spill.count;
        status = eng_spill_add(&in->spill, &w->draft, &w->vector_count, err);
    }
    if (status == ENG_OK)
        status = eng_spill_end(&in->spill, err);
    in->out->report.embed_ms += since(from);
    return status;
}

static eng_status prepare_put(intake *in, const waiting *w, eng_store_put *put, eng_error *err)
{
    const eng_draft *d = &w->draft;
    const eng_str none = {NULL, 0};
    eng_store_parts parts;
    eng_status status = eng_spill_parts(&in->spill, d, w->first_vector, w->vector_count, &in->arena,
                                        &parts, err);
    if (status < 0)
        return status;
    eng_str language = eng_str_of(eng_language_code(d->language));
    *put = (eng_store_put){
        .document = {.name = d->id,
                     .language = language.len ? language : none,
                     .title = d->title.len ? d->title : none,
                     .url = d->url.len ? d->url : none,
                     .metadata = d->metadata.len ? d->metadata : none,
                     .tokens = d->tokens},
        .text = d->text,
        .parts = parts,
    };
    memcpy(put->document.hash, d->hash, sizeof d->hash);
    return w->source.blocks ? eng_blocks_pack(w->source.blocks, w->source.block_count, &in->arena,
                                              &put->document.blocks, err)
                            : ENG_OK;
}

/* One step for other writers: what the store has taken, the index has. */
static eng_status commit(intake *in, eng_store_put *puts, eng_error *err)
{
    uint64_t from = eng_clock_ns();
    eng_shelf *s = in->shelf;
    pthread_mutex_lock(&s->writing);
    eng_status status = s->generation == in->row.generation
                            ? eng_store_document_put(in->e->store, in->row.id, s->generation, puts,
                                                     in->count, err)
                            : eng_fail(err, ENG_ECONFLICT, "the collection was switched");
    in->out->report.store_ms += since(from);
    from = eng_clock_ns();
    if (status == ENG_OK)
        status = eng_shelf_follow(in->e, s, err);
    pthread_mutex_unlock(&s->writing);
    in->out->report.index_ms += since(from);
    return status;
}

static void report_puts(intake *in, const eng_store_put *puts)
{
    for (size_t i = 0; i < in->count; i++) {
        eng_ingested *d = &in->out->report.items[in->group[i].slot];
        d->state = puts[i].fate == ENG_STORE_ADDED      ? ENG_INGEST_INDEXED
                   : puts[i].fate == ENG_STORE_REPLACED ? ENG_INGEST_REPLACED
                                                        : ENG_INGEST_UNCHANGED;
        d->passages = (uint32_t)in->group[i].draft.passage_count;
        d->tokens = (uint32_t)in->group[i].draft.tokens;
    }
    in->stored += in->count;
}

static eng_status report_failure(intake *in, const eng_error *why, eng_error *err)
{
    eng_str message = eng_arena_copy(&in->out->arena, eng_str_of(why->message));
    if (!message.ptr)
        return eng_fail_nomem(err);
    in->last_failure = why->status;
    for (size_t i = 0; i < in->count; i++) {
        eng_ingested *d = &in->out->report.items[in->group[i].slot];
        d->state = ENG_INGEST_FAILED;
        d->why = why->status;
        d->error = message.ptr;
    }
    return ENG_OK;
}

static eng_status try_group(intake *in, eng_error *err)
{
    eng_store_put *puts = eng_arena_zalloc(&in->arena, in->count * sizeof *puts);
    if (!puts)
        return eng_fail_nomem(err);
    eng_status status = embed(in, err);
    for (size_t i = 0; status == ENG_OK && i < in->count; i++)
        status = prepare_put(in, &in->group[i], &puts[i], err);
    if (status == ENG_OK)
        status = commit(in, puts, err);
    if (status == ENG_OK)
        report_puts(in, puts);
    return status;
}

/* The generation that answers now, how it cuts, and its encoder. */
static eng_status meet_generation(intake *in, eng_str collection, eng_error *err)
{
    eng_shelf *shelf = NULL;
    eng_status status = eng_shelf_hold(in->e, collection, &in->out->arena, &in->row, &shelf, err);
    if (status < 0)
        return status;
    eng_shelf_release(in->e, in->shelf);
    in->shelf = shelf;
    pthread_mutex_lock(&in->shelf->writing);
    eng_cutting chunk = in->shelf->chunk;
    eng_str model = eng_arena_copy(&in->out->arena, eng_str_of(in->shelf->model));
    in->row.generation = in->shelf->generation;
    pthread_mutex_unlock(&in->shelf->writing);
    if (!model.ptr)
        return eng_fail_nomem(err);
    eng_encoder_back(&in->lent);
    status = eng_encoder_lend(in->e, model.ptr, &in->lent, &in->encoder, err);
    in->lent.bulk = true;
    in->lent.cancelled = cancelled;
    in->lent.ctx = in;
    in->cut = (eng_cut_options){.size = chunk.size,
                                .overlap = chunk.overlap,
                                .count = chunk.characters ? NULL : in->encoder.count,
                                .ctx = in->encoder.ctx};
    if (status < 0) { /* nothing is put before it has been met once more */
        in->row.generation = 0;
        in->encoder = (eng_rag_encoder){.dim = 0};
        in->cut.count = NULL;
    }
    return status;
}

/* What was embedded for a generation that answers no more is cut and embedded for the one that does. */
static eng_status put_group(intake *in, eng_error *err)
{
    eng_error why;
    eng_status status = try_group(in, &why);
    for (int i = 0; status == ENG_ECONFLICT && i < TRIES; i++) {
        status = meet_generation(in, in->row.name, &why);
        for (size_t k = 0; status == ENG_OK && k < in->count; k++) {
            waiting *w = &in->group[k];
            w->vector_count = 0;
            status = eng_draft_cut(&w->draft, &w->source, &in->cut, &in->arena, &why);
        }
        if (status == ENG_OK)
            status = try_group(in, &why);
    }
    if (status < 0 && err)
        *err = why;
    return status;
}

static void empty_group(intake *in)
{
    eng_spill_clear(&in->spill);
    eng_map_clear(&in->ids);
    in->count = in->passages = in->bytes = 0;
}

/* The group's memory stays: a document that is not in it yet may lie there. */
static eng_status flush(intake *in, eng_error *err)
{
    if (!in->count)
        return ENG_OK;
    eng_error why;
    eng_status status = put_group(in, &why);
    if (status < 0 && is_fatal(status)) {
        if (err)
            *err = why;
    } else if (status < 0) {
        status = report_failure(in, &why, err);
    }
    empty_group(in);
    return status;
}

/* ---- Taking a document ---- */

static eng_status check_id(eng_str id, eng_error *err)
{
    if (!id.ptr || (id.len && id.len <= ID_BYTES && eng_utf8_valid(id) == id.len))
        return ENG_OK;
    return eng_fail_field(err, ENG_EINVALID, ENG_STR("id"), "expected 1 to %d bytes of UTF-8",
                          ID_BYTES);
}

/* The store has this very document. */
static eng_status is_known(intake *in, const eng_draft *d, bool *known, eng_error *err)
{
    eng_store_document row;
    eng_arena arena;
    eng_arena_init(&arena, 1024, NULL);
    eng_status status = eng_store_document_get(in->e->store, in->row.id, d->id, &arena, &row, NULL,
                                               err);
    *known = status == ENG_OK && memcmp(row.hash, d->hash, sizeof row.hash) == 0;
    if (*known) {
        eng_str id = eng_arena_copy(&in->out->arena, d->id);
        status = id.ptr ? add_slot(in,
                                   (eng_ingested){.id = id.ptr,
                                                  .state = ENG_INGEST_UNCHANGED,
                                                  .passages = (uint32_t)row.passages,
                                                  .tokens = (uint32_t)row.tokens},
                                   NULL, err)
                        : eng_fail_nomem(err);
    }
    eng_arena_clear(&arena);
    return status == ENG_ENOTFOUND ? ENG_OK : status;
}

static eng_status add_waiting(intake *in, const eng_draft *d, const eng_draft_source *source,
                              eng_error *err)
{
    eng_str id = eng_arena_copy(&in->out->arena, d->id);
    waiting *w = &in->group[in->count];
    if (!id.ptr)
        return eng_fail_nomem(err);
    *w = (waiting){.draft = *d, .source = *source};
    eng_status status = eng_map_put(&in->ids, d->id, w, NULL, err);
    if (status == ENG_OK)
        status = add_slot(in, (eng_ingested){.id = id.ptr, .state = ENG_INGEST_FAILED}, &w->slot,
                          err);
    if (status < 0)
        return status;
    in->count++;
    in->passages += d->passage_count;
    in->bytes += d->text.len;
    bool full = in->count == GROUP_DOCUMENTS || in->passages >= GROUP_PASSAGES ||
                in->bytes >= GROUP_BYTES;
    return full ? flush(in, err) : ENG_OK;
}

static eng_status take_document(intake *in, const eng_draft_source *source, eng_error *err)
{
    eng_draft d;
    bool known = false;
    uint64_t from = eng_clock_ns();
    eng_status status = check_id(source->id, err);
    if (status == ENG_OK)
        status = eng_draft_begin(source, &in->arena, &d, err);
    if (status == ENG_OK && eng_map_get(&in->ids, d.id))
        status = flush(in, err);
    if (status == ENG_OK)
        status = is_known(in, &d, &known, err);
    if (status < 0 || known)
        return status;
    status = eng_draft_cut(&d, source, &in->cut, &in->arena, err);
    in->out->report.cut_ms += since(from);
    return status == ENG_OK ? add_waiting(in, &d, source, err) : status;
}

/* A document that cannot be taken fails alone. */
static eng_status try_document(intake *in, const eng_draft_source *source, eng_error *err)
{
    eng_error why;
    eng_status status = take_document(in, source, &why);
    if (status < 0 && !is_fatal(status))
        return add_failure(in, source->id, &why, err);
    if (status < 0 && err)
        *err = why;
    return status;
}

/* ---- Files ---- */

/* A row's metadata beside what was sent with the file, which goes first. */
static eng_status merged(intake *in, eng_str sent, eng_str row, eng_str *out, eng_error *err)
{
    const eng_json *a, *b;
    eng_buf text;
    eng_buf_init(&text, 64 << 20);
    eng_status status = eng_json_read(sent, NULL, &in->arena, &a, err);
    if (status == ENG_OK)
        status = eng_json_read(row, NULL, &in->arena, &b, err);
    if (status < 0)
        return status;
    eng_json_writer w = eng_json_write_to(&text);
    eng_json_open(&w, '{');
    for (size_t i = 0; i < eng_json_count(a); i++) {
        eng_json_name(&w, eng_json_key(a, i));
        eng_json_copy(&w, eng_json_value(a, i));
    }
    for (size_t i = 0; i < eng_json_count(b); i++) {
        if (eng_json_get(a, eng_json_key(b, i)))
            continue;
        eng_json_name(&w, eng_json_key(b, i));
        eng_json_copy(&w, eng_json_value(b, i));
    }
    eng_json_close(&w, '}');
    status = eng_buf_check(&text, "metadata", err);
    if (status == ENG_OK)
        *out = eng_arena_copy(&in->arena, eng_buf_view(&text));
    eng_buf_clear(&text);
    return status == ENG_OK && !out->ptr ? eng_fail_nomem(err) : status;
}

static eng_str kept(intake *in, eng_str s, bool *nomem)
{
    eng_str copy = eng_arena_copy(&in->arena, s.ptr ? s : ENG_STR(""));
    *nomem |= !copy.ptr;
    return copy;
}

/* A row goes by its own id, or by the file's and its number. */
static eng_str id_of_row(intake *in, const eng_extract *doc, bool *nomem)
{
    eng_str given = in->source->id;
    if (!doc->row)
        return given;
    if (doc->id.len)
        return kept(in, doc->id, nomem);
    if (!given.ptr)
        return given;
    eng_str id = eng_arena_format(&in->arena, "%.*s#%zu", ENG_FMT(given), doc->row);
    *nomem |= !id.ptr;
    return id;
}

static eng_str name_without_ending(eng_str file)
{
    for (size_t i = file.len; i-- > 1;) {
        if (file.ptr[i] == '.')
            return eng_str_sub(file, 0, i);
    }
    return file;
}

/* What an extractor shows lives no longer than this call, a group longer: it is copied, but for what fills
 * a group alone, which is flushed before the call ends. */
static eng_status take_extract(void *ctx, const eng_extract *doc, eng_error *err)
{
    intake *in = ctx;
    const eng_source *s = in->source;
    bool nomem = false, large = doc->text.len >= GROUP_BYTES;
    eng_str title = s->title.ptr     ? s->title
                    : doc->title.len ? doc->title
                                     : name_without_ending(s->file.ptr ? s->file : ENG_STR(""));
    eng_str url = s->url.ptr ? s->url : doc->url;
    if (!in->count)
        eng_arena_reset(&in->arena);
    eng_draft_source d = {
        .id = id_of_row(in, doc, &nomem),
        .title = kept(in, title, &nomem),
        .url = kept(in, url, &nomem),
        .text = large ? doc->text : kept(in, doc->text, &nomem),
        .language = kept(in, doc->language, &nomem),
        .metadata = kept(in, s->metadata.ptr ? s->metadata : doc->metadata, &nomem),
        .block_count = doc->block_count};
    eng_block *blocks = eng_arena_array(&in->arena, large ? 1 : doc->block_count + 1,
                                        sizeof *blocks);
    if (nomem || !blocks)
        return eng_fail_nomem(err);
    if (doc->block_count && !large)
        memcpy(blocks, doc->blocks, doc->block_count * sizeof *blocks);
    d.blocks = large && doc->block_count ? doc->blocks : blocks;
    eng_status status = ENG_OK;
    if (s->metadata.ptr && doc->metadata.len)
        status = merged(in, s->metadata, doc->metadata, &d.metadata, err);
    in->taken++;
    return status == ENG_OK ? try_document(in, &d, err) : status;
}

static void bad_row(void *ctx, size_t row, const eng_error *why)
{
    intake *in = ctx;
    eng_error told = *why;
    eng_error_prefix(&told, "row %zu", row);
    in->taken++;
    (void)add_failure(in, in->source->id, &told, NULL); /* without memory the row goes untold */
}

static eng_status take_file(intake *in, eng_error *err)
{
    eng_extract_options how = {
        .document = take_extract, .bad_row = bad_row, .cancelled = cancelled, .ctx = in};
    uint64_t from = eng_clock_ns();
    double before = in->out->report.cut_ms + in->out->report.embed_ms + in->out->report.store_ms +
                    in->out->report.index_ms;
    eng_error why;
    in->taken = 0;
    eng_status status = eng_source_read(in->e, in->source, &how, &why);
    double after = in->out->report.cut_ms + in->out->report.embed_ms + in->out->report.store_ms +
                   in->out->report.index_ms;
    in->out->report.extract_ms += since(from) - (after - before);
    if (status < 0 && !is_fatal(status))
        return add_failure(in, in->source->id, &why, err);
    if (status < 0 && err)
        *err = why;
    return status;
}

static eng_status take_source(intake *in, const eng_source *source, eng_error *err)
{
    in->source = source;
    if (!in->count)
        eng_arena_reset(&in->arena);
    if (!source->text.ptr)
        return take_file(in, err);
    eng_draft_source d = {.id = source->id,
                          .title = source->title,
                          .url = source->url,
                          .metadata = source->metadata,
                          .text = source->text,
                          .language = ENG_STR("")};
    return try_document(in, &d, err);
}

/* ---- The whole ---- */

eng_status eng_collection_ready(eng *e, eng_str name, const eng_ingest_options *options,
                                eng_error *err)
{
    eng_collection *c = NULL;
    eng_status status = eng_collection_get(e, name, &c, NULL);
    if (status == ENG_ENOTFOUND && options->make) {
        eng_collection_spec spec = {.title = options->title, .embedding_model = {NULL, 0}};
        status = eng_collection_make(e, name, &spec, &c, err);
        if (status == ENG_ECONFLICT) /* somebody else was quicker */
            status = eng_collection_get(e, name, &c, err);
    } else if (status < 0) {
        status = eng_collection_get(e, name, &c, err);
    }
    eng_collection_free(c);
    return status;
}

static eng_status begin(intake *in, eng_str collection, eng_error *err)
{
    eng_status status = eng_collection_ready(in->e, collection, in->options, err);
    return status < 0 ? status : meet_generation(in, collection, err);
}

static eng_status take_all(intake *in, const eng_source *sources, size_t count, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        status = cancelled(in) ? eng_fail(err, ENG_ECANCELLED, "cancelled")
                               : take_source(in, &sources[i], err);
        if (status == ENG_OK && in->options->progress && !in->count)
            in->options->progress(in->options->ctx, i + 1);
    }
    if (status == ENG_OK)
        status = flush(in, err);
    if (status == ENG_OK && in->options->progress)
        in->options->progress(in->options->ctx, count);
    return status;
}

eng_status eng_ingest(eng *e, eng_str collection, const eng_source *sources, size_t count,
                      const eng_ingest_options *options, eng_ingest_report **out, eng_error *err)
{
    uint64_t from = eng_clock_ns();
    intake *in = eng_zalloc(sizeof *in);
    result *r = eng_zalloc(sizeof *r);
    if (!in || !r) {
        eng_free(in);
        eng_free(r);
        return eng_fail_nomem(err);
    }
    eng_arena_init(&r->arena, 4096, NULL);
    eng_arena_init(&in->arena, 1 << 16, NULL);
    eng_map_init(&in->ids);
    in->spill.fd = -1;
    in->e = e;
    in->options = options;
    in->out = r;
    eng_status status = begin(in, collection, err);
    if (status == ENG_OK)
        status = take_all(in, sources, count, err);
    r->report.total_ms = since(from);
    empty_group(in);
    eng_spill_clear(&in->spill);
    eng_encoder_back(&in->lent);
    eng_shelf_release(e, in->shelf);
    eng_arena_clear(&in->arena);
    eng_free(in);
    if (status < 0)
        eng_ingest_report_free(&r->report);
    else
        *out = &r->report;
    return status;
}

void eng_ingest_report_free(eng_ingest_report *report)
{
    if (!report)
        return;
    result *r = (result *)report;
    eng_arena_clear(&r->arena);
    eng_free(r);
}

const char *eng_ingest_state_name(eng_ingest_state state)
{
    static const char *const names[] = {"indexed", "unchanged", "replaced", "failed"};
    return (size_t)state < sizeof names / sizeof *names ? names[state] : "unknown";
}
