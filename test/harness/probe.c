/* A static helper inside the test image: says what the kernel answers to one question. Not a tool for anything else.
 *   probe syscall NUMBER        -> "ok" or the errno name's number after calling it with zero arguments
 *   probe signals               -> prints every signal it receives; exits 42 on SIGTERM
 *   probe fill MIB              -> touches that much memory, then prints "filled"
 *   probe fds                   -> lists open descriptors, one per line
 *   probe unshare-user          -> tries a new user namespace
 *   probe open-exe PID          -> tries to open /proc/PID/exe for writing
 *   probe keep-open PATH        -> opens PATH and waits
 *   probe echo-udp|echo-tcp PORT, probe who-tcp PORT -> answers what it gets, or with the peer's address
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int answer(long result) {
  if (result < 0) printf("errno %d\n", errno); else printf("ok %ld\n", result);
  return 0;
}

static void on_signal(int n) {
  char text[32];
  int size = snprintf(text, sizeof text, "signal %d\n", n);
  if (write(1, text, size) < 0 || n == SIGTERM) _exit(42);
}

static int signals(void) {
  for (int n = 1; n < 65; n++) if (n != SIGKILL && n != SIGSTOP && n != SIGCHLD) signal(n, on_signal);
  if (write(1, "ready\n", 6) < 0) return 1;
  for (;;) pause();
}

static int fill(long mib) {
  for (long i = 0; i < mib; i++) {
    char* block = malloc(1 << 20);
    if (!block) { puts("refused"); return 3; }
    memset(block, (int)i + 1, 1 << 20);
  }
  puts("filled");
  return 0;
}

static int fds(void) {
  DIR* folder = opendir("/proc/self/fd");
  for (struct dirent* e; folder && (e = readdir(folder));) {
    char path[300], target[400] = "";
    if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(folder)) continue;
    snprintf(path, sizeof path, "/proc/self/fd/%s", e->d_name);
    if (readlink(path, target, sizeof target - 1) > 0) printf("%s %s\n", e->d_name, target);
  }
  return 0;
}

static int serve(int kind, int port, int who) {
  int s = socket(AF_INET6, kind, 0), off = 0, on = 1;
  struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(port)}, peer;
  setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (s < 0) {  /* no IPv6 in this namespace */
    struct sockaddr_in at4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    s = socket(AF_INET, kind, 0);
    if (bind(s, (void*)&at4, sizeof at4)) return perror("bind"), 1;
  } else if (bind(s, (void*)&at, sizeof at)) return perror("bind"), 1;
  if (kind == SOCK_STREAM && listen(s, 64)) return perror("listen"), 1;
  puts("ready");
  fflush(stdout);
  for (;;) {
    char data[65536];
    socklen_t size = sizeof peer;
    if (kind == SOCK_DGRAM) {
      ssize_t n = recvfrom(s, data, sizeof data, 0, (void*)&peer, &size);
      if (n >= 0) sendto(s, data, n, 0, (void*)&peer, size);
      continue;
    }
    int c = accept(s, (void*)&peer, &size);
    if (c < 0) continue;
    if (who) {
      char text[64], *start = text;
      inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof text);
      if (!strncmp(start, "::ffff:", 7)) start += 7;
      dprintf(c, "%s\n", start);
    } else if (fork() == 0) {
      for (ssize_t n; (n = read(c, data, sizeof data)) > 0;) if (write(c, data, n) != n) break;
      _exit(0);
    }
    close(c);
  }
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  const char* arg = argc > 2 ? argv[2] : "0";
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (!strcmp(what, "syscall")) return answer(syscall(atol(arg), 0, 0, 0, 0, 0, 0));
  if (!strcmp(what, "signals")) return signals();
  if (!strcmp(what, "fill")) return fill(atol(arg));
  if (!strcmp(what, "fds")) return fds();
  if (!strcmp(what, "unshare-user")) return answer(unshare(CLONE_NEWUSER));
  if (!strcmp(what, "open-exe")) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/exe", arg);
    return answer(open(path, O_WRONLY));
  }
  if (!strcmp(what, "keep-open")) { answer(open(arg, O_RDWR | O_CREAT, 0644)); for (;;) pause(); }
  signal(SIGCHLD, SIG_IGN);
  if (!strcmp(what, "echo-udp")) return serve(SOCK_DGRAM, atoi(arg), 0);
  if (!strcmp(what, "echo-tcp")) return serve(SOCK_STREAM, atoi(arg), 0);
  if (!strcmp(what, "who-tcp")) return serve(SOCK_STREAM, atoi(arg), 1);
  fprintf(stderr, "probe: unknown question\n");
  return 2;
}
