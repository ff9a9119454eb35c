// The progress that daemons report as JSON objects, as text: on a terminal a line per id that is
// drawn over again, with a bar; elsewhere one plain line for every step, without bars. Pure: text
// in, text out.
#pragma once

#include "base/json.h"

#include <string>
#include <vector>

namespace shoal::cli {

/// The numbers beside a bar: of bytes, or of the unit named.
struct BarNumbers {
    bool visible = true;
    std::string unit{};
};
/// "[=====>    ]  1.2MB/3MB", as long as `columns` allow; "" when nothing is known.
std::string progress_bar(std::int64_t current, std::int64_t total, unsigned columns,
                         const BarNumbers& shown = {});

class ProgressText {
  public:
    enum class To { Terminal, Plain };
    explicit ProgressText(To to) : to_(to) {}

    /// What to print for one object. Fails: with the daemon's sentence when the object is an error.
    Result<std::string> next(const Json& message, unsigned columns);

  private:
    Result<std::string> text_of_message(const Json& message, unsigned columns);
    std::string redraw(const Json& message, const std::string& id, unsigned columns);

    To to_;
    std::vector<std::string> ids_; ///< from top to bottom; lines that can be reached yet
    bool passing_ = false;         ///< the cursor is in a line that will go away
};

} // namespace shoal::cli
