#include "archive/name.h"

#include <vector>

namespace shoal::archive {

namespace {

/// Calls `each` for every component that is neither empty nor ".".
template <class Each> void for_components(std::string_view path, Each each) {
    while (!path.empty()) {
        const auto end = std::min(path.find('/'), path.size());
        const auto part = path.substr(0, end);
        path.remove_prefix(std::min(end + 1, path.size()));
        if (!part.empty() && part != ".") { each(part); }
    }
}

std::string joined(const std::vector<std::string_view>& parts) {
    std::string path;
    for (const auto part : parts) {
        if (!path.empty()) { path += '/'; }
        path += part;
    }
    return path;
}

} // namespace

Result<std::string> clean_name(std::string_view name, const Limits& limits) {
    if (name.find('\0') != std::string_view::npos) {
        return invalid("name with a zero byte in the archive");
    }
    if (name.size() > limits.path_bytes_max) {
        return Error{Errc::Exhausted, "name too long in the archive"};
    }
    std::vector<std::string_view> parts;
    bool above = false;
    for_components(name, [&](std::string_view part) {
        if (part != "..") { return parts.push_back(part); }
        if (parts.empty()) {
            above = true;
        } else {
            parts.pop_back();
        }
    });
    if (above && !name.starts_with('/')) {
        return invalid(std::string(name) + ": name leads out of the archive's root");
    }
    if (parts.size() > limits.depth_max) {
        return Error{Errc::Exhausted,
                     "name of " + std::to_string(parts.size()) + " components in the archive"};
    }
    return joined(parts);
}

SplitName split_name(std::string_view cleaned) {
    const auto slash = cleaned.rfind('/');
    if (slash == std::string_view::npos) { return {"", cleaned}; }
    return {cleaned.substr(0, slash), cleaned.substr(slash + 1)};
}

std::string clean_absolute(std::string_view path) {
    std::vector<std::string_view> parts;
    for_components(path, [&](std::string_view part) {
        if (part != "..") { return parts.push_back(part); }
        if (!parts.empty()) { parts.pop_back(); }
    });
    return "/" + joined(parts);
}

} // namespace shoal::archive
