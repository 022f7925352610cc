/*
 * Building the double array: depth first over sorted keys. A node's children get the first place where
 * all their labels fit and that no other node has; only the last blocks are searched, because older
 * ones are full but for holes that hardly ever fit (as darts-clone does it). So building takes time in
 * proportion to the nodes.
 */
#include "text/token_internal.h"

#include "base/check.h"
#include "base/error.h"

enum { BLOCK = 256, OPEN_BLOCKS = 16 };

/* A node whose children are still to be placed: keys low to high are all alike in `depth` bytes. */
typedef struct {
    uint32_t node;
    uint32_t low;
    uint32_t high;
    uint32_t depth;
} task;

/* Free units form a ring, `next` and `prev` by unit; `taken` says which offsets some node has. */
typedef struct {
    eng_trie *trie;
    const eng_trie_entry *keys;
    uint32_t *next;
    uint32_t *prev;
    uint8_t *taken;
    size_t cap;
    uint32_t head; /* a free unit; 0: there is none */
    size_t closed; /* units before this one are no longer looked at */
    task *tasks;
    size_t task_count;
    size_t task_cap;
} builder;

static bool is_used(const builder *b, uint32_t unit) { return b->trie->units[unit].tag & 0x100; }

static void take_unit(builder *b, uint32_t unit)
{
    uint32_t next = b->next[unit], prev = b->prev[unit];
    b->next[prev] = next;
    b->prev[next] = prev;
    if (b->head == unit)
        b->head = next == unit ? 0 : next;
}

static void free_unit(builder *b, uint32_t unit)
{
    uint32_t head = b->head ? b->head : unit;
    uint32_t tail = b->head ? b->prev[head] : unit;
    b->next[tail] = unit;
    b->prev[unit] = tail;
    b->next[unit] = head;
    b->prev[head] = unit;
    b->head = head;
}

static bool resize(void **items, size_t count, size_t size)
{
    size_t bytes;
    void *grown = eng_mul(count, size, &bytes) ? eng_realloc(*items, bytes) : NULL;
    if (grown)
        *items = grown;
    return grown != NULL;
}

static bool grow(builder *b)
{
    size_t cap = b->cap ? b->cap * 2 : (size_t)BLOCK * 16;
    if (!resize((void **)&b->trie->units, cap, sizeof *b->trie->units) ||
        !resize((void **)&b->next, cap, sizeof *b->next) ||
        !resize((void **)&b->prev, cap, sizeof *b->prev) ||
        !resize((void **)&b->taken, cap, sizeof *b->taken))
        return false;
    b->cap = cap;
    return true;
}

/* 256 more units. The oldest open block closes: its free units leave the ring. */
static bool add_block(builder *b)
{
    size_t from = b->trie->count;
    if (from + BLOCK > b->cap && !grow(b))
        return false;
    memset(b->trie->units + from, 0, BLOCK * sizeof *b->trie->units);
    memset(b->taken + from, 0, BLOCK);
    b->trie->count += BLOCK;
    /* Unit 0 is the root. Its own number is no offset for anybody, since 0 says "no children". */
    for (size_t i = from + (from == 0); i < b->trie->count; i++)
        free_unit(b, (uint32_t)i);
    if (b->trie->count - b->closed > (size_t)BLOCK * OPEN_BLOCKS) {
        for (size_t i = b->closed; i < b->closed + BLOCK; i++) {
            if (i > 0 && !is_used(b, (uint32_t)i))
                take_unit(b, (uint32_t)i);
        }
        b->closed += BLOCK;
    }
    return true;
}

static bool fits(const builder *b, uint32_t offset, const unsigned char *labels, size_t count)
{
    if (offset == 0 || b->taken[offset])
        return false;
    for (size_t i = 0; i < count; i++) {
        if (is_used(b, offset ^ labels[i]) || (offset ^ labels[i]) == 0)
            return false;
    }
    return true;
}

/* An offset under which all labels are free; 0: memory ran out. */
static uint32_t find_offset(builder *b, const unsigned char *labels, size_t count)
{
    uint32_t unit = b->head;
    if (unit) {
        do {
            uint32_t offset = unit ^ labels[0];
            if (fits(b, offset, labels, count))
                return offset;
            unit = b->next[unit];
        } while (unit != b->head);
    }
    /* A fresh block has room for anything. */
    uint32_t fresh = (uint32_t)b->trie->count;
    return add_block(b) ? fresh : 0;
}

static bool push_task(builder *b, task t)
{
    if (b->task_count == b->task_cap) {
        size_t cap = b->task_cap ? b->task_cap * 2 : 256;
        if (!resize((void **)&b->tasks, cap, sizeof *b->tasks))
            return false;
        b->task_cap = cap;
    }
    b->tasks[b->task_count++] = t;
    return true;
}

static unsigned char label_at(const builder *b, uint32_t key, uint32_t depth)
{
    return (unsigned char)b->keys[key].key.ptr[depth];
}

/* Where the keys from `low` on stop having the label that low has. */
static uint32_t same_label(const builder *b, uint32_t low, uint32_t high, uint32_t depth)
{
    unsigned char label = label_at(b, low, depth);
    while (low < high && label_at(b, low, depth) == label)
        low++;
    return low;
}

static bool place_children(builder *b, task t)
{
    unsigned char labels[256];
    size_t count = 0;
    /* The shortest key comes first: it ends here. */
    if (t.depth && b->keys[t.low].key.len == t.depth) {
        b->trie->units[t.node].tag |= (b->keys[t.low].value + 1) << 9;
        t.low++;
    }
    for (uint32_t i = t.low; i < t.high; i = same_label(b, i, t.high, t.depth))
        labels[count++] = label_at(b, i, t.depth);
    if (count == 0)
        return true;

    uint32_t offset = find_offset(b, labels, count);
    if (offset == 0)
        return false;
    b->taken[offset] = 1;
    b->trie->units[t.node].next = offset;
    for (size_t i = 0; i < count; i++) {
        uint32_t unit = offset ^ labels[i];
        take_unit(b, unit);
        b->trie->units[unit].tag = 0x100u | labels[i];
    }
    for (uint32_t i = t.low; i < t.high;) {
        uint32_t end = same_label(b, i, t.high, t.depth);
        task child = {offset ^ label_at(b, i, t.depth), i, end, t.depth + 1};
        if (!push_task(b, child))
            return false;
        i = end;
    }
    return true;
}

/* ---- Sorting: quicksort byte by byte, three ways ---- */

static unsigned byte_at(const eng_trie_entry *e, size_t depth)
{
    return depth < e->key.len ? (unsigned char)e->key.ptr[depth] + 1u : 0;
}

static void swap(eng_trie_entry *a, eng_trie_entry *b)
{
    eng_trie_entry kept = *a;
    *a = *b;
    *b = kept;
}

static unsigned middle_byte(const eng_trie_entry *e, size_t count, size_t depth)
{
    unsigned a = byte_at(e, depth), b = byte_at(e + count / 2, depth);
    unsigned c = byte_at(e + count - 1, depth);
    return a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
}

/* Entries that are alike in `depth` bytes. The largest third is gone on with, not called for, so that
 * calls are never deep, whatever the keys are. */
static void sort_entries(eng_trie_entry *e, size_t count, size_t depth)
{
    while (count > 1) {
        unsigned pivot = middle_byte(e, count, depth);
        size_t less = 0, more = count;
        for (size_t i = 0; i < more;) {
            unsigned byte = byte_at(&e[i], depth);
            if (byte < pivot)
                swap(&e[i++], &e[less++]);
            else if (byte > pivot)
                swap(&e[i], &e[--more]);
            else
                i++;
        }
        /* Where the key ends, those that are alike are equal. */
        size_t same = pivot ? more - less : 0, above = count - more;
        if (same >= less && same >= above) {
            sort_entries(e, less, depth);
            sort_entries(e + more, above, depth);
            e += less;
            count = same;
            depth++;
            continue;
        }
        sort_entries(e + less, same, depth + 1);
        sort_entries(less < above ? e : e + more, less < above ? less : above, depth);
        e += less < above ? more : 0;
        count = less < above ? above : less;
    }
}

/* Of equal keys one stays, with the largest value. */
static size_t drop_repeated(eng_trie_entry *entries, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept && eng_str_eq(entries[kept - 1].key, entries[i].key)) {
            if (entries[i].value > entries[kept - 1].value)
                entries[kept - 1].value = entries[i].value;
            continue;
        }
        entries[kept++] = entries[i];
    }
    return kept;
}

eng_status eng_trie_build(eng_trie *t, eng_trie_entry *entries, size_t count, eng_error *err)
{
    *t = (eng_trie){0};
    sort_entries(entries, count, 0);
    count = drop_repeated(entries, count);

    builder b = {.trie = t, .keys = entries};
    bool ok = add_block(&b) && (count == 0 || push_task(&b, (task){0, 0, (uint32_t)count, 0}));
    while (ok && b.task_count)
        ok = place_children(&b, b.tasks[--b.task_count]);
    eng_free(b.next);
    eng_free(b.prev);
    eng_free(b.taken);
    eng_free(b.tasks);
    if (!ok) {
        eng_trie_clear(t);
        return eng_fail_nomem(err);
    }
    return ENG_OK;
}

void eng_trie_clear(eng_trie *t)
{
    eng_free(t->units);
    *t = (eng_trie){0};
}

uint32_t eng_trie_find(const eng_trie *t, eng_str key)
{
    uint32_t node = 0;
    for (size_t i = 0; i < key.len; i++) {
        node = eng_trie_step(t, node, (unsigned char)key.ptr[i]);
        if (node == 0)
            return ENG_TOK_NONE;
    }
    return key.len ? eng_trie_value(t, node) : ENG_TOK_NONE;
}
