/* engenho embed: vectors of texts, as JSON lines, as a numpy array, or as bare floats. */
#include "base/error.h"
#include "base/file.h"
#include "cli/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GROUP = 256, INPUT_MAX = 1 << 30 };

/* What is written: lines as they come; of an array, the floats, behind a head that says how many. */
typedef struct {
    eng_cli *cli;
    const char *format;
    const char *to; /* NULL: standard output */
    int fd;
    size_t rows;
    size_t width;
    eng_buf floats; /* npy: all of them */
} writer;

/* ---- The texts ---- */

/* A line of a file is a text; one of a .jsonl file an object with a text, or a string. */
static eng_status take_line(eng_cli *cli, bool json, eng_str line, eng_str *out, eng_error *err)
{
    const eng_json *v = NULL;
    *out = line;
    if (!json)
        return ENG_OK;
    eng_status status = eng_json_read(line, NULL, &cli->arena, &v, err);
    if (status < 0)
        return status;
    const eng_json *text = eng_json_is(v, ENG_JSON_OBJECT) ? eng_json_get(v, ENG_STR("text")) : v;
    if (!eng_json_is(text, ENG_JSON_STRING))
        return eng_fail(err, ENG_EMALFORMED, "expected a string, or an object with a text");
    *out = eng_json_text(text);
    return ENG_OK;
}

static size_t count_lines(eng_str text)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    return lines;
}

static eng_status take_lines(eng_cli *cli, bool json, eng_str text, eng_str **out, size_t *count,
                             eng_error *err)
{
    eng_str line, rest = text;
    size_t number = 0;
    eng_str *texts = eng_arena_array(&cli->arena, count_lines(text), sizeof *texts);
    if (!texts)
        return eng_fail_nomem(err);
    for (bool more = true; more;) {
        more = eng_str_cut(rest, '\n', &line, &rest);
        number++;
        if (eng_str_trim(line).len == 0)
            continue;
        if (eng_str_ends(line, ENG_STR("\r")))
            line.len--;
        eng_status status = take_line(cli, json, line, &texts[*count], err);
        if (status < 0) {
            eng_error_prefix(err, "line %zu", number);
            return status;
        }
        ++*count;
    }
    *out = texts;
    return *count ? ENG_OK : eng_fail(err, ENG_EUSAGE, "no text to embed");
}

static eng_status read_input(eng_buf *out, eng_error *err)
{
    for (;;) {
        char *room = eng_buf_room(out, 65536);
        ssize_t got = room ? read(STDIN_FILENO, room, 65536) : 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return eng_fail_errno(err, errno, "cannot read standard input");
        if (got == 0)
            return eng_buf_check(out, "standard input", err);
        eng_buf_added(out, (size_t)got);
    }
}

/* The word is a text, but where it names a file, or is "-". */
static eng_status take_texts(eng_cli *cli, eng_buf *file, eng_str **out, size_t *count,
                             eng_error *err)
{
    struct stat st;
    const char *word = cli->args[0];
    eng_str text = eng_str_of(word);
    bool input = strcmp(word, "-") == 0, named = eng_cli_option_value(cli, "--text") == NULL;
    bool is_file = named && !input && stat(word, &st) == 0 && S_ISREG(st.st_mode);
    if (!input && !is_file) {
        *out = eng_arena_alloc(&cli->arena, sizeof **out);
        if (!*out)
            return eng_fail_nomem(err);
        **out = text;
        *count = 1;
        return text.len ? ENG_OK : eng_fail(err, ENG_EUSAGE, "no text to embed");
    }
    eng_status status = input ? read_input(file, err) : eng_file_read(word, INPUT_MAX, file, err);
    bool json = eng_str_ends(text, ENG_STR(".jsonl")) || eng_str_ends(text, ENG_STR(".ndjson"));
    return status < 0 ? status : take_lines(cli, json, eng_buf_view(file), out, count, err);
}

/* ---- Asking ---- */

static eng_status write_request(const eng_cli *cli, const eng_str *texts, size_t count,
                                eng_buf *body, eng_error *err)
{
    const char *model = eng_cli_option_value(cli, "--model");
    const char *as = eng_cli_option_value(cli, "--as");
    const char *dimensions = eng_cli_option_value(cli, "--dimensions");
    uint64_t n = 0;
    if (dimensions && !eng_str_u64(eng_str_of(dimensions), &n))
        return eng_fail(err, ENG_EUSAGE, "--dimensions: expected a number, got '%s'", dimensions);
    eng_json_writer w = eng_json_write_to(body);
    eng_json_open(&w, '{');
    eng_json_member(&w, "model", eng_str_of(model ? model : "default"));
    if (as)
        eng_json_member(&w, "input_type", eng_str_of(as));
    if (dimensions) {
        eng_json_name(&w, ENG_STR("dimensions"));
        eng_json_uint(&w, n);
    }
    eng_json_name(&w, ENG_STR("input"));
    eng_json_open(&w, '[');
    for (size_t i = 0; i < count; i++)
        eng_json_string(&w, texts[i]);
    eng_json_close(&w, ']');
    eng_json_close(&w, '}');
    return eng_buf_check(body, "request", err);
}

/* ---- Writing ---- */

static eng_status put(const writer *o, eng_str bytes, eng_error *err)
{
    return eng_fd_write(o->fd, bytes.ptr, bytes.len, o->to ? o->to : "standard output", err);
}

static eng_status put_line(const writer *o, eng_str text, const eng_json *vector, eng_error *err)
{
    eng_buf out;
    eng_buf_init(&out, SIZE_MAX);
    eng_json_writer w = eng_json_write_to(&out);
    eng_json_open(&w, '{');
    eng_json_member(&w, "text", text);
    eng_json_name(&w, ENG_STR("embedding"));
    eng_json_copy(&w, vector);
    eng_json_close(&w, '}');
    eng_buf_byte(&out, '\n');
    eng_status status = eng_buf_check(&out, "line", err);
    if (status == ENG_OK)
        status = put(o, eng_buf_view(&out), err);
    eng_buf_clear(&out);
    return status;
}

static void put_floats(writer *o, const eng_json *vector)
{
    for (size_t i = 0; i < eng_json_count(vector); i++) {
        double v = 0;
        eng_json_number(eng_json_at(vector, i), &v);
        float f = (float)v;
        eng_buf_bytes(&o->floats, &f, sizeof f);
    }
}

static eng_status put_reply(writer *o, const eng_str *texts, size_t count, const eng_json *reply,
                            eng_error *err)
{
    const eng_json *data = eng_json_get(reply, ENG_STR("data"));
    eng_status status = ENG_OK;
    if (eng_json_count(data) != count)
        return eng_fail(err, ENG_EUPSTREAM, "the server answered %zu vectors for %zu texts",
                        eng_json_count(data), count);
    for (size_t i = 0; i < count && status == ENG_OK; i++) {
        const eng_json *vector = eng_json_get(eng_json_at(data, i), ENG_STR("embedding"));
        o->rows++;
        o->width = eng_json_count(vector);
        if (strcmp(o->format, "jsonl") == 0)
            status = put_line(o, texts[i], vector, err);
        else
            put_floats(o, vector);
    }
    if (status == ENG_OK)
        status = eng_buf_check(&o->floats, "vectors", err);
    if (status == ENG_OK && strcmp(o->format, "f32") == 0) {
        status = put(o, eng_buf_view(&o->floats), err);
        eng_buf_reset(&o->floats);
    }
    return status;
}

/* Version 1.0: a magic, two bytes of a length, a dict in Python's words, filled up to 64 bytes. */
static eng_status put_npy(const writer *o, eng_error *err)
{
    enum { HEAD = 128 };
    char head[HEAD + 1];
    memset(head, ' ', HEAD);
    memcpy(head, "\x93NUMPY\x01\x00\x76\x00", 10);
    int len = snprintf(head + 10, HEAD - 10,
                       "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }", o->rows,
                       o->width);
    head[10 + len] = ' ';
    head[HEAD - 1] = '\n';
    eng_status status = put(o, (eng_str){head, HEAD}, err);
    return status < 0 ? status : put(o, eng_buf_view(&o->floats), err);
}

static eng_status open_writer(eng_cli *cli, writer *o, eng_error *err)
{
    const char *format = eng_cli_option_value(cli, "--format");
    *o = (writer){.cli = cli, .format = format ? format : "jsonl", .fd = STDOUT_FILENO};
    o->to = eng_cli_option_value(cli, "--out");
    eng_buf_init(&o->floats, SIZE_MAX / 2);
    if (!o->to && strcmp(o->format, "jsonl") != 0 && isatty(STDOUT_FILENO))
        return eng_fail(err, ENG_EUSAGE, "%s is not for a terminal: use --out FILE", o->format);
    if (!o->to)
        return ENG_OK;
    o->fd = open(o->to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return o->fd < 0 ? eng_fail_errno(err, errno, "cannot make '%s'", o->to) : ENG_OK;
}

static eng_status close_writer(writer *o, eng_status status, eng_error *err)
{
    if (status == ENG_OK && strcmp(o->format, "npy") == 0)
        status = put_npy(o, err);
    if (o->to && o->fd >= 0 && close(o->fd) < 0 && status == ENG_OK)
        status = eng_fail_errno(err, errno, "cannot write '%s'", o->to);
    eng_buf_clear(&o->floats);
    return status;
}

/* ---- All of it ---- */

/* Replies lie in the command's arena: each group has one of its own, so that a book does not stay there. */
static eng_status embed_group(eng_cli *cli, eng_cli_session *s, const eng_str *texts, size_t count,
                              writer *o, eng_error *err)
{
    eng_buf body;
    const eng_json *reply = NULL;
    eng_arena kept = cli->arena;
    eng_arena_init(&cli->arena, 1 << 16, NULL);
    eng_buf_init(&body, SIZE_MAX / 2);
    eng_status status = write_request(cli, texts, count, &body, err);
    if (status == ENG_OK)
        status = eng_cli_call(s, "POST", "/v1/embeddings", eng_buf_view(&body), &reply, err);
    if (status == ENG_OK)
        status = put_reply(o, texts, count, reply, err);
    eng_buf_clear(&body);
    eng_arena_clear(&cli->arena);
    cli->arena = kept;
    return status;
}

static eng_status embed_all(eng_cli *cli, const eng_str *texts, size_t count, eng_error *err)
{
    writer o;
    eng_cli_session *s = NULL;
    eng_status status = open_writer(cli, &o, err);
    if (status == ENG_OK)
        status = eng_cli_session_open(cli, &s, err);
    for (size_t at = 0; at < count && status == ENG_OK; at += GROUP) {
        size_t n = count - at < GROUP ? count - at : GROUP;
        status = embed_group(cli, s, texts + at, n, &o, err);
        if (count > GROUP)
            eng_cli_progress(cli, "embedding", at + n, count, -1);
    }
    eng_cli_progress_end(cli);
    eng_cli_session_close(s);
    return close_writer(&o, status, err);
}

static eng_status run(eng_cli *cli, eng_error *err)
{
    eng_buf file;
    eng_str *texts = NULL;
    size_t count = 0;
    eng_buf_init(&file, INPUT_MAX);
    eng_status status = take_texts(cli, &file, &texts, &count, err);
    if (status == ENG_OK)
        status = embed_all(cli, texts, count, err);
    eng_buf_clear(&file);
    return status;
}

static const eng_cli_option options[] = {
    {"--model", "NAME", "a model that 'engenho model list' shows; without it the default", NULL},
    {"--as", "WHAT", "what the texts are for, for models that care: query|passage",
     "query|passage"},
    {"--dimensions", "N", "shorter vectors, of models that are made for it", NULL},
    {"--format", "FORMAT", "jsonl|npy|f32 (little-endian, nothing around them)", "jsonl|npy|f32"},
    {"--out", "FILE", "where to write, in place of standard output", NULL},
    {"--text", NULL, "the word is a text, also where a file has that name", NULL},
    {0},
};

const eng_cli_command eng_cmd_embed = {
    .name = "embed",
    .args = "TEXT|FILE|-",
    .summary = "makes vectors of texts",
    .text =
        "A file, or standard input, holds a text a line; a .jsonl file a string a line, or an "
        "object\n"
        "with a text. Each vector is written as a line {\"text\", \"embedding\"}, or all together\n"
        "as an array of numpy or as bare floats.",
    .example = "engenho embed \"A roda do moinho tem doze pás.\"\n"
               "engenho embed frases.txt --format npy --out frases.npy",
    .options = options,
    .args_min = 1,
    .args_max = 1,
    .run = run,
};
