/* API keys, which only admins make, list and remove. */
#include "base/error.h"
#include "serve/routes.h"

#define ROLES "read|write|admin"

static const eng_field add_fields[] = {
    {"name", ENG_TEXT, .required = true, .min = 1, .max = ENG_KEY_NAME_MAX,
     .doc = "What the key is for, in words.", .example = "\"the web shop\""},
    {"role", ENG_CHOICE, .required = true, .choices = ROLES, .doc = "What it may do.",
     .example = "\"read\""},
    {"rate", ENG_INT, .min = 0, .max = UINT32_MAX, .preset = "0",
     .doc = "Requests a minute; 0 for the server's own limit."},
    {0},
};

#define KEY_FIELDS                                                                                 \
    {"id", ENG_TEXT, .required = true, .doc = "Names the key; not a secret.",                      \
     .example = "\"0c4k2vd7h1m3n9pq\""},                                                           \
        {"name", ENG_TEXT, .required = true, .doc = "What it is for.",                             \
         .example = "\"the web shop\""},                                                           \
        {"role",                                                                                   \
         ENG_CHOICE,                                                                               \
         .required = true,                                                                         \
         .choices = ROLES,                                                                         \
         .doc = "What it may do.",                                                                 \
         .example = "\"read\""},                                                                   \
        {"rate", ENG_INT, .doc = "Requests a minute; absent where it has no limit of its own."},   \
    {                                                                                              \
        "created_at", ENG_TIME, .required = true, .doc = "When it was made.",                      \
                                .example = "\"2026-11-24T14:03:07.250Z\""                          \
    }

const eng_field eng_key_shape[] = {KEY_FIELDS, {0}};

static const eng_field add_reply[] = {
    KEY_FIELDS,
    {"key", ENG_TEXT, .required = true, .doc = "The secret itself. It is not shown again."},
    {0},
};

static const eng_field list_reply[] = {
    {"keys", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = eng_key_shape,
     .doc = "Without secrets."},
    {"next", ENG_TEXT, .doc = "For the next page; absent on the last."},
    {0},
};

/* Leaves the object open. */
static void write_key(eng_json_writer *w, const eng_key *key)
{
    eng_json_open(w, '{');
    eng_json_member(w, "id", eng_str_of(key->id));
    eng_json_member(w, "name", eng_str_of(key->name));
    eng_json_member(w, "role", eng_str_of(eng_role_name(key->role)));
    if (key->rate) {
        eng_json_name(w, ENG_STR("rate"));
        eng_json_uint(w, key->rate);
    }
    eng_write_time(w, "created_at", key->created_ms);
}

static eng_status add(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_role role = ENG_ROLE_NONE;
    eng_key key;
    char secret[ENG_KEY_SECRET_SIZE];
    bool known = eng_role_of(eng_req_text(req, "role"), &role);
    if (!known)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("role"), "expected one of " ROLES);
    eng_status status = eng_key_add(eng_req_engine(req), eng_req_text(req, "name"), role,
                                    (uint32_t)eng_req_int(req, "rate"), &key, secret, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    write_key(w, &key);
    eng_json_member(w, "key", eng_str_of(secret));
    eng_json_close(w, '}');
    eng_key_clear(&key);
    return ENG_OK;
}

static eng_status list(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_key_page *page = NULL;
    eng_status status = eng_key_list(eng_req_engine(req), eng_page_limit(req), eng_page_next(req),
                                     &page, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("keys"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < page->count; i++) {
        write_key(w, &page->keys[i]);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
    if (page->next[0])
        eng_json_member(w, "next", eng_str_of(page->next));
    eng_json_close(w, '}');
    eng_key_page_free(page);
    return ENG_OK;
}

static eng_status rm(eng_request *req, eng_reply *out, eng_error *err)
{
    (void)out;
    return eng_key_remove(eng_req_engine(req), eng_req_path(req, "id"), err);
}

const eng_route eng_routes_keys[] = {
    {ENG_POST, "/v1/keys", ENG_ROLE_ADMIN, add_fields, add_reply, add,
     "Makes an API key and shows its secret, this once.", .status = 201,
     .example = "{\"name\": \"the web shop\", \"role\": \"read\"}", .where = ENG_ON_WORKER,
     .takes = ENG_TAKES_JSON},
    {ENG_GET, "/v1/keys", ENG_ROLE_ADMIN, NULL, list_reply, list, "Lists the stored keys.",
     .query = eng_page_query, .where = ENG_ON_WORKER},
    {ENG_DELETE, "/v1/keys/{id}", ENG_ROLE_ADMIN, NULL, NULL, rm,
     "Removes a key, from now on refused.", .fails = "404", .status = 204, .where = ENG_ON_WORKER},
    {0},
};
