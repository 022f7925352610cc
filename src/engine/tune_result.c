/* What a tuning found, as JSON: see tune_internal.h. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/tune_internal.h"

#include <stdlib.h>
#include <string.h>

enum { SHOWN = 100 }; /* choices */

static void write_number(eng_json_writer *w, const char *name, double value)
{
    eng_json_name(w, eng_str_of(name));
    eng_json_double(w, value);
}

static void write_count(eng_json_writer *w, const char *name, size_t value)
{
    eng_json_name(w, eng_str_of(name));
    eng_json_uint(w, value);
}

static eng_status measure(eng_tuning_run *t, const eng_choice *choice, eng_measures *out,
                          eng_error *err)
{
    eng_status status = ENG_OK;
    eng_outcome *outcomes = eng_alloc_array(t->count, sizeof *outcomes);
    if (!outcomes)
        return eng_fail_nomem(err);
    for (size_t q = 0; q < t->count && status == ENG_OK; q++)
        status = eng_tune_outcome(t, choice, q, &outcomes[q], err);
    if (status == ENG_OK)
        status = eng_measure_outcomes(t->probes, outcomes, t->count, out, err);
    eng_free(outcomes);
    return status;
}

/* "chunk" and "settings"; leaves the object open. */
static eng_status write_choice(eng_tuning_run *t, const eng_choice *choice, double worth,
                               eng_error *err)
{
    eng_str chunk = eng_cutting_name(&t->ways[choice->value[ENG_KNOB_CHUNK]].chunk, &t->run->arena);
    eng_tuning settings = eng_tune_settings(t, choice);
    if (!chunk.ptr)
        return eng_fail_nomem(err);
    eng_json_open(&t->w, '{');
    eng_json_member(&t->w, "chunk", chunk);
    eng_json_name(&t->w, ENG_STR("settings"));
    eng_tuning_write(&t->w, &settings);
    write_number(&t->w, "quality", worth);
    return ENG_OK;
}

static double worth_of(const eng_tuning_found *found, const eng_choice *choice)
{
    for (size_t i = 0; i < found->tried_count; i++)
        if (memcmp(&found->tried[i].choice, choice, sizeof *choice) == 0)
            return found->tried[i].worth;
    return 0;
}

/* With all that an evaluation measures. */
static eng_status write_measured(eng_tuning_run *t, const char *name, const eng_choice *choice,
                                 const eng_tuning_found *found, eng_error *err)
{
    eng_measures m;
    eng_status status = measure(t, choice, &m, err);
    if (status < 0)
        return status;
    eng_json_name(&t->w, eng_str_of(name));
    status = write_choice(t, choice, worth_of(found, choice), err);
    if (status == ENG_OK) {
        eng_measures_write(&t->w, &m);
        eng_json_close(&t->w, '}');
    }
    return status;
}

static int by_worth(const void *a, const void *b)
{
    const eng_tried *x = a, *y = b;
    if (x->worth != y->worth)
        return x->worth > y->worth ? -1 : 1;
    return memcmp(&x->choice, &y->choice, sizeof x->choice);
}

/* The best first, each with its time. */
static eng_status write_tried(eng_tuning_run *t, const eng_tuning_found *found, eng_error *err)
{
    eng_status status = ENG_OK;
    eng_tried *sorted = eng_arena_array(&t->run->arena, found->tried_count + 1, sizeof *sorted);
    if (!sorted)
        return eng_fail_nomem(err);
    memcpy(sorted, found->tried, found->tried_count * sizeof *sorted);
    qsort(sorted, found->tried_count, sizeof *sorted, by_worth);
    eng_json_name(&t->w, ENG_STR("tried"));
    eng_json_open(&t->w, '[');
    for (size_t i = 0; i < found->tried_count && i < SHOWN && status == ENG_OK; i++) {
        eng_measures m;
        status = measure(t, &sorted[i].choice, &m, err);
        if (status == ENG_OK)
            status = write_choice(t, &sorted[i].choice, sorted[i].worth, err);
        if (status < 0)
            break;
        write_number(&t->w, "ms", m.p50);
        eng_json_close(&t->w, '}');
    }
    eng_json_close(&t->w, ']');
    return status;
}

/* Held-out, so null where there were too few questions to hide any. */
static void write_gain(eng_json_writer *w, const eng_tuning_found *found)
{
    eng_json_name(w, ENG_STR("held_out"));
    if (!found->validated) {
        eng_json_null(w);
        return;
    }
    eng_json_open(w, '{');
    write_number(w, "current", found->standing);
    write_number(w, "found", found->found);
    write_number(w, "gain", found->gain);
    eng_json_name(w, ENG_STR("interval"));
    eng_json_open(w, '[');
    eng_json_double(w, found->low);
    eng_json_double(w, found->high);
    eng_json_close(w, ']');
    eng_json_close(w, '}');
}

static eng_status write_all(eng_tuning_run *t, const eng_tuning_found *found, eng_error *err)
{
    static const eng_choice standing;
    eng_json_writer *w = &t->w;
    write_count(w, "questions", t->count);
    write_count(w, "given", t->given);
    write_count(w, "asked", t->asked);
    write_count(w, "pairs", found->all);
    write_count(w, "folds", found->validated ? ENG_TUNE_FOLDS : 0);
    write_gain(w, found);
    eng_json_name(w, ENG_STR("better"));
    eng_json_bool(w, found->better);
    eng_status status = write_measured(t, "current", &standing, found, err);
    if (status == ENG_OK)
        status = write_measured(t, "best", &found->best, found, err);
    return status == ENG_OK ? write_tried(t, found, err) : status;
}

eng_status eng_tune_result(eng_tuning_run *t, const eng_tuning_found *found, eng_error *err)
{
    char now[ENG_TIME_SIZE];
    eng_time_format(eng_clock_wall_ms(), now);
    t->w = eng_json_write_to(&t->run->result);
    eng_json_open(&t->w, '{');
    eng_json_member(&t->w, "kind", ENG_STR("tuning"));
    eng_json_member(&t->w, "collection", t->row.name);
    eng_json_member(&t->w, "time", eng_str_of(now));
    return write_all(t, found, err);
}

eng_status eng_tune_result_end(eng_tuning_run *t, eng_error *err)
{
    eng_json_name(&t->w, ENG_STR("applied"));
    eng_json_bool(&t->w, t->applied);
    eng_json_close(&t->w, '}');
    return eng_buf_check(&t->run->result, "result", err);
}
