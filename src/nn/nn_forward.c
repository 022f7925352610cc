/*
 * The forward pass. Sequences stand end to end as rows of one matrix, without padding; each row goes
 * through the linear layers on its own, and meets the others of its sequence in attention only.
 *
 *     x = norm(word + place + type)
 *     each layer:  x = norm(x + mix(attention(qkv(x))))
 *                  x = norm(x + down(gelu(up(x))))
 *
 * Where there is enough of it, each thread takes stretches of whole sequences and never waits for
 * another. Where there is not (a question, a few long texts), the threads share one stretch: each has a
 * range of its rows, and all meet once a layer, when queries, keys and values are there. The next layer
 * writes those to the other of two buffers, so nobody has to wait for readers.
 */
#include "base/alloc.h"
#include "base/check.h"
#include "base/error.h"
#include "nn/nn_internal.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

/* Rows that go through a layer at once: enough to pay for the way of its weights through the caches,
 * few enough for their own numbers to stay in the second level. */
enum { BLOCK = 64, STRETCH = 256, LINE = 64 };

/* Attention of a row costs as much as its linear layers at about this many tokens. */
static const double EVEN_TOKENS = 500;

/* What one thread needs for itself. */
typedef struct {
    uint8_t *q;           /* [BLOCK][widest], in 8 bits */
    eng_kern_row *params; /* [BLOCK] */
    float *inner;         /* [BLOCK][inner] */
    float *scores;        /* of attention */
    float *pooled;
    eng_kern_head head;
} lane;

struct eng_nn_context {
    const eng_nn_model *m;
    eng_team *team;
    unsigned threads;
    size_t rows_each; /* rows of a thread's part of x, qkv and mix */
    size_t wide;      /* floats of a row of x and mix */
    size_t wide3;     /* of a row of qkv */
    float *x, *qkv[2], *mix;
    lane *lanes;
    unsigned char *memory;
};

/* Consecutive sequences, as rows; a thread works on [from, to) of them. */
typedef struct {
    const eng_nn_sequence *sequences;
    size_t count;
    float *x, *qkv[2], *mix;
    float *out; /* of the first sequence */
    size_t from, to;
    const lane *own;
    const eng_team_member *shared_with; /* NULL: with nobody */
} stretch;

/* ---- Context ---- */

typedef struct {
    unsigned char *base;
    size_t at;
    bool failed;
} cursor;

static void *place(cursor *c, size_t count, size_t size)
{
    size_t bytes;
    if (!eng_mul(count, size, &bytes) || !eng_add(bytes, LINE - 1, &bytes)) {
        c->failed = true;
        return NULL;
    }
    unsigned char *p = c->base ? c->base + c->at : NULL;
    c->failed |= !eng_add(c->at, bytes / LINE * LINE, &c->at);
    return p;
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* With base NULL: only counts. */
static void lay_out(eng_nn_context *c, cursor *at)
{
    const eng_nn_config *config = &c->m->config;
    size_t rows = c->rows_each * c->threads, positions = config->info.positions;
    size_t width = config->hidden / config->heads, inner = eng_kern_pad(config->inner);
    size_t head = eng_kern_head_size(positions, width);
    c->x = place(at, rows * sizeof(float), c->wide);
    c->mix = place(at, rows * sizeof(float), c->wide);
    for (int i = 0; i < 2; i++)
        c->qkv[i] = i == 0 || c->threads > 1 ? place(at, rows * sizeof(float), c->wide3) : NULL;
    c->lanes = place(at, c->threads, sizeof(lane));
    for (unsigned i = 0; i < c->threads; i++) {
        lane l = {.q = place(at, BLOCK, larger(c->wide, inner))};
        l.params = place(at, BLOCK, sizeof(eng_kern_row));
        l.inner = place(at, BLOCK * sizeof(float), inner);
        l.scores = place(at, eng_kern_attend_scratch(positions), sizeof(float));
        l.pooled = place(at, eng_nn_pool_scratch(config), sizeof(float));
        l.head = (eng_kern_head){.width = width};
        l.head.keys = place(at, head, 1);
        l.head.values = place(at, head, 1);
        if (at->base)
            c->lanes[i] = l;
    }
}

eng_status eng_nn_context_new(const eng_nn_model *m, unsigned threads, eng_nn_context **out,
                              eng_error *err)
{
    if (threads < 1 || threads > 64)
        return eng_fail(err, ENG_EINVALID, "an encoder works with 1 to 64 threads, not %u",
                        threads);
    eng_nn_context *c = eng_zalloc(sizeof *c);
    if (!c)
        return eng_fail_nomem(err);
    c->m = m;
    c->threads = threads;
    c->rows_each = larger(STRETCH, m->config.info.positions);
    c->wide = eng_kern_pad(m->config.hidden);
    c->wide3 = eng_kern_pad(3 * m->config.hidden);
    cursor at = {0};
    lay_out(c, &at);
    /* Zeroed: rows end in padding that is read, and multiplied by weights of 0. */
    c->memory = at.failed ? NULL : eng_zalloc(at.at + LINE);
    eng_status status = c->memory ? ENG_OK : eng_fail_nomem(err);
    if (status == ENG_OK && threads > 1)
        status = eng_team_new(threads, &c->team, err);
    if (status < 0) {
        eng_nn_context_free(c);
        return status;
    }
    at = (cursor){.base = c->memory + (-(uintptr_t)c->memory & (LINE - 1))};
    lay_out(c, &at);
    *out = c;
    return ENG_OK;
}

void eng_nn_context_free(eng_nn_context *c)
{
    if (!c)
        return;
    eng_team_free(c->team);
    eng_free(c->memory);
    eng_free(c);
}

/* ---- One layer ---- */

/* m rows (BLOCK at most) through a linear layer, in the model's precision. */
static void linear(const eng_nn_model *m, const lane *own, const eng_kern_matrix *w, const float *x,
                   size_t stride, size_t rows, const eng_kern_out *out)
{
    const eng_kern *k = m->kern;
    if (m->config.info.precision == ENG_NN_F32) {
        k->linear_f32(w, x, stride, rows, out);
        return;
    }
    k->quantise(x, stride, rows, w->k, own->q, own->params);
    k->linear_i8(w, own->q, own->params, rows, out);
}

static void norm(const eng_nn_context *c, const eng_nn_norm *n, float *x, size_t rows)
{
    const eng_nn_config *config = &c->m->config;
    c->m->kern->norm(x, c->wide, rows, config->hidden, n->gain, n->shift, config->epsilon);
}

static void project(const eng_nn_context *c, const stretch *s, const eng_nn_layer *l, float *qkv)
{
    for (size_t r = s->from, rows; r < s->to; r += rows) {
        rows = s->to - r < BLOCK ? s->to - r : BLOCK;
        eng_kern_out out = {qkv + r * c->wide3, c->wide3, ENG_KERN_STORE};
        linear(c->m, s->own, &l->qkv, s->x + r * c->wide, c->wide, rows, &out);
    }
}

/* Rows [from, to) of one sequence, which begins at row `begin`, with all of it. */
static void attend_sequence(const eng_nn_context *c, const stretch *s, const float *qkv,
                            size_t begin, size_t len, size_t from, size_t to)
{
    const eng_nn_config *config = &c->m->config;
    const eng_kern *k = c->m->kern;
    const eng_kern_attention *a = config->info.precision == ENG_NN_F32 ? k->attention_f32
                                                                       : k->attention_fast;
    eng_kern_head head = s->own->head;
    size_t width = head.width, hidden = config->hidden;
    float scale = 1.0F / sqrtf((float)width);
    head.length = len;
    for (size_t h = 0; h < config->heads; h++) {
        const float *keys = qkv + begin * c->wide3 + hidden + h * width;
        a->pack(&head, keys, keys + hidden, c->wide3, 0, len);
        a->attend(&head, qkv + from * c->wide3 + h * width, c->wide3, to - from, scale,
                  s->mix + from * c->wide + h * width, c->wide, s->own->scores);
    }
}

static void attend(const eng_nn_context *c, const stretch *s, const float *qkv)
{
    for (size_t i = 0, begin = 0, end; i < s->count; i++, begin = end) {
        end = begin + s->sequences[i].len;
        size_t from = larger(begin, s->from), to = end < s->to ? end : s->to;
        if (from < to)
            attend_sequence(c, s, qkv, begin, end - begin, from, to);
    }
}

static void feed_forward(const eng_nn_context *c, const stretch *s, const eng_nn_layer *l)
{
    size_t inner = eng_kern_pad(c->m->config.inner);
    for (size_t r = s->from, rows; r < s->to; r += rows) {
        rows = s->to - r < BLOCK ? s->to - r : BLOCK;
        float *x = s->x + r * c->wide;
        eng_kern_out onto = {x, c->wide, ENG_KERN_ADD}, up = {s->own->inner, inner, ENG_KERN_GELU};
        linear(c->m, s->own, &l->mix, s->mix + r * c->wide, c->wide, rows, &onto);
        norm(c, &l->after_mix, x, rows);
        linear(c->m, s->own, &l->up, x, c->wide, rows, &up);
        linear(c->m, s->own, &l->down, s->own->inner, inner, rows, &onto);
        norm(c, &l->after_down, x, rows);
    }
}

/* ---- A stretch ---- */

static void add(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] += y[i];
}

static void embed_token(const eng_nn_context *c, uint32_t id, size_t type, size_t place, float *x)
{
    const eng_nn_model *m = c->m;
    const eng_nn_weights *w = &m->weights;
    size_t n = m->config.hidden;
    if (m->config.info.precision == ENG_NN_F32)
        memcpy(x, (const float *)w->words + id * n, n * sizeof *x);
    else
        m->kern->half_to_f32((const uint16_t *)w->words + id * n, n, x);
    add(x, w->types + type * n, n);
    add(x, w->places + place * n, n);
    norm(c, &w->embedded, x, 1);
}

/* RoBERTa counts places from behind the padding's id, and leaves padding out. */
static void embed_sequence(const eng_nn_context *c, const stretch *s, const eng_nn_sequence *q,
                           size_t begin)
{
    const eng_nn_config *config = &c->m->config;
    bool bert = config->family == ENG_NN_BERT;
    size_t counted = 0;
    for (size_t i = 0; i < q->len; i++) {
        bool pad = !bert && q->ids[i] == config->pad_id;
        size_t place = bert ? i : pad ? config->pad_id : config->pad_id + ++counted;
        if (begin + i >= s->from && begin + i < s->to)
            embed_token(c, q->ids[i], q->types ? q->types[i] : 0, place,
                        s->x + (begin + i) * c->wide);
    }
}

static void embed(const eng_nn_context *c, const stretch *s)
{
    for (size_t i = 0, begin = 0, end; i < s->count; i++, begin = end) {
        end = begin + s->sequences[i].len;
        if (begin < s->to && end > s->from)
            embed_sequence(c, s, &s->sequences[i], begin);
    }
}

/* The sequences are dealt out, whoever had their rows. */
static void finish(const eng_nn_context *c, const stretch *s)
{
    unsigned every = s->shared_with ? s->shared_with->count : 1;
    unsigned mine = s->shared_with ? s->shared_with->index : 0;
    size_t width = eng_nn_out_width(&c->m->config);
    for (size_t i = 0, row = 0; i < s->count; row += s->sequences[i++].len)
        if (i % every == mine)
            eng_nn_finish(c->m, s->x + row * c->wide, c->wide, s->sequences[i].len,
                          s->out + i * width, s->own->pooled);
}

static void meet(const stretch *s)
{
    if (s->shared_with)
        eng_team_meet(s->shared_with);
}

static void run_stretch(const eng_nn_context *c, const stretch *s)
{
    embed(c, s);
    for (size_t i = 0; i < c->m->config.layers; i++) {
        const eng_nn_layer *l = &c->m->layers[i];
        float *qkv = s->qkv[s->shared_with ? i % 2 : 0];
        project(c, s, l, qkv);
        meet(s);
        attend(c, s, qkv);
        feed_forward(c, s, l);
    }
    meet(s);
    finish(c, s);
    meet(s); /* before the next one overwrites x */
}

/* ---- A batch ---- */

typedef struct {
    eng_nn_context *c;
    const eng_nn_sequence *sequences;
    size_t count;
    float *out;
    _Atomic size_t next; /* sequence that nobody has taken */
} batch;

static double cost_of(size_t len) { return (double)len * (1 + (double)len / EVEN_TOKENS); }

/* Sequences from `first` on that make a stretch of about `rows` rows: at least one. */
static size_t stretch_end(const eng_nn_sequence *sequences, size_t count, size_t first, size_t rows)
{
    size_t end = first, sum = 0;
    while (end < count && (end == first || sum + sequences[end].len <= rows))
        sum += sequences[end++].len;
    return end;
}

/* The less is left, the smaller are the pieces, so that threads end together. */
static size_t piece(const eng_nn_context *c, size_t rows_left)
{
    size_t each = (rows_left + c->threads - 1) / c->threads;
    return each < BLOCK ? BLOCK : each < STRETCH ? each : STRETCH;
}

static size_t rows_from(const batch *b, size_t first)
{
    size_t sum = 0;
    for (size_t i = first; i < b->count && sum < (size_t)STRETCH * b->c->threads; i++)
        sum += b->sequences[i].len;
    return sum;
}

static bool take_stretch(batch *b, size_t *first, size_t *end)
{
    *first = atomic_load(&b->next);
    do {
        if (*first >= b->count)
            return false;
        *end = stretch_end(b->sequences, b->count, *first, piece(b->c, rows_from(b, *first)));
    } while (!atomic_compare_exchange_weak(&b->next, first, *end));
    return true;
}

static void work_alone(batch *b, unsigned index)
{
    eng_nn_context *c = b->c;
    size_t row = index * c->rows_each, width = eng_nn_out_width(&c->m->config), first, end;
    while (take_stretch(b, &first, &end)) {
        stretch s = {.sequences = b->sequences + first, .count = end - first};
        s.x = c->x + row * c->wide;
        s.mix = c->mix + row * c->wide;
        s.qkv[0] = c->qkv[0] + row * c->wide3;
        s.out = b->out + first * width;
        s.own = &c->lanes[index];
        for (size_t i = first; i < end; i++)
            s.to += b->sequences[i].len;
        run_stretch(c, &s);
    }
}

/* The rows before which `share` of the stretch's cost lies. */
static size_t row_at(const stretch *s, double share)
{
    double total = 0, sum = 0;
    for (size_t i = 0; i < s->count; i++)
        total += cost_of(s->sequences[i].len);
    size_t row = 0;
    for (size_t i = 0; i < s->count; i++) {
        double cost = cost_of(s->sequences[i].len);
        if (sum + cost >= total * share)
            return row + (size_t)((double)s->sequences[i].len * (total * share - sum) / cost + 0.5);
        sum += cost;
        row += s->sequences[i].len;
    }
    return row;
}

static void work_together(batch *b, const eng_team_member *me)
{
    eng_nn_context *c = b->c;
    size_t width = eng_nn_out_width(&c->m->config), first = 0, end;
    for (; first < b->count; first = end) {
        end = stretch_end(b->sequences, b->count, first, c->rows_each * c->threads);
        stretch s = {.sequences = b->sequences + first, .count = end - first};
        s.x = c->x;
        s.mix = c->mix;
        s.qkv[0] = c->qkv[0];
        s.qkv[1] = c->qkv[1];
        s.out = b->out + first * width;
        s.own = &c->lanes[me->index];
        s.shared_with = me;
        s.from = row_at(&s, (double)me->index / me->count);
        s.to = row_at(&s, (double)(me->index + 1) / me->count);
        run_stretch(c, &s);
    }
}

static void together(const eng_team_member *me, void *arg) { work_together(arg, me); }
static void alone(const eng_team_member *me, void *arg) { work_alone(arg, me->index); }

/* Whether pieces of whole sequences keep all threads busy to the end. Long batches do. */
static bool splits_evenly(const batch *b)
{
    enum { LOOK = 256, THREADS_MAX = 64 };
    double load[THREADS_MAX] = {0}, total = 0, most = 0;
    if (b->count > LOOK)
        return true;
    for (size_t first = 0, end; first < b->count; first = end) {
        unsigned least = 0;
        for (unsigned i = 1; i < b->c->threads; i++)
            if (load[i] < load[least])
                least = i;
        end = stretch_end(b->sequences, b->count, first, piece(b->c, rows_from(b, first)));
        for (size_t i = first; i < end; i++) {
            load[least] += cost_of(b->sequences[i].len);
            total += cost_of(b->sequences[i].len);
        }
        most = fmax(most, load[least]);
    }
    return most * b->c->threads < total * 1.06;
}

static void run_batch(batch *b)
{
    if (b->c->threads == 1)
        work_alone(b, 0);
    else
        eng_team_run(b->c->team, splits_evenly(b) ? alone : together, b);
}

/* ---- The interface ---- */

static eng_status check_sequence(const eng_nn_config *c, const eng_nn_sequence *q, size_t index,
                                 eng_error *err)
{
    if (q->len == 0 || q->len > c->info.positions)
        return eng_fail(err, ENG_EINVALID, "sequence %zu has %zu tokens: expected 1 to %zu", index,
                        q->len, c->info.positions);
    for (size_t i = 0; i < q->len; i++) {
        if (q->ids[i] >= c->vocabulary)
            return eng_fail(err, ENG_EINVALID,
                            "sequence %zu: token %zu is %u: expected less than %zu", index, i,
                            q->ids[i], c->vocabulary);
        if (q->types && q->types[i] >= c->types)
            return eng_fail(err, ENG_EINVALID,
                            "sequence %zu: the type of token %zu is %u: expected less than %zu",
                            index, i, q->types[i], c->types);
    }
    return ENG_OK;
}

static eng_status compute(eng_nn_context *c, bool scores, const eng_nn_sequence *sequences,
                          size_t count, float *out, eng_error *err)
{
    const eng_nn_config *config = &c->m->config;
    if (config->scores != scores)
        return eng_fail(err, ENG_EINVALID,
                        scores ? "'%s' gives vectors, not scores"
                               : "'%s' gives scores, not vectors",
                        config->architecture);
    batch b = {.c = c, .sequences = sequences, .count = count, .out = out};
    for (size_t i = 0; i < count; i++) {
        eng_status status = check_sequence(config, &sequences[i], i, err);
        if (status < 0)
            return status;
    }
    if (count)
        run_batch(&b);
    return ENG_OK;
}

eng_status eng_nn_encode(eng_nn_context *c, const eng_nn_sequence *sequences, size_t count,
                         float *out, eng_error *err)
{
    return compute(c, false, sequences, count, out, err);
}

eng_status eng_nn_score(eng_nn_context *c, const eng_nn_sequence *sequences, size_t count,
                        float *out, eng_error *err)
{
    return compute(c, true, sequences, count, out, err);
}
