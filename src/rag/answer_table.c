/*
 * Learned numbers: made by tools/train_answers.py, which says how; not written by hand. Learned from half of
 * the titles of ../shared/data/pt_qa; docs/answers.md says what the other half makes of them.
 */
#include "rag/answer_internal.h"

const double eng_answer_threshold = 0.323;
const double eng_choice[2] = {0.000271, 0.000126};
const double eng_brief_threshold = 0.000;

/* clang-format off */
/* cover, names, window, before, head, whole, bm25, bm25_lag, cover_lag, pairs, tight, fused,
 * fused_lag, rank, words, cosine, cosine_lag, answers, near, things, fresh, length, place,
 * first, subject, under, list, commas, colon, exact */
const float eng_unit_weights[FEATURES] = {
    1.981f, -0.032936f, 0.41822f, 3.2497f, 0.5f, -0.056616f, 2.1657f, -1.3325f, -1.2185f, 0.29841f,
    0.64648f, 2.3411f, -2.5076f, -0.56106f, 0.23832f, 0.608f, -0.61019f, 1.074f, 1.1114f, -0.1724f,
    0.25288f, -0.11917f, -0.11642f, 0.074819f, 0.53127f, 2.0f, 0.0f, 0.17269f, -0.023723f,
    -0.0042643f,
};
/* belief, chosen, score, cover, around, together, whole, unknown, hardest, names, fused, gap,
 * words, dense, cosine, pairs, answers, lacks, terms, exact, elsewhere, focus, focus_gone, met, constant */
const float eng_trust_weights[TRUST_FEATURES + 1] = {
    0.70617f, 3.1549f, 0.30527f, 0.12929f, 0.0f, 0.73564f, 0.0f, -0.42916f, 0.0f, -2.9895f, 3.492f,
    0.23453f, 0.87007f, 0.69368f, 0.10598f, 0.43204f, 0.0f, -0.49068f, -0.44725f, 0.30798f, 0.0f,
    -0.017781f, 0.0f, 0.0f, -5.9876f,
};
/* belief, thing, holds, anything, other, asked, close, behind, words, long, copula, prep, seam,
 * end, cut, before_says, det, cap, place, agent, cause, means, defines, lists, commas,
 * typed_words, number_unit, counted */
const float eng_brief_weights[BRIEF_FEATURES] = {
    1.0825f, 2.8792f, 2.2894f, 1.0588f, -0.4083f, -1.6417f, 2.0096f, 0.19909f, 0.039159f,
    -0.32841f, 0.0057211f, 0.20547f, 0.062008f, 0.81481f, -0.20499f, -0.17795f, 0.1206f, 0.051681f,
    0.67132f, 0.051359f, 1.1684f, 0.1992f, 0.19731f, 0.62067f, -0.43242f, -1.233f, 0.50974f,
    0.95633f,
};
/* clang-format on */
