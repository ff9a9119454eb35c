/* load RATE SECONDS TIMEOUT_MS TARGET[,TARGET...] [PATH]
 * Open loop: requests begin when they are due, whatever became of the ones before, each on a connection of its own, the targets in
 * turn. Counts every one. Ends after SECONDS, or earlier by SIGTERM or SIGINT, when all have ended; then says it as JSON. Of the
 * first failures it says when they began (seconds since 1970), where and why, and when the last one began. `behind_ms` is how late
 * the client itself was at most: the proof that it kept up. */
#include "wire.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>

enum { OPEN_MAX_HERE = 8192, TARGETS_MAX = 64, TOLD_MAX = 40, NAMES_MAX = 256, ANSWER_MAX = 4096 };

typedef struct Request {
  int fd, is_connected, size;
  const Target* target;
  double began, began_wall;
  struct Request *next, *prior; /* by age */
  char answer[ANSWER_MAX];
} Request;

typedef struct {
  char name[160];
  long count;
} Counted;

static Target targets[TARGETS_MAX];
static int target_count, queue, open_count;
static Request oldest = {.next = &oldest, .prior = &oldest};
static double timeout;
static char path[256] = "/";
static long sent, good, bad;
static double slowest, behind, sum, last_failed;
static long slower_than_half;
static Counted hosts[NAMES_MAX], clients[NAMES_MAX], reasons[NAMES_MAX];
static struct {
  double at, lasted;
  char target[160], why[100];
} told[TOLD_MAX];
static volatile sig_atomic_t is_over;

static void on_end(int signal) {
  (void)signal;
  is_over = 1;
}

static void count(Counted* all, const char* name) {
  for (int i = 0; i < NAMES_MAX; i++) {
    if (!all[i].count) snprintf(all[i].name, sizeof all[i].name, "%s", name);
    if (!strcmp(all[i].name, name)) {
      all[i].count++;
      return;
    }
  }
}

static void count_word(Counted* all, const char* text, const char* key) {
  const char* at = strstr(text, key);
  char word[160] = "";
  if (at) sscanf(at + strlen(key), "%159s", word);
  count(all, word);
}

static void forget(Request* r) {
  r->next->prior = r->prior, r->prior->next = r->next;
  close(r->fd);
  free(r);
  open_count--;
}

static void fail(Request* r, const char* phase, const char* why) {
  char reason[100];
  snprintf(reason, sizeof reason, "%s: %s", phase, why);
  count(reasons, reason);
  if (r->began_wall > last_failed) last_failed = r->began_wall;
  if (bad < TOLD_MAX) {
    told[bad].at = r->began_wall, told[bad].lasted = now() - r->began;
    snprintf(told[bad].target, sizeof told[bad].target, "%s:%d", r->target->host, r->target->port);
    snprintf(told[bad].why, sizeof told[bad].why, "%s", reason);
  }
  bad++;
  forget(r);
}

static const char* phase(const Request* r) { return !r->is_connected ? "connect" : r->size ? "answer" : "wait"; }

static void succeed(Request* r) {
  double took = now() - r->began;
  sum += took;
  if (took > slowest) slowest = took;
  if (took > 0.5) slower_than_half++;
  count_word(hosts, r->answer, "host=");
  count_word(clients, r->answer, "client=");
  good++;
  forget(r);
}

/* Complete: the status says so and the body is as long as promised. */
static void judge(Request* r) {
  r->answer[r->size] = 0;
  const char *body = strstr(r->answer, "\r\n\r\n"), *length = strstr(r->answer, "Content-Length: ");
  if (strncmp(r->answer, "HTTP/1.1 200", 12)) fail(r, phase(r), r->size ? "not 200" : "closed");
  else if (!body || !length || (int)strlen(body + 4) != atoi(length + 16)) fail(r, "answer", "cut short");
  else succeed(r);
}

static void send_request(Request* r) {
  char text[600];
  int size = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, r->target->host);
  r->is_connected = 1;
  if (write(r->fd, text, size) != size) return fail(r, "send", strerror(errno));
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = r};
  epoll_ctl(queue, EPOLL_CTL_MOD, r->fd, &e);
}

static void go_on(Request* r) {
  int error = 0;
  socklen_t size = sizeof error;
  if (!r->is_connected) {
    getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) return fail(r, "connect", strerror(error));
    return send_request(r);
  }
  ssize_t n = read(r->fd, r->answer + r->size, ANSWER_MAX - 1 - r->size);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) return fail(r, phase(r), strerror(errno));
  r->size += n;
  if (n == 0 || r->size == ANSWER_MAX - 1) judge(r);
}

static void begin(double due) {
  Request* r = calloc(1, sizeof *r);
  struct sockaddr_storage address;
  r->target = &targets[sent % target_count];
  r->began = now(), r->began_wall = wall();
  if (r->began - due > behind) behind = r->began - due;
  r->next = &oldest, r->prior = oldest.prior, oldest.prior->next = r, oldest.prior = r;
  r->fd = -1, open_count++, sent++;
  if (open_count > OPEN_MAX_HERE) return fail(r, "client", "too many are open");
  if (find_address(r->target, &address)) return fail(r, "name", "not found");
  r->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct epoll_event e = {.events = EPOLLOUT, .data.ptr = r};
  if (r->fd < 0) return fail(r, "client", strerror(errno));
  if (connect(r->fd, (void*)&address, size_of(&address)) && errno != EINPROGRESS) return fail(r, "connect", strerror(errno));
  epoll_ctl(queue, EPOLL_CTL_ADD, r->fd, &e);
}

static void end_late(void) {
  while (oldest.next != &oldest && now() - oldest.next->began > timeout) fail(oldest.next, phase(oldest.next), "timeout");
}

static void say_counted(const char* name, const Counted* all) {
  printf(", \"%s\": {", name);
  for (int i = 0; i < NAMES_MAX && all[i].count; i++) printf("%s\"%s\": %ld", i ? ", " : "", all[i].name, all[i].count);
  printf("}");
}

static void say(double seconds) {
  printf("{\"sent\": %ld, \"ok\": %ld, \"failed\": %ld, \"seconds\": %.3f, \"behind_ms\": %.1f, \"mean_ms\": %.2f, \"slowest_ms\": %.1f, \"slow\": %ld, \"last_failed\": %.3f", sent,
         good, bad, seconds, behind * 1e3, good ? sum / good * 1e3 : 0, slowest * 1e3, slower_than_half, last_failed);
  say_counted("reasons", reasons);
  say_counted("hosts", hosts);
  say_counted("clients", clients);
  printf(", \"failures\": [");
  for (int i = 0; i < bad && i < TOLD_MAX; i++)
    printf("%s{\"at\": %.3f, \"after_ms\": %.0f, \"target\": \"%s\", \"why\": \"%s\"}", i ? ", " : "", told[i].at, told[i].lasted * 1e3, told[i].target, told[i].why);
  printf("]}\n");
}

static void parse_targets(const char* text) {
  char all[4096];
  snprintf(all, sizeof all, "%s", text);
  for (char* one = strtok(all, ","); one && target_count < TARGETS_MAX; one = strtok(NULL, ",")) targets[target_count++] = parse_target(one);
}

int load(int argc, char** argv) {
  double rate = number(argc, argv, 2), seconds = number(argc, argv, 3), began = now();
  timeout = number(argc, argv, 4) / 1e3;
  parse_targets(word(argc, argv, 5));
  if (argc > 6) snprintf(path, sizeof path, "%s", argv[6]);
  queue = epoll_create1(EPOLL_CLOEXEC);
  signal(SIGTERM, on_end), signal(SIGINT, on_end), signal(SIGPIPE, SIG_IGN);
  for (double t = began; open_count > 0 || !is_over; t = now()) {
    struct epoll_event events[256];
    if (t - began >= seconds) is_over = 1;
    for (double due; !is_over && (due = began + sent / rate) <= t;) begin(due);
    int n = epoll_wait(queue, events, 256, 1);
    for (int i = 0; i < n; i++) go_on(events[i].data.ptr);
    end_late();
  }
  say(now() - began);
  return 0;
}
