/*
 * The forward pass for the oracles in Python: nn_vectors FOLDER f32|int8 THREADS BATCH [--no-cache]
 *
 * Standard input, as uint32: for each sequence its length, its ids, its types. Standard output: the
 * floats of each, BATCH sequences at a time. Standard error: one line about the model.
 */
#include "base/clock.h"
#include "kern/kern.h"
#include "nn/nn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEQUENCES_MAX = 100000, TOKENS_MAX = 1 << 24 };

static void check(bool ok, const char *message)
{
    if (ok)
        return;
    fprintf(stderr, "nn_vectors: %s\n", message);
    exit(1);
}

static size_t read_sequences(eng_nn_sequence *sequences, uint32_t *ids, uint8_t *types)
{
    size_t count = 0, tokens = 0;
    for (uint32_t len; fread(&len, sizeof len, 1, stdin) == 1; count++, tokens += len) {
        check(count < SEQUENCES_MAX && len < TOKENS_MAX - tokens, "too much");
        sequences[count] = (eng_nn_sequence){ids + tokens, types + tokens, len};
        check(fread(ids + tokens, sizeof *ids, len, stdin) == len, "ends too early");
        for (uint32_t i = 0, type; i < len; i++) {
            check(fread(&type, sizeof type, 1, stdin) == 1, "ends too early");
            types[tokens + i] = (uint8_t)type;
        }
    }
    return count;
}

int main(int argc, char **argv)
{
    eng_error err = {0};
    check(argc >= 5, "FOLDER f32|int8 THREADS BATCH [--no-cache]");
    eng_nn_options options = {.precision = strcmp(argv[2], "f32") ? ENG_NN_INT8 : ENG_NN_F32,
                              .no_cache = argc > 5};
    eng_nn_model *m = NULL;
    eng_nn_context *c = NULL;
    check(eng_kern_init(&err) == ENG_OK, err.message);
    uint64_t began = eng_clock_ns();
    check(eng_nn_open(argv[1], &options, &m, &err) == ENG_OK, err.message);
    double ms = (double)(eng_clock_ns() - began) / 1e6;
    check(eng_nn_context_new(m, (unsigned)atoi(argv[3]), &c, &err) == ENG_OK, err.message);
    const eng_nn_info *info = eng_nn_about(m);
    fprintf(stderr, "%s %s width %zu labels %zu packed %d kernel %s opened in %.2f ms\n",
            info->architecture, argv[2], info->width, info->labels, info->packed,
            eng_kern_get()->name, ms);

    eng_nn_sequence *sequences = calloc(SEQUENCES_MAX, sizeof *sequences);
    uint32_t *ids = malloc(TOKENS_MAX * sizeof *ids);
    uint8_t *types = malloc(TOKENS_MAX);
    check(sequences && ids && types, "out of memory");
    size_t count = read_sequences(sequences, ids, types), batch = (size_t)atoi(argv[4]);
    size_t width = info->labels ? info->labels : info->width;
    float *out = malloc((batch * width + 1) * sizeof *out);
    check(out != NULL && batch > 0, "out of memory");
    for (size_t i = 0; i < count; i += batch) {
        size_t now = count - i < batch ? count - i : batch;
        eng_status status = info->labels ? eng_nn_score(c, sequences + i, now, out, &err)
                                         : eng_nn_encode(c, sequences + i, now, out, &err);
        check(status == ENG_OK, err.message);
        check(fwrite(out, sizeof *out, now * width, stdout) == now * width, "cannot write");
    }
    free(out);
    free(types);
    free(ids);
    free(sequences);
    eng_nn_context_free(c);
    eng_nn_close(m);
    return 0;
}
