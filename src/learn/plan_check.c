/* Whether a step's numbers agree with its bytes: all that running relies on. */
#include "learn/plan_internal.h"

#include "base/check.h"

#include <math.h>

static eng_status bad(const eng_plan_bound *b, eng_error *err, const char *why)
{
    return eng_fail(err, ENG_ECORRUPT, "operator of columns from %u on: %s", b->step->out, why);
}

/* n * each + more doubles and `words` numbers of 32 bits are all of its data. */
static bool holds(const eng_plan_bound *b, size_t n, size_t each, size_t more, size_t words)
{
    size_t doubles, bytes;
    return eng_mul(n, each, &doubles) && eng_add(doubles, more, &doubles) &&
           eng_mul(doubles, sizeof(double), &bytes) && words < SIZE_MAX / 8 &&
           eng_add(bytes, words * sizeof(uint32_t), &bytes) && bytes == b->step->size;
}

static eng_status check_lookup(eng_plan_bound *b, const eng_plan_head *head, eng_error *err)
{
    eng_plan_keys_view *v = &b->of.keys;
    if (b->step->n != 1 || !eng_plan_keys_of(b->data, b->step->size, v) ||
        v->head.width != b->step->m || v->head.slots <= v->head.count ||
        (v->head.slots & (v->head.slots - 1)))
        return bad(b, err, "keys that do not fit");
    if (!v->head.of_numbers && b->in[0] >= head->inputs)
        return bad(b, err, "texts of what is none");
    bool free_slot = false;
    for (uint32_t i = 0; i < v->head.slots; i++) {
        if (v->slots[i] > v->head.count)
            return bad(b, err, "a key that does not exist");
        free_slot |= v->slots[i] == 0;
    }
    for (uint32_t i = 0; i < v->head.count && !v->head.of_numbers; i++)
        if (v->ends[i] > v->head.texts || (i && v->ends[i] < v->ends[i - 1]))
            return bad(b, err, "texts that do not fit");
    return free_slot ? ENG_OK : bad(b, err, "no end of keys");
}

static eng_status check_linear(eng_plan_bound *b, eng_error *err)
{
    const eng_plan_step *s = b->step;
    uint64_t columns = 0;
    if (!holds(b, s->m, s->count, s->m, s->n))
        return bad(b, err, "weights that do not fit");
    const uint32_t *spans = (const uint32_t *)(const void *)(b->data +
                                                             ((size_t)s->m * s->count + s->m) *
                                                                 sizeof(double));
    for (uint32_t i = 0; i < s->n; i++)
        columns += spans[i] ? spans[i] : 1;
    return columns == s->count ? ENG_OK : bad(b, err, "weights of other columns");
}

static eng_status check_polynomial(eng_plan_bound *b, eng_error *err)
{
    const eng_plan_step *s = b->step;
    const uint32_t *ends = (const uint32_t *)(const void *)b->data, *terms = ends + s->m;
    if (!holds(b, 0, 0, 0, (size_t)s->m + 2 * (size_t)s->count) || ends[s->m - 1] != s->count)
        return bad(b, err, "powers that do not fit");
    for (uint32_t j = 1; j < s->m; j++)
        if (ends[j] < ends[j - 1])
            return bad(b, err, "powers that do not fit");
    for (uint32_t i = 0; i < s->count; i++)
        if (terms[2 * i] >= s->n || terms[2 * i + 1] > 64)
            return bad(b, err, "a power of what does not exist");
    return ENG_OK;
}

static eng_status check_map(eng_plan_bound *b, eng_error *err)
{
    static const uint8_t constants[] = {
#define CONSTANTS(name, text, constants) constants,
        ENG_PLAN_MAPS(CONSTANTS)
#undef CONSTANTS
    };
    const eng_plan_step *s = b->step;
    if (s->fn >= ENG_PLAN_MAP_COUNT || s->n != s->m || s->count != constants[s->fn] ||
        !holds(b, s->n, s->count, 0, 0))
        return bad(b, err, "a function without its constants");
    return ENG_OK;
}

/* Numbers in and out, and bytes, of the operators that are said in one line. */
static bool fits(const eng_plan_bound *b)
{
    const eng_plan_step *s = b->step;
    switch ((eng_plan_code)s->code) {
    case OP_CONSTANT:
        return s->n == 0 && s->m == 1 && s->size == 0;
    case OP_EXPAND:
        return s->n == 1 && s->size == 0;
    case OP_BINS:
        return s->n == 1 && s->m == 1 && holds(b, s->count, 1, 0, 0);
    case OP_INTERPOLATE:
        return s->n == 1 && s->m == 1 && s->count > 0 && holds(b, s->count, 2, 0, 0);
    case OP_PAIRS:
        return s->fn < ENG_PLAN_OP_COUNT && s->n == 2 * (uint64_t)s->m && s->size == 0;
    case OP_REDUCE:
        return s->fn < ENG_PLAN_REDUCTION_COUNT && s->n > 0 && s->m == 1 && s->size == 0;
    case OP_MEDIAN:
        return s->n > 0 && s->m == 1 && holds(b, s->n, 1, 0, 0);
    case OP_SHARE:
        return s->fn < ENG_PLAN_SHARING_COUNT && s->n == s->m && s->size == 0;
    case OP_SIMILARITY:
        return s->fn < ENG_PLAN_KERNEL_COUNT && holds(b, s->n, s->m, 4, 0);
    case OP_VOTE:
        return s->fn < ENG_PLAN_VOTING_COUNT && s->m >= 2 && s->m <= 4096 &&
               s->n == s->m * (s->m - 1) / 2 && s->size == 0;
    case OP_NEAREST:
        return s->extra > 0 && s->extra <= s->count && s->k[0] > 0 &&
               s->flags < ENG_PLAN_WEIGHING_COUNT && holds(b, s->count, (size_t)s->n + s->m, 0, 0);
    case OP_FILL:
        return s->extra > 0 && s->extra <= s->count && s->flags <= ENG_PLAN_BY_DISTANCE &&
               s->n == s->m && holds(b, s->count, s->n, s->n, 0);
    case OP_SPLINE:
        return eng_plan_check_spline(b);
    default:
        return false;
    }
}

/* ---- Forests ---- */

static bool good_slots(const eng_plan_forest_view *v)
{
    for (uint32_t i = 0; i < v->head.slots; i++) {
        const eng_plan_slot *s = &v->slots[i];
        bool set = s->kind == SLOT_SET || s->kind == SLOT_SET_RIGHT;
        if (s->kind >= SLOT_KINDS || (s->kind == SLOT_LESS) != (i == 0))
            return false;
        if (set && (s->words > v->head.set_words || s->arg > v->head.set_words - s->words))
            return false;
    }
    return true;
}

/* A leaf names a row; a split has two children behind it, and a threshold that is a number. */
static bool good_narrow(const eng_plan_forest_view *v)
{
    const eng_plan_narrow *nodes = v->nodes;
    for (uint64_t i = 0; i < (uint64_t)v->head.nodes + ENG_PLAN_BEYOND; i++) {
        uint32_t row;
        memcpy(&row, &nodes[i].threshold, sizeof row);
        bool good = nodes[i].left
                        ? nodes[i].slot && nodes[i].slot < v->head.slots &&
                              i + nodes[i].left + 1 < v->head.nodes && !isnan(nodes[i].threshold)
                        : nodes[i].slot == 0 && row < v->head.values && row < 0x7f800000;
        if (!good)
            return false;
    }
    return true;
}

static bool good_wide(const eng_plan_forest_view *v)
{
    const eng_plan_wide *nodes = v->nodes;
    for (uint64_t i = 0; i < (uint64_t)v->head.nodes + ENG_PLAN_BEYOND; i++) {
        uint64_t row;
        memcpy(&row, &nodes[i].threshold, sizeof row);
        bool good = nodes[i].left
                        ? nodes[i].slot && nodes[i].slot < v->head.slots &&
                              i + nodes[i].left + 1 < v->head.nodes && !isnan(nodes[i].threshold)
                        : nodes[i].slot == 0 && row < v->head.values;
        if (!good)
            return false;
    }
    return true;
}

/* Every tree ends in its group's steps: the levels below each root, which no node may lie beyond. Each
 * node is looked at once, for children stand behind their parents: depths[i] is known when i comes. */
static bool good_depth(const eng_plan_forest_view *v, uint16_t *depths)
{
    const eng_plan_narrow *narrow = v->nodes;
    const eng_plan_wide *wide = v->nodes;
    for (size_t i = v->head.nodes; i-- > 0;) {
        size_t left = v->head.wide ? wide[i].left : narrow[i].left;
        uint16_t deepest = 0;
        if (left) {
            uint16_t a = depths[i + left], c = depths[i + left + 1];
            deepest = (uint16_t)((a > c ? a : c) + 1);
            if (deepest > ENG_PLAN_DEPTH)
                return false;
        }
        depths[i] = deepest;
    }
    size_t padded = ((size_t)v->head.trees + ENG_PLAN_GROUP - 1) / ENG_PLAN_GROUP * ENG_PLAN_GROUP;
    for (size_t t = 0; t < padded; t++)
        if (v->roots[t] >= v->head.nodes || (t >= v->head.trees && v->roots[t] != 0) ||
            depths[v->roots[t]] > v->steps[t / ENG_PLAN_GROUP] ||
            v->steps[t / ENG_PLAN_GROUP] > ENG_PLAN_DEPTH ||
            v->targets[t] > v->head.outputs - v->head.width)
            return false;
    return true;
}

static eng_status check_forest(eng_plan_bound *b, eng_error *err)
{
    const eng_plan_step *s = b->step;
    eng_plan_forest_view *v = &b->of.forest;
    eng_plan_forest_head head;
    if (s->size < sizeof head)
        return bad(b, err, "trees that do not fit");
    memcpy(&head, b->data, sizeof head);
    if (head.slots != s->n || head.outputs != s->m || head.width == 0 || head.width > s->m ||
        head.values == 0 || head.nodes == 0 || head.trees > INT32_MAX || head.wide > 1 ||
        eng_plan_forest_layout(&head, (unsigned char *)(uintptr_t)b->data, v) != s->size)
        return bad(b, err, "trees that do not fit");
    if (!good_slots(v) || !(head.wide ? good_wide(v) : good_narrow(v)))
        return bad(b, err, "a node that does not fit");
    uint16_t *depths = eng_alloc_array(head.nodes, sizeof *depths);
    if (!depths)
        return eng_fail(err, ENG_ENOMEM, "a model: out of memory");
    bool good = good_depth(v, depths);
    eng_free(depths);
    return good ? ENG_OK : bad(b, err, "a tree that does not fit");
}

eng_status eng_plan_check_step(eng_plan_bound *b, const eng_plan_head *head, eng_error *err)
{
    switch (b->step->code) {
    case OP_MAP:
        return check_map(b, err);
    case OP_LOOKUP:
        return check_lookup(b, head, err);
    case OP_LINEAR:
        return check_linear(b, err);
    case OP_POLYNOMIAL:
        return check_polynomial(b, err);
    case OP_FOREST:
        return check_forest(b, err);
    case OP_TEXTS:
        return eng_plan_check_texts(b, head, err);
    default:
        return fits(b) ? ENG_OK : bad(b, err, "numbers that do not fit");
    }
}
