#include "base/clock.h"

#include <time.h>

enum { MS_A_DAY = 86400000 };

uint64_t eng_clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int64_t eng_clock_wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/*
 * Days since 1970 and the Gregorian date. Years are taken to begin in March, so that the leap day
 * is the last of its year, and are counted in eras of 400, after which the calendar repeats.
 */
enum { DAYS_AN_ERA = 146097, DAYS_TO_1970 = 719468 };

static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    return era * DAYS_AN_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_1970;
}

static void date_of(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += DAYS_TO_1970;
    int64_t era = (days >= 0 ? days : days - (DAYS_AN_ERA - 1)) / DAYS_AN_ERA;
    int64_t of_era = days - era * DAYS_AN_ERA;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned from_march = (unsigned)((5 * of_year + 2) / 153);
    *day = (unsigned)(of_year - (153 * from_march + 2) / 5 + 1);
    *month = from_march < 10 ? from_march + 3 : from_march - 9;
    *year = year_of_era + era * 400 + (*month <= 2);
}

/* Writes `value` as exactly `digits` digits. */
static char *put(char *out, unsigned value, unsigned digits)
{
    for (unsigned i = digits; i-- > 0; value /= 10)
        out[i] = (char)('0' + value % 10);
    return out + digits;
}

void eng_time_format(int64_t wall_ms, char out[ENG_TIME_SIZE])
{
    /* From the first instant of year 0 to the last of year 9999. */
    const int64_t first = -62167219200000, last = 253402300799999;
    wall_ms = wall_ms < first ? first : wall_ms > last ? last : wall_ms;

    int64_t days = wall_ms / MS_A_DAY - (wall_ms % MS_A_DAY < 0);
    unsigned ms = (unsigned)(wall_ms - days * MS_A_DAY);
    int64_t year;
    unsigned month, day;
    date_of(days, &year, &month, &day);

    char *p = put(out, (unsigned)year, 4);
    *p++ = '-';
    p = put(p, month, 2);
    *p++ = '-';
    p = put(p, day, 2);
    *p++ = 'T';
    p = put(p, ms / 3600000, 2);
    *p++ = ':';
    p = put(p, ms / 60000 % 60, 2);
    *p++ = ':';
    p = put(p, ms / 1000 % 60, 2);
    *p++ = '.';
    p = put(p, ms % 1000, 3);
    *p++ = 'Z';
    *p = '\0';
}

/* ---- Reading ---- */

static bool take_char(eng_str *s, char c)
{
    if (s->len == 0 || s->ptr[0] != c)
        return false;
    s->ptr++;
    s->len--;
    return true;
}

static bool take_digit(eng_str *s, unsigned *digit)
{
    if (s->len == 0 || s->ptr[0] < '0' || s->ptr[0] > '9')
        return false;
    *digit = (unsigned)(s->ptr[0] - '0');
    s->ptr++;
    s->len--;
    return true;
}

static bool take_number(eng_str *s, unsigned digits, unsigned most, unsigned *out)
{
    unsigned value = 0, digit;
    for (unsigned i = 0; i < digits; i++) {
        if (!take_digit(s, &digit))
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return value <= most;
}

static unsigned days_in(unsigned year, unsigned month)
{
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (month == 2)
        return leap ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static bool take_date(eng_str *s, int64_t *days)
{
    unsigned year, month, day;
    if (!take_number(s, 4, 9999, &year) || !take_char(s, '-') || !take_number(s, 2, 12, &month) ||
        !take_char(s, '-') || !take_number(s, 2, 31, &day))
        return false;
    if (month < 1 || day < 1 || day > days_in(year, month))
        return false;
    *days = days_of(year, month, day);
    return true;
}

/* ".250" and any more digits, which are read but not kept; nothing at all is 0. */
static bool take_fraction(eng_str *s, unsigned *ms)
{
    *ms = 0;
    if (!take_char(s, '.'))
        return true;
    unsigned digit, weight = 100;
    if (!take_digit(s, &digit))
        return false;
    do {
        *ms += digit * weight;
        weight /= 10;
    } while (take_digit(s, &digit));
    return true;
}

static bool take_offset(eng_str *s, int *minutes)
{
    *minutes = 0;
    if (take_char(s, 'Z') || take_char(s, 'z'))
        return true;
    int sign = take_char(s, '+') ? 1 : take_char(s, '-') ? -1 : 0;
    unsigned hour, minute;
    if (!sign || !take_number(s, 2, 23, &hour) || !take_char(s, ':') ||
        !take_number(s, 2, 59, &minute))
        return false;
    *minutes = sign * (int)(hour * 60 + minute);
    return true;
}

bool eng_time_parse(eng_str text, int64_t *wall_ms)
{
    int64_t days;
    unsigned hour, minute, second, ms;
    int offset;
    if (!take_date(&text, &days) || !(take_char(&text, 'T') || take_char(&text, 't')) ||
        !take_number(&text, 2, 23, &hour) || !take_char(&text, ':') ||
        !take_number(&text, 2, 59, &minute) || !take_char(&text, ':') ||
        !take_number(&text, 2, 60, &second) || !take_fraction(&text, &ms) ||
        !take_offset(&text, &offset) || text.len)
        return false;

    int64_t seconds = days * 86400 + ((int)(hour * 60 + minute) - offset) * 60 + (int)second;
    /* A leap second comes before midnight in UTC, and is taken as the second that follows it. */
    if (second == 60 && seconds % 86400 != 0)
        return false;
    *wall_ms = seconds * 1000 + ms;
    return true;
}
