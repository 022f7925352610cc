/*
 * Phrases: which passages have these words next to each other. The rarest word leads; the others are
 * asked about its rows alone, and positions are read only where all words are.
 */
#include "index/index_internal.h"

#include "base/alloc.h"

enum { POSITIONS_MAX = 4096 };

typedef struct {
    eng_cursor *cursors;
    uint32_t *offsets;
    size_t count;
    uint32_t *first;  /* positions of the phrase's begin that are still possible */
    uint32_t *others; /* of one more word */
} phrase;

/* Keeps those of p->first at which the word with this offset stands too. */
static size_t narrow(phrase *p, size_t possible, size_t word)
{
    size_t n = eng_cursor_positions(&p->cursors[word], p->others, POSITIONS_MAX), kept = 0;
    for (size_t i = 0, j = 0; i < possible; i++) {
        uint32_t want = p->first[i] + p->offsets[word];
        while (j < n && p->others[j] < want)
            j++;
        if (j < n && p->others[j] == want)
            p->first[kept++] = p->first[i];
    }
    return kept;
}

static bool stands_at(phrase *p)
{
    size_t n = eng_cursor_positions(&p->cursors[0], p->others, POSITIONS_MAX), possible = 0;
    for (size_t i = 0; i < n; i++) {
        if (p->others[i] >= p->offsets[0])
            p->first[possible++] = p->others[i] - p->offsets[0];
    }
    for (size_t word = 1; word < p->count && possible > 0; word++)
        possible = narrow(p, possible, word);
    return possible > 0;
}

/* The words by ascending number of rows, so that the rarest leads. */
static void sort_words(phrase *p)
{
    for (size_t i = 1; i < p->count; i++) {
        for (size_t j = i; j > 0 && p->cursors[j].postings < p->cursors[j - 1].postings; j--) {
            eng_cursor c = p->cursors[j];
            uint32_t offset = p->offsets[j];
            p->cursors[j] = p->cursors[j - 1];
            p->offsets[j] = p->offsets[j - 1];
            p->cursors[j - 1] = c;
            p->offsets[j - 1] = offset;
        }
    }
}

static void find_rows(phrase *p, const eng_segment *s, uint64_t *found)
{
    uint32_t row = eng_cursor_seek(&p->cursors[0], 0);
    while (row != UINT32_MAX) {
        uint32_t furthest = row;
        for (size_t i = 1; i < p->count && furthest == row; i++)
            furthest = eng_cursor_seek(&p->cursors[i], row);
        if (furthest == UINT32_MAX)
            break;
        if (furthest == row) {
            if (stands_at(p))
                eng_bit_set(found, s->base + row);
            furthest = row + 1;
        }
        row = eng_cursor_seek(&p->cursors[0], furthest);
    }
}

static eng_status find_phrase(const eng_state *state, const eng_plan_phrase *words, phrase *p,
                              uint64_t *found, eng_error *err)
{
    for (size_t i = 0; i < state->segment_count; i++) {
        bool all = true;
        p->count = words->count;
        for (size_t w = 0; w < words->count; w++)
            all = all && words->entries[w][i];
        for (size_t w = 0; all && w < words->count; w++) {
            eng_status status = eng_cursor_open(&p->cursors[w], &state->segments[i],
                                                words->entries[w][i], err);
            if (status < 0)
                return status;
            p->offsets[w] = words->offsets[w];
        }
        if (!all)
            continue;
        sort_words(p);
        find_rows(p, &state->segments[i], found);
    }
    return ENG_OK;
}

eng_status eng_phrase_filter(const eng_state *state, const eng_plan *plan, uint64_t *rows,
                             eng_arena *arena, eng_error *err)
{
    size_t words = eng_bits_words(state->rows);
    for (size_t i = 0; i < plan->phrase_count; i++) {
        const eng_plan_phrase *w = &plan->phrases[i];
        phrase p = {.cursors = eng_arena_array(arena, w->count, sizeof *p.cursors),
                    .offsets = eng_arena_array(arena, w->count, sizeof *p.offsets),
                    .first = eng_arena_array(arena, POSITIONS_MAX, sizeof *p.first),
                    .others = eng_arena_array(arena, POSITIONS_MAX, sizeof *p.others)};
        uint64_t *found = eng_arena_zalloc(arena, (words + 1) * sizeof *found);
        if (!p.cursors || !p.offsets || !p.first || !p.others || !found)
            return eng_fail_nomem(err);
        eng_status status = find_phrase(state, w, &p, found, err);
        if (status < 0)
            return status;
        for (size_t k = 0; k < words; k++)
            rows[k] &= found[k];
    }
    return ENG_OK;
}
