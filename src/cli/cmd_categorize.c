/* engenho categorize: the category of a title, of lines, of a table's rows, of a request as JSON. */
#include "base/error.h"
#include "base/file.h"
#include "cli/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 500, INPUT_MAX = 1 << 30, COLUMNS_MAX = 256 };

static const char *const names[] = {"title", "query", "concatenated_tags"};
enum { NAMES = sizeof names / sizeof *names };

/* ---- Input ---- */

static eng_status read_input(eng_buf *out, eng_error *err)
{
    char *room;
    ssize_t got = 1;
    while (got != 0 && (room = eng_buf_room(out, 1 << 16))) {
        got = read(STDIN_FILENO, room, 1 << 16);
        if (got < 0 && errno != EINTR)
            return eng_fail_errno(err, errno, "cannot read standard input");
        if (got > 0)
            eng_buf_added(out, (size_t)got);
    }
    return eng_buf_check(out, "standard input", err);
}

static eng_status read_file(const char *path, eng_buf *out, eng_error *err)
{
    eng_buf_init(out, INPUT_MAX);
    return strcmp(path, "-") == 0 ? read_input(out, err) : eng_file_read(path, INPUT_MAX, out, err);
}

/* ---- Asking ---- */

typedef struct {
    eng_cli *cli;
    eng_cli_session *session;
    eng_buf body;
    eng_json_writer w;
    size_t count;           /* of products in the body */
    const eng_json *answer; /* to the last body */
} batch;

static void begin(batch *b)
{
    eng_buf_reset(&b->body);
    b->w = eng_json_write_to(&b->body);
    eng_json_open(&b->w, '{');
    eng_json_name(&b->w, ENG_STR("products"));
    eng_json_open(&b->w, '[');
    b->count = 0;
}

static void add(batch *b, const eng_str values[NAMES])
{
    eng_json_open(&b->w, '{');
    for (size_t i = 0; i < NAMES; i++)
        if (values[i].len)
            eng_json_member(&b->w, names[i], values[i]);
    eng_json_close(&b->w, '}');
    b->count++;
}

static eng_status ask(batch *b, eng_error *err)
{
    const char *path = eng_cli_option_value(b->cli, "--details") ? "/v1/categorize?details=true"
                                                                 : "/v1/categorize";
    eng_json_close(&b->w, ']');
    eng_json_close(&b->w, '}');
    eng_status status = eng_buf_check(&b->body, "products", err);
    return status < 0
               ? status
               : eng_cli_call(b->session, "POST", path, eng_buf_view(&b->body), &b->answer, err);
}

static void put_details(const eng_json *details, eng_buf *out)
{
    double probability = 0;
    eng_json_number(eng_json_get(details, ENG_STR("probability")), &probability);
    const eng_json *unknown = eng_json_get(details, ENG_STR("unknown"));
    eng_buf_format(out, "\t%.3f%s", probability,
                   eng_json_is(unknown, ENG_JSON_BOOL) && unknown->as.boolean ? "\tunknown" : "");
    const eng_json *because = eng_json_get(details, ENG_STR("because"));
    for (size_t i = 0; i < eng_json_count(because); i++) {
        double weight = 0;
        const eng_json *one = eng_json_at(because, i);
        eng_json_number(eng_json_at(one, 1), &weight);
        eng_buf_format(out, "%s%.*s %+.2f", i ? ", " : "\t",
                       ENG_FMT(eng_json_text(eng_json_at(one, 0))), weight);
    }
}

static eng_str category_of(const batch *b, size_t i)
{
    return eng_json_text(eng_json_at(eng_json_get(b->answer, ENG_STR("categories")), i));
}

/* A category a line, as many lines as titles were asked for. */
static eng_status print_answer(batch *b, eng_error *err)
{
    eng_buf out;
    if (b->cli->json)
        return eng_cli_print_json(b->answer, err);
    eng_buf_init(&out, INPUT_MAX);
    const eng_json *details = eng_json_get(b->answer, ENG_STR("details"));
    for (size_t i = 0; i < b->count; i++) {
        eng_buf_str(&out, category_of(b, i));
        if (details)
            put_details(eng_json_at(details, i), &out);
        eng_buf_byte(&out, '\n');
    }
    return eng_cli_flush(&out, err);
}

static eng_status ask_and_print(batch *b, eng_error *err)
{
    eng_status status = ask(b, err);
    return status < 0 ? status : print_answer(b, err);
}

/* ---- Titles ---- */

static eng_status of_arguments(batch *b, eng_error *err)
{
    begin(b);
    for (size_t i = 0; i < b->cli->arg_count; i++) {
        eng_str values[NAMES] = {eng_str_of(b->cli->args[i])};
        add(b, values);
    }
    return ask_and_print(b, err);
}

/* A request as it goes to /v1/categorize. */
static eng_status of_request(batch *b, eng_error *err)
{
    eng_status status = read_file("-", &b->body, err);
    if (status == ENG_OK) {
        const char *path = eng_cli_option_value(b->cli, "--details") ? "/v1/categorize?details=true"
                                                                     : "/v1/categorize";
        status = eng_cli_call(b->session, "POST", path, eng_buf_view(&b->body), &b->answer, err);
    }
    return status < 0 ? status : eng_cli_print_json(b->answer, err);
}

static eng_status of_lines(batch *b, const char *path, eng_error *err)
{
    eng_buf text;
    eng_str line, rest;
    size_t number = 0;
    eng_status status = read_file(path, &text, err);
    rest = eng_buf_view(&text);
    begin(b);
    while (status == ENG_OK && rest.len) {
        eng_str_cut(rest, '\n', &line, &rest);
        eng_str values[NAMES] = {eng_str_trim(line)};
        number++;
        if (!values[0].len) {
            status = eng_fail(err, ENG_EINVALID, "line %zu is empty", number);
            break;
        }
        add(b, values);
        if (b->count < BATCH && rest.len)
            continue;
        status = ask_and_print(b, err);
        begin(b);
    }
    eng_buf_clear(&text);
    return status;
}

/* ---- Tables ---- */

/* RFC 4180, with any of the usual separators; a field may hold line ends in quotes. */
typedef struct {
    eng_str rest;
    char separator;
    eng_str record; /* as it stands, without its line end */
    bool crlf;
    size_t fields;
    eng_str field[COLUMNS_MAX]; /* quotes still around it */
    size_t number;              /* of the record, from 1 */
} table;

static bool next_record(table *t)
{
    size_t at = 0, start = 0;
    bool quoted = false;
    t->fields = 0;
    if (!t->rest.len)
        return false;
    for (; at < t->rest.len; at++) {
        char c = t->rest.ptr[at];
        if (c == '"')
            quoted = !quoted;
        if (quoted || (c != t->separator && c != '\n'))
            continue;
        if (c == '\n')
            break;
        if (t->fields < COLUMNS_MAX)
            t->field[t->fields++] = eng_str_sub(t->rest, start, at - start);
        start = at + 1;
    }
    size_t end = at;
    t->crlf = end > start && t->rest.ptr[end - 1] == '\r';
    if (t->crlf)
        end--;
    if (t->fields < COLUMNS_MAX)
        t->field[t->fields++] = eng_str_sub(t->rest, start, end - start);
    t->record = eng_str_sub(t->rest, 0, end);
    t->rest = eng_str_sub(t->rest, at + 1, t->rest.len);
    t->number++;
    return true;
}

/* Without its quotes; in the command's arena where it has some. */
static eng_status plain(eng_cli *cli, eng_str field, eng_str *out, eng_error *err)
{
    if (field.len < 2 || field.ptr[0] != '"' || field.ptr[field.len - 1] != '"') {
        *out = field;
        return ENG_OK;
    }
    char *to = eng_arena_alloc(&cli->arena, field.len);
    size_t len = 0;
    if (!to)
        return eng_fail_nomem(err);
    for (size_t i = 1; i + 1 < field.len; i++) {
        to[len++] = field.ptr[i];
        if (field.ptr[i] == '"' && field.ptr[i + 1] == '"')
            i++;
    }
    *out = (eng_str){to, len};
    return ENG_OK;
}

static char separator_of(eng_str text)
{
    static const char marks[] = ",;\t|";
    size_t best = 0, end = eng_str_find(text, ENG_STR("\n"));
    char found = ',';
    for (const char *m = marks; *m; m++) {
        size_t count = 0;
        for (size_t i = 0; i < text.len && i < end; i++)
            count += text.ptr[i] == *m;
        if (count > best) {
            best = count;
            found = *m;
        }
    }
    return found;
}

static void put_field(eng_buf *out, char separator, eng_str text)
{
    bool quotes = memchr(text.ptr, separator, text.len) || memchr(text.ptr, '"', text.len) ||
                  memchr(text.ptr, '\n', text.len);
    if (!quotes) {
        eng_buf_str(out, text);
        return;
    }
    eng_buf_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            eng_buf_byte(out, '"');
        eng_buf_byte(out, text.ptr[i]);
    }
    eng_buf_byte(out, '"');
}

typedef struct {
    batch *b;
    table t;
    size_t column[NAMES]; /* SIZE_MAX: none */
    eng_str records[BATCH];
    bool crlf;
} appending;

static eng_status find_columns(appending *a, const char *path, eng_error *err)
{
    eng_str name;
    bool some = false;
    for (size_t n = 0; n < NAMES; n++) {
        a->column[n] = SIZE_MAX;
        for (size_t i = 0; i < a->t.fields; i++) {
            eng_status status = plain(a->b->cli, a->t.field[i], &name, err);
            if (status < 0)
                return status;
            if (eng_str_eq_nocase(eng_str_trim(name), eng_str_of(names[n])))
                a->column[n] = i;
        }
        some |= a->column[n] != SIZE_MAX;
    }
    return some ? ENG_OK
                : eng_fail(err, ENG_EINVALID,
                           "'%s' has none of the columns title, query, concatenated_tags", path);
}

static eng_status flush_records(appending *a, eng_error *err)
{
    eng_buf out;
    if (a->b->count == 0)
        return ENG_OK;
    size_t count = a->b->count;
    eng_status status = ask(a->b, err);
    if (status < 0)
        return status;
    eng_buf_init(&out, INPUT_MAX);
    for (size_t i = 0; i < count; i++) {
        eng_buf_str(&out, a->records[i]);
        eng_buf_byte(&out, a->t.separator);
        put_field(&out, a->t.separator, category_of(a->b, i));
        eng_buf_str(&out, a->crlf ? ENG_STR("\r\n") : ENG_STR("\n"));
    }
    begin(a->b);
    return eng_cli_flush(&out, err);
}

static eng_status add_record(appending *a, eng_error *err)
{
    eng_str values[NAMES] = {{"", 0}};
    bool some = false;
    for (size_t n = 0; n < NAMES; n++) {
        values[n] = (eng_str){"", 0};
        if (a->column[n] >= a->t.fields)
            continue;
        eng_status status = plain(a->b->cli, a->t.field[a->column[n]], &values[n], err);
        if (status < 0)
            return status;
        some |= eng_str_trim(values[n]).len > 0;
    }
    if (!some)
        return eng_fail(err, ENG_EINVALID, "record %zu has no text to go by", a->t.number);
    a->records[a->b->count] = a->t.record;
    add(a->b, values);
    return a->b->count == BATCH ? flush_records(a, err) : ENG_OK;
}

static eng_status append_column(appending *a, const char *path, eng_error *err)
{
    eng_buf out;
    if (!next_record(&a->t))
        return eng_fail(err, ENG_EINVALID, "'%s' is empty", path);
    eng_status status = find_columns(a, path, err);
    if (status < 0)
        return status;
    a->crlf = a->t.crlf;
    eng_buf_init(&out, INPUT_MAX);
    eng_buf_str(&out, a->t.record);
    eng_buf_byte(&out, a->t.separator);
    eng_buf_str(&out, a->crlf ? ENG_STR("category\r\n") : ENG_STR("category\n"));
    status = eng_cli_flush(&out, err);
    begin(a->b);
    while (status == ENG_OK && next_record(&a->t))
        if (a->t.record.len)
            status = add_record(a, err);
    return status < 0 ? status : flush_records(a, err);
}

static eng_status of_table(batch *b, const char *path, eng_error *err)
{
    eng_buf text;
    appending *a = eng_arena_zalloc(&b->cli->arena, sizeof *a);
    if (!a)
        return eng_fail_nomem(err);
    eng_status status = read_file(path, &text, err);
    if (status == ENG_OK) {
        a->b = b;
        a->t.rest = eng_buf_view(&text);
        if (eng_str_starts(a->t.rest, ENG_STR("\xef\xbb\xbf")))
            a->t.rest = eng_str_sub(a->t.rest, 3, a->t.rest.len);
        a->t.separator = separator_of(a->t.rest);
        status = append_column(a, path, err);
    }
    eng_buf_clear(&text);
    return status;
}

/* ---- The command ---- */

static eng_status categorize(batch *b, eng_error *err)
{
    const char *csv = eng_cli_option_value(b->cli, "--csv");
    const char *file = eng_cli_option_value(b->cli, "--file");
    if (csv)
        return of_table(b, csv, err);
    if (file)
        return of_lines(b, file, err);
    if (b->cli->arg_count)
        return of_arguments(b, err);
    return b->cli->json ? of_request(b, err) : of_lines(b, "-", err);
}

static eng_status run(eng_cli *cli, eng_error *err)
{
    batch b = {.cli = cli};
    eng_buf_init(&b.body, INPUT_MAX);
    cli->serves_text = true;
    eng_status status = eng_cli_session_open(cli, &b.session, err);
    if (status == ENG_OK)
        status = categorize(&b, err);
    eng_cli_session_close(b.session);
    eng_buf_clear(&b.body);
    return status;
}

static const eng_cli_option options[] = {
    {"--file", "FILE", "a title a line; - for standard input", NULL},
    {"--csv", "FILE", "a table, printed again with a column more; - for standard input", NULL},
    {"--details", NULL, "probability, whether it is unknown, and the words that decided", NULL},
    {0},
};

const eng_cli_command eng_cmd_categorize = {
    .name = "categorize",
    .args = "[TITLE...]",
    .summary = "tells the category of products by their titles",
    .text = "Without titles and files, titles are read from standard input, a line each, and with\n"
            "--json a request: {\"products\": [{\"title\": ...}]}. One category a line, in their "
            "order.\n"
            "The model is that of the server that holds the data; where none does, the file that\n"
            "MODEL_PATH names, or the one that was loaded last.",
    .example = "engenho categorize \"Carrinho de bebê\"\n"
               "engenho categorize --csv products.csv > categorised.csv",
    .options = options,
    .args_max = 10000,
    .run = run,
};
