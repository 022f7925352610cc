#include "base/child.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PIECE = 64 << 10,
    TURN_MS = 100,
    DESCRIPTORS = 32,
    NOT_FOUND = 127, /* as shells say it */
};

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

/* ---- In the child, between fork and exec: only what is safe after a fork of a threaded process ---- */

/* Sockets are refused, which is what having no network means; no other call is looked at. */
static int without_network(void)
{
#ifdef ARCH
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    /* A kernel without filters still has the other limits. */
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 && errno != EINVAL)
        return -1;
#endif
    return 0;
}

static int limit(unsigned what, rlim_t most)
{
    return setrlimit((__rlimit_resource_t)what,
                     &(struct rlimit){.rlim_cur = most, .rlim_max = most});
}

static _Noreturn void become(const eng_child_options *o, int in, int out)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    bool ready = dup2(in, 0) >= 0 && dup2(out, 1) >= 0 && null >= 0 && dup2(null, 2) >= 0;
    ready = ready && limit(RLIMIT_CPU, o->timeout_ms / 1000 + 1) == 0 &&
            limit(RLIMIT_AS, o->memory_max) == 0 && limit(RLIMIT_FSIZE, 0) == 0 &&
            limit(RLIMIT_CORE, 0) == 0 && limit(RLIMIT_NOFILE, DESCRIPTORS) == 0;
    if (ready && without_network() == 0) {
        /* execvp takes the strings as they are; its type is older than const. */
        char *const *argv = (char *const *)(uintptr_t)o->argv;
        execvp(argv[0], argv);
    }
    _exit(NOT_FOUND);
}

/* ---- In the parent ---- */

static eng_status input_file(eng_str input, int *fd, eng_error *err)
{
    *fd = memfd_create("input", MFD_CLOEXEC);
    if (*fd < 0)
        return eng_fail_errno(err, errno, "cannot make a file in memory");
    eng_status status = eng_fd_write(*fd, input.ptr, input.len, "a file in memory", err);
    if (status == ENG_OK && lseek(*fd, 0, SEEK_SET) != 0)
        status = eng_fail_errno(err, errno, "cannot rewind a file in memory");
    return status;
}

/* One look at the pipe; *open turns false at its end. */
static eng_status take_output(int fd, eng_buf *out, bool *open, eng_error *err)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int ready = poll(&p, 1, TURN_MS);
    if (ready <= 0)
        return ENG_OK;
    size_t left = out->max - out->len;
    char *room = eng_buf_room(out, left < PIECE ? left + (left == 0) : PIECE);
    if (!room)
        return eng_buf_check(out, "what the program wrote", err);
    ssize_t n = read(fd, room, left < PIECE ? left : PIECE);
    if (n > 0)
        eng_buf_added(out, (size_t)n);
    else if (n == 0 || errno != EINTR)
        *open = false;
    return ENG_OK;
}

static eng_status collect(const eng_child_options *o, int fd, eng_buf *out, eng_error *err)
{
    uint64_t until = eng_clock_ns() + (uint64_t)o->timeout_ms * 1000000u;
    for (bool open = true; open;) {
        if (o->cancelled && o->cancelled(o->ctx))
            return eng_fail(err, ENG_ECANCELLED, "cancelled");
        if (eng_clock_ns() > until)
            return eng_fail(err, ENG_ETIMEOUT, "'%s' took longer than %u ms", o->argv[0],
                            o->timeout_ms);
        eng_status status = take_output(fd, out, &open, err);
        if (status < 0)
            return status;
    }
    return ENG_OK;
}

static int reap(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

eng_status eng_child_run(const eng_child_options *options, eng_buf *out, int *status,
                         eng_error *err)
{
    int in = -1, ends[2] = {-1, -1}, code = 0;
    pid_t pid = -1;
    eng_status result = input_file(options->input, &in, err);
    if (result == ENG_OK && pipe2(ends, O_CLOEXEC) < 0)
        result = eng_fail_errno(err, errno, "cannot make a pipe");
    if (result == ENG_OK && (pid = fork()) < 0)
        result = eng_fail_errno(err, errno, "cannot start '%s'", options->argv[0]);
    if (pid == 0)
        become(options, in, ends[1]);
    if (ends[1] >= 0)
        close(ends[1]);
    if (result == ENG_OK) {
        result = collect(options, ends[0], out, err);
        if (result < 0)
            kill(pid, SIGKILL);
        code = reap(pid);
    }
    if (ends[0] >= 0)
        close(ends[0]);
    if (in >= 0)
        close(in);
    if (result == ENG_OK && code == NOT_FOUND && !out->len)
        result = eng_fail(err, ENG_ENOTFOUND, "no program '%s'", options->argv[0]);
    if (result == ENG_OK)
        *status = code;
    return result;
}
