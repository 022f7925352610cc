/* The access log: a line a request, gathered by loop and written once a turn. */
#include "base/clock.h"
#include "base/log.h"
#include "serve/parts.h"

#include <errno.h>
#include <unistd.h>

void eng_access_log(eng_buf *log, const eng_exchange *x, const char *key, uint64_t now_ns)
{
    if (!eng_log_on(ENG_LOG_INFO))
        return;
    const eng_http_request *req = eng_exchange_request(x);
    eng_log_line line;
    eng_log_begin(&line, ENG_LOG_INFO, "request");
    eng_log_str(&line, "method", req->method);
    /* Without the query: that is where strangers put what nobody else should read. */
    eng_log_str(&line, "path", eng_str_sub(req->path, 0, 512));
    eng_log_int(&line, "status", eng_exchange_status(x));
    eng_log_ms(&line, "ms", now_ns - req->started_ns);
    eng_log_int(&line, "bytes", (int64_t)eng_exchange_bytes_out(x));
    eng_log_str(&line, "peer", req->peer);
    if (key && key[0])
        eng_log_str(&line, "key", eng_str_of(key));
    eng_log_str(&line, "id", req->id);
    eng_log_end_in(&line, log);
}

void eng_access_flush(eng_buf *log)
{
    size_t at = 0;
    while (at < log->len) {
        ssize_t n = write(STDERR_FILENO, log->data + at, log->len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break; /* a log that cannot be written is no reason to stop answering */
        at += (size_t)n;
    }
    eng_buf_reset(log);
}
