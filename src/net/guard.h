/*
 * Whom a fetch may reach: public addresses, and what a list names (ENGENHO_FETCH_ALLOW). A name in the
 * list stands for whatever it resolves to; an address for every host that resolves to it.
 */
#ifndef ENG_NET_GUARD_H
#define ENG_NET_GUARD_H

#include "net/net.h"

#include <netinet/in.h>

typedef struct {
    eng_str host; /* a view into `text`; ptr NULL for an address */
    struct in6_addr address;
} eng_guard_entry;

typedef struct {
    char *text;
    eng_guard_entry *entries;
    size_t count;
} eng_guard;

/* list may be NULL: nothing is allowed. ENG_EUSAGE for what is neither a host nor an address. */
eng_status eng_guard_init(eng_guard *g, const char *list, eng_error *err) ENG_MUST_CHECK;
void eng_guard_clear(eng_guard *g);

/* The list names this host, which may be an address, bare or in brackets. */
bool eng_guard_allows_host(const eng_guard *g, eng_str host);
/* Public, or in the list. */
bool eng_guard_allows(const eng_guard *g, const struct sockaddr *address);

/* localhost, or an address that is not public, bare or in brackets. */
bool eng_host_is_near(eng_str host);

#endif
