/* What can be pointed at in a unit: numbers with their units, dates, amounts of money, names. */
#include "rag/answer_internal.h"

#include <string.h>

static bool is(const unit *u, size_t i, unsigned classes)
{
    return i < u->word_count && (u->words[i].classes & classes);
}

/* What stands between two words that follow each other. */
static eng_str gap(const unit *u, size_t i)
{
    if (i + 1 >= u->word_count)
        return ENG_STR("\n");
    size_t from = u->words[i].end, to = u->words[i + 1].start;
    return to > from ? eng_str_sub(u->text, from, to - from) : ENG_STR("");
}

static bool is_blank(eng_str s)
{
    return s.len == 1 && (s.ptr[0] == ' ' || s.ptr[0] == '\n' || s.ptr[0] == '-');
}

static bool is_year(const unit *u, size_t i)
{
    const unit_word *w = &u->words[i];
    const char *p = u->text.ptr + w->start;
    return w->end - w->start == 4 && w->digit && (p[0] == '1' || p[0] == '2') && p[1] >= '0' &&
           p[1] <= '9' && p[2] >= '0' && p[2] <= '9' && p[3] >= '0' && p[3] <= '9';
}

static bool is_number(const unit *u, size_t i)
{
    return i < u->word_count && (u->words[i].digit || (u->words[i].classes & WORD_NUMBER));
}

static bool is_roman(const unit *u, size_t i)
{
    const unit_word *w = &u->words[i];
    for (size_t k = w->start; k < w->end; k++)
        if (!strchr("IVXLC", u->text.ptr[k]))
            return false;
    return w->end - w->start <= 6;
}

static bool is_day(const unit *u, size_t i)
{
    return i < u->word_count && u->words[i].digit && u->words[i].end - u->words[i].start <= 2;
}

static bool is_next_year(const unit *u, size_t i) { return i < u->word_count && is_year(u, i); }

/* From a month on: "março de 2020", "March 3, 2020"; the month alone where it can be no other word. */
static size_t month_at(const unit *u, size_t i, bool day_before)
{
    size_t k = i;
    if (!is(u, i, WORD_MONTH))
        return SIZE_MAX;
    if (!day_before && is_day(u, i + 1) && gap(u, i).len == 1)
        k++;
    if (is(u, k + 1, WORD_LINK) && is_next_year(u, k + 2))
        return k + 2;
    if (is_next_year(u, k + 1))
        return k + 1;
    /* "march" walks, and "may" may */
    bool doubtful = !u->words[i].cap && u->words[i].end - u->words[i].start < 5;
    return k == i && !day_before && doubtful ? SIZE_MAX : k;
}

static bool is_slashed(const unit *u, size_t i)
{
    return is_day(u, i) && i + 2 < u->word_count && u->words[i + 1].digit &&
           u->words[i + 2].digit && gap(u, i).len == 1 && gap(u, i + 1).len == 1 &&
           strchr("/-.", gap(u, i).ptr[0]);
}

/* "12 de março de 2020", "março de 2020", "March 3, 2020", "12/03/2020", "século XIX", "1887". */
static size_t date_at(const unit *u, size_t i)
{
    if (is(u, i, WORD_ERA) && i + 1 < u->word_count && is_blank(gap(u, i)) &&
        (is_roman(u, i + 1) || is_year(u, i + 1)))
        return i + 1;
    if (is_slashed(u, i))
        return i + 2;
    size_t last = SIZE_MAX;
    if (is_day(u, i))
        last = month_at(u, is(u, i + 1, WORD_LINK) ? i + 2 : i + 1, true);
    else
        last = month_at(u, i, false);
    if (last != SIZE_MAX)
        return last;
    bool weekday = is(u, i, WORD_WEEKDAY) && u->words[i].term < 0;
    return is_year(u, i) || weekday ? i : SIZE_MAX;
}

static bool is_money_before(const unit *u, size_t i)
{
    size_t at = u->words[i].start;
    eng_str before = eng_str_sub(u->text, 0, at);
    while (before.len && before.ptr[before.len - 1] == ' ')
        before.len--;
    return eng_str_ends(before, ENG_STR("$")) || eng_str_ends(before, ENG_STR("\xE2\x82\xAC")) ||
           eng_str_ends(before, ENG_STR("\xC2\xA3"));
}

static bool is_percent_behind(const unit *u, size_t i)
{
    eng_str behind = eng_str_sub(u->text, u->words[i].end, 2);
    return behind.len && (behind.ptr[0] == '%' || (behind.len > 1 && behind.ptr[1] == '%'));
}

/* "R$ 1.000,00", "9,9%", "dois milhões de dólares", "30 dias". */
static size_t number_at(const unit *u, size_t i, thing_kind *kind)
{
    if (!is_number(u, i))
        return SIZE_MAX;
    size_t last = i;
    *kind = is_money_before(u, i) || is_percent_behind(u, i) ? THING_AMOUNT : THING_NUMBER;
    while (last + 1 < u->word_count && ((is_number(u, last + 1) && is_blank(gap(u, last))) ||
                                        (is(u, last + 1, WORD_AND) && is_number(u, last + 2) &&
                                         (u->words[last].classes & WORD_NUMBER) &&
                                         is_blank(gap(u, last)) && is_blank(gap(u, last + 1)))))
        last += is_number(u, last + 1) ? 1 : 2;
    size_t unit_at = is(u, last + 1, WORD_LINK) ? last + 2 : last + 1;
    if (is(u, unit_at, WORD_MONEY)) {
        *kind = THING_AMOUNT;
        last = unit_at;
    }
    /* "um" alone is an article */
    const unit_word *w = &u->words[i];
    if (*kind == THING_NUMBER && last == i && !w->digit && (w->classes & WORD_DET))
        return SIZE_MAX;
    return last;
}

/* Words that begin with capitals, with "de", "of" and the like between them. */
static size_t name_at(const unit *u, size_t i)
{
    const unit_word *w = &u->words[i];
    if (!w->cap || w->digit || (w->stop && !w->caps))
        return SIZE_MAX;
    size_t last = i;
    for (size_t k = i; k + 1 < u->word_count && is_blank(gap(u, k));) {
        const unit_word *next = &u->words[k + 1];
        if (next->cap) {
            last = ++k;
        } else if ((next->classes & WORD_LINK) && k + 2 < u->word_count &&
                   is_blank(gap(u, k + 1)) && u->words[k + 2].cap && !(next->classes & WORD_AND)) {
            last = k += 2;
        } else if (next->classes & WORD_LINK && next->classes & WORD_PREP &&
                   k + 3 < u->word_count && (u->words[k + 2].classes & WORD_DET) &&
                   u->words[k + 3].cap) {
            last = k += 3;
        } else {
            break;
        }
    }
    /* One word at the head of a sentence is a name where the language has no such small word. */
    bool common_word = i == 0 && last == 0 && !w->caps && (w->classes || w->end - w->start < 3);
    return common_word ? SIZE_MAX : last;
}

static bool is_fresh(const unit *u, const thing *t)
{
    for (size_t k = t->first; k <= t->last; k++)
        if (u->words[k].term < 0 && !(u->words[k].classes & (WORD_LINK | WORD_DET | WORD_PREP)))
            return true;
    return false;
}

size_t eng_things_of(const unit *u, thing out[THINGS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < u->word_count && n < THINGS_MAX;) {
        thing t = {.kind = THING_DATE, .first = i, .last = date_at(u, i)};
        if (t.last == SIZE_MAX)
            t.last = number_at(u, i, &t.kind);
        if (t.last == SIZE_MAX) {
            t.kind = THING_NAME;
            t.last = name_at(u, i);
        }
        if (t.last == SIZE_MAX) {
            i++;
            continue;
        }
        if (is_fresh(u, &t))
            out[n++] = t;
        i = t.last + 1;
    }
    return n;
}
