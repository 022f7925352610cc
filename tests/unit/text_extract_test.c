/* Extraction: what each kind of file becomes, what is refused, and that nothing of it is fatal. */
#include "test.h"

#include "base/buf.h"
#include "base/error.h"
#include "text/text.h"

#include <zip.h>

/* ---- What comes out, kept for looking at ---- */

typedef struct {
    eng_buf text, title, language, url, id, metadata, blocks;
    size_t documents, bad_rows, last_bad;
    eng_status stop; /* what `document` answers */
} seen;

static void seen_init(seen *s)
{
    *s = (seen){.stop = ENG_OK};
    eng_buf *all[] = {&s->text, &s->title, &s->language, &s->url, &s->id, &s->metadata, &s->blocks};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        eng_buf_init(all[i], 64 << 20);
}

static void seen_clear(seen *s)
{
    eng_buf *all[] = {&s->text, &s->title, &s->language, &s->url, &s->id, &s->metadata, &s->blocks};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        eng_buf_clear(all[i]);
}

/* Several documents stand one after the other, with a '\n' between them. Blocks: a letter, the level
 * and the text of each: "h1:Title|p:Text". */
static eng_status document(void *ctx, const eng_extract *doc, eng_error *err)
{
    seen *s = ctx;
    const struct {
        eng_buf *to;
        eng_str from;
    } all[] = {{&s->text, doc->text}, {&s->title, doc->title}, {&s->language, doc->language},
               {&s->url, doc->url},   {&s->id, doc->id},       {&s->metadata, doc->metadata}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (s->documents)
            eng_buf_byte(all[i].to, '\n');
        eng_buf_str(all[i].to, all[i].from);
    }
    s->documents++;
    for (size_t i = 0; i < doc->block_count; i++) {
        const eng_block *b = &doc->blocks[i];
        assert_true(b->start < b->end && b->end <= doc->text.len);
        assert_true(i == 0 || doc->blocks[i - 1].end <= b->start);
        if (s->blocks.len)
            eng_buf_byte(&s->blocks, '|');
        eng_buf_byte(&s->blocks, "phitcq"[b->kind]);
        if (b->level)
            eng_buf_u64(&s->blocks, b->level);
        eng_buf_byte(&s->blocks, ':');
        eng_buf_str(&s->blocks, eng_str_sub(doc->text, b->start, b->end - b->start));
    }
    if (s->stop < 0)
        return eng_fail(err, s->stop, "stopped");
    return eng_buf_check(&s->blocks, "blocks", err);
}

static void bad_row(void *ctx, size_t row, const eng_error *why)
{
    seen *s = ctx;
    assert_true(why->status < 0);
    s->bad_rows++;
    s->last_bad = row;
}

static eng_status extract(seen *s, const char *name, const char *type, eng_str bytes,
                          eng_error *err)
{
    eng_extract_options o = {.name = eng_str_of(name),
                             .type = eng_str_of(type),
                             .document = document,
                             .bad_row = bad_row,
                             .ctx = s};
    return eng_extract_file(bytes, &o, err);
}

#define VIEW(buffer, literal) assert_str_view(eng_buf_view(&(buffer)), literal)

/* ---- Archives, made here ---- */

static eng_str archive(const char *const (*members)[2], char **keep)
{
    zip_error_t error;
    zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, &error);
    zip_source_keep(source);
    zip_t *z = zip_open_from_source(source, ZIP_TRUNCATE, &error);
    assert_non_null(z);
    for (; (*members)[0]; members++) {
        zip_source_t *member = zip_source_buffer(z, (*members)[1], strlen((*members)[1]), 0);
        assert_true(zip_file_add(z, (*members)[0], member, ZIP_FL_ENC_UTF_8) >= 0);
    }
    assert_int_equal(zip_close(z), 0);
    zip_stat_t stat;
    assert_int_equal(zip_source_stat(source, &stat), 0);
    *keep = malloc(stat.size);
    zip_source_open(source);
    assert_int_equal(zip_source_read(source, *keep, stat.size), stat.size);
    zip_source_close(source);
    zip_source_free(source);
    return (eng_str){*keep, stat.size};
}

#define RELATIONS(type, target)                                                                    \
    "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">"       \
    "<Relationship Id=\"r1\" Type=\"http://x/" type "\" Target=\"" target "\"/></Relationships>"
#define WORD(body)                                                                                 \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><w:document xmlns:w=\"http://w\" "                  \
    "xmlns:mc=\"http://mc\"><w:body>" body "</w:body></w:document>"

static eng_str docx(const char *document_xml, char **keep)
{
    const char *const members[][2] = {
        {"_rels/.rels", RELATIONS("officeDocument", "word/document.xml")},
        {"word/_rels/document.xml.rels", RELATIONS("styles", "styles.xml")},
        {"word/styles.xml",
         "<w:styles xmlns:w=\"http://w\"><w:style w:styleId=\"Ttulo1\"><w:name w:val=\"heading "
         "1\"/>"
         "</w:style><w:style w:styleId=\"Meu\"><w:name w:val=\"Meu\"/><w:basedOn w:val=\"Ttulo1\"/>"
         "</w:style><w:style w:styleId=\"A\"><w:basedOn w:val=\"B\"/></w:style>"
         "<w:style w:styleId=\"B\"><w:basedOn w:val=\"A\"/></w:style></w:styles>"},
        {"word/document.xml", document_xml},
        {NULL, NULL}};
    return archive(members, keep);
}

/* ---- Text and Markdown ---- */

static void text_is_kept_as_it_stands(void **state)
{
    (void)state;
    seen s;
    seen_init(&s);
    eng_error err;
    assert_ok(extract(&s, "a.txt", "",
                      ENG_STR("Um.\r\nDois.\r\n\r\n- item\r\n  segue\r\n- outro\n"), &err),
              err);
    VIEW(s.text, "Um.\nDois.\n\n- item\n  segue\n- outro\n");
    VIEW(s.blocks, "p:Um.\nDois.|i1:- item\n  segue|i1:- outro");
    seen_clear(&s);
}

static void markdown_has_structure_and_a_title(void **state)
{
    (void)state;
    seen s;
    seen_init(&s);
    eng_error err;
    assert_ok(
        extract(&s, "a.md", "",
                ENG_STR("---\ntitle: \"De cima\"\n---\n# Um #\ntexto\n\nDois\n----\n> dito\n\n"
                        "| a | b |\n|---|---|\n| 1 | 2 |\n\n```c\nint x;\n\n# nada\n```\nfim\n"),
                &err),
        err);
    VIEW(s.title, "De cima");
    VIEW(s.blocks, "h1:# Um #|p:texto|h2:Dois\n----|q:> dito|t:| a | b |\n|---|---|\n| 1 | 2 |"
                   "|c:```c\nint x;\n\n# nada\n```|p:fim");
    seen_clear(&s);
    seen_init(&s);
    assert_ok(
        extract(&s, "", "text/markdown; charset=utf-8", ENG_STR("# O a\xC3\xA7ude #\n"), &err),
        err);
    VIEW(s.title, "O a\xC3\xA7ude");
    seen_clear(&s);
}

static void encodings_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        eng_str bytes;
        const char *wanted;
    } cases[] = {
        {{"a\xC3\xA7\xC3\xA3o", 6}, "a\xC3\xA7\xC3\xA3o"},
        {{"\xEF\xBB\xBFoi", 5}, "oi"},
        {{"a\xE7\xE3o", 4}, "a\xC3\xA7\xC3\xA3o"},
        {{"pre\xE7o: \x80 10 \x96 barato", 20},
         "pre\xC3\xA7o: \xE2\x82\xAC 10 \xE2\x80\x93 barato"},
        {{"\xFF\xFEo\0i\0", 6}, "oi"},
        {{"\xFE\xFF\0o\0i", 6}, "oi"},
        {{"o\0i\0 \0g\0e\0n\0t\0e\0", 16}, "oi gente"},
        {{"\xFF\xFE\x3D\xD8\x00\xDE", 6}, "\xF0\x9F\x98\x80"},
        {{"\xFF\xFE\x3D\xD8o\0", 6}, "\xEF\xBF\xBDo"},
        {{"cac\xCC\xA7"
          "a",
          6},
         "ca\xC3\xA7"
         "a"}, /* NFC */
        {{"\xC3\xA9\xC3\xA9\xC3\xA9\xFF", 7}, "\xC3\xA9\xC3\xA9\xC3\xA9\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        eng_buf out;
        eng_buf_init(&out, 1000);
        eng_error err;
        assert_ok(eng_charset_read(cases[i].bytes, ENG_STR(""), &out, &err), err);
        assert_string_equal(out.data, cases[i].wanted);
        eng_buf_clear(&out);
    }
}

static void declared_encodings_are_believed(void **state)
{
    (void)state;
    eng_buf out;
    eng_buf_init(&out, 1000);
    eng_error err;
    assert_ok(eng_charset_read(ENG_STR("\x93\xFA\x96{"), ENG_STR("shift_jis"), &out, &err), err);
    VIEW(out, "\xE6\x97\xA5\xE6\x9C\xAC");
    eng_buf_reset(&out);
    assert_ok(eng_charset_read(ENG_STR("\xA4"), ENG_STR("ISO-8859-15"), &out, &err), err);
    VIEW(out, "\xE2\x82\xAC");
    assert_int_equal(eng_charset_read(ENG_STR("x"), ENG_STR("klingon"), &out, &err), ENG_ETYPE);
    eng_buf_clear(&out);
}

static void long_text_is_composed_piece_by_piece(void **state)
{
    (void)state;
    eng_buf in, out;
    eng_buf_init(&in, 8 << 20);
    eng_buf_init(&out, 8 << 20);
    for (int i = 0; i < 100000; i++) /* c and a cedilla: no piece may end between them */
        eng_buf_str(&in, ENG_STR("c\xCC\xA7\xCC\x81"));
    eng_error err;
    assert_ok(eng_charset_read(eng_buf_view(&in), ENG_STR(""), &out, &err), err);
    assert_int_equal(out.len, 100000 * 3);
    for (size_t i = 0; i < out.len; i += 3)
        assert_memory_equal(out.data + i, "\xE1\xB8\x89", 3);
    eng_buf_clear(&in);
    eng_buf_clear(&out);
}

static void what_is_no_text_is_refused(void **state)
{
    (void)state;
    static char zeros[5000];
    static const struct {
        const char *name, *type;
        eng_str bytes;
        eng_status wanted;
    } cases[] = {
        {"a.png", "image/png", {"\x89PNG\r\n\x1a\n\0\0\0\r", 12}, ENG_ETYPE},
        {"l.txt", "text/plain", {zeros, sizeof zeros}, ENG_ETYPE},
        {"n.gz", "application/gzip", {"\x1f\x8b\x08\0", 4}, ENG_ETYPE},
        {"a.txt", "", {"", 0}, ENG_EINVALID},
        {"a.txt", "", {" \n\t\n", 4}, ENG_EINVALID},
        {"a.html", "", {"<p>  </p><script>x</script>", 27}, ENG_EINVALID},
        {"a.docx", "", {"PK\3\4lixo", 8}, ENG_EINVALID},
        {"a.pdf", "", {"%PDF-1.7\nlixo", 13}, ENG_EINVALID},
        {"a.csv", "", {"", 0}, ENG_EINVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        seen s;
        seen_init(&s);
        eng_error err;
        assert_int_equal(extract(&s, cases[i].name, cases[i].type, cases[i].bytes, &err),
                         cases[i].wanted);
        assert_int_equal(s.documents, 0);
        seen_clear(&s);
    }
}

/* ---- HTML ---- */

static void pages_become_their_text(void **state)
{
    (void)state;
    seen s;
    seen_init(&s);
    eng_error err;
    assert_ok(
        extract(
            &s, "roda.html", "text/html",
            ENG_STR("<!doctype html><html lang=pt-BR><head><meta charset=utf-8><title>A Roda\n "
                    "d&#39;&Aacute;gua</title><link rel=canonical href=\"https://x/roda\">"
                    "<style>.x{}</style><script>var s='arapuca'</script></head><body>"
                    "<h1>Ca&ccedil;amba &amp; engrenagem</h1><p>O pre&#231;o &eacute; R$&nbsp;10 "
                    "&lt;barato&gt;.</p><!-- oculto --><p>Fim da l<b>inh</b>a.</p><ul><li>um"
                    "<li><p>dois</p></ul><ol><li>a<li>b</ol><table><tr><th>x<th>y</tr><tr><td>1"
                    "<td><p>2</p></table><pre>a\n  b</pre><blockquote>dito</blockquote>"
                    "uma <a href=x>plataforma</a>, <a>de</a><a>dois</a><br>linhas</body>"),
            &err),
        err);
    VIEW(s.title, "A Roda d'\xC3\x81gua");
    VIEW(s.language, "pt-BR");
    VIEW(s.url, "https://x/roda");
    VIEW(s.text, "Ca\xC3\xA7"
                 "amba & engrenagem\n\nO pre\xC3\xA7o \xC3\xA9 R$ 10 <barato>.\n\n"
                 "Fim da linha.\n\n- um\n- dois\n1. a\n2. b\n\nx | y\n1 | 2\n\na\n  b\n\ndito\n\n"
                 "uma plataforma, de dois\nlinhas");
    VIEW(s.blocks, "h1:Ca\xC3\xA7"
                   "amba & engrenagem|p:O pre\xC3\xA7o \xC3\xA9 R$ 10 <barato>.|"
                   "p:Fim da linha.|i1:- um|i1:- dois|i1:1. a|i1:2. b|t:x | y\n1 | 2|c:a\n  b|"
                   "q:dito|p:uma plataforma, de dois\nlinhas");
    seen_clear(&s);
}

#define LONG_TEXT                                                                                  \
    "O moinho de vento girava devagar naquela manh\xC3\xA3 de inverno, e o moleiro contava os "    \
    "sacos de farinha que ainda faltavam para encher a carro\xC3\xA7"                              \
    "a do padeiro da vila, que "                                                                   \
    "esperava desde cedo junto ao port\xC3\xA3o de madeira."

static void what_surrounds_a_page_is_left_out(void **state)
{
    (void)state;
    seen s;
    seen_init(&s);
    eng_error err;
    assert_ok(
        extract(&s, "", "text/html",
                ENG_STR("<meta charset=utf-8><body><header>Loja</header><nav><a>Menu</a></nav>"
                        "<div class='cookie banner'>aceite</div><div hidden>oculto</div>"
                        "<h1>T</h1><p>" LONG_TEXT "</p><div><a>Um atalho longo</a> <a>Outro "
                        "atalho bem longo</a> <a>E mais um</a></div><aside>ao lado</aside>"
                        "<footer>rodap\xC3\xA9</footer></body>"),
                &err),
        err);
    VIEW(s.text, "T\n\n" LONG_TEXT);
    seen_clear(&s);
    seen_init(&s);
    assert_ok(
        extract(&s, "", "text/html",
                ENG_STR("<meta charset=utf-8><body><p>fora</p><main><header><h1>T</h1></header>"
                        "<p>" LONG_TEXT "</p></main><p>fora</p></body>"),
                &err),
        err);
    VIEW(s.text, "T\n\n" LONG_TEXT);
    seen_clear(&s);
}

static void a_page_that_is_all_navigation_is_read_whole(void **state)
{
    (void)state;
    seen s;
    seen_init(&s);
    eng_error err;
    assert_ok(
        extract(&s, "", "", ENG_STR("<html><body><nav><p>" LONG_TEXT "</p></nav><p>x</p>"), &err),
        err);
    VIEW(s.text, LONG_TEXT "\n\nx");
    seen_clear(&s);
}

static void pages_in_other_encodings_are_read(void **state)
{
    (void)state;
    seen s;
    seen_init(&s);
    eng_error err;
    assert_ok(
        extract(&s, "v.html", "text/html",
                ENG_STR("<html><head><meta charset=\"iso-8859-1\"></head><body><p>Informa\xE7\xE3o "
                        "\xE0 m\xE3o.</p></body></html>"),
                &err),
        err);
    VIEW(s.text, "Informa\xC3\xA7\xC3\xA3o \xC3\xA0 m\xC3\xA3o.");
    seen_clear(&s);
}

static void deep_and_endless_pages_end(void **state)
{
    (void)state;
    eng_buf page;
    eng_buf_init(&page, 64 << 20);
    for (int i = 0; i < 200000; i++)
        eng_buf_str(&page, ENG_STR("<div>"));
    eng_buf_str(&page, ENG_STR("fundo"));
    seen s;
    seen_init(&s);
    eng_status status = extract(&s, "j.html", "text/html", eng_buf_view(&page), NULL);
    assert_true(status == ENG_OK || status == ENG_EINVALID);
    seen_clear(&s);
    eng_buf_reset(&page);
    eng_buf_str(&page, ENG_STR("<a "));
    for (int i = 0; i < 100000; i++)
        eng_buf_str(&page, ENG_STR("x=1 "));
    seen_init(&s);
    status = extract(&s, "k.html", "text/html", eng_buf_view(&page), NULL);
    assert_true(status == ENG_OK || status == ENG_EINVALID);
    seen_clear(&s);
    eng_buf_clear(&page);
}

/* ---- Office ---- */

static void word_files_become_their_text(void **state)
{
    (void)state;
    char *keep;
    eng_str bytes = docx(
        WORD(
            "<w:p><w:pPr><w:pStyle w:val=\"Meu\"/></w:pPr><w:r><w:t>Relat\xC3\xB3</w:t></w:r><w:r>"
            "<w:t>rio anual &amp; balan\xC3\xA7o</w:t></w:r></w:p><w:p><w:pPr><w:pStyle "
            "w:val=\"A\"/>"
            "</w:pPr><w:r><w:t>A turbina </w:t><w:tab/><w:t>parou.</w:t></w:r></w:p>"
            "<w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>um</w:t></w:r></w:p>"
            "<w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>dois</w:t></w:r></w:p>"
            "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</"
            "w:t>"
            "</w:r></w:p></w:tc></w:tr><w:tr><w:tc><w:p><w:r><w:t>1</w:t></w:r></w:p></w:tc></w:tr>"
            "</w:tbl><w:del><w:r><w:t>riscado</w:t></w:r></w:del><mc:Fallback><w:p><w:r><w:t>velho"
            "</w:t></w:r></w:p></mc:Fallback>"),
        &keep);
    seen s;
    seen_init(&s);
    eng_error err;
    assert_ok(extract(&s, "r.docx", "application/octet-stream", bytes, &err), err);
    VIEW(s.title, "Relat\xC3\xB3rio anual & balan\xC3\xA7o");
    VIEW(s.blocks,
         "h1:Relat\xC3\xB3rio anual & balan\xC3\xA7o|p:A turbina parou.|i1:- um|i1:- dois|"
         "t:a | b\n1");
    seen_clear(&s);
    free(keep);
}

static void word_files_that_attack_are_refused(void **state)
{
    (void)state;
    static const char *const attacks[] = {
        "<!DOCTYPE d [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>" WORD(
            "<w:p><w:t>&x;</w:t></w:p>"),
        "<!DOCTYPE d [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><w:p><w:t>&b;</w:t></w:p>",
        "<w:doc",
        "",
    };
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        char *keep;
        /* The declaration comes first in a document. */
        eng_str bytes = docx(attacks[i], &keep);
        seen s;
        seen_init(&s);
        assert_int_equal(extract(&s, "x.docx", "", bytes, NULL), ENG_EINVALID);
        assert_int_equal(s.documents, 0);
        seen_clear(&s);
        free(keep);
    }
}

static void slides_come_in_their_order(void **state)
{
    (void)state;
#define SLIDE(title, body)                                                                         \
    "<p:sld xmlns:p=\"http://p\" xmlns:a=\"http://a\"><p:sp><p:nvPr><p:ph type=\"title\"/>"        \
    "</p:nvPr><a:p><a:r><a:t>" title "</a:t></a:r></a:p></p:sp><p:sp><p:nvPr><p:ph idx=\"1\"/>"    \
    "</p:nvPr><a:p><a:r><a:t>" body "</a:t></a:r></a:p></p:sp></p:sld>"
    const char *const members[][2] = {
        {"_rels/.rels", RELATIONS("officeDocument", "/ppt/presentation.xml")},
        {"ppt/_rels/presentation.xml.rels",
         "<Relationships><Relationship Id=\"r1\" Type=\"http://x/slide\" Target=\"slides/a.xml\"/>"
         "<Relationship Id=\"r2\" Type=\"http://x/slide\" Target=\"../ppt/slides/b.xml\"/>"
         "</Relationships>"},
        {"ppt/presentation.xml",
         "<p:p xmlns:p=\"http://p\" xmlns:r=\"http://r\"><p:sldId id=\"256\" r:id=\"r2\"/>"
         "<p:sldId id=\"257\" r:id=\"r1\"/></p:p>"},
        {"ppt/slides/a.xml", SLIDE("Um", "depois")},
        {"ppt/slides/b.xml", SLIDE("Dois", "antes")},
        {NULL, NULL}};
    char *keep;
    eng_str bytes = archive(members, &keep);
    seen s;
    seen_init(&s);
    eng_error err;
    assert_ok(extract(&s, "a.pptx", "", bytes, &err), err);
    VIEW(s.blocks, "h1:Dois|i1:- antes|h1:Um|i1:- depois");
    seen_clear(&s);
    free(keep);
}

/* ---- PDF ---- */

static eng_str pdf(char *to, size_t size)
{
    static const char *const objects[] = {
        "<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font "
        "<< "
        "/F1 5 0 R >> >> >>",
        "<< /Length 86 >>\nstream\nBT /F1 12 Tf 50 780 Td 16 TL\n(A v\xE1lvula \\(principal\\) "
        "n\xE3o "
        "fecha.) Tj T*\n(12 bar) Tj T*\nET\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"};
    size_t places[5], at = (size_t)snprintf(to, size, "%%PDF-1.4\n");
    for (size_t i = 0; i < 5; i++) {
        places[i] = at;
        at += (size_t)snprintf(to + at, size - at, "%zu 0 obj\n%s\nendobj\n", i + 1, objects[i]);
    }
    size_t start = at;
    at += (size_t)snprintf(to + at, size - at, "xref\n0 6\n0000000000 65535 f \n");
    for (size_t i = 0; i < 5; i++)
        at += (size_t)snprintf(to + at, size - at, "%010zu 00000 n \n", places[i]);
    at += (size_t)snprintf(to + at, size - at,
                           "trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%zu\n%%%%EOF\n", start);
    return (eng_str){to, at};
}

static void pdf_is_read_by_a_child(void **state)
{
    (void)state;
    char room[4096];
    seen s;
    seen_init(&s);
    eng_error err;
    assert_ok(extract(&s, "laudo", "application/octet-stream", pdf(room, sizeof room), &err), err);
    VIEW(s.blocks, "p:A v\xC3\xA1lvula (principal) n\xC3\xA3o fecha.\n12 bar");
    seen_clear(&s);
}

/* ---- Rows ---- */

static void rows_of_a_table_are_documents(void **state)
{
    (void)state;
    seen s;
    seen_init(&s);
    eng_error err;
    assert_ok(
        extract(&s, "p.csv", "",
                ENG_STR("id;t\xEDtulo;texto;pre\xE7o;cor\n1;Um;\"O \"\"texto\"\"; um\";9.5;azul\n"
                        "2;x\n3;Tr\xEAs;Outro;010;\n"),
                &err),
        err);
    assert_int_equal(s.documents, 2);
    assert_int_equal(s.bad_rows, 1);
    assert_int_equal(s.last_bad, 2);
    VIEW(s.text, "O \"texto\"; um\nOutro");
    VIEW(s.title, "Um\nTr\xC3\xAAs");
    VIEW(s.id, "1\n3");
    VIEW(s.metadata, "{\"pre\xC3\xA7o\":9.5,\"cor\":\"azul\"}\n{\"pre\xC3\xA7o\":\"010\"}");
    seen_clear(&s);
    seen_init(&s);
    assert_ok(extract(&s, "p.tsv", "", ENG_STR("nome\tcidade\nAna\tNatal\n"), &err), err);
    VIEW(s.text, "nome: Ana\ncidade: Natal");
    seen_clear(&s);
}

static void json_lines_are_documents(void **state)
{
    (void)state;
    seen s;
    seen_init(&s);
    eng_error err;
    assert_ok(
        extract(&s, "p.jsonl", "",
                ENG_STR("{\"id\":\"a\",\"text\":\"um\",\"n\":1}\n\n{\"text\":}\n{\"text\":\"dois\","
                        "\"metadata\":{\"k\":true},\"k\":2}\n[1]\n"),
                &err),
        err);
    assert_int_equal(s.documents, 2);
    assert_int_equal(s.bad_rows, 2);
    assert_int_equal(s.last_bad, 5);
    VIEW(s.text, "um\ndois");
    VIEW(s.metadata, "{\"n\":1}\n{\"k\":true}");
    seen_clear(&s);
}

static void what_the_caller_answers_ends_it(void **state)
{
    (void)state;
    static const char *const names[] = {"a.txt", "a.csv", "a.jsonl", "a.html"};
    static const char *const bytes[] = {"oi", "a\n1\n2\n", "{\"text\":\"x\"}\n{\"text\":\"y\"}\n",
                                        "<p>oi"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        seen s;
        seen_init(&s);
        s.stop = ENG_EBUSY;
        eng_error err;
        assert_int_equal(extract(&s, names[i], "", eng_str_of(bytes[i]), &err), ENG_EBUSY);
        assert_int_equal(s.documents, 1);
        assert_int_equal(s.bad_rows, 0);
        seen_clear(&s);
    }
}

/* ---- Memory ---- */

static eng_status once(const char *name, eng_str bytes)
{
    seen s;
    seen_init(&s);
    eng_extract_options o = {.name = eng_str_of(name), .document = document, .ctx = &s};
    eng_status status = eng_extract_file(bytes, &o, NULL);
    if (status == ENG_OK)
        assert_int_equal(s.documents, 1);
    seen_clear(&s);
    return status;
}

static void survives_no_memory(void **state)
{
    (void)state;
    char *keep;
    const struct {
        const char *name;
        eng_str bytes;
    } files[] = {
        {"a.html", ENG_STR("<title>T</title><h1>Um</h1><ul><li>a</ul><p>oi &ccedil; <b>x</b>")},
        {"a.docx", docx(WORD("<w:p><w:r><w:t>Texto</w:t></w:r></w:p>"), &keep)},
        {"a.md", ENG_STR("# T\n\ntexto c\xCC\xA7\n")},
        {"a.csv", ENG_STR("a,b\n\"1\"\"\",2\n")},
        {"a.jsonl", ENG_STR("{\"text\":\"x\",\"b\":[1]}\n")}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        eng_status status;
        assert_survives_no_memory(status, status = once(files[i].name, files[i].bytes));
    }
    free(keep);
}

static int set_up(void **state)
{
    (void)state;
    return eng_text_init(NULL);
}

static int tear_down(void **state)
{
    (void)state;
    eng_text_quit();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_kept_as_it_stands),
        cmocka_unit_test(markdown_has_structure_and_a_title),
        cmocka_unit_test(encodings_are_told_apart),
        cmocka_unit_test(declared_encodings_are_believed),
        cmocka_unit_test(long_text_is_composed_piece_by_piece),
        cmocka_unit_test(what_is_no_text_is_refused),
        cmocka_unit_test(pages_become_their_text),
        cmocka_unit_test(what_surrounds_a_page_is_left_out),
        cmocka_unit_test(a_page_that_is_all_navigation_is_read_whole),
        cmocka_unit_test(pages_in_other_encodings_are_read),
        cmocka_unit_test(deep_and_endless_pages_end),
        cmocka_unit_test(word_files_become_their_text),
        cmocka_unit_test(word_files_that_attack_are_refused),
        cmocka_unit_test(slides_come_in_their_order),
        cmocka_unit_test(pdf_is_read_by_a_child),
        cmocka_unit_test(rows_of_a_table_are_documents),
        cmocka_unit_test(json_lines_are_documents),
        cmocka_unit_test(what_the_caller_answers_ends_it),
        cmocka_unit_test(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
