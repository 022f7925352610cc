/*
 * How well a collection answers questions whose answers are known. Every measure is a ratio of two sums
 * over the questions, so that one loop makes its value and, over samples of the questions drawn with
 * replacement, its interval.
 */
#include "base/alloc.h"
#include "base/check.h"
#include "base/error.h"
#include "base/random.h"
#include "rag/rag.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { QUESTION_MAX = 8192, FACTS_MAX = 64, SPELLINGS_MAX = 64, SAMPLES = 1000 };

/* ---- Reading questions ---- */

static eng_status wrong(eng_error *err, size_t line, const char *field, const char *expected)
{
    return eng_fail(err, ENG_EINVALID, "line %zu: %s: expected %s", line, field, expected);
}

static eng_status take_spellings(const eng_json *v, size_t line, eng_arena *arena, eng_fact *out,
                                 eng_error *err)
{
    size_t count = eng_json_count(v);
    if (!eng_json_is(v, ENG_JSON_ARRAY) || count == 0 || count > SPELLINGS_MAX)
        return wrong(err, line, "facts", "lists of 1 to 64 strings, any one of which will do");
    eng_str *spellings = eng_arena_array(arena, count, sizeof *spellings);
    if (!spellings)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        spellings[i] = eng_json_text(eng_json_at(v, i));
        if (eng_str_trim(spellings[i]).len == 0)
            return wrong(err, line, "facts", "strings that say something");
    }
    *out = (eng_fact){spellings, count};
    return ENG_OK;
}

static eng_status take_facts(const eng_json *object, size_t line, eng_arena *arena, eng_probe *p,
                             eng_error *err)
{
    const eng_json *list = eng_json_get(object, ENG_STR("facts"));
    const eng_json *answer = eng_json_get(object, ENG_STR("answer"));
    bool none = !list || eng_json_is(list, ENG_JSON_NULL);
    if (!none && (!eng_json_is(list, ENG_JSON_ARRAY) || eng_json_count(list) > FACTS_MAX))
        return wrong(err, line, "facts", "a list of at most 64 lists of spellings");
    if (answer && !eng_json_is(answer, ENG_JSON_STRING) && !eng_json_is(answer, ENG_JSON_NULL))
        return wrong(err, line, "answer", "a string");
    size_t count = none ? 0 : eng_json_count(list);
    eng_fact *facts = eng_arena_array(arena, count + 1, sizeof *facts);
    if (!facts)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        eng_status status = take_spellings(eng_json_at(list, i), line, arena, &facts[i], err);
        if (status < 0)
            return status;
    }
    if (eng_str_trim(eng_json_text(answer)).len) {
        eng_str *text = eng_arena_array(arena, 1, sizeof *text);
        if (!text)
            return eng_fail_nomem(err);
        *text = eng_json_text(answer);
        facts[count++] = (eng_fact){text, 1};
    }
    p->facts = facts;
    p->fact_count = count;
    return ENG_OK;
}

static eng_status take_probe(eng_str text, size_t line, eng_arena *arena, eng_probe *p,
                             eng_error *err)
{
    const eng_json_limits limits = {.depth = 8};
    const eng_json *object;
    eng_status status = eng_json_read(text, &limits, arena, &object, err);
    if (status < 0) {
        eng_error_prefix(err, "question %zu", line);
        return status;
    }
    if (!eng_json_is(object, ENG_JSON_OBJECT))
        return wrong(err, line, "question", "an object");
    const eng_json *document = eng_json_get(object, ENG_STR("document"));
    const eng_json *answerable = eng_json_get(object, ENG_STR("answerable"));
    p->question = eng_json_text(eng_json_get(object, ENG_STR("question")));
    if (eng_str_trim(p->question).len == 0 || p->question.len > QUESTION_MAX)
        return wrong(err, line, "question", "a string of 1 to 8192 bytes");
    if (document && !eng_json_is(document, ENG_JSON_STRING) &&
        !eng_json_is(document, ENG_JSON_NULL))
        return wrong(err, line, "document", "a string");
    if (answerable && !eng_json_is(answerable, ENG_JSON_BOOL))
        return wrong(err, line, "answerable", "true or false");
    p->document = eng_json_text(document);
    status = take_facts(object, line, arena, p, err);
    p->answerable = answerable ? answerable->as.boolean : p->fact_count || p->document.len;
    return status;
}

eng_status eng_probes_read(eng_str lines, eng_arena *arena, eng_probe **out, size_t *count,
                           eng_error *err)
{
    size_t most = 1, n = 0, number = 0;
    for (size_t i = 0; i < lines.len; i++)
        most += lines.ptr[i] == '\n';
    if (most > ENG_PROBES_MAX + 1)
        return eng_fail(err, ENG_ETOOBIG, "over %d questions", ENG_PROBES_MAX);
    eng_probe *probes = eng_arena_array(arena, most, sizeof *probes);
    if (!probes)
        return eng_fail_nomem(err);
    while (lines.len) {
        const char *end = memchr(lines.ptr, '\n', lines.len);
        size_t len = end ? (size_t)(end - lines.ptr) : lines.len;
        eng_str line = eng_str_trim((eng_str){lines.ptr, len});
        number++;
        lines = eng_str_sub(lines, end ? len + 1 : len, lines.len);
        if (line.len == 0)
            continue;
        eng_status status = take_probe(line, number, arena, &probes[n], err);
        if (status < 0)
            return status;
        n++;
    }
    if (n == 0)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("questions"),
                              "expected at least one line");
    *out = probes;
    *count = n;
    return ENG_OK;
}

/* ---- Facts in a text ---- */

/* Letters composed and without case, one blank for any run of them; NULL without memory. */
static char *plain(eng_str text, size_t *len)
{
    const utf8proc_option_t options = UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD;
    const utf8proc_uint8_t *from = (const utf8proc_uint8_t *)text.ptr;
    utf8proc_ssize_t size = (utf8proc_ssize_t)text.len;
    utf8proc_ssize_t n = utf8proc_decompose(from, size, NULL, 0, options);
    utf8proc_int32_t *points = n < 0 ? NULL : eng_alloc_array((size_t)n + 1, sizeof *points);
    if (!points)
        return NULL;
    utf8proc_decompose(from, size, points, n, options);
    n = utf8proc_reencode(points, n,
                          options); /* in place: the bytes stand where the points stood */
    char *bytes = (char *)points;
    size_t to = 0;
    bool blank = true;
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        bool now = (unsigned char)bytes[i] <= ' ';
        if (!now || !blank)
            bytes[to++] = now ? ' ' : bytes[i];
        blank = now;
    }
    while (to && bytes[to - 1] == ' ')
        to--;
    *len = to;
    return bytes;
}

static eng_status holds_any(const eng_fact *fact, eng_str text, bool *held, eng_error *err)
{
    *held = false;
    for (size_t i = 0; i < fact->count && !*held; i++) {
        size_t len;
        char *spelling = plain(fact->spellings[i], &len);
        if (!spelling)
            return eng_fail_nomem(err);
        *held = len && memmem(text.ptr, text.len, spelling, len);
        eng_free(spelling);
    }
    return ENG_OK;
}

eng_status eng_facts_found(const eng_probe *p, eng_str text, size_t *found, eng_error *err)
{
    size_t len, n = 0;
    char *where = plain(text, &len);
    if (!where)
        return eng_fail_nomem(err);
    eng_status status = ENG_OK;
    for (size_t i = 0; i < p->fact_count && status == ENG_OK; i++) {
        bool held = false;
        status = holds_any(&p->facts[i], (eng_str){where, len}, &held, err);
        n += held;
    }
    eng_free(where);
    if (status == ENG_OK)
        *found = n;
    return status;
}

/* ---- Measures ---- */

enum {
    RECALL_1,
    RECALL_5,
    RECALL_10,
    MRR,
    NDCG,
    FACTS,
    REFUSED_RIGHTLY,
    REFUSED,
    GROUNDED,
    MEASURES
};

/* A question's part in each measure: value of weight. */
typedef struct {
    double value[MEASURES], weight[MEASURES];
} part;

static part part_of(const eng_probe *p, const eng_outcome *o)
{
    part x = {0};
    bool ranked = p->answerable && (p->document.len || p->fact_count), refused = !o->grounded;
    double rank = o->rank ? (double)o->rank : HUGE_VAL;
    x.weight[RECALL_1] = x.weight[RECALL_5] = x.weight[RECALL_10] = ranked;
    x.weight[MRR] = x.weight[NDCG] = ranked;
    if (ranked && rank <= ENG_MEASURE_DEPTH) {
        x.value[RECALL_1] = rank <= 1;
        x.value[RECALL_5] = rank <= 5;
        x.value[RECALL_10] = rank <= 10;
        x.value[MRR] = 1 / rank;
        x.value[NDCG] = 1 / log2(rank + 1);
    }
    if (p->answerable && p->fact_count) {
        x.weight[FACTS] = 1;
        x.value[FACTS] = (double)o->facts / (double)p->fact_count;
    }
    x.weight[REFUSED_RIGHTLY] = refused;
    x.weight[REFUSED] = !p->answerable;
    x.value[REFUSED_RIGHTLY] = x.value[REFUSED] = refused && !p->answerable;
    x.weight[GROUNDED] = 1;
    x.value[GROUNDED] = o->grounded;
    return x;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The ratios over `count` parts: all of them in turn where seed is NULL, else as many drawn from them. */
static void ratios(const part *parts, size_t count, uint64_t *seed, double out[MEASURES])
{
    double value[MEASURES] = {0}, weight[MEASURES] = {0};
    for (size_t i = 0; i < count; i++) {
        const part *x = &parts[seed ? eng_draw(seed) % count : i];
        for (int m = 0; m < MEASURES; m++) {
            value[m] += x->value[m];
            weight[m] += x->weight[m];
        }
    }
    for (int m = 0; m < MEASURES; m++)
        out[m] = weight[m] > 0 ? value[m] / weight[m] : NAN;
}

/* drawn[MEASURES][SAMPLES]; a sample in which a measure is of nothing says nothing of it. */
static void intervals(const part *parts, size_t count, double *drawn, eng_measure out[MEASURES])
{
    uint64_t seed = 1;
    size_t have[MEASURES] = {0};
    double once[MEASURES];
    ratios(parts, count, NULL, once);
    for (int m = 0; m < MEASURES; m++)
        out[m] = (eng_measure){once[m], NAN, NAN};
    for (int s = 0; s < SAMPLES; s++) {
        ratios(parts, count, &seed, once);
        for (int m = 0; m < MEASURES; m++)
            if (!isnan(once[m]))
                drawn[m * SAMPLES + (int)have[m]++] = once[m];
    }
    for (int m = 0; m < MEASURES; m++) {
        double *values = drawn + (size_t)m * SAMPLES;
        if (have[m] == 0 || isnan(out[m].value))
            continue;
        qsort(values, have[m], sizeof *values, by_size);
        out[m].low = values[(size_t)(0.025 * (double)(have[m] - 1))];
        out[m].high = values[(size_t)ceil(0.975 * (double)(have[m] - 1))];
    }
}

/* The smallest of the sorted that `share` of them do not exceed. */
static double percentile(const double *sorted, size_t count, double share)
{
    return sorted[(size_t)ceil(share * (double)count) - 1];
}

static void sum_up(const eng_measure all[MEASURES], eng_measures *out)
{
    out->recall_1 = all[RECALL_1];
    out->recall_5 = all[RECALL_5];
    out->recall_10 = all[RECALL_10];
    out->mrr = all[MRR];
    out->ndcg = all[NDCG];
    out->fact_recall = all[FACTS];
    out->abstention_precision = all[REFUSED_RIGHTLY];
    out->abstention_recall = all[REFUSED];
    out->grounded = all[GROUNDED];
}

eng_status eng_measure_outcomes(const eng_probe *probes, const eng_outcome *outcomes, size_t count,
                                eng_measures *out, eng_error *err)
{
    eng_measure all[MEASURES];
    part *parts = eng_alloc_array(count, sizeof *parts);
    double *ms = eng_alloc_array(count, sizeof *ms);
    double *drawn = eng_alloc_array((size_t)MEASURES * SAMPLES, sizeof *drawn);
    eng_status status = parts && ms && drawn ? ENG_OK : eng_fail_nomem(err);
    if (status == ENG_OK && count == 0)
        status = eng_fail(err, ENG_EINVALID, "there are no outcomes to measure");
    if (status < 0)
        goto done;
    *out = (eng_measures){.questions = count};
    for (size_t i = 0; i < count; i++) {
        parts[i] = part_of(&probes[i], &outcomes[i]);
        ms[i] = outcomes[i].ms;
        out->tokens += outcomes[i].tokens;
    }
    qsort(ms, count, sizeof *ms, by_size);
    out->p50 = percentile(ms, count, 0.50);
    out->p95 = percentile(ms, count, 0.95);
    out->p99 = percentile(ms, count, 0.99);
    intervals(parts, count, drawn, all);
    sum_up(all, out);
done:
    eng_free(parts);
    eng_free(ms);
    eng_free(drawn);
    return status;
}

/* ---- As JSON ---- */

static void share(eng_json_writer *w, const char *name, const eng_measure *m, bool interval)
{
    eng_json_name(w, eng_str_of(name));
    if (isnan(m->value) || (interval && isnan(m->low))) {
        eng_json_null(w);
    } else if (!interval) {
        eng_json_double(w, m->value);
    } else {
        eng_json_open(w, '[');
        eng_json_double(w, m->low);
        eng_json_double(w, m->high);
        eng_json_close(w, ']');
    }
}

static void shares(eng_json_writer *w, const eng_measures *m, bool interval)
{
    eng_json_name(w, ENG_STR("recall"));
    eng_json_open(w, '{');
    share(w, "1", &m->recall_1, interval);
    share(w, "5", &m->recall_5, interval);
    share(w, "10", &m->recall_10, interval);
    eng_json_close(w, '}');
    share(w, "mrr", &m->mrr, interval);
    share(w, "ndcg", &m->ndcg, interval);
    share(w, "fact_recall", &m->fact_recall, interval);
    eng_json_name(w, ENG_STR("abstention"));
    eng_json_open(w, '{');
    share(w, "precision", &m->abstention_precision, interval);
    share(w, "recall", &m->abstention_recall, interval);
    eng_json_close(w, '}');
    share(w, "grounded", &m->grounded, interval);
}

void eng_measures_write(eng_json_writer *w, const eng_measures *m)
{
    eng_json_name(w, ENG_STR("questions"));
    eng_json_uint(w, m->questions);
    shares(w, m, false);
    eng_json_name(w, ENG_STR("latency"));
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("p50"));
    eng_json_double(w, m->p50);
    eng_json_name(w, ENG_STR("p95"));
    eng_json_double(w, m->p95);
    eng_json_name(w, ENG_STR("p99"));
    eng_json_double(w, m->p99);
    eng_json_close(w, '}');
    eng_json_name(w, ENG_STR("tokens"));
    eng_json_uint(w, m->tokens);
    eng_json_name(w, ENG_STR("intervals"));
    eng_json_open(w, '{');
    shares(w, m, true);
    eng_json_close(w, '}');
}
