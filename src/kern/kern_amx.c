/*
 * Int8 products by AMX: a tile of activations (16 rows, 64 inputs) with a tile of weights (64 inputs,
 * 16 outputs), which the panels hold as tiles want them. Two by two of them, so that each that is loaded
 * is used twice.
 *
 *     tmm0..3   sums: rows 0-15 and 16-31, outputs 0-15 and 16-31
 *     tmm4, 5   activations       tmm6, 7   weights
 *
 * The configuration is volatile: gcc 12 has dropped the stores that fill it.
 */
#include "kern/kern_internal.h"
#include "kern/kern_tiles.h"

#ifdef ENG_KERN_X86

enum { TILE_ROWS = 16, DEEP = 64 };

/* The activations' tiles have as many rows as there are: what lies behind them is not read. */
static void configure(size_t upper, size_t lower)
{
    volatile tile_config c = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        c.row_bytes[i] = DEEP;
        c.rows[i] = TILE_ROWS;
    }
    c.rows[0] = c.rows[1] = c.rows[4] = (uint8_t)upper;
    c.rows[2] = c.rows[3] = c.rows[5] = (uint8_t)(lower ? lower : 1);
    TILE_CONFIGURE(c);
}

enum { W_STRIDE = 4 * ENG_KERN_PANEL, SUM_STRIDE = ENG_KERN_PANEL * 4 };

/* 32 outputs of up to 32 rows: sums[row][output of the panel]. */
static void two_by_two(const int8_t *w, const uint8_t *x, size_t k, int32_t *sums)
{
    const uint8_t *below = x + TILE_ROWS * k;
    size_t w_stride = W_STRIDE, sum_stride = SUM_STRIDE;
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    for (size_t t = 0; t < k; t += DEEP) {
        const int8_t *from = w + t * ENG_KERN_PANEL;
        TILE_LOAD(4, x + t, k);
        TILE_LOAD(6, from, w_stride);
        TILE_LOAD(7, from + DEEP, w_stride);
        TILE_DOT(0, 4, 6);
        TILE_DOT(1, 4, 7);
        TILE_LOAD(5, below + t, k);
        TILE_DOT(2, 5, 6);
        TILE_DOT(3, 5, 7);
    }
    TILE_STORE(0, sums, sum_stride);
    TILE_STORE(1, sums + 16, sum_stride);
    TILE_STORE(2, sums + TILE_ROWS * ENG_KERN_PANEL, sum_stride);
    TILE_STORE(3, sums + TILE_ROWS * ENG_KERN_PANEL + 16, sum_stride);
}

/* The same of up to 16 rows. */
static void one_by_two(const int8_t *w, const uint8_t *x, size_t k, int32_t *sums)
{
    size_t w_stride = W_STRIDE, sum_stride = SUM_STRIDE;
    TILE_ZERO(0);
    TILE_ZERO(1);
    for (size_t t = 0; t < k; t += DEEP) {
        const int8_t *from = w + t * ENG_KERN_PANEL;
        TILE_LOAD(4, x + t, k);
        TILE_LOAD(6, from, w_stride);
        TILE_LOAD(7, from + DEEP, w_stride);
        TILE_DOT(0, 4, 6);
        TILE_DOT(1, 4, 7);
    }
    TILE_STORE(0, sums, sum_stride);
    TILE_STORE(1, sums + 16, sum_stride);
}

/* All outputs of up to 32 rows. */
static void rows_of(const eng_kern_matrix *w, const uint8_t *x, const eng_kern_row *rows, size_t m,
                    const eng_kern_out *out)
{
    _Alignas(64) int32_t sums[2 * TILE_ROWS * ENG_KERN_PANEL];
    size_t k = eng_kern_pad(w->k);
    for (size_t o = 0; o < eng_kern_pad(w->n); o += ENG_KERN_PANEL) {
        const int8_t *panel = (const int8_t *)w->weights + o * k;
        for (size_t half = 0; half < 2; half++) {
            if (m > TILE_ROWS)
                two_by_two(panel + half * 128, x, k, sums + half * 32);
            else
                one_by_two(panel + half * 128, x, k, sums + half * 32);
        }
        eng_kern_avx512_finish(w, o, sums, rows, m, out);
    }
}

void eng_kern_amx_linear_i8(const eng_kern_matrix *w, const uint8_t *x, const eng_kern_row *rows,
                            size_t m, const eng_kern_out *out)
{
    size_t k = eng_kern_pad(w->k), configured = 0;
    for (size_t r = 0, now; r < m; r += now) {
        now = m - r < 2 * TILE_ROWS ? m - r : 2 * TILE_ROWS;
        if (now != configured)
            configure(now < TILE_ROWS ? now : TILE_ROWS, now < TILE_ROWS ? 0 : now - TILE_ROWS);
        configured = now;
        eng_kern_out part = {out->y + r * out->stride, out->stride, out->then};
        rows_of(w, x + r * k, rows + r, now, &part);
    }
    TILE_RELEASE();
}

#endif
