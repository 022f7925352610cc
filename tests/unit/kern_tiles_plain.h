/*
 * AMX's instructions in plain C, as the manual describes them, in the place of src/kern/kern_tiles.h: so
 * that kern_amx.c runs on any processor that has AVX-512. What would be #GP fails the test.
 */
#ifndef ENG_KERN_TILES_H
#define ENG_KERN_TILES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

static struct {
    bool on;
    tile_config config;
    uint8_t tile[8][16][64];
} tiles;

static inline void tile_configure(const volatile tile_config *c)
{
    uint8_t bytes[sizeof(tile_config)];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = ((const volatile uint8_t *)c)[i];
    memset(&tiles, 0, sizeof tiles);
    memcpy(&tiles.config, bytes, sizeof bytes);
    assert_int_equal(sizeof(tile_config), 64);
    assert_int_equal(tiles.config.palette, 1);
    assert_int_equal(tiles.config.start_row, 0);
    for (int t = 0; t < 8; t++) {
        assert_in_range(tiles.config.row_bytes[t], 1, 64);
        assert_in_range(tiles.config.rows[t], 1, 16);
    }
    tiles.on = true;
}

static inline void tile_zero(int t)
{
    assert_true(tiles.on);
    memset(tiles.tile[t], 0, sizeof tiles.tile[t]);
}

static inline void tile_load(int t, const void *from, size_t stride)
{
    tile_zero(t);
    for (int r = 0; r < tiles.config.rows[t]; r++)
        memcpy(tiles.tile[t][r], (const uint8_t *)from + (size_t)r * stride,
               tiles.config.row_bytes[t]);
}

static inline void tile_store(int t, void *to, size_t stride)
{
    assert_true(tiles.on);
    for (int r = 0; r < tiles.config.rows[t]; r++)
        memcpy((uint8_t *)to + (size_t)r * stride, tiles.tile[t][r], tiles.config.row_bytes[t]);
}

/* TDPBUSD: sums[m][n] += the four products of bytes in x[m][k] (unsigned) and w[k][n] (signed). */
static inline void tile_dot(int sums, int x, int w)
{
    const tile_config *c = &tiles.config;
    assert_true(tiles.on);
    assert_int_equal(c->rows[sums], c->rows[x]);
    assert_int_equal(c->row_bytes[sums], c->row_bytes[w]);
    assert_int_equal(c->row_bytes[x], 4 * c->rows[w]);
    for (int m = 0; m < c->rows[sums]; m++)
        for (int n = 0; n < c->row_bytes[sums] / 4; n++) {
            int32_t sum;
            memcpy(&sum, &tiles.tile[sums][m][4 * n], sizeof sum);
            for (int k = 0; k < c->row_bytes[x]; k++)
                sum += tiles.tile[x][m][k] * (int8_t)tiles.tile[w][k / 4][4 * n + k % 4];
            memcpy(&tiles.tile[sums][m][4 * n], &sum, sizeof sum);
        }
}

#define TILE_CONFIGURE(config) tile_configure(&(config))
#define TILE_RELEASE() (tiles.on = false)
#define TILE_ZERO(t) tile_zero(t)
#define TILE_LOAD(t, from, stride) tile_load(t, from, stride)
#define TILE_STORE(t, to, stride) tile_store(t, to, stride)
#define TILE_DOT(sums, x, w) tile_dot(sums, x, w)

#endif
