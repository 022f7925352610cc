/* engenho search: the passages of a collection that match a question. */
#include "base/error.h"
#include "base/utf8.h"
#include "cli/commands.h"
#include "net/net.h"

#include <stdio.h>

enum { SHOWN_CHARS = 320 };

static eng_status write_share(eng_cli *cli, eng_json_writer *w, const char *option,
                              const char *name, eng_error *err)
{
    const char *value = eng_cli_option_value(cli, option);
    double share = 0;
    if (!value)
        return ENG_OK;
    if (!eng_number_read(eng_str_of(value), &share))
        return eng_fail(err, ENG_EUSAGE, "%s: expected a number, got '%s'", option, value);
    eng_json_name(w, eng_str_of(name));
    eng_json_double(w, share);
    return ENG_OK;
}

static eng_status write_filter(eng_cli *cli, eng_json_writer *w, eng_error *err)
{
    const char *filter = eng_cli_option_value(cli, "--filter");
    const eng_json *tree;
    if (!filter)
        return ENG_OK;
    eng_status status = eng_json_read(eng_str_of(filter), NULL, &cli->arena, &tree, err);
    if (status < 0) {
        eng_error_prefix(err, "--filter");
        return status;
    }
    eng_json_name(w, ENG_STR("filter"));
    eng_json_copy(w, tree);
    return ENG_OK;
}

static void write_flag(eng_cli *cli, eng_json_writer *w, const char *option, const char *name)
{
    if (!eng_cli_option_value(cli, option))
        return;
    eng_json_name(w, eng_str_of(name));
    eng_json_bool(w, true);
}

static eng_status write_query(eng_cli *cli, eng_buf *body, eng_error *err)
{
    const char *top_k = eng_cli_option_value(cli, "--top-k");
    const char *mode = eng_cli_option_value(cli, "--mode");
    const char *reranker = eng_cli_option_value(cli, "--reranker");
    uint64_t k = 0;
    if (top_k && !eng_str_u64(eng_str_of(top_k), &k))
        return eng_fail(err, ENG_EUSAGE, "--top-k: expected a number, got '%s'", top_k);
    eng_json_writer w = eng_json_write_to(body);
    eng_json_open(&w, '{');
    eng_json_member(&w, "query", eng_str_of(cli->args[0]));
    if (top_k) {
        eng_json_name(&w, ENG_STR("top_k"));
        eng_json_uint(&w, k);
    }
    if (mode)
        eng_json_member(&w, "mode", eng_str_of(mode));
    eng_status status = write_share(cli, &w, "--threshold", "threshold", err);
    if (status == ENG_OK)
        status = write_share(cli, &w, "--diversity", "diversity", err);
    if (status == ENG_OK)
        status = write_filter(cli, &w, err);
    if (status < 0)
        return status;
    if (reranker)
        eng_json_member(&w, "rerank", eng_str_of(reranker));
    else
        write_flag(cli, &w, "--rerank", "rerank");
    write_flag(cli, &w, "--near-duplicates", "near_duplicates");
    write_flag(cli, &w, "--group", "group_by_document");
    write_flag(cli, &w, "--explain", "explain");
    eng_json_close(&w, '}');
    return eng_buf_check(body, "query", err);
}

/* ---- Showing ---- */

static bool is_word(uint32_t c)
{
    return c >= 0x80 || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* The word of `text` at *at, which moves behind it; white space and marks go to out. */
static eng_str next_word(eng_str text, size_t *at, eng_buf *out)
{
    while (*at < text.len) {
        size_t next = *at;
        uint32_t c = eng_utf8_next(text, &next);
        if (is_word(c))
            break;
        if (out && c <= ' ' && out->len && out->data[out->len - 1] != ' ')
            eng_buf_byte(out, ' ');
        else if (out && c > ' ')
            eng_buf_bytes(out, text.ptr + *at, next - *at);
        *at = next;
    }
    size_t start = *at;
    while (*at < text.len) {
        size_t next = *at;
        if (!is_word(eng_utf8_next(text, &next)))
            break;
        *at = next;
    }
    return eng_str_sub(text, start, *at - start);
}

/* Words of the question that say something, or that begin alike ("prazo", "prazos"). */
static bool matches(eng_str question, eng_str word)
{
    size_t at = 0;
    for (eng_str q; (q = next_word(question, &at, NULL)).len;) {
        size_t shared = q.len < word.len ? q.len : word.len;
        size_t most = q.len > word.len ? q.len : word.len;
        if (shared > 3 && most - shared <= 2 &&
            eng_str_eq_nocase(eng_str_sub(q, 0, shared), eng_str_sub(word, 0, shared)))
            return true;
    }
    return false;
}

/* A passage on one line, the question's words in bold on a terminal. */
static void put_text(const eng_cli *cli, eng_str text, eng_buf *out)
{
    eng_str question = eng_str_of(cli->args[0]);
    eng_str shown = eng_utf8_cut(text, SHOWN_CHARS);
    for (size_t at = 0; at < shown.len;) {
        eng_str word = next_word(shown, &at, out);
        bool bold = cli->colour && word.len && matches(question, word);
        eng_buf_str(out, bold ? ENG_STR("\x1b[1m") : ENG_STR(""));
        eng_buf_str(out, word);
        eng_buf_str(out, bold ? ENG_STR("\x1b[0m") : ENG_STR(""));
    }
    eng_buf_str(out, shown.len < text.len ? ENG_STR(" ...\n") : ENG_STR("\n"));
}

static eng_status show(const eng_cli *cli, const eng_json *reply, eng_error *err)
{
    const eng_json *results = eng_json_get(reply, ENG_STR("results"));
    double ms = 0;
    eng_buf out;
    eng_buf_init(&out, 64 << 20);
    for (size_t i = 0; i < eng_json_count(results); i++) {
        const eng_json *r = eng_json_at(results, i);
        double score = 0;
        eng_json_number(eng_json_get(r, ENG_STR("score")), &score);
        eng_str title = eng_json_text(eng_json_get(r, ENG_STR("title")));
        eng_str id = eng_json_text(eng_json_get(r, ENG_STR("document")));
        eng_buf_format(&out, "%zu. %.*s  (%.*s, %.3f)\n   ", i + 1, ENG_FMT(title.len ? title : id),
                       ENG_FMT(id), score);
        put_text(cli, eng_json_text(eng_json_get(r, ENG_STR("text"))), &out);
    }
    eng_json_number(eng_json_get(eng_json_get(reply, ENG_STR("timings")), ENG_STR("total")), &ms);
    if (!eng_json_count(results))
        eng_buf_str(&out, ENG_STR("nothing matches\n"));
    size_t n = eng_json_count(results);
    eng_buf_format(&out, "%zu %s in %.1f ms\n", n, n == 1 ? "passage" : "passages", ms);
    return eng_cli_flush(&out, err);
}

static eng_status run(eng_cli *cli, eng_error *err)
{
    eng_buf body;
    eng_cli_session *s = NULL;
    const eng_json *reply = NULL;
    eng_str path;
    eng_buf_init(&body, 1 << 20);
    eng_status status = write_query(cli, &body, err);
    if (status == ENG_OK)
        status = eng_cli_collection_path(cli, "/search", &path, err);
    if (status == ENG_OK)
        status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK)
        status = eng_cli_call(s, "POST", path.ptr, eng_buf_view(&body), &reply, err);
    if (status == ENG_OK)
        status = cli->json ? eng_cli_print_json(reply, err) : show(cli, reply, err);
    eng_cli_session_close(s);
    eng_buf_clear(&body);
    return status;
}

static const eng_cli_option options[] = {
    {"--collection", "NAME", "where to look; without it \"default\"", NULL},
    {"--top-k", "N", "passages at most; without it 5", NULL},
    {"--mode", "MODE", "by words, by meaning or by both: hybrid|dense|bm25", "hybrid|dense|bm25"},
    {"--threshold", "SCORE", "passages with a lower score are left out", NULL},
    {"--filter", "JSON", "a condition on the metadata", NULL},
    {"--group", NULL, "each document once, by its best passage", NULL},
    {"--diversity", "SHARE", "0 to 1: the more, the less alike are the passages; without it 0",
     NULL},
    {"--near-duplicates", NULL,
     "passages that say nearly the same as a better one keep their places", NULL},
    {"--rerank", NULL, "the best 30 in the order that an installed reranker gives", NULL},
    {"--reranker", "MODEL", "the same, by this one", NULL},
    {"--explain", NULL, "where each score comes from (with --json)", NULL},
    {0},
};

const eng_cli_command eng_cmd_search = {
    .name = "search",
    .args = "QUESTION",
    .summary = "finds the passages that match a question",
    .example = "engenho search \"qual o prazo de entrega?\" --collection manuais",
    .options = options,
    .args_min = 1,
    .args_max = 1,
    .run = run,
};
