/*
 * Prompts: what a language model is sent. A template is text with {names}; a name that is none of ours
 * stays as it is. What is filled in is not looked at again, so that a passage with {question} in it is
 * just that.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "rag/rag.h"

#include <sodium.h>
#include <stdio.h>

enum { TEMPLATE_MAX = 64 << 10, FENCE_BYTES = 9, PROMPT_MAX = 32 << 20, HISTORY_SHARE = 4 };

typedef enum { PART_SYSTEM, PART_PASSAGE, PART_QUESTION, PART_REWRITE, PARTS } part;
static const char *const part_names[PARTS] = {"system", "passage", "question", "rewrite"};

struct eng_prompts {
    eng_arena arena;
    eng_str parts[ENG_LANGUAGES][PARTS];
};

extern const char eng_prompt_pt[], eng_prompt_pt_end[];
extern const char eng_prompt_en[], eng_prompt_en_end[];
extern const char eng_prompt_es[], eng_prompt_es_end[];

/* ---- Templates ------------------------------------------------------------------------------------- */

static bool begins_part(eng_str line, part *which)
{
    if (line.len < 3 || line.ptr[0] != '[' || line.ptr[line.len - 1] != ']')
        return false;
    for (size_t p = 0; p < PARTS; p++) {
        if (eng_str_eq(eng_str_sub(line, 1, line.len - 2), eng_str_of(part_names[p]))) {
            *which = (part)p;
            return true;
        }
    }
    return false;
}

/* Lines of a section, without comments and without the blank lines around it. */
static eng_status read_parts(eng_arena *arena, const char *name, eng_str text, eng_str out[PARTS],
                             eng_error *err)
{
    eng_buf parts[PARTS];
    eng_status status = ENG_OK;
    part now = PARTS;
    eng_str line;
    for (size_t p = 0; p < PARTS; p++)
        eng_buf_init(&parts[p], TEMPLATE_MAX);
    while (text.len) {
        if (!eng_str_cut(text, '\n', &line, &text))
            text.len = 0;
        if (begins_part(eng_str_trim(line), &now) || now == PARTS ||
            (line.len && line.ptr[0] == '#'))
            continue;
        eng_buf_str(&parts[now], line);
        eng_buf_byte(&parts[now], '\n');
    }
    for (size_t p = 0; p < PARTS; p++) {
        eng_str body = eng_str_trim(eng_buf_view(&parts[p]));
        if (status == ENG_OK)
            status = eng_buf_check(&parts[p], name, err);
        if (status == ENG_OK && !body.len)
            status = eng_fail(err, ENG_EUSAGE, "'%s' has no section [%s]", name, part_names[p]);
        if (status == ENG_OK) {
            out[p] = eng_arena_copy(arena, body);
            status = out[p].ptr ? ENG_OK : eng_fail_nomem(err);
        }
        eng_buf_clear(&parts[p]);
    }
    return status;
}

static eng_status read_file(eng_prompts *p, eng_language language, const char *dir, eng_error *err)
{
    char path[4096];
    eng_buf text;
    snprintf(path, sizeof path, "%s/%s.txt", dir, eng_language_code(language));
    eng_buf_init(&text, TEMPLATE_MAX);
    eng_status status = eng_file_read(path, TEMPLATE_MAX, &text, err);
    if (status == ENG_OK)
        status = read_parts(&p->arena, path, eng_buf_view(&text), p->parts[language], err);
    eng_buf_clear(&text);
    return status == ENG_ENOTFOUND ? ENG_OK : status;
}

static eng_status load(eng_prompts *p, const char *dir, eng_error *err)
{
    const struct {
        eng_language language;
        const char *from, *to;
    } built_in[] = {{ENG_LANGUAGE_PT, eng_prompt_pt, eng_prompt_pt_end},
                    {ENG_LANGUAGE_EN, eng_prompt_en, eng_prompt_en_end},
                    {ENG_LANGUAGE_ES, eng_prompt_es, eng_prompt_es_end}};
    eng_status status = ENG_OK;
    for (size_t i = 0; i < sizeof built_in / sizeof *built_in && status == ENG_OK; i++) {
        eng_language l = built_in[i].language;
        eng_str text = {built_in[i].from, (size_t)(built_in[i].to - built_in[i].from)};
        status = read_parts(&p->arena, eng_language_code(l), text, p->parts[l], err);
        if (status == ENG_OK && dir && *dir)
            status = read_file(p, l, dir, err);
    }
    memcpy(p->parts[ENG_LANGUAGE_UNKNOWN], p->parts[ENG_LANGUAGE_PT],
           sizeof p->parts[ENG_LANGUAGE_PT]);
    return status;
}

eng_status eng_prompts_load(const char *dir, eng_prompts **out, eng_error *err)
{
    eng_prompts *p = eng_zalloc(sizeof *p);
    if (!p)
        return eng_fail_nomem(err);
    eng_arena_init(&p->arena, 4096, NULL);
    eng_status status = load(p, dir, err);
    if (status < 0)
        eng_prompts_free(p);
    else
        *out = p;
    return status;
}

void eng_prompts_free(eng_prompts *p)
{
    if (!p)
        return;
    eng_arena_clear(&p->arena);
    eng_free(p);
}

/* ---- Filling in -------------------------------------------------------------------------------------- */

typedef struct {
    const char *name; /* NULL ends a list */
    eng_str text;
} blank;

static void fill_in(eng_buf *out, eng_str template, const blank *blanks)
{
    for (size_t at = 0; at < template.len;) {
        const blank *b = blanks;
        eng_str rest = eng_str_sub(template, at, template.len);
        size_t len = 0;
        for (; rest.ptr[0] == '{' && b->name; b++) {
            len = strlen(b->name);
            if (eng_str_starts(eng_str_sub(rest, 1, rest.len), eng_str_of(b->name)) &&
                len + 1 < rest.len && rest.ptr[len + 1] == '}')
                break;
        }
        if (rest.ptr[0] == '{' && b->name) {
            eng_buf_str(out, b->text);
            at += len + 2;
        } else {
            eng_buf_byte(out, rest.ptr[0]);
            at++;
        }
    }
}

static eng_status filled(eng_str template, const blank *blanks, eng_arena *arena, eng_str *out,
                         eng_error *err)
{
    eng_buf text;
    eng_buf_init(&text, PROMPT_MAX);
    fill_in(&text, template, blanks);
    eng_status status = eng_buf_check(&text, "prompt", err);
    if (status == ENG_OK) {
        *out = eng_arena_copy(arena, eng_buf_view(&text));
        status = out->ptr ? ENG_OK : eng_fail_nomem(err);
    }
    eng_buf_clear(&text);
    return status;
}

/* ---- Fences ------------------------------------------------------------------------------------------- */

static bool holds(const eng_prompt_request *what, eng_str fence)
{
    bool found = eng_str_find(what->question, fence) != SIZE_MAX;
    for (size_t i = 0; i < what->count && !found; i++)
        found = eng_str_find(what->passages[i].text, fence) != SIZE_MAX ||
                eng_str_find(what->passages[i].title, fence) != SIZE_MAX;
    for (size_t i = 0; i < what->turns && !found; i++)
        found = eng_str_find(what->history[i].text, fence) != SIZE_MAX;
    return found;
}

/* A keyed hash of all that will stand between fences: it changes with them, so that no document can hold
 * the fence that it will be put behind, even where its author has seen others. */
static eng_str fence_of(const eng_prompt_request *what, eng_arena *arena)
{
    for (unsigned char salt = 0;; salt++) {
        unsigned char hash[FENCE_BYTES + 16];
        char hex[2 * FENCE_BYTES + 1];
        crypto_generichash_state state;
        crypto_generichash_init(&state, what->key, what->key ? ENG_FENCE_KEY : 0, sizeof hash);
        crypto_generichash_update(&state, &salt, 1);
        crypto_generichash_update(&state, (const unsigned char *)what->question.ptr,
                                  what->question.len);
        for (size_t i = 0; i < what->count; i++)
            crypto_generichash_update(&state, (const unsigned char *)what->passages[i].text.ptr,
                                      what->passages[i].text.len);
        crypto_generichash_final(&state, hash, sizeof hash);
        sodium_bin2hex(hex, sizeof hex, hash, FENCE_BYTES);
        eng_str fence = eng_arena_format(arena, "=====%s=====", hex);
        if (!fence.ptr || !holds(what, fence))
            return fence;
    }
}

/* ---- Passages ----------------------------------------------------------------------------------------- */

/* One line, whatever a title holds. */
static eng_str one_line(eng_str text, eng_arena *arena)
{
    eng_str copy = eng_arena_copy(arena, text);
    for (size_t i = 0; copy.ptr && i < copy.len; i++)
        if ((unsigned char)copy.ptr[i] < ' ')
            ((char *)copy.ptr)[i] = ' ';
    return copy;
}

static eng_status put_passage(const eng_prompts *p, const eng_prompt_request *what, eng_str fence,
                              const eng_candidate *c, size_t number, eng_str text, eng_arena *arena,
                              eng_buf *out, eng_error *err)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%zu", number);
    eng_str title = one_line(c->title, arena);
    if (!title.ptr)
        return eng_fail_nomem(err);
    blank blanks[] = {{"fence", fence},
                      {"number", eng_str_of(digits)},
                      {"title", title},
                      {"text", text},
                      {NULL, {NULL, 0}}};
    fill_in(out, p->parts[what->language][PART_PASSAGE], blanks);
    eng_buf_str(out, ENG_STR("\n\n"));
    return ENG_OK;
}

/* Its first sentences, of at most so many tokens; empty where not even one is so short. */
static eng_str first_sentences(eng_str text, size_t tokens)
{
    size_t at = 0, end = 0;
    eng_str sentence;
    while (eng_sentence_next(text, &at, text.len, &sentence)) {
        size_t to = (size_t)(sentence.ptr - text.ptr) + sentence.len;
        if (eng_llm_estimate(eng_str_sub(text, 0, to)) > tokens)
            break;
        end = to;
    }
    return eng_str_sub(text, 0, end);
}

static eng_status put_passages(const eng_prompts *p, const eng_prompt_request *what, size_t room,
                               eng_arena *arena, eng_prompt_made *out, eng_buf *text,
                               eng_error *err)
{
    size_t number = 0;
    for (size_t i = 0; i < what->count; i++) {
        eng_str whole = what->passages[i].text;
        size_t tokens = eng_llm_estimate(whole) + eng_llm_estimate(what->passages[i].title) + 48;
        if (tokens > room && number)
            continue;
        if (tokens > room) {
            size_t rest = room > 64 ? room - 64 : 0;
            whole = first_sentences(whole, rest);
            out->cut[i] = whole.len;
            if (!whole.len)
                continue;
            tokens = room;
        }
        eng_status status = put_passage(p, what, out->fence, &what->passages[i], ++number, whole,
                                        arena, text, err);
        if (status < 0)
            return status;
        out->used[i] = true;
        room -= tokens;
    }
    return ENG_OK;
}

/* ---- The whole ---------------------------------------------------------------------------------------- */

/* The last turns that fit into their share. */
static size_t turns_that_fit(const eng_prompt_request *what, size_t room, size_t *used)
{
    size_t n = 0;
    *used = 0;
    while (n < what->turns) {
        size_t tokens = eng_llm_estimate(what->history[what->turns - 1 - n].text) + 8;
        if (*used + tokens > room)
            break;
        *used += tokens;
        n++;
    }
    return n;
}

static eng_status begin(const eng_prompt_request *what, eng_arena *arena, eng_prompt_made *out,
                        eng_error *err)
{
    *out = (eng_prompt_made){.fence = fence_of(what, arena)};
    out->messages = eng_arena_array(arena, what->turns + 2, sizeof *out->messages);
    out->used = eng_arena_zalloc(arena, (what->count + 1) * sizeof *out->used);
    out->cut = eng_arena_zalloc(arena, (what->count + 1) * sizeof *out->cut);
    return out->fence.ptr && out->messages && out->used && out->cut ? ENG_OK : eng_fail_nomem(err);
}

static eng_status put_system(const eng_prompts *p, const eng_prompt_request *what, eng_arena *arena,
                             eng_prompt_made *out, part which, eng_error *err)
{
    eng_str text;
    blank blanks[] = {
        {"fence", out->fence}, {"refusal", eng_refusal(what->language)}, {NULL, {NULL, 0}}};
    eng_status status = filled(p->parts[what->language][which], blanks, arena, &text, err);
    if (status == ENG_OK)
        out->messages[out->count++] = (eng_llm_message){ENG_LLM_SYSTEM, text};
    return status;
}

/* Instructions of a client's own become words of the conversation: there is one system message. */
static void put_turns(const eng_prompt_request *what, size_t n, eng_prompt_made *out)
{
    for (size_t i = what->turns - n; i < what->turns; i++) {
        eng_llm_message m = what->history[i];
        if (m.role == ENG_LLM_SYSTEM)
            m.role = ENG_LLM_USER;
        out->messages[out->count++] = m;
    }
    out->turns = n;
}

eng_status eng_prompt_make(const eng_prompts *p, const eng_prompt_request *what, eng_arena *arena,
                           eng_prompt_made *out, eng_error *err)
{
    eng_buf text;
    eng_str asked;
    size_t spent = 0, history = 0;
    blank blanks[] = {{"question", what->question}, {NULL, {NULL, 0}}};
    eng_status status = begin(what, arena, out, err);
    if (status == ENG_OK)
        status = put_system(p, what, arena, out, PART_SYSTEM, err);
    if (status == ENG_OK)
        status = filled(p->parts[what->language][PART_QUESTION], blanks, arena, &asked, err);
    if (status < 0)
        return status;
    spent = eng_llm_estimate(out->messages[0].text) + eng_llm_estimate(asked) + 16;
    size_t room = what->tokens > spent ? what->tokens - spent : 0;
    put_turns(what, turns_that_fit(what, room / HISTORY_SHARE, &history), out);
    eng_buf_init(&text, PROMPT_MAX);
    status = put_passages(p, what, room - history, arena, out, &text, err);
    eng_buf_str(&text, asked);
    if (status == ENG_OK)
        status = eng_buf_check(&text, "prompt", err);
    if (status == ENG_OK) {
        eng_str copy = eng_arena_copy(arena, eng_buf_view(&text));
        out->messages[out->count++] = (eng_llm_message){ENG_LLM_USER, copy};
        status = copy.ptr ? ENG_OK : eng_fail_nomem(err);
    }
    eng_buf_clear(&text);
    return status;
}

eng_status eng_prompt_rewrite(const eng_prompts *p, const eng_prompt_request *what,
                              eng_arena *arena, eng_prompt_made *out, eng_error *err)
{
    size_t history;
    eng_status status = begin(what, arena, out, err);
    if (status == ENG_OK)
        status = put_system(p, what, arena, out, PART_REWRITE, err);
    if (status < 0)
        return status;
    put_turns(what, turns_that_fit(what, what->tokens / 2, &history), out);
    out->messages[out->count++] = (eng_llm_message){ENG_LLM_USER, what->question};
    return ENG_OK;
}
