/*
 * Trees as they come from a library, into the one layout that is walked (plan_internal.h).
 *
 * Every split becomes x < threshold, exactly: x <= t is x < the next number above t. In single precision
 * a threshold in double lies between two floats, and the upper one parts the same numbers.
 */
#include "learn/plan_internal.h"

#include "base/check.h"

#include <float.h>
#include <math.h>

/* A node whose form is not yet decided. */
typedef struct {
    double threshold; /* of a leaf: the number of its row */
    uint32_t slot;
    uint32_t left; /* behind this one; 0: a leaf */
} loose;

struct eng_plan_forest {
    eng_plan_builder *b;
    eng_plan_forest_spec spec;
    uint32_t *x; /* the caller's columns */
    double *init;
    eng_arena arena;
    eng_map known;   /* what a slot does -> its number */
    eng_buf slots;   /* eng_plan_slot */
    eng_buf columns; /* of each slot */
    eng_buf nodes;   /* loose */
    eng_buf values;
    eng_buf roots, targets, depths; /* of each tree */
    eng_buf sets;
    uint32_t longest; /* largest distance to a left child */
    size_t value_rows;
};

static const size_t PART_MAX = (size_t)8 << 30;

static void put_u32(eng_buf *to, size_t x)
{
    uint32_t small = (uint32_t)x;
    eng_buf_bytes(to, &small, sizeof small);
}

static void drop_forest(eng_plan_forest *f)
{
    eng_buf *parts[] = {&f->slots,   &f->columns, &f->nodes,  &f->values,
                        &f->targets, &f->roots,   &f->depths, &f->sets};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        eng_buf_clear(parts[i]);
    eng_map_clear(&f->known);
    eng_arena_clear(&f->arena);
    eng_free(f);
}

static bool copy_spec(eng_plan_forest *f, const eng_plan_forest_spec *spec)
{
    f->spec = *spec;
    f->x = eng_arena_array(&f->arena, spec->n, sizeof *f->x);
    f->init = eng_arena_array(&f->arena, spec->outputs, sizeof *f->init);
    if (!f->x || !f->init)
        return false;
    memcpy(f->x, spec->x, spec->n * sizeof *f->x);
    for (size_t j = 0; j < spec->outputs; j++)
        f->init[j] = spec->init ? spec->init[j] : 0;
    return true;
}

eng_plan_forest *eng_plan_forest_new(eng_plan_builder *b, const eng_plan_forest_spec *spec)
{
    if (b->failure.status < 0)
        return NULL;
    if (spec->n == 0 || spec->n > ENG_PLAN_COLUMNS || spec->width == 0 ||
        spec->width > spec->outputs || spec->outputs > ENG_PLAN_CLASSES) {
        eng_plan_fail(b, ENG_EMALFORMED, "trees of %zu columns with %zu values for %zu results",
                      spec->n, spec->width, spec->outputs);
        return NULL;
    }
    eng_plan_forest *f = eng_zalloc(sizeof *f);
    if (!f) {
        eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
        return NULL;
    }
    f->b = b;
    eng_buf *parts[] = {&f->slots,   &f->columns, &f->nodes,  &f->values,
                        &f->targets, &f->roots,   &f->depths, &f->sets};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        eng_buf_init(parts[i], PART_MAX);
    eng_map_init(&f->known);
    eng_arena_init(&f->arena, 4096, NULL);
    if (!copy_spec(f, spec)) {
        drop_forest(f);
        eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
        return NULL;
    }
    /* Slot 0 and node 0, a leaf of row 0, whose values are zeros: they make up the numbers. */
    eng_buf_bytes(&f->slots, &(eng_plan_slot){.kind = SLOT_LESS}, sizeof(eng_plan_slot));
    put_u32(&f->columns, f->x[0]);
    eng_buf_bytes(&f->nodes, &(loose){0}, sizeof(loose));
    for (size_t j = 0; j < spec->width; j++)
        eng_buf_bytes(&f->values, &(double){0}, sizeof(double));
    f->value_rows = 1;
    return f;
}

/* ---- Slots ---- */

static eng_plan_slot slot_of(const eng_plan_forest *f, const eng_plan_node *n)
{
    static const uint8_t kinds[2][2] = {{SLOT_PLAIN, SLOT_NAN_LOW}, {SLOT_ZERO_NAN, SLOT_ZERO_LOW}};
    eng_plan_slot s = {0};
    bool nan_left = (n->flags & ENG_PLAN_NAN_LEFT) != 0;
    if (n->flags & ENG_PLAN_CATEGORIES) {
        s.kind = n->flags & ENG_PLAN_SET_RIGHT ? SLOT_SET_RIGHT : SLOT_SET;
        s.nan_left = nan_left;
        s.words = n->set_words;
        s.arg = f->sets.len / sizeof(uint32_t);
        return s;
    }
    s.kind = kinds[(n->flags & ENG_PLAN_ZERO_IS_NAN) != 0][nan_left];
    if (n->flags & ENG_PLAN_NAN_IS_ZERO)
        s.kind = SLOT_NAN_ZERO;
    s.clip = (n->flags & ENG_PLAN_OR_EQUAL) && n->threshold == INFINITY;
    return s;
}

/* The number of the slot that holds what this node compares; 0: memory ran out. */
static uint32_t slot_for(eng_plan_forest *f, const eng_plan_node *n)
{
    eng_plan_slot s = slot_of(f, n);
    size_t set = n->flags & ENG_PLAN_CATEGORIES ? n->set_words * sizeof(uint32_t) : 0;
    unsigned char head[8] = {s.kind, s.clip, s.nan_left};
    char *key = eng_arena_alloc(&f->arena, sizeof head + set);
    if (!key)
        return 0;
    memcpy(head + 4, &n->feature, sizeof n->feature);
    memcpy(key, head, sizeof head);
    if (set)
        memcpy(key + sizeof head, n->set, set);
    void *found = eng_map_get(&f->known, (eng_str){key, sizeof head + set});
    if (found)
        return (uint32_t)(uintptr_t)found;
    size_t number = f->slots.len / sizeof s;
    if (eng_map_put(&f->known, (eng_str){key, sizeof head + set}, (void *)(uintptr_t)number, NULL,
                    NULL) < 0)
        return 0;
    eng_buf_bytes(&f->slots, &s, sizeof s);
    eng_buf_bytes(&f->sets, n->set, set);
    put_u32(&f->columns, f->x[n->feature]);
    return (uint32_t)number;
}

/* The threshold of x < t that parts as this node does. */
static double threshold_of(const eng_plan_forest *f, const eng_plan_node *n)
{
    double t = n->threshold;
    if (n->flags & ENG_PLAN_CATEGORIES)
        return 0;
    if (f->spec.float_in) {
        float near = (float)t;
        if (n->flags & ENG_PLAN_OR_EQUAL) {
            if (near > t)
                near = nextafterf(near, -INFINITY);
            near = nextafterf(near, INFINITY);
        } else if (near < t) {
            near = nextafterf(near, INFINITY);
        }
        t = near;
    } else if (n->flags & ENG_PLAN_OR_EQUAL) {
        t = nextafter(t, INFINITY);
    }
    /* -infinity stands for NaN that goes left, and has to be less. */
    return t == -INFINITY ? (f->spec.float_in ? (double)-FLT_MAX : -DBL_MAX) : t;
}

/* ---- A tree ---- */

static void bad_tree(eng_plan_forest *f, size_t node, const char *why)
{
    eng_plan_fail(f->b, ENG_EMALFORMED, "tree %zu, node %zu: %s", f->roots.len / sizeof(uint32_t),
                  node, why);
}

static bool sound(eng_plan_forest *f, const eng_plan_node *nodes, size_t count, size_t at,
                  size_t values)
{
    const eng_plan_node *n = &nodes[at];
    if (n->left == ENG_PLAN_LEAF) {
        if (n->right >= values)
            bad_tree(f, at, "a leaf without its values");
        return n->right < values;
    }
    if (n->left >= count || n->right >= count)
        bad_tree(f, at, "a child that does not exist");
    else if (n->feature >= f->spec.n)
        bad_tree(f, at, "a feature that does not exist");
    else if (isnan(n->threshold) && !(n->flags & ENG_PLAN_CATEGORIES))
        bad_tree(f, at, "a threshold that is no number");
    else if (n->flags & ENG_PLAN_CATEGORIES && n->set_words > 1 << 16)
        bad_tree(f, at, "too large a set of categories");
    else
        return true;
    return false;
}

/* By levels: `order` holds the nodes in the order in which they are placed, and grows while it is read.
 * A node that comes up twice has two parents, or is its own ancestor. */
static bool place(eng_plan_forest *f, const eng_plan_node *nodes, size_t count, size_t values,
                  uint32_t *order, uint8_t *seen)
{
    size_t placed = 1, depth = 0, level_ends = 1;
    order[0] = 0;
    seen[0] = 1;
    for (size_t i = 0; i < placed; i++) {
        if (i == level_ends) {
            level_ends = placed;
            depth++;
        }
        const eng_plan_node *n = &nodes[order[i]];
        if (!sound(f, nodes, count, order[i], values))
            return false;
        loose made = {0};
        if (n->left == ENG_PLAN_LEAF) {
            made.threshold = (double)(f->value_rows + n->right);
        } else {
            if (seen[n->left] || seen[n->right] || n->left == n->right) {
                bad_tree(f, order[i], "a child that another node has too");
                return false;
            }
            made = (loose){threshold_of(f, n), slot_for(f, n), (uint32_t)(placed - i)};
            if (made.slot == 0) {
                eng_plan_fail(f->b, ENG_ENOMEM, "a model: out of memory");
                return false;
            }
            seen[n->left] = seen[n->right] = 1;
            order[placed++] = n->left;
            order[placed++] = n->right;
            if (made.left > f->longest)
                f->longest = made.left;
        }
        eng_buf_bytes(&f->nodes, &made, sizeof made);
    }
    if (depth > ENG_PLAN_DEPTH)
        eng_plan_fail(f->b, ENG_ETOOBIG, "a tree of more than %d levels", ENG_PLAN_DEPTH);
    put_u32(&f->depths, depth);
    return true;
}

void eng_plan_forest_add(eng_plan_forest *f, const eng_plan_node *nodes, size_t count,
                         const double *values, size_t value_count, size_t target)
{
    if (!f || f->b->failure.status < 0)
        return;
    size_t at = f->nodes.len / sizeof(loose), numbers;
    if (count == 0 || count > INT32_MAX - at || value_count > INT32_MAX - f->value_rows ||
        target > f->spec.outputs - f->spec.width ||
        !eng_mul(value_count, f->spec.width, &numbers)) {
        eng_plan_fail(f->b, ENG_EMALFORMED, "tree %zu: %zu nodes, for result %zu",
                      f->roots.len / sizeof(uint32_t), count, target);
        return;
    }
    uint32_t *order = eng_alloc_array(count, sizeof *order);
    uint8_t *seen = eng_zalloc(count);
    if (!order || !seen)
        eng_plan_fail(f->b, ENG_ENOMEM, "a model: out of memory");
    else if (place(f, nodes, count, value_count, order, seen)) {
        eng_buf_bytes(&f->values, values, numbers * sizeof *values);
        f->value_rows += value_count;
        put_u32(&f->roots, at);
        put_u32(&f->targets, target);
    }
    eng_free(order);
    eng_free(seen);
}

/* ---- All of them ---- */

static size_t part(size_t *at, size_t n, size_t size)
{
    size_t here = (*at + ENG_CONTAINER_ALIGN - 1) / ENG_CONTAINER_ALIGN * ENG_CONTAINER_ALIGN;
    *at = here + n * size;
    return here;
}

static void *section(unsigned char *data, size_t at) { return data ? data + at : NULL; }

/* Counts are 32 bits and sizes small, so nothing here wraps but values * width, which is looked at. */
size_t eng_plan_forest_layout(const eng_plan_forest_head *h, unsigned char *data,
                              eng_plan_forest_view *v)
{
    size_t groups = ((size_t)h->trees + ENG_PLAN_GROUP - 1) / ENG_PLAN_GROUP;
    size_t padded = groups * ENG_PLAN_GROUP, values, at = sizeof *h;
    if (!eng_mul(h->values, h->width, &values) || values > SIZE_MAX / 64)
        return 0;
    v->head = *h;
    v->slots = section(data, part(&at, h->slots, sizeof *v->slots));
    v->init = section(data, part(&at, h->outputs, sizeof *v->init));
    v->values = section(data, part(&at, values, sizeof *v->values));
    v->roots = section(data, part(&at, padded, sizeof *v->roots));
    v->targets = section(data, part(&at, padded, sizeof *v->targets));
    v->steps = section(data, part(&at, groups, sizeof *v->steps));
    v->sets = section(data, part(&at, h->set_words, sizeof *v->sets));
    v->nodes = section(data, part(&at, (size_t)h->nodes + ENG_PLAN_BEYOND,
                                  h->wide ? sizeof(eng_plan_wide) : sizeof(eng_plan_narrow)));
    return at;
}

static void fill_nodes(const eng_plan_forest *f, eng_plan_forest_view *v)
{
    const loose *from = (const loose *)(const void *)f->nodes.data;
    for (size_t i = 0; i < (size_t)v->head.nodes + ENG_PLAN_BEYOND; i++) {
        loose n = i < v->head.nodes ? from[i] : (loose){0};
        uint64_t row = n.left ? 0 : (uint64_t)n.threshold;
        if (v->head.wide) {
            eng_plan_wide w = {n.threshold, n.slot, n.left};
            if (!n.left)
                memcpy(&w.threshold, &row, sizeof row);
            ((eng_plan_wide *)v->nodes)[i] = w;
        } else {
            eng_plan_narrow w = {(float)n.threshold, (uint16_t)n.slot, (uint16_t)n.left};
            if (!n.left)
                memcpy(&w.threshold, &row, sizeof w.threshold);
            ((eng_plan_narrow *)v->nodes)[i] = w;
        }
    }
}

static void copy(void *to, const eng_buf *from)
{
    if (from->len) /* a forest of no trees has none of them */
        memcpy(to, from->data, from->len);
}

static void fill(const eng_plan_forest *f, eng_plan_forest_view *v)
{
    const uint32_t *depths = (const uint32_t *)(const void *)f->depths.data;
    memcpy(v->init, f->init, f->spec.outputs * sizeof *f->init);
    copy(v->slots, &f->slots);
    copy(v->values, &f->values);
    copy(v->roots, &f->roots);
    copy(v->targets, &f->targets);
    copy(v->sets, &f->sets);
    for (size_t i = 0; i < v->head.trees; i++)
        if (depths[i] > v->steps[i / ENG_PLAN_GROUP])
            v->steps[i / ENG_PLAN_GROUP] = depths[i];
    fill_nodes(f, v);
}

static bool whole(eng_plan_forest *f)
{
    const eng_buf *parts[] = {&f->slots,   &f->columns, &f->nodes,  &f->values,
                              &f->targets, &f->roots,   &f->depths, &f->sets};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (f->b->failure.status < 0 ||
            eng_buf_check(parts[i], "trees of a model", &f->b->failure) < 0)
            return false;
    return true;
}

static uint32_t emit(eng_plan_forest *f)
{
    eng_plan_builder *b = f->b;
    size_t slots = f->slots.len / sizeof(eng_plan_slot), data = eng_plan_data(b);
    eng_plan_forest_head head = {
        .trees = (uint32_t)(f->roots.len / sizeof(uint32_t)),
        .slots = (uint32_t)slots,
        .nodes = (uint32_t)(f->nodes.len / sizeof(loose)),
        .values = (uint32_t)f->value_rows,
        .width = (uint32_t)f->spec.width,
        .outputs = (uint32_t)f->spec.outputs,
        .set_words = (uint32_t)(f->sets.len / sizeof(uint32_t)),
        .wide = !f->spec.float_in || slots > UINT16_MAX || f->longest > UINT16_MAX ||
                f->value_rows >= 0x7f000000, /* bits of a leaf are never those of a NaN */
        .float_sum = f->spec.float_sum,
        .init_last = f->spec.init_last,
        .float_in = f->spec.float_in,
    };
    eng_plan_forest_view v = {0};
    size_t size = eng_plan_forest_layout(&head, NULL, &v);
    char *room = size ? eng_buf_room(&b->data, size) : NULL;
    if (!room)
        return eng_plan_fail(b, ENG_ENOMEM, "trees of a model: out of memory");
    memset(room, 0, size);
    memcpy(room, &head, sizeof head);
    eng_plan_forest_layout(&head, (unsigned char *)room, &v);
    fill(f, &v);
    eng_buf_added(&b->data, size);
    return eng_plan_emit(b, (eng_plan_step){.code = OP_FOREST},
                         (const uint32_t *)(const void *)f->columns.data, slots, f->spec.outputs,
                         data);
}

uint32_t eng_plan_forest_end(eng_plan_forest *f)
{
    if (!f)
        return ENG_PLAN_NONE;
    uint32_t first = whole(f) ? emit(f) : ENG_PLAN_NONE;
    drop_forest(f);
    return first;
}
