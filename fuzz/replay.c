/*
 * Makes a plain program of a fuzz target: runs it over saved inputs, so that what fuzzing once found
 * stays found, with any compiler and under any sanitizer.
 *
 *     fuzz_json fuzz/corpus/json [FILE or FOLDER...]
 *
 * Each input is copied to a block of exactly its size, so that a sanitizer sees a read past its end.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static void fail(const char *path)
{
    fprintf(stderr, "replay: cannot read '%s': %s\n", path, strerror(errno));
    exit(1);
}

static size_t replay_file(const char *path, size_t size)
{
    FILE *in = fopen(path, "rb");
    uint8_t *data = malloc(size ? size : 1);
    if (!in || !data || fread(data, 1, size, in) != size)
        fail(path);
    fclose(in);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

/* How many inputs it was. */
static size_t replay(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        fail(path);
    if (!S_ISDIR(st.st_mode))
        return replay_file(path, (size_t)st.st_size);
    DIR *dir = opendir(path);
    if (!dir)
        fail(path);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char inner[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        count += replay(inner);
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++)
        count += replay(argv[i]);
    printf("%zu inputs\n", count);
    return count == 0;
}
