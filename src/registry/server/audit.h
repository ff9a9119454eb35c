// The registry's audit log: one JSON object per line, who did what from where and how it ended. It
// is written at once, and starts a new file when it has grown. Never secrets.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <mutex>
#include <string>
#include <string_view>

namespace shoal::registry {

class AuditLog {
  public:
    static constexpr std::int64_t bytes_max = 64 << 20;
    explicit AuditLog(std::string path) : path_(std::move(path)) {}

    struct Entry {
        std::string_view who; ///< "" for nobody
        std::string_view from;
        std::string_view what;
        std::string_view object;
        std::string_view result;
    };
    Result<void> write(const Entry& entry, Instant now);

  private:
    std::string path_;
    std::mutex mutex_;
};

} // namespace shoal::registry
