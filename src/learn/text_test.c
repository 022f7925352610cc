/* Rows that were kept apart, scored as a server would score them: with the model's own bytes. */
#include "base/alloc.h"
#include "base/error.h"
#include "learn/text_internal.h"

#include <stdlib.h>

typedef struct {
    const eng_text_rows *test;
    eng_text_model *model;
    eng_text_scratch *scratch;
    eng_text_class *classes; /* the model's, then those that only the test has */
    size_t class_count;
    uint16_t *labels; /* the test's classes in these */
    eng_text_verdict *verdicts;
    eng_error *err;
} tester;

static eng_status merge_classes(tester *t)
{
    const eng_text_info *info = eng_text_info_of(t->model);
    size_t most = info->category_count + t->test->class_count;
    t->classes = eng_zalloc(most * sizeof *t->classes);
    t->labels = eng_zalloc((t->test->class_count + 1) * sizeof *t->labels);
    if (!t->classes || !t->labels)
        return eng_fail_nomem(t->err);
    for (size_t i = 0; i < info->category_count; i++)
        t->classes[t->class_count++].name = info->categories[i];
    for (size_t i = 0; i < t->test->class_count; i++) {
        eng_str name = t->test->classes[i].name;
        size_t at = 0;
        while (at < t->class_count && !eng_str_eq(t->classes[at].name, name))
            at++;
        if (at == t->class_count)
            t->classes[t->class_count++].name = name;
        t->labels[i] = (uint16_t)at;
    }
    return ENG_OK;
}

static eng_status ask(tester *t)
{
    const eng_text_rows *r = t->test;
    const size_t fields = r->columns.text_count, numbers = r->columns.number_count;
    double values[ENG_TEXT_NUMBERS];
    t->verdicts = eng_zalloc((r->count + 1) * sizeof *t->verdicts);
    if (!t->verdicts)
        return eng_fail_nomem(t->err);
    for (size_t i = 0; i < r->count; i++) {
        eng_text_answer answer;
        for (size_t n = 0; n < numbers; n++)
            values[n] = (double)r->numbers[i * numbers + n];
        eng_text_item item = {.texts = r->texts + i * fields,
                              .text_count = fields,
                              .numbers = values,
                              .number_count = numbers};
        eng_status status = eng_text_predict(t->model, &item, t->scratch, &answer, t->err);
        if (status < 0)
            return status;
        t->verdicts[i] = (eng_text_verdict){.example = (uint32_t)i,
                                            .group = r->groups[i],
                                            .label = t->labels[r->labels[i]],
                                            .said = (uint16_t)answer.category,
                                            .probability = answer.probability,
                                            .familiar = answer.familiarity};
    }
    return ENG_OK;
}

/* A copy at a multiple of 64, where a mapping would lie; the whole block is *memory. */
static unsigned char *aligned(eng_str bytes, void **memory)
{
    *memory = eng_alloc(bytes.len + ENG_CONTAINER_ALIGN);
    if (!*memory)
        return NULL;
    unsigned char *p = *memory;
    p += (ENG_CONTAINER_ALIGN - (uintptr_t)p % ENG_CONTAINER_ALIGN) % ENG_CONTAINER_ALIGN;
    memcpy(p, bytes.ptr, bytes.len);
    return p;
}

static eng_status run(tester *t, eng_json_writer *w)
{
    eng_text_measure m;
    eng_status status = merge_classes(t);
    if (status == ENG_OK)
        status = ask(t);
    if (status == ENG_OK)
        status = eng_text_judge(t->verdicts, t->test->count, t->class_count, 0, true, 1, &m,
                                t->err);
    if (status < 0)
        return status;
    eng_json_name(w, ENG_STR("test"));
    eng_json_open(w, '{');
    eng_text_put_measure(w, t->classes, &m);
    eng_json_close(w, '}');
    eng_text_measure_clear(&m);
    return ENG_OK;
}

eng_status eng_text_put_test(eng_json_writer *w, const eng_text_rows *test, eng_str model,
                             eng_error *err)
{
    tester t = {.test = test, .err = err};
    void *memory = NULL;
    const unsigned char *bytes = aligned(model, &memory);
    eng_status status = bytes ? ENG_OK : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = eng_text_of(bytes, model.len, "the model", &t.model, err);
    if (status == ENG_OK)
        status = eng_text_scratch_new(&t.scratch, err);
    if (status == ENG_OK)
        status = run(&t, w);
    eng_free(t.classes);
    eng_free(t.labels);
    eng_free(t.verdicts);
    eng_text_scratch_free(t.scratch);
    eng_text_free(t.model);
    eng_free(memory);
    return status;
}
