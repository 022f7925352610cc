/* Documents made ready: their identity, their language, their passages. See rag.h. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/utf8.h"
#include "rag/rag.h"

#include <sodium.h>
#include <stdio.h>
#include <utf8proc.h>

_Static_assert(ENG_DRAFT_HASH == crypto_generichash_BYTES, "a hash is libsodium's own size");

enum { ID_BYTES = 16, SLUG_CHARS = 40, SENTENCES_MAX = 64, SENTENCE_LEAST = 12 };

/* ---- Identity ---- */

/* Each part with its length before it, so that no two documents come to the same bytes. */
static void add_part(crypto_generichash_state *state, eng_str part)
{
    unsigned char len[8];
    for (size_t i = 0; i < sizeof len; i++)
        len[i] = (unsigned char)((uint64_t)part.len >> (8 * i));
    crypto_generichash_update(state, len, sizeof len);
    crypto_generichash_update(state, (const unsigned char *)part.ptr, part.len);
}

static void hash_of(const eng_draft *d, unsigned char out[ENG_DRAFT_HASH])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, ENG_DRAFT_HASH);
    const eng_str parts[] = {d->title, d->url, d->metadata, d->text};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        add_part(&state, parts[i]);
    crypto_generichash_final(&state, out, ENG_DRAFT_HASH);
}

static eng_status id_of(const unsigned char hash[ENG_DRAFT_HASH], eng_arena *arena, eng_str *out,
                        eng_error *err)
{
    char hex[2 * ID_BYTES + 1];
    sodium_bin2hex(hex, sizeof hex, hash, ID_BYTES);
    *out = eng_arena_copy(arena, eng_str_of(hex));
    return out->ptr ? ENG_OK : eng_fail_nomem(err);
}

static eng_str or_empty(eng_str s) { return s.ptr ? s : ENG_STR(""); }

eng_status eng_draft_begin(const eng_draft_source *source, eng_arena *arena, eng_draft *out,
                           eng_error *err)
{
    eng_draft d = {.title = or_empty(source->title),
                   .url = or_empty(source->url),
                   .metadata = or_empty(source->metadata),
                   .text = source->text,
                   .id = source->id,
                   .language = eng_language_of(or_empty(source->language))};
    if (!eng_str_trim(d.text).len)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("text"), "expected more than blanks");
    if (d.language == ENG_LANGUAGE_UNKNOWN)
        d.language = eng_language_guess(d.text);
    hash_of(&d, d.hash);
    eng_status status = d.id.ptr ? ENG_OK : id_of(d.hash, arena, &d.id, err);
    if (status == ENG_OK)
        *out = d;
    return status;
}

/* ---- Passages ---- */

eng_status eng_draft_cut(eng_draft *d, const eng_draft_source *source, const eng_cut_options *cut,
                         eng_arena *arena, eng_error *err)
{
    const eng_block *blocks = source->blocks;
    size_t count = source->block_count;
    eng_status status = ENG_OK;
    if (!blocks)
        status = eng_blocks_of(d->text, true, arena, &blocks, &count, err);
    if (status == ENG_OK)
        status = eng_passages_of(d->text, blocks, count, cut, arena, &d->passages,
                                 &d->passage_count, err);
    d->tokens = 0;
    for (size_t i = 0; status == ENG_OK && i < d->passage_count; i++)
        d->tokens += d->passages[i].units;
    return status;
}

eng_status eng_draft_embedded(const eng_draft *d, size_t passage, const eng_rag_encoder *encoder,
                              eng_arena *arena, eng_str *out, eng_error *err)
{
    const eng_passage *p = &d->passages[passage];
    eng_str text = eng_str_sub(d->text, p->start, p->end - p->start);
    eng_str title = d->title, heading = p->heading;
    /* The passage itself goes first where not all of it fits. */
    size_t room = encoder->max_tokens > 2 ? encoder->max_tokens - 2 : 0;
    size_t used = encoder->count(encoder->ctx, text);
    size_t spare = used < room ? room - used : 0;
    if (heading.len && encoder->count(encoder->ctx, heading) + 1 > spare)
        heading = ENG_STR("");
    if (title.len && (heading.len ? encoder->count(encoder->ctx, heading) + 1 : 0) +
                             encoder->count(encoder->ctx, title) + 1 >
                         spare)
        title = ENG_STR("");
    if (!title.len && !heading.len) {
        *out = text;
        return ENG_OK;
    }
    *out = eng_arena_format(arena, "%.*s%s%.*s%s%.*s", ENG_FMT(title),
                            title.len && heading.len ? ": " : "", ENG_FMT(heading), "\n",
                            ENG_FMT(text));
    return out->ptr ? ENG_OK : eng_fail_nomem(err);
}

/* ---- What gets a vector ---- */

typedef struct {
    eng_arena *arena;
    eng_draft_unit *items;
    size_t count, cap;
} units;

static eng_status add_unit(units *u, eng_draft_unit unit, eng_error *err)
{
    if (u->count == u->cap) {
        size_t cap = u->cap ? u->cap * 2 : 32;
        eng_draft_unit *items = eng_arena_array(u->arena, cap, sizeof *items);
        if (!items)
            return eng_fail_nomem(err);
        if (u->count)
            memcpy(items, u->items, u->count * sizeof *items);
        u->items = items;
        u->cap = cap;
    }
    u->items[u->count++] = unit;
    return ENG_OK;
}

/* Sentences of a passage that has more than one; what is too short to say anything, and what would be
 * beyond any passage of prose (a list of numbers), is left to the passage's own vector. */
static eng_status add_sentences(units *u, const eng_draft *d, size_t passage, eng_error *err)
{
    const eng_passage *p = &d->passages[passage];
    size_t first = u->count, at = p->start;
    eng_str sentence;
    eng_status status = ENG_OK;
    while (status == ENG_OK && u->count - first < SENTENCES_MAX &&
           eng_sentence_next(d->text, &at, p->end, &sentence)) {
        size_t start = (size_t)(sentence.ptr - d->text.ptr);
        eng_draft_unit unit = {.passage = passage,
                               .sentence = true,
                               .start = start,
                               .end = start + sentence.len,
                               .text = sentence};
        if (sentence.len >= SENTENCE_LEAST)
            status = add_unit(u, unit, err);
    }
    if (u->count == first + 1) /* one alone is the passage */
        u->count = first;
    return status;
}

eng_status eng_draft_units(const eng_draft *d, const eng_rag_encoder *encoder, eng_arena *arena,
                           eng_draft_unit **out, size_t *count, eng_error *err)
{
    units u = {.arena = arena};
    eng_status status = ENG_OK;
    for (size_t i = 0; status == ENG_OK && i < d->passage_count; i++) {
        eng_draft_unit whole = {
            .passage = i, .start = d->passages[i].start, .end = d->passages[i].end};
        status = eng_draft_embedded(d, i, encoder, arena, &whole.text, err);
        if (status == ENG_OK)
            status = add_unit(&u, whole, err);
        if (status == ENG_OK)
            status = add_sentences(&u, d, i, err);
    }
    *out = u.items;
    *count = u.count;
    return status;
}

/* ---- Slugs ---- */

static bool is_word(uint32_t c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/* The letter that stands under the accents of a character, in lower case; 0 for what has none. */
static uint32_t plain(uint32_t c)
{
    utf8proc_int32_t parts[4];
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, parts, 4,
                                                 UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, NULL);
    if (n < 1)
        return 0;
    uint32_t first = (uint32_t)parts[0];
    return first >= 'A' && first <= 'Z' ? first + 32 : first;
}

void eng_slug(eng_str title, char out[ENG_SLUG_SIZE])
{
    unsigned char hash[crypto_generichash_BYTES_MIN];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)title.ptr, title.len, NULL, 0);
    size_t n = 0;
    bool gap = false;
    for (size_t at = 0; at < title.len && n < SLUG_CHARS;) {
        uint32_t c = plain(eng_utf8_next(title, &at));
        if (!is_word(c)) {
            gap = n > 0;
            continue;
        }
        if (gap)
            out[n++] = '-';
        out[n++] = (char)c;
        gap = false;
    }
    snprintf(out + n, ENG_SLUG_SIZE - n, "%s%02x%02x%02x%02x", n ? "-" : "c-", hash[0], hash[1],
             hash[2], hash[3]);
}
