/* Single exchanges, to be read. */
#include "wire.h"

#include <poll.h>
#include <sys/time.h>

static int kind_of(const char* name) { return strcmp(name, "udp") ? SOCK_STREAM : SOCK_DGRAM; }

static int open_to(const Target* target, const char* kind, int patience_ms, int port_here) {
  struct sockaddr_storage address;
  struct timeval t = {patience_ms / 1000, patience_ms % 1000 * 1000};
  int on = 1;
  errno = ENOENT;
  if (find_address(target, &address)) return -1;
  int s = socket(address.ss_family, kind_of(kind) | SOCK_CLOEXEC, strcmp(kind, "sctp") ? 0 : IPPROTO_SCTP);
  if (s < 0) return -1;
  setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
  setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_storage here = {.ss_family = address.ss_family};
  ((struct sockaddr_in*)&here)->sin_port = htons(port_here);
  if (port_here && bind(s, (void*)&here, size_of(&here))) return close(s), -1;
  if (connect(s, (void*)&address, size_of(&address)) == 0) return s;
  int why = errno == EINPROGRESS || errno == EAGAIN ? ETIMEDOUT : errno;
  close(s);
  errno = why;
  return -1;
}

static const char* reason(void) { return errno == ENOENT ? "no such name" : errno == EAGAIN ? "no answer" : strerror(errno); }

static void exchange(int s, const char* what) {
  char data[2048];
  ssize_t n = send(s, what, strlen(what), MSG_NOSIGNAL);
  if (n >= 0) n = recv(s, data, sizeof data, 0);
  if (n > 0) printf("%.*s%s", (int)n, data, data[n - 1] == '\n' ? "" : "\n");
  else printf("error: %s\n", n == 0 ? "closed" : reason());
}

/* ask COUNT tcp|udp|sctp TARGET [PATIENCE_MS [WORDS [PORT_HERE]]]: a line for each: the answer, or "error: ..." */
int ask(int argc, char** argv) {
  int count = (int)number(argc, argv, 2), patience = argc > 5 ? atoi(argv[5]) : 3000, port = argc > 7 ? atoi(argv[7]) : 0;
  const char *kind = word(argc, argv, 3), *what = argc > 6 ? argv[6] : "hello";
  Target target = parse_target(word(argc, argv, 4));
  for (int i = 0; i < count; i++) {
    int s = open_to(&target, kind, patience, port);
    if (s < 0) printf("error: %s\n", reason());
    else exchange(s, what), close(s);
    fflush(stdout);
  }
  return 0;
}

/* hold tcp|udp TARGET [PORT_HERE]: one connection; each line of the input is sent, whatever comes is printed, and so is its end: "ended: ..." */
int hold(int argc, char** argv) {
  const char* kind = word(argc, argv, 2);
  Target target = parse_target(word(argc, argv, 3));
  int s = open_to(&target, kind, 5000, argc > 4 ? atoi(argv[4]) : 0);
  if (s < 0) die("connect");
  puts("connected");
  for (int has_input = 1;;) {
    char data[4096];
    fflush(stdout);
    struct pollfd p[2] = {{s, POLLIN, 0}, {0, POLLIN, 0}};
    if (poll(p, has_input ? 2 : 1, -1) < 0) die("poll");
    if (p[0].revents) {
      ssize_t n = recv(s, data, sizeof data, 0);
      if (n < 0 && kind_of(kind) == SOCK_DGRAM) continue; /* refused once; another may answer the next */
      if (n <= 0) return printf("ended: %s\n", n ? strerror(errno) : "closed"), fflush(stdout), 0;
      printf("%.*s", (int)n, data);
    }
    if (has_input && p[1].revents) {
      ssize_t n = read(0, data, sizeof data);
      if (n <= 0) has_input = 0;
      else if (send(s, data, n, MSG_NOSIGNAL) < 0 && kind_of(kind) == SOCK_STREAM) return printf("ended: %s\n", strerror(errno)), fflush(stdout), 0;
    }
  }
}
