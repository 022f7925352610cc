/* The tables of the routes_*.c files, and the shapes that several of them share. */
#ifndef ENG_SERVE_ROUTES_H
#define ENG_SERVE_ROUTES_H

#include "serve/parts.h"

extern const eng_route eng_routes_system[];
extern const eng_route eng_routes_keys[];
extern const eng_route eng_routes_jobs[];
extern const eng_route eng_routes_care[];
extern const eng_route eng_routes_models[];
extern const eng_route eng_routes_embed[];
extern const eng_route eng_routes_collections[];
extern const eng_route eng_routes_documents[];
extern const eng_route eng_routes_search[];
extern const eng_route eng_routes_ask[];
extern const eng_route eng_routes_chat[];
extern const eng_route eng_routes_evaluate[];
extern const eng_route eng_routes_tables[];
extern const eng_route eng_routes_categories[];

extern const eng_field eng_health_shape[];
extern const eng_field eng_key_shape[];
extern const eng_field eng_job_shape[];
extern const eng_field eng_model_shape[];
extern const eng_field eng_job_begun_shape[]; /* {"job": id} */

extern const eng_field eng_collection_shape[];
extern const eng_field eng_collection_changed_shape[]; /* with "job", where one began */
extern const eng_field eng_result_shape[];
extern const eng_field eng_answer_shape[];
extern const eng_field eng_citation_shape[];

/* Answers with a job that has begun. */
eng_status eng_say_job(eng_reply *out, int64_t job);

/* The fields of a query for a page of a list. */
extern const eng_field eng_page_query[];

/* Answers with a collection, which is freed, and the job that changes it; 0: none does. */
eng_status eng_say_collection(eng_reply *out, eng_collection *c, int64_t job);

/* Times as RFC 3339, under a key; nothing for 0. */
void eng_write_time(eng_json_writer *w, const char *key, int64_t wall_ms);
/* limit and next of a page's query; *next is NULL for the first page. */
unsigned eng_page_limit(const eng_request *req);
const char *eng_page_next(const eng_request *req);

#endif
