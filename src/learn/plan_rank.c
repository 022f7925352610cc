/*
 * Forests of small trees by ranks. Where all trees have few leaves, a batch is not walked through them: each
 * number becomes its rank among the thresholds of its slot, a byte, and all nodes of a tree are compared for
 * hundreds of rows at a time (kern). That is exact, for a comparison depends on the rank alone, and sums keep
 * their order. It is made of a checked forest when a plan is opened, not kept in its bytes.
 *
 * A rank is a byte while a slot has 255 thresholds or fewer. So trees are taken in parts, consecutive ones
 * that have no more among them, each with thresholds of its own.
 */
#include "learn/plan_internal.h"

#include <math.h>

enum { LEAVES = 256, CUTS = (1 << ENG_KERN_RANK_BITS) - 1, LEAST_CUTS = 16 };

static const size_t RANKED_MAX = (size_t)4 << 30;

/* The thresholds of a slot in the part that is being made: they rise. */
typedef struct {
    double *cuts;
    uint32_t count, cap;
    uint32_t ruler; /* its number in the part */
} scale;

typedef struct {
    const eng_plan_forest_view *v;
    eng_plan_ranked *to;
    eng_arena arena;
    scale *scales;  /* [slots] */
    uint32_t *used; /* slots with thresholds */
    size_t used_count;
    eng_buf thresholds; /* double: of the splits of this part */
    size_t first_split; /* of the part */
    uint32_t first_tree;
    struct {
        uint32_t slot;
        double cut;
    } added[CUTS]; /* what the tree that is being taken brought in */
    size_t added_count;
    bool fits; /* false: these trees are better walked */
} ranking;

void eng_plan_ranked_free(eng_plan_ranked *r)
{
    if (!r)
        return;
    eng_buf *all[] = {&r->parts, &r->rulers, &r->cuts, &r->splits, &r->trees, &r->values};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        eng_buf_clear(all[i]);
    eng_free(r);
}

/* ---- A tree as splits ---- */

typedef struct {
    double threshold;
    uint64_t row; /* of a leaf */
    uint32_t slot;
    uint32_t left; /* 0: a leaf */
} node;

static node node_at(const eng_plan_forest_view *v, size_t i)
{
    node n;
    if (v->head.wide) {
        const eng_plan_wide *w = (const eng_plan_wide *)v->nodes + i;
        n = (node){.threshold = w->threshold, .slot = w->slot, .left = w->left};
        memcpy(&n.row, &w->threshold, sizeof n.row);
    } else {
        const eng_plan_narrow *w = (const eng_plan_narrow *)v->nodes + i;
        uint32_t row;
        memcpy(&row, &w->threshold, sizeof row);
        n = (node){.threshold = (double)w->threshold, .row = row, .slot = w->slot, .left = w->left};
    }
    return n;
}

/* A value that sums in single precision take as it is. */
static void add_value(ranking *k, double value)
{
    if (!k->v->head.float_sum) {
        eng_buf_bytes(&k->to->values, &value, sizeof value);
        return;
    }
    float near = (float)value;
    k->fits = k->fits && (double)near == value;
    eng_buf_bytes(&k->to->values, &near, sizeof near);
}

static uint32_t four_times(size_t byte) { return (uint32_t)byte * 0x01010101U; }

/* Depth first, left before right. What waits is the right child of each node above: no more than there may
 * be leaves. `after` is the split that a right child belongs to, counted from 1. */
static bool flatten(ranking *k, size_t root, size_t *leaves)
{
    struct {
        size_t at;
        uint32_t after;
    } waiting[LEAVES + 1];
    eng_kern_split made[CUTS];
    size_t depth = 0, count = 0, found = 0;
    waiting[depth++].at = root;
    waiting[0].after = 0;
    while (depth > 0) {
        size_t at = waiting[--depth].at;
        node n = node_at(k->v, at);
        if (waiting[depth].after)
            made[waiting[depth].after - 1].right = four_times(found);
        if (!n.left) {
            if (found++ == LEAVES)
                return false;
            add_value(k, k->v->values[n.row]);
            continue;
        }
        if (count == CUTS)
            return false;
        made[count++] = (eng_kern_split){.slot = n.slot, .first = four_times(found)};
        eng_buf_bytes(&k->thresholds, &n.threshold, sizeof n.threshold);
        waiting[depth].at = at + n.left + 1;
        waiting[depth++].after = (uint32_t)count;
        waiting[depth].at = at + n.left;
        waiting[depth++].after = 0;
    }
    eng_buf_bytes(&k->to->splits, made, count * sizeof *made);
    *leaves = found;
    return true;
}

/* ---- Thresholds ---- */

/* Where a threshold stands among a slot's, or would. */
static size_t place_of(const scale *s, double cut)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->cuts[middle] < cut)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* False: memory ran out. A slot may have one tree's more than a part takes, until that is noticed. */
static bool add_cut(ranking *k, uint32_t slot, double cut)
{
    scale *s = &k->scales[slot];
    size_t at = place_of(s, cut);
    if (at < s->count && s->cuts[at] == cut)
        return true;
    if (s->count == s->cap) {
        uint32_t cap = s->cap ? 2 * s->cap : 8;
        double *more = eng_arena_array(&k->arena, cap, sizeof *more);
        if (!more)
            return false;
        if (s->count)
            memcpy(more, s->cuts, s->count * sizeof *more);
        s->cuts = more;
        s->cap = cap;
    }
    if (s->count == 0)
        k->used[k->used_count++] = slot;
    memmove(s->cuts + at + 1, s->cuts + at, (s->count++ - at) * sizeof *s->cuts);
    s->cuts[at] = cut;
    k->added[k->added_count].slot = slot;
    k->added[k->added_count++].cut = cut;
    return true;
}

/* The thresholds of a tree's splits; *full where a slot has too many of them now. */
static bool add_cuts(ranking *k, const eng_kern_split *splits, const double *cuts, size_t count,
                     bool *full)
{
    k->added_count = 0;
    *full = false;
    for (size_t i = 0; i < count; i++) {
        if (!add_cut(k, splits[i].slot, cuts[i]))
            return false;
        *full = *full || k->scales[splits[i].slot].count > CUTS;
    }
    return true;
}

static void take_back(ranking *k)
{
    while (k->added_count > 0) {
        scale *s = &k->scales[k->added[--k->added_count].slot];
        size_t at = place_of(s, k->added[k->added_count].cut);
        memmove(s->cuts + at, s->cuts + at + 1, (--s->count - at) * sizeof *s->cuts);
        if (s->count == 0)
            k->used_count--; /* slots come and go in order */
    }
}

/* ---- Parts ---- */

static void put_cut(ranking *k, double cut)
{
    float near = (float)cut;
    if (k->v->head.wide)
        eng_buf_bytes(&k->to->cuts, &cut, sizeof cut);
    else
        eng_buf_bytes(&k->to->cuts, &near, sizeof near);
}

/* Filled up with infinity to a power of two. */
static void put_ruler(ranking *k, uint32_t slot)
{
    const scale *s = &k->scales[slot];
    size_t each = k->v->head.wide ? sizeof(double) : sizeof(float);
    eng_plan_ruler made = {.slot = slot, .bits = 1, .at = k->to->cuts.len / each};
    while (((uint32_t)1 << made.bits) <= s->count)
        made.bits++;
    size_t room = (size_t)1 << made.bits;
    for (size_t i = 0; i < room || i < LEAST_CUTS; i++)
        put_cut(k, i < s->count ? s->cuts[i] : (double)INFINITY);
    eng_buf_bytes(&k->to->rulers, &made, sizeof made);
}

/* Trees up to `end` are one: their splits learn their ranks. */
static void end_part(ranking *k, uint32_t end, size_t end_split)
{
    eng_plan_part made = {.first = k->first_tree,
                          .end = end,
                          .ruler = (uint32_t)(k->to->rulers.len / sizeof(eng_plan_ruler)),
                          .rulers = (uint32_t)k->used_count};
    const double *cuts = (const double *)(const void *)k->thresholds.data;
    eng_kern_split *splits = (eng_kern_split *)(void *)k->to->splits.data;
    for (size_t i = 0; i < k->used_count; i++) {
        k->scales[k->used[i]].ruler = (uint32_t)i;
        put_ruler(k, k->used[i]);
    }
    for (size_t i = k->first_split; i < end_split; i++) {
        const scale *s = &k->scales[splits[i].slot];
        splits[i].rank = four_times(place_of(s, cuts[i - k->first_split]) + 1);
        splits[i].slot = s->ruler;
    }
    for (size_t i = 0; i < k->used_count; i++)
        k->scales[k->used[i]].count = 0;
    if (k->used_count > k->to->most)
        k->to->most = k->used_count;
    k->used_count = 0;
    eng_buf_bytes(&k->to->parts, &made, sizeof made);
    k->first_tree = end;
    k->first_split = end_split;
}

static bool memory_is_left(const ranking *k)
{
    const eng_plan_ranked *r = k->to;
    const eng_buf *all[] = {&r->parts, &r->rulers, &r->cuts,      &r->splits,
                            &r->trees, &r->values, &k->thresholds};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (eng_buf_check(all[i], "", NULL) < 0)
            return false;
    return true;
}

/* False: memory ran out, or it does not fit. */
static bool add_tree(ranking *k, uint32_t t)
{
    bool full;
    size_t before = k->to->splits.len / sizeof(eng_kern_split), leaves = 0;
    size_t each = k->v->head.float_sum ? sizeof(float) : sizeof(double);
    eng_plan_ranked_tree made = {.first = before, .value = k->to->values.len / each};
    k->fits = flatten(k, k->v->roots[t], &leaves) && k->fits;
    if (!k->fits || !memory_is_left(k))
        return false;
    const eng_kern_split *splits = (const eng_kern_split *)(const void *)k->to->splits.data;
    const double *cuts = (const double *)(const void *)k->thresholds.data;
    made.count = (uint32_t)(k->to->splits.len / sizeof *splits - before);
    made.leaves = (uint32_t)leaves;
    eng_buf_bytes(&k->to->trees, &made, sizeof made);
    if (!add_cuts(k, splits + before, cuts + (before - k->first_split), made.count, &full))
        return false;
    if (!full)
        return true;
    take_back(k);
    size_t old = (before - k->first_split) * sizeof *cuts;
    end_part(k, t, before);
    eng_buf_drop(&k->thresholds, old);
    cuts = (const double *)(const void *)k->thresholds.data;
    splits = (const eng_kern_split *)(const void *)k->to->splits.data;
    return add_cuts(k, splits + before, cuts, made.count, &full);
}

/* ---- All of them ---- */

static bool good_inits(const eng_plan_forest_view *v)
{
    for (uint32_t j = 0; j < v->head.outputs && v->head.float_sum; j++)
        if ((double)(float)v->init[j] != v->init[j])
            return false;
    return true;
}

static bool rank_all(ranking *k)
{
    const eng_plan_forest_view *v = k->v;
    k->scales = eng_arena_array(&k->arena, v->head.slots, sizeof *k->scales);
    k->used = eng_arena_array(&k->arena, v->head.slots, sizeof *k->used);
    if (!k->scales || !k->used)
        return false;
    memset(k->scales, 0, v->head.slots * sizeof *k->scales);
    for (uint32_t t = 0; t < v->head.trees; t++)
        if (!add_tree(k, t))
            return false;
    end_part(k, v->head.trees, k->to->splits.len / sizeof(eng_kern_split));
    for (size_t i = 0; i < ENG_KERN_RANKED_VALUES; i++)
        add_value(k, 0);
    return memory_is_left(k);
}

eng_status eng_plan_rank(const eng_plan_forest_view *v, eng_plan_ranked **out, eng_error *err)
{
    if (v->head.width != 1 || v->head.trees == 0 || !good_inits(v))
        return ENG_OK;
    ranking k = {.v = v, .fits = true, .to = eng_zalloc(sizeof *k.to)};
    if (!k.to)
        return eng_fail(err, ENG_ENOMEM, "a model: out of memory");
    eng_buf *all[] = {&k.to->parts, &k.to->rulers, &k.to->cuts,  &k.to->splits,
                      &k.to->trees, &k.to->values, &k.thresholds};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        eng_buf_init(all[i], RANKED_MAX);
    eng_arena_init(&k.arena, 1 << 16, NULL);
    bool done = rank_all(&k);
    eng_arena_clear(&k.arena);
    eng_buf_clear(&k.thresholds);
    if (done)
        *out = k.to;
    else
        eng_plan_ranked_free(k.to);
    return done || !k.fits ? ENG_OK : eng_fail(err, ENG_ENOMEM, "a model: out of memory");
}
