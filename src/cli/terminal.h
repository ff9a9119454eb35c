// The terminal that the command was started on: whether there is one, how wide it is, raw mode with
// its way back.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <memory>
#include <string_view>

namespace shoal::cli {

struct WindowSize {
    unsigned rows = 0;
    unsigned columns = 0;
    bool operator==(const WindowSize&) const = default;
};

bool is_terminal(int fd);
/// 0 x 0 when `fd` is no terminal.
WindowSize window_size(int fd);

/// Raw mode as long as it lives; the old mode comes back also when the program ends by exit() or a
/// fatal signal that it catches. Nothing happens when `fd` is no terminal.
class RawMode {
  public:
    enum class Output { Keep, Raw };
    static std::unique_ptr<RawMode> enter(int fd);
    ~RawMode();
    RawMode(const RawMode&) = delete;
    RawMode& operator=(const RawMode&) = delete;
    struct Saved;

  private:
    explicit RawMode(std::unique_ptr<Saved> saved);
    std::unique_ptr<Saved> saved_;
};

/// A line from the terminal without echo. The prompt goes to standard output once the echo is off:
/// what is typed the moment it appears is not seen either.
Result<std::string> read_secret(int fd, std::string_view prompt);

} // namespace shoal::cli
