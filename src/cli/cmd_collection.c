/* engenho collection: list, show, rm, export, import. */
#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "cli/commands.h"
#include "net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static eng_status path_of(eng_cli *cli, eng_str name, const char *rest, eng_str *out,
                          eng_error *err)
{
    eng_buf path;
    eng_buf_init(&path, 1 << 16);
    eng_buf_str(&path, ENG_STR("/v1/collections/"));
    eng_url_encode(&path, name);
    eng_buf_str(&path, eng_str_of(rest));
    eng_status status = eng_buf_check(&path, "path", err);
    if (status == ENG_OK) {
        *out = eng_arena_copy(&cli->arena, eng_buf_view(&path));
        status = out->ptr ? ENG_OK : eng_fail_nomem(err);
    }
    eng_buf_clear(&path);
    return status;
}

eng_status eng_cli_collection_path(eng_cli *cli, const char *rest, eng_str *out, eng_error *err)
{
    const char *name = eng_cli_option_value(cli, "--collection");
    return path_of(cli, eng_str_of(name ? name : "default"), rest, out, err);
}

static eng_str number_text(eng_cli *cli, const eng_json *object, const char *key)
{
    double n = 0;
    eng_json_number(eng_json_get(object, eng_str_of(key)), &n);
    return eng_arena_format(&cli->arena, "%.0f", n);
}

static eng_status print_list(eng_cli *cli, const eng_json *list, eng_error *err)
{
    enum { COLUMNS = 5 };
    static const char *const heading[COLUMNS] = {"NAME", "DOCUMENTS", "PASSAGES", "CHANGED",
                                                 "TITLE"};
    size_t rows = eng_json_count(list) + 1;
    eng_str *cells = eng_arena_array(&cli->arena, rows * COLUMNS, sizeof *cells);
    if (!cells)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < COLUMNS; i++)
        cells[i] = eng_str_of(heading[i]);
    for (size_t i = 0; i + 1 < rows; i++) {
        const eng_json *c = eng_json_at(list, i);
        eng_str *row = cells + (i + 1) * COLUMNS;
        row[0] = eng_json_text(eng_json_get(c, ENG_STR("name")));
        row[1] = number_text(cli, c, "documents");
        row[2] = number_text(cli, c, "passages");
        row[3] = eng_cli_ago(&cli->arena, eng_json_text(eng_json_get(c, ENG_STR("updated_at"))));
        row[4] = eng_json_text(eng_json_get(c, ENG_STR("title")));
    }
    return eng_cli_table(cli, cells, COLUMNS, rows, err);
}

static eng_status list(eng_cli *cli, eng_error *err)
{
    eng_cli_session *s = NULL;
    const eng_json *reply = NULL;
    eng_status status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK)
        status = eng_cli_call(s, "GET", "/v1/collections?limit=1000", ENG_STR(""), &reply, err);
    if (status == ENG_OK)
        status = cli->json ? eng_cli_print_json(reply, err)
                           : print_list(cli, eng_json_get(reply, ENG_STR("collections")), err);
    eng_cli_session_close(s);
    return status;
}

static eng_status print_one(eng_cli *cli, const eng_json *c, eng_error *err)
{
    const eng_json *chunk = eng_json_get(c, ENG_STR("chunk"));
    eng_str model = eng_json_text(eng_json_get(c, ENG_STR("embedding_model")));
    eng_buf out;
    eng_buf_init(&out, 1 << 16);
    eng_buf_format(&out, "%.*s: %.*s\n", ENG_FMT(eng_json_text(eng_json_get(c, ENG_STR("name")))),
                   ENG_FMT(eng_json_text(eng_json_get(c, ENG_STR("title")))));
    eng_buf_format(&out, "%.*s documents, %.*s passages of at most %.*s %.*s\n",
                   ENG_FMT(number_text(cli, c, "documents")),
                   ENG_FMT(number_text(cli, c, "passages")),
                   ENG_FMT(number_text(cli, chunk, "size")),
                   ENG_FMT(eng_json_text(eng_json_get(chunk, ENG_STR("unit")))));
    eng_buf_format(&out, "encoder: %.*s\n",
                   ENG_FMT(model.len ? model : ENG_STR("none, searched by words alone")));
    return eng_cli_flush(&out, err);
}

static eng_status show(eng_cli *cli, eng_error *err)
{
    eng_cli_session *s = NULL;
    const eng_json *reply = NULL;
    eng_str path;
    eng_status status = path_of(cli, eng_str_of(cli->args[0]), "", &path, err);
    if (status == ENG_OK)
        status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK)
        status = eng_cli_call(s, "GET", path.ptr, ENG_STR(""), &reply, err);
    if (status == ENG_OK)
        status = cli->json ? eng_cli_print_json(reply, err) : print_one(cli, reply, err);
    eng_cli_session_close(s);
    return status;
}

static eng_status rm(eng_cli *cli, eng_error *err)
{
    eng_cli_session *s = NULL;
    size_t gone = 0;
    eng_status status = eng_cli_session_open(cli, &s, err);
    for (; status == ENG_OK && gone < cli->arg_count; gone += status == ENG_OK) {
        eng_str path;
        status = path_of(cli, eng_str_of(cli->args[gone]), "", &path, err);
        if (status == ENG_OK)
            status = eng_cli_call(s, "DELETE", path.ptr, ENG_STR(""), NULL, err);
    }
    eng_status said = gone ? eng_cli_say_removed(cli, gone, status < 0 ? NULL : err) : ENG_OK;
    eng_cli_session_close(s);
    return status < 0 ? status : said;
}

static const eng_cli_command collection_list = {
    .name = "list",
    .args = "",
    .summary = "lists the collections",
    .example = "engenho collection list",
    .run = list,
};

static const eng_cli_command collection_show = {
    .name = "show",
    .args = "NAME",
    .summary = "shows a collection: its size, its cutting, its encoder",
    .example = "engenho collection show manuais",
    .args_min = 1,
    .args_max = 1,
    .run = show,
};

static const eng_cli_command collection_rm = {
    .name = "rm",
    .args = "NAME...",
    .summary = "removes collections with all they hold",
    .example = "engenho collection rm rascunho",
    .args_min = 1,
    .args_max = 1000,
    .run = rm,
};

/* ---- Out ---- */

typedef struct {
    int fd;
    const char *path;
    uint64_t bytes;
} download;

static eng_status keep(void *ctx, eng_str bytes, eng_error *err)
{
    download *d = ctx;
    d->bytes += bytes.len;
    return eng_fd_write(d->fd, bytes.ptr, bytes.len, d->path, err);
}

/* It gets its name when it is whole and on the disk. */
static eng_status finish(const download *d, const char *to, eng_error *err)
{
    if (fsync(d->fd) < 0)
        return eng_fail_errno(err, errno, "cannot sync '%s'", d->path);
    if (link(d->path, to) < 0)
        return eng_fail_errno(err, errno, "cannot make '%s'", to);
    return ENG_OK;
}

static eng_status download_to(eng_cli *cli, const char *to, uint64_t *bytes, eng_error *err)
{
    char id[12];
    eng_str path;
    eng_cli_session *s = NULL;
    eng_random_id(id, sizeof id - 1);
    eng_str beside = eng_arena_format(&cli->arena, "%s.tmp-%s", to, id);
    eng_status status = beside.ptr ? ENG_OK : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = path_of(cli, eng_str_of(cli->args[0]), "/export", &path, err);
    if (status == ENG_OK)
        status = eng_cli_session_open(cli, &s, err);
    if (status < 0)
        return status;
    download d = {.path = beside.ptr};
    d.fd = open(d.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (d.fd < 0)
        status = eng_fail_errno(err, errno, "cannot make '%s'", to);
    else {
        status = eng_cli_fetch(s, path.ptr, keep, &d, err);
        if (status == ENG_OK)
            status = finish(&d, to, err);
        close(d.fd);
        unlink(d.path);
    }
    *bytes = d.bytes;
    eng_cli_session_close(s);
    return status;
}

static eng_status say_exported(const eng_cli *cli, const char *to, uint64_t bytes, eng_error *err)
{
    eng_buf out;
    eng_buf_init(&out, 1 << 16);
    if (cli->json) {
        eng_json_writer w = eng_json_write_to(&out);
        eng_json_open(&w, '{');
        eng_json_member(&w, "file", eng_str_of(to));
        eng_json_name(&w, ENG_STR("bytes"));
        eng_json_uint(&w, bytes);
        eng_json_close(&w, '}');
        eng_buf_byte(&out, '\n');
    } else {
        eng_buf_format(&out, "%s: %llu bytes\n", to, (unsigned long long)bytes);
    }
    return eng_cli_flush(&out, err);
}

static eng_status export(eng_cli *cli, eng_error *err)
{
    uint64_t bytes = 0;
    eng_str to = cli->arg_count > 1 ? eng_str_of(cli->args[1])
                                    : eng_arena_format(&cli->arena, "%s.engenho", cli->args[0]);
    if (!to.ptr)
        return eng_fail_nomem(err);
    if (access(to.ptr, F_OK) == 0)
        return eng_fail(err, ENG_ECONFLICT, "'%s' is there already", to.ptr);
    eng_status status = download_to(cli, to.ptr, &bytes, err);
    return status == ENG_OK ? say_exported(cli, to.ptr, bytes, err) : status;
}

/* ---- In ---- */

static void put_field(eng_buf *out, const char *boundary, const char *name, const char *value)
{
    if (value)
        eng_buf_format(out, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n",
                       boundary, name, value);
}

/* The form as a file without a name: however large it is, it takes no memory. */
static eng_status write_form(eng_cli *cli, const char *boundary, const eng_mapping *file, int fd,
                             eng_error *err)
{
    eng_buf head;
    eng_buf_init(&head, 1 << 16);
    put_field(&head, boundary, "name", eng_cli_option_value(cli, "--name"));
    put_field(&head, boundary, "reembed", eng_cli_option_value(cli, "--reembed") ? "true" : NULL);
    put_field(&head, boundary, "embedding_model", eng_cli_option_value(cli, "--model"));
    eng_buf_format(&head,
                   "--%s\r\nContent-Disposition: form-data; name=\"file\"; "
                   "filename=\"collection\"\r\n\r\n",
                   boundary);
    eng_status status = eng_buf_check(&head, "request", err);
    if (status == ENG_OK)
        status = eng_fd_write(fd, head.data, head.len, "request", err);
    if (status == ENG_OK)
        status = eng_fd_write(fd, file->data, file->len, "request", err);
    eng_buf_reset(&head);
    eng_buf_format(&head, "\r\n--%s--\r\n", boundary);
    if (status == ENG_OK)
        status = eng_buf_check(&head, "request", err);
    if (status == ENG_OK)
        status = eng_fd_write(fd, head.data, head.len, "request", err);
    eng_buf_clear(&head);
    return status;
}

static eng_status make_form(eng_cli *cli, const char *boundary, eng_mapping *out, eng_error *err)
{
    const char *data;
    eng_mapping file;
    int fd = -1;
    eng_status status = eng_mapping_open(cli->args[0], &file, err);
    if (status < 0)
        return status;
    status = eng_cli_data(cli, &data, err);
    if (status == ENG_OK)
        status = eng_file_unnamed(data, &fd, err);
    if (status == ENG_OK) {
        status = write_form(cli, boundary, &file, fd, err);
        if (status == ENG_OK)
            status = eng_mapping_of_fd(fd, out, err);
        close(fd);
    }
    eng_mapping_close(&file);
    return status;
}

static eng_status send_form(eng_cli *cli, eng_cli_session *s, const eng_json **reply,
                            eng_error *err)
{
    char boundary[33], type[80];
    eng_mapping form;
    eng_random_id(boundary, sizeof boundary - 1);
    snprintf(type, sizeof type, "multipart/form-data; boundary=%s", boundary);
    eng_status status = make_form(cli, boundary, &form, err);
    if (status < 0)
        return status;
    status = eng_cli_send(s, "POST", "/v1/collections/import", type,
                          (eng_str){(const char *)form.data, form.len}, reply, err);
    eng_mapping_close(&form);
    return status;
}

static eng_status import(eng_cli *cli, eng_error *err)
{
    eng_cli_session *s = NULL;
    const eng_json *reply = NULL, *ended = NULL;
    eng_status status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK)
        status = send_form(cli, s, &reply, err);
    const eng_json *job = status == ENG_OK ? eng_json_get(reply, ENG_STR("job")) : NULL;
    if (eng_json_is(job, ENG_JSON_INT))
        status = eng_cli_wait_job(s, job->as.integer, &ended, err);
    if (status == ENG_OK)
        status = cli->json ? eng_cli_print_json(reply, err) : print_one(cli, reply, err);
    eng_cli_session_close(s);
    return status;
}

static const eng_cli_command collection_export = {
    .name = "export",
    .args = "NAME [FILE]",
    .summary = "writes a collection into one file: documents, passages, vectors, settings",
    .text = "Without FILE into NAME.engenho. The file is an SQLite database that other programs\n"
            "read, as of one instant, with a checksum (docs/collection-file.md).",
    .example = "engenho collection export manuais manuais.engenho",
    .args_min = 1,
    .args_max = 2,
    .run = export,
};

static const eng_cli_option import_options[] = {
    {"--name", "NAME", "what it will be called; without it as it was called", NULL},
    {"--reembed", NULL, "leave its vectors out and make them anew", NULL},
    {"--model", "MODEL", "with --reembed: by which encoder; without it the default", NULL},
    {0},
};

static const eng_cli_command collection_import = {
    .name = "import",
    .args = "FILE",
    .summary = "makes a collection of an exported file",
    .text =
        "All of it or nothing. Its vectors are taken as they are, which needs the encoder that\n"
        "made them to be installed; with --reembed any other will do.",
    .example = "engenho collection import manuais.engenho --name copia",
    .options = import_options,
    .args_min = 1,
    .args_max = 1,
    .run = import,
};

static const eng_cli_command *const subs[] = {&collection_list,   &collection_show,
                                              &collection_rm,     &collection_export,
                                              &collection_import, NULL};

const eng_cli_command eng_cmd_collection = {
    .name = "collection",
    .args = "list|show|rm|export|import",
    .summary = "lists, shows, removes, exports and imports collections",
    .example = "engenho collection list",
    .subs = subs,
};
