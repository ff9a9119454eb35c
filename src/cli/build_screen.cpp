#include "cli/build_screen.h"

#include "cli/session.h"
#include "cli/support.h"
#include "cli/terminal.h"
#include "net/sleep.h"

#include <fmt/format.h>

namespace shoal::cli {
namespace {

constexpr std::chrono::milliseconds between_drawings{85};

ScreenSize size_of(int fd) {
    const WindowSize window = window_size(fd);
    ScreenSize size;
    if (window.rows > 0) { size.rows = window.rows; }
    if (window.columns > 0) { size.columns = window.columns; }
    return size;
}

} // namespace

BuildScreen::BuildScreen(App& app, int fd) : app_(app), fd_(fd), tree_(now()) {}

Result<void> BuildScreen::show(const Json& message) {
    tree_.take(message, now());
    return ok();
}

void BuildScreen::draw(const std::vector<std::string>& lines) {
    std::string text = drawn_ > 0 ? fmt::format("\x1b[{}A\r", drawn_) : "";
    for (const auto& line : lines) { text += line + "\x1b[K\n"; }
    text += "\x1b[J"; // what stood there and is no more
    drawn_ = lines.size();
    (void)write_out(fd_, text); // a terminal that is gone ends the program by itself
}

net::Task<void> BuildScreen::keep_drawing(net::Until until) {
    app_.flush();
    while (!until.cancelled()) {
        draw(tree_.live(now(), size_of(fd_)));
        co_await net::sleep(app_.loop(), until.no_later_than(Deadline::in(between_drawings)));
    }
}

void BuildScreen::end(BuildEnd how) {
    tree_.end(now(), how);
    draw(tree_.whole(now(), size_of(fd_).columns));
    std::string text;
    for (const auto& line : tree_.afterwards()) { text += line + "\n"; }
    (void)write_out(fd_, text);
}

} // namespace shoal::cli
