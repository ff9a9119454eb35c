// What a fuzz target finds wrong: it says which claim does not hold and ends, so that the input is
// kept. It is on in every build.
#pragma once

#include <cstdio>
#include <cstdlib>

#define REQUIRE(...)                                                                               \
    do {                                                                                           \
        if (!(__VA_ARGS__)) {                                                                      \
            std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #__VA_ARGS__);  \
            std::abort();                                                                          \
        }                                                                                          \
    } while (false)
