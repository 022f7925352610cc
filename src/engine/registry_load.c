/*
 * A file becomes a version:
 *
 *     read (a table: compiled) --> its file, its plan, synced --> the store's row --> answers
 *
 * What fails before the row leaves at most a file that no row names, which the next load of the same
 * content takes for its own. Two loads at once are read side by side and enter one after the other.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "engine/model_internal.h"
#include "engine/registry.h"
#include "learn/table.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 200, FOLLOWED_MAX = 1 << 30 };

#define FOLLOWED_NAME "categories"
#define FOLLOWED_SMALL "predictor.followed" /* the hash of the file when it was last taken */

static void hex_of(const unsigned char hash[ENG_SHA256_SIZE], char out[ENG_HEX_SIZE])
{
    sodium_bin2hex(out, ENG_HEX_SIZE, hash, ENG_SHA256_SIZE);
}

static char *loaded_path(const eng_registry *r, const unsigned char hash[ENG_SHA256_SIZE])
{
    char hex[ENG_HEX_SIZE];
    hex_of(hash, hex);
    return eng_path_join(r->loaded, hex);
}

static char *plan_path(const eng_registry *r, const unsigned char hash[ENG_SHA256_SIZE])
{
    char hex[ENG_HEX_SIZE], name[ENG_HEX_SIZE + 8];
    hex_of(hash, hex);
    snprintf(name, sizeof name, "%s.plan", hex);
    return eng_path_join(r->plans, name);
}

/* ---- What a version says of itself ---- */

static eng_str copy_or_fail(eng_arena *arena, eng_str text, bool *failed)
{
    eng_str copy = eng_arena_copy(arena, text.ptr ? text : (eng_str){"", 0});
    *failed |= !copy.ptr;
    return copy;
}

static bool describe_table(eng_predictor *p)
{
    size_t count;
    bool failed = false, shares;
    const eng_plan_field *fields = eng_plan_fields(p->plan, &count);
    const eng_plan_results *about = eng_plan_about(p->plan, &shares);
    eng_feature *inputs = eng_arena_array(&p->arena, count + 1, sizeof *inputs);
    eng_label *classes = eng_arena_array(&p->arena, about->class_count + 1, sizeof *classes);
    if (!inputs || !classes)
        return false;
    for (size_t i = 0; i < count; i++) {
        const eng_plan_field *f = &fields[i];
        inputs[i] = (eng_feature){
            .name = f->name.len ? f->name : eng_arena_format(&p->arena, "x%zu", i),
            .text = f->type == ENG_PLAN_TEXT,
            .integer = f->integer,
            .missing = f->missing,
            .unknown = f->unknown,
            .categories = f->categories,
            .category_count = f->category_count,
            .ranged = f->ranged,
            .low = f->low,
            .high = f->high,
        };
        failed |= !inputs[i].name.ptr;
        p->info.text_count += inputs[i].text;
    }
    for (size_t i = 0; i < about->class_count; i++)
        classes[i] = (eng_label){
            .type = (eng_label_type)about->classes[i].type,
            .number = about->classes[i].number,
            .text = about->classes[i].text,
        };
    p->info.inputs = inputs;
    p->info.input_count = count;
    p->info.classes = classes;
    p->info.class_count = about->class_count;
    p->info.class_ends = about->class_ends;
    p->info.classifies = about->task == ENG_PLAN_CLASSIFICATION;
    p->info.outputs = about->count;
    p->info.has_shares = shares;
    p->info.format = copy_or_fail(&p->arena, about->format, &failed).ptr;
    p->info.about = copy_or_fail(&p->arena, about->about, &failed).ptr;
    return !failed;
}

static bool describe_text(eng_predictor *p)
{
    const eng_text_info *info = eng_text_info_of(p->text);
    size_t count = info->field_count + info->number_count;
    eng_feature *inputs = eng_arena_array(&p->arena, count + 1, sizeof *inputs);
    eng_label *classes = eng_arena_array(&p->arena, info->category_count + 1, sizeof *classes);
    p->answered = eng_arena_zalloc(&p->arena, (info->category_count + 1) * sizeof *p->answered);
    if (!inputs || !classes || !p->answered)
        return false;
    for (size_t i = 0; i < count; i++) {
        bool text = i < info->field_count;
        inputs[i] = (eng_feature){
            .name = text ? info->fields[i] : info->numbers[i - info->field_count],
            .text = text,
            .missing = true,
            .unknown = true,
        };
    }
    for (size_t i = 0; i < info->category_count; i++)
        classes[i] = (eng_label){.type = ENG_LABEL_TEXT, .text = info->categories[i]};
    eng_str about = eng_arena_format(&p->arena, "%zu categories", info->category_count);
    p->info.inputs = inputs;
    p->info.input_count = count;
    p->info.text_count = info->field_count;
    p->info.classes = classes;
    p->info.class_count = info->category_count;
    p->info.classifies = true;
    p->info.outputs = 1;
    p->info.has_shares = true;
    p->info.format = "engenho-text";
    p->info.about = about.ptr;
    return about.ptr != NULL;
}

static eng_status predictor_new(eng_predictor_kind kind, eng_predictor **out, eng_error *err)
{
    eng_predictor *p = eng_zalloc(sizeof *p);
    if (!p)
        return eng_fail_nomem(err);
    p->info.kind = kind;
    p->users = 1;
    pthread_mutex_init(&p->lock, NULL);
    eng_arena_init(&p->arena, 2048, NULL);
    *out = p;
    return ENG_OK;
}

/* What the row says; the model is open. */
static eng_status describe(eng_predictor *p, const eng_store_model *row, eng_error *err)
{
    bool failed = false;
    p->info.name = copy_or_fail(&p->arena, row->name, &failed).ptr;
    p->info.filename = copy_or_fail(&p->arena, row->filename, &failed).ptr;
    p->info.version = row->version;
    p->info.bytes = row->bytes;
    p->info.loaded_ms = row->created_ms;
    return failed ? eng_fail_nomem(err) : ENG_OK;
}

/* ---- Opening ---- */

/* From the file, which a stranger made: a plan of ours, or any of a library's. */
static eng_status compile(eng_str bytes, eng_plan **out, eng_error *err)
{
    if (bytes.len == 0)
        return eng_fail(err, ENG_EMALFORMED, "the file is empty");
    return eng_str_starts(bytes, ENG_STR("engModel")) ? eng_plan_of(bytes, out, err)
                                                      : eng_table_plan(bytes, out, err);
}

static eng_status compile_again(const eng_registry *r, const eng_store_model *row, eng_plan **out,
                                eng_error *err)
{
    eng_mapping file = {0};
    char *path = loaded_path(r, row->hash);
    eng_status status = path ? eng_mapping_open(path, &file, err) : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = compile((eng_str){(const char *)file.data, file.len}, out, err);
    eng_mapping_close(&file);
    eng_free(path);
    return status;
}

/* Mapped where it is there and of this program's version; else made anew from the file. */
static eng_status open_plan(const eng_registry *r, const eng_store_model *row, eng_plan **out,
                            eng_error *err)
{
    char hex[ENG_HEX_SIZE];
    char *path = plan_path(r, row->hash);
    if (!path)
        return eng_fail_nomem(err);
    hex_of(row->hash, hex);
    eng_status status = eng_plan_open(path, eng_str_of(hex), out, err);
    if (status < 0 && status != ENG_ENOMEM) {
        status = compile_again(r, row, out, err);
        /* Where it cannot be kept, the next start compiles once more. */
        if (status == ENG_OK && eng_plan_save(*out, path, eng_str_of(hex), NULL) < 0)
            unlink(path);
    }
    eng_free(path);
    return status;
}

static eng_status open_text(const eng_registry *r, const eng_store_model *row, eng_text_model **out,
                            eng_error *err)
{
    char *path = loaded_path(r, row->hash);
    eng_status status = path ? eng_text_open(path, out, err) : eng_fail_nomem(err);
    eng_free(path);
    return status;
}

eng_status eng_predictor_open(eng_registry *r, const eng_store_model *row, eng_predictor **out,
                              eng_error *err)
{
    eng_predictor *p = NULL;
    eng_status status = predictor_new((eng_predictor_kind)row->kind, &p, err);
    if (status < 0)
        return status;
    status = row->kind == ENG_PREDICTOR_TABLE ? open_plan(r, row, &p->plan, err)
                                              : open_text(r, row, &p->text, err);
    if (status == ENG_OK && !(p->plan ? describe_table(p) : describe_text(p)))
        status = eng_fail_nomem(err);
    if (status == ENG_OK)
        status = describe(p, row, err);
    if (status < 0)
        eng_predictor_give(p);
    else
        *out = p;
    return status;
}

/* ---- Names and places ---- */

static eng_status check_name(eng_str name, eng_error *err)
{
    bool bad = name.len == 0 || name.len > NAME_MAX_BYTES || eng_utf8_valid(name) != name.len ||
               eng_str_find(name, ENG_STR("..")) != SIZE_MAX;
    for (size_t i = 0; i < name.len && !bad; i++)
        bad = name.ptr[i] == '/' || (unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f;
    if (!bad)
        return ENG_OK;
    return eng_fail_field(err, ENG_EINVALID, ENG_STR("name"),
                          "expected 1 to %d bytes without slashes, control characters and '..'",
                          NAME_MAX_BYTES);
}

/* Of a file's name what stands before its ending; "model" where that is no name. */
static eng_str name_of_file(eng_str file)
{
    size_t slash = file.len, dot;
    while (slash > 0 && file.ptr[slash - 1] != '/')
        slash--;
    file = eng_str_sub(file, slash, file.len);
    for (dot = file.len; dot > 1 && file.ptr[dot - 1] != '.';)
        dot--;
    if (dot > 1)
        file = eng_str_sub(file, 0, dot - 1);
    return check_name(file, NULL) == ENG_OK ? file : ENG_STR("model");
}

static bool lies_within(const char *real, const char *dir)
{
    char place[PATH_MAX];
    return dir && realpath(dir, place) && eng_data_within(real, place) && strcmp(real, place) != 0;
}

/* A path of a request: as seen from the models' folder, and nowhere else. */
static eng_status resolve(const eng_registry *r, const char *path, char real[PATH_MAX],
                          eng_error *err)
{
    const eng_str field = ENG_STR("path");
    struct stat st;
    char *joined = *path == '/' ? eng_strdup(eng_str_of(path)) : eng_path_join(r->models_dir, path);
    if (!joined)
        return eng_fail_nomem(err);
    bool there = *path && realpath(joined, real);
    eng_free(joined);
    if (there && !lies_within(real, r->models_dir) && !lies_within(real, r->shared))
        there = false;
    /* Whether something is there that may not be seen is nobody's business. */
    if (!there || stat(real, &st) < 0 || !S_ISREG(st.st_mode))
        return eng_fail_field(err, ENG_EINVALID, field, "no such file below '%s'", r->models_dir);
    return ENG_OK;
}

/* ---- Loading ---- */

typedef struct {
    eng *e;
    eng_store_model row;
    eng_str bytes;
    eng_predictor *p;
} loading;

/* Under its own name, whole, or where it is already. */
static eng_status keep_file(const eng_registry *r, loading *l, bool *made, eng_error *err)
{
    struct stat st;
    char *path = loaded_path(r, l->row.hash);
    if (!path)
        return eng_fail_nomem(err);
    eng_status status = eng_dir_make(r->loaded, 0700, err);
    *made = stat(path, &st) < 0 || (uint64_t)st.st_size != l->bytes.len;
    if (status == ENG_OK && *made)
        status = eng_file_write(path, l->bytes, 0600, err);
    eng_free(path);
    return status;
}

static void drop_file(const eng_registry *r, const loading *l)
{
    char *path = loaded_path(r, l->row.hash);
    if (path)
        unlink(path);
    eng_free(path);
}

static eng_status load_table(const eng_registry *r, loading *l, eng_error *err)
{
    char hex[ENG_HEX_SIZE];
    bool made;
    char *path = plan_path(r, l->row.hash);
    hex_of(l->row.hash, hex);
    eng_status status = path ? compile(l->bytes, &l->p->plan, err) : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = keep_file(r, l, &made, err);
    if (status == ENG_OK)
        status = eng_dir_make(r->plans, 0700, err);
    if (status == ENG_OK)
        status = eng_plan_save(l->p->plan, path, eng_str_of(hex), err);
    if (status == ENG_OK && !describe_table(l->p))
        status = eng_fail_nomem(err);
    eng_free(path);
    return status;
}

/* Opened where it will be mapped from later; removed where it is none. */
static eng_status load_text(const eng_registry *r, loading *l, eng_error *err)
{
    bool made = false;
    eng_status status = keep_file(r, l, &made, err);
    if (status < 0)
        return status;
    status = open_text(r, &l->row, &l->p->text, err);
    if (status == ENG_OK && !describe_text(l->p))
        status = eng_fail_nomem(err);
    if (status < 0 && made)
        drop_file(r, l);
    return status;
}

static eng_status enter(loading *l, eng_predictor **out, eng_error *err)
{
    eng_registry *r = l->e->registry;
    eng_buf text;
    eng_buf_init(&text, 1 << 16);
    eng_predictor_describe(l->p, &text);
    l->row.info = eng_buf_view(&text);
    l->row.format = eng_str_of(l->p->info.format);
    pthread_mutex_lock(&r->changing);
    eng_status status = eng_buf_check(&text, "model", err);
    if (status == ENG_OK)
        status = eng_store_model_add(l->e->store, &l->row, err);
    if (status == ENG_OK)
        status = describe(l->p, &l->row, err);
    if (status == ENG_OK) {
        if (out)
            *out = eng_predictor_hold(l->p);
        status = eng_registry_put(r, l->p, 0, err);
        l->p = NULL;
        if (status < 0 && out)
            eng_predictor_give(*out);
    }
    pthread_mutex_unlock(&r->changing);
    eng_buf_clear(&text);
    return status;
}

static eng_status load_bytes(eng *e, const eng_load *what, eng_str bytes, eng_predictor **out,
                             eng_error *err)
{
    loading l = {.e = e, .bytes = bytes};
    eng_str name = what->name.len ? what->name : name_of_file(what->filename);
    eng_status status = check_name(name, err);
    if (status == ENG_OK)
        status = predictor_new(what->kind, &l.p, err);
    if (status < 0)
        return status;
    l.row = (eng_store_model){
        .kind = (int)what->kind,
        .name = name,
        .filename = eng_str_sub(what->filename, 0, 1024),
        .bytes = bytes.len,
    };
    crypto_hash_sha256(l.row.hash, (const unsigned char *)bytes.ptr, bytes.len);
    status = what->kind == ENG_PREDICTOR_TABLE ? load_table(e->registry, &l, err)
                                               : load_text(e->registry, &l, err);
    if (status == ENG_OK)
        status = enter(&l, out, err);
    eng_predictor_give(l.p);
    return status;
}

eng_status eng_predictor_load(eng *e, const eng_load *what, eng_predictor **out, eng_error *err)
{
    char real[PATH_MAX];
    eng_mapping file = {0};
    if (what->bytes.ptr)
        return load_bytes(e, what, what->bytes, out, err);
    eng_status status = resolve(e->registry, what->path, real, err);
    if (status == ENG_OK)
        status = eng_mapping_open(real, &file, err);
    if (status < 0)
        return status;
    eng_load named = *what;
    if (!named.filename.len)
        named.filename = eng_str_of(strrchr(real, '/') + 1);
    status = load_bytes(e, &named, (eng_str){(const char *)file.data, file.len}, out, err);
    eng_mapping_close(&file);
    return status;
}

/* ---- Choosing ---- */

static eng_status row_of(eng *e, eng_predictor_kind kind, eng_str name, uint32_t version,
                         eng_arena *arena, eng_store_model *out, eng_error *err)
{
    eng_store_model *rows = NULL;
    size_t count = 0;
    eng_status status = eng_store_model_all(e->store, arena, &rows, &count, err);
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        const eng_store_model *row = &rows[i];
        if (row->kind == (int)kind && eng_str_eq(row->name, name) &&
            (version ? row->version == version : row->previous)) {
            *out = *row;
            return ENG_OK;
        }
    }
    return status < 0 ? status : eng_fail(err, ENG_ENOTFOUND, "no such version");
}

/* Opened first: a version that cannot be does not become the active one. */
static eng_status choose(eng *e, eng_predictor_kind kind, eng_str name, uint32_t version,
                         eng_arena *arena, eng_predictor **out, eng_error *err)
{
    eng_store_model row;
    eng_predictor *p = NULL;
    uint32_t chosen;
    eng_status status = row_of(e, kind, name, version, arena, &row, NULL);
    if (status == ENG_OK)
        status = eng_predictor_open(e->registry, &row, &p, err);
    else if (status == ENG_ENOTFOUND) /* which of the reasons, the store says */
        return eng_store_model_choose(e->store, (int)kind, name, version, &chosen, err);
    if (status == ENG_OK)
        status = eng_store_model_choose(e->store, (int)kind, name, version, &chosen, err);
    if (status == ENG_OK) {
        if (out)
            *out = eng_predictor_hold(p);
        status = eng_registry_put(e->registry, p, 0, err);
        p = NULL;
        if (status < 0 && out)
            eng_predictor_give(*out);
    }
    eng_predictor_give(p);
    return status;
}

eng_status eng_predictor_choose(eng *e, eng_predictor_kind kind, eng_str name, uint32_t version,
                                eng_predictor **out, eng_error *err)
{
    eng_arena arena;
    eng_arena_init(&arena, 1 << 14, NULL);
    pthread_mutex_lock(&e->registry->changing);
    eng_status status = choose(e, kind, name, version, &arena, out, err);
    pthread_mutex_unlock(&e->registry->changing);
    eng_arena_clear(&arena);
    return status;
}

/* ---- Following a file ---- */

/* False: it is what it was. */
static bool has_changed(eng_registry *r, const struct stat *st)
{
    int64_t ns = st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec;
    if (ns == r->followed_ns && (uint64_t)st->st_size == r->followed_size &&
        (uint64_t)st->st_ino == r->followed_inode)
        return false;
    r->followed_ns = ns;
    r->followed_size = (uint64_t)st->st_size;
    r->followed_inode = (uint64_t)st->st_ino;
    return true;
}

/* The content that was taken last stays what a rollback made of it. */
static eng_status was_taken(eng *e, const unsigned char hash[ENG_SHA256_SIZE], bool *out,
                            eng_error *err)
{
    eng_arena arena;
    eng_str kept = {NULL, 0};
    eng_arena_init(&arena, 256, NULL);
    eng_status status = eng_store_get(e->store, ENG_STR(FOLLOWED_SMALL), &arena, &kept, err);
    *out = status == ENG_OK && kept.len == ENG_SHA256_SIZE &&
           memcmp(kept.ptr, hash, ENG_SHA256_SIZE) == 0;
    eng_arena_clear(&arena);
    return status == ENG_ENOTFOUND ? ENG_OK : status;
}

/* A version of this content that is there already; 0: none. */
static eng_status version_of(eng *e, const unsigned char hash[ENG_SHA256_SIZE], uint32_t *out,
                             eng_error *err)
{
    eng_arena arena;
    eng_store_model *rows = NULL;
    size_t count = 0;
    eng_arena_init(&arena, 1 << 14, NULL);
    *out = 0;
    eng_status status = eng_store_model_all(e->store, &arena, &rows, &count, err);
    for (size_t i = 0; status == ENG_OK && i < count; i++)
        if (rows[i].kind == ENG_PREDICTOR_TEXT &&
            eng_str_eq(rows[i].name, ENG_STR(FOLLOWED_NAME)) &&
            memcmp(rows[i].hash, hash, ENG_SHA256_SIZE) == 0)
            *out = rows[i].version;
    eng_arena_clear(&arena);
    return status;
}

static eng_status take_followed(eng *e, eng_str bytes, bool *changed, eng_error *err)
{
    unsigned char hash[ENG_SHA256_SIZE];
    uint32_t version = 0;
    bool taken = false;
    eng_str file = eng_str_of(e->registry->follow);
    eng_load load = {.kind = ENG_PREDICTOR_TEXT,
                     .name = ENG_STR(FOLLOWED_NAME),
                     .filename = file,
                     .bytes = bytes};
    crypto_hash_sha256(hash, (const unsigned char *)bytes.ptr, bytes.len);
    eng_status status = was_taken(e, hash, &taken, err);
    if (status == ENG_OK)
        status = version_of(e, hash, &version, err);
    if (status < 0 || (taken && version))
        return status;
    status = version ? eng_predictor_choose(e, ENG_PREDICTOR_TEXT, load.name, version, NULL, err)
                     : load_bytes(e, &load, bytes, NULL, err);
    if (status == ENG_OK)
        status = eng_store_set(e->store, ENG_STR(FOLLOWED_SMALL),
                               (eng_str){(const char *)hash, sizeof hash}, err);
    *changed = status == ENG_OK;
    return status;
}

eng_status eng_predictor_follow(eng *e, bool *changed, eng_error *err)
{
    eng_registry *r = e->registry;
    struct stat st;
    eng_buf file;
    *changed = false;
    /* Not there (yet): what was taken before goes on. */
    if (!r->follow || stat(r->follow, &st) < 0 || !has_changed(r, &st))
        return ENG_OK;
    eng_buf_init(&file, FOLLOWED_MAX);
    eng_status status = eng_file_read(r->follow, FOLLOWED_MAX, &file, err);
    if (status == ENG_OK)
        status = take_followed(e, eng_buf_view(&file), changed, err);
    eng_buf_clear(&file);
    if (status < 0 && status != ENG_ENOMEM)
        eng_error_prefix(err, "model '%s'", r->follow);
    return status;
}
