/*
 * What a question asks for. The words that ask stand in a table, without accents and in lower case;
 * where none of them is there, one that is nearly spelt so counts.
 */
#include "base/error.h"
#include "rag/answer_internal.h"

#include <math.h>
#include <string.h>

enum { ASK_WORDS = 64, NEAR_LEAST = 5 };

typedef struct {
    char text[ASK_WORDS][FOLDED_MAX];
    size_t start[ASK_WORDS];
    size_t count;
} asked;

const char *eng_ask_kind_name(eng_ask_kind kind)
{
    static const char *const names[ENG_ASK_KINDS] = {"other", "definition", "person", "time",
                                                     "place", "name",       "count",  "amount",
                                                     "how",   "why",        "list",   "yesno"};
    return names[kind];
}

eng_str eng_refusal(eng_language language)
{
    switch (language) {
    case ENG_LANGUAGE_EN:
        return ENG_STR("I don't have enough information to answer.");
    case ENG_LANGUAGE_ES:
        return ENG_STR("No tengo informaci\xC3\xB3n suficiente para responder.");
    default:
        return ENG_STR("N\xC3\xA3o tenho informa\xC3\xA7\xC3\xB5"
                       "es suficientes para responder.");
    }
}

/* ---- Words that ask ---- */

typedef enum {
    SAYS_NOTHING,
    SAYS_WHAT,   /* "que", "what" */
    SAYS_WHICH,  /* "qual", "which" */
    SAYS_WHICHS, /* "quais", "cuáles" */
    SAYS_WHO,
    SAYS_WHEN,
    SAYS_WHERE,
    SAYS_MANY, /* "quantos" */
    SAYS_HOW,
    SAYS_WHY,
    SAYS_DEFINE, /* "defina", "significa" */
    SAYS_AUX     /* begins a question of yes and no */
} asking;

typedef struct {
    const char *word;
    asking says;
} ask_word;

static const ask_word ask_words[] = {
    {"adonde", SAYS_WHERE}, {"aonde", SAYS_WHERE},   {"are", SAYS_AUX},
    {"can", SAYS_AUX},      {"como", SAYS_HOW},      {"could", SAYS_AUX},
    {"cual", SAYS_WHICH},   {"cuales", SAYS_WHICHS}, {"cuando", SAYS_WHEN},
    {"cuanta", SAYS_MANY},  {"cuantas", SAYS_MANY},  {"cuanto", SAYS_MANY},
    {"cuantos", SAYS_MANY}, {"defina", SAYS_DEFINE}, {"define", SAYS_DEFINE},
    {"did", SAYS_AUX},      {"do", SAYS_AUX},        {"does", SAYS_AUX},
    {"donde", SAYS_WHERE},  {"existe", SAYS_AUX},    {"has", SAYS_AUX},
    {"have", SAYS_AUX},     {"how", SAYS_HOW},       {"is", SAYS_AUX},
    {"oq", SAYS_WHAT},      {"onde", SAYS_WHERE},    {"pode", SAYS_AUX},
    {"porque", SAYS_WHY},   {"posso", SAYS_AUX},     {"pq", SAYS_WHY},
    {"puede", SAYS_AUX},    {"puedo", SAYS_AUX},     {"quais", SAYS_WHICHS},
    {"qual", SAYS_WHICH},   {"quando", SAYS_WHEN},   {"quanta", SAYS_MANY},
    {"quantas", SAYS_MANY}, {"quanto", SAYS_MANY},   {"quantos", SAYS_MANY},
    {"qdo", SAYS_WHEN},     {"que", SAYS_WHAT},      {"quem", SAYS_WHO},
    {"quien", SAYS_WHO},    {"quienes", SAYS_WHO},   {"qto", SAYS_MANY},
    {"qtos", SAYS_MANY},    {"should", SAYS_AUX},    {"significa", SAYS_DEFINE},
    {"was", SAYS_AUX},      {"were", SAYS_AUX},      {"what", SAYS_WHAT},
    {"when", SAYS_WHEN},    {"where", SAYS_WHERE},   {"which", SAYS_WHICH},
    {"who", SAYS_WHO},      {"whom", SAYS_WHO},      {"whose", SAYS_WHO},
    {"why", SAYS_WHY},      {"will", SAYS_AUX},
};

static asking asks(const char *word)
{
    for (size_t i = 0; i < sizeof ask_words / sizeof *ask_words; i++)
        if (strcmp(ask_words[i].word, word) == 0)
            return ask_words[i].says;
    return SAYS_NOTHING;
}

/* One letter wrong, too many, missing, or two swapped. */
static asking nearly_asks(const char *word)
{
    if (strlen(word) < NEAR_LEAST - 1)
        return SAYS_NOTHING;
    for (size_t i = 0; i < sizeof ask_words / sizeof *ask_words; i++)
        if (strlen(ask_words[i].word) >= NEAR_LEAST &&
            eng_str_distance(eng_str_of(word), eng_str_of(ask_words[i].word)) == 1)
            return ask_words[i].says;
    return SAYS_NOTHING;
}

/* ---- What "qual", "which", "em que" ask of ---- */

typedef struct {
    const char *word;
    eng_ask_kind kind;
} asked_thing;

static const asked_thing asked_things[] = {
    {"age", ENG_ASK_COUNT},         {"altitude", ENG_ASK_COUNT},     {"altura", ENG_ASK_COUNT},
    {"ano", ENG_ASK_TIME},          {"anos", ENG_ASK_TIME},          {"author", ENG_ASK_PERSON},
    {"autor", ENG_ASK_PERSON},      {"bairro", ENG_ASK_PLACE},       {"ano", ENG_ASK_TIME},
    {"capital", ENG_ASK_PLACE},     {"causa", ENG_ASK_WHY},          {"causas", ENG_ASK_WHY},
    {"century", ENG_ASK_TIME},      {"cidade", ENG_ASK_PLACE},       {"cidades", ENG_ASK_PLACE},
    {"city", ENG_ASK_PLACE},        {"ciudad", ENG_ASK_PLACE},       {"comissao", ENG_ASK_AMOUNT},
    {"comision", ENG_ASK_AMOUNT},   {"continente", ENG_ASK_PLACE},   {"cost", ENG_ASK_AMOUNT},
    {"coste", ENG_ASK_AMOUNT},      {"country", ENG_ASK_PLACE},      {"custo", ENG_ASK_AMOUNT},
    {"data", ENG_ASK_TIME},         {"date", ENG_ASK_TIME},          {"day", ENG_ASK_TIME},
    {"deadline", ENG_ASK_COUNT},    {"decada", ENG_ASK_TIME},        {"decade", ENG_ASK_TIME},
    {"dia", ENG_ASK_TIME},          {"dias", ENG_ASK_TIME},          {"distance", ENG_ASK_COUNT},
    {"distancia", ENG_ASK_COUNT},   {"duracao", ENG_ASK_COUNT},      {"duracion", ENG_ASK_COUNT},
    {"duration", ENG_ASK_COUNT},    {"edad", ENG_ASK_COUNT},         {"endereco", ENG_ASK_PLACE},
    {"epoca", ENG_ASK_TIME},        {"estado", ENG_ASK_PLACE},       {"fecha", ENG_ASK_TIME},
    {"fee", ENG_ASK_AMOUNT},        {"frequencia", ENG_ASK_COUNT},   {"height", ENG_ASK_COUNT},
    {"hora", ENG_ASK_TIME},         {"horario", ENG_ASK_TIME},       {"idade", ENG_ASK_COUNT},
    {"length", ENG_ASK_COUNT},      {"local", ENG_ASK_PLACE},        {"lugar", ENG_ASK_PLACE},
    {"largura", ENG_ASK_COUNT},     {"mes", ENG_ASK_TIME},           {"month", ENG_ASK_TIME},
    {"motivo", ENG_ASK_WHY},        {"motivos", ENG_ASK_WHY},        {"municipio", ENG_ASK_PLACE},
    {"name", ENG_ASK_NAME},         {"names", ENG_ASK_NAME},         {"nome", ENG_ASK_NAME},
    {"nomes", ENG_ASK_NAME},        {"nombre", ENG_ASK_NAME},        {"number", ENG_ASK_COUNT},
    {"numero", ENG_ASK_COUNT},      {"pais", ENG_ASK_PLACE},         {"paises", ENG_ASK_PLACE},
    {"percentage", ENG_ASK_COUNT},  {"percentagem", ENG_ASK_COUNT},  {"percentual", ENG_ASK_COUNT},
    {"periodo", ENG_ASK_TIME},      {"person", ENG_ASK_PERSON},      {"persona", ENG_ASK_PERSON},
    {"pessoa", ENG_ASK_PERSON},     {"place", ENG_ASK_PLACE},        {"plazo", ENG_ASK_COUNT},
    {"poblacion", ENG_ASK_COUNT},   {"populacao", ENG_ASK_COUNT},    {"population", ENG_ASK_COUNT},
    {"porcentaje", ENG_ASK_COUNT},  {"porcentagem", ENG_ASK_COUNT},  {"prazo", ENG_ASK_COUNT},
    {"precio", ENG_ASK_AMOUNT},     {"preco", ENG_ASK_AMOUNT},       {"presidente", ENG_ASK_PERSON},
    {"price", ENG_ASK_AMOUNT},      {"profundidade", ENG_ASK_COUNT}, {"quantidade", ENG_ASK_COUNT},
    {"razao", ENG_ASK_WHY},         {"razon", ENG_ASK_WHY},          {"reason", ENG_ASK_WHY},
    {"region", ENG_ASK_PLACE},      {"regiao", ENG_ASK_PLACE},       {"salario", ENG_ASK_AMOUNT},
    {"seculo", ENG_ASK_TIME},       {"siglo", ENG_ASK_TIME},         {"size", ENG_ASK_COUNT},
    {"state", ENG_ASK_PLACE},       {"tamanho", ENG_ASK_COUNT},      {"tarifa", ENG_ASK_AMOUNT},
    {"tasa", ENG_ASK_AMOUNT},       {"taxa", ENG_ASK_AMOUNT},        {"temperatura", ENG_ASK_COUNT},
    {"temperature", ENG_ASK_COUNT}, {"valor", ENG_ASK_AMOUNT},       {"velocidade", ENG_ASK_COUNT},
    {"year", ENG_ASK_TIME},
};

static bool thing_named(const char *word, eng_ask_kind *kind)
{
    for (size_t i = 0; i < sizeof asked_things / sizeof *asked_things; i++) {
        if (strcmp(asked_things[i].word, word) == 0) {
            *kind = asked_things[i].kind;
            return true;
        }
    }
    return false;
}

static bool is_one_of(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(*list, word) == 0)
            return true;
    return false;
}

static const char *at(const asked *w, size_t i) { return i < w->count ? w->text[i] : ""; }

static bool is_being(const char *word)
{
    static const char *const words[] = {"e",   "sao", "era", "foi", "foram", "seria", "es", "son",
                                        "fue", "is",  "are", "was", "were",  "s",     "eh", NULL};
    return is_one_of(word, words);
}

static eng_ask_kind of_money(const asked *w, size_t i)
{
    static const char *const money[] = {
        "custa", "custam", "custou", "custo",   "vale",     "valem", "cuesta",  "cuestan",
        "cost",  "costs",  "paga",   "pagar",   "pago",     "ganha", "ganho",   "ganhar",
        "cobra", "cobram", "money",  "dinero",  "dinheiro", "reais", "dolares", "euros",
        "pagam", "pay",    "earn",   "dollars", NULL};
    for (size_t k = i + 1; k < w->count && k <= i + 6; k++)
        if (is_one_of(at(w, k), money))
            return ENG_ASK_AMOUNT;
    return ENG_ASK_COUNT;
}

/* "qual é a altura", "em que ano", "which city": the first word that names a kind of thing, soon. */
static eng_ask_kind of_thing(const asked *w, size_t i, bool many)
{
    eng_ask_kind kind;
    size_t reach = is_being(at(w, i + 1)) ? 4 : 2;
    for (size_t k = i + 1; k < w->count && k <= i + reach; k++)
        if (thing_named(at(w, k), &kind))
            return kind;
    return many ? ENG_ASK_LIST : ENG_ASK_OTHER;
}

static eng_ask_kind of_what(const asked *w, size_t i)
{
    static const char *const means[] = {"significa", "significam", "mean", "means", "quer", NULL};
    static const char *const the[] = {"the", "a", "o", "as", "os", "el", "la", "los", "las", NULL};
    static const char *const past[] = {"foi", "foram", "fue", "was", "were", NULL};
    const char *next = at(w, i + 1);
    bool english = strcmp(at(w, i), "what") == 0;
    static const char *const sorts[] = {"tipo", "tipos", "meio", "meios", "medio", NULL};
    if (i > 0 && strcmp(at(w, i - 1), "por") == 0 && !is_one_of(next, sorts))
        return ENG_ASK_WHY;
    static const char *const serves[] = {"serve", "servem", "sirve", "sirven", NULL};
    for (size_t k = i + 1; k < w->count; k++)
        if (is_one_of(at(w, k), means))
            return ENG_ASK_DEFINITION;
    if (is_one_of(next, serves)) /* "para que serve" */
        return ENG_ASK_DEFINITION;
    if (!is_being(next))
        return of_thing(w, i, false);
    eng_ask_kind kind = of_thing(w, i, english && strcmp(next, "are") == 0);
    if (kind != ENG_ASK_OTHER)
        return kind;
    /* "o que foi criado com" asks for a thing too */
    if (is_one_of(next, past) && w->count > i + 5)
        return ENG_ASK_OTHER;
    /* "what is the capital of" asks for a thing, "what is a refund" for what it is */
    bool named = english && is_one_of(at(w, i + 2), the) && strcmp(at(w, i + 2), "a") != 0;
    return named ? ENG_ASK_OTHER : ENG_ASK_DEFINITION;
}

static eng_ask_kind of_how(const asked *w, size_t i)
{
    static const char *const sizes[] = {"long", "old",  "far",   "tall", "big",  "large",
                                        "deep", "high", "often", "many", "wide", NULL};
    static const char *const names[] = {
        "chama",      "chamada",   "chamado",   "chamam",    "chamados", "llama", "llamado",
        "denominado", "conhecido", "conhecida", "abreviado", "called",   "known", NULL};
    if (strcmp(at(w, i), "how") == 0 && strcmp(at(w, i + 1), "much") == 0)
        return of_money(w, i) == ENG_ASK_AMOUNT ? ENG_ASK_AMOUNT : ENG_ASK_COUNT;
    if (strcmp(at(w, i), "how") == 0 && is_one_of(at(w, i + 1), sizes))
        return ENG_ASK_COUNT;
    for (size_t k = i + 1; k < w->count && k <= i + 4; k++)
        if (is_one_of(at(w, k), names))
            return ENG_ASK_NAME;
    return ENG_ASK_HOW;
}

static eng_ask_kind of_word(const asked *w, size_t i, asking says)
{
    switch (says) {
    case SAYS_WHO:
        return ENG_ASK_PERSON;
    case SAYS_WHEN:
        return ENG_ASK_TIME;
    case SAYS_WHERE:
        return ENG_ASK_PLACE;
    case SAYS_MANY:
        return of_money(w, i);
    case SAYS_HOW:
        return of_how(w, i);
    case SAYS_WHY:
        return ENG_ASK_WHY;
    case SAYS_DEFINE:
        return ENG_ASK_DEFINITION;
    case SAYS_WHICH:
        return of_thing(w, i, false);
    case SAYS_WHICHS:
        return of_thing(w, i, true);
    case SAYS_WHAT:
        return of_what(w, i);
    case SAYS_AUX:
        return ENG_ASK_YESNO;
    default:
        return ENG_ASK_OTHER;
    }
}

/* Whether a word that asks does so where it stands: "conhecido como" and "o país que" do not. */
static bool asks_here(const asked *w, size_t i, asking says)
{
    static const char *const before[] = {
        "o",    "em",   "de", "a",   "para", "com",   "por", "e",   "desde", "na",
        "no",   "el",   "en", "con", "mas",  "in",    "of",  "at",  "and",   "to",
        "from", "with", "do", "da",  "ate",  "sobre", "on",  "for", "qual",  NULL};
    if (i == 0)
        return true;
    if (says == SAYS_AUX || says == SAYS_HOW)
        return false;
    if (says == SAYS_WHAT)
        return i <= 1 ? is_one_of(at(w, i - 1), before)
                      : is_one_of(at(w, i - 1), before) && strcmp(at(w, i - 1), "o") != 0 &&
                            strcmp(at(w, i - 1), "a") != 0;
    return true;
}

static eng_ask_kind kind_of(const asked *w, eng_str text)
{
    bool asking_word = false;
    for (size_t i = 0; i < w->count; i++) {
        asking says = asks(at(w, i));
        if (says != SAYS_NOTHING && asks_here(w, i, says))
            return of_word(w, i, says);
        asking_word |= says != SAYS_NOTHING && says != SAYS_AUX;
    }
    if (asking_word) /* "é conhecido como o quê?", "com o que se parece?" */
        return ENG_ASK_OTHER;
    for (size_t i = 0; i < w->count; i++) {
        asking says;
        if ((says = nearly_asks(at(w, i))) != SAYS_NOTHING && says != SAYS_AUX &&
            says != SAYS_DEFINE)
            return of_word(w, i, says);
    }
    eng_str trimmed = eng_str_trim(text);
    return trimmed.len && trimmed.ptr[trimmed.len - 1] == '?' ? ENG_ASK_YESNO : ENG_ASK_OTHER;
}

static void add_word(void *ctx, eng_str word)
{
    asked *w = ctx;
    if (w->count == ASK_WORDS)
        return;
    size_t len = word.len < FOLDED_MAX ? word.len : FOLDED_MAX - 1;
    memcpy(w->text[w->count], word.ptr, len);
    w->text[w->count++][len] = 0;
}

/* ---- Words that say something ---- */

static bool has_term(const eng_question *q, eng_str stem)
{
    for (size_t i = 0; i < q->term_count; i++)
        if (eng_str_eq(q->terms[i].stem, stem))
            return true;
    return false;
}

static bool is_name(eng_str text, size_t start, size_t end)
{
    bool digit = false;
    for (size_t i = start; i < end; i++)
        digit |= text.ptr[i] >= '0' && text.ptr[i] <= '9';
    unsigned char c = (unsigned char)text.ptr[start];
    bool cap = (c >= 'A' && c <= 'Z') ||
               (c == 0xC3 && start + 1 < text.len && (unsigned char)text.ptr[start + 1] <= 0x9E);
    return digit || (cap && start > 0);
}

static eng_status add_terms(eng_question *q, const eng_terms *t, bool stops, eng_arena *arena,
                            eng_error *err)
{
    for (size_t i = 0; i < t->count && q->term_count < ENG_ASK_TERMS; i++) {
        const eng_term *term = &t->items[i];
        if (term->kind != ENG_TERM_WORD || term->stop != stops || has_term(q, eng_terms_text(t, i)))
            continue;
        eng_ask_term out = {.start = term->start, .end = term->end, .idf = (double)NAN};
        out.name = is_name(q->text, term->start, term->end);
        out.stem = eng_arena_copy(arena, eng_terms_text(t, i));
        for (size_t k = i + 1; k < t->count && t->items[k].position == term->position; k++)
            if (t->items[k].kind == ENG_TERM_PLAIN)
                out.plain = eng_arena_copy(arena, eng_terms_text(t, k));
        if (!out.stem.ptr)
            return eng_fail_nomem(err);
        q->terms[q->term_count++] = out;
    }
    return ENG_OK;
}

eng_status eng_question_parse(eng_analyzer *analyzer, eng_str text, eng_language language,
                              eng_arena *arena, eng_question *out, eng_error *err)
{
    asked words = {.count = 0};
    eng_question q = {.text = text, .language = language};
    if (language == ENG_LANGUAGE_UNKNOWN)
        q.language = eng_language_guess(text);
    eng_words_each(text, add_word, &words);
    q.kind = kind_of(&words, text);
    q.terms = eng_arena_array(arena, ENG_ASK_TERMS, sizeof *q.terms);
    if (!q.terms)
        return eng_fail_nomem(err);
    eng_terms terms;
    eng_terms_init(&terms);
    /* The language that nobody knows is stemmed as Portuguese: its small words are left out. */
    eng_analyze_options options = {.question = true,
                                   .language = q.language ? q.language : ENG_LANGUAGE_PT};
    eng_status status = eng_analyze(analyzer, text, &options, &terms, err);
    if (status == ENG_OK)
        status = add_terms(&q, &terms, false, arena, err);
    if (status == ENG_OK && !q.term_count) /* small words alone: they are what is asked */
        status = add_terms(&q, &terms, true, arena, err);
    eng_terms_clear(&terms);
    if (status == ENG_OK)
        *out = q;
    return status;
}

void eng_question_weigh(eng_question *q, const eng_term_share *shares, size_t count)
{
    for (size_t i = 0; i < q->term_count; i++) {
        eng_ask_term *t = &q->terms[i];
        for (size_t k = 0; k < count; k++)
            if (shares[k].kind == ENG_TERM_WORD && shares[k].start == t->start &&
                shares[k].end == t->end)
                t->idf = (double)shares[k].idf;
    }
}
