/*
 * Embeddings as engenho.h offers them: a model by its name, texts to tokens, the queue, and the result.
 *
 *     eng_embed_begin: the model is held -> what is remembered is copied, the rest is tokenized
 *        -> the queue -> finish: vectors are put together, remembered, and handed to the caller
 *
 * A model that is open stays open: the list of them is short. Names are looked up on disk anew only after
 * a model was published or removed.
 */
#include "base/alloc.h"
#include "base/check.h"
#include "base/error.h"
#include "engine/encoder_internal.h"

#include <math.h>

enum { CACHE_BYTES = 32 << 20, NAMES_MAX = 64, REMEMBERED_TEXTS = 16 };

/* A name that was found: looked up again after the models have changed. */
typedef struct {
    char *name;
    eng_open_model *model;
} known_name;

struct eng_embedder {
    pthread_mutex_t
        lock; /* of what follows; held while a model is opened, which the next wants too */
    eng_open_model *models;
    uint64_t numbers;
    uint64_t changes; /* of the models on disk, when the names were found */
    known_name names[NAMES_MAX];
    size_t name_count;
    eng_batcher *batcher;
    eng_memory *memory;
};

/* ---- Models that are open ---- */

eng_status eng_embedder_new(size_t queue_max, eng_embedder **out, eng_error *err)
{
    eng_batcher_options options = {.queue_max = queue_max};
    eng_embedder *d = eng_zalloc(sizeof *d);
    if (!d)
        return eng_fail_nomem(err);
    pthread_mutex_init(&d->lock, NULL);
    eng_status status = eng_batcher_new(&options, &d->batcher, err);
    if (status == ENG_OK)
        status = eng_memory_new(CACHE_BYTES, &d->memory, err);
    if (status < 0)
        eng_embedder_free(d);
    else
        *out = d;
    return status;
}

static void close_model(eng_open_model *m)
{
    eng_encoder_free(m->encoder);
    eng_free(m->id);
    eng_free(m->folder);
    eng_free(m);
}

static void forget_names(eng_embedder *d)
{
    for (size_t i = 0; i < d->name_count; i++)
        eng_free(d->names[i].name);
    d->name_count = 0;
}

void eng_embedder_free(eng_embedder *d)
{
    if (!d)
        return;
    eng_batcher_free(d->batcher); /* after which no call uses a model */
    while (d->models) {
        eng_open_model *m = d->models;
        d->models = m->next;
        close_model(m);
    }
    forget_names(d);
    eng_memory_free(d->memory);
    pthread_mutex_destroy(&d->lock);
    eng_free(d);
}

static eng_open_model *find_name(const eng_embedder *d, eng_str name)
{
    for (size_t i = 0; i < d->name_count; i++)
        if (eng_str_eq(eng_str_of(d->names[i].name), name))
            return d->names[i].model;
    return NULL;
}

/* Where there is no room or memory the name is looked up again the next time. */
static void remember_name(eng_embedder *d, eng_str name, eng_open_model *m)
{
    char *copy = d->name_count < NAMES_MAX ? eng_strdup(name) : NULL;
    if (copy)
        d->names[d->name_count++] = (known_name){copy, m};
}

static void unlink_model(eng_embedder *d, eng_open_model *m)
{
    eng_open_model **at = &d->models;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
}

/* After models came or went: those whose folder is not theirs any more are closed. */
static void look_again(eng_embedder *d)
{
    forget_names(d);
    for (eng_open_model *m = d->models, *next; m; m = next) {
        next = m->next;
        m->gone = m->gone || !eng_data_exists(m->folder);
        if (m->gone && m->users == 0) {
            unlink_model(d, m);
            close_model(m);
        }
    }
}

static eng_status open_model(eng_embedder *d, const eng_model_record *r, char *folder,
                             eng_open_model **out, eng_error *err)
{
    const eng_known_model *known = eng_known_find(r->id);
    eng_encoder_options options = {
        .query = known ? known->query : NULL,
        .passage = known ? known->passage : NULL,
    };
    eng_open_model *m = eng_zalloc(sizeof *m);
    if (!m)
        return eng_fail_nomem(err);
    m->id = eng_strdup(r->id);
    m->folder = eng_strdup(eng_str_of(folder));
    eng_status status = m->id && m->folder ? ENG_OK : eng_fail_nomem(err);
    if (status == ENG_OK) {
        status = eng_encoder_open(folder, &options, &m->encoder, err);
        if (status < 0)
            eng_error_prefix(err, "model '%.*s'", ENG_FMT(r->id));
    }
    if (status < 0) {
        close_model(m);
        return status;
    }
    m->number = ++d->numbers;
    m->next = d->models;
    d->models = m;
    *out = m;
    return ENG_OK;
}

static eng_status find_open(eng *e, eng_str name, eng_open_model **out, eng_error *err)
{
    eng_arena arena;
    eng_model_record r;
    char *folder = NULL;
    eng_embedder *d = e->embedder;
    eng_arena_init(&arena, 4096, NULL);
    eng_status status = eng_models_find(e->models, name, &arena, &r, err);
    if (status == ENG_OK)
        status = eng_models_folder(e->models, &r, &folder, err);
    eng_open_model *m = d->models;
    while (status == ENG_OK && m && (m->gone || strcmp(m->folder, folder) != 0))
        m = m->next;
    if (status == ENG_OK && !m)
        status = open_model(d, &r, folder, &m, err);
    if (status == ENG_OK) {
        remember_name(d, name, m);
        *out = m;
    }
    eng_free(folder);
    eng_arena_clear(&arena);
    return status;
}

eng_status eng_embedder_hold(eng *e, eng_str name, eng_open_model **out, eng_error *err)
{
    eng_embedder *d = e->embedder;
    eng_open_model *m = NULL;
    eng_status status = ENG_OK;
    pthread_mutex_lock(&d->lock);
    uint64_t changes = atomic_load(&e->models->changes);
    if (d->changes != changes)
        look_again(d);
    d->changes = changes;
    m = find_name(d, name);
    if (!m)
        status = find_open(e, name, &m, err);
    if (status == ENG_OK) {
        m->users++;
        *out = m;
    }
    pthread_mutex_unlock(&d->lock);
    return status;
}

void eng_embedder_release(eng *e, eng_open_model *m)
{
    eng_embedder *d = e->embedder;
    pthread_mutex_lock(&d->lock);
    m->users--;
    bool last = m->gone && m->users == 0;
    if (last)
        unlink_model(d, m);
    pthread_mutex_unlock(&d->lock);
    if (last)
        close_model(m);
}

eng_batcher *eng_embedder_batcher(eng *e) { return e->embedder->batcher; }

void eng_embedder_count(eng *e, eng_counters *out)
{
    eng_batcher_counters batches;
    eng_memory_counters memory;
    eng_batcher_count(e->embedder->batcher, &batches);
    eng_memory_count(e->embedder->memory, &memory);
    out->embedded = batches.sequences;
    out->embedded_tokens = batches.tokens;
    out->embed_batches = batches.batches;
    out->embed_waiting = batches.waiting;
    out->embed_refused = batches.refused;
    out->cache_hits = memory.hits;
    out->cache_misses = memory.misses;
    out->cache_bytes = memory.bytes;
}

/* ---- A call ---- */

typedef struct {
    eng_embeddings result; /* first: what the caller holds in the end */
    eng_batch_call call;
    eng *e;
    eng_open_model *model;
    eng_embed_done *done;
    void *ctx;
    eng_prompt prompt;
    size_t width;    /* of the model */
    float *vectors;  /* [count][width], then cut to the dimensions that were asked for */
    float *computed; /* what the queue fills, of the texts that were not remembered */
    size_t *missing; /* which texts those are */
    bool *cut;       /* of each of them */
    size_t missing_count;
    char *texts; /* of those: what they are remembered by; NULL: nothing is to be remembered */
    eng_str *text_at;
} embedding;

static void embedding_free(embedding *m)
{
    if (!m)
        return;
    eng_tokens_clear(&m->call.tokens);
    if (m->model)
        eng_embedder_release(m->e, m->model);
    eng_free(m->vectors);
    eng_free(m->computed);
    eng_free(m->missing);
    eng_free(m->cut);
    eng_free(m->texts);
    eng_free(m->text_at);
    eng_free((char *)(uintptr_t)m->result.model);
    eng_free(m);
}

void eng_embeddings_free(eng_embeddings *embeddings) { embedding_free((embedding *)embeddings); }

/* The first floats of a vector are not of length 1 any more. */
static void shorten(embedding *m)
{
    size_t n = m->result.dimensions;
    if (n == m->width)
        return;
    for (size_t i = 0; i < m->result.count; i++) {
        float *to = m->vectors + i * n;
        double sum = 0;
        memmove(to, m->vectors + i * m->width, n * sizeof *to);
        for (size_t k = 0; k < n; k++)
            sum += (double)to[k] * (double)to[k];
        float scale = sum > 0 ? (float)(1 / sqrt(sum)) : 1;
        for (size_t k = 0; k < n && eng_encoder_about(m->model->encoder)->normalised; k++)
            to[k] *= scale;
    }
}

static void put_together(embedding *m)
{
    eng_memory *memory = m->e->embedder->memory;
    for (size_t i = 0; i < m->missing_count; i++) {
        const float *vector = m->computed + i * m->width;
        eng_memory_note note = {(uint32_t)m->call.tokens.seqs[i].count, m->cut[i]};
        memcpy(m->vectors + m->missing[i] * m->width, vector, m->width * sizeof *vector);
        m->result.tokens += note.tokens;
        m->result.truncated += note.truncated;
        if (m->texts)
            eng_memory_put(memory, m->model->number, m->prompt, m->text_at[i], vector, m->width,
                           note);
    }
    shorten(m);
    m->result.vectors = m->vectors;
}

/* By a thread of the queue's, or by the caller's own where nothing had to be computed. */
static void finish(eng_batch_call *call)
{
    embedding *m = (embedding *)(void *)((char *)call - offsetof(embedding, call));
    eng_embed_done *done = m->done;
    void *ctx = m->ctx;
    if (call->status < 0) {
        eng_error err = call->err;
        embedding_free(m);
        done(ctx, NULL, &err);
        return;
    }
    put_together(m);
    eng_embedder_release(m->e, m->model);
    m->model = NULL;
    done(ctx, &m->result, NULL);
}

static eng_status check_dimensions(embedding *m, size_t wanted, eng_error *err)
{
    const eng_encoder_info *info = eng_encoder_about(m->model->encoder);
    m->width = info->dimensions;
    m->result.dimensions = wanted ? wanted : m->width;
    if (m->result.dimensions == m->width || (info->shortens && m->result.dimensions < m->width))
        return ENG_OK;
    return eng_fail_field(err, ENG_EINVALID, ENG_STR("dimensions"),
                          info->shortens ? "at most %zu"
                                         : "the vectors of this model have %zu and are"
                                           " not made to be cut",
                          m->width);
}

static eng_status room_for(embedding *m, const eng_embed *what, eng_error *err)
{
    size_t floats;
    if (!eng_mul(what->count, m->width, &floats))
        return eng_fail_nomem(err);
    m->result.count = what->count;
    m->vectors = eng_alloc_array(floats, sizeof *m->vectors);
    m->missing = eng_alloc_array(what->count, sizeof *m->missing);
    m->cut = eng_alloc_array(what->count, sizeof *m->cut);
    return m->vectors && m->missing && m->cut ? ENG_OK : eng_fail_nomem(err);
}

static eng_status refuse_cut(const embedding *m, size_t i, eng_error *err)
{
    return eng_fail_field(err, ENG_EINVALID, ENG_STR("input"),
                          "text %zu is longer than the %zu tokens that the model reads", i,
                          eng_encoder_about(m->model->encoder)->tokens_max);
}

/* Questions come again; the texts of a book do not. */
static bool remembers(const eng_embed *what)
{
    return !what->bulk && !what->tokens && what->count <= REMEMBERED_TEXTS;
}

/* What is remembered is copied; of the rest, the tokens. */
static eng_status read_texts(embedding *m, const eng_embed *what, eng_error *err)
{
    eng_buf scratch;
    eng_status status = ENG_OK;
    const eng_encoder *enc = m->model->encoder;
    eng_buf_init(&scratch, ENG_TOKENIZER_TEXT_MAX);
    for (size_t i = 0; i < what->count && status == ENG_OK; i++) {
        eng_memory_note note = {0};
        bool cut = false;
        if (remembers(what) &&
            eng_memory_get(m->e->embedder->memory, m->model->number, what->prompt, what->texts[i],
                           m->vectors + i * m->width, m->width, &note)) {
            m->result.tokens += note.tokens;
            m->result.truncated += note.truncated;
            cut = note.truncated;
        } else {
            status = what->tokens
                         ? eng_encoder_read_ids(enc, what->tokens[i], &m->call.tokens, &cut, err)
                         : eng_encoder_read(enc, what->texts[i], what->prompt, &scratch,
                                            &m->call.tokens, &cut, err);
            m->cut[m->missing_count] = cut;
            m->missing[m->missing_count] = i;
            m->missing_count += status == ENG_OK;
        }
        if (status == ENG_OK && cut && what->whole)
            status = refuse_cut(m, i, err);
    }
    eng_buf_clear(&scratch);
    return status;
}

/* What is computed is remembered by its text, which is kept until then. Without the memory for that
 * nothing is remembered. */
static void keep_texts(embedding *m, const eng_embed *what)
{
    size_t bytes = 0, at = 0;
    if (!remembers(what) || m->missing_count == 0)
        return;
    for (size_t i = 0; i < m->missing_count; i++)
        bytes += what->texts[m->missing[i]].len;
    m->texts = eng_alloc(bytes);
    m->text_at = eng_alloc_array(m->missing_count, sizeof *m->text_at);
    if (!m->texts || !m->text_at) {
        eng_free(m->texts);
        m->texts = NULL;
        return;
    }
    for (size_t i = 0; i < m->missing_count; i++) {
        eng_str text = what->texts[m->missing[i]];
        m->text_at[i] = (eng_str){m->texts + at, text.len};
        if (text.len)
            memcpy(m->texts + at, text.ptr, text.len);
        at += text.len;
    }
}

static eng_status prepare(embedding *m, const eng_embed *what, eng_error *err)
{
    eng_str name = what->model.len ? what->model : ENG_STR("default");
    eng_status status = eng_embedder_hold(m->e, name, &m->model, err);
    if (status < 0)
        return status;
    if (eng_encoder_about(m->model->encoder)->type != ENG_MODEL_ENCODER)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("model"),
                              "'%s' is a reranker: it makes no vectors", m->model->id);
    status = check_dimensions(m, what->dimensions, err);
    if (status == ENG_OK)
        status = room_for(m, what, err);
    if (status == ENG_OK)
        status = read_texts(m, what, err);
    if (status < 0)
        return status;
    m->result.model = eng_strdup(eng_str_of(m->model->id));
    m->computed = eng_alloc_array(m->missing_count * m->width, sizeof *m->computed);
    if (!m->result.model || !m->computed)
        return eng_fail_nomem(err);
    keep_texts(m, what);
    m->prompt = what->prompt;
    m->call.encoder = m->model->encoder;
    m->call.out = m->computed;
    m->call.bulk = what->bulk;
    m->call.cancelled = what->cancelled;
    m->call.x = what->x;
    m->call.done = finish;
    return ENG_OK;
}

eng_status eng_embed_begin(eng *e, const eng_embed *what, eng_embed_done *done, void *ctx,
                           eng_error *err)
{
    embedding *m = eng_zalloc(sizeof *m);
    if (!m)
        return eng_fail_nomem(err);
    m->e = e;
    m->done = done;
    m->ctx = ctx;
    eng_tokens_init(&m->call.tokens);
    eng_status status = prepare(m, what, err);
    if (status == ENG_OK)
        status = eng_batcher_add(e->embedder->batcher, &m->call, err);
    if (status < 0)
        embedding_free(m);
    return status;
}

/* ---- Waiting for it ---- */

void eng_waiter_init(eng_waiter *w)
{
    *w = (eng_waiter){.over = false};
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->ended, NULL);
}

void eng_waiter_wake(eng_waiter *w, void *result, const eng_error *err)
{
    pthread_mutex_lock(&w->lock);
    w->result = result;
    if (err)
        w->err = *err;
    w->over = true;
    pthread_cond_signal(&w->ended);
    pthread_mutex_unlock(&w->lock);
}

eng_status eng_waiter_end(eng_waiter *w, eng_status begun, void **out, eng_error *err)
{
    eng_status status = begun;
    if (begun == ENG_OK) {
        pthread_mutex_lock(&w->lock);
        while (!w->over)
            pthread_cond_wait(&w->ended, &w->lock);
        pthread_mutex_unlock(&w->lock);
        status = w->result ? ENG_OK : w->err.status;
        if (w->result)
            *out = w->result;
        else if (err)
            *err = w->err;
    }
    pthread_cond_destroy(&w->ended);
    pthread_mutex_destroy(&w->lock);
    return status;
}

static void wake(void *ctx, eng_embeddings *result, const eng_error *err)
{
    eng_waiter_wake(ctx, result, err);
}

eng_status eng_embed_texts(eng *e, const eng_embed *what, eng_embeddings **out, eng_error *err)
{
    eng_waiter w;
    void *result = NULL;
    eng_waiter_init(&w);
    eng_status status = eng_embed_begin(e, what, wake, &w, err);
    status = eng_waiter_end(&w, status, &result, err);
    if (status == ENG_OK)
        *out = result;
    return status;
}
