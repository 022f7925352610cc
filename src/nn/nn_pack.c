/*
 * The packed file: a header of one page, then the block of weights as lay_out lays it out. It is
 * derived from the model's files, so whatever is wrong with it, it is made again.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "nn/nn_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, LAYOUT = 1, LINE = 64 };

static const char magic[16] = "engenho.pack\r\n\x1a";

typedef struct {
    char magic[16];
    uint32_t layout; /* of this file; of kern.h's panels */
    uint32_t precision;
    uint64_t fingerprint[2];
    uint64_t size; /* of the block */
    uint64_t checksum;
    uint64_t of_header; /* everything above */
} header;

/* ---- Layout ---- */

typedef struct {
    unsigned char *base;
    size_t at;
} cursor;

static void *place(cursor *c, size_t size)
{
    unsigned char *p = c->base ? c->base + c->at : NULL;
    c->at += (size + LINE - 1) / LINE * LINE;
    return p;
}

static float *place_floats(cursor *c, size_t n) { return place(c, n * sizeof(float)); }

static eng_nn_norm place_norm(cursor *c, size_t n)
{
    eng_nn_norm norm;
    norm.gain = place_floats(c, n);
    norm.shift = place_floats(c, n);
    return norm;
}

static eng_kern_matrix place_matrix(cursor *c, eng_nn_precision precision, size_t n, size_t k)
{
    eng_kern_matrix m = {.n = n, .k = k};
    size_t padded = eng_kern_pad(n);
    bool in_i8 = precision == ENG_NN_INT8;
    m.weights = place(c, in_i8 ? eng_kern_packed_i8(n, k) : eng_kern_packed_f32(n, k));
    m.bias = place_floats(c, padded);
    if (in_i8) {
        m.scale = place_floats(c, padded);
        m.sums = place_floats(c, padded);
    }
    return m;
}

/* The few small layers behind the encoder stay in f32: they cost nothing. */
static void place_head(cursor *at, const eng_nn_config *c, eng_nn_weights *w)
{
    if (c->scores) {
        w->head = place_matrix(at, ENG_NN_F32, c->hidden, c->hidden);
        w->labels = place_matrix(at, ENG_NN_F32, c->labels, c->hidden);
    }
    for (size_t i = 0; i < c->step_count; i++)
        if (c->steps[i].kind == ENG_NN_DENSE)
            w->dense[i] = place_matrix(at, ENG_NN_F32, c->steps[i].out, c->steps[i].in);
}

/* Sets the pointers for a block at `base`, and returns its size. With base NULL it only counts. */
static size_t lay_out(const eng_nn_config *c, unsigned char *base, eng_nn_weights *w)
{
    cursor at = {.base = base};
    eng_nn_precision precision = c->info.precision;
    size_t word = precision == ENG_NN_F32 ? sizeof(float) : sizeof(uint16_t);
    for (size_t i = 0; i < c->layers; i++) {
        eng_nn_layer *l = &w->layers[i];
        l->qkv = place_matrix(&at, precision, 3 * c->hidden, c->hidden);
        l->mix = place_matrix(&at, precision, c->hidden, c->hidden);
        l->up = place_matrix(&at, precision, c->inner, c->hidden);
        l->down = place_matrix(&at, precision, c->hidden, c->inner);
        l->after_mix = place_norm(&at, c->hidden);
        l->after_down = place_norm(&at, c->hidden);
    }
    w->embedded = place_norm(&at, c->hidden);
    w->places = place_floats(&at, c->positions * c->hidden);
    w->types = place_floats(&at, c->types * c->hidden);
    place_head(&at, c, w);
    w->words = place(&at, c->vocabulary * c->hidden * word);
    return at.at;
}

/* ---- Checksum ---- */

/* Any single change shows: each step is a bijection of its lane. Four lanes keep up with memory. */
static uint64_t checksum(const unsigned char *data, size_t len)
{
    const uint64_t by = 0x9E3779B97F4A7C15;
    uint64_t lane[4] = {len, 1, 2, 3}, word[4];
    for (; len >= sizeof word; data += sizeof word, len -= sizeof word) {
        memcpy(word, data, sizeof word);
        for (int i = 0; i < 4; i++) {
            lane[i] = (lane[i] ^ word[i]) * by;
            lane[i] ^= lane[i] >> 32;
        }
    }
    memset(word, 0, sizeof word);
    memcpy(word, data, len);
    uint64_t sum = 0;
    for (int i = 0; i < 4; i++) {
        sum = (sum ^ lane[i] ^ word[i]) * by;
        sum ^= sum >> 29;
    }
    return sum;
}

/* ---- Reading ---- */

static eng_status check(const header *h, const eng_mapping *file, const header *want,
                        eng_error *err)
{
    if (memcmp(h->magic, magic, sizeof magic) != 0 || h->layout != want->layout ||
        h->precision != want->precision || h->size != want->size ||
        memcmp(h->fingerprint, want->fingerprint, sizeof h->fingerprint) != 0)
        return eng_fail(err, ENG_EVERSION, "made of other weights or by another version");
    if (h->of_header != checksum((const unsigned char *)h, offsetof(header, of_header)) ||
        file->len != PAGE + h->size || checksum(file->data + PAGE, h->size) != h->checksum)
        return eng_fail(err, ENG_ECORRUPT, "damaged");
    return ENG_OK;
}

/* ENG_OK, or why it cannot be used. */
static eng_status map_packed(const char *path, const header *want, eng_mapping *out, eng_error *err)
{
    eng_mapping file;
    header h;
    eng_status status = eng_mapping_open(path, &file, err);
    if (status < 0)
        return status;
    if (file.len < PAGE) {
        status = eng_fail(err, ENG_ECORRUPT, "damaged");
    } else {
        memcpy(&h, file.data, sizeof h);
#ifdef MADV_POPULATE_READ
        /* All pages are about to be read: one call in place of a fault each. */
        (void)madvise((void *)(uintptr_t)file.data, file.len, MADV_POPULATE_READ);
#endif
        status = check(&h, &file, want, err);
    }
    if (status < 0)
        eng_mapping_close(&file);
    else
        *out = file;
    return status;
}

/* ---- Making ---- */

/* Header and block in one piece of memory, aligned to a line. */
static eng_status pack(eng_nn_model *m, const char *folder, const header *want, eng_error *err)
{
    m->memory = eng_zalloc(PAGE + want->size + LINE);
    if (!m->memory)
        return eng_fail_nomem(err);
    unsigned char *page = m->memory + (-(uintptr_t)m->memory & (LINE - 1));
    lay_out(&m->config, page + PAGE, &m->weights);
    eng_status status = eng_nn_read_weights(folder, &m->config, &m->weights, err);
    if (status < 0)
        return status;
    header h = *want;
    h.checksum = checksum(page + PAGE, h.size);
    h.of_header = checksum((const unsigned char *)&h, offsetof(header, of_header));
    memcpy(page, &h, sizeof h);
    return ENG_OK;
}

/* A model that was packed in memory moves into its file, to be shared. Not to be able to write it is
 * no failure: the disk may be full, the folder another's. */
static void move_to_file(eng_nn_model *m, const char *path, const header *want)
{
    const unsigned char *page = m->memory + (-(uintptr_t)m->memory & (LINE - 1));
    eng_str bytes = {(const char *)page, PAGE + want->size};
    if (eng_file_write(path, bytes, 0644, NULL) < 0)
        return;
    if (map_packed(path, want, &m->packed, NULL) < 0)
        return;
    eng_free(m->memory);
    m->memory = NULL;
}

eng_status eng_nn_load(eng_nn_model *m, const char *folder, bool no_cache, eng_error *err)
{
    header want = {.layout = LAYOUT, .precision = (uint32_t)m->config.info.precision};
    memcpy(want.magic, magic, sizeof magic);
    m->weights.layers = m->layers;
    want.size = lay_out(&m->config, NULL, &m->weights);

    char name[64];
    snprintf(name, sizeof name, "engenho-%s.pack",
             m->config.info.precision == ENG_NN_F32 ? "f32" : "int8");
    char *path = eng_path_join(folder, name);
    eng_status status = path ? ENG_OK : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = eng_nn_fingerprint(folder, &m->config, want.fingerprint, err);
    if (status < 0)
        goto done;
    if (no_cache || map_packed(path, &want, &m->packed, NULL) < 0) {
        status = pack(m, folder, &want, err);
        if (status == ENG_OK && !no_cache)
            move_to_file(m, path, &want);
    }
    if (m->packed.data)
        lay_out(&m->config, (unsigned char *)(uintptr_t)m->packed.data + PAGE, &m->weights);
    m->config.info.packed = m->packed.data != NULL;
done:
    eng_free(path);
    return status;
}
