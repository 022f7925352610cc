/*
 * Learned numbers: made by tools/train_answers.py, which says how; not written by hand. Learned from half of
 * the titles of ../shared/data/pt_qa; docs/answers.md says what the other half makes of them.
 */
#include "rag/answer_internal.h"

const double eng_answer_threshold = 0.308;
const double eng_choice[2] = {0.000272, 3.12e-05};
const double eng_brief_threshold = 0.000;

/* clang-format off */
/* cover, names, window, before, head, whole, bm25, bm25_lag, cover_lag, pairs, tight, fused,
 * fused_lag, rank, words, cosine, cosine_lag, answers, near, things, fresh, length, place,
 * first, subject, under, list, commas, colon, exact, cue, defines, early */
const float eng_unit_weights[FEATURES] = {
    1.9919f, -0.02338f, 0.45644f, 3.2151f, 0.5f, -0.050764f, 2.1853f, -1.3446f, -1.2252f, 0.28114f,
    0.64041f, 2.3663f, -2.5345f, -0.55092f, 0.23846f, 0.57506f, -0.57714f, 1.4736f, 0.77391f,
    -0.18666f, 0.24036f, -0.068078f, -0.095702f, 0.06329f, 0.54753f, 5.0f, 0.0f, 0.17453f,
    -0.013492f, 0.025394f, 0.92003f, 0.45502f, 4.0688f,
};
/* belief, chosen, score, cover, around, together, whole, unknown, hardest, names, fused, gap,
 * words, dense, cosine, pairs, answers, lacks, terms, exact, elsewhere, focus, focus_gone, met,
 * units, constant */
const float eng_trust_weights[TRUST_FEATURES + 1] = {
    0.65489f, 2.2657f, 1.1173f, 0.34095f, 0.14239f, 0.5696f, 0.0f, -0.67298f, 0.0f, -2.8275f,
    3.145f, 1.3447f, 0.61897f, 1.4888f, 0.0f, 0.55156f, 0.0f, -0.4897f, -0.5075f, 0.41504f, 0.0f,
    -0.033379f, 0.0f, 0.0f, 0.3109f, -7.1934f,
};
/* belief, thing, holds, anything, other, asked, close, behind, words, long, copula, prep, seam,
 * end, cut, before_says, det, cap, place, agent, cause, means, defines, lists, commas,
 * typed_words, number_unit, counted */
const float eng_brief_weights[BRIEF_FEATURES] = {
    1.1171f, 2.9403f, 2.3763f, 1.0507f, -0.43271f, -1.6378f, 1.9843f, 0.20789f, 0.06004f,
    -0.31245f, -0.011487f, 0.20719f, 0.05665f, 0.79487f, -0.20087f, -0.18354f, 0.11429f, 0.054599f,
    0.59612f, 0.096769f, 1.1549f, 0.14191f, 0.20352f, 0.67769f, -0.43566f, -1.3154f, 0.46927f,
    0.95769f,
};
/* clang-format on */
