// LockFile: a file that at most one living process has locked: "this directory is mine". The kernel
// gives the lock back when the process ends, however it ends. PidFile: the number of the process
// for scripts, removed at the end.
#pragma once

#include "os/fd.h"

#include <string>

namespace shoal::os {

class LockFile {
  public:
    LockFile() = default;
    /// Makes the file if need be. Fails: Conflict when somebody else holds it.
    static Result<LockFile> acquire(const std::string& path);
    /// Waits for whoever holds it: for what takes moments.
    static Result<LockFile> wait_for(const std::string& path);

  private:
    explicit LockFile(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

class PidFile {
  public:
    PidFile() = default;
    /// Fails: Conflict when the file names a living process of the same program.
    static Result<PidFile> create(const std::string& path);
    PidFile(PidFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    PidFile& operator=(PidFile&& other) noexcept {
        std::swap(path_, other.path_);
        return *this;
    }
    ~PidFile();

  private:
    explicit PidFile(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

} // namespace shoal::os
