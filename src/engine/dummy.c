/* A model to try the service with. */
#include "base/error.h"
#include "base/file.h"
#include "learn/boost.h"

#include <unistd.h>

eng_status eng_dummy_write(const char *path, eng_error *err)
{
    if (access(path, F_OK) == 0)
        return eng_fail(err, ENG_ECONFLICT, "'%s' is there already", path);
    return eng_file_write(path, eng_boost_dummy(), 0644, err);
}
