/* What the tests of networks speak with: one static program, in the test image and on the computer itself. A server that says who
 * asked it, and clients that count. No library but the C library, so that it runs in any container. */
#pragma once
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct sockaddr_in6 Address; /* IPv4 as ::ffff:a.b.c.d never leaves this program: family says what it is */

typedef struct {
  char host[128];
  int port;
} Target;

double now(void);      /* monotonic, seconds */
double wall(void);     /* since 1970 */
void die(const char* what);
const char* word(int argc, char** argv, int at); /* or the usage */
double number(int argc, char** argv, int at);
/* "10.0.0.1:80", "[fd00::1]:80", "web:80" */
Target parse_target(const char* text);
/* Names are asked for each time: that is what round robin by DNS needs. 0: found. */
int find_address(const Target* target, struct sockaddr_storage* out);
socklen_t size_of(const struct sockaddr_storage* address);
/* Without "::ffff:". */
void text_of(const struct sockaddr_storage* address, char* out, size_t size);

int serve(int argc, char** argv);
int load(int argc, char** argv);
int flood(int argc, char** argv);
int push(int argc, char** argv);
int ask(int argc, char** argv);
int hold(int argc, char** argv);
int resolve(int argc, char** argv);
