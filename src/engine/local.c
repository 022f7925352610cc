/* Models from this machine: a folder, or a wheel, which is a zip archive. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "engine/model_internal.h"
#include "format/format.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 256 * 1024 };

static eng_status take(void *ctx, eng_str bytes, eng_error *err)
{
    void **both = ctx;
    eng_status status = eng_incoming_add(both[1], bytes, err);
    return status < 0 ? status : eng_pull_report(both[0], bytes.len, err);
}

/* ---- A folder ---- */

static eng_status offer_file(eng_puller *p, const char *folder, const char *below, const char *name,
                             eng_error *err)
{
    struct stat st;
    eng_str path = below ? eng_arena_format(p->arena, "%s/%s", below, name)
                         : eng_arena_copy(p->arena, eng_str_of(name));
    char *whole = path.ptr ? eng_path_join(folder, name) : NULL;
    if (!whole)
        return eng_fail_nomem(err);
    bool file = stat(whole, &st) == 0 && S_ISREG(st.st_mode);
    eng_free(whole);
    if (!file)
        return ENG_OK;
    eng_sum want = {.kind = ENG_SUM_NONE, .size = (uint64_t)st.st_size, .sized = true};
    return eng_pull_offer(p, path, &want, 0, err);
}

static eng_status list_folder(eng_puller *p, const char *folder, const char *below, eng_error *err);

static eng_status list_below(eng_puller *p, const char *folder, const char *name, eng_error *err)
{
    struct stat st;
    char *whole = eng_path_join(folder, name);
    if (!whole)
        return eng_fail_nomem(err);
    eng_status status = ENG_OK;
    if (name[0] >= '0' && name[0] <= '9' && stat(whole, &st) == 0 && S_ISDIR(st.st_mode))
        status = list_folder(p, whole, name, err);
    eng_free(whole);
    return status;
}

static eng_status list_folder(eng_puller *p, const char *folder, const char *below, eng_error *err)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return eng_fail_errno(err, errno, "cannot open '%s'", folder);
    eng_status status = ENG_OK;
    for (const char *name; status == ENG_OK && (name = eng_data_next(dir)) != NULL;) {
        status = offer_file(p, folder, below, name, err);
        if (status == ENG_OK && !below)
            status = list_below(p, folder, name, err);
    }
    closedir(dir);
    return status;
}

static eng_status folder_list(eng_puller *p, eng_error *err)
{
    return list_folder(p, p->from, NULL, err);
}

static eng_status copy_in(eng_puller *p, int fd, const char *path, eng_incoming *in, eng_error *err)
{
    char *block = eng_alloc(BLOCK);
    if (!block)
        return eng_fail_nomem(err);
    void *both[2] = {p, in};
    eng_status status = ENG_OK;
    while (status == ENG_OK) {
        ssize_t got = read(fd, block, BLOCK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            break;
        status = got < 0 ? eng_fail_errno(err, errno, "cannot read '%s'", path)
                         : take(both, (eng_str){block, (size_t)got}, err);
    }
    eng_free(block);
    return status;
}

static eng_status folder_fetch(eng_puller *p, eng_pull_file *file, eng_incoming *in, eng_error *err)
{
    char *path = eng_path_join(p->from, file->path.ptr);
    if (!path)
        return eng_fail_nomem(err);
    eng_status status = eng_incoming_cut(in, 0, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && status == ENG_OK)
        status = eng_fail_errno(err, errno, "cannot open '%s'", path);
    if (status == ENG_OK)
        status = copy_in(p, fd, path, in, err);
    if (fd >= 0)
        close(fd);
    eng_free(path);
    return status;
}

static void folder_close(eng_puller *p) { (void)p; }

const eng_pull_source eng_pull_folder = {"folder", folder_list, folder_fetch, folder_close};

/* ---- A wheel ---- */

/* Where in it the model is: the folder that holds weights, of several the first with the shortest name. */
static bool find_model(const eng_zip *z, eng_str *prefix)
{
    static const eng_str weights = {"model.safetensors", 17};
    bool found = false;
    for (size_t i = 0; i < eng_zip_count(z); i++) {
        eng_str name = eng_zip_at(z, i)->name;
        size_t before = name.len - weights.len;
        bool is = eng_str_ends(name, weights) && (before == 0 || name.ptr[before - 1] == '/');
        if (is && (!found || before < prefix->len)) {
            *prefix = eng_str_sub(name, 0, before);
            found = true;
        }
    }
    return found;
}

static eng_status wheel_list(eng_puller *p, eng_error *err)
{
    eng_zip *z = NULL;
    eng_str prefix;
    eng_status status = eng_zip_open(p->from, NULL, &z, err);
    if (status < 0)
        return status;
    p->at = z;
    if (!find_model(z, &prefix))
        return eng_fail(err, ENG_ENOTFOUND, "'%s' holds no model.safetensors", p->from);
    for (size_t i = 0; i < eng_zip_count(z) && status == ENG_OK; i++) {
        const eng_zip_member *m = eng_zip_at(z, i);
        eng_sum want = {.kind = ENG_SUM_NONE, .size = m->size, .sized = true};
        if (eng_str_starts(m->name, prefix))
            status = eng_pull_offer(p, eng_str_sub(m->name, prefix.len, m->name.len), &want, i,
                                    err);
    }
    return status;
}

static eng_status wheel_fetch(eng_puller *p, eng_pull_file *file, eng_incoming *in, eng_error *err)
{
    void *both[2] = {p, in};
    eng_status status = eng_incoming_cut(in, 0, err);
    if (status < 0)
        return status;
    return eng_zip_read(p->at, eng_zip_at(p->at, file->index), take, both, err);
}

static void wheel_close(eng_puller *p)
{
    eng_zip_free(p->at);
    p->at = NULL;
}

const eng_pull_source eng_pull_wheel = {"wheel", wheel_list, wheel_fetch, wheel_close};
