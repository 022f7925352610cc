/* sd_notify's protocol: a datagram to the socket that systemd names. */
#include "serve/serve.h"

#include "base/str.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void eng_notify(const char *state)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    eng_str path = eng_str_of(getenv("NOTIFY_SOCKET"));
    if (path.len < 2 || path.len >= sizeof to.sun_path ||
        (path.ptr[0] != '/' && path.ptr[0] != '@'))
        return;
    memcpy(to.sun_path, path.ptr, path.len);
    if (path.ptr[0] == '@') /* a name without a file */
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len);
    /* Whoever does not listen is not told: nothing here depends on it. */
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, len);
    close(fd);
}
