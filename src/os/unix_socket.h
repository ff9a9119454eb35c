// One question to a server on a unix socket, for programs without a loop. Everything else that
// speaks on sockets is in net/.
#pragma once

#include "os/fd.h"

#include <chrono>
#include <string>
#include <string_view>

namespace shoal::os {

inline constexpr std::size_t unix_path_max = 107;

struct Question {
    std::string path;
    std::string_view text;
    std::chrono::milliseconds patience{2000}; ///< of each system call
};
/// Sends the text and reads the answer to its end. Fails also when nobody listens yet.
Result<std::string> ask_unix_socket(const Question& question);

} // namespace shoal::os
