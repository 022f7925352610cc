/*
 * Forests at work. What nodes compare is put into slots first: converted, NaN and categories dealt with,
 * once a row instead of once a node. Then trees are walked without a branch.
 *
 * One row: the trees of a group in step, so that the processor waits for eight nodes at once. Many rows:
 * one tree at a time, 16 rows in step (kern), so that its nodes stay in the cache; and where the trees are
 * small, all of a tree's nodes for up to 256 rows, by ranks (plan_rank.c).
 */
#include "learn/plan_internal.h"

#include <float.h>
#include <math.h>

/* ---- Slots ---- */

static bool in_set(const eng_plan_forest_view *v, const eng_plan_slot *s, double x)
{
    if (!(x >= 0 && x < (double)s->words * 32))
        return false;
    uint32_t bit = (uint32_t)x;
    return v->sets[s->arg + bit / 32] >> bit % 32 & 1;
}

static double member(const eng_plan_forest_view *v, const eng_plan_slot *s, double x)
{
    if (isnan(x))
        return s->nan_left ? -1 : 1;
    /* -0.5 is category 0 for whoever cuts it to a whole number. */
    bool found = in_set(v, s, trunc(x));
    return found == (s->kind == SLOT_SET) ? -1 : 1;
}

static double slot_value(const eng_plan_forest_view *v, const eng_plan_slot *s, double x)
{
    switch ((eng_plan_slot_kind)s->kind) {
    case SLOT_LESS:
        return -INFINITY;
    case SLOT_NAN_LOW:
        return isnan(x) ? -INFINITY : x;
    case SLOT_NAN_ZERO:
        return isnan(x) ? 0 : x;
    case SLOT_ZERO_NAN:
        return fabs(x) <= 1e-35 ? (double)NAN : x;
    case SLOT_ZERO_LOW:
        return isnan(x) || fabs(x) <= 1e-35 ? -INFINITY : x;
    case SLOT_EQUALS:
        return x == (double)s->arg;
    case SLOT_SET:
    case SLOT_SET_RIGHT:
        return member(v, s, x);
    default:
        return x;
    }
}

static double clipped(const eng_plan_slot *s, double x, double most)
{
    return s->clip && x > most ? most : x;
}

static double rounded(const eng_plan_forest_view *v, double x)
{
    return v->head.float_in ? (double)(float)x : x;
}

/* What every node but a few compares: a number, and perhaps which way none goes. */
static bool is_simple(const eng_plan_slot *s)
{
    return (s->kind == SLOT_PLAIN || s->kind == SLOT_NAN_LOW) && !s->clip;
}

/* Rows of one slot. */
static void fill_slot(const eng_plan_forest_view *v, const eng_plan_slot *s, const double *x,
                      size_t rows, double *to)
{
    double most = v->head.float_in ? (double)FLT_MAX : DBL_MAX;
    if (is_simple(s)) {
        double none = s->kind == SLOT_PLAIN ? (double)NAN : -INFINITY;
        for (size_t i = 0; i < rows; i++)
            to[i] = isnan(x[i]) ? none : x[i];
    } else {
        for (size_t i = 0; i < rows; i++)
            to[i] = clipped(s, slot_value(v, s, rounded(v, x[i])), most);
    }
}

/* [slot], or of many rows [16 rows][slot][16] */
static void fill(const eng_plan_bound *b, const eng_plan_run *r, void *slots)
{
    const eng_plan_forest_view *v = &b->of.forest;
    size_t lanes = r->rows == 1 ? 1 : ENG_PLAN_LANES;
    float *narrow = slots;
    double *wide = slots, made[ENG_PLAN_LANES] = {0};
    for (size_t first = 0; first < r->rows; first += lanes) {
        size_t rows = r->rows - first < lanes ? r->rows - first : lanes;
        for (size_t j = 0; j < v->head.slots; j++) {
            size_t at = (first / lanes * v->head.slots + j) * lanes;
            fill_slot(v, &v->slots[j], eng_plan_col(r, b->in[j]) + first, rows, made);
            if (!v->head.wide)
                for (size_t i = 0; i < lanes; i++)
                    narrow[at + i] = (float)made[i];
            else
                for (size_t i = 0; i < lanes; i++)
                    wide[at + i] = rounded(v, made[i]);
        }
    }
}

/* The same of one row, in single precision, without going round. */
static void fill_one(const eng_plan_bound *b, const eng_plan_run *r, float *to)
{
    const eng_plan_forest_view *v = &b->of.forest;
    for (size_t j = 0; j < v->head.slots; j++) {
        const eng_plan_slot *s = &v->slots[j];
        double x = r->columns[b->in[j]]; /* one row: columns lie side by side */
        if (is_simple(s))
            to[j] = s->kind == SLOT_NAN_LOW && isnan(x) ? -INFINITY : (float)x;
        else
            to[j] = (float)clipped(s, slot_value(v, s, rounded(v, x)), (double)FLT_MAX);
    }
}

/* ---- Sums ---- */

static void start(const eng_plan_bound *b, const eng_plan_run *r)
{
    const eng_plan_forest_view *v = &b->of.forest;
    for (uint32_t j = 0; j < v->head.outputs; j++) {
        double *y = eng_plan_col(r, b->step->out + j);
        for (size_t i = 0; i < r->rows; i++)
            y[i] = v->head.init_last ? 0 : v->init[j];
    }
}

static void end(const eng_plan_bound *b, const eng_plan_run *r)
{
    const eng_plan_forest_view *v = &b->of.forest;
    for (uint32_t j = 0; j < v->head.outputs && v->head.init_last; j++) {
        double *y = eng_plan_col(r, b->step->out + j);
        for (size_t i = 0; i < r->rows; i++) {
            y[i] += v->init[j];
            y[i] = v->head.float_sum ? (double)(float)y[i] : y[i];
        }
    }
}

/* Leaves of tree t of the rows from `first` on. The sum of two floats in double, rounded, is what adding
 * floats gives. */
static void add(const eng_plan_bound *b, const eng_plan_run *r, size_t t, size_t first, size_t rows,
                const uint32_t *leaves)
{
    const eng_plan_forest_view *v = &b->of.forest;
    size_t width = v->head.width;
    bool single = v->head.float_sum;
    for (size_t j = 0; j < width; j++) {
        double *restrict y = eng_plan_col(r, (uint32_t)(b->step->out + v->targets[t] + j)) + first;
        const double *restrict values = v->values + j;
        if (single)
            for (size_t i = 0; i < rows; i++)
                y[i] = (double)(float)(y[i] + values[leaves[i] * width]);
        else
            for (size_t i = 0; i < rows; i++)
                y[i] += values[leaves[i] * width];
    }
}

/* ---- One row ---- */

static void walk_narrow(const eng_plan_forest_view *v, size_t group, const float *x,
                        uint32_t leaves[ENG_PLAN_GROUP])
{
    const eng_plan_narrow *at[ENG_PLAN_GROUP], *nodes = v->nodes;
    for (size_t k = 0; k < ENG_PLAN_GROUP; k++)
        at[k] = nodes + v->roots[group * ENG_PLAN_GROUP + k];
    for (uint32_t s = v->steps[group]; s > 0; s--)
#pragma GCC unroll 8
        for (size_t k = 0; k < ENG_PLAN_GROUP; k++)
            at[k] += at[k]->left + (size_t) !(x[at[k]->slot] < at[k]->threshold);
    for (size_t k = 0; k < ENG_PLAN_GROUP; k++)
        memcpy(&leaves[k], &at[k]->threshold, sizeof leaves[k]);
}

static void walk_wide(const eng_plan_forest_view *v, size_t group, const double *x,
                      uint32_t leaves[ENG_PLAN_GROUP])
{
    const eng_plan_wide *at[ENG_PLAN_GROUP], *nodes = v->nodes;
    for (size_t k = 0; k < ENG_PLAN_GROUP; k++)
        at[k] = nodes + v->roots[group * ENG_PLAN_GROUP + k];
    for (uint32_t s = v->steps[group]; s > 0; s--)
#pragma GCC unroll 8
        for (size_t k = 0; k < ENG_PLAN_GROUP; k++)
            at[k] += at[k]->left + (size_t) !(x[at[k]->slot] < at[k]->threshold);
    for (size_t k = 0; k < ENG_PLAN_GROUP; k++)
        memcpy(&leaves[k], &at[k]->threshold, sizeof leaves[k]);
}

/* Leaves of a group, in the order of its trees. */
static void add_group(const eng_plan_bound *b, const eng_plan_run *r, size_t t,
                      const uint32_t leaves[ENG_PLAN_GROUP])
{
    const eng_plan_forest_view *v = &b->of.forest;
    double *y = eng_plan_col(r, b->step->out);
    size_t trees = v->head.trees - t < ENG_PLAN_GROUP ? v->head.trees - t : ENG_PLAN_GROUP;
    if (v->head.outputs > 1) {
        for (size_t k = 0; k < trees; k++)
            add(b, r, t + k, 0, 1, &leaves[k]);
    } else if (v->head.float_sum) {
        float sum = (float)*y; /* all that is added are floats too */
        for (size_t k = 0; k < trees; k++)
            sum = (float)((double)sum + v->values[leaves[k]]);
        *y = (double)sum;
    } else {
        double sum = *y;
        for (size_t k = 0; k < trees; k++)
            sum += v->values[leaves[k]];
        *y = sum;
    }
}

static void run_one(const eng_plan_bound *b, const eng_plan_run *r)
{
    const eng_plan_forest_view *v = &b->of.forest;
    uint32_t leaves[ENG_PLAN_GROUP];
    if (v->head.wide)
        fill(b, r, r->temporary);
    else
        fill_one(b, r, r->temporary);
    for (size_t t = 0; t < v->head.trees; t += ENG_PLAN_GROUP) {
        if (v->head.wide)
            walk_wide(v, t / ENG_PLAN_GROUP, r->temporary, leaves);
        else
            walk_narrow(v, t / ENG_PLAN_GROUP, r->temporary, leaves);
        add_group(b, r, t, leaves);
    }
}

/* ---- Many rows ---- */

static void run_many(const eng_plan_bound *b, const eng_plan_run *r)
{
    const eng_plan_forest_view *v = &b->of.forest;
    const eng_kern *kern = eng_kern_get();
    float *narrow = r->temporary;
    double *wide = r->temporary;
    uint32_t leaves[ENG_PLAN_BLOCK];
    fill(b, r, r->temporary);
    for (size_t t = 0; t < v->head.trees; t++) {
        uint32_t steps = v->steps[t / ENG_PLAN_GROUP];
        for (size_t i = 0; i < r->rows; i += ENG_PLAN_LANES) {
            if (v->head.wide)
                kern->tree_f64((const eng_plan_wide *)v->nodes + v->roots[t], steps,
                               wide + i * v->head.slots, leaves + i);
            else
                kern->tree_f32((const eng_plan_narrow *)v->nodes + v->roots[t], steps,
                               narrow + i * v->head.slots, leaves + i);
        }
        add(b, r, t, 0, r->rows, leaves);
    }
}

/* ---- Very many rows, and small trees ---- */

/* Ranks of all rulers of a part: [ruler][rows]. */
static void fill_ranks(const eng_plan_bound *b, const eng_plan_run *r, const eng_plan_part *part,
                       size_t rows, uint8_t *ranks)
{
    const eng_plan_forest_view *v = &b->of.forest;
    const eng_kern *kern = eng_kern_get();
    const eng_plan_ruler *ruler = (const eng_plan_ruler *)(const void *)b->ranked->rulers.data;
    const void *cuts = b->ranked->cuts.data;
    double made[ENG_PLAN_BLOCK];
    float narrow[ENG_PLAN_BLOCK];
    memset(made + r->rows, 0, (ENG_PLAN_BLOCK - r->rows) * sizeof *made);
    ruler += part->ruler;
    for (uint32_t j = 0; j < part->rulers; j++, ruler++, ranks += ENG_KERN_RANKED) {
        fill_slot(v, &v->slots[ruler->slot], eng_plan_col(r, b->in[ruler->slot]), r->rows, made);
        if (v->head.wide) {
            for (size_t i = 0; i < r->rows && v->head.float_in; i++)
                made[i] = rounded(v, made[i]);
            kern->rank_f64((const double *)cuts + ruler->at, ruler->bits, made, rows, ranks);
        } else {
            for (size_t i = 0; i < rows; i++)
                narrow[i] = (float)made[i];
            kern->rank_f32((const float *)cuts + ruler->at, ruler->bits, narrow, rows, ranks);
        }
    }
}

/* Sums in single precision are kept so until all trees have been. */
static void add_ranked(const eng_plan_bound *b, const eng_plan_run *r,
                       const eng_plan_ranked_tree *tree, uint32_t target, const uint8_t *leaves,
                       size_t rows, float *sums)
{
    if (b->of.forest.head.float_sum) {
        const float *values = (const float *)(const void *)b->ranked->values.data;
        eng_kern_get()->add_f32(values + tree->value, tree->leaves, leaves, rows,
                                sums + (size_t)target * ENG_PLAN_BLOCK);
        return;
    }
    const double *values = (const double *)(const void *)b->ranked->values.data + tree->value;
    double *y = eng_plan_col(r, b->step->out + target);
    for (size_t i = 0; i < r->rows; i++)
        y[i] += values[leaves[i]];
}

static void run_ranked(const eng_plan_bound *b, const eng_plan_run *r)
{
    const eng_plan_forest_view *v = &b->of.forest;
    const eng_plan_part *part = (const eng_plan_part *)(const void *)b->ranked->parts.data;
    const eng_plan_part *last = part + b->ranked->parts.len / sizeof *part;
    const eng_plan_ranked_tree *trees =
        (const eng_plan_ranked_tree *)(const void *)b->ranked->trees.data;
    const eng_kern_split *splits = (const eng_kern_split *)(const void *)b->ranked->splits.data;
    size_t step = ENG_KERN_RANKED_STEP, rows = (r->rows + step - 1) / step * step;
    float *sums = r->temporary;
    uint8_t *ranks = (uint8_t *)(sums + (size_t)v->head.outputs * ENG_PLAN_BLOCK);
    uint8_t leaves[ENG_PLAN_BLOCK];
    for (size_t j = 0; j < v->head.outputs && v->head.float_sum; j++)
        for (size_t i = 0; i < rows; i++)
            sums[j * ENG_PLAN_BLOCK + i] = v->head.init_last ? 0 : (float)v->init[j];
    for (; part < last; part++) {
        fill_ranks(b, r, part, rows, ranks);
        for (uint32_t t = part->first; t < part->end; t++) {
            eng_kern_get()->tree_u8(splits + trees[t].first, trees[t].count, ranks, rows, leaves);
            add_ranked(b, r, &trees[t], v->targets[t], leaves, rows, sums);
        }
    }
    for (uint32_t j = 0; j < v->head.outputs && v->head.float_sum; j++) {
        double *y = eng_plan_col(r, b->step->out + j);
        for (size_t i = 0; i < r->rows; i++)
            y[i] = (double)sums[j * ENG_PLAN_BLOCK + i];
    }
}

void eng_plan_run_forest(const eng_plan_bound *b, const eng_plan_run *r)
{
    start(b, r);
    if (r->rows == 1)
        run_one(b, r);
    else if (b->ranked && r->rows >= ENG_PLAN_RANKED_FROM)
        run_ranked(b, r);
    else
        run_many(b, r);
    end(b, r);
}
