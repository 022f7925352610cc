/*
 * Examining a data directory: by hand, where no engine has it open (eng_examine), and as a job of the
 * engine that has (eng_doctor_run). Each check adds at least one finding, so that a list shows what
 * was looked at; a finding whose status is ENG_OK says that all is well there.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "engine/history.h"
#include "engine/knowledge.h"
#include "engine/model_internal.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHECKS = 10 };

#define FREE_LEAST ((uint64_t)100 << 20)

typedef struct {
    eng_findings found; /* first: what the caller holds */
    eng_arena arena;
    size_t cap;
    eng_status failed; /* sticky: a finding that memory had no room for */

    const char *data;
    bool repair;
    eng_job_run *run; /* the job that this is, of the engine that has it open; NULL: by hand */
    uint64_t done;    /* checks */
} exam;

/* ---- Findings ---- */

static eng_finding *room(exam *x)
{
    if (x->found.count == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 16;
        eng_finding *items = eng_arena_array(&x->arena, cap, sizeof *items);
        if (!items)
            return NULL;
        if (x->found.count)
            memcpy(items, x->found.items, x->found.count * sizeof *items);
        x->found.items = items;
        x->cap = cap;
    }
    return &x->found.items[x->found.count];
}

static void find(exam *x, const char *check, eng_status status, bool repaired, const char *format,
                 ...) ENG_PRINTF(5, 6);
static void find(exam *x, const char *check, eng_status status, bool repaired, const char *format,
                 ...)
{
    char raw[sizeof(eng_error){0}.message];
    eng_error text = {0};
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    eng_fail(&text, status, "%s", raw); /* makes it fit for JSON and terminals, like any message */
    eng_finding *f = room(x);
    const char *message = eng_arena_copy(&x->arena, eng_str_of(text.message)).ptr;
    if (!f || !message || status == ENG_ENOMEM) { /* which says nothing of the data */
        x->failed = ENG_ENOMEM;
        return;
    }
    *f = (eng_finding){check, status, message, repaired};
    x->found.count++;
    x->found.sound = x->found.sound && (status == ENG_OK || repaired);
}

static exam *new_exam(void)
{
    exam *x = eng_zalloc(sizeof *x);
    if (!x)
        return NULL;
    eng_arena_init(&x->arena, 4096, NULL);
    x->found.sound = true;
    return x;
}

void eng_findings_free(eng_findings *findings)
{
    if (!findings)
        return;
    exam *x = (exam *)findings;
    eng_arena_clear(&x->arena);
    eng_free(x);
}

/* A path below the data directory, in the arena; NULL has been noted. */
static const char *below(exam *x, const char *name)
{
    const char *path = eng_arena_format(&x->arena, "%s/%s", x->data, name).ptr;
    if (!path)
        x->failed = ENG_ENOMEM;
    return path;
}

static const char *beside(exam *x, const char *suffix)
{
    const char *path = eng_arena_format(&x->arena, "%s%s", x->data, suffix).ptr;
    if (!path)
        x->failed = ENG_ENOMEM;
    return path;
}

/* ---- Checks ---- */

/* Whether it is closed to all but its owner. */
static void check_mode(exam *x, const char *check, const char *path, mode_t wanted)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        eng_error err = {0};
        eng_status status = eng_fail_errno(&err, errno, "cannot look at '%s'", path);
        find(x, check, status, false, "%s", err.message);
        return;
    }
    if ((st.st_mode & 077) == 0) {
        find(x, check, ENG_OK, false, "'%s' is closed to others", path);
        return;
    }
    bool repaired = x->repair && chmod(path, wanted) == 0;
    find(x, check, ENG_EINVALID, repaired, "'%s' is open to others (mode %04o)", path,
         (unsigned)(st.st_mode & 07777));
}

static void check_folder(exam *x) { check_mode(x, "folder", x->data, 0700); }

static void found_in_database(void *ctx, const char *message)
{
    find(ctx, "database", ENG_ECORRUPT, false, "%s", message);
}

/* A large database is read for minutes, which a server that ends must not wait for. */
static bool go_on(void *ctx)
{
    exam *x = ctx;
    return !x->run || eng_job_report(x->run, x->done, CHECKS);
}

static void check_database(exam *x)
{
    const char *path = below(x, ENG_DATA_DB);
    if (!path)
        return;
    if (!eng_data_exists(path)) {
        find(x, "database", ENG_ENOTFOUND, false, "'%s' is missing: restore a backup", path);
        return;
    }
    size_t before = x->found.count;
    eng_error err = {0};
    eng_status status = eng_store_check(path, found_in_database, go_on, x, &err);
    if (status < 0)
        find(x, "database", status, false, "%s", err.message);
    else if (x->found.count == before)
        find(x, "database", ENG_OK, false, "'%s' is whole", path);
}

static void check_secret(exam *x)
{
    const char *path = below(x, ENG_DATA_SECRET);
    if (!path)
        return;
    unsigned char secret[ENG_SECRET_SIZE];
    eng_error err = {0};
    eng_status status = eng_secret_read(x->data, secret, &err);
    sodium_memzero(secret, sizeof secret);
    if (status == ENG_ENOTFOUND)
        find(x, "keys", status, false, "'%s' is missing: no key that is stored can be checked",
             path);
    else if (status < 0)
        find(x, "keys", status, false, "%s", err.message);
    else
        check_mode(x, "keys", path, 0600);
}

static void check_space(exam *x)
{
    uint64_t bytes = eng_data_free_bytes(x->data);
    unsigned long long free_mib = bytes >> 20, least_mib = FREE_LEAST >> 20;
    if (bytes >= FREE_LEAST)
        find(x, "space", ENG_OK, false, "%llu MiB are free", free_mib);
    else
        find(x, "space", ENG_ENOSPACE, false, "%llu MiB are free: fewer than %llu", free_mib,
             least_mib);
}

static size_t count_entries(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;
    if (!dir)
        return 0;
    while (eng_data_next(dir))
        count++;
    closedir(dir);
    return count;
}

/* Not wrong, only left over: the next opening empties it. What a live engine has there is in use. */
static void check_tmp(exam *x)
{
    const char *path = below(x, ENG_DATA_TMP);
    if (!path)
        return;
    if (x->run) {
        find(x, "tmp", ENG_OK, false, "in use");
        return;
    }
    size_t count = count_entries(path);
    bool removed = count && x->repair && eng_dir_remove(path, NULL) == ENG_OK;
    if (count)
        find(x, "tmp", ENG_OK, removed, "%zu left over in '%s'", count, path);
    else
        find(x, "tmp", ENG_OK, false, "nothing is left over");
}

/* What a restore that was cut off left beside the data; none runs now, because we hold the lock. The
 * data is in its place, so it is whole, and the stage is of no use. What was there before is removed
 * only where the data is otherwise sound. */
static void check_restore(exam *x)
{
    const char *const left[] = {beside(x, ENG_DATA_PARTIAL), beside(x, ENG_DATA_BEFORE)};
    size_t count = 0;
    for (size_t i = 0; i < 2; i++) {
        if (!left[i] || !eng_data_exists(left[i]))
            continue;
        bool may = x->repair && (i == 0 || x->found.sound);
        bool removed = may && eng_dir_remove(left[i], NULL) == ENG_OK;
        find(x, "restore", ENG_ECONFLICT, removed, "a restore was cut off and left '%s'", left[i]);
        count++;
    }
    if (count == 0)
        find(x, "restore", ENG_OK, false, "no restore was cut off");
}

static bool hash_on(void *ctx, uint64_t bytes)
{
    (void)bytes;
    return go_on(ctx);
}

/* The first file of a model that is not what its manifest says; NULL where all are. */
static const eng_backup_file *damaged_file(exam *x, const eng_models *m, const eng_model_record *r)
{
    for (size_t i = 0; i < r->files.count; i++) {
        char hex[ENG_HEX_SIZE];
        const eng_backup_file *wanted = &r->files.files[i];
        sodium_bin2hex(hex, sizeof hex, wanted->sha256, sizeof wanted->sha256);
        eng_backup_file got = {.path = eng_str_of(hex)};
        eng_status status = eng_copy_hashed(m->files, NULL, &got, hash_on, x, NULL);
        bool same = status == ENG_OK && got.size == wanted->size &&
                    memcmp(got.sha256, wanted->sha256, sizeof got.sha256) == 0;
        if (!same && status != ENG_ECANCELLED)
            return wanted;
    }
    return NULL;
}

/* A damaged file would be taken for the right one by the next pull: so its model is removed with it. */
static void check_model(exam *x, eng_models *m, const eng_model_record *r)
{
    const eng_backup_file *bad = damaged_file(x, m, r);
    if (!bad)
        return;
    bool removed = x->repair && eng_models_remove(m, r->id, NULL) == ENG_OK;
    find(x, "models", ENG_ECORRUPT, removed, "'%s' of model '%s' is %s", bad->path.ptr, r->id.ptr,
         removed ? "damaged; the model was removed, to be pulled again" : "damaged: pull it again");
}

static void check_models(exam *x)
{
    eng_models *m = NULL;
    eng_model_record *all = NULL;
    size_t count = 0, before = x->found.count;
    eng_error err = {0};
    eng_status status = x->run ? ENG_OK : eng_models_open(x->data, NULL, &m, &err);
    eng_models *own = x->run ? x->run->e->models : m;
    if (status == ENG_OK)
        status = eng_models_all(own, &x->arena, &all, &count, &err);
    if (status < 0)
        find(x, "models", status, false, "%s", err.message);
    for (size_t i = 0; i < count && go_on(x); i++)
        if (all[i].home == own)
            check_model(x, own, &all[i]);
    if (x->found.count == before)
        find(x, "models", ENG_OK, false, "%s", "every file of every model is whole");
    eng_models_close(m);
}

/* ---- Predictors and what they predicted ---- */

/* Files go by their content. One that is damaged would be taken for the right one by the next load of the same. */
static void check_loaded(exam *x, const char *folder, const char *name)
{
    char hex[ENG_HEX_SIZE];
    eng_backup_file got = {.path = eng_arena_copy(&x->arena, eng_str_of(name))};
    const char *path = eng_arena_format(&x->arena, "%s/%s", folder, name).ptr;
    if (!got.path.ptr || !path) {
        x->failed = ENG_ENOMEM;
        return;
    }
    eng_status status = eng_copy_hashed(folder, NULL, &got, hash_on, x, NULL);
    sodium_bin2hex(hex, sizeof hex, got.sha256, sizeof got.sha256);
    if (status == ENG_ECANCELLED || status == ENG_ENOTFOUND ||
        (status == ENG_OK && strcmp(hex, name) == 0))
        return;
    bool removed = x->repair && unlink(path) == 0;
    find(x, "predictors", ENG_ECORRUPT, removed, "'%s' is damaged%s: load the model again", path,
         removed ? " and was removed" : "");
}

static void check_predictors(exam *x)
{
    const char *folder = below(x, "models/loaded");
    size_t before = x->found.count;
    DIR *dir = folder ? opendir(folder) : NULL;
    for (const char *name; dir && go_on(x) && (name = eng_data_next(dir));)
        if (strlen(name) == ENG_HEX_SIZE - 1)
            check_loaded(x, folder, name);
    if (dir)
        closedir(dir);
    if (x->found.count == before)
        find(x, "predictors", ENG_OK, false, "every file of every loaded model is whole");
}

static bool found_in_history(void *ctx, const eng_history_damage *d)
{
    exam *x = ctx;
    if (d->bytes)
        find(x, "history", ENG_ECORRUPT, false,
             "%08x.seg: %llu bytes are damaged and passed over, %llu predictions are whole",
             d->number, (unsigned long long)d->bytes, (unsigned long long)d->entries);
    return go_on(x);
}

static void check_history(exam *x)
{
    eng_error err = {0};
    const char *folder = below(x, "history");
    size_t before = x->found.count;
    eng_history *open = x->run ? x->run->e->history : NULL;
    if (!folder)
        return;
    eng_status status = open ? eng_history_examine_open(open, found_in_history, x, &err)
                             : eng_history_examine(folder, found_in_history, x, &err);
    if (status < 0)
        find(x, "history", status, false, "%s", err.message);
    else if (x->found.count == before)
        find(x, "history", ENG_OK, false, "every prediction that is kept is whole");
}

/* ---- Indexes ---- */

typedef struct {
    const char *path; /* DATA/index */
    const char **names;
    size_t count, cap;
    eng_store_index *known;
    size_t known_count;
} folders;

static void add_folder(exam *x, folders *f, const char *name)
{
    const char *copy = eng_arena_copy(&x->arena, eng_str_of(name)).ptr;
    if (copy && f->count == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 16;
        const char **names = eng_arena_array(&x->arena, cap, sizeof *names);
        if (names && f->count)
            memcpy(names, f->names, f->count * sizeof *names);
        f->cap = names ? cap : f->cap;
        f->names = names ? names : f->names;
    }
    if (copy && f->count < f->cap)
        f->names[f->count++] = copy;
    else
        x->failed = ENG_ENOMEM;
}

static void list_folders(exam *x, folders *f)
{
    DIR *dir = f->path ? opendir(f->path) : NULL;
    if (!dir)
        return;
    for (const char *name; (name = eng_data_next(dir));)
        add_folder(x, f, name);
    closedir(dir);
}

static const eng_store_index *index_of(const folders *f, const char *name)
{
    char *end;
    long long id = strtoll(name, &end, 10);
    for (size_t i = 0; i < f->known_count && *end == '\0'; i++) {
        if (f->known[i].generation == id)
            return &f->known[i];
    }
    return NULL;
}

static const char *outlook(const exam *x, const eng_store_index *i, bool repaired)
{
    if (repaired)
        return x->run ? "made anew of the database" : "the next start makes it anew";
    return i->active ? "searches fail or miss something until it is made anew (--repair)"
                     : "nothing is searched in it now";
}

static void check_index(exam *x, const eng_store_index *i, const char *dir)
{
    bool repaired = false;
    eng_error err = {0};
    eng_status status = x->run ? eng_shelf_examine(x->run->e, i->collection, i->generation,
                                                   x->repair, &repaired, &err)
                               : eng_index_examine(dir, x->repair, &repaired, &err);
    if (status == ENG_ENOMEM)
        x->failed = status;
    else if (status < 0)
        find(x, "indexes", status, repaired, "of '%.*s', %llu documents: %s; %s",
             ENG_FMT(eng_str_sub(i->name, 0, 100)), (unsigned long long)i->documents, err.message,
             outlook(x, i, repaired));
}

/* What is of no generation was left by a crash between the generation's end and its folder's. */
static void check_listed(exam *x, const folders *f)
{
    for (size_t i = 0; i < f->count && go_on(x); i++) {
        const eng_store_index *known = index_of(f, f->names[i]);
        const char *dir = eng_arena_format(&x->arena, "%s/%s", f->path, f->names[i]).ptr;
        if (!dir) {
            x->failed = ENG_ENOMEM;
        } else if (known) {
            check_index(x, known, dir);
        } else {
            bool removed = x->repair && eng_dir_remove(dir, NULL) == ENG_OK;
            find(x, "indexes", ENG_OK, removed, "'%s' is left over: of no collection", dir);
        }
    }
}

/* The folders are listed before the generations: one that begins meanwhile has none yet. */
static void check_indexes(exam *x)
{
    uint64_t half = 0;
    size_t before = x->found.count;
    eng_error err = {0};
    const char *database = below(x, ENG_DATA_DB);
    folders f = {.path = below(x, ENG_DATA_INDEX)};
    list_folders(x, &f);
    if (!database || x->failed)
        return;
    eng_status status = eng_store_indexes(database, &x->arena, &f.known, &f.known_count, &half,
                                          &err);
    if (status < 0)
        find(x, "indexes", status, false, "not looked at: %s", err.message);
    else
        check_listed(x, &f);
    if (status == ENG_OK && half && !x->run) /* an engine may be importing them */
        find(x, "indexes", ENG_OK, false,
             "%llu collections were cut off on their way in: the next start removes them",
             (unsigned long long)half);
    if (x->found.count == before)
        find(x, "indexes", ENG_OK, false, "every file of every index is whole");
}

static void (*const checks[CHECKS])(exam *x) = {
    check_folder, check_database,   check_secret,  check_space,   check_tmp,
    check_models, check_predictors, check_history, check_indexes, check_restore,
};

/* ---- By hand ---- */

/* The old data is whole, the new never got into its place. */
static eng_status mend_cut_off(exam *x, const char *before, bool *mended, eng_error *err)
{
    eng_status status = ENG_OK;
    if (x->repair)
        status = eng_rename_new(before, x->data, err);
    if (status == ENG_OK)
        find(x, "restore", ENG_ECONFLICT, x->repair,
             "'%s' is missing but '%s' is there: a restore was cut off", x->data, before);
    *mended = x->repair;
    return status;
}

/* A folder in which nothing of ours stands gets no lock from us. */
static bool is_data(exam *x)
{
    const char *const names[] = {ENG_DATA_DB, ENG_DATA_SECRET, ENG_DATA_LOCK};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = below(x, names[i]);
        if (path && eng_data_exists(path))
            return true;
    }
    return false;
}

static eng_status examine_locked(exam *x, eng_error *err)
{
    int lock = -1;
    if (!is_data(x))
        return x->failed ? eng_fail_nomem(err)
                         : eng_fail(err, ENG_ENOTFOUND, "'%s' is no data directory", x->data);
    const char *path = below(x, ENG_DATA_LOCK);
    eng_status status = path ? eng_lock_take(path, &lock, err) : eng_fail_nomem(err);
    if (status < 0)
        return status;
    find(x, "lock", ENG_OK, false, "no other process has it open");
    for (size_t i = 0; i < CHECKS; i++)
        checks[i](x);
    eng_lock_drop(lock);
    return x->failed ? eng_fail_nomem(err) : ENG_OK;
}

static eng_status examine(exam *x, eng_error *err)
{
    bool here = true;
    const char *before = beside(x, ENG_DATA_BEFORE);
    if (!before)
        return eng_fail_nomem(err);
    eng_status status = ENG_OK;
    if (eng_data_cut_off(x->data, before))
        status = mend_cut_off(x, before, &here, err);
    if (status == ENG_OK && here)
        status = examine_locked(x, err);
    return status;
}

eng_status eng_examine(const char *data, bool repair, eng_findings **out, eng_error *err)
{
    char *path = NULL;
    exam *x = new_exam();
    eng_status status = x ? eng_data_find(data, &path, err) : eng_fail_nomem(err);
    if (status == ENG_OK) {
        x->data = path;
        x->repair = repair;
        status = examine(x, err);
    }
    eng_free(path);
    if (status < 0)
        eng_findings_free(x ? &x->found : NULL);
    else
        *out = &x->found;
    return status;
}

/* ---- As a job ---- */

static void write_findings(eng_json_writer *w, const eng_findings *f)
{
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("sound"));
    eng_json_bool(w, f->sound);
    eng_json_name(w, ENG_STR("findings"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < f->count; i++) {
        eng_json_open(w, '{');
        eng_json_member(w, "check", eng_str_of(f->items[i].check));
        eng_json_member(w, "status", eng_str_of(eng_status_text(f->items[i].status)));
        eng_json_member(w, "message", eng_str_of(f->items[i].message));
        eng_json_name(w, ENG_STR("repaired"));
        eng_json_bool(w, f->items[i].repaired);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
    eng_json_close(w, '}');
}

eng_status eng_doctor_run(eng_job_run *run, eng_error *err)
{
    exam *x = new_exam();
    if (!x)
        return eng_fail_nomem(err);
    const eng_json *repair = eng_json_get(run->params, ENG_STR("repair"));
    x->data = run->e->data;
    x->repair = eng_json_is(repair, ENG_JSON_BOOL) && repair->as.boolean;
    x->run = run;
    find(x, "lock", ENG_OK, false, "held by this process");
    for (; x->done < CHECKS && go_on(x); x->done++)
        checks[x->done](x);
    eng_status status = ENG_OK;
    if (!go_on(x))
        status = eng_fail(err, ENG_ECANCELLED, "cancelled");
    else if (x->failed)
        status = eng_fail_nomem(err);
    if (status == ENG_OK) {
        eng_json_writer w = eng_json_write_to(&run->result);
        write_findings(&w, &x->found);
    }
    eng_findings_free(&x->found);
    return status;
}

eng_status eng_doctor(eng *e, bool repair, int64_t *job, eng_error *err)
{
    eng_str params = repair ? ENG_STR("{\"repair\":true}") : ENG_STR("{\"repair\":false}");
    return eng_job_submit(e, "doctor", params, job, err);
}
