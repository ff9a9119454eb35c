#include "registry/server/access_log.h"

#include "net/sleep.h"
#include "os/file.h"

#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>

namespace shoal::registry {
namespace {

constexpr std::size_t gathered_bytes_max = 64 * 1024;
constexpr auto flush_interval = std::chrono::seconds(1);
constexpr std::size_t field_bytes_max = 512;

/// A stranger's text inside of quotes or between blanks.
void append_field(std::string& line, std::string_view text, std::string_view forbidden) {
    if (text.empty()) { line += '-'; }
    for (const char c : text.substr(0, field_bytes_max)) {
        const bool bad = static_cast<unsigned char>(c) < 0x20 || c == 0x7f ||
                         forbidden.find(c) != std::string_view::npos;
        line += bad ? '?' : c;
    }
}

Result<os::Fd> open_target(const std::string& target) {
    if (target == "stderr") { return os::Fd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)); }
    return os::open_file(target, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY, 0640).with("access log");
}

} // namespace

std::string print_access_line(const net::RequestHead& request, std::string_view peer,
                              std::string_view user, std::string_view time, int status,
                              std::uint64_t bytes, std::chrono::nanoseconds took) {
    std::string line;
    line.reserve(256);
    append_field(line, peer, " ");
    line += " - ";
    append_field(line, user, " \"");
    line.append(" [").append(time).append("] \"");
    append_field(line, request.method, "\" ");
    line += ' ';
    append_field(line, request.path, "\" ");
    char numbers[96];
    const int length = std::snprintf(
        numbers, sizeof numbers, " HTTP/1.%d\" %d %llu %.6f \"", request.version % 10, status,
        static_cast<unsigned long long>(bytes), std::chrono::duration<double>(took).count());
    line.append(numbers, static_cast<std::size_t>(length));
    append_field(line, request.headers.get_or("User-Agent", ""), "\"");
    line += '"';
    return line;
}

Result<std::unique_ptr<AccessLog>> AccessLog::open(net::Loop& loop, const Clock& clock,
                                                   std::string target) {
    TRY_LET(file, open_target(target));
    return std::make_unique<AccessLog>(loop, clock, std::move(target), std::move(file));
}

AccessLog::AccessLog(net::Loop& loop, const Clock& clock, std::string target, os::Fd file)
    : loop_(loop), clock_(clock), target_(std::move(target)), file_(std::move(file)), filled_(loop),
      scope_(loop) {
    scope_.spawn(flush_now_and_then(*this));
}

AccessLog::~AccessLog() { flush(); }

void AccessLog::add(const net::RequestHead& request, std::string_view peer, std::string_view user,
                    int status, std::uint64_t bytes, std::chrono::nanoseconds took) {
    const std::time_t now = std::chrono::system_clock::to_time_t(
        std::chrono::time_point_cast<std::chrono::system_clock::duration>(clock_.now()));
    if (now != second_) {
        std::tm parts{};
        char text[40];
        ::gmtime_r(&now, &parts);
        time_text_.assign(text,
                          std::strftime(text, sizeof text, "%d/%b/%Y:%H:%M:%S +0000", &parts));
        second_ = now;
    }
    if (lines_.empty()) { filled_.raise(); }
    lines_ += print_access_line(request, peer, user, time_text_, status, bytes, took);
    lines_ += '\n';
    if (lines_.size() >= gathered_bytes_max) { flush(); }
}

void AccessLog::flush() {
    if (lines_.empty()) { return; }
    // A log that cannot be written must not stop the registry.
    auto written = os::write_all(file_, lines_);
    (void)written;
    lines_.clear();
}

Result<void> AccessLog::reopen() {
    flush();
    TRY_LET(file, open_target(target_));
    file_ = std::move(file);
    return ok();
}

net::Task<void> AccessLog::close() {
    co_await scope_.close();
    flush();
}

net::Task<void> AccessLog::flush_now_and_then(AccessLog& self) {
    const net::Until until(self.scope_.cancel());
    while (true) {
        const net::Wake wake = co_await self.filled_.wait(until);
        if (wake != net::Wake::Raised) { co_return; }
        const net::Until pause(Deadline::in(flush_interval), self.scope_.cancel());
        const net::Wake slept = co_await net::sleep(self.loop_, pause);
        self.flush();
        if (slept == net::Wake::Cancelled) { co_return; }
    }
}

} // namespace shoal::registry
