#include "cli/build_tree.h"

#include "base/text.h"
#include "base/time.h"
#include "cli/screen_text.h"
#include "cli/support.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli {
namespace {

constexpr std::size_t log_lines_max = 6; ///< beneath one running step
constexpr std::size_t notices_max = 20;  ///< of one step
constexpr std::size_t warnings_max = 100;
constexpr std::size_t line_bytes_max = 64 * 1024; ///< of a step's output
constexpr std::string_view bullet = " => ";
constexpr std::string_view deeper = " => => ";
constexpr std::string_view log_mark = " => => # ";

std::string seconds_text(Instant from, Instant to) {
    const auto tenths =
        std::chrono::duration_cast<std::chrono::milliseconds>(to - from).count() / 100;
    return fmt::format("{}.{}s", std::max<std::int64_t>(tenths, 0) / 10,
                       std::max<std::int64_t>(tenths, 0) % 10);
}

/// `right` ends at the last column but one; `left` is cut when there is no room for both.
std::string spread(std::string_view left, std::string_view right, std::size_t columns) {
    const std::size_t room = columns > 1 ? columns - 1 : 1;
    if (room <= right.size() + 1) { return std::string(cut_columns(left, room)); }
    const auto shown = cut_columns(left, room - right.size() - 1);
    const std::size_t blanks = room - right.size() - columns_of(shown);
    return fmt::format("{}{}{}", shown, std::string(blanks, ' '), right);
}

std::string cut_line(std::string_view line, std::size_t columns) {
    return std::string(cut_columns(line, columns > 1 ? columns - 1 : 1));
}

std::string one_line(std::string_view text) { return replace_all(harmless_text(text), "\n", " "); }

} // namespace

// --- a step's output ---

void StepLog::end_line() {
    bytes_ += open_.size();
    lines_.push_back(std::exchange(open_, {}));
    returned_ = false;
    while (bytes_ > step_log_bytes_max && lines_.size() > 1) {
        bytes_ -= lines_.front().size();
        lines_.pop_front();
        dropped_ = true;
    }
}

void StepLog::add(std::string_view text) {
    while (!text.empty()) {
        const auto at = text.find_first_of("\r\n");
        const auto piece = harmless_text(text.substr(0, at));
        if (returned_ && !piece.empty()) { open_.clear(); }
        if (!piece.empty()) { returned_ = false; }
        open_ += piece;
        if (open_.size() > line_bytes_max) { end_line(); }
        if (at == std::string_view::npos) { return; }
        if (text[at] == '\r') { returned_ = true; }
        if (text[at] == '\n') { end_line(); }
        text.remove_prefix(at + 1);
    }
}

std::vector<std::string> StepLog::last(std::size_t count) const {
    std::vector<std::string> found;
    if (!open_.empty() && count > 0) { found.push_back(open_); }
    for (auto line = lines_.rbegin(); line != lines_.rend() && found.size() < count; ++line) {
        found.push_back(*line);
    }
    std::reverse(found.begin(), found.end());
    return found;
}

std::vector<std::string> StepLog::all() const {
    std::vector<std::string> found;
    if (dropped_) { found.emplace_back("..."); }
    found.insert(found.end(), lines_.begin(), lines_.end());
    if (!open_.empty()) { found.push_back(open_); }
    return found;
}

// --- events ---

void BuildTree::take(const Json& message, Instant now) {
    const auto event = message.find("aux");
    if (text_of(message, "id") != "shoal.build" || event == message.end() || !event->is_object()) {
        return;
    }
    const Instant told = from_unix_nanos(number_of(*event, "At"));
    if (!skew_ && told != Instant{}) { skew_ = now - told; }
    const std::string kind = text_of(*event, "Event");
    if (kind == "warning") { return warn(*event); }
    if (!event->contains("Step")) {
        if (kind == "notice" && notices_.size() < notices_max) {
            notices_.push_back(one_line(text_of(*event, "Text")));
        }
        return;
    }
    const int id = static_cast<int>(number_of(*event, "Step"));
    if (kind == "announced") { return announce(id, *event); }
    take_step(kind, id, *event, told + skew_.value_or(nanoseconds{}));
}

void BuildTree::announce(int id, const Json& event) {
    Step step;
    step.name = one_line(text_of(event, "Name"));
    if (step.name.empty()) { step.name = one_line(text_of(event, "Text")); }
    for (const Json& need : list_of(event, "Needs")) {
        if (need.is_number_integer()) { step.needs.push_back(need.get<int>()); }
    }
    steps_.try_emplace(id, std::move(step));
}

bool BuildTree::is_ready(const Step& step) const {
    return std::all_of(step.needs.begin(), step.needs.end(), [&](int id) {
        const auto need = steps_.find(id);
        return need == steps_.end() || need->second.state == State::Done ||
               need->second.state == State::Cached;
    });
}

void BuildTree::start_what_waited(Instant at) {
    const auto waited = std::exchange(eager_, {});
    for (const int id : waited) {
        Step& step = steps_.at(id);
        if (step.state != State::Waiting) { continue; }
        if (is_ready(step)) {
            start(id, step, at);
        } else {
            eager_.push_back(id);
        }
    }
}

void BuildTree::start(int id, Step& step, Instant at) {
    if (step.state != State::Waiting) { return; }
    step.state = State::Running;
    step.started = at;
    order_.push_back(id);
}

void BuildTree::take_step(const std::string& kind, int id, const Json& event, Instant at) {
    const auto known = steps_.find(id);
    if (known == steps_.end()) { return; }
    Step& step = known->second;
    if (kind == "started" && !is_ready(step)) { return eager_.push_back(id); }
    if (kind != "removed") { start(id, step, at); }
    if (kind == "output") { return step.log.add(text_of(event, "Text")); }
    if (kind == "notice" && step.notices.size() < notices_max) {
        step.notices.push_back(one_line(text_of(event, "Text")));
    }
    if (kind == "progress") {
        step.progress = one_line(text_of(event, "Text"));
        step.current = number_of(event, "Current");
        step.bytes = number_of(event, "Bytes");
    }
    if (kind == "cached") { step.cached = true; }
    if (kind == "done" || kind == "failed") {
        step.state = kind == "failed" ? State::Failed : step.cached ? State::Cached : State::Done;
        step.ended = at;
    }
    if (kind == "done") {
        step.log.clear();
        start_what_waited(at);
    }
}

void BuildTree::warn(const Json& event) {
    if (warnings_.size() >= warnings_max) { return; }
    std::string text = one_line(text_of(event, "Text"));
    if (const auto rule = one_line(text_of(event, "Rule")); !rule.empty()) {
        text = rule + ": " + text;
    }
    if (const auto line = number_of(event, "Line"); line > 0) {
        text += fmt::format(" (line {})", line);
    }
    warnings_.push_back(std::move(text));
}

void BuildTree::end(Instant at, BuildEnd how) {
    ended_ = at;
    how_ = how;
    std::vector<Step*> running;
    bool told = false;
    for (auto& [id, step] : steps_) {
        if (step.state == State::Running) { running.push_back(&step); }
        told = told || step.state == State::Failed;
    }
    if (how != BuildEnd::Failed || told || running.size() != 1) { return; }
    running[0]->state = State::Failed; // what else could it have been
    running[0]->ended = at;
}

// --- lines ---

std::string BuildTree::head(Instant now, std::size_t columns) const {
    const auto ended = std::count_if(steps_.begin(), steps_.end(), [](const auto& entry) {
        return entry.second.state == State::Cached || entry.second.state == State::Done;
    });
    const std::string_view how = !ended_                      ? ""
                                 : how_ == BuildEnd::Failed   ? " FAILED"
                                 : how_ == BuildEnd::Canceled ? " CANCELED"
                                                              : " FINISHED";
    return cut_line(fmt::format("[+] Building {} ({}/{}){}",
                                seconds_text(begun_, ended_.value_or(now)), ended, steps_.size(),
                                how),
                    columns);
}

std::vector<std::string> BuildTree::lines_of(const Step& step, Instant now,
                                             std::size_t columns) const {
    const bool over = step.state != State::Running;
    const std::string time = seconds_text(step.started, over ? step.ended : ended_.value_or(now));
    const std::string_view mark = step.state == State::Failed   ? "ERROR "
                                  : step.state == State::Cached ? "CACHED "
                                  : step.cached                 ? "CACHED "
                                  : ended_ && !over             ? "CANCELED "
                                                                : "";
    std::vector<std::string> lines{
        spread(fmt::format("{}{}{}", bullet, mark, step.name), time, columns)};
    if (!step.progress.empty()) {
        std::string amount = human_size(static_cast<double>(step.current));
        if (step.bytes > 0 && !over) {
            amount += " / " + human_size(static_cast<double>(step.bytes));
        }
        lines.push_back(cut_line(fmt::format("{}{}: {}", deeper, step.progress, amount), columns));
    }
    for (const auto& notice : step.notices) {
        lines.push_back(cut_line(fmt::format("{}{}", deeper, notice), columns));
    }
    return lines;
}

std::vector<std::string> BuildTree::log_of(const Step& step, std::size_t count,
                                           std::size_t columns) const {
    std::vector<std::string> lines;
    if (step.state != State::Running || ended_) { return lines; }
    for (const auto& line : step.log.last(count)) {
        lines.push_back(cut_line(fmt::format("{}{}", log_mark, line), columns));
    }
    return lines;
}

std::vector<std::string> BuildTree::with_log(const Step& step, Instant now, ScreenSize screen,
                                             std::size_t logs) const {
    auto lines = lines_of(step, now, screen.columns);
    for (auto& line : log_of(step, logs, screen.columns)) { lines.push_back(std::move(line)); }
    return lines;
}

/// What is running comes first, with as much of its output as there is room for; then what ended
/// last.
std::map<int, std::vector<std::string>> BuildTree::choose(Instant now, ScreenSize screen,
                                                          std::size_t room) const {
    std::map<int, std::vector<std::string>> shown; // by place in order_
    std::size_t used = 0;
    for (std::size_t logs = log_lines_max + 1; logs-- > 0 && (shown.empty() || used > room);) {
        used = 0;
        for (std::size_t i = 0; i < order_.size(); ++i) {
            const Step& step = steps_.at(order_[i]);
            if (step.state != State::Running) { continue; }
            auto lines = with_log(step, now, screen, logs);
            used += lines.size();
            shown[static_cast<int>(i)] = std::move(lines);
        }
    }
    for (std::size_t i = order_.size(); i-- > 0 && used < room;) {
        const Step& step = steps_.at(order_[i]);
        if (step.state == State::Running) { continue; }
        auto lines = lines_of(step, now, screen.columns);
        used += lines.size();
        if (used <= room) { shown[static_cast<int>(i)] = std::move(lines); }
    }
    return shown;
}

std::vector<std::string> BuildTree::live(Instant now, ScreenSize screen) const {
    const std::size_t room = screen.rows > 2 ? screen.rows - 2 : 1; // the head, and the cursor
    std::vector<std::string> lines;
    for (const auto& [place, some] : choose(now, screen, room)) {
        lines.insert(lines.end(), some.begin(), some.end());
    }
    if (lines.size() > room) { lines.resize(room); }
    lines.insert(lines.begin(), head(now, screen.columns));
    return lines;
}

std::vector<std::string> BuildTree::whole(Instant now, std::size_t columns) const {
    std::vector<std::string> lines{head(now, columns)};
    for (const auto& notice : notices_) { lines.push_back(cut_line(notice, columns)); }
    for (const int id : order_) {
        for (auto& line : lines_of(steps_.at(id), now, columns)) { lines.push_back(line); }
    }
    return lines;
}

std::vector<std::string> BuildTree::afterwards() const {
    std::vector<std::string> lines;
    for (const int id : order_) {
        const Step& step = steps_.at(id);
        auto log = step.log.all();
        if (step.state != State::Failed || log.empty()) { continue; }
        lines.emplace_back("------");
        lines.push_back(fmt::format(" > {}:", step.name));
        for (auto& line : log) { lines.push_back(std::move(line)); }
        lines.emplace_back("------");
    }
    if (warnings_.empty()) { return lines; }
    lines.emplace_back();
    lines.push_back(
        fmt::format(" {} warning{}:", warnings_.size(), warnings_.size() == 1 ? "" : "s"));
    for (const auto& warning : warnings_) { lines.push_back(" - " + warning); }
    return lines;
}

} // namespace shoal::cli
