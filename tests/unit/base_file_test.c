/* Each test names a promise of file.h. All of them work in a folder of their own. */
#include "base/error.h"
#include "base/file.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int enter_folder(void **state)
{
    char *dir = strdup("/tmp/engenho-file-XXXXXX");
    *state = dir;
    return dir && mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int leave_folder(void **state)
{
    int gone = chdir("/") == 0 && eng_dir_remove(*state, NULL) == ENG_OK;
    free(*state);
    return gone ? 0 : -1;
}

static void write_file(const char *path, const char *text)
{
    eng_error err = {0};
    assert_ok(eng_file_write(path, eng_str_of(text), 0644, &err), err);
}

static void assert_content(const char *path, const char *text)
{
    eng_error err = {0};
    eng_buf b;
    eng_buf_init(&b, 1 << 20);
    assert_ok(eng_file_read(path, 1 << 20, &b, &err), err);
    assert_string_equal(eng_buf_view(&b).ptr, text);
    eng_buf_clear(&b);
}

static size_t entries(const char *path)
{
    size_t count = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 2;
}

static size_t open_descriptors(void) { return entries("/proc/self/fd"); }

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static void written_bytes_are_read_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4096, 131072, 131073, 300000};
    eng_error err = {0};
    char *bytes = malloc(300000);
    for (size_t i = 0; i < 300000; i++)
        bytes[i] = (char)(i * 31);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        eng_buf b;
        eng_buf_init(&b, 1 << 20);
        eng_buf_byte(&b, '>');
        assert_ok(eng_file_write("f", (eng_str){bytes, sizes[i]}, 0600, &err), err);
        assert_ok(eng_file_read("f", sizes[i], &b, &err), err);
        assert_int_equal(b.len, sizes[i] + 1); /* behind what the buffer held */
        assert_memory_equal(b.data + 1, bytes, sizes[i]);
        eng_buf_clear(&b);
    }
    free(bytes);
}

static void reading_needs_no_more_memory_than_the_file(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_buf b;
    write_file("f", "0123456789");
    eng_buf_init(&b, 1 << 20);
    assert_ok(eng_file_read("f", 1 << 20, &b, &err), err);
    assert_true(b.cap <= 64);
    eng_buf_clear(&b);
}

static void a_file_past_the_maximum_is_too_big(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_buf b;
    eng_buf_init(&b, 1 << 20);
    eng_buf_str(&b, ENG_STR("kept"));
    write_file("f", "0123456789");
    assert_int_equal(eng_file_read("f", 9, &b, &err), ENG_ETOOBIG);
    assert_string_equal(err.message, "'f' is larger than 9 bytes");
    /* A file that says no size, and has more than it is allowed. */
    assert_int_equal(eng_file_read("/dev/zero", 200000, &b, &err), ENG_ETOOBIG);
    assert_string_equal(b.data, "kept");
    eng_buf_clear(&b);
    /* The buffer's own maximum counts too. */
    eng_buf_init(&b, 5);
    assert_int_equal(eng_file_read("f", 100, &b, &err), ENG_ETOOBIG);
    eng_buf_clear(&b);
}

static void a_file_that_says_no_size_is_read_to_its_end(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_buf b;
    eng_buf_init(&b, 1 << 20);
    assert_ok(eng_file_read("/proc/self/status", 1 << 20, &b, &err), err);
    assert_true(eng_str_find(eng_buf_view(&b), ENG_STR("VmRSS")) != SIZE_MAX);
    eng_buf_clear(&b);
}

static void what_cannot_be_read_is_quoted(void **state)
{
    (void)state;
    eng_error err;
    eng_buf b;
    eng_buf_init(&b, 100);
    assert_int_equal(eng_file_read("none", 100, &b, &err), ENG_ENOTFOUND);
    assert_string_equal(err.message, "cannot open 'none': no such file or directory");
    assert_int_equal(eng_file_read(".", 100, &b, &err), ENG_EIO);
    assert_string_equal(err.message, "cannot read '.': is a directory");
    eng_buf_clear(&b);
}

static void writing_replaces_and_leaves_nothing_beside_it(void **state)
{
    (void)state;
    eng_error err = {0};
    mode_t mask = umask(022);
    write_file("f", "old");
    assert_ok(eng_file_write("f", ENG_STR("new"), 0600, &err), err);
    umask(mask);
    assert_content("f", "new");
    struct stat st;
    assert_int_equal(stat("f", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(entries("."), 1);
}

/* As when the disk is full, which a limit on the size of files can stand in for. */
static void a_failed_write_leaves_the_old_file(void **state)
{
    (void)state;
    eng_error err;
    struct rlimit before, small;
    write_file("f", "old");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    static char large[5000];
    eng_status written = eng_file_write("f", (eng_str){large, sizeof large}, 0600, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(written, ENG_EIO);
    assert_content("f", "old");
    assert_int_equal(entries("."), 1);

    /* Past the write: what stands there cannot be replaced by a file. */
    assert_ok(eng_dir_make("d", 0700, &err), err);
    write_file("d/x", "x");
    assert_int_equal(eng_file_write("d", ENG_STR("x"), 0600, &err), ENG_EIO);
    assert_int_equal(strncmp(err.message, "cannot replace 'd': ", 20), 0);
    assert_int_equal(entries("."), 2);
    assert_int_equal(eng_file_write("none/f", ENG_STR("x"), 0600, &err), ENG_ENOTFOUND);
}

static void a_path_from_the_root_is_written_too(void **state)
{
    eng_error err = {0};
    char *path = eng_path_join(*state, "g");
    assert_ok(eng_file_write(path, ENG_STR("x"), 0600, &err), err);
    assert_content("g", "x");
    eng_free(path);
}

static volatile sig_atomic_t interrupted;

static void count_signal(int number)
{
    (void)number;
    interrupted++;
}

/* Reads a pipe slowly while it interrupts the writer. */
static void *read_slowly(void *arg)
{
    const int *fd = arg;
    char block[1000];
    size_t total = 0;
    for (ssize_t got; (got = read(*fd, block, sizeof block)) > 0;) {
        total += (size_t)got;
        if (total % 50000 < 1000) {
            /* Twice without reading: once in mid-write, once where nothing could be written yet. */
            for (int i = 0; i < 2; i++) {
                kill(getpid(), SIGUSR1);
                usleep(500);
            }
        }
    }
    return (void *)(uintptr_t)total;
}

static void a_write_goes_on_through_short_writes_and_interruptions(void **state)
{
    (void)state;
    eng_error err = {0};
    struct sigaction action = {.sa_handler = count_signal};
    sigaction(SIGUSR1, &action,
              NULL); /* without SA_RESTART: write is cut short or fails with EINTR */
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* inherited by the reader: the signals come here */
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, read_slowly, &ends[0]), 0);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);

    enum { SIZE = 2000000 };
    char *bytes = calloc(1, SIZE);
    assert_ok(eng_fd_write(ends[1], bytes, SIZE, "pipe", &err), err);
    free(bytes);
    close(ends[1]);
    void *total;
    pthread_join(reader, &total);
    assert_int_equal((uintptr_t)total, SIZE);
    assert_true(interrupted > 0);

    signal(SIGPIPE, SIG_IGN);
    close(ends[0]);
    assert_int_equal(eng_fd_write(-1, "x", 1, "nothing", &err), ENG_EIO);
    assert_string_equal(err.message, "cannot write 'nothing': bad file descriptor");
}

static void a_copy_is_the_same_and_says_its_length(void **state)
{
    (void)state;
    eng_error err = {0};
    uint64_t size = 0;
    char *bytes = calloc(1, 300001);
    memset(bytes, 'x', 300000);
    write_file("from", bytes);
    assert_ok(eng_file_copy("from", "to", 0600, &size, &err), err);
    assert_int_equal(size, 300000);
    assert_content("to", bytes);
    free(bytes);
    write_file("empty", "");
    assert_ok(eng_file_copy("empty", "nothing", 0600, NULL, &err), err);
    assert_content("nothing", "");
}

static void a_copy_never_overwrites(void **state)
{
    (void)state;
    eng_error err;
    write_file("a", "a");
    write_file("b", "b");
    assert_int_equal(eng_file_copy("a", "b", 0600, NULL, &err), ENG_ECONFLICT);
    assert_content("b", "b");
    assert_int_equal(eng_file_copy("a", "a", 0600, NULL, &err), ENG_ECONFLICT);
    assert_content("a", "a");
    assert_int_equal(eng_file_copy("none", "c", 0600, NULL, &err), ENG_ENOTFOUND);
    /* What failed half-way is removed. */
    assert_int_equal(eng_file_copy(".", "c", 0600, NULL, &err), ENG_EIO);
    assert_false(exists("c"));
}

static void folders_are_made_with_their_parents(void **state)
{
    eng_error err = {0};
    assert_ok(eng_dir_make("a/b//c/", 0700, &err), err);
    assert_ok(eng_dir_make("a/b/c", 0700, &err), err); /* there already */
    assert_ok(eng_dir_make("/", 0700, &err), err);
    char *path = eng_path_join(*state, "x/y");
    assert_ok(eng_dir_make(path, 0700, &err), err);
    eng_free(path);
    assert_true(exists("a/b/c") && exists("x/y"));

    write_file("file", "");
    assert_int_equal(eng_dir_make("file", 0700, &err), ENG_EIO);
    assert_string_equal(err.message, "cannot make folder 'file': not a directory");
    assert_int_equal(eng_dir_make("file/x", 0700, &err), ENG_EIO);
    assert_int_equal(eng_dir_make("", 0700, &err), ENG_ENOTFOUND);
    assert_true(eng_dir_make("/proc/engenho", 0700, &err) < 0);
}

static void folders_are_synced(void **state)
{
    (void)state;
    eng_error err = {0};
    assert_ok(eng_dir_sync(".", &err), err);
    assert_int_equal(eng_dir_sync("none", &err), ENG_ENOTFOUND);
    write_file("file", "");
    assert_int_equal(eng_dir_sync("file", &err), ENG_EIO);
}

static void a_folder_goes_with_all_it_holds_but_no_link_is_followed(void **state)
{
    (void)state;
    eng_error err = {0};
    assert_ok(eng_dir_make("outside", 0700, &err), err);
    write_file("outside/kept", "x");
    assert_ok(eng_dir_make("d/e/f", 0700, &err), err);
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof name, "d/e/%d", i);
        write_file(name, "");
    }
    assert_int_equal(symlink("../outside", "d/folder"), 0);
    assert_int_equal(symlink("../outside/kept", "d/file"), 0);
    assert_int_equal(symlink("nowhere", "d/dangling"), 0);
    assert_int_equal(mkfifo("d/pipe", 0600), 0);
    assert_ok(eng_dir_remove("d", &err), err);
    assert_false(exists("d"));
    assert_content("outside/kept", "x");

    assert_ok(eng_dir_remove("d", &err), err); /* gone already */
    assert_int_equal(symlink("outside", "link"), 0);
    assert_int_equal(eng_dir_remove("link", &err), ENG_EIO);
    assert_int_equal(eng_dir_remove("outside/kept", &err), ENG_EIO);
    assert_string_equal(err.message, "cannot remove folder 'outside/kept': not a directory");
    assert_content("outside/kept", "x");
    assert_int_equal(eng_dir_remove("outside/kept/x", &err), ENG_EIO);
}

static void a_file_without_a_name_is_read_and_written(void **state)
{
    (void)state;
    eng_error err = {0};
    int fd = -1;
    char text[4] = {0};
    assert_ok(eng_file_unnamed(".", &fd, &err), err);
    assert_int_equal(entries("."), 0);
    assert_ok(eng_fd_write(fd, "abc", 3, "unnamed", &err), err);
    assert_int_equal(pread(fd, text, 3, 0), 3);
    assert_string_equal(text, "abc");
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    assert_true(eng_file_unnamed("/proc", &fd, &err) <
                0); /* knows no such files, nor any new ones */
    assert_int_equal(eng_file_unnamed("none", &fd, &err), ENG_ENOTFOUND);
    assert_string_equal(err.message, "cannot make a file in 'none': no such file or directory");
}

static void paths_are_joined_by_one_slash(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"a/b", "c/d", "a/b/c/d"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *path = eng_path_join(cases[i][0], cases[i][1]);
        assert_string_equal(path, cases[i][2]);
        eng_free(path);
    }
}

static void a_mapping_shows_the_file(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_mapping m;
    write_file("f", "mapped");
    assert_ok(eng_mapping_open("f", &m, &err), err);
    assert_int_equal(m.len, 6);
    assert_memory_equal(m.data, "mapped", 6);
    eng_mapping_close(&m);
    assert_null(m.data);
    eng_mapping_close(&m);

    int fd = open("f", O_RDONLY);
    assert_ok(eng_mapping_of_fd(fd, &m, &err), err);
    close(fd); /* the mapping does not need it */
    assert_memory_equal(m.data, "mapped", 6);
    eng_mapping_close(&m);
}

static void an_empty_file_maps_to_an_empty_text(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_mapping m = {NULL, 9};
    write_file("f", "");
    assert_ok(eng_mapping_open("f", &m, &err), err);
    assert_non_null(m.data);
    assert_int_equal(m.len, 0);
    eng_mapping_close(&m);
}

static void what_cannot_be_mapped_is_an_error(void **state)
{
    (void)state;
    eng_error err;
    eng_mapping m;
    assert_int_equal(eng_mapping_open("none", &m, &err), ENG_ENOTFOUND);
    assert_int_equal(eng_mapping_open(".", &m, &err), ENG_EINVALID);
    assert_string_equal(err.message, "cannot map '.': not a regular file");
    assert_int_equal(eng_mapping_of_fd(-1, &m, &err), ENG_EIO);
    int fd = open("f", O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(eng_mapping_of_fd(fd, &m, &err), ENG_EREADONLY);
    close(fd);
}

static void a_lock_has_one_holder_who_is_named(void **state)
{
    (void)state;
    eng_error err = {0};
    int fd = -1, second = -1;
    char want[100], pid[24];
    snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    snprintf(want, sizeof want, "'lock' is held by process %d", (int)getpid());
    write_file("lock", "123456789012345678901234567890\n"); /* of one who is gone */

    assert_ok(eng_lock_take("lock", &fd, &err), err);
    assert_content("lock", pid);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(eng_lock_take("lock", &second, &err), ENG_ELOCKED);
    assert_string_equal(err.message, want);
    assert_int_equal(second, -1);

    eng_lock_drop(fd);
    assert_true(exists("lock")); /* the file stays */
    assert_ok(eng_lock_take("lock", &fd, &err), err);
    eng_lock_drop(fd);
    eng_lock_drop(-1);
}

static void a_lock_ends_with_its_process(void **state)
{
    (void)state;
    eng_error err = {0};
    int ends[2], fd;
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        if (eng_lock_take("lock", &fd, NULL) == ENG_OK && write(ends[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    char want[100];
    snprintf(want, sizeof want, "'lock' is held by process %d", (int)child);
    assert_int_equal(eng_lock_take("lock", &fd, &err), ENG_ELOCKED);
    assert_string_equal(err.message, want);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_ok(eng_lock_take("lock", &fd, &err), err);
    eng_lock_drop(fd);
    close(ends[0]);
    close(ends[1]);
}

static void a_lock_without_a_pid_is_held_by_another(void **state)
{
    (void)state;
    eng_error err = {0};
    int fd, second;
    assert_ok(eng_lock_take("lock", &fd, &err), err);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(eng_lock_take("lock", &second, &err), ENG_ELOCKED);
    assert_string_equal(err.message, "'lock' is held by another process");
    eng_lock_drop(fd);
    assert_int_equal(eng_lock_take("none/lock", &fd, &err), ENG_ENOTFOUND);
    assert_int_equal(eng_lock_take("/dev/full", &fd, &err), ENG_ENOSPACE);
}

static eng_status use_all(eng_error *err)
{
    eng_buf b;
    eng_buf_init(&b, 1 << 20);
    eng_status status = eng_file_write("f", ENG_STR("some text"), 0600, err);
    if (status == ENG_OK)
        status = eng_file_read("f", 1000, &b, err);
    if (status == ENG_OK)
        status = eng_dir_make("d/e", 0700, err);
    if (status == ENG_OK)
        status = eng_file_copy("f", "d/e/g", 0600, NULL, err);
    char *path = status == ENG_OK ? eng_path_join("d", "e") : NULL;
    if (status == ENG_OK && !path)
        status = eng_fail_nomem(err);
    eng_free(path);
    eng_buf_clear(&b);
    if (eng_dir_remove("d", NULL) < 0)
        status = ENG_EINTERNAL;
    return status;
}

static void no_memory_is_an_ordinary_error(void **state)
{
    (void)state;
    eng_error err;
    eng_status status;
    assert_survives_no_memory(status, status = use_all(&err));
    assert_int_equal(entries("."), 1);
}

static void without_descriptors_the_error_is_busy(void **state)
{
    (void)state;
    eng_error err;
    struct rlimit before, none;
    eng_buf b;
    int fd;
    eng_buf_init(&b, 100);
    write_file("f", "x");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    eng_status read = eng_file_read("f", 100, &b, &err);
    eng_status locked = eng_lock_take("lock", &fd, &err);
    eng_status removed = eng_dir_remove(".", &err);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(read, ENG_EBUSY);
    assert_int_equal(locked, ENG_EBUSY);
    assert_int_equal(removed, ENG_EBUSY);
    assert_content("f", "x");
    eng_buf_clear(&b);
}

static size_t descriptors_at_start;

static int note_descriptors(void **state)
{
    (void)state;
    descriptors_at_start = open_descriptors();
    return 0;
}

static void no_descriptor_is_left_open(void **state)
{
    (void)state;
    assert_int_equal(open_descriptors(), descriptors_at_start);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(written_bytes_are_read_back),
        IN_FOLDER(reading_needs_no_more_memory_than_the_file),
        IN_FOLDER(a_file_past_the_maximum_is_too_big),
        IN_FOLDER(a_file_that_says_no_size_is_read_to_its_end),
        IN_FOLDER(what_cannot_be_read_is_quoted),
        IN_FOLDER(writing_replaces_and_leaves_nothing_beside_it),
        IN_FOLDER(a_failed_write_leaves_the_old_file),
        IN_FOLDER(a_path_from_the_root_is_written_too),
        IN_FOLDER(a_write_goes_on_through_short_writes_and_interruptions),
        IN_FOLDER(a_copy_is_the_same_and_says_its_length),
        IN_FOLDER(a_copy_never_overwrites),
        IN_FOLDER(folders_are_made_with_their_parents),
        IN_FOLDER(folders_are_synced),
        IN_FOLDER(a_folder_goes_with_all_it_holds_but_no_link_is_followed),
        IN_FOLDER(a_file_without_a_name_is_read_and_written),
        IN_FOLDER(paths_are_joined_by_one_slash),
        IN_FOLDER(a_mapping_shows_the_file),
        IN_FOLDER(an_empty_file_maps_to_an_empty_text),
        IN_FOLDER(what_cannot_be_mapped_is_an_error),
        IN_FOLDER(a_lock_has_one_holder_who_is_named),
        IN_FOLDER(a_lock_ends_with_its_process),
        IN_FOLDER(a_lock_without_a_pid_is_held_by_another),
        IN_FOLDER(no_memory_is_an_ordinary_error),
        IN_FOLDER(without_descriptors_the_error_is_busy),
        cmocka_unit_test(no_descriptor_is_left_open),
    };
    return cmocka_run_group_tests(tests, note_descriptors, NULL);
}
