// What a daemon answers while it builds, read object by object: the image's id, and the failure
// with its exit code, are kept; everything else goes on to whoever shows it. Pure.
#pragma once

#include "client/json_stream.h"

#include <functional>
#include <optional>
#include <string>

namespace shoal::cli {

class BuildAnswer {
  public:
    using Show = std::function<Result<void>(const Json& message)>;
    explicit BuildAnswer(Show show);

    struct Failure {
        std::string message;
        int code = 1;
    };

    Result<void> feed(std::string_view bytes) { return objects_.feed(bytes); }
    /// Fails: Internal when the answer ended in the middle.
    Result<void> finish() const;

    const std::string& id() const { return id_; } ///< "sha256:..."; "" when none was told
    const std::optional<Failure>& failure() const { return failure_; }

  private:
    Result<void> take(const Json& message);

    Show show_;
    client::JsonStream objects_;
    std::string id_;
    std::optional<Failure> failure_;
};

/// The id in the line of builders that have nothing else to say (-q), or "".
std::string id_in(std::string_view text);

} // namespace shoal::cli
