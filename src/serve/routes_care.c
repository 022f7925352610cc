/* The care of the data: jobs that copy it and check it. */
#include "base/error.h"
#include "serve/routes.h"

enum { PATH_MAX_CHARS = 4000 };

static const eng_field backup_fields[] = {
    {"to", ENG_TEXT, .required = true, .min = 1, .max = PATH_MAX_CHARS,
     .doc = "A folder on the server's machine, as an absolute path; it is made.",
     .example = "\"/srv/backup/engenho-2026-11-24\""},
    {0},
};

static const eng_field doctor_fields[] = {
    {"repair", ENG_BOOL, .preset = "false",
     .doc = "Whether to rebuild what is derived and damaged."},
    {0},
};

const eng_field eng_job_begun_shape[] = {
    {"job", ENG_INT, .required = true, .doc = "Its id: /v1/jobs/{id} shows how it goes.",
     .example = "17"},
    {0},
};

eng_status eng_say_job(eng_reply *out, int64_t job)
{
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("job"));
    eng_json_int(w, job);
    eng_json_close(w, '}');
    return ENG_OK;
}

static eng_status backup(eng_request *req, eng_reply *out, eng_error *err)
{
    int64_t job;
    eng_str to = eng_req_text(req, "to");
    if (to.ptr[0] != '/' || memchr(to.ptr, '\0', to.len))
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("to"), "expected an absolute path");
    eng_status status = eng_backup(eng_req_engine(req), to.ptr, &job, err);
    return status < 0 ? status : eng_say_job(out, job);
}

static eng_status doctor(eng_request *req, eng_reply *out, eng_error *err)
{
    int64_t job;
    eng_status status = eng_doctor(eng_req_engine(req), eng_req_bool(req, "repair"), &job, err);
    return status < 0 ? status : eng_say_job(out, job);
}

const eng_route eng_routes_care[] = {
    {ENG_POST, "/v1/backup", ENG_ROLE_ADMIN, backup_fields, eng_job_begun_shape, backup,
     "Copies all data into a new folder, while the server goes on.", .status = 202,
     .example = "{\"to\": \"/srv/backup/engenho-2026-11-24\"}", .fails = "409",
     .where = ENG_ON_WORKER, .takes = ENG_TAKES_JSON},
    {ENG_POST, "/v1/doctor", ENG_ROLE_ADMIN, doctor_fields, eng_job_begun_shape, doctor,
     "Checks all data; the job's result lists what it found.", .status = 202,
     .example = "{\"repair\": false}", .where = ENG_ON_WORKER, .takes = ENG_TAKES_JSON},
    {0},
};
