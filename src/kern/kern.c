/* Which variant runs here: what the processor says it can, and what the kernel lets it. */
#include "kern/kern.h"

#include "base/error.h"
#include "base/str.h"
#include "kern/kern_internal.h"

#include <stdlib.h>

#ifdef ENG_KERN_X86
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* Set by eng_kern_init before any thread (style.md, 21). */
static const eng_kern *chosen = &eng_kern_generic;

static const eng_kern *const variants[] = {
    &eng_kern_generic,
#ifdef ENG_KERN_X86
    &eng_kern_avx2,       &eng_kern_avx2vnni, &eng_kern_avx512vnni,
    &eng_kern_avx512bf16, &eng_kern_amx,
#endif
};

enum { VARIANTS = sizeof variants / sizeof variants[0] };

#ifdef ENG_KERN_X86

/* ---- CPUID ---- */

typedef struct {
    unsigned a, b, c, d;
} leaf;

static leaf ask(unsigned number, unsigned part)
{
    leaf l = {0};
    if (!__get_cpuid_count(number, part, &l.a, &l.b, &l.c, &l.d))
        l = (leaf){0};
    return l;
}

/* Which registers the kernel saves: bits of XCR0. */
static uint64_t saved_registers(void)
{
    unsigned low, high;
    if (!(ask(1, 0).c & bit_OSXSAVE))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

enum { SAVED_YMM = 0x6, SAVED_ZMM = 0xe6, SAVED_TILES = 0x60000 };

static bool all(unsigned has, unsigned wanted) { return (has & wanted) == wanted; }

static bool can_avx2(uint64_t saved)
{
    leaf one = ask(1, 0), seven = ask(7, 0);
    return (saved & SAVED_YMM) == SAVED_YMM && all(one.c, bit_AVX | bit_FMA | bit_F16C) &&
           all(seven.b, bit_AVX2 | bit_BMI2);
}

static bool can_avx512(uint64_t saved)
{
    leaf seven = ask(7, 0);
    return can_avx2(saved) && (saved & SAVED_ZMM) == SAVED_ZMM &&
           all(seven.b, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL) &&
           all(seven.c, bit_AVX512VNNI | bit_AVX512VBMI | bit_AVX512VPOPCNTDQ);
}

/* Tiles are asked of the kernel, once a process. */
static bool can_tiles(uint64_t saved)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 };
    enum { AMX_TILE = 1U << 24, AMX_INT8 = 1U << 25 };
    return (saved & SAVED_TILES) == SAVED_TILES && all(ask(7, 0).d, AMX_TILE | AMX_INT8) &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
}

bool eng_kern_can_run(const eng_kern *k)
{
    enum { AVX_VNNI = 1U << 4, AVX512_BF16 = 1U << 5 }; /* leaf 7.1, eax */
    uint64_t saved = saved_registers();
    if (k == &eng_kern_avx2)
        return can_avx2(saved);
    if (k == &eng_kern_avx2vnni)
        return can_avx2(saved) && all(ask(7, 1).a, AVX_VNNI);
    if (k == &eng_kern_avx512vnni)
        return can_avx512(saved);
    if (k == &eng_kern_avx512bf16)
        return can_avx512(saved) && all(ask(7, 1).a, AVX512_BF16);
    if (k == &eng_kern_amx)
        return can_avx512(saved) && can_tiles(saved);
    return true;
}

/* Intel's VDPBF16PS takes twice the time of an FMA: there it would be a trap. */
static bool is_fast_here(const eng_kern *k)
{
    leaf vendor = ask(0, 0);
    return k != &eng_kern_avx512bf16 || vendor.b == signature_AMD_ebx;
}

#else

bool eng_kern_can_run(const eng_kern *k)
{
    (void)k;
    return true;
}

static bool is_fast_here(const eng_kern *k)
{
    (void)k;
    return true;
}

#endif

/* ---- Choosing ---- */

const eng_kern *eng_kern_at(size_t i) { return i < VARIANTS ? variants[i] : NULL; }

const eng_kern *eng_kern_get(void) { return chosen; }

static eng_status choose_by_name(eng_str name, eng_error *err)
{
    for (size_t i = 0; i < VARIANTS; i++) {
        if (!eng_str_eq(name, eng_str_of(variants[i]->name)))
            continue;
        if (!eng_kern_can_run(variants[i]))
            return eng_fail(err, ENG_EUNSUPPORTED, "ENGENHO_CPU: this processor cannot run '%.*s'",
                            ENG_FMT(name));
        chosen = variants[i];
        return ENG_OK;
    }
    return eng_fail(err, ENG_EUSAGE,
                    "ENGENHO_CPU: '%.*s': expected generic, avx2, avx2vnni, avx512vnni, avx512bf16 "
                    "or amx",
                    ENG_FMT(name));
}

eng_status eng_kern_init(eng_error *err)
{
    const char *name = getenv("ENGENHO_CPU");
    if (name && *name)
        return choose_by_name(eng_str_of(name), err);
    for (size_t i = VARIANTS; i-- > 0;) {
        if (eng_kern_can_run(variants[i]) && is_fast_here(variants[i])) {
            chosen = variants[i];
            break;
        }
    }
    return ENG_OK;
}
