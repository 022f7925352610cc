/*
 * What a backup holds, as its manifest.json says:
 *
 *     {"format":"engenho backup","version":1,"engenho":"0.1.0","store":2,"made":"2026-...Z",
 *      "files":[{"path":"engenho.db","size":8192,"sha256":"..."}, ...]}
 *
 * A manifest that is read is a stranger's: of paths, only those that a backup writes are taken.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "engine/engine_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANIFEST_VERSION = 1, BLOCK = 256 * 1024 };

/* A million files. */
#define MANIFEST_MAX ((size_t)256 << 20)

static const char format_name[] = "engenho backup";

/* ---- Building ---- */

eng_status eng_manifest_add(eng_manifest *m, eng_arena *arena, eng_str path, uint64_t size,
                            eng_error *err)
{
    if (m->count == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 16;
        eng_backup_file *files = eng_arena_array(arena, cap, sizeof *files);
        if (!files)
            return eng_fail_nomem(err);
        if (m->count)
            memcpy(files, m->files, m->count * sizeof *files);
        m->files = files;
        m->cap = cap;
    }
    eng_backup_file *file = &m->files[m->count];
    *file = (eng_backup_file){.path = eng_arena_copy(arena, path), .size = size};
    if (!file->path.ptr)
        return eng_fail_nomem(err);
    m->count++;
    return ENG_OK;
}

uint64_t eng_manifest_bytes(const eng_manifest *m)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < m->count; i++)
        sum += m->files[i].size;
    return sum;
}

/* ---- Writing ---- */

static void write_file(eng_json_writer *w, const eng_backup_file *file)
{
    char hex[2 * ENG_SHA256_SIZE + 1];
    eng_json_open(w, '{');
    eng_json_member(w, "path", file->path);
    eng_json_name(w, ENG_STR("size"));
    eng_json_uint(w, file->size);
    sodium_bin2hex(hex, sizeof hex, file->sha256, sizeof file->sha256);
    eng_json_member(w, "sha256", eng_str_of(hex));
    eng_json_close(w, '}');
}

static void write_manifest(eng_buf *out, const eng_manifest *m)
{
    char now[ENG_TIME_SIZE];
    eng_time_format(eng_clock_wall_ms(), now);
    eng_json_writer w = eng_json_write_to(out);
    eng_json_open(&w, '{');
    eng_json_member(&w, "format", eng_str_of(format_name));
    eng_json_name(&w, ENG_STR("version"));
    eng_json_int(&w, MANIFEST_VERSION);
    eng_json_member(&w, "engenho", ENG_STR(ENG_VERSION));
    eng_json_name(&w, ENG_STR("store"));
    eng_json_int(&w, ENG_STORE_VERSION);
    eng_json_member(&w, "made", eng_str_of(now));
    eng_json_name(&w, ENG_STR("files"));
    eng_json_open(&w, '[');
    for (size_t i = 0; i < m->count; i++)
        write_file(&w, &m->files[i]);
    eng_json_close(&w, ']');
    eng_json_close(&w, '}');
    eng_buf_byte(out, '\n');
}

eng_status eng_manifest_write(const char *dir, const eng_manifest *m, eng_error *err)
{
    eng_buf text;
    eng_buf_init(&text, MANIFEST_MAX);
    char *path = eng_path_join(dir, ENG_BACKUP_MANIFEST);
    eng_status status = path ? ENG_OK : eng_fail_nomem(err);
    if (status == ENG_OK) {
        write_manifest(&text, m);
        status = eng_buf_check(&text, path, err);
    }
    if (status == ENG_OK)
        status = eng_file_write(path, eng_buf_view(&text), 0600, err);
    eng_buf_clear(&text);
    eng_free(path);
    return status;
}

/* ---- Reading ---- */

/* No part is empty, "." or "..", and no NUL makes the path another one for the kernel. */
static bool is_plain(eng_str path)
{
    eng_str part, rest = path;
    bool more = !memchr(path.ptr, '\0', path.len);
    if (!more)
        return false;
    while (more) {
        more = eng_str_cut(rest, '/', &part, &rest);
        if (part.len == 0 || eng_str_eq(part, ENG_STR(".")) || eng_str_eq(part, ENG_STR("..")))
            return false;
    }
    return true;
}

static bool is_ours(eng_str path)
{
    return eng_str_eq(path, ENG_STR(ENG_DATA_DB)) || eng_str_eq(path, ENG_STR(ENG_DATA_SECRET)) ||
           ((eng_str_starts(path, ENG_STR("models/")) ||
             eng_str_starts(path, ENG_STR("history/"))) &&
            is_plain(path));
}

static eng_status read_file(const eng_json *v, eng_arena *arena, eng_manifest *m, eng_error *err)
{
    eng_str path = eng_json_text(eng_json_get(v, ENG_STR("path")));
    eng_str hex = eng_json_text(eng_json_get(v, ENG_STR("sha256")));
    const eng_json *size = eng_json_get(v, ENG_STR("size"));
    if (!is_ours(path))
        return eng_fail(err, ENG_ECORRUPT, "names '%.*s', which is no file of a backup",
                        ENG_FMT(eng_str_sub(path, 0, 128)));
    if (!eng_json_is(size, ENG_JSON_INT) || size->as.integer < 0)
        return eng_fail(err, ENG_ECORRUPT, "does not say how large '%s' is", path.ptr);
    eng_status status = eng_manifest_add(m, arena, path, (uint64_t)size->as.integer, err);
    if (status < 0)
        return status;
    size_t len = 0;
    eng_backup_file *file = &m->files[m->count - 1];
    if (hex.len != 2 * ENG_SHA256_SIZE ||
        sodium_hex2bin(file->sha256, sizeof file->sha256, hex.ptr, hex.len, NULL, &len, NULL) !=
            0 ||
        len != ENG_SHA256_SIZE)
        return eng_fail(err, ENG_ECORRUPT, "has no checksum of '%s'", path.ptr);
    return ENG_OK;
}

static eng_status check_version(const eng_json *v, eng_error *err)
{
    const eng_json *version = eng_json_get(v, ENG_STR("version"));
    const eng_json *store = eng_json_get(v, ENG_STR("store"));
    if (!eng_str_eq(eng_json_text(eng_json_get(v, ENG_STR("format"))), eng_str_of(format_name)) ||
        !eng_json_is(version, ENG_JSON_INT) || !eng_json_is(store, ENG_JSON_INT))
        return eng_fail(err, ENG_ECORRUPT, "not the manifest of a backup");
    if (version->as.integer > MANIFEST_VERSION || store->as.integer > ENG_STORE_VERSION)
        return eng_fail(
            err, ENG_EVERSION, "made by a newer engenho (%.*s) than this (" ENG_VERSION ")",
            ENG_FMT(eng_str_sub(eng_json_text(eng_json_get(v, ENG_STR("engenho"))), 0, 32)));
    return ENG_OK;
}

static eng_status take_manifest(eng_str text, eng_arena *arena, eng_manifest *out, eng_error *err)
{
    const eng_json *v = NULL;
    bool db = false;
    eng_status status = eng_json_read(text, NULL, arena, &v, err);
    if (status == ENG_OK)
        status = check_version(v, err);
    const eng_json *files = eng_json_get(v, ENG_STR("files"));
    for (size_t i = 0; status == ENG_OK && i < eng_json_count(files); i++) {
        status = read_file(eng_json_at(files, i), arena, out, err);
        if (status == ENG_OK)
            db = db || eng_str_eq(out->files[i].path, ENG_STR(ENG_DATA_DB));
    }
    if (status == ENG_OK && !db)
        status = eng_fail(err, ENG_ECORRUPT, "names no " ENG_DATA_DB);
    return status;
}

eng_status eng_manifest_read(const char *dir, eng_arena *arena, eng_manifest *out, eng_error *err)
{
    eng_buf text;
    eng_buf_init(&text, MANIFEST_MAX);
    char *path = eng_path_join(dir, ENG_BACKUP_MANIFEST);
    if (!path)
        return eng_fail_nomem(err);
    eng_manifest m = {0};
    eng_status status = eng_file_read(path, MANIFEST_MAX, &text, err);
    if (status == ENG_OK) {
        status = take_manifest(eng_buf_view(&text), arena, &m, err);
        if (status < 0)
            eng_error_prefix(err, "'%s'", path);
        /* What we wrote was JSON. */
        if (status == ENG_EMALFORMED || status == ENG_ETRUNCATED) {
            status = ENG_ECORRUPT;
            if (err)
                err->status = status;
        }
    }
    eng_buf_clear(&text);
    eng_free(path);
    if (status == ENG_OK)
        *out = m;
    return status;
}

/* ---- Copying ---- */

typedef struct {
    int in;
    int out; /* -1: none */
    const char *from;
    const char *to;
    eng_copy_progress *progress;
    void *ctx;
} copying;

static eng_status copy_blocks(const copying *c, char *block, eng_backup_file *file, eng_error *err)
{
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    uint64_t size = 0;
    for (;;) {
        ssize_t got = read(c->in, block, BLOCK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return eng_fail_errno(err, errno, "cannot read '%s'", c->from);
        if (got == 0)
            break;
        crypto_hash_sha256_update(&state, (const unsigned char *)block, (size_t)got);
        size += (uint64_t)got;
        eng_status status = ENG_OK;
        if (c->out >= 0)
            status = eng_fd_write(c->out, block, (size_t)got, c->to, err);
        if (status == ENG_OK && c->progress && !c->progress(c->ctx, (uint64_t)got))
            status = eng_fail(err, ENG_ECANCELLED, "cancelled");
        if (status < 0)
            return status;
    }
    crypto_hash_sha256_final(&state, file->sha256);
    file->size = size;
    return ENG_OK;
}

static eng_status open_in(copying *c, eng_error *err)
{
    struct stat st;
    /* What is no file is not waited for. */
    c->in = open(c->from, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (c->in < 0)
        return eng_fail_errno(err, errno, "cannot open '%s'", c->from);
    if (fstat(c->in, &st) < 0 || !S_ISREG(st.st_mode))
        return eng_fail(err, ENG_ECORRUPT, "'%s' is not a regular file", c->from);
    return ENG_OK;
}

static eng_status open_out(copying *c, eng_error *err)
{
    char *parent = eng_data_parent(c->to);
    eng_status status = parent ? eng_dir_make(parent, 0700, err) : eng_fail_nomem(err);
    eng_free(parent);
    if (status < 0)
        return status;
    c->out = open(c->to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return c->out < 0 ? eng_fail_errno(err, errno, "cannot make '%s'", c->to) : ENG_OK;
}

static eng_status close_out(const copying *c, eng_status status, eng_error *err)
{
    if (c->out < 0)
        return status;
    if (status == ENG_OK && fsync(c->out) < 0)
        status = eng_fail_errno(err, errno, "cannot sync '%s'", c->to);
    if (close(c->out) < 0 && status == ENG_OK)
        status = eng_fail_errno(err, errno, "cannot write '%s'", c->to);
    return status;
}

eng_status eng_copy_hashed(const char *from, const char *to, eng_backup_file *file,
                           eng_copy_progress *progress, void *ctx, eng_error *err)
{
    char *source = eng_path_join(from, file->path.ptr);
    char *target = to ? eng_path_join(to, file->path.ptr) : NULL;
    char *block = eng_alloc(BLOCK);
    copying c = {-1, -1, source, target, progress, ctx};
    eng_status status = ENG_OK;
    if (!source || !block || (to && !target))
        status = eng_fail_nomem(err);
    if (status == ENG_OK)
        status = open_in(&c, err);
    if (status == ENG_OK && to)
        status = open_out(&c, err);
    if (status == ENG_OK)
        status = copy_blocks(&c, block, file, err);
    status = close_out(&c, status, err);
    if (c.in >= 0)
        close(c.in);
    eng_free(block);
    eng_free(source);
    eng_free(target);
    return status;
}
