#include "cli/progress.h"

#include "base/text.h"
#include "cli/support.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli {
namespace {

constexpr unsigned bar_max = 50;
constexpr unsigned beside_bar = 60; ///< columns for id, status and numbers
constexpr unsigned bar_min = 10;    ///< a shorter bar says nothing

constexpr std::string_view erase_line = "\x1b[2K\r";

struct Detail {
    bool present = false;
    std::int64_t current = 0;
    std::int64_t total = 0;
    BarNumbers numbers{};
};
Detail detail_of(const Json& message) {
    const auto at = message.find("progressDetail");
    if (at == message.end() || !at->is_object()) { return {}; }
    const bool hidden = at->contains("hidecounts") && (*at)["hidecounts"] == true;
    return {
        true, number_of(*at, "current"), number_of(*at, "total"), {!hidden, text_of(*at, "units")}};
}

Error error_of(const Json& message) {
    std::string text = text_of(message, "error");
    if (const auto detail = message.find("errorDetail"); detail != message.end()) {
        if (const auto words = text_of(*detail, "message"); !words.empty()) { text = words; }
    }
    return internal(text);
}

/// What a daemon sends is shown, but may not drive the terminal.
std::string harmless(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t') { out += c; }
    }
    return out;
}

} // namespace

std::string progress_bar(std::int64_t current, std::int64_t total, unsigned columns,
                         const BarNumbers& shown) {
    if (current <= 0 && total <= 0) { return ""; }
    const auto amount = [&](std::int64_t value) {
        return shown.unit.empty() ? human_size(static_cast<double>(value)) : std::to_string(value);
    };
    const std::string done = amount(current);
    if (total <= 0) { return fmt::format("{:>8}", done); }
    const std::string unit = shown.unit.empty() ? "" : " " + shown.unit;
    const std::string numbers = !shown.visible ? ""
                                : current > total
                                    ? fmt::format("{:>8}{}", done, unit)
                                    : fmt::format("{:>8}/{}{}", done, amount(total), unit);
    const unsigned width = columns > beside_bar ? std::min(bar_max, columns - beside_bar) : 0;
    if (width < bar_min) { return numbers; }
    const double part =
        std::clamp(static_cast<double>(current) / static_cast<double>(total), 0.0, 1.0);
    const auto filled = static_cast<unsigned>(part * width);
    return fmt::format("[{}>{}] {}", std::string(filled, '='), std::string(width - filled, ' '),
                       numbers);
}

Result<std::string> ProgressText::next(const Json& message, unsigned columns) {
    TRY_LET(text, text_of_message(message, columns));
    const bool stays = std::exchange(passing_, text.starts_with(erase_line));
    // The line that was only passing makes room.
    return stays && !text.empty() && !text.starts_with(erase_line) ? std::string(erase_line) + text
                                                                   : text;
}

Result<std::string> ProgressText::text_of_message(const Json& message, unsigned columns) {
    if (message.contains("error") || message.contains("errorDetail")) { return error_of(message); }
    if (message.contains("aux") && !message["aux"].is_null()) { return std::string(); }
    const std::string stream = text_of(message, "stream");
    if (!stream.empty()) {
        ids_.clear();
        return harmless(stream);
    }
    const std::string id = harmless(text_of(message, "id"));
    const Detail detail = detail_of(message);
    if (to_ == To::Terminal && detail.present) { return redraw(message, id, columns); }
    // Steps are lines; what happens between them is for terminals only.
    if (detail.present && (id.empty() || detail.current > 0 || detail.total > 0)) {
        return std::string();
    }
    if (!detail.present) { ids_.clear(); }
    const std::string status = harmless(text_of(message, "status"));
    return id.empty() ? status + "\n" : id + ": " + status + "\n";
}

std::string ProgressText::redraw(const Json& message, const std::string& id, unsigned columns) {
    const Detail detail = detail_of(message);
    std::string line = id.empty() ? "" : id + ": ";
    line += harmless(text_of(message, "status"));
    if (const auto bar = progress_bar(detail.current, detail.total, columns, detail.numbers);
        !bar.empty()) {
        line += " " + bar;
    }
    if (id.empty()) {
        ids_.clear();
        return fmt::format("{}{}\r", erase_line, line);
    }
    std::string out;
    auto at = std::find(ids_.begin(), ids_.end(), id);
    if (at == ids_.end()) {
        at = ids_.insert(ids_.end(), id);
        out = "\n";
    }
    const auto up = ids_.end() - at;
    return out + fmt::format("\x1b[{}A{}{}\r\x1b[{}B", up, erase_line, line, up);
}

} // namespace shoal::cli
