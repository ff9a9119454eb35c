/* How much goes through: flood counts requests in a closed loop, push counts bytes. For measuring, and for nothing else. */
#include "wire.h"

#include <fcntl.h>
#include <signal.h>

enum { WIDTH_MAX = 256 };
static const char closing[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", keeping[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

static int connected(const struct sockaddr_storage* address, int flags) {
  int s = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (s >= 0 && connect(s, (void*)address, size_of(address)) && errno != EINPROGRESS) return close(s), -1;
  return s;
}

typedef struct {
  int fd, is_asked;
} Worker;

static struct sockaddr_storage address;
static int queue, is_kept;
static long done, failed;

static void dial(Worker* w) {
  struct epoll_event e = {.events = EPOLLOUT, .data.ptr = w};
  w->is_asked = 0, w->fd = connected(&address, SOCK_NONBLOCK);
  if (w->fd < 0 || epoll_ctl(queue, EPOLL_CTL_ADD, w->fd, &e)) die("connect");
}

/* With a reset: what was answered needs no TIME_WAIT, and ports are few. */
static void hang_up(Worker* w) {
  struct linger at_once = {1, 0};
  setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(w->fd);
}

static void ask_page(Worker* w) {
  const char* text = is_kept ? keeping : closing;
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = w};
  if (write(w->fd, text, strlen(text)) < 0) failed++;
  w->is_asked = 1;
  epoll_ctl(queue, EPOLL_CTL_MOD, w->fd, &e);
}

static void go_on(Worker* w) {
  char data[4096];
  if (!w->is_asked) return ask_page(w);
  ssize_t n = read(w->fd, data, sizeof data);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) failed++; else done++;
  if (n > 0 && is_kept) return ask_page(w);
  hang_up(w);
  dial(w);
}

/* flood WIDTH SECONDS TARGET [keep]: WIDTH requests at a time. */
int flood(int argc, char** argv) {
  int width = (int)number(argc, argv, 2);
  double seconds = number(argc, argv, 3);
  Target target = parse_target(word(argc, argv, 4));
  static Worker workers[WIDTH_MAX];
  is_kept = argc > 5 && !strcmp(argv[5], "keep");
  signal(SIGPIPE, SIG_IGN);
  if (find_address(&target, &address)) die("no such name");
  queue = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < width && i < WIDTH_MAX; i++) dial(&workers[i]);
  double began = now();
  while (now() - began < seconds) {
    struct epoll_event events[WIDTH_MAX];
    int n = epoll_wait(queue, events, WIDTH_MAX, 10);
    for (int i = 0; i < n; i++) go_on(events[i].data.ptr);
  }
  printf("{\"done\": %ld, \"failed\": %ld, \"seconds\": %.3f}\n", done, failed, now() - began);
  return 0;
}

/* push SECONDS TARGET: one connection; the time runs until the far end has said what it took. */
int push(int argc, char** argv) {
  static char data[1 << 18];
  double seconds = number(argc, argv, 2);
  Target target = parse_target(word(argc, argv, 3));
  if (find_address(&target, &address)) die("no such name");
  int s = connected(&address, 0);
  if (s < 0) die("connect");
  double began = now();
  if (write(s, "SINK\n", 5) != 5) die("write");
  while (now() - began < seconds)
    if (write(s, data, sizeof data) < 0) die("write");
  shutdown(s, SHUT_WR);
  ssize_t n = read(s, data, sizeof data - 1);
  if (n <= 0) die("read");
  data[n] = 0;
  double took = now() - began;
  printf("{\"bytes\": %lld, \"seconds\": %.3f}\n", atoll(data), took);
  return 0;
}
