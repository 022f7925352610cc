/* All routes, and what several of their handlers need. */
#include "serve/routes.h"

#include "base/clock.h"

const eng_route *const eng_route_tables[] = {
    eng_routes_system,      eng_routes_keys,       eng_routes_jobs,
    eng_routes_care,        eng_routes_models,     eng_routes_embed,
    eng_routes_collections, eng_routes_documents,  eng_routes_search,
    eng_routes_ask,         eng_routes_chat,       eng_routes_evaluate,
    eng_routes_tables,      eng_routes_categories, NULL,
};

/* Shapes with a name of their own in the OpenAPI document. */
const eng_named_shape eng_named_shapes[] = {
    {"Health", eng_health_shape},     {"Key", eng_key_shape},
    {"Job", eng_job_shape},           {"JobBegun", eng_job_begun_shape},
    {"Model", eng_model_shape},       {"Collection", eng_collection_shape},
    {"Result", eng_result_shape},     {"Answer", eng_answer_shape},
    {"Citation", eng_citation_shape}, {NULL, NULL},
};

const eng_field eng_page_query[] = {
    {"limit", ENG_INT, .min = 1, .max = 1000, .preset = "50", .doc = "How many at most."},
    {"next", ENG_TEXT, .min = 1, .max = ENG_NEXT_SIZE - 1,
     .doc = "The \"next\" of the page before; without it, the first page."},
    {0},
};

unsigned eng_page_limit(const eng_request *req) { return (unsigned)eng_req_int(req, "limit"); }

const char *eng_page_next(const eng_request *req)
{
    return eng_req_has(req, "next") ? eng_req_text(req, "next").ptr : NULL;
}

void eng_write_time(eng_json_writer *w, const char *key, int64_t wall_ms)
{
    char text[ENG_TIME_SIZE];
    if (wall_ms == 0)
        return;
    eng_time_format(wall_ms, text);
    eng_json_member(w, key, eng_str_of(text));
}
