/*
 * A database that somebody, or a disk, has changed: opened, used, checked. The input is a list of
 * changes to a small one that is made at the start, because a whole one is too long to be mutated:
 *
 *     page (1 byte)  offset in it (2)  how many bytes (1)  what they become (that many)
 *
 * Whatever comes of it, every function says OK or why not, and a bug of ours is none of the reasons.
 */
#include "base/file.h"
#include "base/span.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 8192, CHANGES_MOST = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64], path[96];
static eng_buf whole;

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void remove_folder(void)
{
    (void)!eng_dir_remove(folder, NULL);
    eng_buf_clear(&whole);
}

static void use(eng_store *s)
{
    eng_arena arena;
    eng_str value, text = ENG_STR("text");
    eng_store_key *keys, key = {.id = text, .name = text, .role = ENG_ROLE_READ};
    eng_store_job *jobs, job;
    uint64_t count, running;
    int64_t id;
    size_t n;
    eng_arena_init(&arena, 4096, NULL);
    must(eng_store_get(s, text, &arena, &value, NULL) != ENG_EINTERNAL);
    must(eng_store_set(s, text, text, NULL) != ENG_EINTERNAL);
    must(eng_store_key_page(s, 0, 100, &arena, &keys, &n, NULL) != ENG_EINTERNAL);
    must(eng_store_key_add(s, &key, NULL) != ENG_EINTERNAL);
    must(eng_store_job_add(s, text, text, &id, NULL) != ENG_EINTERNAL);
    must(eng_store_job_claim(s, text, 1000, &arena, &job, NULL) != ENG_EINTERNAL);
    must(eng_store_job_page(s, INT64_MAX, 100, &arena, &jobs, &n, NULL) != ENG_EINTERNAL);
    must(eng_store_job_counts(s, &count, &running, NULL) != ENG_EINTERNAL);
    must(eng_store_collection_count(s, &count, NULL) != ENG_EINTERNAL);
    eng_arena_clear(&arena);
}

/* Once: some rows of each kind. */
static void make_whole(void)
{
    eng_store *s = NULL;
    snprintf(folder, sizeof folder, "%s/engenho-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    must(eng_store_init(NULL) == ENG_OK && mkdtemp(folder));
    atexit(remove_folder);
    snprintf(path, sizeof path, "%s/engenho.db", folder);
    must(eng_store_open(&(eng_store_options){.path = path}, &s, NULL) == ENG_OK);
    for (int i = 0; i < 5; i++)
        use(s);
    eng_store_close(s);
    eng_buf_init(&whole, 4 << 20);
    must(eng_file_read(path, 4 << 20, &whole, NULL) == ENG_OK);
}

static void change(char *copy, eng_span *in)
{
    for (int i = 0; i < CHANGES_MOST && eng_span_left(in); i++) {
        size_t at = (size_t)eng_span_u8(in) * PAGE;
        at += eng_span_u16(in) % PAGE;
        eng_str bytes = eng_span_bytes(in, eng_span_u8(in));
        if (at < whole.len && bytes.len <= whole.len - at)
            memcpy(copy + at, bytes.ptr, bytes.len);
    }
}

static void note(void *ctx, const char *message)
{
    unsigned *count = ctx;
    must(message[0] && ++*count <= 100);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!whole.data)
        make_whole();
    eng_span in = eng_span_of(data, size);
    char *copy = malloc(whole.len);
    must(copy != NULL);
    memcpy(copy, whole.data, whole.len);
    change(copy, &in);

    char beside[112];
    eng_store *s = NULL;
    eng_error err = {0};
    unsigned findings = 0;
    FILE *f = fopen(path, "wb");
    must(f && fwrite(copy, 1, whole.len, f) == whole.len);
    fclose(f);
    must(eng_store_check(path, note, NULL, &findings, &err) != ENG_EINTERNAL);
    eng_status status = eng_store_open(&(eng_store_options){.path = path}, &s, &err);
    must(status != ENG_EINTERNAL && (status == ENG_OK || strstr(err.message, path)));
    if (status == ENG_OK)
        use(s);
    eng_store_close(s);
    const char *const parts[] = {"-wal", "-shm", "-journal"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(beside, sizeof beside, "%s%s", path, parts[i]);
        unlink(beside);
    }
    free(copy);
    return 0;
}
