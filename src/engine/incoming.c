/*
 * A file on its way in. It is written to DATA/incoming under the name of the checksum that it must have,
 * so that whoever pulls it next goes on where this try ended; where no checksum is known it has a name
 * of its own and is given up with the try.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "engine/model_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 256 * 1024 };

static size_t sum_size(eng_sum_kind kind)
{
    return kind == ENG_SUM_SHA256 ? ENG_SHA256_SIZE : kind == ENG_SUM_GIT ? ENG_SHA1_SIZE : 0;
}

/* ---- Hashing ---- */

static void hash_begin(eng_incoming *in)
{
    crypto_hash_sha256_init(&in->sha256);
    in->have = 0;
    if (in->want.kind != ENG_SUM_GIT)
        return;
    char head[32];
    int len = snprintf(head, sizeof head, "blob %llu", (unsigned long long)in->want.size);
    eng_sha1_init(&in->sha1);
    eng_sha1_add(&in->sha1, head, (size_t)len + 1);
}

static void hash_add(eng_incoming *in, const void *bytes, size_t len)
{
    crypto_hash_sha256_update(&in->sha256, bytes, len);
    if (in->want.kind == ENG_SUM_GIT)
        eng_sha1_add(&in->sha1, bytes, len);
    in->have += len;
}

/* The first `len` bytes of what is there, from the start. */
static eng_status hash_again(eng_incoming *in, uint64_t len, eng_error *err)
{
    char *block = eng_alloc(BLOCK);
    if (!block)
        return eng_fail_nomem(err);
    eng_status status = ENG_OK;
    hash_begin(in);
    while (status == ENG_OK && in->have < len) {
        uint64_t left = len - in->have;
        ssize_t got = pread(in->fd, block, left < BLOCK ? (size_t)left : BLOCK, (off_t)in->have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            status = eng_fail_errno(err, got < 0 ? errno : EIO, "cannot read '%s'", in->path);
        else
            hash_add(in, block, (size_t)got);
    }
    eng_free(block);
    return status;
}

/* ---- Opening ---- */

static char *path_of(const eng_models *m, const eng_sum *want)
{
    char name[ENG_HEX_SIZE + 8];
    size_t size = sum_size(want->kind);
    if (size)
        sodium_bin2hex(name, sizeof name, want->sum, size);
    else
        eng_random_id(name, 16);
    return eng_path_join(m->incoming, name);
}

static eng_status open_file(eng_incoming *in, eng_error *err)
{
    struct stat st;
    in->fd = open(in->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (in->fd < 0)
        return eng_fail_errno(err, errno, "cannot make '%s'", in->path);
    if (flock(in->fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? eng_fail(err, ENG_EBUSY, "%s is being pulled already", in->name)
                   : eng_fail_errno(err, errno, "cannot lock '%s'", in->path);
    if (fstat(in->fd, &st) < 0)
        return eng_fail_errno(err, errno, "cannot read '%s'", in->path);
    /* Who had it before may have moved it away between our opening and our lock. */
    if (st.st_nlink == 0)
        return eng_fail(err, ENG_EBUSY, "%s has just been pulled", in->name);
    uint64_t size = (uint64_t)st.st_size;
    if (in->want.sized && size > in->want.size)
        size = 0;
    return eng_incoming_cut(in, size, err);
}

eng_status eng_incoming_open(const eng_models *m, const char *name, const eng_sum *want,
                             eng_incoming *in, eng_error *err)
{
    *in = (eng_incoming){.models = m, .fd = -1, .name = name, .want = *want};
    in->path = path_of(m, want);
    if (!in->path)
        return eng_fail_nomem(err);
    in->unlink = want->kind == ENG_SUM_NONE;
    eng_status status = eng_dir_make(m->incoming, 0700, err);
    if (status == ENG_OK)
        status = open_file(in, err);
    if (status < 0)
        eng_incoming_close(in);
    return status;
}

void eng_incoming_close(eng_incoming *in)
{
    if (in->unlink)
        unlink(in->path);
    if (in->fd >= 0)
        close(in->fd);
    eng_free(in->path);
    in->path = NULL;
    in->fd = -1;
    in->unlink = false;
}

/* ---- Filling ---- */

eng_status eng_incoming_add(eng_incoming *in, eng_str bytes, eng_error *err)
{
    if (in->want.sized && bytes.len > in->want.size - in->have)
        return eng_fail(err, ENG_ECORRUPT, "%s is larger than the %llu bytes it should have",
                        in->name, (unsigned long long)in->want.size);
    eng_status status = eng_fd_write(in->fd, bytes.ptr, bytes.len, in->path, err);
    if (status == ENG_OK)
        hash_add(in, bytes.ptr, bytes.len);
    return status;
}

eng_status eng_incoming_cut(eng_incoming *in, uint64_t len, eng_error *err)
{
    if (ftruncate(in->fd, (off_t)len) < 0 || lseek(in->fd, (off_t)len, SEEK_SET) < 0)
        return eng_fail_errno(err, errno, "cannot write '%s'", in->path);
    return hash_again(in, len, err);
}

/* ---- Finishing ---- */

static eng_status compare(eng_incoming *in, const unsigned char sha256[ENG_SHA256_SIZE],
                          eng_error *err)
{
    unsigned char sha1[ENG_SHA1_SIZE];
    bool same = !in->want.sized || in->have == in->want.size;
    if (same && in->want.kind == ENG_SUM_SHA256)
        same = memcmp(sha256, in->want.sum, ENG_SHA256_SIZE) == 0;
    if (same && in->want.kind == ENG_SUM_GIT) {
        eng_sha1_end(&in->sha1, sha1);
        same = memcmp(sha1, in->want.sum, sizeof sha1) == 0;
    }
    if (same)
        return ENG_OK;
    /* Nothing is gained by going on with it. */
    eng_status status = eng_incoming_cut(in, 0, err);
    if (status < 0)
        return status;
    return eng_fail(err, ENG_ECORRUPT, "%s is not what it should be: its checksum differs",
                    in->name);
}

static eng_status move_in(eng_incoming *in, const unsigned char sha256[ENG_SHA256_SIZE],
                          eng_error *err)
{
    char *place = eng_models_path(in->models, sha256);
    if (!place)
        return eng_fail_nomem(err);
    eng_status status = eng_dir_make(in->models->files, 0700, err);
    if (status == ENG_OK && fsync(in->fd) < 0)
        status = eng_fail_errno(err, errno, "cannot sync '%s'", in->path);
    /* The same content may be there already, or what became of it: this one is good. */
    if (status == ENG_OK && rename(in->path, place) < 0)
        status = eng_fail_errno(err, errno, "cannot rename '%s' to '%s'", in->path, place);
    if (status == ENG_OK)
        status = eng_dir_sync(in->models->files, err);
    if (status == ENG_OK)
        in->unlink = false;
    eng_free(place);
    return status;
}

eng_status eng_incoming_done(eng_incoming *in, unsigned char sha256[ENG_SHA256_SIZE],
                             uint64_t *size, eng_error *err)
{
    crypto_hash_sha256_final(&in->sha256, sha256);
    eng_status status = compare(in, sha256, err);
    if (status == ENG_OK) {
        *size = in->have;
        status = move_in(in, sha256, err);
    }
    return status;
}
