/*
 * What a stranger may write into a request's first line and a JSON body, against the program's own
 * routes: the first line of the input is a path and a query, the rest a body.
 */
#include "base/utf8.h"
#include "serve/parts.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const eng_router *router(void)
{
    static eng_router *r;
    if (!r && eng_router_new(eng_route_tables, &r, NULL) < 0)
        abort();
    return r;
}

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void try_query(const eng_entry *e, eng_str query, eng_arena *arena)
{
    eng_str name, raw, text;
    const eng_json *v;
    while (eng_query_next(&query, &name, &raw))
        for (unsigned i = 0; i < e->queries; i++)
            if (eng_url_decode(raw, true, arena, &text, NULL) == ENG_OK)
                (void)!eng_validate_text(&e->route->query[i], text, arena, &v, NULL);
}

static void try_body(const eng_entry *e, eng_str body, eng_arena *arena)
{
    eng_error err = {0};
    const eng_json *v, *values[32];
    if (!e->route->body || e->fields > 32 || eng_json_read(body, NULL, arena, &v, NULL) < 0 ||
        v->type != ENG_JSON_OBJECT)
        return;
    if (eng_validate_object(e->route->body, v, values, &err) < 0)
        must(err.field[0] && eng_utf8_valid(eng_str_of(err.message)) == strlen(err.message));
}

static void try_path(eng_str path, eng_str query, eng_str body, eng_arena *arena)
{
    for (unsigned m = 0; m <= ENG_METHODS; m++) {
        eng_match match;
        if (eng_router_find(router(), (eng_method)m, path, arena, &match, NULL) < 0 || !match.entry)
            continue;
        for (const char *at = strchr(match.entry->route->path, '{'), *first = at; at;
             at = strchr(at + 1, '{')) {
            eng_str param = match.params[at != first];
            must(param.len && eng_utf8_valid(param) == param.len &&
                 !memchr(param.ptr, 0, param.len));
        }
        try_query(match.entry, query, arena);
        try_body(match.entry, body, arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_arena arena;
    eng_str line, body, path, query;
    eng_arena_init(&arena, 4096, NULL);
    eng_str_cut((eng_str){(const char *)data, size}, '\n', &line, &body);
    eng_str_cut(line, '?', &path, &query);
    try_path(path, query, body, &arena);
    eng_arena_clear(&arena);
    return 0;
}
