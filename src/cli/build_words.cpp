#include "cli/build_words.h"

#include "base/text.h"
#include "cli/screen_text.h"
#include "cli/support.h"
#include "cli/terminal.h"

#include <fmt/format.h>

#include <unistd.h>

namespace shoal::cli {
namespace {

constexpr std::int64_t bytes_between = 512 * 1024;
constexpr std::chrono::milliseconds time_between{100};

int descriptor_of(BuildWords::To to) {
    return to == BuildWords::To::Stderr ? STDERR_FILENO : STDOUT_FILENO;
}

} // namespace

BuildWords::BuildWords(App& app, To to)
    : app_(app), to_(to), terminal_(to != To::Nowhere && is_terminal(descriptor_of(to))),
      progress_(terminal_ ? ProgressText::To::Terminal : ProgressText::To::Plain) {}

void BuildWords::print(std::string_view text) {
    if (to_ == To::Nowhere) { return; }
    if (to_ == To::Stderr) { return app_.err(text); }
    app_.out(text);
    app_.flush();
}

Result<void> BuildWords::show(const Json& message) {
    const std::string words = text_of(message, "stream");
    if (to_ == To::Nowhere) {
        kept_ += words;
        return ok();
    }
    if (!words.empty() && !terminal_) {
        print(words);
        return ok();
    }
    if (!words.empty()) { // tells the progress that other lines have come in between
        TRY(progress_.next({{"stream", "x"}}, 0));
        print(harmless_colours(words));
        return ok();
    }
    TRY_LET(text, progress_.next(message, window_size(descriptor_of(to_)).columns));
    print(text);
    return ok();
}

void BuildWords::print_sent(std::int64_t bytes, std::string_view end) {
    const std::string line = fmt::format("Sending build context to Docker daemon {:>8}{}",
                                         human_size(static_cast<double>(bytes)), end);
    if (to_ == To::Nowhere) {
        kept_sending_ += line;
    } else {
        print(line);
    }
}

void BuildWords::sent(std::int64_t bytes) {
    const auto time = std::chrono::steady_clock::now();
    if (bytes - shown_bytes_ <= bytes_between || time - shown_at_ < time_between) { return; }
    shown_bytes_ = bytes;
    shown_at_ = time;
    print_sent(bytes, "\r");
}

void BuildWords::ended(std::int64_t bytes) { print_sent(bytes, "\r\r\n"); }

} // namespace shoal::cli
