/* Opening a model: its numbers, then its weights. */
#include "base/alloc.h"
#include "base/error.h"
#include "nn/nn_internal.h"

eng_status eng_nn_open(const char *folder, const eng_nn_options *options, eng_nn_model **out,
                       eng_error *err)
{
    eng_nn_model *m = eng_zalloc(sizeof *m);
    if (!m)
        return eng_fail_nomem(err);
    eng_arena_init(&m->arena, 4096, NULL);
    m->kern = eng_kern_get();
    eng_status status = eng_nn_read_config(folder, &m->arena, &m->config, err);
    if (status == ENG_OK) {
        m->config.info.precision = options->precision;
        status = eng_nn_load(m, folder, options->no_cache, err);
    }
    if (status < 0) {
        eng_nn_close(m);
        return status;
    }
    *out = m;
    return ENG_OK;
}

void eng_nn_close(eng_nn_model *m)
{
    if (!m)
        return;
    if (m->packed.data)
        eng_mapping_close(&m->packed);
    eng_free(m->memory);
    eng_arena_clear(&m->arena);
    eng_free(m);
}

const eng_nn_info *eng_nn_about(const eng_nn_model *m) { return &m->config.info; }
