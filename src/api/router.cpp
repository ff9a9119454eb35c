#include "api/router.h"

#include "base/assert.h"

#include <algorithm>

namespace shoal::api {
namespace {

std::vector<std::string_view> parts_of(std::string_view path) {
    std::vector<std::string_view> parts;
    if (path.starts_with('/')) { path.remove_prefix(1); }
    while (true) {
        const auto slash = path.find('/');
        parts.push_back(path.substr(0, slash));
        if (slash == std::string_view::npos) { return parts; }
        path.remove_prefix(slash + 1);
    }
}

std::string head_key(std::string_view method, std::string_view first) {
    std::string key(method);
    key += ' ';
    key += first;
    return key;
}

/// Parts [from, to) with their slashes: they lie beside each other in the path.
std::string joined(const std::vector<std::string_view>& parts, std::size_t from, std::size_t to) {
    const char* begin = parts[from].data();
    const char* end = parts[to - 1].data() + parts[to - 1].size();
    return std::string(begin, end);
}

} // namespace

std::string_view name_of(Right right) {
    switch (right) {
    case Right::Ping:
        return "ping";
    case Right::Read:
        return "read";
    case Right::Stream:
        return "stream";
    case Right::Write:
        return "write";
    case Right::Exec:
        return "exec";
    case Right::Build:
        return "build";
    case Right::Share:
        return "share";
    case Right::Admin:
        return "admin";
    }
    ASSERT(false);
}

bool is_audited(Right right) {
    return right != Right::Ping && right != Right::Read && right != Right::Stream;
}

void Router::add(Route route) {
    ASSERT(route.handler != nullptr && route.pattern.starts_with('/'));
    Compiled compiled;
    for (const auto part : parts_of(route.pattern)) {
        Segment segment;
        if (part.starts_with('{') && part.ends_with(":.*}")) {
            segment.kind = Segment::Kind::Rest;
            segment.text = part.substr(1, part.size() - 5);
        } else if (part.starts_with('{') && part.ends_with('}')) {
            segment.kind = Segment::Kind::One;
            segment.text = part.substr(1, part.size() - 2);
        } else {
            segment.text = part;
            ++compiled.literals;
        }
        compiled.segments.push_back(std::move(segment));
    }
    ASSERT(compiled.segments.front().kind == Segment::Kind::Literal);
    ASSERT(std::ranges::count(compiled.segments, Segment::Kind::Rest, &Segment::kind) <= 1);
    auto& row = by_head_[head_key(route.method, compiled.segments.front().text)];
    for (const auto& other : row) { ASSERT(other.route.pattern != route.pattern); }
    compiled.route = std::move(route);
    const auto place = std::ranges::find_if(
        row, [&](const Compiled& other) { return other.literals < compiled.literals; });
    row.insert(place, std::move(compiled));
}

bool Router::matches(const Compiled& compiled, const std::vector<std::string_view>& parts,
                     Params* params) {
    const auto& segments = compiled.segments;
    const auto rest = std::ranges::find(segments, Segment::Kind::Rest, &Segment::kind);
    const bool greedy = rest != segments.end();
    if (greedy ? parts.size() < segments.size() : parts.size() != segments.size()) { return false; }
    const std::size_t extra =
        parts.size() - segments.size(); // what the greedy segment takes beyond one part
    std::size_t at = 0;
    for (const auto& segment : segments) {
        const std::size_t end = at + 1 + (segment.kind == Segment::Kind::Rest ? extra : 0);
        if (segment.kind == Segment::Kind::Literal) {
            if (parts[at] != segment.text) { return false; }
        } else {
            auto value = joined(parts, at, end);
            if (value.empty()) { return false; }
            params->emplace_back(segment.text, std::move(value));
        }
        at = end;
    }
    return true;
}

Router::Match Router::find(std::string_view method, std::string_view path) const {
    Match match;
    const auto parts = parts_of(path);
    const auto row = by_head_.find(head_key(method, parts.front()));
    if (row == by_head_.end()) { return match; }
    for (const auto& compiled : row->second) {
        match.params.clear();
        if (matches(compiled, parts, &match.params)) {
            match.route = &compiled.route;
            return match;
        }
    }
    match.params.clear();
    return match;
}

std::vector<Route> Router::routes() const {
    std::vector<Route> all;
    for (const auto& [head, row] : by_head_) {
        for (const auto& compiled : row) { all.push_back(compiled.route); }
    }
    return all;
}

} // namespace shoal::api
