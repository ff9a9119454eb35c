// shoal: the command line.
#include "cli/app.h"

int main(int argc, char** argv) { return shoal::cli::run_program(argc, argv); }
