/*
 * The instructions of AMX that kern_amx.c uses, one by one. They stand apart so that the kernel's test can
 * put into their place what the manual says they do, and run the kernel where no processor has them.
 */
#ifndef ENG_KERN_TILES_H
#define ENG_KERN_TILES_H

#include <stdint.h>

/* As LDTILECFG reads it. */
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

#define TILE_CONFIGURE(config) __asm__ volatile("ldtilecfg %0" : : "m"(config) : "memory")
#define TILE_RELEASE() __asm__ volatile("tilerelease" : : :)
#define TILE_ZERO(t) __asm__ volatile("tilezero %%tmm" #t : : :)
#define TILE_LOAD(t, from, stride)                                                                 \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t : : "r"(from), "r"(stride) : "memory")
#define TILE_STORE(t, to, stride)                                                                  \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" : : "r"(to), "r"(stride) : "memory")
/* sums += activations (unsigned) * weights (signed) */
#define TILE_DOT(sums, x, w) __asm__ volatile("tdpbusd %%tmm" #w ", %%tmm" #x ", %%tmm" #sums : : :)

#endif
