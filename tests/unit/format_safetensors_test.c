/* Each test names a promise of format/safetensors.h. */
#include "format/safetensors.h"
#include "test.h"

#include <string.h>

/* A file: header, padded to 8 as writers do, and `size` bytes of data that count up. */
typedef struct {
    unsigned char bytes[4096];
    size_t len;
} file;

static file make(const char *header, size_t size)
{
    file f = {0};
    uint64_t len = (strlen(header) + 7) / 8 * 8;
    memcpy(f.bytes, &len, sizeof len);
    memset(f.bytes + 8, ' ', len);
    memcpy(f.bytes + 8, header, strlen(header));
    for (size_t i = 0; i < size; i++)
        f.bytes[8 + len + i] = (unsigned char)i;
    f.len = 8 + len + size;
    return f;
}

static const char good[] = "{\"__metadata__\":{\"format\":\"pt\"},"
                           "\"b\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[16,20]},"
                           "\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
                           "\"c\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[20,24]},"
                           "\"ids\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[24,32]}}";

static void finds_tensors_by_name(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_safetensors s;
    file f = make(good, 32);
    assert_ok(eng_safetensors_parse(f.bytes, f.len, &s, &err), err);
    assert_int_equal(s.count, 4);
    const eng_tensor *a = eng_safetensors_find(&s, ENG_STR("a"));
    assert_non_null(a);
    assert_int_equal(a->type, ENG_TENSOR_F32);
    assert_int_equal(a->dims, 2);
    assert_int_equal(a->count, 4);
    assert_int_equal(a->data[3], 3);
    assert_int_equal(eng_safetensors_find(&s, ENG_STR("ids"))->type, ENG_TENSOR_OTHER);
    assert_null(eng_safetensors_find(&s, ENG_STR("d")));
    assert_null(eng_safetensors_find(&s, ENG_STR("__metadata__")));
    eng_safetensors_close(&s);
}

static void reads_all_three_types_as_floats(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_safetensors s;
    file f = make(good, 32);
    static const float floats[4] = {1.5F, -2.0F, 0.1F, 3e38F};
    static const uint16_t halves[2] = {0x3c00, 0x8001}, brains[2] = {0x3f80, 0xc040};
    unsigned char *data = f.bytes + f.len - 32;
    memcpy(data, floats, sizeof floats);
    memcpy(data + 16, halves, sizeof halves);
    memcpy(data + 20, brains, sizeof brains);
    assert_ok(eng_safetensors_parse(f.bytes, f.len, &s, &err), err);
    float out[4] = {0};
    eng_tensor_read(eng_safetensors_find(&s, ENG_STR("a")), 1, 9, out);
    assert_memory_equal(out, floats + 1, 3 * sizeof(float));
    eng_tensor_read(eng_safetensors_find(&s, ENG_STR("b")), 0, 2, out);
    assert_true(out[0] == 1.0F && out[1] == -0x1p-24F);
    eng_tensor_read(eng_safetensors_find(&s, ENG_STR("c")), 0, 2, out);
    assert_true(out[0] == 1.0F && out[1] == -3.0F);
    out[0] = 7;
    eng_tensor_read(eng_safetensors_find(&s, ENG_STR("c")), 2, 2, out);
    assert_true(out[0] == 7);
    eng_safetensors_close(&s);
}

static void every_lie_is_refused(void **state)
{
    (void)state;
#define ENTRY(dtype, shape, offsets)                                                               \
    "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
    static const struct {
        const char *header, *words;
    } lies[] = {
        {ENTRY("\"F32\"", "[3]", "[0,8]"), "shape and its size"},
        {ENTRY("\"F32\"", "[4]", "[0,16]"), "outside"},
        {ENTRY("\"F32\"", "[2]", "[8,0]"), "outside"},
        {ENTRY("\"F32\"", "[2]", "[0]"), "data_offsets"},
        {ENTRY("\"F32\"", "[2]", "[0,\"8\"]"), "data_offsets"},
        {ENTRY("\"F32\"", "[2]", "[-8,0]"), "data_offsets"},
        {ENTRY("\"F32\"", "[-2]", "[0,8]"), "out of range"},
        {ENTRY("\"F32\"", "[4611686018427387904,8]", "[0,8]"), "out of range"},
        {ENTRY("\"F32\"", "[4611686018427387904]", "[0,0]"), "shape and its size"},
        {ENTRY("\"F32\"", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), "shape"},
        {ENTRY("\"F32\"", "2", "[0,8]"), "shape"},
        {ENTRY("\"F31\"", "[2]", "[0,8]"), "dtype is unknown"},
        {ENTRY("7", "[2]", "[0,8]"), "has no dtype"},
        {ENTRY("\"F32\"", "[1]", "[0,4]"), "behind the last"},
        {ENTRY("\"F32\"", "[1]", "[4,8]"), "gap"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[3,7]}}",
         "aligned"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[6],\"data_offsets\":[0,6]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}",
         "overlaps"},
        {"{\"a\":7}", "dtype"},
        {"[]", "no object"},
        {"{\"a\":", "header"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        eng_error err = {0};
        eng_safetensors s;
        file f = make(lies[i].header, 8);
        assert_true(eng_safetensors_parse(f.bytes, f.len, &s, &err) < 0);
        if (!strstr(err.message, lies[i].words))
            fail_msg("%s: expected '%s' in '%s'", lies[i].header, lies[i].words, err.message);
    }
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    file f = make(good, 32);
    for (size_t len = 0; len < f.len; len++) {
        eng_safetensors s;
        unsigned char *cut = malloc(len +
                                    1); /* of its own, so that a sanitizer sees more being read */
        assert_non_null(cut);
        memcpy(cut, f.bytes, len);
        assert_true(eng_safetensors_parse(cut, len, &s, NULL) < 0);
        free(cut);
    }
    uint64_t huge = UINT64_MAX;
    memcpy(f.bytes, &huge, sizeof huge);
    eng_safetensors s;
    assert_int_equal(eng_safetensors_parse(f.bytes, f.len, &s, NULL), ENG_ETOOBIG);
}

static void survives_no_memory(void **state)
{
    (void)state;
    file f = make(good, 32);
    eng_status status;
    assert_survives_no_memory(status, {
        eng_safetensors s = {0};
        status = eng_safetensors_parse(f.bytes, f.len, &s, NULL);
        eng_safetensors_close(&s);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_tensors_by_name), cmocka_unit_test(reads_all_three_types_as_floats),
        cmocka_unit_test(every_lie_is_refused),  cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
