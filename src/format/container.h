/*
 * The container that every model of ours is kept in, for texts and for tables alike: named sections of
 * bytes, each at a multiple of 64, in one file that is mapped and used where it lies. docs/container.md
 * has it byte by byte.
 *
 * Opening checks all of it (a checksum for each 64 KiB, and that no byte of the file belongs to
 * nothing): 10 GB/s, so milliseconds. What a section means is its reader's business; it is a stranger's
 * all the same, for whoever makes a file can make its checksums too.
 *
 *     eng_container c;
 *     const eng_section *w;
 *     status = eng_container_open(path, ENG_STR("text"), 1, &c, err);
 *     if (status == ENG_OK)
 *         status = eng_container_need(&c, ENG_STR("weights"), sizeof(int16_t), &w, err);
 *     ...
 *     eng_container_close(&c);
 *
 * An open container does not change and may be read by any number of threads. A file must be replaced,
 * never written over, while somebody has it open; eng_container_write does just that.
 */
#ifndef ENG_FORMAT_CONTAINER_H
#define ENG_FORMAT_CONTAINER_H

#include "base/file.h"
#include "base/str.h"

enum {
    ENG_CONTAINER_VERSION = 1,
    ENG_CONTAINER_ALIGN = 64,
    ENG_CONTAINER_BLOCK = 64 << 10,
    ENG_CONTAINER_NAME = 40, /* bytes of a section's name, at most 39 of them used */
    ENG_CONTAINER_KIND = 16, /* the same of the kind: at most 15 */
    ENG_CONTAINER_SECTIONS = 256
};

typedef struct {
    eng_str name;
    const void *data; /* aligned to 64 in a container that is open */
    size_t size;
} eng_section;

typedef struct {
    eng_mapping file; /* empty where the bytes are the caller's */
    eng_section *sections;
    size_t count;
    char kind[ENG_CONTAINER_KIND];
    uint32_t version; /* of what the sections mean to this kind */
    uint32_t sum;     /* of head, directory and checksums: so it stands for all that is in it */
    uint64_t size;    /* bytes of the file */
} eng_container;

/*
 * ENG_EMALFORMED: no container of ours (another file altogether); ENG_EVERSION: another version of the
 * container or of the kind; ENG_ETYPE: another kind; ENG_ECORRUPT: cut off, or changed. All name the
 * file. kind empty: any, of any version.
 */
eng_status eng_container_open(const char *path, eng_str kind, uint32_t version, eng_container *out,
                              eng_error *err) ENG_MUST_CHECK;
/* The same of bytes that outlive it, aligned to 64; `what` names them in messages. */
eng_status eng_container_of(const unsigned char *data, size_t len, const char *what, eng_str kind,
                            uint32_t version, eng_container *out, eng_error *err) ENG_MUST_CHECK;
void eng_container_close(eng_container *c);

/* NULL where there is none of this name. */
const eng_section *eng_container_find(const eng_container *c, eng_str name);
/* A section that must be there and hold whole items: ENG_ECORRUPT otherwise, naming it. */
eng_status eng_container_need(const eng_container *c, eng_str name, size_t item,
                              const eng_section **out, eng_error *err) ENG_MUST_CHECK;

/*
 * Writes a file whole or not at all: beside it, synced, then renamed. The sections stand in the file in
 * the order given; the same sections give the same bytes. Names are unlike each other, not empty, and
 * short enough (asserted).
 */
eng_status eng_container_write(const char *path, eng_str kind, uint32_t version,
                               const eng_section *sections, size_t count, mode_t mode,
                               eng_error *err) ENG_MUST_CHECK;
/* The same bytes into a buffer, which the caller has initialised and clears. */
eng_status eng_container_print(eng_str kind, uint32_t version, const eng_section *sections,
                               size_t count, eng_buf *out, eng_error *err) ENG_MUST_CHECK;

#endif
