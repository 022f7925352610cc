/*
 * The small words of each language: which say nothing, which ask, and which tell languages apart.
 * Written in lower case without accents, in the order of their bytes.
 */
#include "text/analyze_internal.h"

#include "base/str.h"
#include "base/utf8.h"

/* clang-format off */
static const char *const stop_pt[] = {
    "a", "ainda", "ante", "ao", "aos", "apos", "aquela", "aquelas", "aquele", "aqueles",
    "aquilo", "as", "assim", "ate", "cada", "com", "como", "contra", "contudo", "da", "das",
    "de", "dela", "delas", "dele", "deles", "depois", "desde", "do", "dos", "durante", "e",
    "ela", "elas", "ele", "eles", "em", "entre", "era", "eram", "essa", "essas", "esse",
    "esses", "esta", "estamos", "estao", "estas", "estava", "estavam", "este", "estes",
    "esteve", "estiver", "estivesse", "estou", "eu", "foi", "fomos", "for", "foram", "fosse",
    "fossem", "fui", "ha", "haja", "hao", "havia", "houve", "ir", "isso", "isto", "ja", "la",
    "lhe", "lhes", "mais", "mas", "me", "mesmo", "meu", "meus", "minha", "minhas", "muito",
    "na", "nao", "nas", "nem", "no", "nos", "nossa", "nossas", "nosso", "nossos", "num", "numa",
    "numas", "nuns", "o", "os", "ou", "outra", "outras", "outro", "outros", "para", "pela",
    "pelas", "pelo", "pelos", "pois", "por", "porem", "portanto", "pra", "pro", "qual",
    "quando", "que", "quem", "sao", "se", "seja", "sejam", "sem", "ser", "sera", "serao",
    "seria", "seriam", "seu", "seus", "so", "sob", "sobre", "somos", "sou", "sua", "suas",
    "tambem", "te", "tem", "temos", "tenha", "tenham", "tenho", "ter", "tera", "teria", "teu",
    "teus", "teve", "tinha", "tinham", "toda", "todas", "todo", "todos", "tu", "tua", "tuas",
    "um", "uma", "umas", "uns", "vai", "vao", "voce", "voces", "vos",
};

static const char *const stop_en[] = {
    "a", "about", "above", "after", "again", "against", "all", "am", "an", "and", "any", "are",
    "as", "at", "be", "because", "been", "before", "being", "below", "between", "both", "but",
    "by", "can", "could", "did", "do", "does", "doing", "don", "down", "during", "each", "few",
    "for", "from", "further", "had", "has", "have", "having", "he", "her", "here", "hers",
    "herself", "him", "himself", "his", "i", "if", "in", "into", "is", "it", "its", "itself",
    "just", "me", "more", "most", "my", "myself", "no", "nor", "not", "now", "of", "off", "on",
    "once", "only", "or", "other", "our", "ours", "ourselves", "out", "over", "own", "same",
    "she", "should", "so", "some", "such", "than", "that", "the", "their", "theirs", "them",
    "themselves", "then", "there", "these", "they", "this", "those", "through", "to", "too",
    "under", "until", "up", "us", "very", "was", "we", "were", "while", "will", "with", "would",
    "you", "your", "yours", "yourself",
};

static const char *const stop_es[] = {
    "a", "al", "algo", "algunas", "algunos", "ante", "antes", "como", "con", "contra", "cual",
    "cuando", "de", "del", "desde", "donde", "durante", "e", "el", "ella", "ellas", "ellos",
    "en", "entre", "era", "erais", "eran", "eres", "es", "esa", "esas", "ese", "eso", "esos",
    "esta", "estaba", "estado", "estamos", "estan", "estar", "estas", "este", "esto", "estos",
    "estoy", "fue", "fueron", "fui", "ha", "habia", "han", "has", "hasta", "hay", "he", "la",
    "las", "le", "les", "lo", "los", "mas", "me", "mi", "mis", "mucho", "muchos", "muy", "nada",
    "ni", "no", "nos", "nosotros", "nuestra", "nuestras", "nuestro", "nuestros", "o", "os",
    "otra", "otras", "otro", "otros", "para", "pero", "poco", "por", "porque", "que", "quien",
    "quienes", "se", "sea", "sean", "ser", "sera", "seran", "si", "sido", "sin", "sobre",
    "sois", "somos", "son", "soy", "su", "sus", "suya", "suyo", "tambien", "tanto", "te",
    "tengo", "tenia", "ti", "tiene", "tienen", "todo", "todos", "tu", "tus", "un", "una",
    "unas", "uno", "unos", "vosotros", "y", "ya", "yo",
};

static const char *const ask_pt[] = {
    "acordo", "aonde", "cade", "chama", "chamada", "chamado", "como", "diga", "existe",
    "existem", "explique", "fica", "ficam", "nome", "onde", "pode", "podem", "por", "porque",
    "quais", "qual", "quando", "quanta", "quantas", "quanto", "quantos", "que", "quem", "quero",
    "saber", "segundo",
};

static const char *const ask_en[] = {
    "according", "are", "called", "can", "could", "did", "do", "does", "explain", "how", "is",
    "kind", "many", "much", "name", "please", "tell", "type", "was", "were", "what", "when",
    "where", "which", "who", "whom", "whose", "why",
};

static const char *const ask_es[] = {
    "acuerdo", "adonde", "como", "cual", "cuales", "cuando", "cuanta", "cuantas", "cuanto",
    "cuantos", "diga", "donde", "existe", "existen", "explique", "llama", "llamada", "llamado",
    "nombre", "por", "porque", "puede", "pueden", "que", "quien", "quienes", "quiero", "saber",
    "segun",
};

/* clang-format on */

typedef struct {
    const char *const *words;
    size_t count;
} word_list;

#define LIST(array)                                                                                \
    {                                                                                              \
        array, sizeof(array) / sizeof(array)[0]                                                    \
    }
static const word_list stop_lists[ENG_LANGUAGES] = {
    [ENG_LANGUAGE_PT] = LIST(stop_pt),
    [ENG_LANGUAGE_EN] = LIST(stop_en),
    [ENG_LANGUAGE_ES] = LIST(stop_es),
};
static const word_list ask_lists[ENG_LANGUAGES] = {
    [ENG_LANGUAGE_PT] = LIST(ask_pt),
    [ENG_LANGUAGE_EN] = LIST(ask_en),
    [ENG_LANGUAGE_ES] = LIST(ask_es),
};

static bool holds(const word_list *list, eng_str word)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = eng_str_cmp(word, eng_str_of(list->words[middle]));
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

bool eng_word_is_stop(eng_str word, eng_language language)
{
    return holds(&stop_lists[language], word);
}

bool eng_word_is_question(eng_str word, eng_language language)
{
    return holds(&ask_lists[language], word);
}

const char *eng_language_code(eng_language language)
{
    static const char *const codes[ENG_LANGUAGES] = {"", "pt", "en", "es"};
    return codes[language];
}

eng_language eng_language_of(eng_str tag)
{
    bool known = tag.len == 2 || (tag.len > 2 && (tag.ptr[2] == '-' || tag.ptr[2] == '_'));
    for (int l = ENG_LANGUAGE_PT; known && l < ENG_LANGUAGES; l++) {
        if (eng_str_eq_nocase(eng_str_sub(tag, 0, 2),
                              eng_str_of(eng_language_code((eng_language)l))))
            return (eng_language)l;
    }
    return ENG_LANGUAGE_UNKNOWN;
}

/* Signs that one of the languages has and the others lack, in halves of a small word. */
static void weigh_sign(uint32_t c, double score[ENG_LANGUAGES])
{
    switch (c) {
    case 0xE3: /* a and o with tilde, c with cedilla, e and a with circumflex */
    case 0xF5:
    case 0xE7:
    case 0xEA:
    case 0xE2:
        score[ENG_LANGUAGE_PT] += 1;
        break;
    case 0xF1: /* n with tilde, marks upside down */
    case 0xBF:
    case 0xA1:
        score[ENG_LANGUAGE_ES] += 1;
        break;
    default:
        break;
    }
}

/* A small word counts for each language that has it, the less the more have it. */
static void weigh_word(eng_str raw, double score[ENG_LANGUAGES])
{
    eng_word_forms word;
    bool in[ENG_LANGUAGES] = {false};
    int languages = 0;
    eng_word_fold(raw, &word);
    for (int l = ENG_LANGUAGE_PT; l < ENG_LANGUAGES; l++) {
        eng_str folded = {word.folded, word.folded_len};
        in[l] = holds(&stop_lists[l], folded) || holds(&ask_lists[l], folded);
        languages += in[l];
    }
    for (int l = ENG_LANGUAGE_PT; l < ENG_LANGUAGES; l++)
        score[l] += in[l] ? (languages == 1 ? 1.0 : languages == 2 ? 0.4 : 0.1) : 0;
}

eng_language eng_language_guess(eng_str text)
{
    double score[ENG_LANGUAGES] = {0};
    text = eng_utf8_cut(text, 4096);
    size_t start = SIZE_MAX;
    for (size_t at = 0; at <= text.len;) {
        size_t here = at;
        uint32_t c = at < text.len ? eng_utf8_next(text, &at) : (at++, 0u);
        char_class kind = eng_char_class(c);
        weigh_sign(c, score);
        bool letter = kind == CLASS_LETTER || kind == CLASS_MARK;
        if (letter && start == SIZE_MAX)
            start = here;
        if (!letter && start != SIZE_MAX) {
            weigh_word(eng_str_sub(text, start, here - start), score);
            start = SIZE_MAX;
        }
    }
    eng_language best = ENG_LANGUAGE_UNKNOWN;
    for (int l = ENG_LANGUAGE_PT; l < ENG_LANGUAGES; l++) {
        if (score[l] > score[best])
            best = (eng_language)l;
    }
    for (int l = ENG_LANGUAGE_PT; l < ENG_LANGUAGES; l++) {
        if (l != (int)best && score[l] == score[best])
            return ENG_LANGUAGE_UNKNOWN;
    }
    return best;
}
