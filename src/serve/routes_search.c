/* Search in a collection; and pages fetched by their address. */
#include "base/error.h"
#include "serve/routes.h"

#include <math.h>

enum { QUERY_CHARS = 8192, URL_CHARS = 8000 };

/* ---- Shapes ---- */

static const eng_field search_fields[] = {
    {"query", ENG_TEXT, .required = true, .min = 1, .max = QUERY_CHARS,
     .doc = "What to look for, in words.", .example = "\"qual o prazo de entrega?\""},
    {"top_k", ENG_INT, .min = 1, .max = 1000, .preset = "5", .doc = "Results at most."},
    {"mode", ENG_CHOICE, .choices = "hybrid|dense|bm25", .preset = "\"hybrid\"",
     .doc = "By words, by meaning, or by both."},
    {"threshold", ENG_NUMBER, .least = 0, .most = 1,
     .doc = "Results with a lower score are left out; without it, as the collection's settings "
            "say."},
    {"filter", ENG_ANY,
     .doc = "A condition on the metadata: {\"field\": value}, {\"field\": {\"gte\": 1}}, and, or, "
            "not.",
     .example = "{\"ano\": {\"gte\": 2020}}"},
    {"group_by_document", ENG_BOOL, .preset = "false",
     .doc = "Each document once, by its best passage."},
    {"near_duplicates", ENG_BOOL, .preset = "false",
     .doc =
         "Whether passages that say nearly the same as a better one keep their places. They stand "
         "behind all others otherwise, and the better one names them."},
    {"diversity", ENG_NUMBER, .least = 0, .most = 1, .preset = "0.0",
     .doc =
         "0: by score alone. Up to 1: the more, the less alike are the results (maximal marginal "
         "relevance)."},
    {"rerank", ENG_ANY,
     .doc = "true, or a reranker's name: the best 30 are put in the order that it gives. 422 where "
            "there is none. Without it, as the collection's settings say.",
     .example = "true"},
    {"explain", ENG_BOOL, .preset = "false",
     .doc = "Shows where each score and each place comes from."},
    {0},
};

static const eng_field scores_shape[] = {
    {"dense", ENG_NUMBER, .required = true, .nullable = true,
     .doc = "By meaning, 0 to 1; null where it was not asked."},
    {"bm25", ENG_NUMBER, .required = true, .nullable = true,
     .doc = "By words, 0 to 1; null where it was not asked."},
    {"fused", ENG_NUMBER, .required = true, .doc = "Both together, 0 to 1."},
    {"rerank", ENG_NUMBER, .doc = "The reranker's, 0 to 1; where one read the passage."},
    {0},
};

static const eng_field duplicate_shape[] = {
    {"document", ENG_TEXT, .required = true, .doc = "Its document's id."},
    {"passage", ENG_INT, .required = true, .doc = "Its id."},
    {0},
};

const eng_field eng_result_shape[] = {
    {"document", ENG_TEXT, .required = true, .doc = "The document's id."},
    {"title", ENG_TEXT, .required = true, .nullable = true, .doc = "The document's title."},
    {"url", ENG_TEXT, .required = true, .nullable = true, .doc = "The document's address."},
    {"passage", ENG_INT, .required = true, .doc = "Its place in the document, from 0."},
    {"start", ENG_INT, .required = true, .doc = "Its first byte in the document's text."},
    {"end", ENG_INT, .required = true, .doc = "The byte behind its last."},
    {"heading", ENG_TEXT, .doc = "The headings above it."},
    {"text", ENG_TEXT, .required = true, .doc = "text[start:end] of the document."},
    {"score", ENG_NUMBER, .required = true,
     .doc = "0 to 1; orders the results: never above that of the one before."},
    {"scores", ENG_OBJECT, .required = true, .of = scores_shape, .doc = "What it is made of."},
    {"metadata", ENG_OBJECT, .required = true, .doc = "The document's."},
    {"duplicates", ENG_LIST, .items = ENG_OBJECT, .of = duplicate_shape,
     .doc = "Passages that say nearly the same, where there are any."},
    {"explain", ENG_OBJECT, .doc = "Every term's and every stage's share."},
    {0},
};

static const eng_field search_reply[] = {
    {"results", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = eng_result_shape,
     .doc = "The best first."},
    {"timings", ENG_OBJECT, .required = true, .doc = "Milliseconds by stage."},
    {0},
};

/* ---- Writing ---- */

static void write_unit(eng_json_writer *w, const char *name, double score)
{
    eng_json_name(w, eng_str_of(name));
    if (isnan(score))
        eng_json_null(w);
    else
        eng_json_double(w, score);
}

static void write_text(eng_json_writer *w, const char *name, const char *text)
{
    eng_json_name(w, eng_str_of(name));
    if (text[0])
        eng_json_string(w, eng_str_of(text));
    else
        eng_json_null(w);
}

static void write_uint(eng_json_writer *w, const char *name, uint64_t value)
{
    eng_json_name(w, eng_str_of(name));
    eng_json_uint(w, value);
}

static void write_duplicates(eng_json_writer *w, const eng_result *r)
{
    eng_json_name(w, ENG_STR("duplicates"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < r->duplicate_count; i++) {
        eng_json_open(w, '{');
        eng_json_member(w, "document", eng_str_of(r->duplicates[i].document));
        write_uint(w, "passage", r->duplicates[i].passage);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

static void write_result(eng_json_writer *w, const eng_result *r)
{
    eng_json_open(w, '{');
    eng_json_member(w, "document", eng_str_of(r->document));
    write_text(w, "title", r->title);
    write_text(w, "url", r->url);
    write_uint(w, "passage", r->passage);
    write_uint(w, "start", r->start);
    write_uint(w, "end", r->end);
    if (r->heading[0])
        eng_json_member(w, "heading", eng_str_of(r->heading));
    eng_json_member(w, "text", (eng_str){r->text, r->end - r->start});
    write_unit(w, "score", r->score);
    eng_json_name(w, ENG_STR("scores"));
    eng_json_open(w, '{');
    write_unit(w, "dense", r->dense);
    write_unit(w, "bm25", r->bm25);
    write_unit(w, "fused", r->fused);
    if (!isnan(r->rerank))
        write_unit(w, "rerank", r->rerank);
    eng_json_close(w, '}');
    eng_json_name(w, ENG_STR("metadata"));
    eng_json_raw(w, eng_str_of(r->metadata));
    if (r->duplicate_count)
        write_duplicates(w, r);
    if (r->explain) {
        eng_json_name(w, ENG_STR("explain"));
        eng_json_raw(w, eng_str_of(r->explain));
    }
    eng_json_close(w, '}');
}

static void write_results(eng_json_writer *w, const eng_results *results)
{
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("results"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < results->count; i++)
        write_result(w, &results->items[i]);
    eng_json_close(w, ']');
    eng_json_name(w, ENG_STR("timings"));
    eng_json_open(w, '{');
    write_unit(w, "embed", results->embed_ms);
    write_unit(w, "search", results->search_ms);
    write_unit(w, "read", results->read_ms);
    if (results->reranker)
        write_unit(w, "rerank", results->rerank_ms);
    write_unit(w, "total", results->total_ms);
    eng_json_close(w, '}');
    eng_json_close(w, '}');
}

/* ---- Handlers ---- */

static bool gone(void *ctx) { return eng_exchange_cancelled(ctx); }

static eng_status run(eng_request *req, eng_str collection, eng_search_query *query, eng_reply *out,
                      eng_error *err)
{
    eng_results *results = NULL;
    query->cancelled = gone;
    query->ctx = eng_req_exchange(req);
    eng_status status = eng_search(eng_req_engine(req), collection, query, &results, err);
    if (status < 0)
        return status;
    write_results(eng_reply_json(out), results);
    eng_results_free(results);
    return ENG_OK;
}

/* The filter goes on as text: what it means is the engine's. */
static eng_status filter_text(eng_request *req, eng_buf *text, eng_str *out, eng_error *err)
{
    *out = (eng_str){NULL, 0};
    if (!eng_req_has(req, "filter"))
        return ENG_OK;
    eng_json_writer w = eng_json_write_to(text);
    eng_json_copy(&w, eng_req_json(req, "filter"));
    eng_status status = eng_buf_check(text, "filter", err);
    *out = eng_buf_view(text);
    return status;
}

/* true: any reranker that is here; a text: this one. */
static eng_status reranker_of(eng_request *req, eng_str *out, eng_error *err)
{
    *out = (eng_str){NULL, 0};
    if (!eng_req_has(req, "rerank"))
        return ENG_OK;
    const eng_json *v = eng_req_json(req, "rerank");
    if (eng_json_is(v, ENG_JSON_STRING) && eng_json_text(v).len)
        *out = eng_json_text(v);
    else if (!eng_json_is(v, ENG_JSON_BOOL))
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("rerank"),
                              "expected true, false or a model's name");
    else if (v->as.boolean)
        *out = ENG_STR("default");
    return ENG_OK;
}

static eng_status search(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_str mode = eng_req_text(req, "mode");
    eng_search_query q = {
        .text = eng_req_text(req, "query"),
        .top_k = (unsigned)eng_req_int(req, "top_k"),
        .mode = eng_str_eq(mode, ENG_STR("dense"))  ? ENG_SEARCH_DENSE
                : eng_str_eq(mode, ENG_STR("bm25")) ? ENG_SEARCH_BM25
                                                    : ENG_SEARCH_HYBRID,
        .threshold = eng_req_number(req, "threshold"),
        .threshold_given = eng_req_has(req, "threshold"),
        .rerank_given = eng_req_has(req, "rerank"),
        .group_by_document = eng_req_bool(req, "group_by_document"),
        .explain = eng_req_bool(req, "explain"),
        .near_duplicates = eng_req_bool(req, "near_duplicates"),
        .diversity = eng_req_number(req, "diversity"),
    };
    eng_buf filter;
    eng_buf_init(&filter, 1 << 20);
    eng_status status = filter_text(req, &filter, &q.filter, err);
    if (status == ENG_OK)
        status = reranker_of(req, &q.rerank, err);
    if (status == ENG_OK)
        status = run(req, eng_req_path(req, "c"), &q, out, err);
    eng_buf_clear(&filter);
    return status;
}

/* ---- As the first system had it ---- */

static const eng_field ask_fields[] = {
    {"question", ENG_TEXT, .required = true, .min = 1, .max = QUERY_CHARS,
     .doc = "What to look for.", .example = "\"qual o prazo de entrega?\""},
    {"title_rag", ENG_TEXT, .required = true, .min = 1, .max = 512,
     .doc = "The title of the collection.", .example = "\"Manuais\""},
    {0},
};

static eng_status vectorize_ask(eng_request *req, eng_reply *out, eng_error *err)
{
    char slug[ENG_SLUG_SIZE];
    eng_str title = eng_req_text(req, "title_rag");
    eng_collection_slug(title, slug);
    eng_search_query q = {
        .text = eng_req_text(req, "question"), .filter = {NULL, 0}, .rerank = {NULL, 0}};
    eng_error why;
    eng_status status = run(req, eng_str_of(slug), &q, out, &why);
    if (status == ENG_ENOTFOUND)
        return eng_fail(err, status, "no collection has the title '%.*s'", ENG_FMT(title));
    if (status < 0 && eng_str_eq(eng_str_of(why.field), ENG_STR("query")))
        return eng_fail_field(err, status, ENG_STR("question"), "expected more than blanks");
    if (status < 0)
        *err = why;
    return status;
}

static const eng_field extract_fields[] = {
    {"url", ENG_TEXT, .required = true, .min = 1, .max = URL_CHARS, .doc = "The page's address.",
     .example = "\"https://example.com/\""},
    {"ingest", ENG_BOOL, .preset = "false", .doc = "Whether to take it in, too."},
    {"title", ENG_TEXT, .min = 1, .max = 512,
     .doc = "The title of the collection to take it into; without it the page's own."},
    {0},
};

static const eng_field extract_reply[] = {
    {"title", ENG_TEXT, .required = true, .doc = "The page's title."},
    {"text", ENG_TEXT, .required = true, .doc = "Its text, without what surrounds it."},
    {"url", ENG_TEXT, .required = true, .doc = "Where it came from, behind redirects."},
    {"language", ENG_TEXT, .required = true,
     .doc = "As the page says, or as it reads; \"\" unknown."},
    {"collection", ENG_TEXT, .doc = "Where it was taken in."},
    {"id", ENG_TEXT, .doc = "The document's id there."},
    {0},
};

/* Takes a page in that was fetched; writes where it is into the open object. */
static eng_status take_in(eng_request *req, const eng_extracted *page, eng_json_writer *w,
                          eng_error *err)
{
    char slug[ENG_SLUG_SIZE];
    eng_str title = eng_req_has(req, "title") ? eng_req_text(req, "title")
                    : page->title[0]          ? eng_str_of(page->title)
                                              : eng_str_of(page->url);
    eng_collection_slug(title, slug);
    eng_source source = {.id = {NULL, 0},
                         .title = eng_str_of(page->title),
                         .url = eng_str_of(page->url),
                         .metadata = {NULL, 0},
                         .text = {page->text, page->text_len}};
    eng_ingest_options o = {
        .make = true, .title = title, .cancelled = gone, .ctx = eng_req_exchange(req)};
    eng_ingest_report *report = NULL;
    eng_status status = eng_ingest(eng_req_engine(req), eng_str_of(slug), &source, 1, &o, &report,
                                   err);
    if (status == ENG_OK && report->items[0].state == ENG_INGEST_FAILED)
        status = eng_fail(err, report->items[0].why, "%s", report->items[0].error);
    if (status == ENG_OK) {
        eng_json_member(w, "collection", eng_str_of(slug));
        eng_json_member(w, "id", eng_str_of(report->items[0].id));
    }
    eng_ingest_report_free(report);
    return status;
}

static eng_status extract_url(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_source source = {.id = {NULL, 0},
                         .title = {NULL, 0},
                         .metadata = {NULL, 0},
                         .text = {NULL, 0},
                         .bytes = {NULL, 0},
                         .url = eng_req_text(req, "url")};
    eng_extracted *page = NULL;
    eng_status status = eng_extract_text(eng_req_engine(req), &source, &page, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_member(w, "title", eng_str_of(page->title));
    eng_json_member(w, "text", (eng_str){page->text, page->text_len});
    eng_json_member(w, "url", eng_str_of(page->url));
    eng_json_member(w, "language", eng_str_of(page->language));
    if (eng_req_bool(req, "ingest"))
        status = take_in(req, page, w, err);
    if (status == ENG_OK)
        eng_json_close(w, '}');
    else
        eng_buf_reset(eng_exchange_out(req->x));
    eng_extracted_free(page);
    return status;
}

const eng_route eng_routes_search[] = {
    {ENG_POST, "/v1/collections/{c}/search", ENG_ROLE_READ, search_fields, search_reply, search,
     "Finds the passages that match a question.", .fails = "404",
     .example = "{\"query\": \"qual o prazo de entrega?\"}", .where = ENG_ON_WORKER,
     .takes = ENG_TAKES_JSON},
    {ENG_POST, "/vector/vectorize-ask", ENG_ROLE_READ, ask_fields, search_reply, vectorize_ask,
     "Finds the passages of a title's collection that match a question.", .fails = "404",
     .where = ENG_ON_WORKER, .takes = ENG_TAKES_JSON},
    {ENG_POST, "/extract/extract-url", ENG_ROLE_WRITE, extract_fields, extract_reply, extract_url,
     "Fetches a page and gives its text.", .fails = "403 415 502 504", .where = ENG_ON_WORKER,
     .takes = ENG_TAKES_JSON},
    {0},
};
