/*
 * Vectors over HTTP against the library's own: CLIENTS connections, each asking /v1/embeddings for the
 * vector of a text and then for the next, against eng_encoder_encode on the same texts, by the better of
 * its two ways: one call with a thread a processor, or a call of one thread for each. All in turns, in one run; the server is a process of its own, and the clients' time counts
 * against it. No text comes twice, so nothing is remembered. Then what one client alone waits for, and
 * what it waits for while others embed long texts.
 *
 * Wants build/engenho and build/models (make model).
 */
#include "base/buf.h"
#include "base/str.h"
#include "engenho.h"
#include "figures.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS = 64, ROUNDS = 5, TEXTS = 512, DIMENSIONS = 384, ALONE = 100, LONG_CLIENTS = 4 };

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench/embeddings: %s\n", what);
    exit(1);
}

/* ---- Texts: 5 to 60 words, each of its own ---- */

static uint64_t serial;

static void make_text(eng_buf *out, size_t words)
{
    static const char *const some[] = {"moinho",  "vento",  "the mill", "roda",  "stone",
                                       "farinha", "river",  "de",       "com",   "water",
                                       "turns",   "antigo", "uma",      "grain", "casa",
                                       "cidade",  "forno",  "which",    "pedra", "madeira"};
    eng_buf_format(out, "%llu", (unsigned long long)serial++);
    for (size_t i = 0; i < words; i++)
        eng_buf_format(out, " %s", some[next_random(&serial) % (sizeof some / sizeof *some)]);
}

static size_t some_words(void)
{
    static uint64_t state = 7;
    return 5 + (size_t)(next_random(&state) % 56);
}

/* ---- The server ---- */

static pid_t server;
static uint16_t port;
static char data[] = "/tmp/engenho-bench-XXXXXX";

static void start_server(void)
{
    int out[2];
    char line[512];
    check(mkdtemp(data) && pipe(out) == 0, "no folder");
    server = fork();
    if (server == 0) {
        /* Ends with us, however we end, and holds nothing of ours, such as a lock on the machine. */
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(out[1], STDOUT_FILENO);
        close_range(3, ~0U, 0);
        execl("build/engenho", "engenho", "serve", "--listen", "127.0.0.1:0", "--data", data,
              "--access-log", "off", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *in = fdopen(out[0], "r");
    check(in && fgets(line, sizeof line, in), "build/engenho does not start");
    const char *at = strstr(line, "127.0.0.1:");
    check(at != NULL, "no address");
    port = (uint16_t)strtoul(at + 10, NULL, 10);
}

static void stop_server(void)
{
    char command[64];
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
    snprintf(command, sizeof command, "rm -rf %s", data);
    check(system(command) == 0, "the folder stays");
}

static int connect_one(void)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0, "cannot connect");
    return fd;
}

/* The reply's body is read to its end and not looked into, but for its status. */
static void ask(int fd, eng_str text)
{
    static _Thread_local char got[65536];
    char head[256];
    static const char before[] = "{\"model\":\"default\",\"input\":\"";
    int len = snprintf(head, sizeof head,
                       "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       sizeof before - 1 + text.len + 2, before);
    struct iovec parts[3] = {
        {head, (size_t)len}, {(void *)(uintptr_t)text.ptr, text.len}, {"\"}", 2}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
    check(sendmsg(fd, &message, MSG_NOSIGNAL) == len + (ssize_t)text.len + 2, "cannot send");
    size_t have = 0, want = SIZE_MAX;
    while (have < want) {
        ssize_t n = recv(fd, got + have, sizeof got - 1 - have, 0);
        check(n > 0, "the server hung up");
        have += (size_t)n;
        got[have] = '\0';
        const char *end = want == SIZE_MAX ? strstr(got, "\r\n\r\n") : NULL;
        const char *length = end ? strcasestr(got, "content-length:") : NULL;
        if (end)
            want = (size_t)(end + 4 - got) + strtoul(length + 15, NULL, 10);
    }
    check(strncmp(got, "HTTP/1.1 200", 12) == 0, "no vector came");
}

/* ---- Many clients ---- */

typedef struct {
    eng_str *texts;
    _Atomic size_t next;
} crowd;

static void *client(void *arg)
{
    crowd *c = arg;
    int fd = connect_one();
    for (size_t i; (i = atomic_fetch_add(&c->next, 1)) < TEXTS;)
        ask(fd, c->texts[i]);
    close(fd);
    return NULL;
}

static double served(eng_str *texts)
{
    pthread_t threads[CLIENTS];
    crowd c = {.texts = texts};
    uint64_t began = eng_clock_ns();
    for (size_t i = 0; i < CLIENTS; i++)
        check(pthread_create(&threads[i], NULL, client, &c) == 0, "no thread");
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    return (double)(eng_clock_ns() - began);
}

typedef struct {
    eng_encoder *enc;
    const eng_str *texts;
    size_t count;
    float *out;
} share;

static void *encode_share(void *arg)
{
    const share *s = arg;
    eng_encode_options one = {.threads = 1};
    check(eng_encoder_encode(s->enc, s->texts, s->count, &one, s->out, NULL, NULL) == ENG_OK,
          "no vectors");
    return NULL;
}

/* A call of one thread for each processor. */
static double in_shares(eng_encoder *enc, const eng_str *texts, float *out)
{
    enum { MOST = 64 };
    pthread_t threads[MOST];
    share shares[MOST];
    size_t n = (size_t)sysconf(_SC_NPROCESSORS_ONLN);
    n = n < MOST ? n : MOST;
    uint64_t began = eng_clock_ns();
    for (size_t i = 0; i < n; i++) {
        size_t from = TEXTS * i / n, to = TEXTS * (i + 1) / n;
        shares[i] = (share){enc, texts + from, to - from, out + from * DIMENSIONS};
        check(pthread_create(&threads[i], NULL, encode_share, &shares[i]) == 0, "no thread");
    }
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    return (double)(eng_clock_ns() - began);
}

static double by_library(eng_encoder *enc, const eng_str *texts, float *out, uint64_t *tokens)
{
    eng_encode_stats stats;
    uint64_t began = eng_clock_ns();
    check(eng_encoder_encode(enc, texts, TEXTS, NULL, out, &stats, NULL) == ENG_OK, "no vectors");
    double together = (double)(eng_clock_ns() - began), shares = in_shares(enc, texts, out);
    *tokens = stats.tokens;
    return together < shares ? together : shares;
}

static void fill(eng_buf *pool, eng_str *texts)
{
    size_t at[TEXTS + 1] = {0};
    eng_buf_reset(pool);
    for (size_t i = 0; i < TEXTS; i++) {
        make_text(pool, some_words());
        at[i + 1] = pool->len;
    }
    for (size_t i = 0; i < TEXTS; i++)
        texts[i] = (eng_str){pool->data + at[i], at[i + 1] - at[i]};
}

static void measure_crowd(eng_encoder *enc)
{
    static eng_str texts[TEXTS];
    double ours[ROUNDS], peer[ROUNDS], ratio[ROUNDS];
    uint64_t tokens = 0;
    eng_buf pool;
    float *out = malloc(sizeof(float) * TEXTS * DIMENSIONS);
    check(out != NULL, "no memory");
    eng_buf_init(&pool, 64 << 20);
    for (size_t i = 0; i <= ROUNDS; i++) { /* the first warms up */
        fill(&pool, texts);
        double a = served(texts), b = by_library(enc, texts, out, &tokens);
        if (i == 0)
            continue;
        ours[i - 1] = (double)tokens / a * 1e9;
        peer[i - 1] = (double)tokens / b * 1e9;
        ratio[i - 1] = b / a;
    }
    double r = median(ratio, ROUNDS);
    printf("embeddings.c%d  ours=%.0ftokens/s  peer=%.0ftokens/s(the library)  ratio=%.3f  "
           "goal>=0.9  %s\n",
           CLIENTS, median(ours, ROUNDS), median(peer, ROUNDS), r, r >= 0.9 ? "ok" : "short");
    fflush(stdout);
    free(out);
    eng_buf_clear(&pool);
}

/* ---- One client ---- */

static double wait_of_one(int fd)
{
    double waits[ALONE];
    eng_buf text;
    eng_buf_init(&text, 65536);
    for (size_t i = 0; i < ALONE; i++) {
        eng_buf_reset(&text);
        make_text(&text, 8);
        uint64_t began = eng_clock_ns();
        ask(fd, eng_buf_view(&text));
        waits[i] = (double)(eng_clock_ns() - began);
    }
    eng_buf_clear(&text);
    return median(waits, ALONE);
}

static _Atomic bool stop;

static void *long_client(void *arg)
{
    (void)arg;
    eng_buf text;
    int fd = connect_one();
    eng_buf_init(&text, 65536);
    while (!stop) {
        eng_buf_reset(&text);
        make_text(&text, 400);
        ask(fd, eng_buf_view(&text));
    }
    eng_buf_clear(&text);
    close(fd);
    return NULL;
}

static void measure_one(void)
{
    pthread_t threads[LONG_CLIENTS];
    int fd = connect_one();
    double alone = wait_of_one(fd);
    for (size_t i = 0; i < LONG_CLIENTS; i++)
        check(pthread_create(&threads[i], NULL, long_client, NULL) == 0, "no thread");
    double among = wait_of_one(fd);
    stop = true;
    for (size_t i = 0; i < LONG_CLIENTS; i++)
        pthread_join(threads[i], NULL);
    close(fd);
    report_below("embeddings.question-alone", alone, 5e6);
    report_below("embeddings.question-among-long-texts", among, 80e6);
}

/* The folder of the model that the server has opened: the one in build/models/open. */
static void find_folder(char out[512])
{
    DIR *dir = opendir("build/models/open");
    check(dir != NULL, "no build/models/open");
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL && entry->d_name[0] == '.')
        ;
    check(entry != NULL, "no model in build/models/open");
    snprintf(out, 512, "build/models/open/%s", entry->d_name);
    closedir(dir);
}

int main(void)
{
    char folder[512];
    eng_encoder *enc = NULL;
    eng_error err = {0};
    check(eng_init(&err) == ENG_OK, err.message);
    start_server();
    int fd = connect_one();
    ask(fd, ENG_STR("opens the model"));
    close(fd);
    find_folder(folder);
    check(eng_encoder_open(folder, NULL, &enc, &err) == ENG_OK, err.message);
    print_machine(memory_bandwidth());
    measure_crowd(enc);
    measure_one();
    eng_encoder_free(enc);
    stop_server();
    eng_quit();
    return 0;
}
