/* Send requests when a schedule says so, whatever comes back; tell how long each took
 * from the moment it was due until its answer was there.
 *
 *     open_loop PORT RATE SECONDS SEED even|poisson [PATH...]
 *
 * Connections are opened before and kept; one that is closed while idle is opened
 * again. A request for which none is idle waits, which is part of its time. The first
 * half second is not counted. Paths are asked in turn; without any, heads are those of
 * requests.lua: twenty rules, and no head twice. "lag" is how late this program
 * itself looked, where a connection was idle.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 64, ANSWER_MAX = 4096, PATIENCE_S = 2 };
static const double WARM_S = 0.5;

typedef struct {
    int fd, asked;
    double due;
    size_t have;
    char answer[ANSWER_MAX];
} Connection;

typedef struct {
    double *values;
    size_t count;
} Series;

static Connection connections[CONNECTIONS];
static Connection *idle[CONNECTIONS];
static int idle_count;
static Series latencies, lags;
static double began;
static size_t failed, waited;
static char **paths;
static int path_count;

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void note(Series *series, double due, double seconds)
{
    if (due >= began + WARM_S)
        series->values[series->count++] = seconds;
}

static void open_connection(Connection *connection, int port, int poll)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int yes = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection->fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail("connect");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(poll, EPOLL_CTL_ADD, connection->fd, &event);
}

static void send_request(double due)
{
    Connection *connection = idle[--idle_count];
    char head[512], host[32] = "www.example.com", path[64];
    static size_t turn;
    long rule = lrand48() % 20;
    if (rule < 10 && !path_count)
        snprintf(host, sizeof host, "h%ld.example.com", rule);
    if (path_count)
        snprintf(path, sizeof path, "%s", paths[turn++ % path_count]);
    else if (rule < 10)
        snprintf(path, sizeof path, "/%08lx", lrand48());
    else
        snprintf(path, sizeof path, "/p%ld/%08lx", rule - 10, lrand48());
    int size = snprintf(head, sizeof head,
        "GET %s?q=%08lx%08lx HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench/1\r\n"
        "Accept: */*\r\nCookie: session=%08lx%08lx\r\n\r\n",
        path, lrand48(), lrand48(), host, lrand48(), lrand48());
    connection->due = due;
    connection->have = 0;
    connection->asked = 1;
    if (send(connection->fd, head, size, 0) != size)
        fail("send");
}

/* Whether the whole answer is there: a head, and as much body as it says. */
static int is_whole(Connection *connection)
{
    connection->answer[connection->have] = 0;
    char *body = strstr(connection->answer, "\r\n\r\n");
    char *length = strcasestr(connection->answer, "\r\ncontent-length:");
    if (!body || !length || length > body)
        return 0;
    size_t head = body + 4 - connection->answer;
    return connection->have >= head + strtoul(length + 17, NULL, 10);
}

static void receive(Connection *connection, int port, int poll)
{
    size_t room = ANSWER_MAX - 1 - connection->have;
    ssize_t got = recv(connection->fd, connection->answer + connection->have, room, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0 && !connection->asked) {
        close(connection->fd);
        open_connection(connection, port, poll);
        return;
    }
    if (got <= 0)
        fail("recv");
    connection->have += got;
    if (!is_whole(connection))
        return;
    failed += strncmp(connection->answer, "HTTP/1.1 200 ", 13) != 0;
    note(&latencies, connection->due, now() - connection->due);
    connection->asked = 0;
    idle[idle_count++] = connection;
}

static int ascending(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double percentile_us(Series *series, double percent)
{
    if (!series->count)
        return 0;
    qsort(series->values, series->count, sizeof *series->values, ascending);
    return series->values[(size_t)((series->count - 1) * percent / 100)] * 1e6;
}

int main(int count, char **arguments)
{
    if (count < 6)
        return 2;
    paths = arguments + 6;
    path_count = count - 6;
    int port = atoi(arguments[1]);
    double rate = atof(arguments[2]), seconds = atof(arguments[3]), gap, due, at;
    int poisson = !strcmp(arguments[5], "poisson"), poll = epoll_create1(0);
    size_t room = rate * seconds * 2 + 1000;
    srand48(atol(arguments[4]));
    prctl(PR_SET_TIMERSLACK, 1);
    latencies.values = calloc(room, sizeof(double));
    lags.values = calloc(room, sizeof(double));
    for (int i = 0; i < CONNECTIONS; i++) {
        open_connection(&connections[i], port, poll);
        idle[idle_count++] = &connections[i];
    }

    began = due = now();
    double looked = due;
    while ((at = now()) < began + seconds + PATIENCE_S) {
        for (; due <= at && due < began + seconds && idle_count; due += gap) {
            if (due < looked)
                waited++; /* it was due already when we last looked */
            else
                note(&lags, due, at - due);
            send_request(due);
            gap = poisson ? -log(1 - drand48()) / rate : 1 / rate;
        }
        looked = at;
        if (due >= began + seconds && idle_count == CONNECTIONS)
            break;
        double wait = idle_count && due < began + seconds ? due - now() : 0.1;
        if (wait < 0)
            wait = 0;
        struct timespec limit = {.tv_sec = (time_t)wait,
            .tv_nsec = (long)((wait - (time_t)wait) * 1e9)};
        struct epoll_event ready[CONNECTIONS];
        int found = epoll_pwait2(poll, ready, CONNECTIONS, &limit, NULL);
        for (int i = 0; i < found; i++)
            receive(ready[i].data.ptr, port, poll);
    }
    failed += CONNECTIONS - idle_count;
    printf("result {\"requests\": %zu, \"duration_s\": %.6f, \"failed\": %zu, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f, \"lag_p99_us\": %.1f, "
           "\"waited\": %zu}\n",
        latencies.count, seconds - WARM_S, failed, percentile_us(&latencies, 50),
        percentile_us(&latencies, 99), percentile_us(&lags, 99), waited);
    return 0;
}
