/*
 * Models on disk: what there is, where its files are, how it comes and goes.
 *
 * A manifest is written after all files that it names, and removed before them. Files are removed with
 * the lock held that publishing takes too, so that a file that two models share, or that a pull has
 * just brought, is not taken from under one of them.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "engine/model_internal.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANIFEST_VERSION = 1, MANIFEST_MAX = 1 << 20, ID_MAX = 200, MODELS_MAX = 10000 };

static const char format_name[] = "engenho model";
static const char suffix[] = ".json";

const char *eng_model_type_name(eng_model_type kind)
{
    return kind == ENG_MODEL_RERANKER ? "reranker" : "encoder";
}

/* ---- Opening ---- */

static eng_status models_new(eng_models **out, eng_error *err)
{
    eng_models *m = eng_zalloc(sizeof *m);
    if (!m)
        return eng_fail_nomem(err);
    pthread_mutex_init(&m->lock, NULL);
    *out = m;
    return ENG_OK;
}

static eng_status shared_new(const char *dir, eng_models **out, eng_error *err)
{
    eng_models *m = NULL;
    eng_status status = models_new(&m, err);
    if (status < 0)
        return status;
    m->names = eng_path_join(dir, "names");
    m->files = eng_path_join(dir, "files");
    m->opened = eng_path_join(dir, ENG_DATA_OPENED);
    m->link = "../../files";
    *out = m;
    return m->names && m->files && m->opened ? ENG_OK : eng_fail_nomem(err);
}

eng_status eng_models_open(const char *data, const char *shared, eng_models **out, eng_error *err)
{
    eng_models *m = NULL;
    eng_status status = models_new(&m, err);
    if (status < 0)
        return status;
    m->names = eng_path_join(data, ENG_DATA_MODELS "/names");
    m->files = eng_path_join(data, ENG_DATA_MODELS "/files");
    m->incoming = eng_path_join(data, ENG_DATA_INCOMING);
    m->opened = eng_path_join(data, ENG_DATA_OPENED);
    m->link = "../../" ENG_DATA_MODELS "/files";
    if (!m->names || !m->files || !m->incoming || !m->opened)
        status = eng_fail_nomem(err);
    if (status == ENG_OK && shared)
        status = shared_new(shared, &m->shared, err);
    if (status < 0)
        eng_models_close(m);
    else
        *out = m;
    return status;
}

void eng_models_close(eng_models *m)
{
    if (!m)
        return;
    eng_models_close(m->shared);
    pthread_mutex_destroy(&m->lock);
    eng_free(m->names);
    eng_free(m->files);
    eng_free(m->incoming);
    eng_free(m->opened);
    eng_free(m);
}

/* ---- Places ---- */

bool eng_model_id_plain(eng_str id)
{
    static const char more[] = "._-";
    size_t slashes = 0;
    bool first = true; /* of a part */
    if (id.len == 0 || id.len > ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (c == '/' && !first && ++slashes == 1) {
            first = true;
            continue;
        }
        if (!word && (first || !c || !strchr(more, c)))
            return false;
        first = false;
    }
    return !first;
}

char *eng_models_path(const eng_models *m, const unsigned char sha256[ENG_SHA256_SIZE])
{
    char hex[ENG_HEX_SIZE];
    sodium_bin2hex(hex, sizeof hex, sha256, ENG_SHA256_SIZE);
    return eng_path_join(m->files, hex);
}

bool eng_models_has(const eng_models *m, const unsigned char sha256[ENG_SHA256_SIZE], uint64_t size)
{
    struct stat st;
    char hex[ENG_HEX_SIZE], path[PATH_MAX];
    sodium_bin2hex(hex, sizeof hex, sha256, ENG_SHA256_SIZE);
    int len = snprintf(path, sizeof path, "%s/%s", m->files, hex);
    return len < PATH_MAX && stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
           (uint64_t)st.st_size == size;
}

/* DATA/models/names/org--name.json. An id holds no "--" of which a slash could be made twice: where two
 * ids would share a name, the manifest's own id tells them apart, and the later one replaces the first. */
static char *manifest_path(const eng_models *m, eng_str id)
{
    eng_buf name;
    eng_buf_init(&name, 2 * ID_MAX);
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] == '/')
            eng_buf_str(&name, ENG_STR("--"));
        else
            eng_buf_byte(&name, id.ptr[i]);
    }
    eng_buf_str(&name, eng_str_of(suffix));
    char *path = name.failed ? NULL : eng_path_join(m->names, name.data);
    eng_buf_clear(&name);
    return path;
}

/* ---- Writing a manifest ---- */

static void write_file(eng_json_writer *w, const eng_backup_file *file)
{
    char hex[ENG_HEX_SIZE];
    eng_json_open(w, '{');
    eng_json_member(w, "path", file->path);
    eng_json_name(w, ENG_STR("size"));
    eng_json_uint(w, file->size);
    sodium_bin2hex(hex, sizeof hex, file->sha256, sizeof file->sha256);
    eng_json_member(w, "sha256", eng_str_of(hex));
    eng_json_close(w, '}');
}

static void write_record(eng_buf *out, const eng_model_record *r)
{
    char when[ENG_TIME_SIZE];
    eng_time_format(r->pulled_ms, when);
    eng_json_writer w = eng_json_write_to(out);
    eng_json_open(&w, '{');
    eng_json_member(&w, "format", eng_str_of(format_name));
    eng_json_name(&w, ENG_STR("version"));
    eng_json_int(&w, MANIFEST_VERSION);
    eng_json_member(&w, "id", r->id);
    eng_json_member(&w, "kind", eng_str_of(eng_model_type_name(r->kind)));
    eng_json_member(&w, "architecture", r->architecture);
    eng_json_member(&w, "revision", r->revision);
    eng_json_member(&w, "source", r->source);
    eng_json_member(&w, "pulled", eng_str_of(when));
    eng_json_name(&w, ENG_STR("files"));
    eng_json_open(&w, '[');
    for (size_t i = 0; i < r->files.count; i++)
        write_file(&w, &r->files.files[i]);
    eng_json_close(&w, ']');
    eng_json_close(&w, '}');
    eng_buf_byte(out, '\n');
}

static eng_status publish_locked(eng_models *m, const eng_model_record *r, eng_error *err)
{
    for (size_t i = 0; i < r->files.count; i++)
        if (!eng_models_has(m, r->files.files[i].sha256, r->files.files[i].size))
            return eng_fail(err, ENG_ECONFLICT, "%s was removed while the model was pulled",
                            r->files.files[i].path.ptr);
    eng_buf text;
    eng_buf_init(&text, MANIFEST_MAX);
    char *path = manifest_path(m, r->id);
    eng_status status = path ? eng_dir_make(m->names, 0700, err) : eng_fail_nomem(err);
    if (status == ENG_OK) {
        write_record(&text, r);
        status = eng_buf_check(&text, path, err);
    }
    if (status == ENG_OK)
        status = eng_file_write(path, eng_buf_view(&text), 0600, err);
    eng_buf_clear(&text);
    eng_free(path);
    return status;
}

eng_status eng_models_publish(eng_models *m, const eng_model_record *record, eng_error *err)
{
    pthread_mutex_lock(&m->lock);
    eng_status status = publish_locked(m, record, err);
    atomic_fetch_add(&m->changes, 1);
    pthread_mutex_unlock(&m->lock);
    return status;
}

/* ---- Reading one ---- */

static eng_status take_file(const eng_json *v, eng_arena *arena, eng_manifest *files,
                            eng_error *err)
{
    eng_str path = eng_json_text(eng_json_get(v, ENG_STR("path")));
    eng_str hex = eng_json_text(eng_json_get(v, ENG_STR("sha256")));
    const eng_json *size = eng_json_get(v, ENG_STR("size"));
    size_t len = 0;
    if (path.len == 0 || !eng_json_is(size, ENG_JSON_INT) || size->as.integer < 0)
        return eng_fail(err, ENG_ECORRUPT, "names a file without its path or size");
    eng_status status = eng_manifest_add(files, arena, path, (uint64_t)size->as.integer, err);
    if (status < 0)
        return status;
    eng_backup_file *file = &files->files[files->count - 1];
    if (hex.len != 2 * ENG_SHA256_SIZE ||
        sodium_hex2bin(file->sha256, sizeof file->sha256, hex.ptr, hex.len, NULL, &len, NULL) !=
            0 ||
        len != ENG_SHA256_SIZE)
        return eng_fail(err, ENG_ECORRUPT, "has no checksum of '%s'", path.ptr);
    return ENG_OK;
}

static eng_status take_record(eng_str text, eng_arena *arena, eng_model_record *out, eng_error *err)
{
    const eng_json *v = NULL;
    if (eng_json_read(text, NULL, arena, &v, err) < 0)
        return eng_fail(err, ENG_ECORRUPT, "is damaged");
    const eng_json *version = eng_json_get(v, ENG_STR("version"));
    if (!eng_str_eq(eng_json_text(eng_json_get(v, ENG_STR("format"))), eng_str_of(format_name)) ||
        !eng_json_is(version, ENG_JSON_INT))
        return eng_fail(err, ENG_ECORRUPT, "is no manifest of a model");
    if (version->as.integer > MANIFEST_VERSION)
        return eng_fail(err, ENG_EVERSION, "was written by a newer engenho");
    eng_model_record r = {
        .id = eng_json_text(eng_json_get(v, ENG_STR("id"))),
        .architecture = eng_json_text(eng_json_get(v, ENG_STR("architecture"))),
        .revision = eng_json_text(eng_json_get(v, ENG_STR("revision"))),
        .source = eng_json_text(eng_json_get(v, ENG_STR("source"))),
    };
    eng_str kind = eng_json_text(eng_json_get(v, ENG_STR("kind")));
    r.kind = eng_str_eq(kind, ENG_STR("reranker")) ? ENG_MODEL_RERANKER : ENG_MODEL_ENCODER;
    if (!eng_model_id_plain(r.id))
        return eng_fail(err, ENG_ECORRUPT, "does not say whose it is");
    if (!eng_time_parse(eng_json_text(eng_json_get(v, ENG_STR("pulled"))), &r.pulled_ms))
        r.pulled_ms = 0;
    const eng_json *files = eng_json_get(v, ENG_STR("files"));
    eng_status status = ENG_OK;
    for (size_t i = 0; i < eng_json_count(files) && status == ENG_OK; i++)
        status = take_file(eng_json_at(files, i), arena, &r.files, err);
    if (status == ENG_OK)
        *out = r;
    return status;
}

static eng_status read_record(const char *path, eng_arena *arena, eng_model_record *out,
                              eng_error *err)
{
    eng_buf text;
    eng_buf_init(&text, MANIFEST_MAX);
    eng_status status = eng_file_read(path, MANIFEST_MAX, &text, err);
    if (status == ENG_OK) {
        status = take_record(eng_buf_view(&text), arena, out, err);
        if (status < 0)
            eng_error_prefix(err, "'%s'", path);
    }
    eng_buf_clear(&text);
    return status;
}

/* ---- Finding ---- */

static int by_id(const void *a, const void *b)
{
    const eng_model_record *x = a, *y = b;
    return eng_str_cmp(x->id, y->id);
}

static eng_status read_entry(eng_models *m, const char *name, eng_arena *arena,
                             eng_model_record *out, eng_error *err)
{
    char *path = eng_path_join(m->names, name);
    if (!path)
        return eng_fail_nomem(err);
    eng_status status = read_record(path, arena, out, err);
    out->home = m;
    eng_free(path);
    return status;
}

typedef struct {
    eng_model_record *items;
    size_t count;
    size_t cap;
} records;

static eng_status grow(records *r, eng_arena *arena, eng_error *err)
{
    if (r->count < r->cap)
        return ENG_OK;
    size_t cap = r->cap ? 2 * r->cap : 16;
    eng_model_record *items = eng_arena_array(arena, cap, sizeof *items);
    if (!items)
        return eng_fail_nomem(err);
    if (r->count)
        memcpy(items, r->items, r->count * sizeof *items);
    r->items = items;
    r->cap = cap;
    return ENG_OK;
}

static bool has_id(const records *r, eng_str id)
{
    for (size_t i = 0; i < r->count; i++)
        if (eng_str_eq(r->items[i].id, id))
            return true;
    return false;
}

static eng_status add_all(eng_models *m, eng_arena *arena, records *r, eng_error *err)
{
    DIR *dir = opendir(m->names);
    if (!dir && errno == ENOENT)
        return ENG_OK;
    if (!dir)
        return eng_fail_errno(err, errno, "cannot open '%s'", m->names);
    eng_status status = ENG_OK;
    for (const char *name; status == ENG_OK && (name = eng_data_next(dir)) != NULL;) {
        if (!eng_str_ends(eng_str_of(name), eng_str_of(suffix)) || r->count >= MODELS_MAX)
            continue;
        status = grow(r, arena, err);
        if (status == ENG_OK)
            status = read_entry(m, name, arena, &r->items[r->count], err);
        if (status == ENG_OK)
            r->count += !has_id(r, r->items[r->count].id);
        /* Removed since the folder was read. */
        else if (status == ENG_ENOTFOUND)
            status = ENG_OK;
    }
    closedir(dir);
    return status;
}

eng_status eng_models_all(eng_models *m, eng_arena *arena, eng_model_record **out, size_t *count,
                          eng_error *err)
{
    records r = {0};
    eng_status status = add_all(m, arena, &r, err);
    if (status == ENG_OK && m->shared)
        status = add_all(m->shared, arena, &r, err);
    if (status < 0)
        return status;
    if (r.count)
        qsort(r.items, r.count, sizeof *r.items, by_id);
    *out = r.items;
    *count = r.count;
    return ENG_OK;
}

static eng_status find_id(eng_models *m, eng_str id, eng_arena *arena, eng_model_record *out,
                          eng_error *err)
{
    char *path = manifest_path(m, id);
    if (!path)
        return eng_fail_nomem(err);
    eng_status status = read_record(path, arena, out, err);
    out->home = m;
    eng_free(path);
    return status == ENG_ENOTFOUND && m->shared ? find_id(m->shared, id, arena, out, err) : status;
}

static eng_str behind_slash(eng_str id)
{
    eng_str org, name;
    return eng_str_cut(id, '/', &org, &name) ? name : id;
}

/* The one whose id ends in it, or, for "default" where the catalogue's is not there, the first encoder. */
static eng_status find_among(eng_models *m, eng_str name, bool preset, eng_arena *arena,
                             eng_model_record *out, eng_error *err)
{
    size_t count = 0, found = SIZE_MAX;
    eng_model_record *all = NULL;
    eng_status status = eng_models_all(m, arena, &all, &count, err);
    for (size_t i = 0; i < count && status == ENG_OK; i++) {
        bool match = preset ? all[i].kind == ENG_MODEL_ENCODER
                            : eng_str_eq_nocase(behind_slash(all[i].id), name) ||
                                  eng_str_eq_nocase(all[i].id, name);
        if (!match || (preset && found != SIZE_MAX))
            continue;
        if (found != SIZE_MAX)
            return eng_fail(err, ENG_EINVALID, "'%.*s' may be '%s' or '%s'", ENG_FMT(name),
                            all[found].id.ptr, all[i].id.ptr);
        found = i;
    }
    if (status < 0)
        return status;
    if (found == SIZE_MAX)
        return eng_fail(err, ENG_ENOTFOUND, "not there");
    *out = all[found];
    return ENG_OK;
}

static eng_status not_found(eng_str name, const eng_known_model *known, eng_error *err)
{
    eng_str shown = eng_str_sub(name, 0, 128);
    if (known || memchr(name.ptr, '/', name.len))
        return eng_fail(err, ENG_ENOTFOUND, "no model '%.*s' here: 'engenho pull %s' gets it",
                        ENG_FMT(shown), known ? known->entry.id : shown.ptr);
    return eng_fail(err, ENG_ENOTFOUND, "no model '%.*s'", ENG_FMT(shown));
}

eng_status eng_models_find(eng_models *m, eng_str name, eng_arena *arena, eng_model_record *out,
                           eng_error *err)
{
    bool preset = eng_str_eq(name, ENG_STR("default"));
    if (eng_str_ends(name, ENG_STR(":latest")))
        name.len -= 7;
    const eng_known_model *known = preset ? eng_known_find(eng_str_of(eng_catalogue(0)->id))
                                          : eng_known_find(name);
    eng_status status = ENG_ENOTFOUND;
    if (known)
        status = find_id(m, eng_str_of(known->entry.id), arena, out, err);
    else if (eng_model_id_plain(name))
        status = find_id(m, name, arena, out, err);
    if (status == ENG_ENOTFOUND)
        status = find_among(m, name, preset, arena, out, err);
    return status == ENG_ENOTFOUND ? not_found(name, known, err) : status;
}

/* ---- Removing ---- */

/* A file's name is the checksum of its content. */
static bool is_named(const eng_model_record *all, size_t count, const char *name)
{
    char hex[ENG_HEX_SIZE];
    for (size_t i = 0; i < count; i++)
        for (size_t f = 0; f < all[i].files.count; f++) {
            sodium_bin2hex(hex, sizeof hex, all[i].files.files[f].sha256, ENG_SHA256_SIZE);
            if (strcmp(hex, name) == 0)
                return true;
        }
    return false;
}

static eng_status remove_locked(eng_models *m, const eng_model_record *r, eng_arena *arena,
                                eng_error *err)
{
    eng_model_record *left = NULL;
    size_t count = 0;
    char *path = manifest_path(m, r->id);
    if (!path)
        return eng_fail_nomem(err);
    eng_status status = ENG_OK;
    if (unlink(path) < 0)
        status = eng_fail_errno(err, errno, "cannot remove '%s'", path);
    eng_free(path);
    if (status == ENG_OK)
        status = eng_dir_sync(m->names, err);
    if (status == ENG_OK)
        status = eng_models_all(m, arena, &left, &count, err);
    for (size_t i = 0; i < r->files.count && status == ENG_OK; i++) {
        char hex[ENG_HEX_SIZE];
        sodium_bin2hex(hex, sizeof hex, r->files.files[i].sha256, ENG_SHA256_SIZE);
        char *file = is_named(left, count, hex) ? NULL : eng_path_join(m->files, hex);
        if (file && unlink(file) < 0 && errno != ENOENT)
            status = eng_fail_errno(err, errno, "cannot remove '%s'", file);
        eng_free(file);
    }
    return status < 0 ? status : eng_models_folder_remove(m, r, err);
}

eng_status eng_models_remove(eng_models *m, eng_str name, eng_error *err)
{
    eng_arena arena;
    eng_model_record r = {0};
    eng_arena_init(&arena, 4096, NULL);
    pthread_mutex_lock(&m->lock);
    eng_status status = eng_models_find(m, name, &arena, &r, err);
    if (status == ENG_OK && r.home != m)
        status = eng_fail(err, ENG_EFORBIDDEN,
                          "'%.*s' is not of this data directory: it lies in '%s'", ENG_FMT(r.id),
                          r.home->files);
    if (status == ENG_OK)
        status = remove_locked(m, &r, &arena, err);
    atomic_fetch_add(&m->changes, 1);
    pthread_mutex_unlock(&m->lock);
    eng_arena_clear(&arena);
    return status;
}
