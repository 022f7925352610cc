/* Evaluation and tuning: questions whose answers are known, asked as a job. */
#include "base/error.h"
#include "serve/routes.h"

enum { LIST_CHARS = 4000, RUNS_MAX = 64, TOP_K_MAX = 1000 };

static const uint64_t BODY_MAX = 256ull << 20;

static const eng_field evaluate_query[] = {
    {"mode", ENG_TEXT, .max = LIST_CHARS, .preset = "\"hybrid\"",
     .doc = "Ways of searching, each a run of its own: \"hybrid,dense,bm25\".",
     .example = "\"hybrid,bm25\""},
    {"model", ENG_TEXT, .max = LIST_CHARS,
     .doc = "Who answers, each a run of its own: \"extract\", or models of the server's chain."},
    {"embedding_model", ENG_TEXT, .max = LIST_CHARS,
     .doc = "Encoders, each a run of its own: what is embedded by another than the collection's is "
            "so beside it, for as long as it is asked."},
    {"chunk", ENG_TEXT, .max = LIST_CHARS,
     .doc = "Ways of cutting the texts, each a run of its own: \"200/20\" is 200 tokens of which "
            "20 overlap, \"1000/100c\" the same in characters.",
     .example = "\"200/20,400/40\""},
    {"top_k", ENG_INT, .min = 1, .max = TOP_K_MAX, .doc = "Passages to answer from."},
    {0},
};

/* Where the list's next name ends; blanks around it do not count. */
static bool next_name(eng_str *list, eng_str *name)
{
    while (list->len) {
        eng_str_cut(*list, ',', name, list);
        *name = eng_str_trim(*name);
        if (name->len)
            return true;
    }
    return false;
}

static eng_status modes_of(eng_str list, eng_search_mode *out, size_t *count, eng_error *err)
{
    eng_str name;
    while (next_name(&list, &name)) {
        if (*count == RUNS_MAX)
            return eng_fail_field(err, ENG_EINVALID, ENG_STR("mode"), "at most %d runs", RUNS_MAX);
        if (eng_str_eq(name, ENG_STR("hybrid")))
            out[(*count)++] = ENG_SEARCH_HYBRID;
        else if (eng_str_eq(name, ENG_STR("dense")))
            out[(*count)++] = ENG_SEARCH_DENSE;
        else if (eng_str_eq(name, ENG_STR("bm25")))
            out[(*count)++] = ENG_SEARCH_BM25;
        else
            return eng_fail_field(err, ENG_EINVALID, ENG_STR("mode"),
                                  "expected hybrid, dense or bm25, got '%.*s'", ENG_FMT(name));
    }
    return ENG_OK;
}

/* The names in a parameter of the query; none where it was not given. */
static eng_status names_of(eng_request *req, const char *name, eng_str out[RUNS_MAX], size_t *count,
                           eng_error *err)
{
    eng_str list = eng_req_has(req, name) ? eng_req_text(req, name) : ENG_STR(""), item;
    while (next_name(&list, &item)) {
        if (*count == RUNS_MAX)
            return eng_fail_field(err, ENG_EINVALID, eng_str_of(name), "at most %d of them",
                                  RUNS_MAX);
        out[(*count)++] = item;
    }
    return ENG_OK;
}

static eng_status handle_evaluate(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_search_mode modes[RUNS_MAX];
    eng_str models[RUNS_MAX], encoders[RUNS_MAX], chunks[RUNS_MAX];
    int64_t job;
    eng_evaluation what = {
        .modes = modes, .models = models, .encoders = encoders, .chunks = chunks};
    eng_status status = modes_of(eng_req_text(req, "mode"), modes, &what.mode_count, err);
    if (status == ENG_OK)
        status = names_of(req, "model", models, &what.model_count, err);
    if (status == ENG_OK)
        status = names_of(req, "embedding_model", encoders, &what.encoder_count, err);
    if (status == ENG_OK)
        status = names_of(req, "chunk", chunks, &what.chunk_count, err);
    if (status == ENG_OK)
        status = eng_exchange_body(eng_req_exchange(req), &what.questions, err);
    if (status < 0)
        return status;
    what.top_k = eng_req_has(req, "top_k") ? (unsigned)eng_req_int(req, "top_k") : 0;
    status = eng_evaluate(eng_req_engine(req), eng_req_path(req, "c"), &what, &job, err);
    return status == ENG_OK ? eng_say_job(out, job) : status;
}

/* ---- Tuning ---- */

static const eng_field tune_query[] = {
    {"apply", ENG_BOOL, .preset = "false",
     .doc = "Whether what is better takes the place of what is there; otherwise it is told, and "
            "nothing is changed."},
    {"chunk", ENG_TEXT, .max = LIST_CHARS,
     .doc = "Ways of cutting to try, as in an evaluation; \"none\": only the one there is. Without "
            "it some that are usual, in collections of up to 20,000 passages.",
     .example = "\"200/20,400/40\""},
    {0},
};

static eng_status handle_tune(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_str chunks[RUNS_MAX];
    int64_t job;
    eng_tune what = {.chunks = chunks, .apply = eng_req_bool(req, "apply")};
    eng_status status = names_of(req, "chunk", chunks, &what.chunk_count, err);
    if (status == ENG_OK && what.chunk_count == 1 && eng_str_eq(chunks[0], ENG_STR("none"))) {
        what.chunk_count = 0;
        what.same_chunk = true;
    }
    if (status == ENG_OK)
        status = eng_exchange_body(eng_req_exchange(req), &what.questions, err);
    if (status == ENG_OK)
        status = eng_tune_begin(eng_req_engine(req), eng_req_path(req, "c"), &what, &job, err);
    return status == ENG_OK ? eng_say_job(out, job) : status;
}

static eng_status handle_rollback(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_collection *c = NULL;
    int64_t job;
    eng_status status = eng_tune_rollback(eng_req_engine(req), eng_req_path(req, "c"), &job, &c,
                                          err);
    return status < 0 ? status : eng_say_collection(out, c, job);
}

const eng_route eng_routes_evaluate[] = {
    {ENG_POST, "/v1/collections/{c}/evaluate", ENG_ROLE_WRITE, NULL, eng_job_begun_shape,
     handle_evaluate,
     "Asks questions whose answers are known, a line of JSON each, and measures the answers: a "
     "job.",
     .query = evaluate_query, .status = 202, .where = ENG_ON_WORKER, .takes = ENG_TAKES_NDJSON,
     .body_max = BODY_MAX, .fails = "404 413 415 422",
     .example = "{\"question\": \"Qual o prazo de entrega?\", \"facts\": [[\"7 dias\"]],"
                " \"document\": \"entrega\"}"},
    {ENG_POST, "/v1/collections/{c}/tune", ENG_ROLE_WRITE, NULL, eng_job_begun_shape, handle_tune,
     "Looks for settings and a way of cutting that answer questions whose answers are known better "
     "than those there are, by more than chance: a job.",
     .query = tune_query, .status = 202, .where = ENG_ON_WORKER, .takes = ENG_TAKES_NDJSON,
     .body_max = BODY_MAX, .fails = "404 413 415 422",
     .example = "{\"question\": \"Qual o prazo de entrega?\", \"facts\": [[\"7 dias\"]],"
                " \"document\": \"entrega\"}"},
    {ENG_POST, "/v1/collections/{c}/tune/rollback", ENG_ROLE_WRITE, NULL,
     eng_collection_changed_shape, handle_rollback,
     "Goes back to the settings and the way of cutting that a collection had before they were last "
     "changed.",
     .where = ENG_ON_WORKER, .fails = "404 409"},
    {0},
};
