/*
 * The tables compiled into a trie: a node for each segment that has been seen behind the same
 * segments before. A node has its literal children in a list (they are few) and at most one child
 * for a parameter, whatever it is called: names belong to the routes. Built once, then only read.
 */
#include "base/error.h"
#include "serve/parts.h"

#include <assert.h>

typedef struct node node;
struct node {
    eng_str segment;
    node *next;  /* its neighbour */
    node *child; /* the first literal one */
    node *param;
    const eng_entry *entries[ENG_METHODS];
};

struct eng_router {
    eng_arena arena;
    node root;
    eng_entry *entries;
    size_t count;
};

/* ---- Methods -------------------------------------------------------------------------------- */

static const char *const method_names[ENG_METHODS] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

eng_method eng_method_of(eng_str name)
{
    if (eng_str_eq(name, ENG_STR("HEAD")))
        return ENG_GET;
    for (unsigned m = 0; m < ENG_METHODS; m++)
        if (eng_str_eq(name, eng_str_of(method_names[m])))
            return (eng_method)m;
    return ENG_METHODS;
}

const char *eng_method_name(eng_method method) { return method_names[method]; }

/* ---- Building ------------------------------------------------------------------------------- */

/* The next segment of a path, cut off its front; false at its end. */
static bool next_segment(eng_str *path, eng_str *segment)
{
    if (path->len < 2) /* "", and the slash at the end */
        return false;
    eng_str rest = eng_str_sub(*path, 1, path->len);
    if (!eng_str_cut(rest, '/', segment, path)) {
        *segment = rest;
        *path = (eng_str){"", 0};
    } else {
        *path = (eng_str){path->ptr - 1, path->len + 1}; /* with its slash */
    }
    return true;
}

static bool is_param(eng_str segment)
{
    return segment.len > 2 && segment.ptr[0] == '{' && segment.ptr[segment.len - 1] == '}';
}

static node *literal_child(const node *at, eng_str segment)
{
    node *child = at->child;
    while (child && !eng_str_eq(child->segment, segment))
        child = child->next;
    return child;
}

/* The child for this segment, made if need be; NULL when memory ran out. */
static node *child_for(eng_router *r, node *at, eng_str segment)
{
    node *child = is_param(segment) ? at->param : literal_child(at, segment);
    if (child)
        return child;
    child = eng_arena_zalloc(&r->arena, sizeof *child);
    if (!child)
        return NULL;
    child->segment = segment;
    if (is_param(segment)) {
        at->param = child;
    } else {
        child->next = at->child;
        at->child = child;
    }
    return child;
}

static eng_status read_presets(eng_router *r, const eng_field *fields, const eng_json **out,
                               eng_error *err)
{
    for (; fields && fields->name; fields++, out++) {
        if (!fields->preset)
            continue;
        eng_status status = eng_json_read(eng_str_of(fields->preset), NULL, &r->arena, out, err);
        assert(status == ENG_OK || status == ENG_ENOMEM);
        if (status < 0)
            return status;
    }
    return ENG_OK;
}

static eng_status compile(eng_router *r, const eng_route *route, eng_entry *entry, eng_error *err)
{
    entry->route = route;
    entry->index = (unsigned)(entry - r->entries);
    entry->fields = eng_fields_count(route->body);
    entry->queries = eng_fields_count(route->query);
    const eng_json **presets = eng_arena_zalloc(&r->arena, (entry->fields + entry->queries + 1) *
                                                               sizeof *presets);
    if (!presets)
        return eng_fail_nomem(err);
    entry->presets = presets;
    eng_status status = read_presets(r, route->body, presets, err);
    return status < 0 ? status : read_presets(r, route->query, presets + entry->fields, err);
}

static eng_status plant(eng_router *r, const eng_entry *entry, eng_error *err)
{
    eng_str path = eng_str_of(entry->route->path), segment;
    node *at = &r->root;
    unsigned params = 0;
    while (next_segment(&path, &segment)) {
        params += is_param(segment);
        at = child_for(r, at, segment);
        if (!at)
            return eng_fail_nomem(err);
    }
    assert(params <= ENG_PATH_PARAMS && !at->entries[entry->route->method]);
    at->entries[entry->route->method] = entry;
    return ENG_OK;
}

static size_t count_routes(const eng_route *const *tables)
{
    size_t count = 0;
    for (; *tables; tables++)
        for (const eng_route *route = *tables; route->path; route++)
            count++;
    return count;
}

static eng_status build(eng_router *r, const eng_route *const *tables, eng_error *err)
{
    r->entries = eng_arena_zalloc(&r->arena, count_routes(tables) * sizeof *r->entries);
    if (!r->entries)
        return eng_fail_nomem(err);
    for (; *tables; tables++) {
        for (const eng_route *route = *tables; route->path; route++) {
            eng_entry *entry = &r->entries[r->count++];
            eng_status status = compile(r, route, entry, err);
            if (status == ENG_OK)
                status = plant(r, entry, err);
            if (status < 0)
                return status;
        }
    }
    return ENG_OK;
}

eng_status eng_router_new(const eng_route *const *tables, eng_router **out, eng_error *err)
{
    eng_router *r = eng_zalloc(sizeof *r);
    if (!r)
        return eng_fail_nomem(err);
    eng_arena_init(&r->arena, 8192, NULL);
    eng_status status = build(r, tables, err);
    if (status < 0)
        eng_router_free(r);
    else
        *out = r;
    return status;
}

void eng_router_free(eng_router *r)
{
    if (!r)
        return;
    eng_arena_clear(&r->arena);
    eng_free(r);
}

size_t eng_router_count(const eng_router *r) { return r->count; }

const eng_entry *eng_router_entry(const eng_router *r, size_t index) { return &r->entries[index]; }

/* ---- Finding -------------------------------------------------------------------------------- */

/* ASCII without an escape: nothing has to be decoded or checked. */
static bool is_plain(eng_str segment)
{
    for (size_t i = 0; i < segment.len; i++)
        if (segment.ptr[i] == '%' || (signed char)segment.ptr[i] <= 0)
            return false;
    return true;
}

/* Decodes the segments; *count is ENG_PATH_SEGMENTS + 1 for a path that cannot be one of ours. All
 * of it is decoded in any case, so that what is malformed is said to be so. */
static eng_status decode(eng_str path, eng_arena *arena, eng_str segments[ENG_PATH_SEGMENTS],
                         size_t *count, eng_error *err)
{
    eng_str raw;
    bool foreign = path.len == 0 || path.ptr[0] != '/';
    size_t n = 0;
    while (next_segment(&path, &raw)) {
        eng_str text = raw;
        if (!is_plain(raw)) {
            eng_status status = eng_url_decode(raw, false, arena, &text, err);
            if (status < 0)
                return status;
        }
        foreign |= n == ENG_PATH_SEGMENTS || text.len == 0 || eng_str_eq(text, ENG_STR(".")) ||
                   eng_str_eq(text, ENG_STR(".."));
        if (!foreign)
            segments[n++] = text;
    }
    *count = foreign ? ENG_PATH_SEGMENTS + 1 : n;
    return ENG_OK;
}

static bool has_routes(const node *at)
{
    for (unsigned m = 0; m < ENG_METHODS; m++)
        if (at->entries[m])
            return true;
    return false;
}

/* A literal goes before a parameter; where it leads nowhere, the parameter is tried. No node is
 * visited twice, so a path cannot make this expensive. */
static const node *walk(const node *at, const eng_str *segments, size_t count, eng_str *params)
{
    if (count == 0)
        return has_routes(at) ? at : NULL;
    const node *child = literal_child(at, segments[0]);
    const node *found = child ? walk(child, segments + 1, count - 1, params) : NULL;
    if (found || !at->param)
        return found;
    *params = segments[0];
    return walk(at->param, segments + 1, count - 1, params + 1);
}

eng_status eng_router_find(const eng_router *r, eng_method method, eng_str path, eng_arena *arena,
                           eng_match *out, eng_error *err)
{
    eng_str segments[ENG_PATH_SEGMENTS];
    size_t count;
    eng_status status = decode(path, arena, segments, &count, err);
    if (status < 0)
        return status;
    out->entry = NULL;
    out->methods = 0;
    out->open = false;
    const node *at = count <= ENG_PATH_SEGMENTS ? walk(&r->root, segments, count, out->params)
                                                : NULL;
    for (unsigned m = 0; at && m < ENG_METHODS; m++) {
        if (!at->entries[m])
            continue;
        out->methods |= 1u << m;
        out->open |= at->entries[m]->route->role == ENG_ROLE_NONE;
    }
    if (at && method < ENG_METHODS)
        out->entry = at->entries[method];
    return ENG_OK;
}
