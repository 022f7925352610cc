/*
 * Models on disk, and how they come there.
 *
 *     DATA/models/names/ORG--NAME.json   a manifest: what the model is made of; it makes the model exist
 *     DATA/models/files/SHA256           its files, by content; models may share them
 *     DATA/incoming/...                  files that are not whole yet, kept so that a pull can go on
 *     DATA/open/KEY/...                  a model as a folder: links to its files under their names, and
 *                                        what is derived from them (packed weights); can be made anew
 *
 *     model.c      manifests and files: find, list, publish, remove
 *     folder.c     a model as a folder
 *     catalogue.c  the models that are known
 *     pull.c       what of a model is fetched, in which order, and when it is published
 *     pull_job.c   the same as a job
 *     hub.c        from the hub, with resumption
 *     local.c      from a folder or a wheel
 *     incoming.c   a file on its way in: written, hashed, compared, moved to its place
 */
#ifndef ENG_MODEL_INTERNAL_H
#define ENG_MODEL_INTERNAL_H

#include "engine/engine_internal.h"

#include <sodium.h>

#define ENG_DATA_MODELS "models"
#define ENG_DATA_INCOMING "incoming"
#define ENG_DATA_OPENED "open"
#define ENG_HUB "https://huggingface.co"

enum { ENG_HEX_SIZE = 2 * ENG_SHA256_SIZE + 1, ENG_SHA1_SIZE = 20 };

/* ---- The catalogue (catalogue.c) ------------------------------------------------------------------ */

typedef struct {
    const char *path;
    uint64_t size;
    const char *sha256;
} eng_model_pin;

typedef struct {
    eng_catalogue_entry entry; /* first: what callers see */
    const char *revision;      /* NULL: "main" */
    const eng_model_pin *pins; /* of that revision, all files that are fetched; NULL: none */
    size_t pin_count;
    const char *query;   /* what stands before a question; "" for nothing */
    const char *passage; /* and before a text that questions look for */
} eng_known_model;

/* By id or by any of its names, in any case; NULL where it is not known. */
const eng_known_model *eng_known_find(eng_str name);
/* By the checksum of its weights. */
const eng_known_model *eng_known_by_weights(const unsigned char sha256[ENG_SHA256_SIZE]);
const eng_model_pin *eng_known_pin(const eng_known_model *known, eng_str path);

/* ---- Manifests and files (model.c) ----------------------------------------------------------------- */

typedef struct eng_models {
    char *names; /* DATA/models/names */
    char *files;
    char *incoming;
    char *opened;     /* DATA/open */
    const char *link; /* from a folder in there to the files */
    struct eng_models
        *shared;              /* others' models, for all to read: never written to, but for `opened`
                                  where that is allowed; or NULL */
    _Atomic uint64_t changes; /* grows when a model comes or goes */
    pthread_mutex_t lock;     /* held while a manifest comes or goes, and its files with it */
} eng_models;

/* Touches nothing: folders are made when the first model comes. shared: a folder like DATA/models, with
 * an `open` of its own; NULL: none. */
eng_status eng_models_open(const char *data, const char *shared, eng_models **out,
                           eng_error *err) ENG_MUST_CHECK;
void eng_models_close(eng_models *m);

typedef struct {
    eng_str id;
    eng_model_type kind;
    eng_str architecture;
    eng_str revision;
    eng_str source;
    int64_t pulled_ms;
    eng_manifest files;
    const eng_models *home; /* whose files they are */
} eng_model_record;

/* Letters, digits, '.', '_' and '-', at most one slash, no part that begins with '.'. */
bool eng_model_id_plain(eng_str id);
/* ENG_ENOTFOUND; the record lives in the arena. One's own model goes before one of the same id that is
 * shared. */
eng_status eng_models_find(eng_models *m, eng_str name, eng_arena *arena, eng_model_record *out,
                           eng_error *err) ENG_MUST_CHECK;
/* By id. A manifest that cannot be read is an error that names it. */
eng_status eng_models_all(eng_models *m, eng_arena *arena, eng_model_record **out, size_t *count,
                          eng_error *err) ENG_MUST_CHECK;
/* From here on the model is there; replaces what it was before. ENG_ECONFLICT: a file that it names
 * was removed meanwhile. */
eng_status eng_models_publish(eng_models *m, const eng_model_record *record,
                              eng_error *err) ENG_MUST_CHECK;
/* ENG_EFORBIDDEN: it is shared. */
eng_status eng_models_remove(eng_models *m, eng_str name, eng_error *err) ENG_MUST_CHECK;
/* Where the file of this content is, to be freed. NULL when memory ran out. */
char *eng_models_path(const eng_models *m, const unsigned char sha256[ENG_SHA256_SIZE]);
/* A folder with the model's files under their own names, for who reads a model from a folder, and with
 * room for what is derived from them; made where it is missing, never changed while it is there. To be
 * freed. */
eng_status eng_models_folder(eng_models *m, const eng_model_record *record, char **out,
                             eng_error *err) ENG_MUST_CHECK;
/* Removes that folder; who has files of it open keeps them. */
eng_status eng_models_folder_remove(eng_models *m, const eng_model_record *record,
                                    eng_error *err) ENG_MUST_CHECK;
/* It is there, and as large as that. */
bool eng_models_has(const eng_models *m, const unsigned char sha256[ENG_SHA256_SIZE],
                    uint64_t size);

/* ---- A file on its way in (incoming.c) -------------------------------------------------------------- */

typedef enum { ENG_SUM_NONE, ENG_SUM_SHA256, ENG_SUM_GIT } eng_sum_kind;

/* What a file must be like. git's checksum is SHA-1 over "blob SIZE\0" and the content. */
typedef struct {
    eng_sum_kind kind;
    uint64_t size;
    bool sized; /* its size is known */
    unsigned char sum[ENG_SHA256_SIZE];
} eng_sum;

typedef struct {
    uint32_t state[5];
    uint64_t len;
    unsigned char block[64];
} eng_sha1;
void eng_sha1_init(eng_sha1 *s);
void eng_sha1_add(eng_sha1 *s, const void *bytes, size_t len);
void eng_sha1_end(eng_sha1 *s, unsigned char out[ENG_SHA1_SIZE]);

typedef struct {
    const eng_models *models;
    char *path; /* DATA/incoming/... */
    int fd;
    const char *name; /* for messages */
    eng_sum want;
    uint64_t have; /* bytes that are written and hashed */
    crypto_hash_sha256_state sha256;
    eng_sha1 sha1;
    bool unlink; /* nobody can go on with it: removed when closed */
} eng_incoming;

/* Begins a file, or goes on with what an earlier try left of it, where its checksum is known;
 * in->have says how much is there. ENG_EBUSY: another pull is at it. `name` must outlive it. */
eng_status eng_incoming_open(const eng_models *m, const char *name, const eng_sum *want,
                             eng_incoming *in, eng_error *err) ENG_MUST_CHECK;
eng_status eng_incoming_add(eng_incoming *in, eng_str bytes, eng_error *err) ENG_MUST_CHECK;
/* Back to the first `len` bytes. */
eng_status eng_incoming_cut(eng_incoming *in, uint64_t len, eng_error *err) ENG_MUST_CHECK;
/* Whole: compares, syncs, and moves it to its place by content. ENG_ECORRUPT: it is not what was
 * wanted, and it is emptied. */
eng_status eng_incoming_done(eng_incoming *in, unsigned char sha256[ENG_SHA256_SIZE],
                             uint64_t *size, eng_error *err) ENG_MUST_CHECK;
void eng_incoming_close(eng_incoming *in);

/* ---- Pulling (pull.c, hub.c, local.c) ---------------------------------------------------------------- */

typedef struct eng_puller eng_puller;

typedef struct {
    eng_str path;
    eng_sum want;
    unsigned char sha256[ENG_SHA256_SIZE]; /* once it is there */
    uint64_t size;
    size_t index; /* the source's own */
} eng_pull_file;

/* Where a model comes from. */
typedef struct {
    const char *name; /* "hub", "folder", "wheel" */
    /* Finds out what there is: calls eng_pull_offer for each file. */
    eng_status (*list)(eng_puller *p, eng_error *err);
    eng_status (*fetch)(eng_puller *p, eng_pull_file *file, eng_incoming *in, eng_error *err);
    void (*close)(eng_puller *p);
} eng_pull_source;

extern const eng_pull_source eng_pull_hub, eng_pull_folder, eng_pull_wheel;

struct eng_puller {
    eng_models *models;
    eng_arena *arena;
    const eng_hub *hub;
    eng_str id;       /* may be empty for local sources until the files are known */
    eng_str revision; /* asked for, then the one it is */
    const char *from;
    const eng_known_model *known; /* NULL: not in the catalogue */
    const eng_pull_source *source;
    void *at; /* the source's own */

    eng_pull_file *files;
    size_t count;
    size_t cap;

    /* How far it is; false: stop. */
    bool (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
    uint64_t done;
    uint64_t total;
};

/* A file of the model, kept where it is one that is needed; a pin goes before `want`. */
eng_status eng_pull_offer(eng_puller *p, eng_str path, const eng_sum *want, size_t index,
                          eng_error *err) ENG_MUST_CHECK;
/* Bytes came in; ENG_ECANCELLED where it has to stop. */
eng_status eng_pull_report(eng_puller *p, uint64_t bytes, eng_error *err) ENG_MUST_CHECK;
/* All of it, to the end: what it is made of, the files, the manifest. */
eng_status eng_pull_all(eng_puller *p, eng_model_record *out, eng_error *err) ENG_MUST_CHECK;

eng_status eng_pull_run(eng_job_run *run, eng_error *err) ENG_MUST_CHECK;

#endif
