/* Each test names a promise of serve/parts.h about counters. */
#include "serve/parts.h"
#include "test.h"

static eng_status handle(eng_request *req, eng_reply *out, eng_error *err)
{
    (void)req;
    (void)out;
    (void)err;
    return ENG_OK;
}

static const eng_route table[] = {
    {ENG_GET, "/a", ENG_ROLE_READ, NULL, NULL, handle, "A.", .status = 200},
    {ENG_POST, "/b/{id}", ENG_ROLE_READ, NULL, NULL, handle, "B.", .status = 200},
    {0},
};
static const eng_route *const tables[] = {table, NULL};

enum { LOOPS = 3, ROUTES = 2 };

typedef struct {
    eng_router *router;
    eng_metrics *metrics;
    eng_buf text;
} fixture;

static int setup(void **state)
{
    static fixture f;
    eng_error err;
    assert_ok(eng_router_new(tables, &f.router, &err), err);
    assert_ok(eng_metrics_new(LOOPS, ROUTES, &f.metrics, &err), err);
    eng_buf_init(&f.text, 1 << 20);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    eng_metrics_free(f->metrics);
    eng_router_free(f->router);
    eng_buf_clear(&f->text);
    return 0;
}

static void assert_says(fixture *f, const char *line)
{
    eng_buf_reset(&f->text);
    eng_metrics_write(f->metrics, f->router, &f->text);
    if (eng_str_find(eng_buf_view(&f->text), eng_str_of(line)) == SIZE_MAX)
        fail_msg("no \"%s\" in\n%s", line, f->text.data);
}

static void loops_are_added_up(void **state)
{
    fixture *f = *state;
    for (unsigned loop = 0; loop < LOOPS; loop++)
        eng_metrics_count(f->metrics, loop, 0, 200, 1000);
    assert_says(f, "engenho_requests_total{route=\"/a\",method=\"GET\",status=\"200\"} 3\n");
    assert_says(f, "engenho_request_seconds_sum{route=\"/a\",method=\"GET\"} 0.000003000\n");
}

static void what_reached_no_route_has_a_row_of_its_own(void **state)
{
    fixture *f = *state;
    eng_metrics_count(f->metrics, 1, eng_metrics_none(f->metrics), 404, 1);
    assert_says(f, "engenho_requests_total{route=\"\",method=\"\",status=\"404\"} 1\n");
}

static void every_status_is_counted(void **state)
{
    fixture *f = *state;
    static const int odd[] = {0, 299, 599, 600, 1000, -7};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        eng_metrics_count(f->metrics, 0, 1, odd[i], 1);
    assert_says(f, "{route=\"/b/{id}\",method=\"POST\",status=\"gone\"} 1\n");
    assert_says(f, "{route=\"/b/{id}\",method=\"POST\",status=\"other\"} 5\n");
}

static void buckets_grow_up_to_all_of_them(void **state)
{
    fixture *f = *state;
    static const uint64_t times[] = {0, 100000, 100001, 4000000, 3000000000, 99000000000};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        eng_metrics_count(f->metrics, (unsigned)i % LOOPS, 0, 200, times[i]);
    assert_says(f, "engenho_request_seconds_bucket{route=\"/a\",method=\"GET\",le=\"0.0001\"} 2\n");
    assert_says(f,
                "engenho_request_seconds_bucket{route=\"/a\",method=\"GET\",le=\"0.00025\"} 3\n");
    assert_says(f, "engenho_request_seconds_bucket{route=\"/a\",method=\"GET\",le=\"0.005\"} 4\n");
    assert_says(f, "engenho_request_seconds_bucket{route=\"/a\",method=\"GET\",le=\"5\"} 5\n");
    assert_says(f, "engenho_request_seconds_bucket{route=\"/a\",method=\"GET\",le=\"+Inf\"} 6\n");
    assert_says(f, "engenho_request_seconds_count{route=\"/a\",method=\"GET\"} 6\n");
}

static void survives_without_memory(void **state)
{
    (void)state;
    eng_status status;
    assert_survives_no_memory(status, {
        eng_metrics *m = NULL;
        status = eng_metrics_new(LOOPS, ROUTES, &m, NULL);
        eng_metrics_free(m);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(loops_are_added_up, setup, teardown),
        cmocka_unit_test_setup_teardown(what_reached_no_route_has_a_row_of_its_own, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_status_is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(buckets_grow_up_to_all_of_them, setup, teardown),
        cmocka_unit_test(survives_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
