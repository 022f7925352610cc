#ifndef ENG_NET_HEX_H
#define ENG_NET_HEX_H

/* The value of a hexadecimal digit, or -1. */
static inline int eng_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that "%XX" stands for, with *left bytes from its '%' on, or -1. */
static inline int eng_hex_escape(const char *at, unsigned long left)
{
    int high = left > 2 ? eng_hex_digit(at[1]) : -1;
    int low = left > 2 ? eng_hex_digit(at[2]) : -1;
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

#endif
