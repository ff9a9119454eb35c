#include "cli/swarm/input.h"

#include "base/text.h"
#include "cli/support.h"
#include "cli/terminal.h"
#include "os/fd.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace shoal::cli::swarm {
namespace {

constexpr std::size_t piece_bytes = 64 * 1024;
constexpr std::size_t key_bytes_max = 4096;

Result<std::string> read_some(int fd, std::size_t bytes_max) {
    std::string content;
    while (content.size() < bytes_max) {
        std::string piece(std::min(piece_bytes, bytes_max - content.size()), '\0');
        const ssize_t got = ::read(fd, piece.data(), piece.size());
        if (got < 0 && errno == EINTR) { continue; }
        if (got < 0) { return os_error("read", errno); }
        if (got == 0) { break; }
        content.append(piece, 0, static_cast<std::size_t>(got));
    }
    return content;
}

std::string first_line(const std::string& text) {
    return std::string(trim(text.substr(0, text.find('\n'))));
}

} // namespace

Result<std::string> read_input(const std::string& file, std::size_t bytes_max) {
    if (file == "-") { return read_some(STDIN_FILENO, bytes_max); }
    const os::Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) { return go_error("open " + file, os_error("open", errno)); }
    auto content = read_some(fd.raw(), bytes_max);
    if (!content) { return go_error("read " + file, content.error()); }
    return content;
}

Result<std::string> read_first_line(const std::string& file) {
    TRY_LET(content, read_input(file, key_bytes_max));
    return first_line(content);
}

Result<std::string> read_key(App& app, std::string_view prompt) {
    if (!is_terminal(STDIN_FILENO)) { return read_first_line("-"); }
    app.flush();
    auto key = read_secret(STDIN_FILENO, prompt);
    app.line("");
    return key;
}

Result<int> remove_each(App& app, const std::vector<std::string>& names, std::string_view folder,
                        const net::Query& query) {
    TRY_LET(client, app.client());
    std::vector<std::string> errors;
    for (const auto& name : names) {
        const std::string path = std::string(folder) + "/" + client::part(name);
        if (auto done = client->call(client::remove(path, query)); !done) {
            errors.push_back(done.error().message);
            continue;
        }
        app.line(name);
    }
    if (errors.empty()) { return 0; }
    return invalid(join(errors, "\n"));
}

Result<int> inspect_or_page(App& app, const Parsed& parsed, std::string format,
                            const FindObject& find, std::string (*page)(const Json& object)) {
    if (!parsed.text("format").empty()) { format = parsed.text("format"); }
    if (parsed.on("pretty")) { format = "pretty"; }
    if (format != "pretty" && format.starts_with("pretty")) {
        return invalid("cannot supply extra formatting options to the pretty template");
    }
    if (format != "pretty") { return print_objects(app, parsed.words, format, find); }
    for (const auto& name : parsed.words) {
        TRY_LET(object, find(name));
        app.line(page(object));
    }
    return 0;
}

} // namespace shoal::cli::swarm
