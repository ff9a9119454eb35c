// ASSERT states what must be true if this program has no bug; it stays on in release and aborts
// with place and condition. It is never used on input: what the outside can cause is an Error.
#pragma once

namespace shoal {
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);
} // namespace shoal

#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) [[unlikely]] {                                                           \
            ::shoal::assertion_failed(#condition, __FILE__, __LINE__);                             \
        }                                                                                          \
    } while (false)
