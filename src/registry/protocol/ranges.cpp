#include "registry/protocol/ranges.h"

#include "base/text.h"

namespace shoal::registry {
namespace {

Result<ByteRange> parse_pair(std::string_view text, std::string_view whole) {
    const auto [first, last] = cut(text, '-');
    const auto from = parse_number<std::uint64_t>(first);
    const auto to = parse_number<std::uint64_t>(last);
    if (!from || !to || *to < *from) {
        return invalid("invalid content range: " + std::string(whole.substr(0, 100)));
    }
    return ByteRange{*from, *to};
}

} // namespace

Wanted wanted_range(std::string_view header, std::uint64_t size) {
    header = trim(header);
    if (!header.starts_with("bytes=")) { return {}; }
    header.remove_prefix(6);
    if (header.find(',') != std::string_view::npos) { return {}; }
    const auto [first, last] = cut(trim(header), '-');
    if (header.find('-') == std::string_view::npos) { return {}; }
    if (first.empty()) {
        const auto tail = parse_number<std::uint64_t>(last);
        if (!tail) { return {}; }
        if (*tail == 0 || size == 0) { return {RangeKind::Unsatisfiable, {}}; }
        return {RangeKind::Part, {size - std::min(*tail, size), size - 1}};
    }
    const auto from = parse_number<std::uint64_t>(first);
    const auto to =
        last.empty() ? std::optional<std::uint64_t>(UINT64_MAX) : parse_number<std::uint64_t>(last);
    if (!from || !to || *to < *from) { return {}; }
    if (*from >= size) { return {RangeKind::Unsatisfiable, {}}; }
    return {RangeKind::Part, {*from, std::min(*to, size - 1)}};
}

Result<ByteRange> parse_chunk_range(std::string_view header) {
    std::string_view text = trim(header);
    if (text.starts_with("bytes")) {
        text.remove_prefix(5);
        if (!text.empty() && (text.front() == ' ' || text.front() == '=')) {
            text.remove_prefix(1);
        }
    }
    return parse_pair(text.substr(0, text.find('/')), header);
}

Result<PartialAnswer> parse_content_range(std::string_view header) {
    std::string_view text = trim(header);
    if (!text.starts_with("bytes ")) {
        return invalid("invalid content range: " + std::string(header.substr(0, 100)));
    }
    text.remove_prefix(6);
    const auto [range, size] = cut(text, '/');
    PartialAnswer answer;
    TRY_LET(parsed, parse_pair(range, header));
    answer.range = parsed;
    if (size != "*") {
        answer.size = parse_number<std::uint64_t>(size);
        if (!answer.size || *answer.size <= answer.range.last) {
            return invalid("invalid content range: " + std::string(header.substr(0, 100)));
        }
    }
    return answer;
}

std::string next_link(std::string_view header) {
    while (!header.empty()) {
        const std::size_t open = header.find('<');
        const std::size_t close = header.find('>', open == std::string_view::npos ? 0 : open);
        if (open == std::string_view::npos || close == std::string_view::npos) { return ""; }
        const std::string_view target = header.substr(open + 1, close - open - 1);
        std::string_view params = header.substr(close + 1);
        params = params.substr(0, params.find('<'));
        for (const auto& param : split(params, ';')) {
            const auto [name, value] = cut(trim(param), '=');
            std::string_view relation = trim(value);
            relation = relation.substr(0, relation.find(','));
            if (relation.size() >= 2 && relation.front() == '"') {
                relation = relation.substr(1, relation.find('"', 1) - 1);
            }
            if (equals_ignore_case(trim(name), "rel") && equals_ignore_case(relation, "next")) {
                return std::string(target);
            }
        }
        header.remove_prefix(close + 1);
    }
    return "";
}

std::string print_next_link(std::string_view target) {
    return "<" + std::string(target) + ">; rel=\"next\"";
}

} // namespace shoal::registry
