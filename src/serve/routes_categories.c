/*
 * Categories of products, as the first system's service gave them: everything invalid is 400 with its
 * place, and the short way is short: a tree of the body, one pass over the products, one call.
 */
#include "base/error.h"
#include "serve/predict.h"
#include "serve/routes.h"

#include <math.h>
#include <stdio.h>

enum { FIELDS_MAX = 64 };

static const char *const text_names[] = {"title", "query", "concatenated_tags"};
enum { TEXT_NAMES = sizeof text_names / sizeof *text_names };

/* ---- What is sent ---- */

static bool is_blank(eng_str text) { return eng_str_trim(text).len == 0; }

static eng_status bad_product(size_t index, const char *name, const char *expected,
                              const eng_json *got, eng_error *err)
{
    char field[96];
    snprintf(field, sizeof field, "products[%zu]%s%.40s", index, name ? "." : "", name ? name : "");
    return eng_fail_field(err, ENG_EINVALID, eng_str_of(field), "expected %s%s%s", expected,
                          got ? ", got " : "", got ? eng_json_type_name(got) : "");
}

static int text_name(eng_str key)
{
    for (int i = 0; i < TEXT_NAMES; i++)
        if (eng_str_eq(key, eng_str_of(text_names[i])))
            return i;
    return -1;
}

/* A product by itself, whatever the model; *some: it has a text to go by. */
static eng_status check_product(const eng_json *product, size_t index, bool *some, eng_error *err)
{
    *some = false;
    if (product->type != ENG_JSON_OBJECT)
        return bad_product(index, NULL, "an object", product, err);
    for (size_t i = 0; i < product->count; i++) {
        int name = text_name(eng_json_key(product, i));
        const eng_json *v = eng_json_value(product, i);
        if (name < 0)
            continue;
        if (v->type != ENG_JSON_STRING && (v->type != ENG_JSON_NULL || name == 0))
            return bad_product(index, text_names[name], "a string", v, err);
        *some |= !is_blank(eng_json_text(v));
    }
    return ENG_OK;
}

static eng_status no_text(size_t index, eng_error *err)
{
    return bad_product(index, NULL,
                       "title, query or concatenated_tags to be a string that is not empty", NULL,
                       err);
}

static eng_status products_of(const eng_json *body, const eng_json **out, eng_error *err)
{
    const eng_str name = ENG_STR("products");
    if (!body)
        return eng_fail(err, ENG_EMALFORMED, "expected a body: {\"products\": [{\"title\": ...}]}");
    if (body->type != ENG_JSON_OBJECT)
        return eng_fail(err, ENG_EMALFORMED, "expected an object with products, got %s",
                        eng_json_type_name(body));
    const eng_json *products = eng_json_get(body, name);
    if (!products)
        return eng_fail_field(err, ENG_EINVALID, name, "expected a list, but the field is absent");
    if (products->type != ENG_JSON_ARRAY)
        return eng_fail_field(err, ENG_EINVALID, name, "expected a list, got %s",
                              eng_json_type_name(products));
    if (products->count == 0)
        return eng_fail_field(err, ENG_EINVALID, name, "expected at least one product");
    *out = products;
    return ENG_OK;
}

/* ---- What the model takes ---- */

typedef struct {
    eng_predictor *predictor;
    const eng_predictor_info *info;
    const eng_json *products;
    eng_item *items;
    eng_category *answers;
} categorising;

static eng_status put_number(const eng_predictor_info *info, const eng_json *v, size_t index,
                             size_t at, double *out, eng_error *err)
{
    char name[FIELDS_MAX];
    if (v->type == ENG_JSON_NULL || eng_json_number(v, out))
        return ENG_OK;
    snprintf(name, sizeof name, "%.*s", ENG_FMT(eng_str_sub(info->inputs[at].name, 0, 40)));
    return bad_product(index, name, "a number or null", v, err);
}

/* A product's fields where the model has such; those that it lacks are missing. */
static eng_status put_product(const categorising *c, size_t index, eng_str *texts, double *numbers,
                              bool some, eng_error *err)
{
    const eng_predictor_info *info = c->info;
    const eng_json *product = eng_json_at(c->products, index);
    for (size_t i = 0; i < info->text_count; i++)
        texts[i] = (eng_str){"", 0};
    for (size_t i = 0; i < info->input_count - info->text_count; i++)
        numbers[i] = NAN;
    for (size_t i = 0; i < product->count; i++) {
        eng_str key = eng_json_key(product, i);
        const eng_json *v = eng_json_value(product, i);
        size_t at = 0;
        while (at < info->input_count && !eng_str_eq_nocase(info->inputs[at].name, key))
            at++;
        if (at == info->input_count)
            continue;
        if (at >= info->text_count) {
            eng_status status = put_number(info, v, index, at, &numbers[at - info->text_count],
                                           err);
            if (status < 0)
                return status;
        } else if (v->type == ENG_JSON_STRING) {
            texts[at] = eng_json_text(v);
            some |= !is_blank(texts[at]);
        } else if (v->type != ENG_JSON_NULL) {
            char name[FIELDS_MAX];
            snprintf(name, sizeof name, "%.*s", ENG_FMT(eng_str_sub(key, 0, 40)));
            return bad_product(index, name, "a string", v, err);
        }
    }
    c->items[index] = (eng_item){.texts = texts,
                                 .text_count = info->text_count,
                                 .numbers = numbers,
                                 .number_count = info->input_count - info->text_count};
    return some ? ENG_OK : no_text(index, err);
}

static eng_status put_products(categorising *c, const bool *some, eng_arena *arena, eng_error *err)
{
    size_t count = c->products->count, width = c->info->text_count;
    size_t numbers = c->info->input_count - width;
    eng_status status = ENG_OK;
    c->items = eng_arena_array(arena, count, sizeof *c->items);
    c->answers = eng_arena_array(arena, count, sizeof *c->answers);
    eng_str *texts = eng_arena_array(arena, count * width + 1, sizeof *texts);
    double *values = eng_arena_array(arena, count * numbers + 1, sizeof *values);
    if (!c->items || !c->answers || !texts || !values)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count && status == ENG_OK; i++)
        status = put_product(c, i, texts + i * width, values + i * numbers, some[i], err);
    return status;
}

/* ---- What is answered ---- */

static eng_str category_name(const categorising *c, uint32_t category)
{
    return c->info->classes[category].text;
}

static void write_nearest(eng_json_writer *w, const categorising *c, const eng_category_details *d)
{
    eng_json_name(w, ENG_STR("nearest"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < d->nearest_count; i++) {
        eng_json_open(w, '{');
        eng_json_member(w, "title", d->nearest[i].title);
        eng_json_member(w, "category", category_name(c, d->nearest[i].category));
        eng_json_name(w, ENG_STR("similarity"));
        eng_json_double(w, (double)d->nearest[i].similarity);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

static void write_because(eng_json_writer *w, const eng_category_details *d)
{
    eng_json_name(w, ENG_STR("because"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < d->because_count; i++) {
        eng_json_open(w, '[');
        eng_json_string(w, d->because[i].word);
        eng_json_double(w, (double)d->because[i].weight);
        eng_json_close(w, ']');
    }
    eng_json_close(w, ']');
}

static void write_details(eng_json_writer *w, const categorising *c, const eng_category_details *d)
{
    eng_json_open(w, '{');
    eng_json_member(w, "category", category_name(c, d->answer.category));
    eng_json_name(w, ENG_STR("probability"));
    eng_json_double(w, (double)d->answer.probability);
    eng_json_name(w, ENG_STR("unknown"));
    eng_json_bool(w, d->answer.unknown);
    eng_json_name(w, ENG_STR("alternatives"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < d->alternative_count; i++) {
        eng_json_open(w, '{');
        eng_json_member(w, "category", category_name(c, d->alternatives[i].category));
        eng_json_name(w, ENG_STR("probability"));
        eng_json_double(w, (double)d->alternatives[i].probability);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
    write_nearest(w, c, d);
    write_because(w, d);
    eng_json_close(w, '}');
}

static eng_status write_all_details(eng_json_writer *w, const categorising *c, eng_error *err)
{
    eng_json_name(w, ENG_STR("details"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < c->products->count; i++) {
        eng_category_details *d = NULL;
        eng_status status = eng_categorize_why(c->predictor, &c->items[i], &d, err);
        if (status < 0)
            return status;
        write_details(w, c, d);
        eng_category_details_free(d);
    }
    eng_json_close(w, ']');
    return ENG_OK;
}

static eng_status categorize_with(categorising *c, const bool *some, eng_request *req,
                                  eng_reply *out, eng_error *err)
{
    eng_status status = put_products(c, some, eng_req_arena(req), err);
    if (status == ENG_OK)
        status = eng_categorize(c->predictor, c->items, c->products->count, c->answers, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("categories"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < c->products->count; i++)
        eng_json_string(w, category_name(c, c->answers[i].category));
    eng_json_close(w, ']');
    if (eng_req_bool(req, "details"))
        status = write_all_details(w, c, err);
    if (status == ENG_OK)
        eng_json_close(w, '}');
    return status;
}

static eng_status check_products(const eng_json *products, bool *some, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t i = 0; i < products->count && status == ENG_OK; i++)
        status = check_product(eng_json_at(products, i), i, &some[i], err);
    return status;
}

/* Where none is loaded, what no model could go by is still the client's mistake. */
static eng_status take_model(categorising *c, const bool *some, eng_request *req, eng_error *err)
{
    eng_status status = eng_predictor_take(eng_req_engine(req), ENG_PREDICTOR_TEXT,
                                           (eng_str){"", 0}, &c->predictor, err);
    for (size_t i = 0; status < 0 && i < c->products->count; i++)
        if (!some[i])
            return no_text(i, err);
    return status;
}

static eng_status categorize(eng_request *req, eng_reply *out, eng_error *err)
{
    categorising c = {.predictor = NULL};
    bool *some = NULL;
    eng_status status = products_of(eng_req_body(req), &c.products, err);
    if (status == ENG_OK) {
        some = eng_arena_alloc(eng_req_arena(req), c.products->count);
        status = some ? check_products(c.products, some, err) : eng_fail_nomem(err);
    }
    if (status == ENG_OK)
        status = take_model(&c, some, req, err);
    if (status < 0)
        return status;
    c.info = eng_predictor_about(c.predictor);
    status = categorize_with(&c, some, req, out, err);
    eng_predictor_give(c.predictor);
    return status;
}

/* ---- Feedback ---- */

static eng_status check_feedback(const eng_json *products, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t i = 0; i < products->count && status == ENG_OK; i++) {
        bool some;
        const eng_json *product = eng_json_at(products, i);
        status = check_product(product, i, &some, err);
        if (status == ENG_OK && !some)
            status = no_text(i, err);
        const eng_json *category = eng_json_get(product, ENG_STR("category"));
        if (status == ENG_OK && is_blank(eng_json_text(category)))
            status = bad_product(i, "category", "the right category, a string", category, err);
    }
    return status;
}

static eng_status feedback(eng_request *req, eng_reply *out, eng_error *err)
{
    const eng_json *products = NULL;
    eng_status status = products_of(eng_req_body(req), &products, err);
    if (status == ENG_OK)
        status = check_feedback(products, err);
    eng_str *texts = NULL;
    if (status == ENG_OK) {
        texts = eng_arena_array(eng_req_arena(req), products->count, sizeof *texts);
        status = texts ? ENG_OK : eng_fail_nomem(err);
    }
    for (size_t i = 0; status == ENG_OK && i < products->count; i++) {
        eng_buf text;
        eng_buf_init(&text, 64 << 20);
        eng_json_writer w = eng_json_write_to(&text);
        eng_json_copy(&w, eng_json_at(products, i));
        status = eng_buf_check(&text, "feedback", err);
        if (status == ENG_OK) {
            texts[i] = eng_arena_copy(eng_req_arena(req), eng_buf_view(&text));
            status = texts[i].ptr ? ENG_OK : eng_fail_nomem(err);
        }
        eng_buf_clear(&text);
    }
    if (status == ENG_OK)
        status = eng_feedback_add(eng_req_engine(req), texts, products->count, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("kept"));
    eng_json_uint(w, products->count);
    eng_json_close(w, '}');
    return ENG_OK;
}

/* ---- Training ---- */

static const eng_field train_fields[] = {
    {"kind", ENG_CHOICE, .required = true, .choices = "text", .doc = "What is trained."},
    {"dataset", ENG_TEXT, .min = 1, .max = 4096,
     .doc = "The rows' file, an absolute path on this machine; else DATASET_PATH."},
    {"name", ENG_TEXT, .min = 1, .max = 200, .preset = "\"categories\"",
     .doc = "The model of which this becomes a version."},
    {"label", ENG_TEXT, .max = 200, .doc = "The column of categories; else guessed."},
    {"group", ENG_TEXT, .max = 200, .doc = "Rows of one group are never parted; else guessed."},
    {"feedback", ENG_BOOL, .preset = "true", .doc = "Learn from what feedback was kept, too."},
    {"seed", ENG_INT, .min = 0, .max = INT64_MAX, .preset = "0", .doc = "Of folds and orders."},
    {0},
};

static eng_status train(eng_request *req, eng_reply *out, eng_error *err)
{
    int64_t job;
    eng_train what = {
        .name = eng_req_text(req, "name"),
        .dataset = eng_req_has(req, "dataset") ? eng_req_text(req, "dataset") : (eng_str){NULL, 0},
        .label = eng_req_has(req, "label") ? eng_req_text(req, "label") : (eng_str){NULL, 0},
        .group = eng_req_has(req, "group") ? eng_req_text(req, "group") : (eng_str){NULL, 0},
        .feedback = eng_req_bool(req, "feedback"),
        .seed = (uint64_t)eng_req_int(req, "seed"),
    };
    eng_status status = eng_train_begin(eng_req_engine(req), &what, &job, err);
    return status < 0 ? status : eng_say_job(out, job);
}

/* ---- Rows ---- */

static const eng_field categorize_query[] = {
    {"details", ENG_BOOL, .preset = "false", .doc = "Why, how sure, and what else it could be."},
    {0},
};

static const eng_field detail_shape[] = {
    {"category", ENG_TEXT, .required = true, .doc = "The best."},
    {"probability", ENG_NUMBER, .required = true, .doc = "That it is right: calibrated."},
    {"unknown", ENG_BOOL, .required = true, .doc = "Unlike what the model was trained on."},
    {"alternatives", ENG_LIST, .required = true, .items = ENG_OBJECT, .doc = "The next best."},
    {"nearest", ENG_LIST, .required = true, .items = ENG_OBJECT,
     .doc = "Titles of the training that are most alike, with their categories."},
    {"because", ENG_LIST, .required = true, .items = ENG_ANY,
     .doc = "Words that decided, each with its weight."},
    {0},
};

static const eng_field categorize_reply[] = {
    {"categories", ENG_LIST, .required = true, .items = ENG_TEXT,
     .doc = "One for each product, in their order.", .example = "[\"Bebê\"]"},
    {"details", ENG_LIST, .items = ENG_OBJECT, .of = detail_shape, .doc = "With ?details=true."},
    {0},
};

static const eng_field feedback_reply[] = {
    {"kept", ENG_INT, .required = true, .doc = "How many products are kept for the next training."},
    {0},
};

const eng_route eng_routes_categories[] = {
    {ENG_POST, "/v1/categorize", ENG_ROLE_READ, NULL, categorize_reply, categorize,
     "Gives the best category of each product.", .query = categorize_query,
     .example = "{\"products\": [{\"title\": \"Carrinho de Bebê\"}]}", .fails = "503",
     .errors = ENG_ERRORS_ALL_400, .where = ENG_ON_LOOP, .loop_max = 16384, .loop_plain = true,
     .takes = ENG_TAKES_JSON},
    {ENG_POST, "/v1/categorize/feedback", ENG_ROLE_WRITE, NULL, feedback_reply, feedback,
     "Keeps the right categories of products for the next training.",
     .example = "{\"products\": [{\"title\": \"Carrinho\", \"category\": \"Bebê\"}]}",
     .errors = ENG_ERRORS_ALL_400, .where = ENG_ON_WORKER, .takes = ENG_TAKES_JSON},
    {ENG_POST, "/v1/train", ENG_ROLE_ADMIN, train_fields, eng_job_begun_shape, train,
     "Trains a model as a job; what comes of it is the one in use.", .status = 202,
     .example = "{\"kind\": \"text\", \"dataset\": \"/data/products.csv\"}", .where = ENG_ON_WORKER,
     .takes = ENG_TAKES_JSON},
    {0},
};
