/*
 * A collection's file as a stranger may make it, checksum and all: opened, taken in. The input is a list of
 * changes to a small one that is made at the start, as in fuzz_store.c:
 *
 *     page (1 byte)  offset in it (2)  how many bytes (1)  what they become (that many)
 *
 * Whatever comes of it, it is refused or whole, and nothing half of it is left.
 */
#include "base/file.h"
#include "base/span.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 8192, CHANGES_MOST = 64, DIMS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64], path[96], copy_path[96];
static eng_buf whole;
static eng_store *store;

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void remove_folder(void)
{
    eng_store_close(store);
    (void)!eng_dir_remove(folder, NULL);
    eng_buf_clear(&whole);
}

static void put(int64_t collection, int64_t generation, const char *name, const char *text)
{
    static const float data[2][DIMS] = {{1, 0, 0, 0}, {0, 1, 0, 0}};
    size_t len = strlen(text);
    eng_store_passage passages[2] = {{.end = len / 2, .tokens = 3},
                                     {.start = len / 2, .end = len, .heading = ENG_STR("above")}};
    eng_store_vector vectors[2] = {
        {.end = len / 2, .data = data[0]},
        {.passage = 1, .kind = 1, .start = 1, .end = 3, .data = data[1]}};
    eng_store_put p = {
        .text = eng_str_of(text),
        .parts = {.passages = passages, .passage_count = 2, .vectors = vectors, .vector_count = 2}};
    p.document.name = eng_str_of(name);
    p.document.title = ENG_STR("title");
    p.document.metadata = ENG_STR("{\"a\":1}");
    must(eng_store_document_put(store, collection, generation, &p, 1, NULL) == ENG_OK);
}

static void make_whole(void)
{
    snprintf(folder, sizeof folder, "%s/engenho-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    must(eng_store_init(NULL) == ENG_OK && mkdtemp(folder));
    atexit(remove_folder);
    snprintf(path, sizeof path, "%s/engenho.db", folder);
    snprintf(copy_path, sizeof copy_path, "%s/file", folder);
    must(eng_store_open(&(eng_store_options){.path = path}, &store, NULL) == ENG_OK);
    eng_store_collection c = {
        .name = ENG_STR("c"), .title = ENG_STR("t"), .settings = ENG_STR("{}")};
    must(eng_store_collection_add(store, &c, NULL) == ENG_OK);
    eng_store_generation g = {.collection = c.id,
                              .cut = ENG_STR("{}"),
                              .model = ENG_STR("m"),
                              .dims = DIMS,
                              .settings = ENG_STR("{}")};
    must(eng_store_generation_begin(store, &g, NULL) == ENG_OK);
    must(eng_store_generation_activate(store, g.id, NULL) == ENG_OK);
    put(c.id, g.id, "one", "the first of some texts");
    put(c.id, g.id, "two", "the second of some texts");
    put(c.id, g.id, "three", "and the last of them all");
    must(eng_store_export(store, g.id, ENG_STR(""), copy_path, NULL, NULL, NULL) == ENG_OK);
    eng_buf_init(&whole, 4 << 20);
    must(eng_file_read(copy_path, 4 << 20, &whole, NULL) == ENG_OK);
}

static void change(char *copy, size_t len, eng_span *in)
{
    for (int i = 0; i < CHANGES_MOST && eng_span_left(in); i++) {
        size_t at = (size_t)eng_span_u8(in) * PAGE;
        at += eng_span_u16(in) % PAGE;
        eng_str bytes = eng_span_bytes(in, eng_span_u8(in));
        if (at < len && bytes.len <= len - at)
            memcpy(copy + at, bytes.ptr, bytes.len);
    }
}

static void take_in(eng_carry *c)
{
    int64_t id = 0;
    uint64_t before = 0, after = 0;
    eng_store_import_options options = {.name = ENG_STR("new"), .vectors = true};
    must(eng_store_collection_count(store, &before, NULL) == ENG_OK);
    eng_status status = eng_store_import(store, c, &options, &id, NULL);
    must(status == ENG_OK || status == ENG_EINVALID);
    must(eng_store_collection_count(store, &after, NULL) == ENG_OK);
    must(after == before + (status == ENG_OK));
    if (status == ENG_OK)
        must(eng_store_collection_drop(store, id, NULL) == ENG_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!whole.data)
        make_whole();
    eng_span in = eng_span_of(data, size);
    size_t len = whole.len - ENG_CARRY_TAIL;
    char *copy = malloc(whole.len);
    must(copy != NULL);
    memcpy(copy, whole.data, whole.len);
    change(copy, whole.len, &in);
    eng_carry *c = NULL;
    if (memcmp(copy, whole.data, whole.len) != 0) /* a sum is not guessed */
        must(eng_carry_open((eng_str){copy, whole.len}, &c, NULL) < 0);
    eng_status status = eng_carry_open_unsummed((eng_str){copy, len}, &c, NULL);
    must(status == ENG_OK || status == ENG_ECORRUPT || status == ENG_EVERSION);
    if (status == ENG_OK)
        take_in(c);
    eng_carry_close(c);
    free(copy);
    return 0;
}
