// Splits a stream of concatenated JSON objects (progress, events, stats) into single ones, whatever
// blanks are between them. Incremental and pure; an object that grows beyond the limit is an error.
#pragma once

#include "base/json.h"

#include <functional>

namespace shoal::client {

inline constexpr std::size_t stream_object_bytes_max = 16 * 1024 * 1024;

class JsonStream {
  public:
    using Take = std::function<Result<void>(const Json&)>;
    explicit JsonStream(Take take) : take_(std::move(take)) {}
    Result<void> feed(std::string_view bytes);
    bool at_border() const { return depth_ == 0 && text_.empty(); }

  private:
    Take take_;
    std::string text_;
    int depth_ = 0;
    bool in_string_ = false;
    bool escaped_ = false;
};

} // namespace shoal::client
