/*
 * libxml2, held so that it can neither leak nor hang.
 *
 * Version 2.9, which Debian 12 has, loses memory where an allocation fails, goes on with half a tree
 * without saying so, and in its HTML parser can loop for ever. So every block that it takes during a
 * call of ours is on that call's list; the first allocation that fails leaves the library by a jump,
 * and what is on the list is freed. Nothing of ours may be held by a local variable alone across a
 * call into it (see eng_xml_run).
 */
#include "base/alloc.h"
#include "base/error.h"
#include "text/text_internal.h"

#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <setjmp.h>

typedef struct block block;
struct block {
    block *next, **link; /* link NULL: outside of any call, for the process's life */
    size_t size;
    size_t unused; /* keeps what follows aligned to 16 bytes */
};

typedef struct {
    block *blocks;
    jmp_buf out;
} call;

/* libxml2's allocator has no argument of ours: the thread has to say whose call it is in. */
static _Thread_local call *current;

static void chain(block *b)
{
    b->link = current ? &current->blocks : NULL;
    b->next = current ? current->blocks : NULL;
    if (b->next)
        b->next->link = &b->next;
    if (b->link)
        *b->link = b;
}

static void unchain(block *b)
{
    if (b->link)
        *b->link = b->next;
    if (b->next)
        b->next->link = b->link;
}

static void *xml_alloc(size_t size)
{
    block *b = size < SIZE_MAX - sizeof *b ? eng_alloc(sizeof *b + size) : NULL;
    if (!b && current)
        longjmp(current->out, 1);
    if (!b)
        return NULL;
    b->size = size;
    chain(b);
    return b + 1;
}

static void xml_free(void *p)
{
    if (!p)
        return;
    block *b = (block *)p - 1;
    unchain(b);
    eng_free(b);
}

static void *xml_realloc(void *old, size_t size)
{
    void *p = xml_alloc(size);
    if (p && old) {
        size_t had = ((block *)old - 1)->size;
        memcpy(p, old, had < size ? had : size);
        xml_free(old);
    }
    return p;
}

static char *xml_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *p = xml_alloc(size);
    if (p)
        memcpy(p, text, size);
    return p;
}

static void quiet(void *ctx, const char *message, ...) ENG_PRINTF(2, 3);
static void quiet(void *ctx, const char *message, ...)
{
    (void)ctx;
    (void)message;
}

eng_status eng_text_init(eng_error *err)
{
    if (xmlMemSetup(xml_free, xml_alloc, xml_realloc, xml_strdup) != 0)
        return eng_fail(err, ENG_EINTERNAL, "cannot set libxml2 up");
    xmlInitParser();
    xmlSetGenericErrorFunc(NULL, quiet);
    xmlThrDefSetGenericErrorFunc(NULL, quiet);
    return ENG_OK;
}

void eng_text_quit(void) { xmlCleanupParser(); }

eng_status eng_xml_run(eng_status (*fn)(void *ctx, eng_error *err), void *ctx, eng_error *err)
{
    call c = {.blocks = NULL};
    current = &c;
    eng_status status = setjmp(c.out) ? eng_fail_nomem(err) : fn(ctx, err);
    /* The thread's last error holds text of this call. */
    xmlResetLastError();
    while (c.blocks)
        xml_free(c.blocks + 1);
    current = NULL;
    return status;
}
