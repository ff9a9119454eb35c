/* The server. Speaks by what it is sent first:
 *   GET /... HTTP/1.x   a page that says who answers and who asked; /slow?MS answers only then; /bytes?N has so many more bytes
 *   SINK\n              takes what comes and says at the end how many bytes it was
 *   anything else       one line back for each piece: the same words and the piece
 * over TCP and SCTP (where the kernel has it); UDP as the last. SIGTERM: what waits to be accepted is, all requests are answered, and
 * then it ends; who comes later is refused. Environment: TASK, VERSION (are told), WIRE_DELAY_MS (before it listens), WIRE_LOG (says
 * each datagram on standard output). */
#include "wire.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

enum { CONNECTIONS_MAX = 16384, PIECE_MAX = 16384, LAST_SECONDS = 10 };

typedef struct {
  int fd;
  enum { NEW, SINK, ECHO, SLOW, DONE } state;
  int keep, was_answered, more;
  double due; /* of a slow answer */
  unsigned long long taken;
  char peer[64];
  int port;
} Connection;

static Connection* connections[CONNECTIONS_MAX];
static int queue, slow_count, open_count, is_ending;
static char host[64];

static Connection* made(int fd, const struct sockaddr_storage* peer) {
  Connection* c = calloc(1, sizeof *c);
  c->fd = fd;
  text_of(peer, c->peer, sizeof c->peer);
  c->port = ntohs(((const struct sockaddr_in*)peer)->sin_port);
  connections[fd] = c;
  open_count++;
  return c;
}

static void end(Connection* c) {
  if (c->state == SLOW) slow_count--;
  connections[c->fd] = NULL;
  open_count--;
  close(c->fd);
  free(c);
}

static void watch(int fd, void* what) {
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = what};
  if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &e)) die("epoll");
}

static int who(char* out, size_t size, const char* peer, int port) {
  const char *task = getenv("TASK"), *version = getenv("VERSION");
  return snprintf(out, size, "host=%s client=%s port=%d task=%s version=%s", host, peer, port, task ? task : "", version ? version : "");
}

static void say(Connection* c, const char* data, size_t size) {
  while (size > 0) {
    struct pollfd room = {c->fd, POLLOUT, 0};
    ssize_t n = write(c->fd, data, size);
    if (n < 0 && errno == EAGAIN && poll(&room, 1, 5000) > 0) continue; /* only what is large: others wait */
    if (n < 0) return;
    data += n, size -= n;
  }
}

static void answer_page(Connection* c) {
  c->was_answered = 1;
  char body[512], text[1024];
  int size = who(body, sizeof body, c->peer, c->port);
  body[size++] = '\n';
  int all = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n%.*s", size + c->more,
                     c->keep && !is_ending ? "keep-alive" : "close", size, body);
  say(c, text, all);
  static const char filling[65536];
  for (; c->more > 0; c->more -= sizeof filling) say(c, filling, c->more < (int)sizeof filling ? c->more : (int)sizeof filling);
  c->more = 0;
  if (!c->keep || is_ending) c->state = DONE; else c->state = NEW;
}

static void begin_page(Connection* c, const char* data) {
  c->keep = strstr(data, "HTTP/1.1") && !strcasestr(data, "connection: close");
  if (!strncmp(data, "GET /bytes?", 11)) c->more = atoi(data + 11);
  if (strncmp(data, "GET /slow?", 10)) {
    answer_page(c);
    return;
  }
  c->state = SLOW, c->due = now() + atoi(data + 10) / 1e3;
  slow_count++;
}

static void echo(Connection* c, const char* data, size_t size) {
  char text[PIECE_MAX + 600];
  int at = who(text, sizeof text, c->peer, c->port);
  at += snprintf(text + at, sizeof text - at, " data=%.*s%s", (int)size, data, size && data[size - 1] == '\n' ? "" : "\n");
  say(c, text, at);
}

static void take(Connection* c, char* data, size_t size) {
  data[size] = 0;
  if (c->state == NEW && !strncmp(data, "SINK\n", 5)) c->state = SINK;
  if (c->state == NEW && strncmp(data, "GET ", 4)) c->state = ECHO;
  if (c->state == NEW) begin_page(c, data);
  else if (c->state == SINK) c->taken += size;
  else if (c->state == ECHO) echo(c, data, size);
}

static void read_some(Connection* c) {
  static char data[1 << 18];
  size_t limit = c->state == SINK ? sizeof data - 1 : PIECE_MAX;
  ssize_t n = read(c->fd, data, limit);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n > 0) take(c, data, n);
  if (n == 0 && c->state == SINK) {
    char text[32];
    say(c, text, snprintf(text, sizeof text, "%llu\n", c->taken));
  }
  if (n <= 0 || c->state == DONE) end(c);
}

static void accept_all(int listener) {
  for (;;) {
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    int fd = accept4(listener, (void*)&peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    if (fd >= CONNECTIONS_MAX) close(fd);
    else watch(fd, made(fd, &peer));
  }
}

static void answer_datagrams(int fd) {
  for (;;) {
    char data[PIECE_MAX], text[PIECE_MAX + 600], peer_text[64];
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    ssize_t n = recvfrom(fd, data, sizeof data, MSG_DONTWAIT, (void*)&peer, &size);
    if (n < 0) return;
    text_of(&peer, peer_text, sizeof peer_text);
    int at = who(text, sizeof text, peer_text, ntohs(((struct sockaddr_in*)&peer)->sin_port));
    if (n > 0 && data[n - 1] == '\n') n--;
    at += snprintf(text + at, sizeof text - at, " data=%.*s\n", (int)n, data);
    sendto(fd, text, at, 0, (void*)&peer, size);
    if (getenv("WIRE_LOG")) fputs(text, stdout), fflush(stdout);
  }
}

/* -1 where the kernel does not have the protocol. */
static int listener(int kind, int protocol, int port) {
  int off = 0, on = 1, s = socket(AF_INET6, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (s >= 0) setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (s >= 0) setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (s < 0 || bind(s, (void*)&six, sizeof six)) {
    if (s >= 0) close(s);
    s = socket(AF_INET, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (s < 0) return -1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(s, (void*)&four, sizeof four)) die("bind");
  }
  if (kind != SOCK_DGRAM && listen(s, 4096)) die("listen");
  return s;
}

static int signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, NULL);
  signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

static void answer_slow(void) {
  for (int i = 0; slow_count > 0 && i < CONNECTIONS_MAX; i++) {
    Connection* c = connections[i];
    if (!c || c->state != SLOW || c->due > now()) continue;
    slow_count--;
    c->state = NEW;
    answer_page(c);
    if (c->state == DONE) end(c);
  }
}

static void end_idle(void) {
  for (int i = 0; i < CONNECTIONS_MAX; i++) {
    Connection* c = connections[i];
    if (c && (c->state == ECHO || (c->state == NEW && c->was_answered))) end(c);
  }
}

int serve(int argc, char** argv) {
  int port = (int)number(argc, argv, 2), stop = signals();
  gethostname(host, sizeof host - 1);
  if (getenv("WIRE_DELAY_MS")) usleep(atoi(getenv("WIRE_DELAY_MS")) * 1000);
  queue = epoll_create1(EPOLL_CLOEXEC);
  int listeners[3] = {listener(SOCK_STREAM, 0, port), listener(SOCK_STREAM, IPPROTO_SCTP, port), listener(SOCK_DGRAM, 0, port)};
  for (int i = 0; i < 3; i++)
    if (listeners[i] >= 0) watch(listeners[i], &listeners[i]);
  watch(stop, &stop);
  puts("ready");
  fflush(stdout);
  for (double last = 0; !is_ending || (open_count > 0 && now() < last);) {
    struct epoll_event events[256];
    int n = epoll_wait(queue, events, 256, slow_count > 0 ? 5 : is_ending ? 50 : -1);
    for (int i = 0; i < n; i++) {
      void* what = events[i].data.ptr;
      if (what == &stop && !is_ending) {
        for (int k = 0; k < 2; k++)
          if (listeners[k] >= 0) accept_all(listeners[k]), close(listeners[k]);
        epoll_ctl(queue, EPOLL_CTL_DEL, stop, NULL);
        is_ending = 1, last = now() + LAST_SECONDS;
        end_idle();
        break; /* what else there is comes again, without the ones that went */
      }
      if (what == &listeners[2]) answer_datagrams(listeners[2]);
      else if (what == &listeners[0] || what == &listeners[1]) accept_all(*(int*)what);
      else read_some(what);
    }
    answer_slow();
  }
  return 0;
}
