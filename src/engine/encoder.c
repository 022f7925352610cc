/*
 * A model that is open. The network and the tokenizer do not change; what calls need besides are contexts
 * of the network, which are kept in a list under a lock that is held for a moment only.
 */
#include "base/alloc.h"
#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "engine/encoder_internal.h"

#include <math.h>
#include <unistd.h>
#include <utf8proc.h>

enum { CONFIG_MAX = 1 << 20, TOKENIZER_MAX = 256 << 20, THREADS_MAX = 64, GROUP = 256 };

typedef struct spare {
    struct spare *next;
    unsigned threads;
    eng_nn_context *context;
} spare;

struct eng_encoder {
    eng_nn_model *nn;
    eng_tokenizer *tokenizer;
    eng_encoder_info info;
    eng_arena arena; /* of info's texts */
    eng_str prompts[3];
    bool lower;
    uint32_t *frame; /* the sequence of no text: [CLS] [SEP] */
    size_t frame_count;
    pthread_mutex_t lock;
    spare *spares;
};

/* ---- Opening ---- */

static eng_status read_file(const char *folder, const char *name, size_t max, eng_buf *out,
                            eng_error *err)
{
    char *path = eng_path_join(folder, name);
    if (!path)
        return eng_fail_nomem(err);
    eng_status status = eng_file_read(path, max, out, err);
    eng_free(path);
    return status;
}

static eng_status open_tokenizer(eng_encoder *enc, const char *folder, eng_error *err)
{
    eng_buf text;
    eng_buf_init(&text, TOKENIZER_MAX);
    eng_status status = read_file(folder, "tokenizer.json", TOKENIZER_MAX, &text, err);
    if (status == ENG_OK) {
        status = eng_tokenizer_read(eng_buf_view(&text), &enc->tokenizer, err);
        if (status < 0)
            eng_error_prefix(err, "tokenizer.json");
    }
    eng_buf_clear(&text);
    size_t ids = status == ENG_OK ? eng_tokenizer_ids(enc->tokenizer) : 0;
    size_t rows = eng_nn_about(enc->nn)->vocabulary;
    if (status == ENG_OK && ids > rows)
        return eng_fail(err, ENG_ECORRUPT, "the tokenizer has %zu ids, the network %zu", ids, rows);
    return status;
}

/* As vLLM reads it: config.json says whether a vector's beginning is a vector. */
static eng_status read_shortens(eng_encoder *enc, const char *folder, eng_error *err)
{
    eng_buf text;
    const eng_json *v = NULL;
    eng_buf_init(&text, CONFIG_MAX);
    eng_status status = read_file(folder, "config.json", CONFIG_MAX, &text, err);
    if (status == ENG_OK)
        status = eng_json_read(eng_buf_view(&text), NULL, &enc->arena, &v, err);
    eng_buf_clear(&text);
    const eng_json *is = eng_json_get(v, ENG_STR("is_matryoshka"));
    enc->info.shortens = (eng_json_is(is, ENG_JSON_BOOL) && is->as.boolean) ||
                         eng_json_count(eng_json_get(v, ENG_STR("matryoshka_dimensions"))) > 0;
    return status;
}

static const char *prompt_of(const eng_nn_info *nn, const char *a, const char *b, const char *other)
{
    for (size_t i = 0; i < nn->prompt_count; i++)
        if (strcmp(nn->prompts[i].name, a) == 0 || strcmp(nn->prompts[i].name, b) == 0)
            return nn->prompts[i].text;
    return other ? other : "";
}

static eng_status take_prompts(eng_encoder *enc, const eng_encoder_options *options, eng_error *err)
{
    const eng_nn_info *nn = eng_nn_about(enc->nn);
    const char *preset = nn->default_prompt ? nn->default_prompt : "";
    const char *texts[3] = {
        [ENG_PROMPT_NONE] = prompt_of(nn, preset, preset, ""),
        [ENG_PROMPT_QUERY] = prompt_of(nn, "query", "query", options->query),
        [ENG_PROMPT_PASSAGE] = prompt_of(nn, "passage", "document", options->passage),
    };
    for (size_t i = 0; i < 3; i++) {
        enc->prompts[i] = eng_arena_copy(&enc->arena, eng_str_of(texts[i]));
        if (!enc->prompts[i].ptr)
            return eng_fail_nomem(err);
    }
    return ENG_OK;
}

/* The special tokens that stand around a text, for callers that bring ids without them. */
static eng_status take_frame(eng_encoder *enc, eng_error *err)
{
    eng_tokens t;
    eng_tokens_init(&t);
    eng_status status = eng_tokenizer_add(enc->tokenizer, ENG_STR(""), ENG_NO_PAIR, NULL, &t, err);
    if (status == ENG_OK) {
        enc->frame = eng_arena_array(&enc->arena, t.count, sizeof *enc->frame);
        status = enc->frame ? ENG_OK : eng_fail_nomem(err);
    }
    if (status == ENG_OK && t.count) {
        memcpy(enc->frame, t.ids, t.count * sizeof *enc->frame);
        enc->frame_count = t.count;
    }
    eng_tokens_clear(&t);
    return status;
}

static eng_status take_info(eng_encoder *enc, const eng_encoder_options *options, eng_error *err)
{
    const eng_nn_info *nn = eng_nn_about(enc->nn);
    eng_str architecture = eng_arena_copy(&enc->arena, eng_str_of(nn->architecture));
    eng_status status = architecture.ptr ? take_prompts(enc, options, err) : eng_fail_nomem(err);
    if (status < 0)
        return status;
    enc->lower = nn->lower_case;
    enc->info.type = nn->labels ? ENG_MODEL_RERANKER : ENG_MODEL_ENCODER;
    enc->info.architecture = architecture.ptr;
    enc->info.dimensions = nn->width;
    enc->info.tokens_max = nn->max_tokens;
    enc->info.normalised = nn->normalised;
    enc->info.f32 = nn->precision == ENG_NN_F32;
    enc->info.query = enc->prompts[ENG_PROMPT_QUERY].ptr;
    enc->info.passage = enc->prompts[ENG_PROMPT_PASSAGE].ptr;
    return ENG_OK;
}

static eng_status open_inside(eng_encoder *enc, const char *folder,
                              const eng_encoder_options *options, eng_error *err)
{
    eng_nn_options nn = {.precision = options->f32 ? ENG_NN_F32 : ENG_NN_INT8};
    eng_status status = eng_nn_open(folder, &nn, &enc->nn, err);
    if (status == ENG_OK)
        status = open_tokenizer(enc, folder, err);
    if (status == ENG_OK)
        status = take_info(enc, options, err);
    if (status == ENG_OK)
        status = read_shortens(enc, folder, err);
    return status < 0 ? status : take_frame(enc, err);
}

eng_status eng_encoder_open(const char *folder, const eng_encoder_options *options,
                            eng_encoder **out, eng_error *err)
{
    static const eng_encoder_options presets = {0};
    eng_encoder *enc = eng_zalloc(sizeof *enc);
    if (!enc)
        return eng_fail_nomem(err);
    pthread_mutex_init(&enc->lock, NULL);
    eng_arena_init(&enc->arena, 4096, NULL);
    eng_status status = open_inside(enc, folder, options ? options : &presets, err);
    if (status < 0)
        eng_encoder_free(enc);
    else
        *out = enc;
    return status;
}

void eng_encoder_free(eng_encoder *enc)
{
    if (!enc)
        return;
    while (enc->spares) {
        spare *s = enc->spares;
        enc->spares = s->next;
        eng_nn_context_free(s->context);
        eng_free(s);
    }
    eng_tokenizer_free(enc->tokenizer);
    if (enc->nn)
        eng_nn_close(enc->nn);
    eng_arena_clear(&enc->arena);
    pthread_mutex_destroy(&enc->lock);
    eng_free(enc);
}

const eng_encoder_info *eng_encoder_about(const eng_encoder *enc) { return &enc->info; }

/* ---- Contexts ---- */

static spare *take_spare(eng_encoder *enc, unsigned threads)
{
    pthread_mutex_lock(&enc->lock);
    spare **at = &enc->spares;
    while (*at && (*at)->threads != threads)
        at = &(*at)->next;
    spare *found = *at;
    if (found)
        *at = found->next;
    pthread_mutex_unlock(&enc->lock);
    return found;
}

eng_status eng_encoder_take(eng_encoder *enc, unsigned threads, eng_nn_context **out,
                            eng_error *err)
{
    spare *s = take_spare(enc, threads);
    if (!s)
        return eng_nn_context_new(enc->nn, threads, out, err);
    *out = s->context;
    eng_free(s);
    return ENG_OK;
}

/* Where there is no memory to remember it by, it is made anew the next time. */
void eng_encoder_give(eng_encoder *enc, unsigned threads, eng_nn_context *context)
{
    spare *s = context ? eng_alloc(sizeof *s) : NULL;
    if (!s) {
        eng_nn_context_free(context);
        return;
    }
    *s = (spare){.threads = threads, .context = context};
    pthread_mutex_lock(&enc->lock);
    s->next = enc->spares;
    enc->spares = s;
    pthread_mutex_unlock(&enc->lock);
}

/* ---- Texts to tokens ---- */

/* Character by character, as the models that ask for it were trained. */
static void put_lower(eng_buf *out, eng_str text)
{
    for (size_t at = 0; at < text.len;) {
        char bytes[4];
        uint32_t c = eng_utf8_next(text, &at);
        eng_buf_bytes(out, bytes,
                      eng_utf8_put((uint32_t)utf8proc_tolower((utf8proc_int32_t)c), bytes));
    }
}

/* The text as the network is to read it: in place, or in scratch. */
static eng_status prepare(const eng_encoder *enc, eng_str text, eng_str prompt, eng_buf *scratch,
                          eng_str *out, eng_error *err)
{
    *out = text;
    if (prompt.len == 0 && !enc->lower)
        return ENG_OK;
    eng_buf_reset(scratch);
    if (enc->lower) {
        put_lower(scratch, prompt);
        put_lower(scratch, text);
    } else {
        eng_buf_str(scratch, prompt);
        eng_buf_str(scratch, text);
    }
    *out = eng_buf_view(scratch);
    return eng_buf_check(scratch, "text", err);
}

eng_status eng_encoder_read(const eng_encoder *enc, eng_str text, eng_prompt prompt,
                            eng_buf *scratch, eng_tokens *tokens, bool *truncated, eng_error *err)
{
    eng_token_options options = {.max = enc->info.tokens_max};
    eng_str whole;
    eng_status status = prepare(enc, text, enc->prompts[prompt], scratch, &whole, err);
    if (status == ENG_OK)
        status = eng_tokenizer_add(enc->tokenizer, whole, ENG_NO_PAIR, &options, tokens, err);
    if (status == ENG_OK)
        *truncated = tokens->seqs[tokens->seq_count - 1].truncated;
    return status;
}

eng_status eng_encoder_count(const eng_encoder *enc, eng_str text, eng_tokens *scratch,
                             size_t *count, eng_error *err)
{
    eng_token_options options = {.whole = true, .bare = true};
    eng_tokens_reset(scratch);
    eng_status status = eng_tokenizer_add(enc->tokenizer, text, ENG_NO_PAIR, &options, scratch,
                                          err);
    if (status == ENG_OK)
        *count = scratch->count;
    return status;
}

eng_status eng_encoder_read_pair(const eng_encoder *enc, eng_str question, eng_str text,
                                 eng_tokens *tokens, bool *truncated, eng_error *err)
{
    eng_token_options options = {.max = enc->info.tokens_max};
    eng_status status = eng_tokenizer_add(enc->tokenizer, question, text, &options, tokens, err);
    if (status == ENG_OK)
        *truncated = tokens->seqs[tokens->seq_count - 1].truncated;
    return status;
}

/* A sequence of ids that is not made of a text, put behind the others by way of an empty one. */
static eng_status room_for(const eng_encoder *enc, size_t count, eng_tokens *t, eng_error *err)
{
    eng_token_options options = {.max = enc->info.tokens_max};
    eng_status status = eng_tokenizer_add(enc->tokenizer, ENG_STR(""), ENG_NO_PAIR, &options, t,
                                          err);
    if (status < 0)
        return status;
    size_t first = t->seqs[t->seq_count - 1].first, cap = first + count;
    t->count = first;
    if (cap > t->cap) {
        uint32_t *ids = eng_realloc(t->ids, cap * sizeof *ids);
        t->ids = ids ? ids : t->ids;
        eng_token_span *spans = ids ? eng_realloc(t->spans, cap * sizeof *spans) : NULL;
        t->spans = spans ? spans : t->spans;
        uint8_t *types = spans ? eng_realloc(t->types, cap) : NULL;
        t->types = types ? types : t->types;
        if (!types) {
            t->seq_count--;
            return eng_fail_nomem(err);
        }
        t->cap = cap;
    }
    memset(t->spans + first, 0, count * sizeof *t->spans);
    memset(t->types + first, 0, count);
    t->count = first + count;
    t->seqs[t->seq_count - 1].count = count;
    return ENG_OK;
}

eng_status eng_encoder_read_ids(const eng_encoder *enc, eng_str ids, eng_tokens *tokens,
                                bool *truncated, eng_error *err)
{
    size_t count = ids.len / sizeof(uint32_t), rows = eng_nn_about(enc->nn)->vocabulary;
    uint32_t first = 0, last = 0, id;
    for (size_t i = 0; i < count; i++) {
        memcpy(&id, ids.ptr + i * sizeof id, sizeof id);
        if (id >= rows)
            return eng_fail_field(err, ENG_EINVALID, ENG_STR("input"),
                                  "%u is no token of this model", id);
        first = i == 0 ? id : first;
        last = id;
    }
    /* [CLS] and [SEP], where the caller's list does not bring them. */
    bool framed = enc->frame_count != 2 ||
                  (count >= 2 && first == enc->frame[0] && last == enc->frame[1]);
    size_t around = framed ? 0 : 2, most = enc->info.tokens_max - around;
    *truncated = count > most;
    count = count < most ? count : most;
    eng_status status = room_for(enc, count + around, tokens, err);
    if (status < 0)
        return status;
    uint32_t *out = tokens->ids + tokens->seqs[tokens->seq_count - 1].first;
    memcpy(out + around / 2, ids.ptr, count * sizeof *out);
    if (around || *truncated) {
        out[0] = around ? enc->frame[0] : out[0];
        out[count + around - 1] = around ? enc->frame[1] : last;
    }
    return ENG_OK;
}

/* ---- Running ---- */

size_t eng_encoder_width(const eng_encoder *enc)
{
    const eng_nn_info *nn = eng_nn_about(enc->nn);
    return nn->labels ? nn->labels : nn->width;
}

eng_status eng_encoder_run(const eng_encoder *enc, eng_nn_context *context,
                           const eng_nn_sequence *sequences, size_t count, float *out,
                           eng_error *err)
{
    return enc->info.type == ENG_MODEL_RERANKER
               ? eng_nn_score(context, sequences, count, out, err)
               : eng_nn_encode(context, sequences, count, out, err);
}

/* Of several labels the last is the one that means "yes". */
float eng_encoder_score_of(const eng_encoder *enc, const float *labels)
{
    size_t n = eng_encoder_width(enc);
    if (n == 1)
        return 1 / (1 + expf(-labels[0]));
    float most = labels[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        most = labels[i] > most ? labels[i] : most;
    for (size_t i = 0; i < n; i++)
        sum += expf(labels[i] - most);
    return expf(labels[n - 1] - most) / sum;
}

/* A call's own memory. */
typedef struct {
    eng_encoder *enc;
    const eng_encode_options *options;
    eng_nn_context *context;
    unsigned threads;
    eng_tokens tokens;
    eng_buf scratch;
    eng_nn_sequence sequences[GROUP];
    eng_encode_stats stats;
} encoding;

static eng_status begin(eng_encoder *enc, const eng_encode_options *options, encoding *c,
                        eng_error *err)
{
    static const eng_encode_options presets = {0};
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    *c = (encoding){.enc = enc, .options = options ? options : &presets};
    c->threads = c->options->threads ? c->options->threads
                                     : (unsigned)(processors > 0 ? processors : 1);
    c->threads = c->threads < THREADS_MAX ? c->threads : THREADS_MAX;
    eng_tokens_init(&c->tokens);
    eng_buf_init(&c->scratch, ENG_TOKENIZER_TEXT_MAX);
    return eng_encoder_take(enc, c->threads, &c->context, err);
}

static void end(encoding *c)
{
    eng_tokens_clear(&c->tokens);
    eng_buf_clear(&c->scratch);
    eng_encoder_give(c->enc, c->threads, c->context);
}

/* GROUP texts at most; pairs with the question where there is one. */
static eng_status run_group(encoding *c, eng_str question, const eng_str *texts, size_t count,
                            float *out, eng_error *err)
{
    eng_status status = ENG_OK;
    eng_tokens_reset(&c->tokens);
    for (size_t i = 0; i < count && status == ENG_OK; i++) {
        bool cut = false;
        status = question.ptr
                     ? eng_encoder_read_pair(c->enc, question, texts[i], &c->tokens, &cut, err)
                     : eng_encoder_read(c->enc, texts[i], c->options->prompt, &c->scratch,
                                        &c->tokens, &cut, err);
        c->stats.truncated += cut;
    }
    if (status < 0)
        return status;
    for (size_t i = 0; i < count; i++)
        c->sequences[i] = eng_tokens_sequence(&c->tokens, i);
    c->stats.tokens += c->tokens.count;
    return eng_encoder_run(c->enc, c->context, c->sequences, count, out, err);
}

static eng_status run_all(eng_encoder *enc, eng_str question, const eng_str *texts, size_t count,
                          const eng_encode_options *options, float *out, eng_encode_stats *stats,
                          eng_error *err)
{
    size_t width = eng_encoder_width(enc);
    encoding *c = eng_alloc(sizeof *c);
    if (!c)
        return eng_fail_nomem(err);
    eng_status status = begin(enc, options, c, err);
    if (status < 0) {
        eng_free(c);
        return status;
    }
    for (size_t at = 0; at < count && status == ENG_OK; at += GROUP) {
        size_t n = count - at < GROUP ? count - at : GROUP;
        status = run_group(c, question, texts + at, n, out + at * width, err);
    }
    if (status == ENG_OK && stats)
        *stats = c->stats;
    end(c);
    eng_free(c);
    return status;
}

eng_status eng_encoder_encode(eng_encoder *enc, const eng_str *texts, size_t count,
                              const eng_encode_options *options, float *out,
                              eng_encode_stats *stats, eng_error *err)
{
    if (enc->info.type != ENG_MODEL_ENCODER)
        return eng_fail(err, ENG_EUNSUPPORTED, "a reranker makes no vectors");
    return run_all(enc, (eng_str){NULL, 0}, texts, count, options, out, stats, err);
}

eng_status eng_encoder_score(eng_encoder *enc, eng_str question, const eng_str *texts, size_t count,
                             const eng_encode_options *options, float *out, eng_encode_stats *stats,
                             eng_error *err)
{
    size_t width = eng_encoder_width(enc), floats;
    if (enc->info.type != ENG_MODEL_RERANKER)
        return eng_fail(err, ENG_EUNSUPPORTED, "an encoder makes no scores");
    float *labels = eng_mul(count, width, &floats) ? eng_alloc_array(floats, sizeof *labels) : NULL;
    if (!labels)
        return eng_fail_nomem(err);
    if (!question.ptr)
        question = ENG_STR("");
    eng_status status = run_all(enc, question, texts, count, options, labels, stats, err);
    for (size_t i = 0; i < count && status == ENG_OK; i++)
        out[i] = eng_encoder_score_of(enc, labels + i * width);
    eng_free(labels);
    return status;
}
