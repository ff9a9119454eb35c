/* One question to the first name server of /etc/resolv.conf, as it stands: no search list, no cache. (getaddrinfo needs libraries that
 * a static program does not bring.) */
#include "wire.h"

#include <poll.h>

enum { PATIENCE_MS = 3000, TRIES = 2 };

typedef struct {
  unsigned char data[1500];
  ssize_t size;
} Message;

static void name_server(struct sockaddr_storage* out) {
  char line[256], address[100] = "127.0.0.11";
  FILE* f = fopen("/etc/resolv.conf", "r");
  while (f && fgets(line, sizeof line, f))
    if (sscanf(line, "nameserver %99s", address) == 1) break;
  if (f) fclose(f);
  Target target = {"", 53};
  snprintf(target.host, sizeof target.host, "%s", address);
  if (find_address(&target, out)) memset(out, 0, sizeof *out);
}

static Message question(const char* name, int type) {
  static const unsigned char head[12] = {0x12, 0x34, 1, 0, 0, 1};
  Message m = {{0}, 12};
  memcpy(m.data, head, sizeof head);
  for (const char* label = name; *label;) {
    size_t size = strcspn(label, ".");
    if (size > 63 || m.size + size > 280) break;
    m.data[m.size++] = size;
    memcpy(m.data + m.size, label, size);
    m.size += size;
    label += size + (label[size] == '.');
  }
  m.data[m.size++] = 0;
  const unsigned char tail[4] = {0, type, 0, 1};
  memcpy(m.data + m.size, tail, 4);
  m.size += 4;
  return m;
}

static Message exchange(const Message* asked) {
  Message got = {{0}, -1};
  struct sockaddr_storage server;
  name_server(&server);
  int s = socket(server.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (s < 0 || connect(s, (void*)&server, size_of(&server))) return close(s), got;
  for (int i = 0; i < TRIES && got.size < 12; i++) {
    struct pollfd p = {s, POLLIN, 0};
    if (send(s, asked->data, asked->size, 0) < 0) break;
    if (poll(&p, 1, PATIENCE_MS / TRIES) > 0) got.size = recv(s, got.data, sizeof got.data, 0);
  }
  close(s);
  return got;
}

static size_t after_name(const Message* m, size_t at) {
  while (at < (size_t)m->size && m->data[at]) {
    if (m->data[at] >= 0xc0) return at + 2;
    at += 1 + m->data[at];
  }
  return at + 1;
}

/* each(context, address, ttl) for every address of that type. The code of the answer; -1: none came. */
static int answers(const char* name, int type, void (*each)(void*, const char*, unsigned), void* context) {
  Message asked = question(name, type), m = exchange(&asked);
  if (m.size < 12) return -1;
  size_t at = after_name(&m, 12) + 4;
  for (int left = m.data[6] * 256 + m.data[7]; left > 0; left--) {
    at = after_name(&m, at);
    if (at + 10 > (size_t)m.size) break;
    const unsigned char* r = m.data + at;
    size_t size = r[8] * 256 + r[9];
    char text[64];
    if (r[1] == type && at + 10 + size <= (size_t)m.size && inet_ntop(type == 1 ? AF_INET : AF_INET6, r + 10, text, sizeof text))
      each(context, text, (unsigned)r[4] << 24 | r[5] << 16 | r[6] << 8 | r[7]);
    at += 10 + size;
  }
  return m.data[3] & 15;
}

static void keep_first(void* context, const char* address, unsigned ttl) {
  (void)ttl;
  char* out = context;
  if (!*out) strcpy(out, address);
}

int first_address(const char* name, char* out, size_t size) {
  char found[64] = "";
  if (answers(name, 1, keep_first, found) || !*found) answers(name, 28, keep_first, found);
  snprintf(out, size, "%s", found);
  return *found ? 0 : -1;
}

static void print(void* context, const char* address, unsigned ttl) {
  (void)context;
  printf("%s %u\n", address, ttl);
}

/* resolve NAME [AAAA]: lines of address and time to live; the last one says the code (0 found, 2 failed, 3 no such name). */
int resolve(int argc, char** argv) {
  int code = answers(word(argc, argv, 2), argc > 3 ? 28 : 1, print, NULL);
  printf("code %d\n", code);
  return 0;
}
