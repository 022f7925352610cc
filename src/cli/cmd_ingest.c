/* engenho ingest: files, folders and pages into a collection. */
#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "cli/commands.h"
#include "net/net.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <sys/stat.h>

enum { BATCH_FILES = 64, BATCH_BYTES = 16 << 20, FILE_MAX = 1 << 30, DEPTH_MAX = 64 };

typedef struct {
    eng_str path; /* where it is; a page's address */
    eng_str id;   /* what the document goes by: the path as it was given, or below the folder */
    bool page;
} item;

typedef struct {
    eng_cli *cli;
    eng_cli_session *session;
    eng_str route;
    item *items;
    size_t count, cap;
    uint64_t states[4]; /* indexed, unchanged, replaced, failed */
    eng_buf said;       /* what failed, and why; with --json every document */
    bool any;
} ingestion;

/* ---- What is to be taken in ---- */

static eng_status add_item(ingestion *in, eng_str path, eng_str id, bool page, eng_error *err)
{
    if (in->count == in->cap) {
        size_t cap = in->cap ? in->cap * 2 : 64;
        item *items = eng_arena_array(&in->cli->arena, cap, sizeof *items);
        if (!items)
            return eng_fail_nomem(err);
        if (in->count)
            memcpy(items, in->items, in->count * sizeof *items);
        in->items = items;
        in->cap = cap;
    }
    in->items[in->count++] = (item){path, id, page};
    return ENG_OK;
}

/* Of a folder, what some reader reads; a file that is named is sent whatever it is called. */
static bool is_wanted(const eng_cli *cli, const char *name, const char *relative)
{
    static const char *const endings[] = {"txt", "text",  "md",    "markdown", "html",
                                          "htm", "xhtml", "pdf",   "docx",     "pptx",
                                          "csv", "tsv",   "jsonl", "ndjson"};
    const char *include = eng_cli_option_value(cli, "--include");
    const char *exclude = eng_cli_option_value(cli, "--exclude");
    if (exclude && (fnmatch(exclude, name, 0) == 0 || fnmatch(exclude, relative, 0) == 0))
        return false;
    if (include)
        return fnmatch(include, name, 0) == 0 || fnmatch(include, relative, 0) == 0;
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++) {
        if (eng_str_eq_nocase(eng_str_of(dot + 1), eng_str_of(endings[i])))
            return true;
    }
    return false;
}

static eng_status walk(ingestion *in, const char *dir, const char *below, unsigned depth,
                       eng_error *err);

static eng_status add_entry(ingestion *in, const char *dir, const char *below, const char *name,
                            unsigned depth, eng_error *err)
{
    struct stat st;
    eng_str path = eng_arena_format(&in->cli->arena, "%s/%s", dir, name);
    eng_str relative = eng_arena_format(&in->cli->arena, "%s%s%s", below, *below ? "/" : "", name);
    if (!path.ptr || !relative.ptr)
        return eng_fail_nomem(err);
    if (lstat(path.ptr, &st) < 0)
        return errno == ENOENT ? ENG_OK : eng_fail_errno(err, errno, "cannot open '%s'", path.ptr);
    if (S_ISDIR(st.st_mode))
        return walk(in, path.ptr, relative.ptr, depth + 1, err);
    if (S_ISREG(st.st_mode) && is_wanted(in->cli, name, relative.ptr))
        return add_item(in, path, relative, false, err);
    return ENG_OK;
}

/* In the order of their names, so that two runs do the same; hidden ones are left out. */
static eng_status walk(ingestion *in, const char *dir, const char *below, unsigned depth,
                       eng_error *err)
{
    struct dirent **names = NULL;
    if (depth > DEPTH_MAX)
        return eng_fail(err, ENG_EINVALID, "'%s' is nested too deeply", dir);
    int count = scandir(dir, &names, NULL, alphasort);
    if (count < 0)
        return eng_fail_errno(err, errno, "cannot open '%s'", dir);
    eng_status status = ENG_OK;
    for (int i = 0; i < count; i++) {
        if (status == ENG_OK && names[i]->d_name[0] != '.')
            status = add_entry(in, dir, below, names[i]->d_name, depth, err);
        (free)(names[i]); /* scandir's own, from malloc */
    }
    (free)(names);
    return status;
}

static eng_status gather(ingestion *in, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t i = 0; status == ENG_OK && i < in->cli->arg_count; i++) {
        const char *word = in->cli->args[i];
        eng_str name = eng_str_of(word);
        struct stat st;
        if (eng_str_starts(name, ENG_STR("http://")) || eng_str_starts(name, ENG_STR("https://")))
            status = add_item(in, name, name, true, err);
        else if (stat(word, &st) < 0)
            status = eng_fail_errno(err, errno, "cannot open '%s'", word);
        else if (S_ISDIR(st.st_mode))
            status = walk(in, word, "", 0, err);
        else
            status = add_item(in, name, name, false, err);
    }
    if (status == ENG_OK && !in->count)
        status = eng_fail(err, ENG_EUSAGE, "nothing to take in: no file that a reader reads");
    return status;
}

/* ---- Sending ---- */

static void note(ingestion *in, const eng_json *document)
{
    static const char *const names[] = {"indexed", "unchanged", "replaced", "failed"};
    eng_str status = eng_json_text(eng_json_get(document, ENG_STR("status")));
    for (size_t i = 0; i < 4; i++)
        in->states[i] += eng_str_eq(status, eng_str_of(names[i]));
    if (in->cli->json) {
        eng_json_writer w = eng_json_write_to(&in->said);
        eng_buf_str(&in->said, in->any ? ENG_STR(",") : ENG_STR(""));
        eng_json_copy(&w, document);
        in->any = true;
    } else if (eng_str_eq(status, ENG_STR("failed"))) {
        eng_buf_format(&in->said, "%.*s: %.*s\n",
                       ENG_FMT(eng_json_text(eng_json_get(document, ENG_STR("id")))),
                       ENG_FMT(eng_json_text(eng_json_get(document, ENG_STR("error")))));
    }
}

static eng_status send(ingestion *in, const char *type, eng_str body, eng_error *err)
{
    const eng_json *reply = NULL;
    eng_status status = eng_cli_send(in->session, "POST", in->route.ptr, type, body, &reply, err);
    const eng_json *documents = eng_json_get(reply, ENG_STR("documents"));
    for (size_t i = 0; status == ENG_OK && i < eng_json_count(documents); i++)
        note(in, eng_json_at(documents, i));
    return status;
}

static eng_status send_page(ingestion *in, const item *page, eng_error *err)
{
    eng_buf body;
    eng_buf_init(&body, 1 << 20);
    eng_json_writer w = eng_json_write_to(&body);
    eng_json_open(&w, '{');
    eng_json_name(&w, ENG_STR("documents"));
    eng_json_open(&w, '[');
    eng_json_open(&w, '{');
    eng_json_member(&w, "id", page->id);
    eng_json_member(&w, "url", page->path);
    eng_json_close(&w, '}');
    eng_json_close(&w, ']');
    eng_json_close(&w, '}');
    eng_status status = eng_buf_check(&body, "request", err);
    if (status == ENG_OK)
        status = send(in, "application/json", eng_buf_view(&body), err);
    eng_buf_clear(&body);
    return status;
}

/* A name within quotes of a part's head. */
static void put_quoted(eng_buf *out, eng_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            eng_buf_byte(out, '\\');
        if ((unsigned char)text.ptr[i] >= ' ')
            eng_buf_byte(out, text.ptr[i]);
    }
}

/* A file and its id: the i-th id of a form is the i-th file's. */
static eng_status put_file(const item *file, const char *boundary, eng_buf *body, eng_error *err)
{
    eng_buf_format(body, "--%s\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n%.*s\r\n",
                   boundary, ENG_FMT(file->id));
    eng_buf_format(body, "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"",
                   boundary);
    const char *slash = strrchr(file->path.ptr, '/');
    put_quoted(body, eng_str_of(slash ? slash + 1 : file->path.ptr));
    eng_buf_str(body, ENG_STR("\"\r\nContent-Type: application/octet-stream\r\n\r\n"));
    eng_status status = eng_buf_check(body, "request", err);
    eng_mapping map;
    if (status == ENG_OK)
        status = eng_mapping_open(file->path.ptr, &map, err);
    if (status < 0)
        return status;
    eng_buf_bytes(body, map.data, map.len);
    eng_mapping_close(&map);
    eng_buf_str(body, ENG_STR("\r\n"));
    return eng_buf_check(body, "request", err);
}

/* As many files as go into one request, from `at` on; *sent counts them. */
static eng_status send_files(ingestion *in, size_t at, size_t *sent, eng_error *err)
{
    char boundary[33], type[80];
    eng_random_id(boundary, sizeof boundary - 1);
    snprintf(type, sizeof type, "multipart/form-data; boundary=%s", boundary);
    eng_buf body;
    eng_buf_init(&body, FILE_MAX);
    eng_status status = ENG_OK;
    *sent = 0;
    while (status == ENG_OK && at + *sent < in->count && *sent < BATCH_FILES &&
           !in->items[at + *sent].page && body.len < BATCH_BYTES) {
        status = put_file(&in->items[at + *sent], boundary, &body, err);
        ++*sent;
    }
    eng_buf_format(&body, "--%s--\r\n", boundary);
    if (status == ENG_OK)
        status = eng_buf_check(&body, "request", err);
    if (status == ENG_OK)
        status = send(in, type, eng_buf_view(&body), err);
    eng_buf_clear(&body);
    return status;
}

static eng_status send_all(ingestion *in, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t at = 0, n; status == ENG_OK && at < in->count; at += n) {
        eng_cli_progress(in->cli, "ingest", at, in->count, -1);
        n = 1;
        if (in->items[at].page)
            status = send_page(in, &in->items[at], err);
        else
            status = send_files(in, at, &n, err);
    }
    eng_cli_progress_end(in->cli);
    return status;
}

/* ---- The command ---- */

static eng_status report(ingestion *in, eng_error *err)
{
    eng_buf out;
    eng_buf_init(&out, SIZE_MAX);
    if (in->cli->json)
        eng_buf_format(&out, "{\"documents\":[%.*s]}\n", ENG_FMT(eng_buf_view(&in->said)));
    else
        eng_buf_format(&out, "%.*s%llu indexed, %llu unchanged, %llu replaced, %llu failed\n",
                       ENG_FMT(eng_buf_view(&in->said)), (unsigned long long)in->states[0],
                       (unsigned long long)in->states[1], (unsigned long long)in->states[2],
                       (unsigned long long)in->states[3]);
    eng_status status = eng_cli_flush(&out, err);
    if (status == ENG_OK && in->states[3])
        status = eng_fail(err, ENG_EINVALID, "%llu could not be taken in",
                          (unsigned long long)in->states[3]);
    return status;
}

static eng_status run(eng_cli *cli, eng_error *err)
{
    ingestion in = {.cli = cli};
    eng_buf_init(&in.said, SIZE_MAX / 4);
    eng_status status = gather(&in, err);
    if (status == ENG_OK)
        status = eng_cli_collection_path(cli, "/documents", &in.route, err);
    if (status == ENG_OK)
        status = eng_cli_session_open(cli, &in.session, err);
    if (status == ENG_OK)
        status = send_all(&in, err);
    if (status == ENG_OK)
        status = report(&in, err);
    eng_cli_session_close(in.session);
    eng_buf_clear(&in.said);
    return status;
}

static const eng_cli_option options[] = {
    {"--collection", "NAME", "where to; without it \"default\"", NULL},
    {"--include", "PATTERN", "of a folder, only files like this: '*.md'", NULL},
    {"--exclude", "PATTERN", "of a folder, no files like this", NULL},
    {0},
};

const eng_cli_command eng_cmd_ingest = {
    .name = "ingest",
    .args = "FILE|DIR|URL...",
    .summary = "takes files, folders and pages into a collection",
    .text =
        "A document goes by its path, so that the same file again is unchanged, and a file that\n"
        "changed replaces its document. Text, Markdown, HTML, PDF, DOCX, PPTX, CSV, TSV and JSON\n"
        "lines are read; of a table every row is a document.",
    .example = "engenho ingest manuais/ --collection manuais",
    .options = options,
    .args_min = 1,
    .args_max = 100000,
    .run = run,
};
