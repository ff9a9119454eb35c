#include "wire.h"

#include <netdb.h>

double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

double wall(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

void die(const char* what) {
  fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
  exit(1);
}

const char* word(int argc, char** argv, int at) {
  if (at >= argc) {
    fprintf(stderr, "wire: word %d is missing\n", at);
    exit(2);
  }
  return argv[at];
}

double number(int argc, char** argv, int at) { return atof(word(argc, argv, at)); }

Target parse_target(const char* text) {
  Target target = {"", 0};
  const char* colon = strrchr(text, ':');
  size_t size = colon ? (size_t)(colon - text) : strlen(text);
  if (text[0] == '[') text++, size -= 2;
  if (size >= sizeof target.host) size = sizeof target.host - 1;
  memcpy(target.host, text, size);
  target.port = colon ? atoi(colon + 1) : 0;
  return target;
}

socklen_t size_of(const struct sockaddr_storage* address) {
  return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

void text_of(const struct sockaddr_storage* address, char* out, size_t size) {
  const void* bytes = address->ss_family == AF_INET6 ? (const void*)&((const struct sockaddr_in6*)address)->sin6_addr
                                                     : (const void*)&((const struct sockaddr_in*)address)->sin_addr;
  inet_ntop(address->ss_family, bytes, out, size);
  if (!strncmp(out, "::ffff:", 7) && strchr(out, '.')) memmove(out, out + 7, strlen(out + 7) + 1);
}

static int numeric(const Target* target, struct sockaddr_storage* out) {
  struct sockaddr_in* four = (void*)out;
  struct sockaddr_in6* six = (void*)out;
  memset(out, 0, sizeof *out);
  if (inet_pton(AF_INET, target->host, &four->sin_addr) == 1) {
    four->sin_family = AF_INET, four->sin_port = htons(target->port);
    return 0;
  }
  if (inet_pton(AF_INET6, target->host, &six->sin6_addr) != 1) return -1;
  six->sin6_family = AF_INET6, six->sin6_port = htons(target->port);
  return 0;
}

int first_address(const char* name, char* out, size_t size); /* resolve.c */

int find_address(const Target* target, struct sockaddr_storage* out) {
  if (numeric(target, out) == 0) return 0;
  Target found = *target;
  if (first_address(target->host, found.host, sizeof found.host)) return -1;
  return numeric(&found, out);
}
