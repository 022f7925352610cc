/*
 * Ingestion as a job. What was sent is written down as lines of JSON in DATA/spool, durable before the
 * job is; the job reads it in batches. After a crash it begins again from the first line: what the store
 * has by then is unchanged, and costs next to nothing.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "engine/knowledge.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

enum { BATCH = 64, ERRORS_MAX = 100, LINE_MAX_BYTES = 1 << 30 };

/* ---- Writing it down ---- */

static void write_text(eng_json_writer *w, const char *name, eng_str text)
{
    if (text.ptr)
        eng_json_member(w, name, text);
}

static eng_status write_source(const eng_source *s, eng_buf *line, eng_error *err)
{
    eng_json_writer w = eng_json_write_to(line);
    eng_json_open(&w, '{');
    write_text(&w, "id", s->id);
    write_text(&w, "title", s->title);
    write_text(&w, "url", s->url);
    write_text(&w, "metadata", s->metadata);
    write_text(&w, "text", s->text);
    if (s->bytes.ptr) {
        size_t size = sodium_base64_ENCODED_LEN(s->bytes.len, sodium_base64_VARIANT_ORIGINAL);
        char *encoded = eng_alloc(size);
        if (!encoded)
            return eng_fail_nomem(err);
        sodium_bin2base64(encoded, size, (const unsigned char *)s->bytes.ptr, s->bytes.len,
                          sodium_base64_VARIANT_ORIGINAL);
        eng_json_member(&w, "bytes", (eng_str){encoded, size - 1});
        write_text(&w, "file", s->file);
        write_text(&w, "type", s->type);
        eng_free(encoded);
    }
    eng_json_close(&w, '}');
    eng_buf_byte(line, '\n');
    return eng_buf_check(line, "a document", err);
}

static eng_status write_lines(int fd, const eng_source *sources, size_t count, eng_error *err)
{
    eng_buf line;
    eng_buf_init(&line, LINE_MAX_BYTES);
    eng_status status = ENG_OK;
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        eng_buf_reset(&line);
        status = write_source(&sources[i], &line, err);
        if (status == ENG_OK)
            status = eng_fd_write(fd, line.data, line.len, "what is to be taken in", err);
    }
    eng_buf_clear(&line);
    if (status == ENG_OK && fsync(fd) < 0)
        status = eng_fail_errno(err, errno, "cannot sync what is to be taken in");
    return status;
}

static eng_status write_down(eng *e, const char *name, const eng_source *sources, size_t count,
                             eng_error *err)
{
    char *dir = eng_spool_dir(e), *path = eng_spool_path(e, name);
    eng_status status = dir && path ? eng_dir_make(dir, 0700, err) : eng_fail_nomem(err);
    int fd = -1;
    if (status == ENG_OK) {
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
            status = eng_fail_errno(err, errno, "cannot make '%s'", path);
    }
    if (status == ENG_OK)
        status = write_lines(fd, sources, count, err);
    if (fd >= 0)
        close(fd);
    if (status == ENG_OK)
        status = eng_dir_sync(dir, err);
    else if (fd >= 0)
        unlink(path);
    eng_free(dir);
    eng_free(path);
    return status;
}

eng_status eng_ingest_later(eng *e, eng_str collection, const eng_source *sources, size_t count,
                            const eng_ingest_options *options, int64_t *job, eng_error *err)
{
    char name[ENG_SPOOL_NAME];
    eng_spool_name("jsonl", name);
    eng_status status = eng_collection_ready(e, collection, options, err);
    if (status == ENG_OK)
        status = write_down(e, name, sources, count, err);
    if (status < 0)
        return status;
    eng_buf params;
    eng_buf_init(&params, 1 << 16);
    eng_json_writer w = eng_json_write_to(&params);
    eng_json_open(&w, '{');
    eng_json_member(&w, "collection", collection);
    eng_json_member(&w, "spool", eng_str_of(name));
    eng_json_name(&w, ENG_STR("total"));
    eng_json_uint(&w, count);
    eng_json_close(&w, '}');
    status = eng_spool_submit(e, "ingest", name, &params, job, err);
    eng_buf_clear(&params);
    return status;
}

/* ---- Doing it ---- */

typedef struct {
    eng_job_run *run;
    eng_str collection;
    eng_arena arena; /* of a batch */
    eng_source batch[BATCH];
    size_t count;
    uint64_t done, total;
    uint64_t states[4]; /* by eng_ingest_state */
    eng_json_writer errors;
    eng_buf error_text;
    size_t error_count;
} reading;

static bool stopped(void *ctx)
{
    const reading *r = ctx;
    return atomic_load_explicit(&r->run->stop, memory_order_relaxed);
}

static eng_str text_or_none(const eng_json *object, const char *key)
{
    const eng_json *v = eng_json_get(object, eng_str_of(key));
    return eng_json_is(v, ENG_JSON_STRING) ? eng_json_text(v) : (eng_str){NULL, 0};
}

static eng_status read_line(reading *r, eng_str line, eng_error *err)
{
    const eng_json *v;
    eng_status status = eng_json_read(line, NULL, &r->arena, &v, err);
    if (status < 0)
        return status;
    eng_source *s = &r->batch[r->count];
    *s = (eng_source){.id = text_or_none(v, "id"),
                      .title = text_or_none(v, "title"),
                      .url = text_or_none(v, "url"),
                      .metadata = text_or_none(v, "metadata"),
                      .text = text_or_none(v, "text"),
                      .file = text_or_none(v, "file"),
                      .type = text_or_none(v, "type")};
    eng_str encoded = text_or_none(v, "bytes");
    if (encoded.ptr) {
        unsigned char *bytes = eng_arena_alloc(&r->arena, encoded.len + 1);
        size_t len;
        if (!bytes)
            return eng_fail_nomem(err);
        if (sodium_base642bin(bytes, encoded.len + 1, encoded.ptr, encoded.len, NULL, &len, NULL,
                              sodium_base64_VARIANT_ORIGINAL) != 0)
            return eng_fail(err, ENG_ECORRUPT, "what was to be taken in is damaged");
        s->bytes = (eng_str){(const char *)bytes, len};
    }
    r->count++;
    return ENG_OK;
}

static void note(reading *r, const eng_ingest_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const eng_ingested *d = &report->items[i];
        r->states[d->state]++;
        if (d->state != ENG_INGEST_FAILED || r->error_count++ >= ERRORS_MAX)
            continue;
        eng_json_open(&r->errors, '{');
        eng_json_member(&r->errors, "id", eng_str_of(d->id));
        eng_json_member(&r->errors, "error", eng_str_of(d->error ? d->error : ""));
        eng_json_close(&r->errors, '}');
    }
}

static eng_status take_batch(reading *r, eng_error *err)
{
    eng_ingest_options options = {.make = false, .cancelled = stopped, .ctx = r};
    eng_ingest_report *report = NULL;
    if (!r->count)
        return ENG_OK;
    eng_status status = eng_ingest(r->run->e, r->collection, r->batch, r->count, &options, &report,
                                   err);
    if (status < 0)
        return status;
    note(r, report);
    eng_ingest_report_free(report);
    r->done += r->count;
    r->count = 0;
    eng_arena_reset(&r->arena);
    return eng_job_report(r->run, r->done, r->total) ? ENG_OK
                                                     : eng_fail(err, ENG_ECANCELLED, "cancelled");
}

static eng_status take_all(reading *r, eng_str lines, eng_error *err)
{
    eng_status status = ENG_OK;
    while (status == ENG_OK && lines.len) {
        eng_str line;
        eng_str_cut(lines, '\n', &line, &lines);
        status = read_line(r, line, err);
        if (status == ENG_OK && r->count == BATCH)
            status = take_batch(r, err);
    }
    return status == ENG_OK ? take_batch(r, err) : status;
}

static void write_result(reading *r)
{
    eng_json_writer w = eng_json_write_to(&r->run->result);
    eng_json_open(&w, '{');
    eng_json_member(&w, "collection", r->collection);
    for (size_t i = 0; i < 4; i++) {
        eng_json_name(&w, eng_str_of(eng_ingest_state_name((eng_ingest_state)i)));
        eng_json_uint(&w, r->states[i]);
    }
    eng_json_close(&r->errors, ']');
    eng_json_name(&w, ENG_STR("errors"));
    eng_json_raw(&w, eng_buf_view(&r->error_text));
    eng_json_close(&w, '}');
}

eng_status eng_ingest_run(eng_job_run *run, eng_error *err)
{
    const eng_json *total = eng_json_get(run->params, ENG_STR("total"));
    reading *r = eng_zalloc(sizeof *r);
    if (!r)
        return eng_fail_nomem(err);
    r->run = run;
    r->collection = eng_json_text(eng_json_get(run->params, ENG_STR("collection")));
    r->total = eng_json_is(total, ENG_JSON_INT) ? (uint64_t)total->as.integer : 0;
    eng_arena_init(&r->arena, 1 << 16, NULL);
    eng_buf_init(&r->error_text, 1 << 20);
    r->errors = eng_json_write_to(&r->error_text);
    eng_json_open(&r->errors, '[');
    eng_mapping map = {0};
    char *path = eng_spool_path(run->e,
                                eng_json_text(eng_json_get(run->params, ENG_STR("spool"))).ptr);
    eng_status status = path ? eng_mapping_open(path, &map, err) : eng_fail_nomem(err);
    if (status == ENG_OK) {
        status = take_all(r, (eng_str){(const char *)map.data, map.len}, err);
        eng_mapping_close(&map);
    }
    if (status == ENG_OK)
        write_result(r);
    eng_spool_end(run, status);
    eng_free(path);
    eng_buf_clear(&r->error_text);
    eng_arena_clear(&r->arena);
    eng_free(r);
    return status;
}
