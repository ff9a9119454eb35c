#include "cli/build_context.h"

#include "archive/compression.h"
#include "base/text.h"
#include "cli/support.h"
#include "dockerfile/instruction.h"
#include "os/file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include <limits.h>
#include <unistd.h>

namespace shoal::cli {
namespace {

constexpr std::string_view cannot_prepare = "unable to prepare context";
constexpr std::size_t ignore_file_bytes_max = 4 * 1024 * 1024;

Result<std::string> working_directory() {
    std::unique_ptr<char, decltype(&std::free)> path(::getcwd(nullptr, 0), std::free);
    if (!path) { return os_error("getcwd", errno); }
    return std::string(path.get());
}

/// Without ".", ".." and double slashes; of the text alone.
std::string clean(std::string_view path) {
    std::vector<std::string> kept;
    for (auto& part : split(path, '/')) {
        if (part.empty() || part == ".") { continue; }
        if (part != "..") {
            kept.push_back(std::move(part));
        } else if (!kept.empty()) {
            kept.pop_back();
        }
    }
    return "/" + join(kept, "/");
}

Result<std::string> absolute(const std::string& path) {
    if (path.starts_with('/')) { return clean(path); }
    TRY_LET(here, working_directory());
    return clean(here + "/" + path);
}

/// The name at which following the path ends, for messages.
std::string first_missing(const std::string& path) {
    for (auto at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
        const std::string part = path.substr(0, at);
        if (::access(part.c_str(), F_OK) != 0) { return part; }
    }
    return path;
}

/// With every link followed.
Result<std::string> resolved(const std::string& path) {
    std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), std::free);
    if (real) { return std::string(real.get()); }
    const int number = errno;
    return go_error("lstat " + first_missing(path), os_error(path, number));
}

/// The path below `directory`, or nothing when it is not below it.
std::optional<std::string> below(const std::string& path, const std::string& directory) {
    const std::string start = directory == "/" ? "/" : directory + "/";
    if (!path.starts_with(start)) { return std::nullopt; }
    return path.substr(start.size());
}

Result<std::string> read_stdin() {
    const os::Fd input(::dup(STDIN_FILENO));
    if (!input) { return os_error("read standard input", errno); }
    return os::read_all(input, dockerfile::dockerfile_bytes_max);
}

Result<std::string> find_dockerfile(const std::string& directory, const std::string& file) {
    if (!file.empty()) { return absolute(file); }
    const std::string usual = directory + "/Dockerfile";
    const std::string lower = directory + "/dockerfile";
    return !os::exists(usual) && os::exists(lower) ? lower : usual;
}

Result<void> use_outside_file(BuildContext& context, const std::string& path) {
    auto text = os::read_file(path, dockerfile::dockerfile_bytes_max);
    if (!text) { return go_error("open " + path, text.error()).with("unable to open Dockerfile"); }
    context.outside = std::move(*text);
    context.outside_path = path;
    return ok();
}

Result<BuildContext> choose_directory(const std::string& given, const std::string& file) {
    BuildContext context;
    TRY_LET(path, absolute(given));
    auto directory = resolved(path);
    if (!directory) {
        return std::move(directory).error().with("unable to evaluate symlinks in context path");
    }
    context.place = std::move(*directory);
    if (!os::is_directory(context.place)) {
        return invalid("context must be a directory: " + context.place);
    }
    if (file == "-") {
        TRY_LET(text, read_stdin());
        context.outside = std::move(text);
        return context;
    }
    TRY_LET(wanted, find_dockerfile(context.place, file));
    auto dockerfile = resolved(wanted);
    if (!dockerfile) {
        return std::move(dockerfile).error().with("unable to evaluate symlinks in Dockerfile path");
    }
    if (auto inside = below(*dockerfile, context.place)) {
        context.dockerfile = std::move(*inside);
        return context;
    }
    if (file.empty()) { // a link that a stranger's directory may contain
        return invalid(
            fmt::format("{} leads out of the context; name the Dockerfile with -f", wanted));
    }
    TRY(use_outside_file(context, *dockerfile));
    return context;
}

/// A header of the tar format: its checksum, counted as if the field itself were blanks, fits.
bool is_tar_header(std::string_view head) {
    constexpr std::size_t sum_at = 148;
    constexpr std::size_t sum_bytes = 8;
    if (head.size() < context_head_bytes) { return false; }
    std::uint64_t sum = sum_bytes * ' ';
    for (std::size_t i = 0; i < context_head_bytes; ++i) {
        if (i < sum_at || i >= sum_at + sum_bytes) { sum += static_cast<unsigned char>(head[i]); }
    }
    std::uint64_t written = 0;
    bool digits = false;
    for (const char c : head.substr(sum_at, sum_bytes)) {
        if (c == ' ' && !digits) { continue; }
        if (c < '0' || c > '7') { break; }
        written = written * 8 + static_cast<std::uint64_t>(c - '0');
        digits = true;
    }
    return digits && written == sum;
}

Result<std::optional<std::string>> read_if_there(const std::string& path) {
    if (!os::exists(path)) { return std::optional<std::string>(); }
    auto text = os::read_file(path, ignore_file_bytes_max);
    if (!text) { return go_error("open " + path, text.error()); }
    return std::optional<std::string>(std::move(*text));
}

} // namespace

bool is_git_address(std::string_view text) {
    for (const std::string_view start : {"git://", "git@", "github.com/", "ssh://"}) {
        if (text.starts_with(start)) { return true; }
    }
    if (!text.starts_with("http://") && !text.starts_with("https://")) { return false; }
    return text.substr(0, text.find('#')).ends_with(".git");
}

bool is_address(std::string_view text) {
    return is_git_address(text) || text.starts_with("http://") || text.starts_with("https://");
}

Result<BuildContext> choose_context(const std::string& given, const std::string& file) {
    BuildContext context;
    if (given == "-") {
        if (file == "-") {
            return invalid(
                "invalid argument: can't use stdin for both build context and dockerfile");
        }
        context.kind = BuildContext::Kind::Stdin;
        context.dockerfile = file;
        return context;
    }
    if (os::is_directory(given) || !is_address(given)) {
        if (!os::exists(given)) {
            return invalid(fmt::format("path {} not found", go_quote(given))).with(cannot_prepare);
        }
        return choose_directory(given, file).with(cannot_prepare);
    }
    if (file == "-") {
        return unsupported("a Dockerfile on standard input is not supported with a remote context");
    }
    context.kind = BuildContext::Kind::Remote;
    context.place = given;
    context.dockerfile = file;
    return context;
}

bool is_archive(std::string_view head) {
    return archive::detect_compression(head) != archive::Compression::None || is_tar_header(head);
}

Result<std::optional<std::string>> load_ignore_file(const BuildContext& context) {
    const std::string dockerfile =
        context.outside ? context.outside_path : context.place + "/" + context.dockerfile;
    if (!dockerfile.empty()) {
        TRY_LET(own, read_if_there(dockerfile + std::string(own_ignore_suffix)));
        if (own) { return std::move(own); }
    }
    return read_if_there(context.place + "/.dockerignore");
}

} // namespace shoal::cli
