/*
 * Which addresses are public. The tables are IANA's registries of special-purpose addresses; what is
 * not known to be public counts as private.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "net/guard.h"

#include <arpa/inet.h>

typedef struct {
    uint32_t network;
    unsigned bits;
} range4;

typedef struct {
    unsigned char network[6]; /* the first 48 bits decide everywhere below */
    unsigned bits;
} range6;

/* ---- Ranges ----------------------------------------------------------------------------------- */

static bool is_private4(uint32_t address)
{
    static const range4 ranges[] = {
        {0x00000000, 8},  /* 0.0.0.0/8: this network */
        {0x0A000000, 8},  /* 10.0.0.0/8 */
        {0x64400000, 10}, /* 100.64.0.0/10: shared by a provider's customers */
        {0x7F000000, 8},  /* 127.0.0.0/8: this machine */
        {0xA9FE0000, 16}, /* 169.254.0.0/16: this link, and clouds' metadata */
        {0xAC100000, 12}, /* 172.16.0.0/12 */
        {0xC0000000, 24}, /* 192.0.0.0/24: protocol assignments */
        {0xC0000200, 24}, /* 192.0.2.0/24: documentation */
        {0xC0586300, 24}, /* 192.88.99.0/24: relays of 6to4 */
        {0xC0A80000, 16}, /* 192.168.0.0/16 */
        {0xC6120000, 15}, /* 198.18.0.0/15: benchmarks */
        {0xC6336400, 24}, /* 198.51.100.0/24: documentation */
        {0xCB007100, 24}, /* 203.0.113.0/24: documentation */
        {0xE0000000, 3},  /* 224.0.0.0/4 multicast, 240.0.0.0/4 reserved and broadcast */
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if ((address ^ ranges[i].network) >> (32 - ranges[i].bits) == 0)
            return true;
    return false;
}

static bool in_range6(const unsigned char *address, const range6 *range)
{
    size_t whole = range->bits / 8;
    unsigned rest = range->bits % 8;
    if (memcmp(address, range->network, whole) != 0)
        return false;
    return rest == 0 || (address[whole] ^ range->network[whole]) >> (8 - rest) == 0;
}

static uint32_t tail4(const unsigned char *address)
{
    return (uint32_t)address[12] << 24 | (uint32_t)address[13] << 16 | (uint32_t)address[14] << 8 |
           address[15];
}

/* An IPv4 address in the clothes of an IPv6 one: mapped by the kernel, or translated by a NAT64. */
static bool holds4(const unsigned char *address)
{
    static const unsigned char mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    static const unsigned char nat64[12] = {0x00, 0x64, 0xFF, 0x9B};
    return memcmp(address, mapped, 12) == 0 || memcmp(address, nat64, 12) == 0;
}

static bool is_private6(const unsigned char *address)
{
    static const range6 global = {{0x20}, 3}; /* 2000::/3: all that is given out */
    static const range6 ranges[] = {
        {{0x20, 0x01}, 23},             /* 2001::/23: protocols, Teredo tunnels among them */
        {{0x20, 0x01, 0x0D, 0xB8}, 32}, /* 2001:db8::/32: documentation */
        {{0x20, 0x02}, 16},             /* 2002::/16: 6to4 tunnels to any IPv4 address */
        {{0x3F, 0xFF}, 20},             /* 3fff::/20: documentation */
    };
    if (holds4(address))
        return is_private4(tail4(address));
    if (!in_range6(address, &global))
        return true;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (in_range6(address, &ranges[i]))
            return true;
    return false;
}

bool eng_address_private(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return is_private4(
            ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
    if (address->sa_family == AF_INET6)
        return is_private6(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
    return true;
}

/* ---- Text ------------------------------------------------------------------------------------- */

static bool parse(int family, eng_str text, void *out)
{
    char copy[INET6_ADDRSTRLEN];
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return inet_pton(family, copy, out) == 1;
}

static void map4(const struct in_addr *address, struct in6_addr *out)
{
    *out = (struct in6_addr){0};
    out->s6_addr[10] = out->s6_addr[11] = 0xFF;
    memcpy(out->s6_addr + 12, &address->s_addr, 4);
}

static eng_str without_brackets(eng_str host)
{
    bool both = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    return both ? eng_str_sub(host, 1, host.len - 2) : host;
}

/* IPv4 becomes what the kernel maps it to, so that one comparison serves both. */
static bool read_address(eng_str text, struct in6_addr *out)
{
    struct in_addr v4;
    if (parse(AF_INET6, without_brackets(text), out))
        return true;
    if (!parse(AF_INET, text, &v4))
        return false;
    map4(&v4, out);
    return true;
}

static bool is_port(eng_str text)
{
    uint64_t port;
    return text.len <= 5 && eng_str_u64(text, &port) && port <= UINT16_MAX;
}

bool eng_host_is_local(eng_str host)
{
    eng_str name, port;
    unsigned char address[sizeof(struct in6_addr)];
    if (host.len && host.ptr[0] == '[') {
        if (!eng_str_cut(eng_str_sub(host, 1, host.len), ']', &name, &port) ||
            !parse(AF_INET6, name, address))
            return false;
        return port.len == 0 || (port.ptr[0] == ':' && is_port(eng_str_sub(port, 1, port.len)));
    }
    if (eng_str_cut(host, ':', &name, &port) && !is_port(port))
        return false;
    return eng_str_eq_nocase(name, ENG_STR("localhost")) || parse(AF_INET, name, address);
}

bool eng_host_is_near(eng_str host)
{
    struct in6_addr address;
    return eng_str_eq_nocase(host, ENG_STR("localhost")) ||
           (read_address(host, &address) && is_private6(address.s6_addr));
}

/* ---- What a list allows ----------------------------------------------------------------------- */

static bool is_name(eng_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '.' || c == '_' || (unsigned char)c >= 0x80;
        if (!fits)
            return false;
    }
    return text.len > 0;
}

eng_status eng_guard_init(eng_guard *g, const char *list, eng_error *err)
{
    eng_str rest = eng_str_of(list ? list : ""), item;
    size_t most = 1;
    for (size_t i = 0; i < rest.len; i++)
        most += rest.ptr[i] == ',';
    *g = (eng_guard){.text = eng_strdup(rest),
                     .entries = eng_alloc_array(most, sizeof *g->entries)};
    if (!g->text || !g->entries) {
        eng_guard_clear(g);
        return eng_fail_nomem(err);
    }
    rest.ptr = g->text;
    for (bool more = true; more;) {
        more = eng_str_cut(rest, ',', &item, &rest);
        item = eng_str_trim(item);
        eng_guard_entry *entry = &g->entries[g->count];
        *entry = (eng_guard_entry){.host = {NULL, 0}};
        if (item.len == 0)
            continue;
        if (!read_address(item, &entry->address)) {
            if (!is_name(item)) {
                eng_status status = eng_fail(err, ENG_EUSAGE,
                                             "'%.*s' is neither a host nor an address",
                                             ENG_FMT(eng_str_sub(item, 0, 200)));
                eng_guard_clear(g);
                return status;
            }
            entry->host = item;
        }
        g->count++;
    }
    return ENG_OK;
}

void eng_guard_clear(eng_guard *g)
{
    eng_free(g->text);
    eng_free(g->entries);
    *g = (eng_guard){.text = NULL};
}

static bool lists_address(const eng_guard *g, const struct in6_addr *address)
{
    for (size_t i = 0; i < g->count; i++)
        if (!g->entries[i].host.ptr &&
            memcmp(&g->entries[i].address, address, sizeof *address) == 0)
            return true;
    return false;
}

bool eng_guard_allows_host(const eng_guard *g, eng_str host)
{
    struct in6_addr address;
    if (read_address(host, &address))
        return lists_address(g, &address);
    for (size_t i = 0; i < g->count; i++)
        if (g->entries[i].host.ptr && eng_str_eq_nocase(g->entries[i].host, host))
            return true;
    return false;
}

bool eng_guard_allows(const eng_guard *g, const struct sockaddr *address)
{
    struct in6_addr mapped;
    if (!eng_address_private(address))
        return true;
    if (address->sa_family == AF_INET)
        map4(&((const struct sockaddr_in *)(const void *)address)->sin_addr, &mapped);
    else if (address->sa_family == AF_INET6)
        mapped = ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    else
        return false;
    return lists_address(g, &mapped);
}
