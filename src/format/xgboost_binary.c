/*
 * The binary .model of XGBoost up to 3.0: C structs as they lay in memory, little-endian.
 *
 *     "binf"
 *     learner    base_score f32, features u32, classes i32, has attributes i32, has metrics i32,
 *                version 2 x u32, targets u32, ... up to 136 bytes
 *     objective, booster     each a length of 8 bytes and that text
 *     gbtree     trees i32, parallel trees i32 ... up to 160 bytes, then each tree:
 *                    its numbers (148 bytes; nodes i32 at 4), nodes of 20 bytes, statistics of 16
 *                then the class of each tree, i32
 *     dart       all of that, then a length of 8 bytes and weights f32
 *     gblinear   136 bytes, then a length of 8 bytes and weights f32
 *     attributes as pairs of texts
 */
#include "base/check.h"
#include "base/error.h"
#include "base/span.h"
#include "format/xgboost_internal.h"

#include <math.h>

enum { LEARNER = 136, GBTREE = 160, TREE = 148, NODE = 20, STAT = 16, GBLINEAR = 136 };

static eng_status malformed(eng_error *err, const eng_span *in, const char *what)
{
    return eng_fail_at(err, ENG_EMALFORMED, in->pos, "an XGBoost model: %s at byte %zu", what,
                       in->pos);
}

static eng_status no_memory(eng_error *err)
{
    return eng_fail(err, ENG_ENOMEM, "an XGBoost model: out of memory");
}

static float take_float(eng_span *in)
{
    uint32_t bits = eng_span_u32(in);
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static eng_str take_text(eng_span *in)
{
    uint64_t n = eng_span_u64(in);
    return eng_span_bytes(in, n > SIZE_MAX ? SIZE_MAX : (size_t)n);
}

static eng_status take_nodes(eng_span *in, eng_arena *arena, size_t count, eng_xgboost_tree *tree,
                             eng_error *err)
{
    enum { DEFAULT_LEFT = 1U << 31 };
    eng_xgboost_node *nodes = eng_arena_array(arena, count, sizeof *nodes);
    if (!nodes)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        eng_span_u32(in); /* the parent */
        int32_t left = (int32_t)eng_span_u32(in), right = (int32_t)eng_span_u32(in);
        uint32_t feature = eng_span_u32(in);
        float value = take_float(in);
        if (left < -1 ||
            (left != -1 && ((size_t)left >= count || right < 0 || (size_t)right >= count)))
            return malformed(err, in, "a tree with a child that does not exist");
        nodes[i] = (eng_xgboost_node){.left = left,
                                      .right = right,
                                      .feature = feature & ~(uint32_t)DEFAULT_LEFT,
                                      .value = value,
                                      .default_left = feature >> 31};
    }
    eng_span_bytes(in, count * STAT);
    *tree = (eng_xgboost_tree){.nodes = nodes, .count = count, .weight = 1};
    return eng_span_check(in, "a tree of an XGBoost model", err);
}

static eng_status take_trees(eng_span *in, eng_arena *arena, eng_xgboost *m, eng_error *err)
{
    eng_span head = eng_span_part(in, GBTREE);
    uint32_t count = eng_span_u32(&head), each = eng_span_u32(&head);
    eng_status status = eng_span_check(in, "an XGBoost model", err);
    if (status < 0)
        return status;
    /* Every tree takes its numbers at least, so that count cannot be larger than the file. */
    if (count > ENG_XGBOOST_TREES || count > eng_span_left(in) / TREE)
        return malformed(err, in, "more trees than it holds");
    eng_xgboost_tree *trees = eng_arena_array(arena, count, sizeof *trees);
    if (!trees)
        return no_memory(err);
    for (uint32_t i = 0; i < count && status == ENG_OK; i++) {
        eng_span param = eng_span_part(in, TREE);
        eng_span_u32(&param);
        uint32_t nodes = eng_span_u32(&param);
        if (eng_span_check(in, "a tree of an XGBoost model", err) < 0)
            return ENG_ETRUNCATED;
        if (nodes == 0 || nodes > eng_span_left(in) / (NODE + STAT))
            return malformed(err, in, "more nodes than it holds");
        status = take_nodes(in, arena, nodes, &trees[i], err);
    }
    for (uint32_t i = 0; i < count && status == ENG_OK; i++)
        trees[i].group = eng_span_u32(in);
    m->trees = trees;
    m->tree_count = count;
    m->trees_each = each > 0 && each <= count ? each : 1;
    return status == ENG_OK ? eng_span_check(in, "an XGBoost model", err) : status;
}

static eng_status take_floats(eng_span *in, eng_arena *arena, size_t want, float **out,
                              eng_error *err)
{
    uint64_t count = eng_span_u64(in);
    eng_status status = eng_span_check(in, "weights of an XGBoost model", err);
    if (status < 0)
        return status;
    if (count != want || count > eng_span_left(in) / sizeof(float))
        return malformed(err, in, "weights that are not as many as they should be");
    float *to = eng_arena_array(arena, want, sizeof *to);
    if (!to)
        return no_memory(err);
    for (size_t i = 0; i < want; i++)
        to[i] = take_float(in);
    *out = to;
    return ENG_OK;
}

static eng_status take_booster(eng_span *in, eng_arena *arena, eng_xgboost *m, eng_str name,
                               eng_error *err)
{
    float *weights;
    size_t count;
    if (eng_str_eq(name, ENG_STR("gblinear"))) {
        eng_span_bytes(in, GBLINEAR);
        if (!eng_mul(m->features + 1, m->groups, &count))
            return malformed(err, in, "too many weights");
        eng_status status = take_floats(in, arena, count, &weights, err);
        if (status == ENG_OK)
            m->weights = weights;
        m->linear = true;
        return status;
    }
    if (!eng_str_eq(name, ENG_STR("gbtree")) && !eng_str_eq(name, ENG_STR("dart")))
        return malformed(err, in, "an unknown booster");
    eng_status status = take_trees(in, arena, m, err);
    if (status < 0 || eng_str_eq(name, ENG_STR("gbtree")))
        return status;
    status = take_floats(in, arena, m->tree_count, &weights, err);
    for (size_t i = 0; i < m->tree_count && status == ENG_OK; i++)
        ((eng_xgboost_tree *)(uintptr_t)m->trees)[i].weight = weights[i];
    return status;
}

static void take_attributes(eng_span *in, eng_xgboost *m)
{
    uint64_t count = eng_span_u64(in);
    int64_t best;
    for (uint64_t i = 0; i < count && !in->failed; i++) {
        eng_str key = take_text(in), value = take_text(in);
        if (eng_str_eq(key, ENG_STR("best_iteration")) && eng_str_i64(value, &best) && best >= 0 &&
            best < ENG_XGBOOST_TREES)
            m->best_iteration = best;
    }
}

eng_status eng_xgboost_read_binary(eng_str bytes, eng_arena *arena, eng_xgboost *m, eng_error *err)
{
    eng_span in = eng_span_of(bytes.ptr, bytes.len);
    eng_span_bytes(&in, 4);
    eng_span head = eng_span_part(&in, LEARNER);
    double score = (double)take_float(&head);
    m->features = eng_span_u32(&head);
    m->classes = eng_span_u32(&head);
    bool attributes = eng_span_u32(&head) != 0;
    eng_span_u32(&head);
    for (size_t i = 0; i < 2; i++)
        m->version[i] = (int)(eng_span_u32(&head) & 0xffff);
    uint32_t targets = eng_span_u32(&head);
    m->objective = take_text(&in);
    eng_str booster = take_text(&in);
    eng_status status = eng_span_check(&in, "an XGBoost model", err);
    if (status < 0)
        return status;
    if (m->features > ENG_XGBOOST_FEATURES || m->classes > ENG_XGBOOST_CLASSES ||
        targets > ENG_XGBOOST_CLASSES)
        return malformed(err, &in, "more features or classes than there may be");
    m->groups = m->classes > 1 ? m->classes : targets > 1 ? targets : 1;
    double *base = eng_arena_array(arena, m->groups, sizeof *base);
    if (!base)
        return no_memory(err);
    for (size_t i = 0; i < m->groups; i++)
        base[i] = score;
    m->base = base;
    status = take_booster(&in, arena, m, booster, err);
    if (status == ENG_OK && attributes)
        take_attributes(&in, m);
    return status;
}
