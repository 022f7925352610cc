/* Pulling models: from a stand-in hub, a folder, a wheel. The promises of engine/model_internal.h and of
 * docs/models.md. */
#include "engine_help.h"
#include "hub_help.h"
#include "net/net.h"
#include "zip_help.h"

typedef struct {
    const char *id;
    const char *from;
    const char *revision;
    eng_hub hub;
    uint64_t done;
    uint64_t total;
    uint64_t stop_at; /* 0: never */
} request;

static bool progress(void *ctx, uint64_t done, uint64_t total)
{
    request *r = ctx;
    r->done = done;
    r->total = total;
    return r->stop_at == 0 || done < r->stop_at;
}

static eng_status pull_with(eng_models *m, request *r, const eng_pull_source *source,
                            eng_arena *arena, eng_model_record *record, eng_error *err)
{
    eng_puller p = {
        .models = m,
        .arena = arena,
        .hub = &r->hub,
        .id = eng_str_of(r->id),
        .revision = eng_str_of(r->revision),
        .from = r->from,
        .known = eng_known_find(eng_str_of(r->id)),
        .source = source,
        .progress = progress,
        .ctx = r,
    };
    return eng_pull_all(&p, record, err);
}

static eng_status pull_from(eng_models *m, request *r, const eng_pull_source *source,
                            eng_error *err)
{
    eng_arena arena;
    eng_model_record record;
    eng_arena_init(&arena, 4096, NULL);
    eng_status status = pull_with(m, r, source, &arena, &record, err);
    eng_arena_clear(&arena);
    return status;
}

static request of_hub(hub_server *h, const char *id)
{
    return (request){.id = id, .revision = "", .hub = {.endpoint = h->endpoint, .pause_ms = 1}};
}

static eng_models *open_models(const place *p)
{
    eng_error err = {0};
    eng_models *m = NULL;
    assert_ok(eng_dir_make(p->data, 0700, &err), err);
    assert_ok(eng_models_open(p->data, NULL, &m, &err), err);
    return m;
}

static bool has_model(eng_models *m, const char *name)
{
    eng_arena arena;
    eng_model_record r;
    eng_arena_init(&arena, 4096, NULL);
    eng_status status = eng_models_find(m, eng_str_of(name), &arena, &r, NULL);
    eng_arena_clear(&arena);
    assert_true(status == ENG_OK || status == ENG_ENOTFOUND);
    return status == ENG_OK;
}

static size_t count_in(const char *dir)
{
    size_t count = 0;
    DIR *d = opendir(dir);
    while (d && eng_data_next(d))
        count++;
    if (d)
        closedir(d);
    return count;
}

/* Through its folder, as who opens the model sees it. */
static void assert_content(eng_models *m, const char *name, const char *path, const char *content)
{
    eng_arena arena;
    eng_model_record r;
    eng_error err = {0};
    char *folder = NULL;
    eng_buf text;
    eng_arena_init(&arena, 4096, NULL);
    assert_ok(eng_models_find(m, eng_str_of(name), &arena, &r, &err), err);
    assert_ok(eng_models_folder(m, &r, &folder, &err), err);
    read_file(folder, path, &text);
    assert_string_equal(text.data, content);
    eng_buf_clear(&text);
    eng_free(folder);
    eng_arena_clear(&arena);
}

static void write_small(const char *dir)
{
    write_file(dir, "config.json", "{\"model_type\":\"bert\"}");
    write_file(dir, "tokenizer.json", "{}");
    write_file(dir, "model.safetensors", "weights");
    write_file(dir, "1_Pooling/config.json", "{}");
    write_file(dir, "training/args.bin", "not taken");
    write_file(dir, "notes.txt", "not taken");
}

/* ---- The hub ---- */

static void a_model_of_the_hub_is_pulled_whole(void **state)
{
    eng_error err = {0};
    hub_server h = {0};
    eng_models *m = open_models(*state);
    hub_small_model(&h);
    hub_start(&h);
    request r = of_hub(&h, "org/small");
    assert_ok(pull_from(m, &r, &eng_pull_hub, &err), err);
    assert_true(has_model(m, "org/small") && has_model(m, "small") && has_model(m, "SMALL:latest"));
    assert_content(m, "small", "1_Pooling/config.json", "{ }");
    assert_content(m, "small", "model.safetensors", h.files[6].content);
    assert_int_equal(count_in(m->files), 5);
    assert_int_equal(count_in(m->incoming), 0);
    assert_int_equal(r.done, r.total);
    hub_stop(&h);
    eng_models_close(m);
}

static void its_revision_and_kind_are_kept(void **state)
{
    eng_error err = {0};
    hub_server h = {0};
    eng_arena arena;
    eng_model_record r;
    eng_models *m = open_models(*state);
    hub_add(&h, "config.json",
            "{\"model_type\":\"xlm-roberta\",\"architectures\":"
            "[\"XLMRobertaForSequenceClassification\"]}",
            false);
    hub_add(&h, "tokenizer.json", "{}", true);
    hub_add(&h, "model.safetensors", "w", true);
    hub_start(&h);
    request q = of_hub(&h, "org/ranker");
    eng_arena_init(&arena, 4096, NULL);
    assert_ok(pull_with(m, &q, &eng_pull_hub, &arena, &r, &err), err);
    assert_ok(eng_models_find(m, ENG_STR("org/ranker"), &arena, &r, &err), err);
    assert_int_equal(r.kind, ENG_MODEL_RERANKER);
    assert_str_view(r.architecture, "xlm-roberta");
    assert_str_view(r.revision, "0123456789abcdef0123456789abcdef01234567");
    assert_str_view(r.source, "hub");
    eng_arena_clear(&arena);
    hub_stop(&h);
    eng_models_close(m);
}

/* The connection ends after each byte there is, and everything after it is refused: as if the machine had
 * lost its network. Nothing is seen of it; the next pull fetches only what is missing. */
static void a_pull_cut_at_any_byte_goes_on_from_there(void **state)
{
    place *p = *state;
    eng_error err = {0};
    hub_server h = {0};
    long all = 0;
    hub_small_model(&h);
    hub_all_large(&h);
    hub_start(&h);
    for (long cut = 0;; cut++) {
        eng_models *m = open_models(p);
        request r = of_hub(&h, "org/small");
        h.cut = cut;
        h.sent = 0;
        eng_status status = pull_from(m, &r, &eng_pull_hub, &err);
        if (status == ENG_OK) {
            assert_int_equal(cut, all);
            eng_models_close(m);
            break;
        }
        assert_int_equal(status, ENG_EUPSTREAM);
        assert_false(has_model(m, "org/small"));
        assert_int_equal(h.sent, cut);
        h.cut = -1;
        r = of_hub(&h, "org/small");
        assert_ok(pull_from(m, &r, &eng_pull_hub, &err), err);
        assert_content(m, "small", "model.safetensors", h.files[6].content);
        all = (long)r.total;
        assert_int_equal(h.sent, all);
        assert_int_equal(r.done, r.total);
        eng_models_close(m);
        assert_ok(eng_dir_remove(p->data, &err), err);
    }
    hub_stop(&h);
}

static void a_connection_that_breaks_is_taken_up_again(void **state)
{
    eng_error err = {0};
    hub_server h = {0};
    eng_models *m = open_models(*state);
    hub_small_model(&h);
    hub_start(&h);
    request r = of_hub(&h, "org/small");
    r.stop_at = 30;
    assert_int_equal(pull_from(m, &r, &eng_pull_hub, &err), ENG_ECANCELLED);
    assert_false(has_model(m, "org/small"));
    r = of_hub(&h, "org/small");
    assert_ok(pull_from(m, &r, &eng_pull_hub, &err), err);
    hub_stop(&h);
    eng_models_close(m);
}

static void a_hub_without_ranges_is_asked_for_the_whole(void **state)
{
    eng_error err = {0};
    hub_server h = {0};
    eng_models *m = open_models(*state);
    hub_small_model(&h);
    hub_start(&h);
    h.no_ranges = true;
    h.cut = 50;
    request r = of_hub(&h, "org/small");
    assert_int_equal(pull_from(m, &r, &eng_pull_hub, &err), ENG_EUPSTREAM);
    h.cut = -1;
    r = of_hub(&h, "org/small");
    assert_ok(pull_from(m, &r, &eng_pull_hub, &err), err);
    assert_content(m, "small", "model.safetensors", h.files[6].content);
    hub_stop(&h);
    eng_models_close(m);
}

static void what_does_not_match_its_checksum_is_refused(void **state)
{
    eng_error err = {0};
    hub_server h = {0};
    eng_models *m = open_models(*state);
    hub_small_model(&h);
    hub_start(&h);
    h.damage = true;
    request r = of_hub(&h, "org/small");
    assert_int_equal(pull_from(m, &r, &eng_pull_hub, &err), ENG_ECORRUPT);
    assert_non_null(strstr(err.message, "checksum"));
    assert_false(has_model(m, "org/small"));
    assert_int_equal(count_in(m->files), 0);
    h.damage = false;
    r = of_hub(&h, "org/small");
    assert_ok(pull_from(m, &r, &eng_pull_hub, &err), err);
    hub_stop(&h);
    eng_models_close(m);
}

/* What an earlier try left is not what it should have been: fetched again, once. */
static void a_damaged_beginning_is_fetched_again(void **state)
{
    eng_error err = {0};
    hub_server h = {0};
    eng_models *m = open_models(*state);
    char hex[ENG_HEX_SIZE];
    hub_small_model(&h);
    hub_start(&h);
    hub_sha256(h.files[6].content, hex);
    write_file(m->incoming, hex, "damaged");
    request r = of_hub(&h, "org/small");
    assert_ok(pull_from(m, &r, &eng_pull_hub, &err), err);
    assert_content(m, "small", "model.safetensors", h.files[6].content);
    hub_stop(&h);
    eng_models_close(m);
}

static void a_list_without_checksums_is_completed_by_headers(void **state)
{
    eng_error err = {0};
    hub_server h = {0};
    eng_models *m = open_models(*state);
    hub_small_model(&h);
    hub_start(&h);
    h.bare_list = true;
    h.elsewhere = true;
    request r = of_hub(&h, "org/small");
    assert_ok(pull_from(m, &r, &eng_pull_hub, &err), err);
    assert_content(m, "small", "model.safetensors", h.files[6].content);
    h.damage = true;
    r = of_hub(&h, "org/other");
    assert_ok(eng_models_remove(m, ENG_STR("org/small"), &err), err);
    assert_int_equal(pull_from(m, &r, &eng_pull_hub, &err), ENG_ECORRUPT);
    hub_stop(&h);
    eng_models_close(m);
}

static void a_redirected_file_is_resumed_and_the_token_stays_home(void **state)
{
    eng_error err = {0};
    hub_server h = {.token = "hf_secret"};
    eng_models *m = open_models(*state);
    hub_small_model(&h);
    hub_all_large(&h);
    hub_start(&h);
    h.elsewhere = true;
    request r = of_hub(&h, "org/small");
    assert_int_equal(pull_from(m, &r, &eng_pull_hub, &err), ENG_EFORBIDDEN);
    assert_non_null(strstr(err.message, "HF_TOKEN"));
    char token[] = "hf_secret";
    r.hub.token = token;
    h.cut = 50;
    assert_int_equal(pull_from(m, &r, &eng_pull_hub, &err), ENG_EUPSTREAM);
    assert_int_equal(h.sent, 50);
    h.cut = -1;
    r.done = r.total = 0;
    assert_ok(pull_from(m, &r, &eng_pull_hub, &err), err);
    assert_int_equal(h.sent, r.total); /* what came before the cut did not come again */
    assert_false(h.token_elsewhere);
    hub_stop(&h);
    eng_models_close(m);
}

static void a_model_that_is_not_there_is_said_to_be_missing(void **state)
{
    eng_error err = {0};
    hub_server h = {0};
    eng_models *m = open_models(*state);
    hub_small_model(&h);
    hub_start(&h);
    h.refuse = 404;
    request r = of_hub(&h, "org/small");
    assert_int_equal(pull_from(m, &r, &eng_pull_hub, &err), ENG_ENOTFOUND);
    assert_non_null(strstr(err.message, "org/small"));
    h.refuse = 500;
    assert_int_equal(pull_from(m, &r, &eng_pull_hub, &err), ENG_EUPSTREAM);
    hub_stop(&h);
    eng_models_close(m);
}

static void a_hub_that_is_not_there_is_given_up_soon(void **state)
{
    eng_error err = {0};
    hub_server h = {0};
    eng_models *m = open_models(*state);
    hub_start(&h);
    hub_stop(&h); /* nobody listens there now */
    request r = of_hub(&h, "org/small");
    assert_int_equal(pull_from(m, &r, &eng_pull_hub, &err), ENG_EUPSTREAM);
    eng_models_close(m);
}

static void offline_the_hub_is_not_asked(void **state)
{
    eng_error err = {0};
    hub_server h = {0};
    eng_models *m = open_models(*state);
    hub_small_model(&h);
    hub_start(&h);
    request r = of_hub(&h, "org/small");
    r.hub.offline = true;
    assert_int_equal(pull_from(m, &r, &eng_pull_hub, &err), ENG_EUPSTREAM);
    assert_non_null(strstr(err.message, "HF_HUB_OFFLINE"));
    assert_int_equal(h.requests, 0);
    hub_stop(&h);
    eng_models_close(m);
}

static void an_unknown_architecture_is_named_before_its_weights_are_fetched(void **state)
{
    eng_error err = {0};
    hub_server h = {0};
    eng_models *m = open_models(*state);
    hub_add(&h, "config.json", "{\"model_type\":\"mamba\"}", false);
    hub_add(&h, "tokenizer.json", "{}", false);
    hub_add(&h, "model.safetensors", "many gigabytes", true);
    hub_start(&h);
    request r = of_hub(&h, "org/new");
    assert_int_equal(pull_from(m, &r, &eng_pull_hub, &err), ENG_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "mamba"));
    assert_int_equal(h.sent, strlen(h.files[0].content));
    hub_stop(&h);
    eng_models_close(m);
}

static void what_cannot_be_run_is_refused(void **state)
{
    eng_error err = {0};
    hub_server h = {0};
    eng_models *m = open_models(*state);
    hub_add(&h, "config.json", "{\"model_type\":\"bert\"}", false);
    hub_add(&h, "tokenizer.json", "{}", false);
    hub_add(&h, "pytorch_model.bin", "pickle", true);
    hub_start(&h);
    request r = of_hub(&h, "org/old");
    assert_int_equal(pull_from(m, &r, &eng_pull_hub, &err), ENG_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "model.safetensors"));
    hub_stop(&h);
    eng_models_close(m);
}

/* The catalogue's pins are for what is pulled by its name, whatever the hub says of its files. */
static void a_pinned_model_is_compared_with_its_pins(void **state)
{
    eng_error err = {0};
    hub_server h = {0};
    eng_models *m = open_models(*state);
    hub_small_model(&h);
    hub_start(&h);
    request r = of_hub(&h, "all-MiniLM-L6-v2");
    assert_true(pull_from(m, &r, &eng_pull_hub, &err) < 0);
    assert_non_null(strstr(err.message, "config.json"));
    assert_false(has_model(m, "default"));
    hub_stop(&h);
    eng_models_close(m);
}

static void nothing_is_fetched_twice(void **state)
{
    eng_error err = {0};
    hub_server h = {0};
    eng_models *m = open_models(*state);
    hub_small_model(&h);
    hub_start(&h);
    request r = of_hub(&h, "org/small");
    assert_ok(pull_from(m, &r, &eng_pull_hub, &err), err);
    long sent = h.sent;
    r = of_hub(&h, "org/copy");
    assert_ok(pull_from(m, &r, &eng_pull_hub, &err), err);
    /* Of what git alone has summed, the SHA-256 is only known afterwards. */
    assert_int_equal(h.sent, 2 * sent - (long)strlen(h.files[6].content));
    assert_int_equal(count_in(m->files), 5);
    hub_stop(&h);
    eng_models_close(m);
}

static void shared_models_are_found_and_left_alone(void **state)
{
    place *p = *state;
    eng_error err = {0};
    char other[160], shared[160], from[160];
    snprintf(from, sizeof from, "%s/my-model", p->root);
    write_small(from);
    eng_models *m = NULL;
    eng_models *of = open_models(p);
    request r = {.id = "org/theirs", .revision = "", .from = from};
    assert_ok(pull_from(of, &r, &eng_pull_folder, &err), err);
    eng_models_close(of);

    snprintf(shared, sizeof shared, "%s/models", p->data);
    snprintf(other, sizeof other, "%s/other", p->root);
    assert_ok(eng_models_open(other, shared, &m, &err), err);
    assert_true(has_model(m, "theirs") && has_model(m, "default"));
    assert_content(m, "theirs", "1_Pooling/config.json", "{}");
    assert_int_equal(eng_models_remove(m, ENG_STR("theirs"), &err), ENG_EFORBIDDEN);
    assert_false(there(p->root, "other"));
    eng_models_close(m);
}

/* ---- Folders and wheels ---- */

static void a_folder_is_copied(void **state)
{
    place *p = *state;
    eng_error err = {0};
    eng_models *m = open_models(p);
    char from[160];
    snprintf(from, sizeof from, "%s/my-model", p->root);
    write_small(from);
    request r = {.id = "", .revision = "", .from = from};
    assert_ok(pull_from(m, &r, &eng_pull_folder, &err), err);
    assert_true(has_model(m, "local/my-model") && has_model(m, "default"));
    assert_content(m, "my-model", "model.safetensors", "weights");
    assert_int_equal(count_in(m->files), 3); /* two of the four are alike */
    r = (request){.id = "me/mine", .revision = "", .from = from};
    assert_ok(pull_from(m, &r, &eng_pull_folder, &err), err);
    assert_true(has_model(m, "me/mine"));
    r = (request){.id = "all-MiniLM-L6-v2", .revision = "", .from = from};
    assert_int_equal(pull_from(m, &r, &eng_pull_folder, &err), ENG_ECORRUPT);
    eng_models_close(m);
}

static void a_wheel_is_unpacked(void **state)
{
    place *p = *state;
    eng_error err = {0};
    zip_maker made;
    eng_models *m = open_models(p);
    char from[160];
    snprintf(from, sizeof from, "%s/some_model-1.0-py3-none-any.whl", p->root);
    zip_begin(&made);
    zip_put(&made, zip_stored("some_model/__init__.py", ENG_STR("import os")));
    zip_put(&made,
            zip_stored("some_model/model/config.json", ENG_STR("{\"model_type\":\"bert\"}")));
    zip_put(&made, zip_stored("some_model/model/tokenizer.json", ENG_STR("{}")));
    zip_put(&made, zip_stored("some_model/model/model.safetensors", ENG_STR("weights")));
    zip_put(&made, zip_stored("some_model/model/2_Dense/model.safetensors", ENG_STR("dense")));
    zip_put(&made, zip_stored("some_model-1.0.dist-info/RECORD", ENG_STR("")));
    assert_ok(eng_file_write(from, zip_done(&made), 0600, &err), err);
    zip_end(&made);
    request r = {.id = "org/some", .revision = "", .from = from};
    assert_ok(pull_from(m, &r, &eng_pull_wheel, &err), err);
    assert_content(m, "some", "2_Dense/model.safetensors", "dense");
    assert_int_equal(r.done, r.total);
    eng_models_close(m);
}

static void a_zip_without_a_model_is_refused(void **state)
{
    place *p = *state;
    eng_error err = {0};
    zip_maker made;
    eng_models *m = open_models(p);
    char from[160];
    snprintf(from, sizeof from, "%s/x.zip", p->root);
    zip_begin(&made);
    zip_put(&made, zip_stored("x", ENG_STR("x")));
    assert_ok(eng_file_write(from, zip_done(&made), 0600, &err), err);
    zip_end(&made);
    request r = {.id = "", .revision = "", .from = from};
    assert_int_equal(pull_from(m, &r, &eng_pull_wheel, &err), ENG_ENOTFOUND);
    assert_ok(eng_file_write(from, ENG_STR("no zip"), 0600, &err), err);
    assert_int_equal(pull_from(m, &r, &eng_pull_wheel, &err), ENG_EMALFORMED);
    eng_models_close(m);
}

static void survives_without_memory(void **state)
{
    place *p = *state;
    eng_models *m = open_models(p);
    eng_status status;
    char from[160];
    snprintf(from, sizeof from, "%s/small", p->root);
    write_small(from);
    request folder = {.id = "me/small", .revision = "", .from = from};
    assert_survives_no_memory(status, {
        request r = folder;
        status = pull_from(m, &r, &eng_pull_folder, NULL);
    });
    assert_true(has_model(m, "me/small"));
    assert_int_equal(count_in(m->incoming), 0);
    eng_models_close(m);
}

static int start_net(void **state)
{
    (void)state;
    return eng_net_init(NULL) < 0 || sodium_init() < 0 ? -1 : 0;
}

static int stop_net(void **state)
{
    (void)state;
    eng_net_quit();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(a_model_of_the_hub_is_pulled_whole),
        in_place(its_revision_and_kind_are_kept),
        in_place(a_pull_cut_at_any_byte_goes_on_from_there),
        in_place(a_connection_that_breaks_is_taken_up_again),
        in_place(a_hub_without_ranges_is_asked_for_the_whole),
        in_place(what_does_not_match_its_checksum_is_refused),
        in_place(a_damaged_beginning_is_fetched_again),
        in_place(a_list_without_checksums_is_completed_by_headers),
        in_place(a_redirected_file_is_resumed_and_the_token_stays_home),
        in_place(a_model_that_is_not_there_is_said_to_be_missing),
        in_place(a_hub_that_is_not_there_is_given_up_soon),
        in_place(offline_the_hub_is_not_asked),
        in_place(an_unknown_architecture_is_named_before_its_weights_are_fetched),
        in_place(what_cannot_be_run_is_refused),
        in_place(a_pinned_model_is_compared_with_its_pins),
        in_place(nothing_is_fetched_twice),
        in_place(shared_models_are_found_and_left_alone),
        in_place(a_folder_is_copied),
        in_place(a_wheel_is_unpacked),
        in_place(a_zip_without_a_model_is_refused),
        in_place(survives_without_memory),
    };
    return cmocka_run_group_tests(tests, start_net, stop_net);
}
