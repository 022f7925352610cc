/*
 * engenho ask: a question answered from a collection, as it comes; citations as footnotes. Without a
 * question, a conversation: a line of standard input each.
 */
#include "base/error.h"
#include "cli/commands.h"
#include "net/net.h"

#include <stdio.h>
#include <unistd.h>

enum { LINE_BYTES = 64 << 10, EVENT_MAX = 64 << 20, TURNS_KEPT = 40, QUOTE_SHOWN = 200 };

typedef struct {
    eng_cli *cli;
    eng_cli_session *session;
    eng_str path;
    const eng_json *filter;
    uint64_t top_k;
    /* What was said: question, answer, question, ... */
    eng_str turns[TURNS_KEPT];
    size_t turn_count;
    /* Of the answer that comes. */
    eng_buf line;
    char event[16];
    bool spoke;
    const eng_json *done;
    eng_str failed; /* an error's words; ptr NULL: none */
    int failed_status;
} talk;

/* ---- Asking ---- */

static void write_history(const talk *t, eng_json_writer *w)
{
    if (!t->turn_count)
        return;
    eng_json_name(w, ENG_STR("history"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < t->turn_count; i++) {
        eng_json_open(w, '{');
        eng_json_member(w, "role", i % 2 ? ENG_STR("assistant") : ENG_STR("user"));
        eng_json_member(w, "content", t->turns[i]);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

static void write_flag(const talk *t, eng_json_writer *w, const char *option, const char *name)
{
    if (!eng_cli_option_value(t->cli, option))
        return;
    eng_json_name(w, eng_str_of(name));
    eng_json_bool(w, true);
}

static void write_text(const talk *t, eng_json_writer *w, const char *option, const char *name)
{
    const char *value = eng_cli_option_value(t->cli, option);
    if (value)
        eng_json_member(w, name, eng_str_of(value));
}

static eng_status write_question(const talk *t, eng_str question, bool stream, eng_buf *body,
                                 eng_error *err)
{
    eng_json_writer w = eng_json_write_to(body);
    eng_json_open(&w, '{');
    eng_json_member(&w, "question", question);
    eng_json_name(&w, ENG_STR("stream"));
    eng_json_bool(&w, stream);
    write_text(t, &w, "--model", "model");
    write_text(t, &w, "--language", "language");
    write_flag(t, &w, "--strict", "strict");
    write_flag(t, &w, "--show-prompt", "prompt_only");
    if (t->top_k) {
        eng_json_name(&w, ENG_STR("top_k"));
        eng_json_uint(&w, t->top_k);
    }
    if (t->filter) {
        eng_json_name(&w, ENG_STR("filter"));
        eng_json_copy(&w, t->filter);
    }
    write_history(t, &w);
    eng_json_close(&w, '}');
    return eng_buf_check(body, "question", err);
}

/* ---- Events ---- */

static eng_status take_data(talk *t, eng_str data, eng_error *err)
{
    const eng_json *v = NULL;
    eng_str event = eng_str_of(t->event);
    if (eng_str_eq(event, ENG_STR("citations")))
        return ENG_OK;
    eng_status status = eng_json_read(data, NULL, &t->cli->arena, &v, err);
    if (status < 0)
        return status;
    if (eng_str_eq(event, ENG_STR("delta"))) {
        t->spoke = true;
        return eng_cli_print(eng_json_text(eng_json_get(v, ENG_STR("text"))), err);
    }
    if (eng_str_eq(event, ENG_STR("done")))
        t->done = v;
    if (eng_str_eq(event, ENG_STR("error"))) {
        const eng_json *code = eng_json_get(v, ENG_STR("status"));
        t->failed = eng_json_text(eng_json_get(v, ENG_STR("detail")));
        t->failed_status = eng_json_is(code, ENG_JSON_INT) ? (int)code->as.integer : 500;
    }
    return ENG_OK;
}

static eng_status take_line(talk *t, eng_str line, eng_error *err)
{
    eng_str name, value;
    if (!eng_str_cut(line, ':', &name, &value))
        return ENG_OK;
    if (eng_str_eq(name, ENG_STR("event")))
        snprintf(t->event, sizeof t->event, "%.*s", ENG_FMT(eng_str_trim(value)));
    if (eng_str_eq(name, ENG_STR("data")))
        return take_data(t, eng_str_trim(value), err);
    return ENG_OK;
}

static eng_status take_bytes(void *ctx, eng_str bytes, eng_error *err)
{
    talk *t = ctx;
    eng_buf_str(&t->line, bytes);
    eng_status status = eng_buf_check(&t->line, "event", err);
    for (const char *end; status == ENG_OK && t->line.len &&
                          (end = memchr(t->line.data, '\n', t->line.len)) != NULL;) {
        size_t len = (size_t)(end - t->line.data);
        status = take_line(t, eng_str_sub(eng_buf_view(&t->line), 0, len), err);
        eng_buf_drop(&t->line, len + 1);
    }
    return status;
}

/* ---- Showing ---- */

/* On one line, and without what would move a terminal's cursor. */
static void put_quote(eng_buf *out, eng_str quote)
{
    eng_str shown = quote;
    if (shown.len > QUOTE_SHOWN) {
        shown.len = QUOTE_SHOWN;
        while (shown.len && ((unsigned char)quote.ptr[shown.len] & 0xC0) == 0x80)
            shown.len--;
    }
    for (size_t i = 0; i < shown.len; i++)
        eng_buf_byte(out, (unsigned char)shown.ptr[i] < ' ' ? ' ' : shown.ptr[i]);
    if (shown.len < quote.len)
        eng_buf_str(out, ENG_STR(" ..."));
}

static eng_status show_notes(const talk *t, eng_error *err)
{
    const eng_json *citations = eng_json_get(t->done, ENG_STR("citations"));
    const char *dim = t->cli->colour ? "\x1b[2m" : "", *plain = t->cli->colour ? "\x1b[0m" : "";
    eng_buf out;
    eng_buf_init(&out, 16 << 20);
    eng_buf_str(&out, ENG_STR("\n"));
    for (size_t i = 0; i < eng_json_count(citations); i++) {
        const eng_json *c = eng_json_at(citations, i);
        eng_str title = eng_json_text(eng_json_get(c, ENG_STR("title")));
        eng_str id = eng_json_text(eng_json_get(c, ENG_STR("document")));
        eng_buf_format(&out, "%s  [%zu] ", dim, i + 1);
        put_quote(&out, title.len ? title : id);
        eng_buf_str(&out, ENG_STR(": \""));
        put_quote(&out, eng_json_text(eng_json_get(c, ENG_STR("quote"))));
        eng_buf_format(&out, "\"%s\n", plain);
    }
    return eng_cli_flush(&out, err);
}

/* Where the response is not what was shown, it is shown again. */
static eng_status show_rest(talk *t, eng_error *err)
{
    const eng_json *replaced = eng_json_get(t->done, ENG_STR("replaced"));
    eng_buf out;
    eng_buf_init(&out, 1 << 20);
    if (eng_json_is(replaced, ENG_JSON_BOOL) && replaced->as.boolean) {
        eng_buf_str(&out, ENG_STR("\n"));
        eng_buf_str(&out, eng_json_text(eng_json_get(t->done, ENG_STR("response"))));
    }
    eng_status status = eng_cli_flush(&out, err);
    return status == ENG_OK ? show_notes(t, err) : status;
}

static eng_status show_prompt(const eng_json *reply, eng_error *err)
{
    const eng_json *prompt = eng_json_get(reply, ENG_STR("prompt"));
    eng_buf out;
    eng_buf_init(&out, 64 << 20);
    for (size_t i = 0; i < eng_json_count(prompt); i++) {
        const eng_json *m = eng_json_at(prompt, i);
        eng_buf_format(&out, "%s--- %.*s\n", i ? "\n" : "",
                       ENG_FMT(eng_json_text(eng_json_get(m, ENG_STR("role")))));
        eng_buf_str(&out, eng_json_text(eng_json_get(m, ENG_STR("content"))));
        eng_buf_byte(&out, '\n');
    }
    return eng_cli_flush(&out, err);
}

/* ---- One question ---- */

static eng_status ask_streamed(talk *t, eng_str body, eng_error *err)
{
    t->spoke = false;
    t->done = NULL;
    t->failed = (eng_str){NULL, 0};
    eng_buf_reset(&t->line);
    eng_status status = eng_cli_stream(t->session, "POST", t->path.ptr, body, take_bytes, t, err);
    if (status == ENG_OK && t->failed.ptr)
        status = eng_fail(err, eng_cli_status_of(t->failed_status), "%.*s", ENG_FMT(t->failed));
    if (status == ENG_OK && !t->done)
        status = eng_fail(err, ENG_EUPSTREAM, "the answer was cut off");
    return status == ENG_OK ? show_rest(t, err) : status;
}

static eng_status ask_whole(talk *t, eng_str body, eng_error *err)
{
    eng_status status = eng_cli_call(t->session, "POST", t->path.ptr, body, &t->done, err);
    if (status < 0)
        return status;
    bool prompt = eng_cli_option_value(t->cli, "--show-prompt") && !t->cli->json;
    return prompt ? show_prompt(t->done, err) : eng_cli_print_json(t->done, err);
}

static eng_status ask_one(talk *t, eng_str question, eng_error *err)
{
    eng_buf body;
    bool whole = t->cli->json || eng_cli_option_value(t->cli, "--show-prompt");
    eng_buf_init(&body, 8 << 20);
    eng_status status = write_question(t, question, !whole, &body, err);
    if (status == ENG_OK)
        status = whole ? ask_whole(t, eng_buf_view(&body), err)
                       : ask_streamed(t, eng_buf_view(&body), err);
    eng_buf_clear(&body);
    return status;
}

/* ---- A conversation ---- */

static void remember(talk *t, eng_str question)
{
    eng_str answer = eng_json_text(eng_json_get(t->done, ENG_STR("response")));
    if (t->turn_count == TURNS_KEPT) {
        memmove(t->turns, t->turns + 2, (TURNS_KEPT - 2) * sizeof *t->turns);
        t->turn_count -= 2;
    }
    t->turns[t->turn_count++] = question;
    t->turns[t->turn_count++] = answer;
}

/* A question that cannot be answered does not end it, but where there is nothing to ask. */
static eng_status one_turn(talk *t, eng_str line, eng_error *err)
{
    eng_str question = eng_arena_copy(&t->cli->arena, line);
    if (!question.ptr)
        return eng_fail_nomem(err);
    eng_status status = ask_one(t, question, err);
    if (status == ENG_OK)
        remember(t, question);
    return status;
}

static eng_status converse(talk *t, eng_error *err)
{
    bool person = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    char *line = eng_arena_alloc(&t->cli->arena, LINE_BYTES);
    eng_status status = line ? ENG_OK : eng_fail_nomem(err);
    while (status == ENG_OK) {
        if (person)
            status = eng_cli_print(ENG_STR("> "), err);
        if (status < 0 || !fgets(line, LINE_BYTES, stdin))
            break;
        eng_str question = eng_str_trim(eng_str_of(line));
        if (question.len)
            status = one_turn(t, question, err);
    }
    return status;
}

/* ---- The command ---- */

static eng_status read_options(talk *t, eng_error *err)
{
    const char *top_k = eng_cli_option_value(t->cli, "--top-k");
    const char *filter = eng_cli_option_value(t->cli, "--filter");
    if (top_k && !eng_str_u64(eng_str_of(top_k), &t->top_k))
        return eng_fail(err, ENG_EUSAGE, "--top-k: expected a number, got '%s'", top_k);
    if (!filter)
        return ENG_OK;
    eng_status status = eng_json_read(eng_str_of(filter), NULL, &t->cli->arena, &t->filter, err);
    if (status < 0)
        eng_error_prefix(err, "--filter");
    return status;
}

static eng_status run(eng_cli *cli, eng_error *err)
{
    talk t = {.cli = cli};
    eng_buf_init(&t.line, EVENT_MAX);
    eng_status status = read_options(&t, err);
    if (status == ENG_OK)
        status = eng_cli_collection_path(cli, "/ask", &t.path, err);
    if (status == ENG_OK)
        status = eng_cli_session_open(cli, &t.session, err);
    if (status == ENG_OK)
        status = cli->arg_count ? ask_one(&t, eng_str_of(cli->args[0]), err) : converse(&t, err);
    eng_cli_session_close(t.session);
    eng_buf_clear(&t.line);
    return status;
}

static const eng_cli_option options[] = {
    {"--collection", "NAME", "what to answer from; without it \"default\"", NULL},
    {"--model", "NAME", "who answers: \"extract\", or a model of a server in ENGENHO_LLM", NULL},
    {"--top-k", "N", "passages to look at", NULL},
    {"--filter", "JSON", "a condition on the metadata", NULL},
    {"--language", "TAG", "of the answer: pt, en or es; without it the question's", NULL},
    {"--strict", NULL, "leave out sentences that the passages do not support", NULL},
    {"--show-prompt", NULL, "print what a model would be sent, and ask none", NULL},
    {0},
};

const eng_cli_command eng_cmd_ask = {
    .name = "ask",
    .args = "[QUESTION]",
    .summary = "answers a question from a collection, with citations",
    .text =
        "Without a question it is a conversation: each line of standard input is a question, and\n"
        "those that lean on what was said before are completed from it.\n\n"
        "ENGENHO_LLM says who answers: by default the sentences that answer are taken from the\n"
        "documents as they stand, which needs no model.",
    .example = "engenho ask \"qual o prazo de entrega?\" --collection manuais\n"
               "engenho ask --collection manuais <questions.txt",
    .options = options,
    .args_min = 0,
    .args_max = 1,
    .run = run,
};
