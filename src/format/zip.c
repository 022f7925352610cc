/*
 * Zip archives. libzip reads the directory and unpacks; what it is told is checked here before anything
 * is unpacked, and what it unpacks is counted. Members that share their bytes (the flat bombs) are caught
 * by the ratio of all claims to the archive's own length.
 */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "base/map.h"
#include "base/utf8.h"
#include "format/format.h"

#include <zip.h>

enum { PIECE = 256 * 1024, RATIO_FREE = 1 << 20, NAME_MAX_BYTES = 1024 };

static const eng_zip_limits presets = {
    .members = 65536,
    .member_max = (uint64_t)8 << 30,
    .total_max = (uint64_t)32 << 30,
    .ratio_max = 200,
};

typedef struct {
    eng_zip_member member; /* first: what callers hold */
    zip_uint64_t index;    /* libzip's */
} entry;

struct eng_zip {
    zip_t *zip;
    eng_arena arena; /* entries, names */
    eng_map names;
    entry **entries;
    size_t count;
    eng_zip_limits limits;
    const char *what;
    eng_mapping file; /* of eng_zip_open */
};

/* ---- Errors ---- */

static eng_status fail_zip(eng_zip *z, const zip_error_t *why, const char *member, eng_error *err)
{
    char text[160];
    int code = zip_error_code_zip(why);
    zip_error_t copy;
    zip_error_init_with_code(&copy, code);
    snprintf(text, sizeof text, "%s", zip_error_strerror(&copy));
    zip_error_fini(&copy);
    if (text[0] >= 'A' && text[0] <= 'Z')
        text[0] = (char)(text[0] | 0x20);
    const char *colon = member ? ": " : "";
    member = member ? member : "";
    switch (code) {
    case ZIP_ER_MEMORY:
        return eng_fail_nomem(err);
    case ZIP_ER_COMPNOTSUPP:
    case ZIP_ER_ENCRNOTSUPP:
    case ZIP_ER_NOPASSWD:
    case ZIP_ER_WRONGPASSWD:
    case ZIP_ER_OPNOTSUPP:
        return eng_fail(err, ENG_EUNSUPPORTED, "'%s'%s%s: %s", z->what, colon, member, text);
    default:
        return eng_fail(err, ENG_EMALFORMED, "'%s'%s%s: %s", z->what, colon, member, text);
    }
}

/* ---- Opening ---- */

static bool is_plain_part(eng_str part)
{
    if (part.len == 0 || eng_str_eq(part, ENG_STR(".")) || eng_str_eq(part, ENG_STR("..")))
        return false;
    for (size_t i = 0; i < part.len; i++) {
        unsigned char c = (unsigned char)part.ptr[i];
        if (c < 0x20 || c == 0x7f || c == '\\')
            return false;
    }
    return true;
}

/* "C:" is a drive to some. */
static bool is_plain(eng_str name)
{
    eng_str part, rest = name;
    bool more = name.len > 0 && name.len <= NAME_MAX_BYTES && eng_utf8_valid(name) == name.len;
    if (!more || (name.len > 1 && name.ptr[1] == ':'))
        return false;
    while (more) {
        more = eng_str_cut(rest, '/', &part, &rest);
        if (!is_plain_part(part))
            return false;
    }
    return true;
}

static bool within_ratio(const eng_zip *z, uint64_t size, uint64_t packed)
{
    return size <= RATIO_FREE || packed >= size / z->limits.ratio_max;
}

static eng_status check_size(const eng_zip *z, const eng_zip_member *m, eng_error *err)
{
    if (m->size > z->limits.member_max)
        return eng_fail(err, ENG_ETOOBIG, "'%s': %s: %llu bytes, of which at most %llu are taken",
                        z->what, m->name.ptr, (unsigned long long)m->size,
                        (unsigned long long)z->limits.member_max);
    if (!within_ratio(z, m->size, m->packed))
        return eng_fail(
            err, ENG_ETOOBIG, "'%s': %s: %llu bytes unpacked out of %llu, which looks like a bomb",
            z->what, m->name.ptr, (unsigned long long)m->size, (unsigned long long)m->packed);
    return ENG_OK;
}

static eng_status add_member(eng_zip *z, zip_uint64_t index, eng_error *err)
{
    zip_stat_t st;
    if (zip_stat_index(z->zip, index, 0, &st) < 0)
        return fail_zip(z, zip_get_error(z->zip), NULL, err);
    eng_str name = eng_str_of(st.name ? st.name : "");
    bool folder = eng_str_ends(name, ENG_STR("/"));
    if (!is_plain(folder ? eng_str_sub(name, 0, name.len - 1) : name))
        return eng_fail(err, ENG_EINVALID, "'%s' holds '%.*s', which is no plain name", z->what,
                        ENG_FMT(eng_str_sub(name, 0, 128)));
    if (folder)
        return ENG_OK;
    entry *e = eng_arena_zalloc(&z->arena, sizeof *e);
    if (!e)
        return eng_fail_nomem(err);
    e->index = index;
    e->member = (eng_zip_member){
        .name = eng_arena_copy(&z->arena, name), .size = st.size, .packed = st.comp_size};
    if (!e->member.name.ptr)
        return eng_fail_nomem(err);
    if ((st.valid & (ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE)) != (ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE))
        return eng_fail(err, ENG_EMALFORMED, "'%s': %s: does not say how large it is", z->what,
                        e->member.name.ptr);
    if (eng_map_get(&z->names, e->member.name))
        return eng_fail(err, ENG_EINVALID, "'%s' holds '%.*s' twice", z->what,
                        ENG_FMT(eng_str_sub(name, 0, 128)));
    eng_status status = check_size(z, &e->member, err);
    if (status == ENG_OK)
        status = eng_map_put(&z->names, e->member.name, e, NULL, err);
    if (status == ENG_OK)
        z->entries[z->count++] = e;
    return status;
}

static eng_status add_members(eng_zip *z, uint64_t length, eng_error *err)
{
    zip_int64_t count = zip_get_num_entries(z->zip, 0);
    if (count < 0 || (uint64_t)count > z->limits.members)
        return eng_fail(err, ENG_ETOOBIG, "'%s' holds %lld members, of which at most %zu are taken",
                        z->what, (long long)count, z->limits.members);
    z->entries = eng_arena_array(&z->arena, (size_t)count, sizeof *z->entries);
    if (!z->entries)
        return eng_fail_nomem(err);
    uint64_t total = 0;
    for (zip_int64_t i = 0; i < count; i++) {
        size_t before = z->count;
        eng_status status = add_member(z, (zip_uint64_t)i, err);
        if (status < 0)
            return status;
        /* Each is at most member_max, so the sum does not wrap before it is too large. */
        total += z->count > before ? z->entries[before]->member.size : 0;
        if (total > z->limits.total_max || !within_ratio(z, total, length))
            return eng_fail(err, ENG_ETOOBIG, "'%s' unpacks to more than %llu bytes out of %llu",
                            z->what, (unsigned long long)total, (unsigned long long)length);
    }
    return ENG_OK;
}

static eng_status open_bytes(eng_zip *z, eng_str bytes, eng_error *err)
{
    /* libzip takes no bytes at all for an archive that is yet to be written. */
    if (bytes.len == 0)
        return eng_fail(err, ENG_EMALFORMED, "'%s': not a zip archive", z->what);
    zip_error_t why;
    zip_error_init(&why);
    zip_source_t *source = zip_source_buffer_create(bytes.ptr, bytes.len, 0, &why);
    if (source)
        z->zip = zip_open_from_source(source, ZIP_RDONLY, &why);
    eng_status status = z->zip ? ENG_OK : fail_zip(z, &why, NULL, err);
    if (!z->zip)
        zip_source_free(source);
    zip_error_fini(&why);
    return status < 0 ? status : add_members(z, bytes.len, err);
}

static void set_limits(eng_zip *z, const eng_zip_limits *given)
{
    z->limits = given ? *given : presets;
    z->limits.members = z->limits.members ? z->limits.members : presets.members;
    z->limits.member_max = z->limits.member_max ? z->limits.member_max : presets.member_max;
    z->limits.total_max = z->limits.total_max ? z->limits.total_max : presets.total_max;
    z->limits.ratio_max = z->limits.ratio_max ? z->limits.ratio_max : presets.ratio_max;
}

static eng_status zip_new(const char *what, const eng_zip_limits *limits, eng_zip **out,
                          eng_error *err)
{
    eng_zip *z = eng_zalloc(sizeof *z);
    if (!z)
        return eng_fail_nomem(err);
    eng_arena_init(&z->arena, 4096, NULL);
    eng_map_init(&z->names);
    set_limits(z, limits);
    z->what = eng_arena_copy(&z->arena, eng_str_of(what)).ptr;
    if (!z->what) {
        eng_zip_free(z);
        return eng_fail_nomem(err);
    }
    *out = z;
    return ENG_OK;
}

eng_status eng_zip_of(eng_str bytes, const char *what, const eng_zip_limits *limits, eng_zip **out,
                      eng_error *err)
{
    eng_zip *z = NULL;
    eng_status status = zip_new(what, limits, &z, err);
    if (status < 0)
        return status;
    status = open_bytes(z, bytes, err);
    if (status < 0)
        eng_zip_free(z);
    else
        *out = z;
    return status;
}

eng_status eng_zip_open(const char *path, const eng_zip_limits *limits, eng_zip **out,
                        eng_error *err)
{
    eng_zip *z = NULL;
    eng_status status = zip_new(path, limits, &z, err);
    if (status < 0)
        return status;
    status = eng_mapping_open(path, &z->file, err);
    if (status == ENG_OK)
        status = open_bytes(z, (eng_str){(const char *)z->file.data, z->file.len}, err);
    if (status < 0)
        eng_zip_free(z);
    else
        *out = z;
    return status;
}

void eng_zip_free(eng_zip *z)
{
    if (!z)
        return;
    if (z->zip)
        zip_discard(z->zip);
    eng_mapping_close(&z->file);
    eng_map_clear(&z->names);
    eng_arena_clear(&z->arena);
    eng_free(z);
}

/* ---- Looking and reading ---- */

size_t eng_zip_count(const eng_zip *z) { return z->count; }

const eng_zip_member *eng_zip_at(const eng_zip *z, size_t index)
{
    return &z->entries[index]->member;
}

const eng_zip_member *eng_zip_find(const eng_zip *z, eng_str name)
{
    const entry *e = eng_map_get(&z->names, name);
    return e ? &e->member : NULL;
}

static eng_status read_pieces(eng_zip *z, zip_file_t *file, const eng_zip_member *m, char *piece,
                              eng_zip_data *data, void *ctx, eng_error *err)
{
    uint64_t done = 0;
    for (;;) {
        zip_int64_t got = zip_fread(file, piece, PIECE);
        if (got < 0)
            return fail_zip(z, zip_file_get_error(file), m->name.ptr, err);
        done += (uint64_t)got;
        if (done > m->size || (got == 0 && done < m->size))
            return eng_fail(err, ENG_EMALFORMED,
                            "'%s': %s: unpacks to %s than the %llu bytes it claims", z->what,
                            m->name.ptr, done > m->size ? "more" : "less",
                            (unsigned long long)m->size);
        if (got == 0)
            return ENG_OK;
        eng_status status = data(ctx, (eng_str){piece, (size_t)got}, err);
        if (status < 0)
            return status;
    }
}

eng_status eng_zip_read(eng_zip *z, const eng_zip_member *member, eng_zip_data *data, void *ctx,
                        eng_error *err)
{
    const entry *e = (const entry *)(const void *)member;
    char *piece = eng_alloc(PIECE);
    if (!piece)
        return eng_fail_nomem(err);
    zip_file_t *file = zip_fopen_index(z->zip, e->index, 0);
    eng_status status = file ? read_pieces(z, file, member, piece, data, ctx, err)
                             : fail_zip(z, zip_get_error(z->zip), member->name.ptr, err);
    if (file)
        zip_fclose(file);
    eng_free(piece);
    return status;
}

static eng_status append(void *ctx, eng_str bytes, eng_error *err)
{
    eng_buf *out = ctx;
    eng_buf_str(out, bytes);
    return eng_buf_check(out, "member", err);
}

eng_status eng_zip_text(eng_zip *z, const eng_zip_member *member, eng_buf *out, eng_error *err)
{
    return eng_zip_read(z, member, append, out, err);
}
