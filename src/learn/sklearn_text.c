/*
 * Vectorizers of texts. What they make stays a vector with the text's column (eng_sk_words) until
 * somebody wants its terms as columns: linear models, naive Bayes and truncated SVD take products with
 * it, so a vocabulary of a million terms costs what the text has of it.
 */
#include "learn/sklearn_internal.h"

#include <math.h>
#include <stdlib.h>

enum { DENSE_MAX = 1 << 16 };

static const eng_sk_cols nothing = {NULL, 0};

/* scikit-learn's ENGLISH_STOP_WORDS, sorted. */
static const char english[] =
    "a about above across after afterwards again against all almost alone along already also "
    "although always am among amongst amoungst amount an and another any anyhow anyone "
    "anything anyway anywhere are around as at back be became because become becomes becoming "
    "been before beforehand behind being below beside besides between beyond bill both bottom "
    "but by call can cannot cant co con could couldnt cry de describe detail do done down due "
    "during each eg eight either eleven else elsewhere empty enough etc even ever every "
    "everyone everything everywhere except few fifteen fifty fill find fire first five for "
    "former formerly forty found four from front full further get give go had has hasnt have "
    "he hence her here hereafter hereby herein hereupon hers herself him himself his how "
    "however hundred i ie if in inc indeed interest into is it its itself keep last latter "
    "latterly least less ltd made many may me meanwhile might mill mine more moreover most "
    "mostly move much must my myself name namely neither never nevertheless next nine no "
    "nobody none noone nor not nothing now nowhere of off often on once one only onto or "
    "other others otherwise our ours ourselves out over own part per perhaps please put "
    "rather re same see seem seemed seeming seems serious several she should show side since "
    "sincere six sixty so some somehow someone something sometime sometimes somewhere still "
    "such system take ten than that the their them themselves then thence there thereafter "
    "thereby therefore therein thereupon these they thick thin third this those though three "
    "through throughout thru thus to together too top toward towards twelve twenty two un "
    "under until up upon us very via was we well were what whatever when whence whenever "
    "where whereafter whereas whereby wherein whereupon wherever whether which while whither "
    "who whoever whole whom whose why will with within without would yet you your yours "
    "yourself yourselves";

/* ---- How a text is taken apart --------------------------------------------------------------------- */

static void read_token(eng_sk *s, const eng_py *e, eng_plan_words *w)
{
    static const struct {
        const char *pattern;
        eng_plan_token token;
    } known[] = {{"(?u)\\b\\w\\w+\\b", ENG_PLAN_TOKEN_TWO},
                 {"\\b\\w\\w+\\b", ENG_PLAN_TOKEN_TWO},
                 {"\\w\\w+", ENG_PLAN_TOKEN_TWO},
                 {"\\w{2,}", ENG_PLAN_TOKEN_TWO},
                 {"(?u)\\b\\w+\\b", ENG_PLAN_TOKEN_ONE},
                 {"\\b\\w+\\b", ENG_PLAN_TOKEN_ONE},
                 {"\\w+", ENG_PLAN_TOKEN_ONE},
                 {"(?u)\\w+", ENG_PLAN_TOKEN_ONE},
                 {"(?u)\\b\\w\\w\\w+\\b", ENG_PLAN_TOKEN_THREE},
                 {"\\b\\w\\w\\w+\\b", ENG_PLAN_TOKEN_THREE},
                 {"\\S+", ENG_PLAN_TOKEN_BLANKS},
                 {"[^\\s]+", ENG_PLAN_TOKEN_BLANKS}};
    eng_str pattern;
    if (!eng_py_text(eng_py_attr(e, "token_pattern"), &pattern))
        return;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (eng_str_eq(pattern, eng_str_of(known[i].pattern))) {
            w->token = known[i].token;
            return;
        }
    if (w->analyzer == ENG_PLAN_WORDS)
        eng_sk_fail(s, e, "its token_pattern '%.*s' is not known",
                    ENG_FMT(eng_str_sub(pattern, 0, 60)));
}

static int by_bytes(const void *a, const void *b)
{
    return eng_str_cmp(*(const eng_str *)a, *(const eng_str *)b);
}

static void read_stops(eng_sk *s, const eng_py *e, eng_plan_words *w)
{
    const eng_py *stops = eng_sk_attr(e, "stop_words");
    bool named = eng_py_is(stops, ENG_PY_STR);
    size_t room = named ? sizeof english / 2 : eng_py_count(stops);
    if (!stops || w->analyzer != ENG_PLAN_WORDS)
        return;
    if (named && !eng_sk_is(e, "stop_words", "english")) {
        eng_sk_fail(s, e, "its stop words are not known");
        return;
    }
    eng_str *to = eng_sk_alloc(s, room + 1, sizeof *to);
    size_t n = 0;
    if (!to)
        return;
    for (eng_str rest = eng_str_of(english); named && rest.len;)
        (void)eng_str_cut(rest, ' ', &to[n++], &rest);
    for (size_t i = 0; !named && i < room; i++)
        if (eng_py_text(eng_py_at(stops, i), to + n))
            n++;
    qsort(to, n, sizeof *to, by_bytes);
    w->stops = to;
    w->stop_count = n;
}

static eng_plan_words read_words(eng_sk *s, const eng_py *e)
{
    int64_t low = 1, high = 1;
    const eng_py *range = eng_py_attr(e, "ngram_range");
    eng_plan_words w = {.lowercase = eng_py_true(eng_py_attr(e, "lowercase")),
                        .binary = eng_py_true(eng_py_attr(e, "binary"))};
    if (eng_sk_is(e, "analyzer", "char"))
        w.analyzer = ENG_PLAN_CHARACTERS;
    else if (eng_sk_is(e, "analyzer", "char_wb"))
        w.analyzer = ENG_PLAN_INSIDE_WORDS;
    else if (!eng_sk_is(e, "analyzer", "word"))
        eng_sk_fail(s, e, "its analyzer is not known");
    if (eng_sk_attr(e, "tokenizer") || eng_sk_attr(e, "preprocessor"))
        eng_sk_fail(s, e, "its tokenizer or preprocessor is a function of its own");
    if (eng_sk_is(e, "strip_accents", "unicode"))
        w.accents = ENG_PLAN_ACCENTS_UNICODE;
    else if (eng_sk_is(e, "strip_accents", "ascii"))
        w.accents = ENG_PLAN_ACCENTS_ASCII;
    else if (eng_sk_attr(e, "strip_accents"))
        eng_sk_fail(s, e, "strip_accents is not known");
    if (eng_py_count(range) != 2 || !eng_py_integer(eng_py_at(range, 0), &low) ||
        !eng_py_integer(eng_py_at(range, 1), &high) || low < 1 || high < low || high > 32)
        eng_sk_fail(s, e, "ngram_range is not from 1 to 32");
    w.low = (unsigned)low;
    w.high = (unsigned)high;
    read_token(s, e, &w);
    read_stops(s, e, &w);
    return w;
}

static unsigned norm_of(eng_sk *s, const eng_py *e)
{
    if (eng_sk_is(e, "norm", "l2"))
        return ENG_PLAN_NORM_L2;
    if (eng_sk_is(e, "norm", "l1"))
        return ENG_PLAN_NORM_L1;
    if (eng_sk_attr(e, "norm"))
        eng_sk_fail(s, e, "its norm is not known");
    return ENG_PLAN_NORM_NONE;
}

/* idf_, or the diagonal that it was kept in before 1.5. */
static void read_tfidf(eng_sk *s, const eng_py *e, eng_plan_words *w)
{
    w->sublinear = eng_py_true(eng_py_attr(e, "sublinear_tf"));
    w->norm = norm_of(s, e);
    if (!eng_py_true(eng_py_attr(e, "use_idf")))
        return;
    const eng_py *diagonal = eng_sk_attr(e, "_idf_diag");
    w->idf = diagonal ? eng_sk_vector(s, diagonal, "data", w->terms)
                      : eng_sk_vector(s, e, "idf_ _idf", w->terms);
}

/* vocabulary_: which term has which number, each number once. */
static void read_vocabulary(eng_sk *s, const eng_py *e, eng_plan_words *w)
{
    const eng_py *v = eng_sk_attr(e, "vocabulary_");
    size_t n = eng_py_pairs(v);
    eng_str *names = eng_sk_alloc(s, n + 1, sizeof *names);
    if (!n || n > ENG_SK_COLUMNS) {
        eng_sk_fail(s, e, "it has a vocabulary of %zu terms: is it fitted?", n);
        return;
    }
    for (size_t i = 0; names && i < n; i++) {
        int64_t at = -1;
        eng_str text;
        if (!eng_py_text(eng_py_key(v, i), &text) || !eng_py_integer(eng_py_value(v, i), &at) ||
            at < 0 || (size_t)at >= n || names[at].ptr) {
            eng_sk_fail(s, e, "a term of its vocabulary has no number of its own");
            return;
        }
        names[at] = text;
    }
    w->names = names;
    w->terms = n;
}

/* ---- Transformers ---------------------------------------------------------------------------------- */

static eng_sk_cols vector_of(eng_sk *s, uint32_t input, const eng_plan_words *w)
{
    eng_sk_words *words = eng_sk_alloc(s, 1, sizeof *words);
    eng_sk_cols out = eng_sk_columns(s, w->terms);
    if (!words)
        return nothing;
    *words = (eng_sk_words){.input = input, .how = *w, .first = ENG_PLAN_NONE};
    for (size_t i = 0; i < out.n; i++) {
        out.at[i].words = words;
        out.at[i].term = (uint32_t)i;
    }
    return out;
}

static eng_sk_cols vectorizer(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    eng_plan_words w = read_words(s, e);
    if (x.n != 1 || x.at[0].words || (!x.at[0].text && x.at[0].input == ENG_SK_NONE)) {
        eng_sk_fail(s, e, "it takes one column of text and is given %zu", x.n);
        return nothing;
    }
    uint32_t input = x.at[0].text ? x.at[0].id : x.at[0].input;
    s->inputs[input].text = s->inputs[input].unknown = true;
    s->inputs[input].no_missing = true;
    if (eng_py_is_a(e, "HashingVectorizer")) {
        double n = eng_sk_number(s, e, "n_features", 1 << 20);
        if (!(n >= 1 && n <= ENG_SK_COLUMNS))
            eng_sk_fail(s, e, "n_features is not from 1 to %d", ENG_SK_COLUMNS);
        w.terms = eng_sk_ok(s) ? (size_t)n : 0;
        w.signs = eng_py_true(eng_py_attr(e, "alternate_sign"));
        w.norm = norm_of(s, e);
    } else {
        read_vocabulary(s, e, &w);
    }
    if (eng_sk_ok(s) && eng_py_is_a(e, "TfidfVectorizer"))
        read_tfidf(s, eng_sk_attr(e, "_tfidf"), &w);
    return eng_sk_ok(s) ? vector_of(s, input, &w) : nothing;
}

/* Of a vector as it came from a vectorizer of counts. */
static eng_sk_cols tfidf(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    eng_sk_words *from = x.n ? x.at[0].words : NULL;
    bool whole = from && x.n == from->how.terms && !from->how.idf && !from->how.sublinear &&
                 from->how.norm == ENG_PLAN_NORM_NONE;
    for (size_t i = 0; whole && i < x.n; i++)
        whole = x.at[i].words == from && x.at[i].term == i;
    if (!whole) {
        eng_sk_fail(s, e, "it stands somewhere else than behind a vectorizer of counts");
        return nothing;
    }
    eng_plan_words w = from->how;
    read_tfidf(s, e, &w);
    return eng_sk_ok(s) ? vector_of(s, from->input, &w) : nothing;
}

/* ---- Terms as columns, and products --------------------------------------------------------------------- */

static uint32_t zeros(eng_sk *s, size_t n)
{
    uint32_t first = ENG_PLAN_NONE;
    for (size_t i = 0; i < n; i++) {
        uint32_t zero = eng_plan_constant(s->b, 0);
        first = i ? first : zero;
    }
    return first;
}

uint32_t eng_sk_term(eng_sk *s, const eng_py *e, const eng_sk_col *col)
{
    eng_sk_words *w = col->words;
    if (w->how.terms > DENSE_MAX) {
        eng_sk_fail(s, e, "it takes each of %zu terms of a text as a column: %d at most",
                    w->how.terms, DENSE_MAX);
        return ENG_PLAN_NONE;
    }
    if (w->first == ENG_PLAN_NONE)
        w->first = s->dry ? zeros(s, w->how.terms) : eng_plan_texts(s->b, w->input, &w->how);
    return w->first == ENG_PLAN_NONE ? ENG_PLAN_NONE : w->first + col->term;
}

/* The share of one text's terms in a product. */
static uint32_t product_of_words(eng_sk *s, eng_sk_cols x, const eng_sk_words *w,
                                 const double *weights, const double *bias, size_t m)
{
    eng_plan_words how = w->how;
    double *own = eng_sk_alloc(s, m * how.terms, sizeof *own);
    if (!own || s->dry)
        return own ? zeros(s, m) : ENG_PLAN_NONE;
    for (size_t i = 0; i < x.n; i++)
        for (size_t j = 0; j < m && x.at[i].words == w; j++)
            own[j * how.terms + x.at[i].term] += weights[j * x.n + i];
    how.weights = own;
    how.bias = bias;
    how.m = m;
    return eng_plan_texts(s->b, w->input, &how);
}

/* Columns that are no terms. */
static uint32_t product_of_rest(eng_sk *s, const eng_py *e, eng_sk_cols x, const double *weights,
                                const double *bias, size_t m)
{
    eng_sk_cols rest = eng_sk_columns(s, x.n);
    double *own = eng_sk_alloc(s, m * x.n, sizeof *own);
    size_t n = 0;
    for (size_t i = 0; i < rest.n; i++)
        if (!x.at[i].words)
            rest.at[n++] = x.at[i];
    rest.n = n;
    for (size_t j = 0; own && j < m; j++)
        for (size_t i = 0, at = 0; i < x.n; i++)
            if (!x.at[i].words)
                own[j * n + at++] = weights[j * x.n + i];
    uint32_t *ids = eng_sk_dense(s, e, rest);
    return own && ids ? eng_plan_linear(s->b, ids, n, own, bias, m) : ENG_PLAN_NONE;
}

uint32_t eng_sk_product(eng_sk *s, const eng_py *e, eng_sk_cols x, const double *weights,
                        const double *bias, size_t m)
{
    size_t terms = 0;
    for (size_t i = 0; i < x.n; i++)
        terms += x.at[i].words != NULL;
    uint32_t sum = terms == x.n ? ENG_PLAN_NONE : product_of_rest(s, e, x, weights, bias, m);
    if (!terms || !eng_sk_ok(s))
        return sum;
    for (size_t i = 0; i < x.n && eng_sk_ok(s); i++) {
        eng_sk_words *w = x.at[i].words;
        bool had = !w;
        for (size_t j = i; j-- > 0 && !had;) {
            had = x.at[j].words == w;
            if (x.at[j].words != NULL)
                break; /* terms of one text stand side by side */
        }
        if (had)
            continue;
        bool first = sum == ENG_PLAN_NONE;
        uint32_t y = product_of_words(s, x, w, weights, first ? bias : NULL, m);
        uint32_t *a = eng_sk_run_of(s, y, m), *b = first ? NULL : eng_sk_run_of(s, sum, m);
        sum = first ? y : a && b ? eng_plan_pairs(s->b, ENG_PLAN_PLUS, b, a, m) : ENG_PLAN_NONE;
    }
    return sum;
}

const eng_sk_row eng_sk_text_rows[] = {
    {"CountVectorizer", NULL, vectorizer},
    {"TfidfVectorizer", NULL, vectorizer},
    {"HashingVectorizer", NULL, vectorizer},
    {"TfidfTransformer", NULL, tfidf},
    {NULL, NULL, NULL},
};
