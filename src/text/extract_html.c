/*
 * Web pages.
 *
 * libxml2 reads them, as forgiving as browsers. What a reader would call the page's text is the part
 * that the page itself names (main, article), without what surrounds it on every page of a site:
 * navigation, banners, asides, dialogs, blocks that are all links. Where that leaves next to
 * nothing, the page is one of those that call everything navigation, and all its text is taken.
 *
 * The tree is walked without recursion: its depth is a stranger's choice.
 */
#include "base/error.h"
#include "text/text_internal.h"

#include <libxml/HTMLparser.h>
#include <libxml/HTMLtree.h>

enum {
    LEAST_MAIN = 200, /* bytes of main text below which a page is read whole ... */
    LEAST_SHARE = 5,  /* ... if that is less than a fifth of all there is */
    LINK_BLOCK = 40,  /* bytes from which a block of nothing but links is navigation */
};

/* ---- What elements mean ---- */

typedef enum {
    INLINE, /* part of a line */
    PARTED, /* part of a line, with a blank around it: what a page lays out side by side */
    BLOCK,
    HEADING,
    ITEM,
    LIST,
    QUOTE,
    CODE,
    TABLE,
    ROW,
    CELL,
    LINE_END,
    AROUND, /* what surrounds the text of a page */
    HIDDEN  /* never text */
} meaning;

typedef struct {
    const char *name;
    meaning means;
} element_row;

/* Sorted by name; what is not here is INLINE. */
static const element_row elements[] = {
    {"a", PARTED},         {"address", BLOCK},    {"article", BLOCK},   {"aside", AROUND},
    {"audio", HIDDEN},     {"blockquote", QUOTE}, {"body", BLOCK},      {"br", LINE_END},
    {"button", AROUND},    {"canvas", HIDDEN},    {"caption", BLOCK},   {"center", BLOCK},
    {"dd", BLOCK},         {"details", BLOCK},    {"dialog", AROUND},   {"div", BLOCK},
    {"dl", BLOCK},         {"dt", BLOCK},         {"embed", HIDDEN},    {"fieldset", BLOCK},
    {"figcaption", BLOCK}, {"figure", BLOCK},     {"footer", AROUND},   {"form", BLOCK},
    {"frame", HIDDEN},     {"h1", HEADING},       {"h2", HEADING},      {"h3", HEADING},
    {"h4", HEADING},       {"h5", HEADING},       {"h6", HEADING},      {"head", HIDDEN},
    {"header", AROUND},    {"hr", BLOCK},         {"html", BLOCK},      {"iframe", HIDDEN},
    {"img", PARTED},       {"input", HIDDEN},     {"label", PARTED},    {"legend", BLOCK},
    {"li", ITEM},          {"main", BLOCK},       {"map", HIDDEN},      {"menu", AROUND},
    {"meta", HIDDEN},      {"nav", AROUND},       {"noscript", HIDDEN}, {"object", HIDDEN},
    {"ol", LIST},          {"optgroup", HIDDEN},  {"option", HIDDEN},   {"p", BLOCK},
    {"pre", CODE},         {"script", HIDDEN},    {"section", BLOCK},   {"select", HIDDEN},
    {"style", HIDDEN},     {"summary", BLOCK},    {"svg", HIDDEN},      {"table", TABLE},
    {"tbody", INLINE},     {"td", CELL},          {"template", HIDDEN}, {"textarea", HIDDEN},
    {"tfoot", INLINE},     {"th", CELL},          {"thead", INLINE},    {"title", HIDDEN},
    {"tr", ROW},           {"ul", LIST},          {"video", HIDDEN},
};

static eng_str name_of(const xmlNode *node) { return eng_str_of((const char *)node->name); }

static meaning meaning_of(const xmlNode *node)
{
    eng_str name = name_of(node);
    size_t from = 0, to = sizeof elements / sizeof *elements;
    while (from < to) {
        size_t mid = (from + to) / 2;
        int order = eng_str_cmp(name, eng_str_of(elements[mid].name));
        if (order == 0)
            return elements[mid].means;
        if (order < 0)
            to = mid;
        else
            from = mid + 1;
    }
    return INLINE;
}

/* An attribute's value, as libxml2 keeps it: in one text node, or in none. */
static eng_str attribute(const xmlNode *node, const char *name)
{
    for (const xmlAttr *a = node->properties; a; a = a->next) {
        if (strcmp((const char *)a->name, name) != 0)
            continue;
        const xmlNode *value = a->children;
        return eng_str_of(value && value->content ? (const char *)value->content : "");
    }
    return (eng_str){NULL, 0};
}

static bool one_of(eng_str what, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (eng_str_eq_nocase(what, eng_str_of(list[i])))
            return true;
    }
    return false;
}
#define ONE_OF(what, list) one_of(what, list, sizeof(list) / sizeof *(list))

static bool is_hidden(const xmlNode *node)
{
    eng_str style = attribute(node, "style");
    return attribute(node, "hidden").ptr ||
           eng_str_eq_nocase(attribute(node, "aria-hidden"), ENG_STR("true")) ||
           eng_str_find(style, ENG_STR("display:none")) != SIZE_MAX ||
           eng_str_find(style, ENG_STR("display: none")) != SIZE_MAX;
}

/* Words of class names and ids that sites give to what is not the text. */
static bool named_around(eng_str names)
{
    static const char *const words[] = {
        "nav",         "navbar",     "navigation", "menu",    "sidebar", "breadcrumb",
        "breadcrumbs", "cookie",     "cookies",    "share",   "social",  "popup",
        "modal",       "newsletter", "advert",     "ads",     "banner",  "pagination",
        "related",     "skip-link",  "toolbar",    "comments"};
    while (names.len) {
        size_t len = 0;
        while (len < names.len && names.ptr[len] != ' ')
            len++;
        if (ONE_OF(eng_str_sub(names, 0, len), words))
            return true;
        names = eng_str_sub(names, len + 1, SIZE_MAX);
    }
    return false;
}

static bool is_around(const xmlNode *node)
{
    static const char *const roles[] = {"navigation", "banner",     "contentinfo",
                                        "search",     "dialog",     "complementary",
                                        "menu",       "alertdialog"};
    return ONE_OF(attribute(node, "role"), roles) || named_around(attribute(node, "class")) ||
           named_around(attribute(node, "id"));
}

static bool inside(const xmlNode *node, const char *name)
{
    for (node = node->parent; node; node = node->parent) {
        if (node->type == XML_ELEMENT_NODE && eng_str_eq(name_of(node), eng_str_of(name)))
            return true;
    }
    return false;
}

/* ---- Walking ---- */

typedef struct {
    eng_page *page;
    const eng_input *source;
    const xmlNode *root;
    bool whole;     /* what surrounds the text is text too */
    unsigned lists; /* how many are open */
    unsigned tables;
    unsigned codes;
    unsigned quotes;
    unsigned links;
    bool cell; /* a cell of the open row was written */
    size_t steps;
    bool cancelled;
} walk;

static bool skipped(const walk *w, const xmlNode *node, meaning means)
{
    if (means == HIDDEN || is_hidden(node))
        return true;
    if (w->whole || node == w->root)
        return false;
    if (means == AROUND) {
        /* An article's own header holds its heading. */
        bool header = eng_str_eq(name_of(node), ENG_STR("header"));
        return !(header && (inside(node, "article") || inside(node, "main")));
    }
    return is_around(node);
}

/* A block of links alone (and what parts them) is navigation, wherever it stands. */
static void end_block(walk *w)
{
    eng_page *p = w->page;
    size_t bytes = eng_page_open_bytes(p);
    if (!w->whole && bytes > LINK_BLOCK && p->linked * 10 > bytes * 9 &&
        p->blocks[p->count - 1].kind == ENG_BLOCK_PARAGRAPH)
        p->text.len = p->blocks[p->count - 1].start;
    eng_page_end(p);
}

static void begin_block(walk *w, eng_block_kind kind, unsigned level)
{
    end_block(w);
    if (w->codes)
        kind = ENG_BLOCK_CODE;
    eng_page_begin(w->page, kind, level);
}

static void begin_item(walk *w, const xmlNode *node)
{
    begin_block(w, ENG_BLOCK_ITEM, w->lists ? w->lists : 1);
    bool ordered = node->parent && eng_str_eq(name_of(node->parent), ENG_STR("ol"));
    if (!ordered) {
        eng_page_text(w->page, ENG_STR("- "));
        return;
    }
    unsigned number = 1;
    for (const xmlNode *n = node->prev; n && number < 100000; n = n->prev)
        number += n->type == XML_ELEMENT_NODE;
    char text[16];
    snprintf(text, sizeof text, "%u. ", number);
    eng_page_text(w->page, eng_str_of(text));
}

static void enter(walk *w, const xmlNode *node, meaning means)
{
    eng_page *p = w->page;
    bool in_line = w->tables > 0; /* a table is one block: what is in it only parts its words */
    switch (means) {
    case PARTED:
        /* Side by side without white space, links and labels are apart on the screen. */
        if (node->prev && node->prev->type == XML_ELEMENT_NODE && !w->codes)
            eng_page_space(p);
        w->links += eng_str_eq(name_of(node), ENG_STR("a"));
        break;
    case HEADING:
        if (!in_line)
            begin_block(w, ENG_BLOCK_HEADING, (unsigned)(node->name[1] - '0'));
        break;
    case ITEM:
        if (!in_line)
            begin_item(w, node);
        break;
    case LIST:
        w->lists++;
        break;
    case QUOTE:
        w->quotes++;
        break;
    case CODE:
        if (!in_line) {
            w->codes++;
            begin_block(w, ENG_BLOCK_CODE, 0);
        }
        break;
    case TABLE:
        if (!in_line)
            begin_block(w, ENG_BLOCK_TABLE, 0);
        w->tables++;
        break;
    case ROW:
        eng_page_break(p);
        w->cell = false;
        break;
    case CELL:
        if (w->cell)
            eng_page_text(p, ENG_STR(" | "));
        w->cell = true;
        break;
    case LINE_END:
        eng_page_break(p);
        break;
    case BLOCK:
    case AROUND:
        if (in_line)
            eng_page_space(p);
        else if (p->open && p->blocks[p->count - 1].kind == ENG_BLOCK_ITEM &&
                 eng_page_open_bytes(p) <= 4)
            break; /* "<li><p>": the paragraph is the item's own */
        else
            end_block(w);
        break;
    default:
        break;
    }
}

static void leave(walk *w, const xmlNode *node, meaning means)
{
    switch (means) {
    case PARTED:
        w->links -= eng_str_eq(name_of(node), ENG_STR("a"));
        break;
    case LIST:
        w->lists--;
        end_block(w);
        break;
    case QUOTE:
        w->quotes--;
        end_block(w);
        break;
    case CODE:
        if (!w->tables) {
            w->codes--;
            eng_page_end(w->page);
        }
        break;
    case TABLE:
        if (--w->tables == 0)
            end_block(w);
        break;
    case HEADING:
    case ITEM:
    case BLOCK:
    case AROUND:
        if (w->tables)
            eng_page_space(w->page);
        else
            end_block(w);
        break;
    default:
        break;
    }
}

static void add_text(walk *w, const xmlNode *node)
{
    eng_str text = eng_str_of((const char *)node->content);
    if (!w->page->open && w->quotes && eng_str_trim(text).len)
        eng_page_begin(w->page, ENG_BLOCK_QUOTE, 0);
    size_t before = w->page->text.len;
    eng_page_text(w->page, text);
    if (w->links && w->page->text.len > before)
        w->page->linked += w->page->text.len - before;
}

/* Every node once on the way down, elements once more on the way up. */
static void walk_tree(walk *w)
{
    const xmlNode *node = w->root;
    bool down = true;
    while (node && !w->cancelled) {
        if ((++w->steps & 4095) == 0)
            w->cancelled = eng_input_cancelled(w->source);
        bool element = node->type == XML_ELEMENT_NODE;
        meaning means = element ? meaning_of(node) : INLINE;
        bool enters = false;
        if (down && element && !skipped(w, node, means)) {
            enter(w, node, means);
            enters = node->children != NULL;
            if (!enters)
                leave(w, node, means);
        } else if (down && (node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE)) {
            add_text(w, node);
        } else if (!down) {
            leave(w, node, means);
        }
        if (node == w->root && !enters)
            return;
        down = enters || node->next != NULL;
        node = enters ? node->children : node->next ? node->next : node->parent;
    }
}

/* ---- A page's head ---- */

typedef struct {
    eng_str title, og_title, language, canonical, charset;
    const xmlNode *body, *main, *article, *h1;
    unsigned articles;
} head;

static eng_str text_within(const xmlNode *node)
{
    const xmlNode *n = node->children;
    return eng_str_of(n && n->content ? (const char *)n->content : "");
}

static void note_meta(head *h, const xmlNode *node)
{
    if (eng_str_eq_nocase(attribute(node, "property"), ENG_STR("og:title")))
        h->og_title = attribute(node, "content");
    if (eng_str_eq_nocase(attribute(node, "http-equiv"), ENG_STR("content-language")) &&
        !h->language.len)
        h->language = attribute(node, "content");
}

static void note(head *h, const xmlNode *node)
{
    eng_str name = name_of(node);
    if (eng_str_eq(name, ENG_STR("title")) && !h->title.len && !inside(node, "svg"))
        h->title = text_within(node);
    else if (eng_str_eq(name, ENG_STR("html")) && !h->language.len)
        h->language = attribute(node, "lang");
    else if (eng_str_eq(name, ENG_STR("meta")))
        note_meta(h, node);
    else if (eng_str_eq(name, ENG_STR("link")) &&
             eng_str_eq_nocase(attribute(node, "rel"), ENG_STR("canonical")))
        h->canonical = attribute(node, "href");
    else if (eng_str_eq(name, ENG_STR("body")) && !h->body)
        h->body = node;
    else if ((eng_str_eq(name, ENG_STR("main")) ||
              eng_str_eq_nocase(attribute(node, "role"), ENG_STR("main"))) &&
             !h->main && !is_hidden(node))
        h->main = node;
    else if (eng_str_eq(name, ENG_STR("article")) && h->articles++ == 0)
        h->article = node;
}

static void read_head(const xmlDoc *doc, head *h)
{
    const xmlNode *node = xmlDocGetRootElement(doc);
    while (node) {
        if (node->type == XML_ELEMENT_NODE)
            note(h, node);
        if (node->type == XML_ELEMENT_NODE && node->children) {
            node = node->children;
            continue;
        }
        while (node && !node->next)
            node = node->parent && node->parent->type == XML_ELEMENT_NODE ? node->parent : NULL;
        node = node ? node->next : NULL;
    }
}

/* "charset=..." of the Content-Type, or in the page's first kilobyte. */
static eng_str charset_after(eng_str text)
{
    size_t at = eng_str_find(text, ENG_STR("charset="));
    if (at == SIZE_MAX)
        return ENG_STR("");
    eng_str s = eng_str_sub(text, at + 8, 40);
    size_t from = s.len && (s.ptr[0] == '"' || s.ptr[0] == '\''), to = from;
    while (to < s.len && !strchr("\"'; />\t\r\n", s.ptr[to]))
        to++;
    return eng_str_sub(s, from, to - from);
}

/* White space folded: titles are written over several lines. */
static eng_str folded(eng_arena *arena, eng_str text)
{
    char *to = eng_arena_alloc(arena, text.len + 1);
    size_t n = 0;
    for (size_t i = 0; to && i < text.len; i++) {
        bool blank = (unsigned char)text.ptr[i] <= ' ';
        if (!blank || (n && to[n - 1] != ' '))
            to[n++] = blank ? ' ' : text.ptr[i];
    }
    return to ? eng_str_trim((eng_str){to, n}) : ENG_STR("");
}

/* ---- The whole ---- */

static eng_status render(const eng_input *s, const xmlNode *root, bool whole, eng_page *page,
                         eng_error *err)
{
    eng_page_init(page, s->arena, s->text_max);
    walk w = {.page = page, .source = s, .root = root, .whole = whole};
    walk_tree(&w);
    eng_page_end(page);
    return w.cancelled ? eng_fail(err, ENG_ECANCELLED, "cancelled") : ENG_OK;
}

static eng_status show(const eng_input *s, const xmlDoc *tree, eng_error *err)
{
    head h = {.title = ENG_STR("")};
    read_head(tree, &h);
    const xmlNode *body = h.body ? h.body : xmlDocGetRootElement(tree);
    if (!body)
        return eng_fail(err, ENG_EINVALID, "the page holds no text");
    const xmlNode *root = h.main ? h.main : h.articles == 1 ? h.article : body;
    eng_page page, all;
    eng_page_init(&all, s->arena, s->text_max);
    eng_status status = render(s, root, false, &page, err);
    if (status == ENG_OK && page.text.len < LEAST_MAIN) {
        status = render(s, body, true, &all, err);
        if (page.text.len * LEAST_SHARE < all.text.len) {
            eng_page few = page;
            page = all;
            all = few;
        }
    }
    if (status == ENG_OK) {
        eng_str title = folded(s->arena, h.title);
        if (!title.len)
            title = folded(s->arena, h.og_title);
        for (size_t i = 0; i < page.count && !title.len; i++) {
            if (page.blocks[i].kind == ENG_BLOCK_HEADING && page.blocks[i].level == 1)
                title = eng_str_sub(eng_buf_view(&page.text), page.blocks[i].start,
                                    page.blocks[i].end - page.blocks[i].start);
        }
        eng_extract doc = {
            .title = title, .language = eng_str_trim(h.language), .url = eng_str_trim(h.canonical)};
        status = eng_input_show(s, &page, &doc, err);
    }
    eng_page_clear(&page);
    eng_page_clear(&all);
    return status;
}

typedef struct {
    const eng_input *source;
    eng_buf utf8;
} reading;

static eng_status read_page(void *ctx, eng_error *err)
{
    const reading *r = ctx;
    if (r->utf8.len >= INT32_MAX)
        return eng_fail(err, ENG_ETOOBIG, "a page of %zu bytes", r->utf8.len);
    htmlDocPtr doc = r->utf8.len ? htmlReadMemory(r->utf8.data, (int)r->utf8.len, NULL, "UTF-8",
                                                  HTML_PARSE_RECOVER | HTML_PARSE_NOERROR |
                                                      HTML_PARSE_NOWARNING | HTML_PARSE_NONET |
                                                      HTML_PARSE_COMPACT)
                                 : NULL;
    if (!doc)
        return eng_fail(err, ENG_EINVALID, "the page holds no text");
    return show(r->source, doc, err);
}

eng_status eng_extract_html(const eng_input *s, eng_error *err)
{
    eng_str charset = charset_after(s->options->type);
    if (!charset.len)
        charset = charset_after(eng_str_sub(s->bytes, 0, 1024));
    reading r = {.source = s};
    eng_buf_init(&r.utf8, s->text_max);
    eng_status status = eng_charset_read(s->bytes, charset, &r.utf8, err);
    if (status == ENG_OK)
        status = eng_xml_run(read_page, &r, err);
    eng_buf_clear(&r.utf8);
    return status;
}
