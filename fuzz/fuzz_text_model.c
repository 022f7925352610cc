/*
 * The input is a patch of a model's sections: the first byte says which, the next two where, the rest
 * is written there. The checksums are right, so all that can be wrong with what they cover is reached;
 * a model that opens all the same must answer any text without a fault.
 */
#include "learn/text_internal.h"

#include <stdlib.h>

static eng_buf made;

static eng_status train(void)
{
    static const char rows[] = "title,category,product_id,price\n"
                               "berco azul,Bebe,1,10\nfralda rosa,Bebe,2,20\n"
                               "vaso azul,Casa,3,30\ntapete rosa,Casa,4,40\n"
                               "anel de prata,Joia,5,50\ncolar de prata,Joia,6,60\n";
    eng_text_columns columns = {.numbers = {ENG_STR("price")}, .number_count = 1};
    eng_text_settings settings = {.threads = 1, .folds = 2};
    eng_text_rows *r;
    eng_text_trained trained;
    eng_status status = eng_text_rows_parse(eng_str_of(rows), &columns, true, &r, NULL);
    if (status == ENG_OK)
        status = eng_text_train(r, NULL, &settings, NULL, &trained, NULL);
    if (status < 0)
        return status;
    made = trained.model;
    eng_buf_clear(&trained.metrics);
    eng_text_rows_free(r);
    return ENG_OK;
}

static void ask(const unsigned char *data, size_t len)
{
    eng_text_model *m;
    eng_text_scratch *s;
    eng_text_details d;
    eng_arena arena;
    eng_str texts[] = {ENG_STR("vaso azul de prata xyz")};
    double price = 25;
    eng_text_item item = {texts, 1, &price, 1};
    if (eng_text_of(data, len, "input", &m, NULL) < 0)
        return;
    eng_arena_init(&arena, 4096, NULL);
    if (eng_text_scratch_new(&s, NULL) == ENG_OK) {
        if (eng_text_explain(m, &item, s, &arena, &d, NULL) == ENG_OK &&
            d.answer.category >= eng_text_info_of(m)->category_count)
            abort();
        eng_text_scratch_free(s);
    }
    eng_arena_clear(&arena);
    eng_text_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_container c;
    eng_section sections[ENG_CONTAINER_SECTIONS];
    eng_buf out;
    if (!made.len && train() < 0)
        abort();
    unsigned char *copy = aligned_alloc(64, (made.len + 63) / 64 * 64);
    memcpy(copy, made.data, made.len);
    if (eng_container_of(copy, made.len, "made", ENG_STR("text"), ENG_TEXT_VERSION, &c, NULL) < 0)
        abort();
    memcpy(sections, c.sections, c.count * sizeof *sections);
    if (size > 3) {
        eng_section *s = &sections[data[0] % c.count];
        size_t at = (size_t)data[1] | (size_t)data[2] << 8, len = size - 3;
        if (data[0] & 0x80 && at < s->size)
            s->size = at;
        for (size_t i = 0; i < len && at + i < s->size; i++)
            copy[(size_t)((const unsigned char *)s->data - copy) + at + i] = data[3 + i];
    }
    eng_buf_init(&out, 1 << 24);
    if (eng_container_print(ENG_STR("text"), ENG_TEXT_VERSION, sections, c.count, &out, NULL) ==
        ENG_OK) {
        unsigned char *p = aligned_alloc(64, (out.len + 63) / 64 * 64);
        memcpy(p, out.data, out.len);
        ask(p, out.len);
        free(p);
    }
    eng_buf_clear(&out);
    eng_container_close(&c);
    free(copy);
    return 0;
}
