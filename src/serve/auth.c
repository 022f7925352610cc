/*
 * Who may ask. Three questions that have nothing to do with each other: does the request reach us
 * under a name that could be ours (Host: a page may make its own name point here), whose key does
 * it carry, and, where it changes something, is it a page of another site that asks (Origin).
 */
#include "base/error.h"
#include "serve/parts.h"

#include <sodium.h>
#include <stdio.h>

/* ---- Set-up --------------------------------------------------------------------------------- */

/* Both sides of a comparison are hashed, so that its time tells nothing, not even a length. */
static void digest(eng_str secret, unsigned char out[ENG_DIGEST_SIZE])
{
    crypto_generichash(out, ENG_DIGEST_SIZE, (const unsigned char *)secret.ptr, secret.len, NULL,
                       0);
}

static eng_status copy_origins(eng_auth *a, eng_str rest, eng_error *err)
{
    eng_str one;
    size_t most = 1;
    for (size_t i = 0; i < rest.len; i++)
        most += rest.ptr[i] == ',';
    a->cors = eng_alloc_array(most, sizeof *a->cors);
    if (!a->cors)
        return eng_fail_nomem(err);
    for (bool more = true; more;) {
        more = eng_str_cut(rest, ',', &one, &rest);
        one = eng_str_trim(one);
        if (one.len == 0)
            continue;
        a->cors_all |= eng_str_eq(one, ENG_STR("*"));
        char *copy = eng_strdup(one);
        if (!copy)
            return eng_fail_nomem(err);
        a->cors[a->cors_count++] = (eng_str){copy, one.len};
    }
    return ENG_OK;
}

eng_status eng_auth_init(eng_auth *a, const eng_serve_options *options, eng_error *err)
{
    *a = (eng_auth){.rate = options->rate};
    if (sodium_init() < 0)
        return eng_fail(err, ENG_EINTERNAL, "libsodium cannot be initialised");
    a->has_master = options->api_key && options->api_key[0];
    if (a->has_master)
        digest(eng_str_of(options->api_key), a->master);
    a->in_force = options->keys == ENG_KEYS_REQUIRED ||
                  (options->keys == ENG_KEYS_AUTO && a->has_master);
    return options->cors ? copy_origins(a, eng_str_of(options->cors), err) : ENG_OK;
}

void eng_auth_clear(eng_auth *a)
{
    for (size_t i = 0; i < a->cors_count; i++)
        eng_free((char *)a->cors[i].ptr);
    eng_free(a->cors);
    sodium_memzero(a->master, sizeof a->master);
    a->cors = NULL;
    a->cors_count = 0;
}

/* ---- Keys ----------------------------------------------------------------------------------- */

static eng_str secret_of(const eng_exchange *x)
{
    static const size_t scheme = sizeof "Bearer " - 1;
    eng_str header = eng_exchange_header(x, ENG_STR("Authorization"));
    if (header.len > scheme &&
        eng_str_eq_nocase(eng_str_sub(header, 0, scheme), ENG_STR("Bearer ")))
        return eng_str_trim(eng_str_sub(header, scheme, header.len));
    return eng_exchange_header(x, ENG_STR("X-API-Key"));
}

static bool is_master(const eng_auth *a, eng_str secret)
{
    unsigned char given[ENG_DIGEST_SIZE];
    if (!a->has_master)
        return false;
    digest(secret, given);
    return sodium_memcmp(given, a->master, sizeof given) == 0;
}

eng_caller eng_auth_caller(eng_request *req)
{
    const eng_auth *a = &req->serve->auth;
    eng_caller who = {.role = ENG_ROLE_NONE};
    if (req->http->local || !a->in_force)
        return (eng_caller){.role = ENG_ROLE_ADMIN};
    eng_str secret = secret_of(req->x);
    if (!secret.ptr)
        return who;
    if (is_master(a, secret)) {
        snprintf(req->key, sizeof req->key, "%s", "master");
        return (eng_caller){.role = ENG_ROLE_ADMIN, .rate = a->rate};
    }
    if (!eng_key_check(req->serve->engine, secret, req->key, &who.role, &who.rate)) {
        req->key[0] = '\0';
        return (eng_caller){.role = ENG_ROLE_NONE};
    }
    if (who.rate == 0)
        who.rate = a->rate;
    return who;
}

/* ---- Host and Origin ------------------------------------------------------------------------ */

eng_status eng_auth_host(const eng_request *req, eng_error *err)
{
    eng_str host = req->http->host;
    /* Without a Host there is no name, and no browser. */
    if (req->http->local || req->serve->auth.in_force || host.len == 0 || eng_host_is_local(host))
        return ENG_OK;
    return eng_fail(err, ENG_EFORBIDDEN,
                    "host '%.*s' is neither localhost nor an address, and no keys are in force",
                    (int)(host.len < 200 ? host.len : 200), host.ptr);
}

static bool is_own(eng_str origin, eng_str host)
{
    eng_str at = {NULL, 0};
    if (eng_str_starts(origin, ENG_STR("http://")))
        at = eng_str_sub(origin, 7, origin.len);
    else if (eng_str_starts(origin, ENG_STR("https://")))
        at = eng_str_sub(origin, 8, origin.len);
    return at.len && eng_str_eq_nocase(at, host);
}

static bool is_allowed(const eng_auth *a, eng_str origin)
{
    for (size_t i = 0; i < a->cors_count; i++)
        if (eng_str_eq_nocase(a->cors[i], origin))
            return true;
    return a->cors_all;
}

eng_str eng_auth_cors(const eng_auth *a, const eng_exchange *x)
{
    eng_str none = {NULL, 0};
    if (a->cors_count == 0)
        return none;
    eng_str origin = eng_exchange_header(x, ENG_STR("Origin"));
    return origin.ptr && is_allowed(a, origin) ? origin : none;
}

eng_status eng_auth_origin(const eng_request *req, eng_error *err)
{
    eng_str origin = eng_exchange_header(req->x, ENG_STR("Origin"));
    if (!origin.ptr || req->origin.ptr || is_own(origin, req->http->host))
        return ENG_OK;
    return eng_fail(err, ENG_EFORBIDDEN, "origin '%.*s' may not change anything here",
                    (int)(origin.len < 200 ? origin.len : 200), origin.ptr);
}
