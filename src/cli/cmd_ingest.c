/* engenho ingest: files, folders and pages into a collection, once or for as long as they change. */
#include "base/error.h"
#include "base/file.h"
#include "base/map.h"
#include "base/random.h"
#include "cli/commands.h"
#include "net/net.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BATCH_FILES = 64, BATCH_BYTES = 16 << 20, FILE_MAX = 1 << 30, DEPTH_MAX = 64 };

/* Of --watch: how long nothing may happen before it is looked at again, and how often it may be put off. */
enum { QUIET_MS = 300, PUT_OFF = 20 };

typedef struct {
    eng_str path; /* where it is; a page's address */
    eng_str id;   /* what the document goes by: the path as it was given, or below the folder */
    bool page;
    struct stat st;
} item;

typedef struct {
    eng_cli *cli;
    eng_cli_session *session;
    eng_str route;
    item *items;
    size_t count, cap;
    uint64_t states[4]; /* indexed, unchanged, replaced, failed */
    eng_buf said;       /* what failed, and why; with --json every document */
    bool any;
    int watch;     /* inotify's; -1: nobody watches */
    eng_map there; /* --sync: ids that are there, of files and of their rows, */
    eng_map sent;  /* and of files that were read now: their other rows are gone */
    uint64_t removed;
} ingestion;

/* ---- What is to be taken in ---- */

static eng_status add_item(ingestion *in, eng_str path, eng_str id, const struct stat *st,
                           eng_error *err)
{
    if (in->count == in->cap) {
        size_t cap = in->cap ? in->cap * 2 : 64;
        item *items = eng_arena_array(&in->cli->arena, cap, sizeof *items);
        if (!items)
            return eng_fail_nomem(err);
        if (in->count)
            memcpy(items, in->items, in->count * sizeof *items);
        in->items = items;
        in->cap = cap;
    }
    in->items[in->count] = (item){.path = path, .id = id, .page = !st};
    if (st)
        in->items[in->count].st = *st;
    in->count++;
    return ENG_OK;
}

/* Of a folder, what some reader reads; a file that is named is sent whatever it is called. */
static bool is_wanted(const eng_cli *cli, const char *name, const char *relative)
{
    static const char *const endings[] = {"txt", "text",  "md",    "markdown", "html",
                                          "htm", "xhtml", "pdf",   "docx",     "pptx",
                                          "csv", "tsv",   "jsonl", "ndjson"};
    const char *include = eng_cli_option_value(cli, "--include");
    const char *exclude = eng_cli_option_value(cli, "--exclude");
    if (exclude && (fnmatch(exclude, name, 0) == 0 || fnmatch(exclude, relative, 0) == 0))
        return false;
    if (include)
        return fnmatch(include, name, 0) == 0 || fnmatch(include, relative, 0) == 0;
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++) {
        if (eng_str_eq_nocase(eng_str_of(dot + 1), eng_str_of(endings[i])))
            return true;
    }
    return false;
}

static eng_status walk(ingestion *in, const char *dir, const char *below, unsigned depth,
                       eng_error *err);

static eng_status add_entry(ingestion *in, const char *dir, const char *below, const char *name,
                            unsigned depth, eng_error *err)
{
    struct stat st;
    eng_str path = eng_arena_format(&in->cli->arena, "%s/%s", dir, name);
    eng_str relative = eng_arena_format(&in->cli->arena, "%s%s%s", below, *below ? "/" : "", name);
    if (!path.ptr || !relative.ptr)
        return eng_fail_nomem(err);
    if (lstat(path.ptr, &st) < 0)
        return errno == ENOENT ? ENG_OK : eng_fail_errno(err, errno, "cannot open '%s'", path.ptr);
    if (S_ISDIR(st.st_mode))
        return walk(in, path.ptr, relative.ptr, depth + 1, err);
    if (S_ISREG(st.st_mode) && is_wanted(in->cli, name, relative.ptr))
        return add_item(in, path, relative, &st, err);
    return ENG_OK;
}

static eng_status watch_folder(const ingestion *in, const char *dir, eng_error *err)
{
    const uint32_t what = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                          IN_DELETE_SELF | IN_ATTRIB | IN_ONLYDIR;
    if (in->watch < 0 || inotify_add_watch(in->watch, dir, what) >= 0 || errno == ENOENT)
        return ENG_OK;
    return eng_fail_errno(err, errno, "cannot watch '%s'", dir);
}

/* In the order of their names, so that two runs do the same; hidden ones are left out. */
static eng_status walk(ingestion *in, const char *dir, const char *below, unsigned depth,
                       eng_error *err)
{
    struct dirent **names = NULL;
    if (depth > DEPTH_MAX)
        return eng_fail(err, ENG_EINVALID, "'%s' is nested too deeply", dir);
    eng_status status = watch_folder(in, dir,
                                     err); /* before it is read: nothing is missed between */
    if (status < 0)
        return status;
    int count = scandir(dir, &names, NULL, alphasort);
    if (count < 0 && errno == ENOENT && depth)
        return ENG_OK; /* it went meanwhile */
    if (count < 0)
        return eng_fail_errno(err, errno, "cannot open '%s'", dir);
    for (int i = 0; i < count; i++) {
        if (status == ENG_OK && names[i]->d_name[0] != '.')
            status = add_entry(in, dir, below, names[i]->d_name, depth, err);
        (free)(names[i]); /* scandir's own, from malloc */
    }
    (free)(names);
    return status;
}

static eng_status gather(ingestion *in, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t i = 0; status == ENG_OK && i < in->cli->arg_count; i++) {
        const char *word = in->cli->args[i];
        eng_str name = eng_str_of(word);
        struct stat st;
        if (eng_str_starts(name, ENG_STR("http://")) || eng_str_starts(name, ENG_STR("https://")))
            status = add_item(in, name, name, NULL, err);
        else if (stat(word, &st) < 0)
            status = eng_fail_errno(err, errno, "cannot open '%s'", word);
        else if (S_ISDIR(st.st_mode))
            status = walk(in, word, "", 0, err);
        else
            status = add_item(in, name, name, &st, err);
    }
    if (status == ENG_OK && !in->count && in->watch < 0)
        status = eng_fail(err, ENG_EUSAGE, "nothing to take in: no file that a reader reads");
    return status;
}

/* ---- Sending ---- */

/* The file that a row's id belongs to, or the id itself. */
static eng_str file_of(eng_str id)
{
    for (size_t i = id.len; i-- > 0;) {
        if (id.ptr[i] == '#')
            return eng_str_sub(id, 0, i);
    }
    return id;
}

/* That this is there, and not to be removed. Views live as long as the command's arena. */
static eng_status keep(ingestion *in, eng_map *ids, eng_str id, eng_error *err)
{
    if (!eng_cli_option_value(in->cli, "--sync") || !id.len || eng_map_get(ids, id))
        return ENG_OK;
    return eng_map_put(ids, id, in, NULL, err);
}

static void note(ingestion *in, const eng_json *document)
{
    static const char *const names[] = {"indexed", "unchanged", "replaced", "failed"};
    eng_str status = eng_json_text(eng_json_get(document, ENG_STR("status")));
    for (size_t i = 0; i < 4; i++)
        in->states[i] += eng_str_eq(status, eng_str_of(names[i]));
    eng_str id = eng_json_text(eng_json_get(document, ENG_STR("id")));
    if (eng_str_eq(status, ENG_STR("failed")))
        eng_map_remove(&in->sent, file_of(id)); /* nobody knows which rows it has */
    (void)!keep(in, &in->there, id, NULL);
    if (in->cli->json) {
        eng_json_writer w = eng_json_write_to(&in->said);
        eng_buf_str(&in->said, in->any ? ENG_STR(",") : ENG_STR(""));
        eng_json_copy(&w, document);
        in->any = true;
    } else if (eng_str_eq(status, ENG_STR("failed"))) {
        eng_buf_format(&in->said, "%.*s: %.*s\n",
                       ENG_FMT(eng_json_text(eng_json_get(document, ENG_STR("id")))),
                       ENG_FMT(eng_json_text(eng_json_get(document, ENG_STR("error")))));
    }
}

static eng_status send(ingestion *in, const char *type, eng_str body, eng_error *err)
{
    const eng_json *reply = NULL;
    eng_status status = eng_cli_send(in->session, "POST", in->route.ptr, type, body, &reply, err);
    const eng_json *documents = eng_json_get(reply, ENG_STR("documents"));
    for (size_t i = 0; status == ENG_OK && i < eng_json_count(documents); i++)
        note(in, eng_json_at(documents, i));
    return status;
}

static eng_status send_page(ingestion *in, const item *page, eng_error *err)
{
    eng_buf body;
    eng_buf_init(&body, 1 << 20);
    eng_json_writer w = eng_json_write_to(&body);
    eng_json_open(&w, '{');
    eng_json_name(&w, ENG_STR("documents"));
    eng_json_open(&w, '[');
    eng_json_open(&w, '{');
    eng_json_member(&w, "id", page->id);
    eng_json_member(&w, "url", page->path);
    eng_json_close(&w, '}');
    eng_json_close(&w, ']');
    eng_json_close(&w, '}');
    eng_status status = eng_buf_check(&body, "request", err);
    if (status == ENG_OK)
        status = send(in, "application/json", eng_buf_view(&body), err);
    eng_buf_clear(&body);
    return status;
}

/* A name within quotes of a part's head. */
static void put_quoted(eng_buf *out, eng_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            eng_buf_byte(out, '\\');
        if ((unsigned char)text.ptr[i] >= ' ')
            eng_buf_byte(out, text.ptr[i]);
    }
}

/* A file and its id: the i-th id of a form is the i-th file's. */
static eng_status put_file(const item *file, const char *boundary, eng_buf *body, eng_error *err)
{
    eng_mapping map;
    eng_status status = eng_mapping_open(file->path.ptr, &map, err);
    if (status < 0)
        return status;
    eng_buf_format(body, "--%s\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n%.*s\r\n",
                   boundary, ENG_FMT(file->id));
    eng_buf_format(body, "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"",
                   boundary);
    const char *slash = strrchr(file->path.ptr, '/');
    put_quoted(body, eng_str_of(slash ? slash + 1 : file->path.ptr));
    eng_buf_str(body, ENG_STR("\"\r\nContent-Type: application/octet-stream\r\n\r\n"));
    eng_buf_bytes(body, map.data, map.len);
    eng_mapping_close(&map);
    eng_buf_str(body, ENG_STR("\r\n"));
    return eng_buf_check(body, "request", err);
}

/* As many files as go into one request, from `at` on; *sent counts them. */
static eng_status send_files(ingestion *in, size_t at, size_t *sent, eng_error *err)
{
    char boundary[33], type[80];
    eng_random_id(boundary, sizeof boundary - 1);
    snprintf(type, sizeof type, "multipart/form-data; boundary=%s", boundary);
    eng_buf body;
    eng_buf_init(&body, FILE_MAX);
    eng_status status = ENG_OK;
    *sent = 0;
    while (status == ENG_OK && at + *sent < in->count && *sent < BATCH_FILES &&
           !in->items[at + *sent].page && body.len < BATCH_BYTES) {
        status = put_file(&in->items[at + *sent], boundary, &body, err);
        if (status == ENG_ENOTFOUND && in->watch >= 0)
            status = ENG_OK; /* it went meanwhile, which the next look sees */
        ++*sent;
    }
    eng_buf_format(&body, "--%s--\r\n", boundary);
    if (status == ENG_OK)
        status = eng_buf_check(&body, "request", err);
    if (status == ENG_OK)
        status = send(in, type, eng_buf_view(&body), err);
    eng_buf_clear(&body);
    return status;
}

static eng_status send_all(ingestion *in, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t at = 0, n; status == ENG_OK && at < in->count; at += n) {
        eng_cli_progress(in->cli, "ingest", at, in->count, -1);
        n = 1;
        if (in->items[at].page)
            status = send_page(in, &in->items[at], err);
        else
            status = send_files(in, at, &n, err);
    }
    eng_cli_progress_end(in->cli);
    return status;
}

/* ---- What is gone ---- */

/* Only what looks like a file that this command would have taken from a folder: what others have put into
 * the collection under ids of their own stays. */
static bool is_gone(const ingestion *in, eng_str id)
{
    eng_str file = file_of(id);
    char name[1024];
    if (eng_map_get(&in->there, id) || file.len >= sizeof name || !file.len)
        return false;
    if (eng_map_get(&in->there, file) && !eng_map_get(&in->sent, file))
        return false;
    memcpy(name, file.ptr, file.len);
    name[file.len] = '\0';
    const char *slash = strrchr(name, '/');
    return is_wanted(in->cli, slash ? slash + 1 : name, name);
}

typedef struct {
    eng_str *ids;
    size_t count, cap;
} gone_list;

static eng_status add_gone(ingestion *in, gone_list *g, eng_str id, eng_error *err)
{
    if (g->count == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 64;
        eng_str *ids = eng_arena_array(&in->cli->arena, cap, sizeof *ids);
        if (!ids)
            return eng_fail_nomem(err);
        if (g->count)
            memcpy(ids, g->ids, g->count * sizeof *ids);
        g->ids = ids;
        g->cap = cap;
    }
    g->ids[g->count++] = id;
    return ENG_OK;
}

/* Of all documents of the collection, page by page. */
static eng_status find_gone(ingestion *in, gone_list *out, eng_error *err)
{
    eng_str next = {NULL, 0};
    eng_status status = ENG_OK;
    do {
        const eng_json *reply = NULL;
        eng_str path = eng_arena_format(&in->cli->arena, "%s?limit=1000%s%.*s", in->route.ptr,
                                        next.len ? "&next=" : "", ENG_FMT(next));
        status = path.ptr
                     ? eng_cli_call(in->session, "GET", path.ptr, (eng_str){"", 0}, &reply, err)
                     : eng_fail_nomem(err);
        const eng_json *documents = eng_json_get(reply, ENG_STR("documents"));
        for (size_t i = 0; status == ENG_OK && i < eng_json_count(documents); i++) {
            eng_str id = eng_json_text(eng_json_get(eng_json_at(documents, i), ENG_STR("id")));
            if (is_gone(in, id))
                status = add_gone(in, out, id, err);
        }
        next = eng_json_text(eng_json_get(reply, ENG_STR("next")));
    } while (status == ENG_OK && next.len);
    return status;
}

static eng_status remove_document(ingestion *in, eng_str id, eng_error *err)
{
    eng_buf path;
    eng_buf_init(&path, 1 << 16);
    eng_buf_format(&path, "%s/", in->route.ptr);
    eng_url_encode(&path, id);
    eng_status status = eng_buf_check(&path, "path", err);
    if (status == ENG_OK)
        status = eng_cli_call(in->session, "DELETE", path.data, (eng_str){"", 0}, NULL, err);
    eng_buf_clear(&path);
    return status == ENG_ENOTFOUND ? ENG_OK : status; /* somebody else was quicker */
}

static void say_gone(ingestion *in, eng_str id, const char *state)
{
    if (in->cli->json) {
        eng_json_writer w = eng_json_write_to(&in->said);
        eng_buf_str(&in->said, in->any ? ENG_STR(",") : ENG_STR(""));
        eng_json_open(&w, '{');
        eng_json_member(&w, "id", id);
        eng_json_member(&w, "status", eng_str_of(state));
        eng_json_close(&w, '}');
        in->any = true;
    } else {
        eng_buf_format(&in->said, "%s %.*s\n", state, ENG_FMT(id));
    }
}

/* `dry`: only said. */
static eng_status remove_gone(ingestion *in, bool dry, eng_error *err)
{
    gone_list gone = {.count = 0};
    eng_status status = find_gone(in, &gone, err);
    if (status == ENG_ENOTFOUND) /* nothing was ever put into it */
        return ENG_OK;
    for (size_t i = 0; status == ENG_OK && i < gone.count; i++) {
        if (!dry)
            status = remove_document(in, gone.ids[i], err);
        if (status == ENG_OK)
            say_gone(in, gone.ids[i], dry ? "would remove" : "removed");
        in->removed += status == ENG_OK;
    }
    return status;
}

/* ---- The command ---- */

static bool asked(const ingestion *in, const char *option)
{
    return eng_cli_option_value(in->cli, option) != NULL;
}

static void put_sums(const ingestion *in, eng_buf *out)
{
    bool dry = asked(in, "--dry-run");
    if (dry)
        eng_buf_format(out, "%zu files would be taken in", in->count);
    else
        eng_buf_format(out, "%llu indexed, %llu unchanged, %llu replaced, %llu failed",
                       (unsigned long long)in->states[0], (unsigned long long)in->states[1],
                       (unsigned long long)in->states[2], (unsigned long long)in->states[3]);
    if (asked(in, "--sync"))
        eng_buf_format(out, ", %llu %s", (unsigned long long)in->removed,
                       dry ? "documents removed" : "removed");
    eng_buf_byte(out, '\n');
}

static eng_status report(ingestion *in, eng_error *err)
{
    eng_buf out;
    eng_buf_init(&out, SIZE_MAX);
    if (in->cli->json) {
        eng_buf_format(&out, "{\"documents\":[%.*s]}\n", ENG_FMT(eng_buf_view(&in->said)));
    } else {
        eng_buf_str(&out, eng_buf_view(&in->said));
        put_sums(in, &out);
    }
    eng_status status = eng_cli_flush(&out, err);
    if (status == ENG_OK && in->states[3])
        status = eng_fail(err, ENG_EINVALID, "%llu could not be taken in",
                          (unsigned long long)in->states[3]);
    return status;
}

/* What was gathered, and with --sync what is gone. */
static eng_status take_in(ingestion *in, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t i = 0; status == ENG_OK && i < in->count; i++)
        status = keep(in, &in->there, in->items[i].id, err);
    for (size_t i = 0; status == ENG_OK && i < in->count && !asked(in, "--dry-run"); i++)
        status = keep(in, &in->sent, in->items[i].id, err);
    if (status == ENG_OK && !asked(in, "--dry-run"))
        status = send_all(in, err);
    if (status == ENG_OK && asked(in, "--sync"))
        status = remove_gone(in, asked(in, "--dry-run"), err);
    return status;
}

static eng_status check_options(const ingestion *in, eng_error *err)
{
    struct stat st;
    if (!asked(in, "--sync") && !asked(in, "--watch")) {
        return asked(in, "--dry-run") ? eng_fail(err, ENG_EUSAGE, "--dry-run is for --sync")
                                      : ENG_OK;
    }
    if (asked(in, "--dry-run") && (asked(in, "--watch") || !asked(in, "--sync")))
        return eng_fail(err, ENG_EUSAGE, "--dry-run is for --sync, and not for --watch");
    for (size_t i = 0; i < in->cli->arg_count; i++) {
        if (stat(in->cli->args[i], &st) < 0)
            return eng_fail_errno(err, errno, "cannot open '%s'", in->cli->args[i]);
        if (!S_ISDIR(st.st_mode))
            return eng_fail(err, ENG_EUSAGE, "'%s' is no folder: --sync and --watch are of folders",
                            in->cli->args[i]);
    }
    return ENG_OK;
}

static eng_status once(ingestion *in, eng_error *err)
{
    eng_status status = gather(in, err);
    if (status == ENG_OK)
        status = eng_cli_collection_path(in->cli, "/documents", &in->route, err);
    if (status == ENG_OK)
        status = eng_cli_session_open(in->cli, &in->session, err);
    if (status == ENG_OK)
        status = take_in(in, err);
    return status == ENG_OK ? report(in, err) : status;
}

/* ---- Watching ---- */

/* What a look at the folders found, kept until the next has been compared with it. */
typedef struct {
    eng_cli cli; /* the command's, with an arena of its own */
    eng_map by_id;
    size_t count;
} look;

static void look_free(look *l)
{
    eng_map_clear(&l->by_id);
    eng_arena_clear(&l->cli.arena);
}

static bool same_file(const item *a, const item *b)
{
    return a->st.st_ino == b->st.st_ino && a->st.st_size == b->st.st_size &&
           a->st.st_mtim.tv_sec == b->st.st_mtim.tv_sec &&
           a->st.st_mtim.tv_nsec == b->st.st_mtim.tv_nsec;
}

/* Takes in what is not as it was, and remembers how it is now. *changed: something was to be done. */
static eng_status compare(ingestion *in, const look *before, look *now, bool *changed,
                          eng_error *err)
{
    eng_status status = ENG_OK;
    size_t n = 0, same = 0, count = in->count;
    for (size_t i = 0; status == ENG_OK && i < count; i++)
        status = keep(in, &in->there, in->items[i].id, err);
    item *items = eng_arena_array(&in->cli->arena, count + 1, sizeof *items);
    if (!items)
        return eng_fail_nomem(err);
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        const item *was = before ? eng_map_get(&before->by_id, in->items[i].id) : NULL;
        same += was != NULL;
        if (!was || !same_file(was, &in->items[i]))
            status = keep(in, &in->sent, (items[n++] = in->items[i]).id, err);
        if (status == ENG_OK && !eng_map_get(&now->by_id, in->items[i].id))
            status = eng_map_put(&now->by_id, in->items[i].id, &in->items[i], NULL, err);
    }
    now->count = count;
    *changed = n > 0 || !before || same < before->count;
    in->items = items;
    in->count = n;
    return status;
}

static void forget(ingestion *in)
{
    eng_map_clear(&in->there);
    eng_map_clear(&in->sent);
    eng_map_init(&in->there);
    eng_map_init(&in->sent);
}

/* A look at everything. A file that cannot be read now is said and comes again when it changes. */
static eng_status look_again(ingestion *in, const look *before, look *now, eng_error *err)
{
    bool changed = false;
    in->items = NULL;
    in->count = in->cap = 0;
    in->removed = 0;
    in->any = false;
    memset(in->states, 0, sizeof in->states);
    eng_buf_reset(&in->said);
    forget(in);
    eng_status status = gather(in, err);
    if (status == ENG_OK)
        status = compare(in, before, now, &changed, err);
    if (status == ENG_OK && changed)
        status = send_all(in, err);
    if (status == ENG_OK && changed && asked(in, "--sync"))
        status = remove_gone(in, false, err);
    bool any = in->states[0] + in->states[2] + in->states[3] + in->removed > 0;
    if (status == ENG_OK && (any || !before)) {
        status = report(in, err);
        if (in->states[3])
            status = ENG_OK; /* it was said */
    }
    return status;
}

/* Until something happened and then nothing for a moment, so that a file that is written, renamed and
 * written again is looked at once. *end: a signal came. */
static eng_status wait_for_change(int watch, int signals, bool *end, eng_error *err)
{
    char events[4096] __attribute__((aligned(8)));
    int timeout = -1;
    for (int again = 0; again < PUT_OFF; again++) {
        struct pollfd fds[2] = {{.fd = watch, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
        int n = poll(fds, 2, timeout);
        if (n < 0 && errno != EINTR)
            return eng_fail_errno(err, errno, "cannot wait");
        *end = n > 0 && fds[1].revents;
        if (*end)
            (void)!read(signals, events, sizeof events); /* or it would still come, later */
        if (*end || n == 0)
            return ENG_OK;
        if (n > 0)
            (void)!read(watch, events, sizeof events); /* what it was is seen by looking */
        timeout = QUIET_MS;
    }
    return ENG_OK;
}

static eng_status watch_looks(eng_cli *cli, ingestion *in, int signals, eng_error *err)
{
    look looks[2];
    const look *before = NULL;
    bool end = false;
    eng_status status = ENG_OK;
    memset(looks, 0, sizeof looks);
    for (size_t n = 0; status == ENG_OK && !end; n++) {
        look *now = &looks[n % 2];
        look_free(now);
        now->cli = *cli;
        eng_arena_init(&now->cli.arena, 1 << 14, NULL);
        eng_map_init(&now->by_id);
        in->cli = &now->cli;
        eng_cli_session_reply_to(in->session, &now->cli);
        status = look_again(in, before, now, err);
        before = now;
        if (status == ENG_OK)
            status = wait_for_change(in->watch, signals, &end, err);
    }
    in->cli = cli;
    eng_cli_session_reply_to(in->session, cli);
    look_free(&looks[0]);
    look_free(&looks[1]);
    return status;
}

/* Threads of a session take over which signals are waited for: so this comes before it is opened. */
static eng_status watch(eng_cli *cli, ingestion *in, eng_error *err)
{
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    in->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    eng_status status = signals < 0 || in->watch < 0
                            ? eng_fail_errno(err, errno, "cannot watch")
                            : eng_cli_collection_path(cli, "/documents", &in->route, err);
    if (status == ENG_OK)
        status = eng_cli_session_open(cli, &in->session, err);
    if (status == ENG_OK)
        status = watch_looks(cli, in, signals, err);
    if (in->watch >= 0)
        close(in->watch);
    if (signals >= 0)
        close(signals);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return status;
}

static eng_status run(eng_cli *cli, eng_error *err)
{
    ingestion in = {.cli = cli, .watch = -1};
    eng_buf_init(&in.said, SIZE_MAX / 4);
    forget(&in);
    eng_status status = check_options(&in, err);
    if (status == ENG_OK)
        status = asked(&in, "--watch") ? watch(cli, &in, err) : once(&in, err);
    eng_cli_session_close(in.session);
    forget(&in);
    eng_buf_clear(&in.said);
    return status;
}

static const eng_cli_option options[] = {
    {"--collection", "NAME", "where to; without it \"default\"", NULL},
    {"--include", "PATTERN", "of a folder, only files like this: '*.md'", NULL},
    {"--exclude", "PATTERN", "of a folder, no files like this", NULL},
    {"--sync", NULL, "remove what is gone from the folders", NULL},
    {"--dry-run", NULL, "with --sync: only say what would be removed", NULL},
    {"--watch", NULL, "go on, and take in what changes", NULL},
    {0},
};

const eng_cli_command eng_cmd_ingest = {
    .name = "ingest",
    .args = "FILE|DIR|URL...",
    .summary = "takes files, folders and pages into a collection",
    .text =
        "A document goes by its path, so that the same file again is unchanged, and a file that\n"
        "changed replaces its document. Text, Markdown, HTML, PDF, DOCX, PPTX, CSV, TSV and JSON\n"
        "lines are read; of a table every row is a document.\n"
        "\n"
        "With --sync documents go whose id is that of a file which --include, --exclude and its\n"
        "ending would let in, and which is in none of the folders; of a table the rows that are "
        "no\n"
        "longer in it, unless they have ids of their own. What others have put in under other ids "
        "stays.\n"
        "--watch ends with SIGINT or SIGTERM.",
    .example = "engenho ingest manuais/ --collection manuais",
    .options = options,
    .args_min = 1,
    .args_max = 100000,
    .run = run,
};
