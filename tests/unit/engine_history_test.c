/* The history of predictions: promises of engine/history.h. */
#include "engine/history.h"
#include "engine_help.h"

enum { SMALL = 2 * ENG_HISTORY_PAGE };

static eng_history *open_with(const place *p, size_t segment, uint64_t bytes_max)
{
    eng_history *h = NULL;
    eng_error err = {0};
    eng_history_options options = {.dir = p->data, .segment = segment, .bytes_max = bytes_max};
    assert_ok(eng_history_open(&options, &h, &err), err);
    return h;
}

static int64_t add_of(eng_history *h, const char *model, uint32_t rows)
{
    eng_error err = {0};
    eng_history_entry entry = {
        .model = eng_str_of(model),
        .version = 3,
        .rows = rows,
        .ns = 1500,
        .input = ENG_STR("{\"a\":1}"),
        .predicted = ENG_STR("2.5"),
    };
    assert_ok(eng_history_append(h, &entry, &err), err);
    return entry.id;
}

static eng_history_page_of list_of(eng_history *h, eng_arena *arena, const char *model,
                                   int64_t before, unsigned limit)
{
    eng_history_page_of page;
    eng_error err = {0};
    eng_history_query q = {.model = eng_str_of(model ? model : ""),
                           .from_ms = INT64_MIN,
                           .to_ms = INT64_MAX,
                           .before = before,
                           .limit = limit};
    assert_ok(eng_history_list(h, &q, arena, &page, &err), err);
    return page;
}

static size_t count_of(eng_history *h)
{
    eng_arena arena;
    eng_arena_init(&arena, 4096, NULL);
    size_t count = list_of(h, &arena, NULL, 0, 100000).count;
    eng_arena_clear(&arena);
    return count;
}

static void file_name(const place *p, uint32_t number, char out[128])
{
    snprintf(out, 128, "%s/%08x.seg", p->data, number);
}

/* Changes a byte of a segment's file; cuts it there where `value` is negative. */
static void damage(const place *p, uint32_t number, off_t at, int value)
{
    char path[128];
    file_name(p, number, path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    unsigned char byte;
    if (value < 0) {
        assert_int_equal(ftruncate(fd, at), 0);
    } else {
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= (unsigned char)value;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
}

static void an_entry_comes_back_as_it_was(void **state)
{
    place *p = *state;
    eng_arena arena;
    eng_arena_init(&arena, 4096, NULL);
    eng_history *h = open_with(p, 0, 0);
    assert_int_equal(count_of(h), 0);
    int64_t first = add_of(h, "delay", 1), second = add_of(h, "delay", 7);
    assert_true(second > first);
    for (int i = 0; i < 2; i++) {
        eng_history_page_of page = list_of(h, &arena, NULL, 0, 10);
        assert_int_equal(page.count, 2);
        assert_false(page.more);
        assert_true(page.items[0].id == second && page.items[1].id == first);
        assert_int_equal(page.items[0].rows, 7);
        assert_int_equal(page.items[0].version, 3);
        assert_int_equal(page.items[0].ns, 1500);
        assert_str_view(page.items[0].model, "delay");
        assert_str_view(page.items[0].input, "{\"a\":1}");
        assert_str_view(page.items[0].predicted, "2.5");
        assert_false(page.items[0].cut);
        assert_true(page.items[0].time_ms >= page.items[1].time_ms);
        eng_history_close(h);
        h = open_with(p, 0, 0);
    }
    assert_true(add_of(h, "delay", 1) > second);
    eng_history_close(h);
    eng_arena_clear(&arena);
}

static void pages_cross_segments_without_gap_or_repetition(void **state)
{
    place *p = *state;
    eng_arena arena;
    eng_history_counters n;
    int64_t ids[300], before = 0;
    size_t seen = 0;
    eng_arena_init(&arena, 4096, NULL);
    eng_history *h = open_with(p, SMALL, 0);
    for (size_t i = 0; i < 300; i++)
        ids[i] = add_of(h, i % 3 ? "um" : "dois", 1);
    eng_history_count(h, &n);
    assert_int_equal(n.entries, 300);
    assert_true(n.segments > 3);
    for (bool more = true; more;) {
        eng_history_page_of page = list_of(h, &arena, NULL, before, 7);
        for (size_t i = 0; i < page.count; i++)
            assert_true(page.items[i].id == ids[299 - seen++]);
        add_of(h, "novo", 1); /* what comes in between is newer than every page that follows */
        before = page.items[page.count - 1].id;
        more = page.more;
    }
    assert_int_equal(seen, 300);
    assert_int_equal(list_of(h, &arena, "dois", 0, 1000).count, 100);
    assert_int_equal(list_of(h, &arena, "tres", 0, 1000).count, 0);
    eng_history_close(h);
    h = open_with(p, SMALL, 0);
    assert_int_equal(list_of(h, &arena, "um", 0, 1000).count, 200);
    eng_history_close(h);
    eng_arena_clear(&arena);
}

static void times_are_a_filter(void **state)
{
    place *p = *state;
    eng_arena arena;
    eng_error err = {0};
    eng_history_page_of page;
    eng_arena_init(&arena, 4096, NULL);
    eng_history *h = open_with(p, 0, 0);
    add_of(h, "m", 1);
    test_pause_ms(5);
    add_of(h, "m", 2);
    page = list_of(h, &arena, NULL, 0, 10);
    int64_t newer = page.items[0].time_ms, older = page.items[1].time_ms;
    assert_true(newer > older);
    eng_history_query q = {.from_ms = newer, .to_ms = INT64_MAX, .limit = 10};
    assert_ok(eng_history_list(h, &q, &arena, &page, &err), err);
    assert_true(page.count == 1 && page.items[0].rows == 2);
    q = (eng_history_query){.from_ms = INT64_MIN, .to_ms = older, .limit = 10};
    assert_ok(eng_history_list(h, &q, &arena, &page, &err), err);
    assert_true(page.count == 1 && page.items[0].rows == 1);
    eng_history_close(h);
    eng_arena_clear(&arena);
}

/* The child dies without closing anything; what it was told is kept is there. */
static void what_was_appended_survives_kill(void **state)
{
    place *p = *state;
    for (size_t round = 1; round <= 5; round++) {
        pid_t child = fork();
        if (child == 0) {
            eng_history *h = NULL;
            eng_history_entry entry = {.model = ENG_STR("m"), .input = ENG_STR("1")};
            eng_history_options options = {.dir = p->data, .segment = SMALL};
            if (eng_history_open(&options, &h, NULL) < 0)
                _exit(1);
            for (int i = 0; i < 40; i++)
                if (eng_history_append(h, &entry, NULL) < 0)
                    _exit(1);
            raise(SIGKILL);
        }
        int how;
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how));
        eng_history *h = open_with(p, SMALL, 0);
        assert_int_equal(count_of(h), 40 * round);
        eng_history_close(h);
    }
}

static void an_end_that_is_torn_is_left_out(void **state)
{
    place *p = *state;
    eng_history *h = open_with(p, 0, 0);
    add_of(h, "m", 1);
    int64_t last = add_of(h, "m", 2);
    eng_history_close(h);
    damage(p, 1, (off_t)(last & 0xffffff) + 20, -1);
    h = open_with(p, 0, 0);
    assert_int_equal(count_of(h), 1);
    add_of(h, "m", 3);
    assert_int_equal(count_of(h), 2);
    eng_history_close(h);
    h = open_with(p, 0, 0);
    assert_int_equal(count_of(h), 2);
    eng_history_close(h);
}

static void what_is_damaged_is_passed_over(void **state)
{
    place *p = *state;
    for (off_t at = 0; at < 3 * 88; at += 5) {
        assert_int_equal(eng_dir_remove(p->data, NULL), ENG_OK);
        eng_history *h = open_with(p, 0, 0);
        for (uint32_t i = 0; i < 5; i++)
            add_of(h, "m", i);
        eng_history_close(h);
        damage(p, 1, ENG_HISTORY_PAGE + at, 1 << at % 8);
        h = open_with(p, 0, 0);
        assert_int_equal(count_of(h), 4);
        eng_history_counters n;
        eng_history_count(h, &n);
        assert_true(n.damaged > 0);
        add_of(h, "m", 9);
        assert_int_equal(count_of(h), 5);
        eng_history_close(h);
    }
}

static void damage_within_a_full_segment_costs_one_entry(void **state)
{
    place *p = *state;
    eng_history *h = open_with(p, SMALL, 0);
    for (uint32_t i = 0; i < 200; i++)
        add_of(h, "m", i);
    eng_history_close(h);
    damage(p, 1, ENG_HISTORY_PAGE + 300, 4);
    damage(p, 2, 70, 4); /* its summary: the entries are read instead */
    h = open_with(p, SMALL, 0);
    assert_int_equal(count_of(h), 199);
    eng_history_close(h);
}

static void a_file_that_is_none_of_ours_is_left_alone(void **state)
{
    place *p = *state;
    eng_error err = {0};
    char path[128];
    eng_history *h = open_with(p, 0, 0);
    add_of(h, "m", 1);
    eng_history_close(h);
    file_name(p, 7, path);
    assert_ok(eng_file_write(path, ENG_STR("nothing of ours"), 0600, &err), err);
    h = open_with(p, 0, 0);
    assert_int_equal(count_of(h), 1);
    eng_history_close(h);
    assert_int_equal(access(path, F_OK), 0);
}

static void what_is_too_much_goes_by_whole_segments(void **state)
{
    place *p = *state;
    eng_history_counters n;
    eng_history *h = open_with(p, SMALL, 10 * SMALL);
    for (uint32_t i = 0; i < 3000; i++)
        add_of(h, "m", i);
    eng_history_count(h, &n);
    assert_true(n.bytes <= 11 * SMALL);
    assert_true(n.segments >= 9 && n.segments <= 11);
    assert_int_equal(count_of(h), n.entries);
    eng_history_close(h);
}

static void what_is_too_old_goes(void **state)
{
    place *p = *state;
    eng_error err = {0};
    eng_history *h = open_with(p, SMALL, 0);
    for (uint32_t i = 0; i < 200; i++)
        add_of(h, "m", i);
    eng_history_close(h);
    test_pause_ms(20);
    eng_history_options options = {.dir = p->data, .segment = SMALL, .age_max_ms = 10};
    assert_ok(eng_history_open(&options, &h, &err), err);
    eng_history_counters n;
    eng_history_count(h, &n);
    assert_int_equal(n.segments, 1); /* the newest stays, to be written to */
    eng_history_close(h);
}

static void what_is_long_is_cut_and_says_so(void **state)
{
    place *p = *state;
    eng_arena arena;
    eng_error err = {0};
    eng_buf text;
    eng_arena_init(&arena, 4096, NULL);
    eng_buf_init(&text, 1 << 20);
    eng_buf_byte(&text, '[');
    while (text.len < 2 * ENG_HISTORY_INPUT)
        eng_buf_str(&text, ENG_STR("\"\xc3\xa9\\\\\",\t"));
    eng_history *h = open_with(p, 0, 0);
    eng_history_entry entry = {.model = ENG_STR("m"), .rows = 9, .input = eng_buf_view(&text)};
    assert_ok(eng_history_append(h, &entry, &err), err);
    eng_history_page_of page = list_of(h, &arena, NULL, 0, 1);
    assert_true(page.items[0].cut);
    assert_int_equal(page.items[0].rows, 9);
    assert_true(page.items[0].input.len <= ENG_HISTORY_INPUT);
    assert_true(page.items[0].input.len > ENG_HISTORY_INPUT - 8);
    const eng_json *v;
    assert_ok(eng_json_read(page.items[0].input, NULL, &arena, &v, &err), err);
    assert_true(eng_str_starts(eng_buf_view(&text), eng_json_text(v)));
    eng_history_close(h);
    eng_buf_clear(&text);
    eng_arena_clear(&arena);
}

static void tell(void *ctx, const eng_error *err)
{
    assert_null(err);
    atomic_fetch_add((_Atomic unsigned *)ctx, 1);
}

static void with_always_a_reply_waits_for_the_disk(void **state)
{
    place *p = *state;
    eng_error err = {0};
    _Atomic unsigned told = 0;
    eng_history *h = NULL;
    eng_history_options options = {.dir = p->data, .always = true};
    assert_ok(eng_history_open(&options, &h, &err), err);
    eng_history_wait waits[50];
    for (size_t i = 0; i < 50; i++) {
        add_of(h, "m", 1);
        waits[i] = (eng_history_wait){.done = tell, .ctx = (void *)&told};
        assert_false(eng_history_synced(h, &waits[i]));
    }
    eng_history_close(h); /* nobody is forgotten */
    assert_int_equal(told, 50);
    h = open_with(p, 0, 0);
    assert_true(eng_history_synced(h, &waits[0]));
    eng_history_close(h);
}

typedef struct {
    eng_history *h;
    _Atomic bool stop;
} shared;

static void *append_many(void *arg)
{
    shared *s = arg;
    for (uint32_t i = 0; i < 1000; i++)
        add_of(s->h, "m", i);
    return NULL;
}

static void *read_many(void *arg)
{
    shared *s = arg;
    while (!atomic_load(&s->stop)) {
        eng_arena arena;
        eng_arena_init(&arena, 4096, NULL);
        list_of(s->h, &arena, "m", 0, 50);
        eng_arena_clear(&arena);
    }
    return NULL;
}

static void many_append_and_read_while_segments_come_and_go(void **state)
{
    place *p = *state;
    pthread_t threads[4];
    shared s = {.h = open_with(p, SMALL, 4 * SMALL)};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i < 3 ? append_many : read_many, &s), 0);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&s.stop, true);
    pthread_join(threads[3], NULL);
    eng_history_close(s.h);
}

static eng_status open_append_list(const place *p)
{
    eng_arena arena;
    eng_history_page_of page;
    eng_history *h = NULL;
    eng_history_options options = {.dir = p->data, .segment = SMALL};
    eng_history_query q = {.from_ms = INT64_MIN, .to_ms = INT64_MAX, .limit = 100};
    eng_history_entry entry = {.model = ENG_STR("m")};
    eng_arena_init(&arena, 4096, NULL);
    eng_status status = eng_history_open(&options, &h, NULL);
    if (status == ENG_OK)
        status = eng_history_append(h, &entry, NULL);
    if (status == ENG_OK)
        status = eng_history_list(h, &q, &arena, &page, NULL);
    eng_history_close(h);
    eng_arena_clear(&arena);
    return status;
}

static void survives_no_memory(void **state)
{
    place *p = *state;
    eng_history *h = open_with(p, SMALL, 0);
    for (uint32_t i = 0; i < 100; i++)
        add_of(h, "m", i);
    eng_history_close(h);
    eng_status status;
    assert_survives_no_memory(status, { status = open_append_list(p); });
}

/* ---- Examining ---- */

typedef struct {
    uint64_t segments, damaged, entries;
    uint32_t last;
} seen_damage;

static bool note_damage(void *ctx, const eng_history_damage *d)
{
    seen_damage *seen = ctx;
    seen->segments++;
    seen->entries += d->entries;
    seen->damaged += d->bytes > 0;
    seen->last = d->bytes ? d->number : seen->last;
    return true;
}

static void examining_names_segments_that_are_not_whole(void **state)
{
    place *p = *state;
    eng_error err = {0};
    seen_damage seen = {0};
    assert_ok(eng_history_examine(p->data, note_damage, &seen, &err), err);
    assert_int_equal(seen.segments, 0); /* there is no folder yet */
    eng_history *h = open_with(p, SMALL, 0);
    for (unsigned i = 0; i < 160; i++)
        add_of(h, "m", i);
    assert_ok(eng_history_examine_open(h, note_damage, &seen, &err), err);
    assert_true(seen.segments > 2 && seen.entries == 160 && seen.damaged == 0);
    eng_history_close(h);

    seen = (seen_damage){0};
    assert_ok(eng_history_examine(p->data, note_damage, &seen, &err), err);
    assert_true(seen.entries == 160 && seen.damaged == 0);
    damage(p, 2, ENG_HISTORY_PAGE + 70, 1);
    seen = (seen_damage){0};
    assert_ok(eng_history_examine(p->data, note_damage, &seen, &err), err);
    assert_true(seen.entries == 159 && seen.damaged == 1 && seen.last == 2);
    damage(p, 1, 9, 1);
    seen = (seen_damage){0};
    assert_ok(eng_history_examine(p->data, note_damage, &seen, &err), err);
    assert_int_equal(seen.damaged, 2);
    damage(p, 1, 9, 1);
    h = open_with(p, SMALL, 0);
    seen = (seen_damage){0};
    assert_ok(eng_history_examine_open(h, note_damage, &seen, &err), err);
    assert_true(seen.damaged == 1 && seen.last == 2);
    eng_history_close(h);
    damage(p, 1, ENG_HISTORY_PAGE + 500, -1);
    seen = (seen_damage){0};
    assert_ok(eng_history_examine(p->data, note_damage, &seen, &err), err);
    assert_int_equal(seen.damaged, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(an_entry_comes_back_as_it_was),
        in_place(pages_cross_segments_without_gap_or_repetition),
        in_place(times_are_a_filter),
        in_place(what_was_appended_survives_kill),
        in_place(an_end_that_is_torn_is_left_out),
        in_place(what_is_damaged_is_passed_over),
        in_place(damage_within_a_full_segment_costs_one_entry),
        in_place(a_file_that_is_none_of_ours_is_left_alone),
        in_place(what_is_too_much_goes_by_whole_segments),
        in_place(what_is_too_old_goes),
        in_place(what_is_long_is_cut_and_says_so),
        in_place(with_always_a_reply_waits_for_the_disk),
        in_place(many_append_and_read_while_segments_come_and_go),
        in_place(examining_names_segments_that_are_not_whole),
        in_place(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, start_library, stop_library);
}
