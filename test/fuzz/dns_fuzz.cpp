// Arbitrary bytes as a DNS message, a question of a container or an answer of a server: our answers
// keep the question's id, keep to the limit, and are messages themselves.
#include "network/dns_message.h"
#include "require.h"

#include <cstdint>

using namespace shoal;
using namespace shoal::network;

namespace {

constexpr std::size_t header_bytes = 12;

NameAnswer known() {
    NameAnswer answer;
    answer.kind = NameAnswer::Kind::Addresses;
    for (std::uint32_t i = 0; i < 40; ++i) { answer.addresses.push_back(Ip::v4(0x0a000000 + i)); }
    answer.addresses.push_back(*Ip::parse("fd00::1"));
    return answer;
}

NameAnswer reverse() {
    NameAnswer answer;
    answer.kind = NameAnswer::Kind::Name;
    answer.name = "web.mine";
    return answer;
}

void check_reply(std::string_view query, std::string_view reply) {
    REQUIRE(reply.size() >= header_bytes);
    REQUIRE(message_id(reply) == message_id(query));
    REQUIRE((reply[2] & 0x80) != 0);
    REQUIRE(!parse_question(reply)); // an answer is no question
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    for (const auto failure : {DnsFailure::Format, DnsFailure::Server, DnsFailure::NotFound}) {
        const auto reply = render_failure(input, failure);
        REQUIRE(reply.empty() == (size < 2));
        if (!reply.empty()) { check_reply(input, reply); }
    }
    std::string other(input);
    set_message_id(other, 0x1234);
    REQUIRE(other.size() == size && (size < 2 || message_id(other) == 0x1234));

    if (answers(input, input)) { // as one of a server
        const auto cut = truncate_answer(input, 512);
        REQUIRE(size <= 512 ? cut == input
                            : is_truncated(cut) && cut.size() <= size && answers(cut, input));
    }
    const auto question = parse_question(input);
    if (!question) { return 0; }
    REQUIRE(question->id == message_id(input) && question->udp_size >= 512);
    for (const auto& answer : {NameAnswer{}, known(), reverse()}) {
        check_reply(input, render_answer(input, answer, {}));
        const auto small = render_answer(input, answer, {512, 7});
        check_reply(input, small);
        REQUIRE(small.size() <= 512 || is_truncated(small));
    }
    return 0;
}
