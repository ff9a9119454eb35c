#include "cli/swarm/watch.h"

#include "cli/support.h"
#include "cli/terminal.h"
#include "net/unix_signals.h"

#include <chrono>
#include <csignal>

#include <unistd.h>

namespace shoal::cli::swarm {
namespace {

constexpr std::chrono::milliseconds between_looks{200};
constexpr unsigned columns_otherwise = 200;

net::Task<bool> interrupted(net::UnixSignals* signals) {
    const net::Until soon(Deadline::in(between_looks));
    auto signal = co_await signals->next(soon);
    co_return signal.has_value();
}

} // namespace

Json progress_message(std::string_view id, std::string_view text, Bar bar) {
    Json detail = Json::object();
    if (bar.current != 0) { detail["current"] = bar.current; }
    if (bar.total != 0) { detail["total"] = bar.total; }
    if (bar.unit.empty()) {
        detail["hidecounts"] = true;
    } else {
        detail["units"] = bar.unit;
    }
    return {{"id", id}, {"status", text}, {"progressDetail", detail}};
}

Json plain_message(std::string_view id, std::string_view text) {
    Json message{{"status", text}};
    if (!id.empty()) { message["id"] = id; }
    return message;
}

Watch::Watch(App& app, Show show)
    : app_(app), show_(show), terminal_(is_terminal(STDOUT_FILENO)),
      text_(terminal_ ? ProgressText::To::Terminal : ProgressText::To::Plain),
      signals_(std::make_unique<net::UnixSignals>(app.loop(), std::vector<int>{SIGINT})) {}

Watch::~Watch() = default;

void Watch::show(const Json& message) {
    if (show_ == Show::Nothing) { return; }
    const auto columns = window_size(STDOUT_FILENO).columns;
    const auto text = text_.next(message, columns == 0 ? columns_otherwise : columns);
    if (!text || text->empty()) { return; }
    // On paper a line that says the same as before is noise.
    std::string& before = shown_[text_of(message, "id")];
    if (!terminal_ && before == *text) { return; }
    before = *text;
    app_.out(*text);
    app_.flush();
}

Watch::Pause Watch::pause() {
    return net::run_task(app_.loop(), interrupted(signals_.get())) ? Pause::Interrupted
                                                                   : Pause::Over;
}

} // namespace shoal::cli::swarm
