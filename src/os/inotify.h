// Inotify: tells that something in a directory changed. It does not say what: the caller looks
// again.
#pragma once

#include "os/fd.h"

#include <string>

namespace shoal::os {

class Inotify {
  public:
    /// Watches writes, creations and renames in `directory`.
    static Result<Inotify> watch_directory(const std::string& directory);
    const Fd& fd() const { return fd_; } ///< readable when something changed
    void drain();                        ///< takes all news off the descriptor

  private:
    explicit Inotify(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

} // namespace shoal::os
