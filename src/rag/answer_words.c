/*
 * Classes of small words of Portuguese, English and Spanish together, without accents, in the order of
 * their bytes: what numbers, dates, amounts, causes and the seams of a sentence are known by.
 */
#include "rag/answer_internal.h"

#include <string.h>

typedef struct {
    const char *word;
    unsigned classes;
} classed_word;

/* clang-format off */
static const classed_word words[] = {
    {"a", WORD_DET | WORD_PLACE | WORD_PREP}, {"abril", WORD_MONTH}, {"acesse", WORD_MEANS},
    {"after", WORD_PREP}, {"agosto", WORD_MONTH}, {"al", WORD_PREP}, {"although", WORD_CLAUSE},
    {"amanha", WORD_WEEKDAY}, {"an", WORD_DET}, {"and", WORD_AND}, {"ano", WORD_ERA | WORD_SPAN},
    {"anos", WORD_ERA | WORD_SPAN}, {"ao", WORD_MEANS | WORD_PLACE | WORD_PREP},
    {"aos", WORD_PREP}, {"apos", WORD_PREP}, {"april", WORD_MONTH}, {"are", WORD_COPULA},
    {"as", WORD_DET | WORD_PREP}, {"at", WORD_PLACE | WORD_PREP}, {"ate", WORD_PLACE | WORD_PREP},
    {"atraves", WORD_MEANS}, {"august", WORD_MONTH}, {"aunque", WORD_CLAUSE},
    {"ayer", WORD_WEEKDAY}, {"basta", WORD_MEANS}, {"be", WORD_COPULA},
    {"because", WORD_CAUSE | WORD_CLAUSE}, {"been", WORD_COPULA}, {"before", WORD_PREP},
    {"between", WORD_PREP}, {"bilhao", WORD_NUMBER}, {"bilhoes", WORD_NUMBER},
    {"bilioes", WORD_NUMBER}, {"billion", WORD_NUMBER}, {"billions", WORD_NUMBER},
    {"brl", WORD_MONEY}, {"but", WORD_CLAUSE}, {"by", WORD_MEANS | WORD_PREP},
    {"called", WORD_COPULA}, {"can", WORD_MEANS}, {"catorce", WORD_NUMBER},
    {"catorze", WORD_NUMBER}, {"causa", WORD_CAUSE}, {"cem", WORD_NUMBER},
    {"centavos", WORD_MONEY}, {"centena", WORD_NUMBER}, {"centenas", WORD_NUMBER},
    {"cento", WORD_NUMBER}, {"cents", WORD_MONEY}, {"centuries", WORD_SPAN},
    {"century", WORD_ERA | WORD_SPAN}, {"cerca", WORD_PLACE}, {"chama", WORD_COPULA},
    {"chamada", WORD_COPULA}, {"chamado", WORD_COPULA}, {"cien", WORD_NUMBER},
    {"ciento", WORD_NUMBER}, {"cinco", WORD_NUMBER}, {"cincuenta", WORD_NUMBER},
    {"cinquenta", WORD_NUMBER}, {"click", WORD_MEANS}, {"clique", WORD_MEANS}, {"com", WORD_PREP},
    {"como", WORD_PREP}, {"con", WORD_PREP}, {"conhecida", WORD_COPULA},
    {"conhecido", WORD_COPULA}, {"consiste", WORD_COPULA}, {"consistem", WORD_COPULA},
    {"consists", WORD_COPULA}, {"cuando", WORD_CLAUSE}, {"cuarenta", WORD_NUMBER},
    {"cuatro", WORD_NUMBER}, {"cuatrocientos", WORD_NUMBER}, {"cuja", WORD_CLAUSE},
    {"cujo", WORD_CLAUSE}, {"d", WORD_LINK}, {"da", WORD_LINK | WORD_PREP},
    {"das", WORD_LINK | WORD_PREP}, {"day", WORD_SPAN}, {"days", WORD_SPAN},
    {"de", WORD_LINK | WORD_PREP}, {"debe", WORD_MEANS}, {"deben", WORD_MEANS},
    {"debido", WORD_CAUSE}, {"decada", WORD_ERA | WORD_SPAN}, {"decadas", WORD_SPAN},
    {"decade", WORD_ERA | WORD_SPAN}, {"decades", WORD_SPAN}, {"december", WORD_MONTH},
    {"define", WORD_COPULA}, {"definida", WORD_COPULA}, {"definido", WORD_COPULA},
    {"del", WORD_LINK | WORD_PREP}, {"denominada", WORD_COPULA}, {"denominado", WORD_COPULA},
    {"depois", WORD_MEANS}, {"desde", WORD_PREP}, {"deve", WORD_MEANS}, {"devem", WORD_MEANS},
    {"devido", WORD_CAUSE}, {"dez", WORD_NUMBER}, {"dezanove", WORD_NUMBER},
    {"dezasseis", WORD_NUMBER}, {"dezassete", WORD_NUMBER}, {"dezembro", WORD_MONTH},
    {"dezena", WORD_NUMBER}, {"dezenas", WORD_NUMBER}, {"dezenove", WORD_NUMBER},
    {"dezesseis", WORD_NUMBER}, {"dezessete", WORD_NUMBER}, {"dezoito", WORD_NUMBER},
    {"di", WORD_LINK}, {"dia", WORD_SPAN}, {"dias", WORD_SPAN}, {"diciembre", WORD_MONTH},
    {"diecinueve", WORD_NUMBER}, {"dieciocho", WORD_NUMBER}, {"dieciseis", WORD_NUMBER},
    {"diecisiete", WORD_NUMBER}, {"diez", WORD_NUMBER}, {"do", WORD_LINK | WORD_PREP},
    {"dobro", WORD_NUMBER}, {"doce", WORD_NUMBER}, {"docena", WORD_NUMBER}, {"dois", WORD_NUMBER},
    {"dolar", WORD_MONEY}, {"dolares", WORD_MONEY}, {"dollar", WORD_MONEY},
    {"dollars", WORD_MONEY}, {"domingo", WORD_WEEKDAY}, {"donde", WORD_CLAUSE},
    {"dos", WORD_LINK | WORD_NUMBER | WORD_PREP}, {"doscientos", WORD_NUMBER},
    {"doze", WORD_NUMBER}, {"dozen", WORD_NUMBER}, {"du", WORD_LINK}, {"duas", WORD_NUMBER},
    {"due", WORD_CAUSE}, {"during", WORD_PREP}, {"duzentas", WORD_NUMBER},
    {"duzentos", WORD_NUMBER}, {"duzia", WORD_NUMBER}, {"e", WORD_AND | WORD_COPULA | WORD_LINK},
    {"eight", WORD_NUMBER}, {"eighteen", WORD_NUMBER}, {"eighty", WORD_NUMBER}, {"el", WORD_DET},
    {"eleven", WORD_NUMBER}, {"em", WORD_PLACE | WORD_PREP}, {"embora", WORD_CLAUSE},
    {"en", WORD_PLACE | WORD_PREP}, {"enero", WORD_MONTH}, {"enquanto", WORD_CLAUSE},
    {"entre", WORD_PREP}, {"era", WORD_COPULA}, {"eram", WORD_COPULA}, {"eran", WORD_COPULA},
    {"es", WORD_COPULA}, {"essa", WORD_DET}, {"esse", WORD_DET}, {"esta", WORD_DET},
    {"este", WORD_DET}, {"eur", WORD_MONEY}, {"euro", WORD_MONEY}, {"euros", WORD_MONEY},
    {"evitar", WORD_CAUSE}, {"febrero", WORD_MONTH}, {"february", WORD_MONTH},
    {"fevereiro", WORD_MONTH}, {"fifteen", WORD_NUMBER}, {"fifty", WORD_NUMBER},
    {"fins", WORD_ERA}, {"five", WORD_NUMBER}, {"foi", WORD_COPULA},
    {"for", WORD_CAUSE | WORD_PREP}, {"foram", WORD_COPULA}, {"forty", WORD_NUMBER},
    {"four", WORD_NUMBER}, {"fourteen", WORD_NUMBER}, {"friday", WORD_WEEKDAY},
    {"from", WORD_PLACE | WORD_PREP}, {"fue", WORD_COPULA}, {"fueron", WORD_COPULA},
    {"garantir", WORD_CAUSE}, {"gracas", WORD_CAUSE}, {"graças", WORD_CAUSE}, {"haga", WORD_MEANS},
    {"half", WORD_NUMBER}, {"hasta", WORD_PREP}, {"her", WORD_DET}, {"his", WORD_DET},
    {"hoje", WORD_WEEKDAY}, {"hora", WORD_SPAN}, {"horas", WORD_SPAN}, {"hour", WORD_SPAN},
    {"hours", WORD_SPAN}, {"hoy", WORD_WEEKDAY}, {"hundred", WORD_NUMBER},
    {"hundreds", WORD_NUMBER}, {"if", WORD_CLAUSE}, {"in", WORD_PLACE | WORD_PREP},
    {"inicio", WORD_ERA}, {"into", WORD_PREP}, {"is", WORD_COPULA}, {"its", WORD_DET},
    {"janeiro", WORD_MONTH}, {"january", WORD_MONTH}, {"jueves", WORD_WEEKDAY},
    {"julho", WORD_MONTH}, {"julio", WORD_MONTH}, {"july", WORD_MONTH}, {"june", WORD_MONTH},
    {"junho", WORD_MONTH}, {"junio", WORD_MONTH}, {"junto", WORD_PLACE}, {"known", WORD_COPULA},
    {"la", WORD_DET | WORD_LINK}, {"las", WORD_DET | WORD_LINK}, {"le", WORD_LINK},
    {"levou", WORD_CAUSE}, {"libra", WORD_MONEY}, {"libras", WORD_MONEY}, {"lo", WORD_DET},
    {"localizada", WORD_PLACE}, {"localizado", WORD_PLACE}, {"located", WORD_PLACE},
    {"los", WORD_DET | WORD_LINK}, {"lunes", WORD_WEEKDAY}, {"maio", WORD_MONTH},
    {"manana", WORD_WEEKDAY}, {"march", WORD_MONTH}, {"marco", WORD_MONTH},
    {"martes", WORD_WEEKDAY}, {"marzo", WORD_MONTH}, {"mas", WORD_CLAUSE}, {"mayo", WORD_MONTH},
    {"meados", WORD_ERA}, {"means", WORD_COPULA}, {"mediante", WORD_MEANS}, {"medio", WORD_MEANS},
    {"meio", WORD_MEANS}, {"mes", WORD_SPAN}, {"meses", WORD_SPAN}, {"metade", WORD_NUMBER},
    {"miercoles", WORD_WEEKDAY}, {"mil", WORD_NUMBER}, {"milhao", WORD_NUMBER},
    {"milhares", WORD_NUMBER}, {"milhoes", WORD_NUMBER}, {"million", WORD_NUMBER},
    {"millions", WORD_NUMBER}, {"millon", WORD_NUMBER}, {"millones", WORD_NUMBER},
    {"minute", WORD_SPAN}, {"minutes", WORD_SPAN}, {"minuto", WORD_SPAN}, {"minutos", WORD_SPAN},
    {"mitad", WORD_NUMBER}, {"monday", WORD_WEEKDAY}, {"month", WORD_SPAN}, {"months", WORD_SPAN},
    {"motivo", WORD_CAUSE}, {"must", WORD_MEANS}, {"na", WORD_PLACE | WORD_PREP},
    {"nao", WORD_NOT}, {"nas", WORD_PLACE | WORD_PREP}, {"near", WORD_PLACE}, {"need", WORD_MEANS},
    {"nem", WORD_NOT}, {"never", WORD_NOT}, {"nine", WORD_NUMBER}, {"nineteen", WORD_NUMBER},
    {"ninety", WORD_NUMBER}, {"no", WORD_NOT | WORD_PLACE | WORD_PREP},
    {"nos", WORD_PLACE | WORD_PREP}, {"not", WORD_NOT}, {"nove", WORD_NUMBER},
    {"novecentos", WORD_NUMBER}, {"novecientos", WORD_NUMBER}, {"november", WORD_MONTH},
    {"novembro", WORD_MONTH}, {"noventa", WORD_NUMBER}, {"noviembre", WORD_MONTH},
    {"nueve", WORD_NUMBER}, {"nunca", WORD_NOT}, {"o", WORD_AND | WORD_DET},
    {"ochenta", WORD_NUMBER}, {"ocho", WORD_NUMBER}, {"ochocientos", WORD_NUMBER},
    {"october", WORD_MONTH}, {"octubre", WORD_MONTH}, {"of", WORD_LINK | WORD_PREP},
    {"oitenta", WORD_NUMBER}, {"oito", WORD_NUMBER}, {"oitocentos", WORD_NUMBER},
    {"on", WORD_PREP}, {"once", WORD_NUMBER}, {"onde", WORD_CLAUSE}, {"one", WORD_NUMBER},
    {"ontem", WORD_WEEKDAY}, {"onze", WORD_NUMBER}, {"or", WORD_AND}, {"os", WORD_DET},
    {"ou", WORD_AND}, {"outubro", WORD_MONTH}, {"over", WORD_PREP}, {"owing", WORD_CAUSE},
    {"para", WORD_CAUSE | WORD_PREP}, {"passo", WORD_MEANS}, {"passos", WORD_MEANS},
    {"pela", WORD_PREP}, {"pelas", WORD_PREP}, {"pelo", WORD_PREP}, {"pelos", WORD_PREP},
    {"permite", WORD_CAUSE}, {"permitem", WORD_CAUSE}, {"pero", WORD_CLAUSE},
    {"perto", WORD_PLACE}, {"peso", WORD_MONEY}, {"pesos", WORD_MONEY}, {"pode", WORD_MEANS},
    {"podem", WORD_MEANS}, {"pois", WORD_CAUSE | WORD_CLAUSE}, {"por", WORD_MEANS | WORD_PREP},
    {"porquanto", WORD_CAUSE}, {"porque", WORD_CAUSE | WORD_CLAUSE}, {"portanto", WORD_CAUSE},
    {"pound", WORD_MONEY}, {"pounds", WORD_MONEY}, {"precisa", WORD_MEANS},
    {"primeiro", WORD_MEANS}, {"puede", WORD_MEANS}, {"pueden", WORD_MEANS}, {"pues", WORD_CAUSE},
    {"puesto", WORD_CAUSE}, {"quais", WORD_CLAUSE}, {"qual", WORD_CLAUSE}, {"quando", WORD_CLAUSE},
    {"quarenta", WORD_NUMBER}, {"quarta", WORD_WEEKDAY}, {"quarter", WORD_NUMBER},
    {"quatorze", WORD_NUMBER}, {"quatro", WORD_NUMBER}, {"quatrocentas", WORD_NUMBER},
    {"quatrocentos", WORD_NUMBER}, {"que", WORD_CLAUSE}, {"quien", WORD_CLAUSE},
    {"quince", WORD_NUMBER}, {"quinhentas", WORD_NUMBER}, {"quinhentos", WORD_NUMBER},
    {"quinientos", WORD_NUMBER}, {"quinta", WORD_WEEKDAY}, {"quinze", WORD_NUMBER},
    {"razao", WORD_CAUSE}, {"razon", WORD_CAUSE}, {"reais", WORD_MONEY}, {"real", WORD_MONEY},
    {"reason", WORD_CAUSE}, {"refere-se", WORD_COPULA}, {"refers", WORD_COPULA},
    {"resultado", WORD_CAUSE}, {"sabado", WORD_WEEKDAY}, {"sao", WORD_COPULA},
    {"saturday", WORD_WEEKDAY}, {"se", WORD_CLAUSE}, {"seconds", WORD_SPAN},
    {"seculo", WORD_ERA | WORD_SPAN}, {"seculos", WORD_SPAN}, {"sediada", WORD_PLACE},
    {"sediado", WORD_PLACE}, {"segunda", WORD_WEEKDAY}, {"segunda-feira", WORD_WEEKDAY},
    {"segundos", WORD_SPAN}, {"seis", WORD_NUMBER}, {"seiscentos", WORD_NUMBER},
    {"seiscientos", WORD_NUMBER}, {"selecione", WORD_MEANS}, {"select", WORD_MEANS},
    {"sem", WORD_NOT | WORD_PREP}, {"semana", WORD_SPAN}, {"semanas", WORD_SPAN},
    {"september", WORD_MONTH}, {"septiembre", WORD_MONTH}, {"sera", WORD_COPULA},
    {"serao", WORD_COPULA}, {"seria", WORD_COPULA}, {"sesenta", WORD_NUMBER},
    {"sessenta", WORD_NUMBER}, {"sete", WORD_NUMBER}, {"setecentos", WORD_NUMBER},
    {"setecientos", WORD_NUMBER}, {"setembro", WORD_MONTH}, {"setenta", WORD_NUMBER},
    {"seu", WORD_DET}, {"seus", WORD_DET}, {"seven", WORD_NUMBER}, {"seventeen", WORD_NUMBER},
    {"seventy", WORD_NUMBER}, {"sexta", WORD_WEEKDAY}, {"should", WORD_MEANS},
    {"siete", WORD_NUMBER}, {"siglo", WORD_ERA | WORD_SPAN}, {"siglos", WORD_SPAN},
    {"significa", WORD_COPULA}, {"sin", WORD_NOT}, {"since", WORD_CAUSE}, {"situada", WORD_PLACE},
    {"situado", WORD_PLACE}, {"six", WORD_NUMBER}, {"sixteen", WORD_NUMBER},
    {"sixty", WORD_NUMBER}, {"sob", WORD_PREP}, {"sobre", WORD_PREP}, {"son", WORD_COPULA},
    {"step", WORD_MEANS}, {"steps", WORD_MEANS}, {"sua", WORD_DET}, {"suas", WORD_DET},
    {"sunday", WORD_WEEKDAY}, {"ten", WORD_NUMBER}, {"terca", WORD_WEEKDAY},
    {"terco", WORD_NUMBER}, {"thanks", WORD_CAUSE}, {"that", WORD_CLAUSE | WORD_DET},
    {"the", WORD_DET | WORD_LINK}, {"their", WORD_DET}, {"therefore", WORD_CAUSE},
    {"these", WORD_DET}, {"third", WORD_NUMBER}, {"thirteen", WORD_NUMBER},
    {"thirty", WORD_NUMBER}, {"this", WORD_DET}, {"those", WORD_DET}, {"thousand", WORD_NUMBER},
    {"thousands", WORD_NUMBER}, {"three", WORD_NUMBER}, {"through", WORD_MEANS | WORD_PREP},
    {"thursday", WORD_WEEKDAY}, {"to", WORD_CAUSE | WORD_PREP}, {"today", WORD_WEEKDAY},
    {"tomorrow", WORD_WEEKDAY}, {"tras", WORD_PREP}, {"trece", WORD_NUMBER},
    {"treinta", WORD_NUMBER}, {"tres", WORD_NUMBER}, {"trescientos", WORD_NUMBER},
    {"treze", WORD_NUMBER}, {"trezentas", WORD_NUMBER}, {"trezentos", WORD_NUMBER},
    {"trilhao", WORD_NUMBER}, {"trilhoes", WORD_NUMBER}, {"trillion", WORD_NUMBER},
    {"trinta", WORD_NUMBER}, {"triplo", WORD_NUMBER}, {"tuesday", WORD_WEEKDAY},
    {"twelve", WORD_NUMBER}, {"twenty", WORD_NUMBER}, {"twice", WORD_NUMBER}, {"two", WORD_NUMBER},
    {"u", WORD_AND}, {"um", WORD_DET | WORD_NUMBER}, {"uma", WORD_DET | WORD_NUMBER},
    {"umas", WORD_DET}, {"un", WORD_DET}, {"unas", WORD_DET}, {"under", WORD_PREP},
    {"uno", WORD_NUMBER}, {"unos", WORD_DET}, {"uns", WORD_DET}, {"usando", WORD_MEANS},
    {"usd", WORD_MONEY}, {"using", WORD_MEANS}, {"utiliza", WORD_MEANS},
    {"utiliza-se", WORD_MEANS}, {"utilizam", WORD_MEANS}, {"utilizando", WORD_MEANS},
    {"van", WORD_LINK}, {"veinte", WORD_NUMBER}, {"via", WORD_MEANS}, {"viernes", WORD_WEEKDAY},
    {"vinte", WORD_NUMBER}, {"visto", WORD_CAUSE}, {"von", WORD_LINK}, {"was", WORD_COPULA},
    {"wednesday", WORD_WEEKDAY}, {"week", WORD_SPAN}, {"weeks", WORD_SPAN}, {"were", WORD_COPULA},
    {"when", WORD_CLAUSE | WORD_MEANS}, {"where", WORD_CLAUSE}, {"which", WORD_CLAUSE},
    {"while", WORD_CLAUSE}, {"who", WORD_CLAUSE}, {"with", WORD_PREP}, {"y", WORD_AND | WORD_LINK},
    {"ya", WORD_CAUSE}, {"year", WORD_ERA | WORD_SPAN}, {"years", WORD_SPAN},
    {"yesterday", WORD_WEEKDAY},
};
/* clang-format on */

/* U+00E0 to U+00FF without their accents. */
static const char letters[33] = "aaaaaa\0ceeeeiiii\0nooooo\0\0uuuuy\0y";

size_t eng_fold_word(eng_str raw, char out[FOLDED_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        unsigned char c = (unsigned char)raw.ptr[i];
        if (c == 0xC3 && i + 1 < raw.len)
            c = (unsigned char)letters[(unsigned char)raw.ptr[++i] & 31];
        else if (c >= 'A' && c <= 'Z')
            c |= 0x20;
        else if (c >= 0x80)
            return 0;
        if (!c || n + 1 == FOLDED_MAX)
            return 0;
        out[n++] = (char)c;
    }
    out[n] = 0;
    return n;
}

unsigned eng_word_class(eng_str folded)
{
    size_t low = 0, high = sizeof words / sizeof *words;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = eng_str_cmp(folded, eng_str_of(words[middle].word));
        if (order == 0)
            return words[middle].classes;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return 0;
}
