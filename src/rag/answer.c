/*
 * From passages to an answer, without a model: every unit gets a score, scores become shares of belief,
 * and units are taken by belief for their length while they are worth it. How far what was taken is
 * to be trusted is learned apart from what to take.
 */
#include "base/error.h"
#include "base/utf8.h"
#include "rag/answer_internal.h"

#include <math.h>
#include <string.h>

enum { MAX_CHARS = 600, PARTS_MAX = 24, BRIEFS_MAX = 512 };

/* Shares of the best unit's belief; pt_qa has no lists to learn the first from, and its answers, which lie
 * within one sentence, say nothing for the second: it costs them less than a point where it applies. */
static const double by_list = 0.5, by_following = 0.1;
/* What stands beside a sentence and is short costs little and often belongs to it: pages of short sentences, asked
 * in other words, are answered by several. Chosen on tools/pages; pt_qa, of long sentences, hardly has such. */
static const double by_beside = 0.3;
enum { BESIDE_MOST = 120 };

/* ---- Scores ---- */

static bool can_answer(const unit *u)
{
    return !u->twin && u->kind != UNIT_HEADING && u->kind != UNIT_QUESTION;
}

static void score(search_state *s)
{
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < s->count; i++) {
        unit *u = &s->units[i];
        u->score = 0;
        for (size_t k = 0; k < eng_feature_count; k++)
            u->score += (double)(eng_unit_weights[k] * u->features[k]);
        if (can_answer(u) && u->score > most)
            most = u->score;
    }
    for (size_t i = 0; i < s->count; i++) {
        unit *u = &s->units[i];
        u->belief = can_answer(u) ? exp(u->score - most) : 0;
        sum += u->belief;
    }
    for (size_t i = 0; i < s->count && sum > 0; i++)
        s->units[i].belief /= sum;
}

/* What a phrase does not answer. */
static bool explains(eng_ask_kind kind)
{
    return kind == ENG_ASK_DEFINITION || kind == ENG_ASK_HOW || kind == ENG_ASK_WHY ||
           kind == ENG_ASK_LIST || kind == ENG_ASK_YESNO;
}

static void inherit(search_state *s, size_t from, size_t to, double share)
{
    double pull = s->units[from].pull * share;
    if (can_answer(&s->units[to]) && s->units[to].pull < pull)
        s->units[to].pull = pull;
}

static bool is_next(const search_state *s, size_t i)
{
    return i < s->count && s->units[i].place > 0 && s->units[i].kind != UNIT_HEADING &&
           s->units[i].kind != UNIT_QUESTION;
}

static bool announces_list(const search_state *s, size_t i)
{
    return eng_str_ends(s->units[i].text, ENG_STR(":")) && is_next(s, i + 1) &&
           s->units[i + 1].kind == UNIT_ITEM;
}

/* Items belong to the line that announces them, that line to the sentence before it, and items to each other. */
static void share_list(search_state *s, size_t best)
{
    bool announces = announces_list(s, best);
    if (!announces && is_next(s, best + 1) && announces_list(s, best + 1)) {
        inherit(s, best, best + 1, by_list);
        announces = true;
        best++;
    }
    bool item = s->units[best].kind == UNIT_ITEM && s->q->kind == ENG_ASK_LIST;
    for (size_t i = best + 1; (announces || item) && is_next(s, i) && s->units[i].kind == UNIT_ITEM;
         i++)
        inherit(s, best, i, by_list);
    for (size_t i = best;
         item && i > 0 && s->units[i].place > 0 && s->units[i - 1].kind == UNIT_ITEM; i--)
        inherit(s, best, i - 1, by_list);
}

static void share_beside(search_state *s, size_t i)
{
    double most = s->units[i].belief * by_beside;
    for (size_t k = 0; k < 2; k++) {
        size_t next = k ? i + 1 : i, other = k ? next : i - 1; /* the later of the two, and not i */
        if (is_next(s, next) && (k || i > 0) && can_answer(&s->units[other]) &&
            s->units[other].text.len <= BESIDE_MOST && s->units[other].pull < most)
            s->units[other].pull = most;
    }
}

/* What explains goes on: a term is defined in one sentence and described in the next. */
static void share_belief(search_state *s)
{
    size_t best = 0;
    for (size_t i = 0; i < s->count; i++) {
        s->units[i].pull = s->units[i].belief;
        if (s->units[i].pull > s->units[best].pull)
            best = i;
    }
    if (!s->count)
        return;
    for (size_t i = 0; i < s->count; i++)
        share_beside(s, i);
    share_list(s, best);
    for (size_t k = 1; explains(s->q->kind) && k <= 2 && is_next(s, best + k); k++)
        inherit(s, best, best + k, by_following / (double)k);
}

eng_status eng_search_begin(search_state *s, eng_error *err)
{
    eng_terms_init(&s->scratch);
    if (s->candidate_count > ENG_ANSWER_CANDIDATES)
        s->candidate_count = ENG_ANSWER_CANDIDATES;
    eng_status status = eng_units_of(s, err);
    if (status == ENG_OK) {
        eng_features_of(s);
        score(s);
        share_belief(s);
    }
    return status;
}

void eng_search_end(search_state *s) { eng_terms_clear(&s->scratch); }

/* ---- Choice ---- */

/* Of what a unit meets of the question, the share that none of the chosen does. */
static double novelty(const search_state *s, const unit *u, const float have[ENG_ASK_TERMS])
{
    double fresh = 0, all = 0;
    for (size_t t = 0; t < s->q->term_count; t++) {
        all += s->idf[t] * (double)u->hit[t];
        fresh += u->hit[t] > have[t] ? s->idf[t] * (double)(u->hit[t] - have[t]) : 0;
    }
    return all > 0 ? fresh / all : 0;
}

/* A question of two things is answered by two sentences: one that meets what is not met yet is worth twice. */
static double worth(const search_state *s, const unit *u, const float have[ENG_ASK_TERMS])
{
    return u->pull * (1 + novelty(s, u, have)) / (double)(u->text.len + 100);
}

/* The best unit that is not chosen yet, and what it is worth. */
static unit *next_best(const search_state *s, const float have[ENG_ASK_TERMS], double *most)
{
    unit *best = NULL;
    *most = 0;
    for (size_t i = 0; i < s->count; i++) {
        unit *u = &s->units[i];
        if (u->chosen || u->passed || !can_answer(u) || u->pull <= 0)
            continue;
        double w = worth(s, u, have);
        if (!best || w > *most) {
            best = u;
            *most = w;
        }
    }
    return best;
}

/* A unit that is longer than an answer may be: as many whole words of it as fit, from the clause of the
 * first word of the question on. */
static void shorten(unit *u, size_t max)
{
    size_t from = 0;
    for (size_t i = 0; i < u->word_count && u->words[i].term < 0; i++) {
        size_t end = u->words[i].end;
        if (end + 1 < u->text.len && strchr(",;:.|\n", u->text.ptr[end]))
            from = end + 1;
    }
    eng_str rest = eng_str_sub(u->text, from, u->text.len);
    if (eng_utf8_count(rest) < max / 2)
        rest = u->text;
    size_t bytes = 0, kept = 0;
    for (size_t chars = 0; bytes < rest.len && chars < max; chars++) {
        (void)eng_utf8_next(rest, &bytes);
        if (bytes == rest.len || rest.ptr[bytes] == ' ' || rest.ptr[bytes] == '\n')
            kept = bytes;
    }
    eng_str cut = eng_str_trim(eng_str_sub(rest, 0, kept ? kept : bytes));
    u->start += (size_t)(cut.ptr - u->text.ptr);
    u->end = u->start + cut.len;
    u->text = cut;
    u->words = NULL; /* they no longer stand where they say */
    u->word_count = 0;
}

static size_t choose(search_state *s, size_t max)
{
    size_t count = 0, used = 0;
    float have[ENG_ASK_TERMS] = {0};
    double most;
    for (unit *u; count < PARTS_MAX && (u = next_best(s, have, &most)) != NULL;) {
        if (count && most < eng_choice[explains(s->q->kind)])
            break;
        if (!count && eng_utf8_count(u->text) > max)
            shorten(u, max);
        size_t chars = eng_utf8_count(u->text) + (count ? 1 : 0);
        u->passed = used + chars > max;
        u->chosen = !u->passed;
        used += u->chosen ? chars : 0;
        count += u->chosen;
        for (size_t t = 0; u->chosen && t < s->q->term_count; t++)
            have[t] = u->hit[t] > have[t] ? u->hit[t] : have[t];
    }
    return count;
}

/* ---- Reading order ---- */

static size_t rank_of(const search_state *s, const unit *u)
{
    size_t rank = u->candidate;
    for (size_t i = 0; i < s->count; i++)
        if (s->units[i].chosen && s->units[i].candidate < rank &&
            s->candidates[s->units[i].candidate].document == s->candidates[u->candidate].document)
            rank = s->units[i].candidate;
    return rank;
}

static bool stands_before(const search_state *s, const unit *a, const unit *b)
{
    size_t x = rank_of(s, a), y = rank_of(s, b);
    return x != y ? x < y : a->start < b->start;
}

static eng_status list_parts(search_state *s, eng_found_answer *out, eng_error *err)
{
    const unit *chosen[PARTS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < s->count && n < PARTS_MAX; i++) {
        if (!s->units[i].chosen)
            continue;
        size_t at = n++;
        for (; at > 0 && stands_before(s, &s->units[i], chosen[at - 1]); at--)
            chosen[at] = chosen[at - 1];
        chosen[at] = &s->units[i];
    }
    out->parts = eng_arena_array(s->arena, n + 1, sizeof *out->parts);
    if (!out->parts)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < n; i++)
        out->parts[i] = (eng_answer_part){.candidate = chosen[i]->candidate,
                                          .start = chosen[i]->start,
                                          .end = chosen[i]->end,
                                          .score = chosen[i]->belief};
    out->count = n;
    return ENG_OK;
}

/* ---- Trust, and the phrase ---- */

static double logistic(double x) { return 1 / (1 + exp(-x)); }

/* Where next to nothing of the question is met by words, there is no answer, whatever the rest says. */
static const float nothing_met = 0.05f;

static double trust(const search_state *s, const eng_found_answer *a)
{
    float f[TRUST_FEATURES];
    eng_trust_of(s, a, f);
    if (f[eng_trust_together] < nothing_met)
        return 0;
    double sum = (double)eng_trust_weights[eng_trust_count];
    for (size_t i = 0; i < eng_trust_count; i++)
        sum += (double)(eng_trust_weights[i] * f[i]);
    return logistic(sum);
}

static void score_briefs(brief *all, size_t n)
{
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) {
        all[i].score = 0;
        for (size_t k = 0; k < eng_brief_count; k++)
            all[i].score += (double)(eng_brief_weights[k] * all[i].features[k]);
        most = fmax(most, all[i].score);
    }
    for (size_t i = 0; i < n; i++)
        sum += all[i].score = exp(all[i].score - most);
    for (size_t i = 0; i < n; i++)
        all[i].score /= sum;
}

static eng_status point(search_state *s, eng_found_answer *out, eng_error *err)
{
    brief *all = eng_arena_array(s->arena, BRIEFS_MAX, sizeof *all), *best = NULL;
    if (!all)
        return eng_fail_nomem(err);
    size_t n = eng_briefs_of(s, all, BRIEFS_MAX);
    score_briefs(all, n);
    for (size_t i = 0; i < n; i++)
        if (!best || all[i].score > best->score)
            best = &all[i];
    if (!best || best->score < eng_brief_threshold)
        return ENG_OK;
    for (size_t i = 0; i < out->count; i++) {
        const eng_answer_part *p = &out->parts[i];
        if (p->candidate == s->units[best->unit].candidate && p->start <= best->start &&
            best->end <= p->end) {
            out->brief_part = i;
            out->brief_start = best->start;
            out->brief_end = best->end;
            out->brief_score = best->score;
        }
    }
    return ENG_OK;
}

eng_status eng_search_choose(search_state *s, const eng_answer_options *options,
                             eng_found_answer *out, eng_error *err)
{
    size_t max = options && options->max ? options->max : MAX_CHARS;
    double threshold = options && !isnan(options->threshold) ? options->threshold
                                                             : eng_answer_threshold;
    *out = (eng_found_answer){.brief_part = SIZE_MAX};
    size_t n = s->q->term_count ? choose(s, max) : 0;
    eng_status status = list_parts(s, out, err);
    if (status < 0 || n == 0)
        return status;
    out->confidence = trust(s, out);
    out->answered = out->confidence >= threshold;
    return point(s, out, err);
}

eng_status eng_answer_find(eng_analyzer *analyzer, const eng_question *q,
                           const eng_candidate *candidates, size_t count,
                           const eng_answer_options *options, eng_arena *arena,
                           eng_found_answer *out, eng_error *err)
{
    search_state *s = eng_arena_zalloc(arena, sizeof *s);
    if (!s)
        return eng_fail_nomem(err);
    s->q = q;
    s->candidates = candidates;
    s->candidate_count = count;
    s->analyzer = analyzer;
    s->arena = arena;
    eng_found_answer found;
    eng_status status = eng_search_begin(s, err);
    if (status == ENG_OK)
        status = eng_search_choose(s, options, &found, err);
    eng_search_end(s);
    if (status == ENG_OK)
        *out = found;
    return status;
}

/* ---- As text ---- */

static eng_str slice(const eng_answer_part *p, const eng_candidate *candidates)
{
    const eng_candidate *c = &candidates[p->candidate];
    return eng_str_sub(c->text, p->start - c->start, p->end - p->start);
}

static bool is_line(eng_str text)
{
    return text.len && (strchr("-*|#", text.ptr[0]) || (unsigned char)text.ptr[0] == 0xE2 ||
                        eng_str_find(text, ENG_STR(" | ")) != SIZE_MAX);
}

void eng_answer_text(const eng_found_answer *answer, const eng_candidate *candidates, eng_buf *out,
                     size_t *at)
{
    for (size_t i = 0; i < answer->count; i++) {
        const eng_answer_part *p = &answer->parts[i], *before = i ? p - 1 : p;
        eng_str text = slice(p, candidates);
        bool other = candidates[p->candidate].document != candidates[before->candidate].document;
        if (i)
            eng_buf_byte(out,
                         other || is_line(text) || is_line(slice(before, candidates)) ? '\n' : ' ');
        if (at)
            at[i] = out->len;
        eng_buf_str(out, text);
    }
}
