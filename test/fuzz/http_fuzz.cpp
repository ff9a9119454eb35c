// Arbitrary bytes as an HTTP message: however they are cut into pieces, the parser sees the same
// message, and decoding a body where it lies gives what decoding it elsewhere gives.
#include "net/http_parser.h"

#include <cstdlib>

using namespace shoal;
using net::HttpParser;

namespace {

struct Seen {
    bool done = false;
    bool failed = false;
    std::string head;
    std::string body;
    std::size_t left = 0;
};

std::string text_of(HttpParser& parser) {
    std::string text = parser.request().method + "|" + parser.request().target + "|" +
                       std::to_string(parser.response().status) + "|" +
                       std::to_string(parser.keep_alive());
    for (const auto& [name, value] : parser.request().headers) { text += "|" + name + ":" + value; }
    for (const auto& [name, value] : parser.response().headers) {
        text += "|" + name + ":" + value;
    }
    return text;
}

Seen parse(HttpParser::Kind kind, std::string_view input, std::size_t step, bool in_place) {
    HttpParser parser(kind, {8192, 32, 1024});
    Seen seen;
    std::string pending;
    while (!parser.done()) {
        char elsewhere[256];
        std::span<char> into(elsewhere);
        if (in_place) { into = std::span<char>(pending); }
        auto fed = parser.feed(pending, into);
        if (!fed) {
            seen.failed = true;
            return seen;
        }
        if (fed->used > pending.size() || fed->body > fed->used) { std::abort(); }
        seen.body.append(into.data(), fed->body);
        pending.erase(0, fed->used);
        if (fed->used > 0) { continue; }
        if (input.empty()) { break; }
        pending += input.substr(0, step);
        input.remove_prefix(std::min(step, input.size()));
    }
    seen.done = parser.done();
    seen.left = pending.size() + input.size();
    if (parser.head_done()) { seen.head = text_of(parser); }
    if (!seen.done) { (void)parser.feed_end(); }
    return seen;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    for (const auto kind : {HttpParser::Kind::Request, HttpParser::Kind::Response,
                            HttpParser::Kind::ResponseToHead}) {
        const Seen whole = parse(kind, input, size + 1, false);
        for (const std::size_t step : {std::size_t{1}, std::size_t{7}}) {
            const Seen cut = parse(kind, input, step, step == 7);
            if (cut.done != whole.done) { std::abort(); }
            if (whole.done &&
                (cut.head != whole.head || cut.body != whole.body || cut.left != whole.left)) {
                std::abort();
            }
        }
    }
    (void)net::parse_address(input);
    return 0;
}
