#include "wire.h"

static const struct {
  const char* name;
  int (*run)(int, char**);
} jobs[] = {{"serve", serve}, {"load", load}, {"flood", flood}, {"push", push}, {"ask", ask}, {"hold", hold}, {"resolve", resolve}};

int main(int argc, char** argv) {
  for (size_t i = 0; argc > 1 && i < sizeof jobs / sizeof *jobs; i++)
    if (!strcmp(argv[1], jobs[i].name)) return jobs[i].run(argc, argv);
  fprintf(stderr, "wire: serve, load, flood, push, ask, hold or resolve; see the head of each file\n");
  return 2;
}
