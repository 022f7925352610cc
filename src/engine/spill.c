/*
 * Vectors between the encoder and the store. Few wait in memory; of many, those that came first lie in a
 * file without a name, from which the store's thread reads a window at a time. So a document of any
 * size costs no more memory than another, and is still put in one transaction.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/map.h"
#include "engine/knowledge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    BATCH = 64, /* texts of one call of the encoder: between two, it is asked who still waits */
    STEP = 64,  /* passages whose texts are made at a time */
    READ = 256, /* vectors */
    HELD_MOST = 16 << 20 /* bytes */
};

/* Before a vector's floats. */
typedef struct {
    uint64_t passage;
    uint64_t start, end;
    uint64_t kind;
} head;

static size_t record_size(const eng_spill *s) { return sizeof(head) + s->dim * sizeof(float); }

void eng_spill_init(eng_spill *s, eng *e, const eng_rag_encoder *encoder)
{
    *s = (eng_spill){.e = e, .encoder = encoder, .dim = encoder->dim, .fd = -1};
    eng_arena_init(&s->arena, 1 << 14, NULL);
    eng_buf_init(&s->held, 2 * (size_t)HELD_MOST);
}

void eng_spill_clear(eng_spill *s)
{
    if (s->fd >= 0)
        close(s->fd);
    eng_arena_clear(&s->arena);
    eng_buf_clear(&s->held);
    eng_free(s->window);
    *s = (eng_spill){.fd = -1};
}

/* ---- Writing ---- */

static eng_status make_file(eng_spill *s, eng_error *err)
{
    char *path = eng_path_join(s->e->data, ENG_DATA_TMP "/vectors-XXXXXX");
    if (!path)
        return eng_fail_nomem(err);
    s->fd = mkostemp(path, O_CLOEXEC);
    eng_status status = s->fd < 0 ? eng_fail_errno(err, errno, "cannot make '%s'", path) : ENG_OK;
    if (s->fd >= 0)
        unlink(path);
    eng_free(path);
    return status;
}

static eng_status write_held(eng_spill *s, eng_error *err)
{
    eng_status status = eng_buf_check(&s->held, "vectors", err);
    if (status == ENG_OK && s->fd < 0)
        status = make_file(s, err);
    if (status == ENG_OK)
        status = eng_fd_write(s->fd, s->held.data, s->held.len, "a file of vectors", err);
    if (status < 0)
        return status;
    s->written += s->held.len / record_size(s);
    eng_buf_reset(&s->held);
    return ENG_OK;
}

/* One vector, which is that of the unit. */
static void keep(eng_spill *s, const eng_draft_unit *unit, const float *vector)
{
    head h = {.passage = unit->passage,
              .start = unit->start,
              .end = unit->end,
              .kind = unit->sentence ? ENG_VECTOR_SENTENCE : ENG_VECTOR_PASSAGE};
    eng_buf_bytes(&s->held, &h, sizeof h);
    eng_buf_bytes(&s->held, vector, s->dim * sizeof *vector);
}

/* Moves texts that are there already out of the way, and notes for each which of those left it is. */
static eng_status find_equal(eng_str *texts, size_t count, size_t *which, size_t *distinct,
                             eng_error *err)
{
    eng_map seen;
    eng_status status = ENG_OK;
    eng_map_init(&seen);
    *distinct = 0;
    for (size_t i = 0; i < count && status == ENG_OK; i++) {
        uintptr_t before = (uintptr_t)eng_map_get(&seen, texts[i]);
        which[i] = before ? before - 1 : *distinct;
        if (before)
            continue;
        texts[*distinct] = texts[i];
        status = eng_map_put(&seen, texts[i], (void *)(uintptr_t)++ * distinct, NULL, err);
    }
    eng_map_clear(&seen);
    return status < 0 ? status : ENG_OK;
}

static eng_status encode_all(eng_spill *s, const eng_str *texts, size_t count, float *out,
                             eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t at = 0; status == ENG_OK && at < count; at += BATCH) {
        size_t n = count - at < BATCH ? count - at : BATCH;
        status = s->stopped && s->stopped(s->ctx)
                     ? eng_fail(err, ENG_ECANCELLED, "cancelled")
                     : s->encoder->encode(s->encoder->ctx, texts + at, n, false, out + at * s->dim,
                                          err);
    }
    return status;
}

/* What waits for the encoder, each text once: what passages overlap in, and what pages repeat, comes
 * often. */
static eng_status encode_waiting(eng_spill *s, eng_error *err)
{
    size_t distinct = 0, count = s->waiting;
    eng_str *texts = eng_arena_array(&s->arena, count + 1, sizeof *texts);
    size_t *which = eng_arena_array(&s->arena, count + 1, sizeof *which);
    float *vectors = NULL;
    s->waiting = 0;
    if (!texts || !which)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count; i++)
        texts[i] = s->units[i].text;
    eng_status status = find_equal(texts, count, which, &distinct, err);
    if (status == ENG_OK && !(vectors = eng_alloc_array(distinct * s->dim + 1, sizeof *vectors)))
        status = eng_fail_nomem(err);
    if (status == ENG_OK)
        status = encode_all(s, texts, distinct, vectors, err);
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        keep(s, &s->units[i], vectors + which[i] * s->dim);
        if (s->held.len > HELD_MOST)
            status = write_held(s, err);
    }
    eng_free(vectors);
    return status < 0 ? status : eng_buf_check(&s->held, "vectors", err);
}

/* Their texts lie in the arena until all that wait are encoded. */
static eng_status take_units(eng_spill *s, const eng_draft *part, size_t first, eng_error *err)
{
    eng_draft_unit *units = NULL;
    size_t count = 0;
    eng_status status = eng_draft_units(part, s->encoder, &s->arena, &units, &count, err);
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        if (s->waiting == ENG_SPILL_UNITS)
            status = encode_waiting(s, err);
        if (status < 0)
            break;
        s->units[s->waiting] = units[i];
        s->units[s->waiting++].passage += first;
        s->count++;
    }
    return status;
}

eng_status eng_spill_add(eng_spill *s, const eng_draft *d, size_t *count, eng_error *err)
{
    size_t before = s->count;
    eng_status status = ENG_OK;
    for (size_t at = 0; status == ENG_OK && at < d->passage_count; at += STEP) {
        eng_draft part = *d;
        part.passages += at;
        part.passage_count = d->passage_count - at < STEP ? d->passage_count - at : STEP;
        status = take_units(s, &part, at, err);
        if (status == ENG_OK && s->waiting > ENG_SPILL_UNITS / 2) {
            status = encode_waiting(s, err);
            eng_arena_reset(&s->arena);
        }
    }
    *count = s->count - before;
    return status;
}

eng_status eng_spill_end(eng_spill *s, eng_error *err)
{
    eng_status status = s->waiting ? encode_waiting(s, err) : ENG_OK;
    eng_arena_clear(&s->arena);
    return status;
}

/* ---- Reading ---- */

static eng_status read_file(const eng_spill *s, char *out, size_t len, size_t at, eng_error *err)
{
    while (len) {
        ssize_t got = pread(s->fd, out, len, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return eng_fail_errno(err, got < 0 ? errno : EIO, "cannot read a file of vectors");
        out += got;
        at += (size_t)got;
        len -= (size_t)got;
    }
    return ENG_OK;
}

/* An allocation for both: what the store reads, and the bytes that it points to. */
static eng_status make_window(eng_spill *s, eng_error *err)
{
    if (!s->window)
        s->window = eng_alloc_array(READ, sizeof *s->window + record_size(s));
    return s->window ? ENG_OK : eng_fail_nomem(err);
}

/* eng_store_parts.read of a document whose vectors are those from part->first on. */
static eng_status read_some(void *ctx, size_t at, const eng_store_vector **out, size_t *count,
                            eng_error *err)
{
    const eng_spill_part *part = ctx;
    eng_spill *s = part->spill;
    size_t size = record_size(s), from = part->first + at, n = part->count - at;
    eng_status status = make_window(s, err);
    if (status < 0)
        return status;
    char *bytes = (char *)(s->window + READ);
    n = n < READ ? n : READ;
    if (from < s->written) {
        n = n < s->written - from ? n : s->written - from;
        status = read_file(s, bytes, n * size, from * size, err);
    } else {
        bytes = s->held.data + (from - s->written) * size;
    }
    for (size_t i = 0; status == ENG_OK && i < n; i++) {
        head h;
        memcpy(&h, bytes + i * size, sizeof h);
        s->window[i] = (eng_store_vector){
            .passage = (int64_t)h.passage,
            .kind = (uint32_t)h.kind,
            .start = h.start,
            .end = h.end,
            .data = (const float *)(const void *)(bytes + i * size + sizeof h)};
    }
    *out = s->window;
    *count = n;
    return status;
}

eng_status eng_spill_parts(eng_spill *s, const eng_draft *d, size_t first, size_t count,
                           eng_arena *arena, eng_store_parts *out, eng_error *err)
{
    eng_store_passage *passages = eng_arena_array(arena, d->passage_count + 1, sizeof *passages);
    eng_spill_part *part = eng_arena_alloc(arena, sizeof *part);
    if (!passages || !part)
        return eng_fail_nomem(err);
    *part = (eng_spill_part){.spill = s, .first = first, .count = count};
    for (size_t i = 0; i < d->passage_count; i++) {
        const eng_passage *p = &d->passages[i];
        passages[i] = (eng_store_passage){.kind = p->kind,
                                          .start = p->start,
                                          .end = p->end,
                                          .tokens = p->units,
                                          .heading = p->heading.len ? p->heading
                                                                    : (eng_str){NULL, 0}};
    }
    *out = (eng_store_parts){.passages = passages,
                             .passage_count = d->passage_count,
                             .vector_count = count,
                             .read = read_some,
                             .ctx = part};
    return ENG_OK;
}
