/*
 * Texts to tokens, for the oracles: what is read from stdin is encoded, what comes out is printed.
 *
 *     tokenize TOKENIZER.JSON [max=N] [bare] [whole] [time=FILE]
 *
 * With time=FILE the texts are the lines of a file, and for each byte of stdin all of them are encoded
 * once: "tokens nanoseconds" of the processor's time, a line a round. That is how bench/tokenizer.py
 * takes turns with a peer.
 *
 * In, a record a sequence, numbers little-endian: u32 bytes of the text, u32 bytes of its pair (2^32-1:
 * there is none), the bytes. Out: u32 tokens (2^32-1: refused), u32 truncated, u32 ids, u32 pairs of
 * offsets, bytes of types.
 */
#include "base/file.h"
#include "base/str.h"
#include "text/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void fail(const char *what)
{
    fprintf(stderr, "tokenize: %s\n", what);
    exit(1);
}

static bool read_all(void *out, size_t len)
{
    size_t got = fread(out, 1, len, stdin);
    if (got != len && got != 0)
        fail("a record is cut off");
    return got == len;
}

static void print(const void *data, size_t size, size_t count)
{
    if (fwrite(data, size, count, stdout) != count)
        fail("cannot write");
}

static eng_str read_text(uint32_t len)
{
    /* A block of its own and of its size, so that a sanitizer sees what reads past its end. */
    char *text = malloc(len ? len : 1);
    if (!text || (len && !read_all(text, len)))
        fail("a text is not all there");
    return (eng_str){text, len};
}

static void encode(const eng_tokenizer *t, const uint32_t lens[2], const eng_token_options *options,
                   eng_tokens *out)
{
    bool paired = lens[1] != UINT32_MAX;
    eng_str text = read_text(lens[0]), pair = paired ? read_text(lens[1]) : ENG_NO_PAIR;
    eng_error err;
    uint32_t head[2] = {UINT32_MAX, 0};
    eng_tokens_reset(out);
    eng_status status = eng_tokenizer_add(t, text, pair, options, out, &err);
    if (status == ENG_OK) {
        head[0] = (uint32_t)out->count;
        head[1] = out->seqs[0].truncated;
    }
    print(head, sizeof head, 1);
    print(out->ids, sizeof *out->ids, out->count);
    print(out->spans, sizeof *out->spans, out->count);
    print(out->types, 1, out->count);
    free((void *)text.ptr);
    free((void *)pair.ptr);
}

static eng_tokenizer *open_tokenizer(const char *path)
{
    eng_tokenizer *t = NULL;
    eng_error err;
    eng_buf json;
    eng_buf_init(&json, (size_t)1 << 30);
    if (eng_file_read(path, (size_t)1 << 30, &json, &err) < 0 ||
        eng_tokenizer_read(eng_buf_view(&json), &t, &err) < 0) {
        fail(err.message);
    }
    eng_buf_clear(&json);
    return t;
}

static uint64_t processor_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) != 0)
        fail("no clock of the process");
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* One round over all lines. */
static void time_lines(const eng_tokenizer *t, eng_str lines, const eng_token_options *options,
                       eng_tokens *out)
{
    size_t tokens = 0;
    uint64_t start = processor_ns();
    eng_str line, rest = lines;
    for (bool more = true; more;) {
        more = eng_str_cut(rest, '\n', &line, &rest);
        eng_tokens_reset(out);
        if (eng_tokenizer_add(t, line, ENG_NO_PAIR, options, out, NULL) < 0)
            fail("a line was refused");
        tokens += out->count;
    }
    printf("%zu %llu\n", tokens, (unsigned long long)(processor_ns() - start));
    fflush(stdout);
}

static void take_turns(const eng_tokenizer *t, const char *path, const eng_token_options *options,
                       eng_tokens *out)
{
    eng_error err;
    eng_buf lines;
    eng_buf_init(&lines, (size_t)1 << 30);
    if (eng_file_read(path, (size_t)1 << 30, &lines, &err) < 0)
        fail(err.message);
    while (getchar() != EOF)
        time_lines(t, eng_buf_view(&lines), options, out);
    eng_buf_clear(&lines);
}

int main(int argc, char **argv)
{
    eng_token_options options = {0};
    const char *timed = NULL;
    if (argc < 2)
        fail("expected the path of a tokenizer.json");
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "bare") == 0)
            options.bare = true;
        else if (strcmp(argv[i], "whole") == 0)
            options.whole = true;
        else if (strncmp(argv[i], "max=", 4) == 0)
            options.max = strtoull(argv[i] + 4, NULL, 10);
        else if (strncmp(argv[i], "time=", 5) == 0)
            timed = argv[i] + 5;
        else
            fail("expected max=N, bare, whole or time=FILE");
    }
    eng_tokenizer *t = open_tokenizer(argv[1]);
    eng_tokens tokens;
    eng_tokens_init(&tokens);
    uint32_t lens[2];
    if (timed)
        take_turns(t, timed, &options, &tokens);
    while (!timed && read_all(lens, sizeof lens))
        encode(t, lens, &options, &tokens);
    eng_tokens_clear(&tokens);
    eng_tokenizer_free(t);
    return 0;
}
