/* What a model's file holds, told without loading it: a scanner of files that nobody vouches for. */
#include "learn/table.h"

#include "base/error.h"
#include "format/pickle.h"
#include "learn/boost.h"
#include "learn/sklearn_internal.h"
#include "json/json.h"

enum { CLASSES = 256, STEPS = 4 << 20, PARAMETERS = 64 };

typedef struct {
    const eng_py *first;
    size_t count;
} seen_class;

typedef struct {
    const char *format;
    const char *packing;
    size_t bytes, unread;
    const eng_pickle *pickle; /* NULL: another kind of file */
    eng_str foreign;
    seen_class classes[CLASSES];
    size_t class_count;
    size_t steps;
    const eng_py *names;
    eng_str version;
    bool loads;
    eng_error why;
    char about[200];
} findings;

/* ---- Finding ------------------------------------------------------------------------------------------ */

static bool is_estimator(const eng_py *v)
{
    return eng_py_is(v, ENG_PY_OBJECT) &&
           (eng_sk_find(v) || eng_py_attr(v, "_sklearn_version") || eng_sk_is_boost(v));
}

static void count_class(findings *f, const eng_py *v)
{
    for (size_t i = 0; i < f->class_count; i++)
        if (eng_str_eq(eng_py_class(f->classes[i].first), eng_py_class(v))) {
            f->classes[i].count++;
            return;
        }
    if (f->class_count < CLASSES)
        f->classes[f->class_count++] = (seen_class){v, 1};
}

/* Values are not deeper than ENG_PY_DEPTH_MAX; what is reached often enough is not gone through again. */
static void look(findings *f, const eng_py *v)
{
    if (!v || f->steps >= STEPS)
        return;
    f->steps++;
    if (is_estimator(v)) {
        count_class(f, v);
        if (!f->names)
            f->names = eng_sk_names(v);
        if (!f->version.len)
            (void)(eng_py_text(eng_py_attr(v, "_sklearn_version"), &f->version));
    }
    for (size_t i = 0; i < eng_py_count(v); i++)
        look(f, eng_py_at(v, i));
    for (size_t i = 0; i < eng_py_pairs(v); i++)
        look(f, eng_py_value(v, i));
    if (v->type == ENG_PY_OBJECT) {
        look(f, v->as.object->args);
        look(f, v->as.object->state);
    }
}

/* Importing builds operators and runs nothing: whether it goes well is worth knowing. */
static eng_status try_plan(findings *f, eng_str bytes)
{
    eng_plan *plan = NULL;
    bool has = false;
    eng_status status = f->pickle ? eng_sklearn_plan(f->pickle->root, &plan, &f->why)
                                  : eng_boost_plan(bytes, NULL, &plan, &f->why);
    f->loads = status == ENG_OK;
    if (f->loads) {
        eng_str about = eng_plan_about(plan, &has)->about;
        snprintf(f->about, sizeof f->about, "%.*s", ENG_FMT(eng_str_sub(about, 0, 190)));
    }
    eng_plan_free(plan);
    return status == ENG_ENOMEM ? status : ENG_OK;
}

/* ---- As JSON -------------------------------------------------------------------------------------------- */

/* A parameter's value; false for what is none. */
static bool put_value(eng_json_writer *w, const eng_py *v)
{
    double n = 0;
    int64_t whole = 0;
    eng_str text;
    if (v->type == ENG_PY_NONE)
        eng_json_null(w);
    else if (v->type == ENG_PY_BOOL)
        eng_json_bool(w, v->as.boolean);
    else if (eng_py_text(v, &text))
        eng_json_string(w, eng_str_sub(text, 0, 200));
    else if (v->type == ENG_PY_INT && eng_py_integer(v, &whole))
        eng_json_int(w, whole);
    else if (v->type == ENG_PY_FLOAT && eng_py_number(v, &n))
        eng_json_double(w, n);
    else
        return false;
    return true;
}

/* Parameters are what stands in the state without an underscore at either end. */
static bool is_parameter(eng_str name, const eng_py *v)
{
    return name.len && name.ptr[0] != '_' && name.ptr[name.len - 1] != '_' &&
           (v->type <= ENG_PY_INT || v->type == ENG_PY_FLOAT || v->type == ENG_PY_STR);
}

static void put_classes(const findings *f, eng_json_writer *w)
{
    eng_json_name(w, ENG_STR("estimators"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < f->class_count; i++) {
        const eng_py *e = f->classes[i].first, *state = e->as.object->state;
        eng_json_open(w, '{');
        eng_json_member(w, "module", eng_py_module(e));
        eng_json_member(w, "class", eng_py_class(e));
        eng_json_name(w, ENG_STR("count"));
        eng_json_uint(w, f->classes[i].count);
        eng_json_name(w, ENG_STR("parameters"));
        eng_json_open(w, '{');
        for (size_t j = 0; j < eng_py_pairs(state) && j < PARAMETERS; j++) {
            eng_str name;
            const eng_py *v = eng_py_value(state, j);
            if (!eng_py_text(eng_py_key(state, j), &name) || !is_parameter(name, v))
                continue;
            eng_json_name(w, name);
            (void)put_value(w, v);
        }
        eng_json_close(w, '}');
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

static void put_features(const findings *f, eng_json_writer *w, eng_arena *arena)
{
    eng_json_name(w, ENG_STR("features"));
    if (!f->names) {
        eng_json_null(w);
        return;
    }
    eng_json_open(w, '[');
    for (size_t i = 0; i < f->names->as.array->count && i < 65536; i++) {
        eng_str name = {0};
        if (eng_py_element_text(f->names->as.array, i, arena, &name) && name.ptr)
            eng_json_string(w, name);
    }
    eng_json_close(w, ']');
}

static void put_names(const findings *f, eng_json_writer *w)
{
    eng_json_name(w, ENG_STR("names"));
    eng_json_open(w, '[');
    for (size_t i = 0; f->pickle && i < f->pickle->name_count; i++) {
        const eng_py_name *n = f->pickle->names[i];
        eng_json_open(w, '{');
        eng_json_member(w, "module", n->module);
        eng_json_member(w, "name", n->name);
        eng_json_name(w, ENG_STR("listed"));
        eng_json_bool(w, n->listed);
        eng_json_name(w, ENG_STR("called"));
        eng_json_bool(w, n->called);
        eng_json_name(w, ENG_STR("byte"));
        eng_json_uint(w, n->at);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

static void print_json(const findings *f, eng_buf *out, eng_arena *arena)
{
    eng_json_writer w = eng_json_write_to(out);
    eng_json_open(&w, '{');
    eng_json_member(&w, "format", eng_str_of(f->format));
    eng_json_member(&w, "packing", eng_str_of(f->packing));
    eng_json_name(&w, ENG_STR("bytes"));
    eng_json_uint(&w, f->bytes);
    eng_json_name(&w, ENG_STR("unread"));
    eng_json_uint(&w, f->unread);
    if (f->pickle) {
        eng_json_name(&w, ENG_STR("protocol"));
        eng_json_uint(&w, f->pickle->protocol);
    }
    eng_json_member(&w, "scikit_learn", f->version);
    eng_json_name(&w, ENG_STR("safe"));
    eng_json_bool(&w, !f->foreign.len);
    eng_json_member(&w, "refused", f->foreign);
    eng_json_name(&w, ENG_STR("loads"));
    eng_json_bool(&w, f->loads);
    eng_json_member(&w, "about", eng_str_of(f->loads ? f->about : f->why.message));
    put_classes(f, &w);
    put_features(f, &w, arena);
    put_names(f, &w);
    eng_json_close(&w, '}');
    eng_buf_byte(out, '\n');
}

/* ---- For people ------------------------------------------------------------------------------------------- */

/* Text of a stranger's, for a terminal: what could steer it is a question mark. */
static void put_plain(eng_buf *out, eng_str text)
{
    for (size_t i = 0; i < text.len && i < 200; i++)
        eng_buf_byte(out,
                     (unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f ? '?' : text.ptr[i]);
}

static void print_class(const seen_class *c, eng_buf *out, eng_arena *arena)
{
    const eng_py *state = c->first->as.object->state;
    eng_buf_str(out, ENG_STR("  "));
    put_plain(out, eng_py_module(c->first));
    eng_buf_byte(out, '.');
    put_plain(out, eng_py_class(c->first));
    if (c->count > 1)
        eng_buf_format(out, " x %zu", c->count);
    eng_buf_byte(out, '\n');
    for (size_t j = 0; j < eng_py_pairs(state) && j < PARAMETERS; j++) {
        eng_str name;
        eng_buf value;
        const eng_py *v = eng_py_value(state, j);
        if (!eng_py_text(eng_py_key(state, j), &name) || !is_parameter(name, v))
            continue;
        eng_buf_init(&value, 4096);
        eng_json_writer w = eng_json_write_to(&value);
        (void)put_value(&w, v);
        eng_buf_str(out, ENG_STR("      "));
        put_plain(out, name);
        eng_buf_str(out, ENG_STR(" = "));
        eng_buf_str(out, eng_buf_view(&value));
        eng_buf_byte(out, '\n');
        eng_buf_clear(&value);
    }
    (void)arena;
}

static void print_text(const findings *f, eng_buf *out, eng_arena *arena)
{
    eng_buf_format(out, "format     %s%s%s\n", f->format, *f->packing ? ", packed by " : "",
                   f->packing);
    if (f->pickle)
        eng_buf_format(out, "protocol   %u\n", f->pickle->protocol);
    eng_buf_format(out, "bytes      %zu", f->bytes);
    if (f->unread)
        eng_buf_format(out, ", and %zu behind its end", f->unread);
    eng_buf_format(out, "\nsafe       %s", f->foreign.len ? "NO: " : "yes");
    put_plain(out, f->foreign);
    eng_buf_format(out, "\nloads      %s", f->loads ? "yes: " : "no: ");
    put_plain(out, eng_str_of(f->loads ? f->about : f->why.message));
    eng_buf_byte(out, '\n');
    if (f->names) {
        eng_buf_str(out, ENG_STR("features  "));
        for (size_t i = 0; i < f->names->as.array->count && i < 100; i++) {
            eng_str name = {0};
            if (!eng_py_element_text(f->names->as.array, i, arena, &name) || !name.ptr)
                continue;
            eng_buf_str(out, i ? ENG_STR(", ") : ENG_STR(" "));
            put_plain(out, name);
        }
        eng_buf_byte(out, '\n');
    }
    if (f->class_count)
        eng_buf_str(out, ENG_STR("holds\n"));
    for (size_t i = 0; i < f->class_count; i++)
        print_class(f->classes + i, out, arena);
    if (f->pickle && f->pickle->name_count)
        eng_buf_str(out, ENG_STR("names\n"));
    for (size_t i = 0; f->pickle && i < f->pickle->name_count; i++) {
        const eng_py_name *n = f->pickle->names[i];
        eng_buf_format(out, "  %c ", n->listed ? ' ' : '!');
        put_plain(out, n->module);
        eng_buf_byte(out, '.');
        put_plain(out, n->name);
        if (!n->listed)
            eng_buf_format(out, "  (%s at byte %u)", n->called ? "called, named" : "named", n->at);
        eng_buf_byte(out, '\n');
    }
}

/* ---- All of it ------------------------------------------------------------------------------------------ */

static eng_status scan(findings *f, eng_str bytes, eng_pickle *p, eng_error *err)
{
    const eng_pickle_limits limits = {.scan = true};
    if (!eng_pickle_likely(bytes) && eng_boost_likely(bytes)) {
        f->format = "xgboost or lightgbm";
        return try_plan(f, bytes);
    }
    f->format = "pickle";
    eng_status status = eng_pickle_read(bytes, &limits, p, err);
    if (status != ENG_OK)
        return status;
    f->pickle = p;
    f->foreign = p->foreign;
    f->unread = bytes.len - p->end;
    look(f, p->root);
    if (!f->foreign.len)
        return try_plan(f, bytes);
    eng_fail(&f->why, ENG_EMALFORMED, "%.*s", ENG_FMT(f->foreign));
    return ENG_OK;
}

eng_status eng_table_inspect(eng_str file, bool json, eng_buf *out, eng_error *err)
{
    eng_buf buf;
    eng_str bytes = {0};
    eng_pickle p = {0};
    eng_arena arena;
    findings *f = eng_zalloc(sizeof *f);
    if (!f)
        return eng_fail_nomem(err);
    eng_arena_init(&arena, 4096, NULL);
    f->bytes = file.len;
    f->packing = "";
    eng_status status = eng_joblib_unpack(file, ENG_TABLE_UNPACKED, &buf, &bytes, &f->packing, err);
    if (status == ENG_OK)
        status = scan(f, bytes, &p, err);
    if (status == ENG_OK) {
        if (json)
            print_json(f, out, &arena);
        else
            print_text(f, out, &arena);
        status = eng_buf_check(out, "what it holds", err);
    }
    if (status == ENG_OK && f->foreign.len)
        status = eng_fail(err, ENG_EFORBIDDEN, "%.*s", ENG_FMT(f->foreign));
    eng_pickle_clear(&p);
    eng_buf_clear(&buf);
    eng_arena_clear(&arena);
    eng_free(f);
    return status;
}
