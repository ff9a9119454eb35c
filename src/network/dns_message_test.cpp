#include "network/dns_message.h"

#include <gtest/gtest.h>

namespace shoal::network {
namespace {

std::string query(const std::string& name, char type, bool edns = false) {
    std::string message("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00", 11);
    message += edns ? '\x01' : '\0';
    std::size_t from = 0;
    while (from < name.size()) {
        const auto dot = std::min(name.find('.', from), name.size());
        message += static_cast<char>(dot - from);
        message += name.substr(from, dot - from);
        from = dot + 1;
    }
    message += std::string("\0\0", 2) + type + std::string("\0\1", 2);
    if (edns) { message += std::string("\0\0\x29\x04\xd0\0\0\0\0\0\0", 11); }
    return message;
}

int rcode(const std::string& message) { return message.at(3) & 15; }
int answers_in(const std::string& message) { return message.at(6) << 8 | message.at(7); }

NameAnswer many(int count) {
    NameAnswer answer{NameAnswer::Kind::Addresses, {}, {}};
    for (int i = 0; i < count; ++i) {
        answer.addresses.push_back(Ip::v4(0x0a000000u + static_cast<unsigned>(i)));
    }
    return answer;
}

TEST(DnsMessage, reads_a_question) {
    const auto question = parse_question(query("web.Front", 1, true));
    ASSERT_TRUE(question) << question.error().message;
    EXPECT_EQ(question->id, 0x1234);
    EXPECT_EQ(question->name, "web.Front");
    EXPECT_EQ(question->type, DnsType::A);
    EXPECT_EQ(question->udp_size, 1232u);
    EXPECT_EQ(parse_question(query("x", 28))->type, DnsType::Aaaa);
}

TEST(DnsMessage, survives_every_cut_of_a_message) {
    const auto whole = query("some.long.name.example", 1, true);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto part = whole.substr(0, size);
        (void)parse_question(part);
        (void)render_failure(part, DnsFailure::Format);
        (void)answers(part, whole);
    }
}

TEST(DnsMessage, answers_a_name_without_aaaa_with_an_empty_success) {
    const auto reply = render_answer(query("web", 28), many(2), {});
    EXPECT_EQ(rcode(reply), 0);
    EXPECT_EQ(answers_in(reply), 0);
    EXPECT_EQ(answers_in(render_answer(query("web", 1), many(2), {})), 2);
}

TEST(DnsMessage, rotates_equal_answers) {
    const auto first = render_answer(query("web", 1), many(3), {.rotation = 0});
    const auto second = render_answer(query("web", 1), many(3), {.rotation = 1});
    EXPECT_NE(first, second);
    EXPECT_EQ(first, render_answer(query("web", 1), many(3), {.rotation = 3}));
}

TEST(DnsMessage, truncates_what_the_client_cannot_take) {
    const auto reply = render_answer(query("web", 1), many(100), {.bytes_max = 512});
    EXPECT_LE(reply.size(), 512u);
    EXPECT_TRUE(is_truncated(reply));
    EXPECT_TRUE(answers(reply, query("web", 1)));
    EXPECT_FALSE(is_truncated(render_answer(query("web", 1), many(100), {})));
}

TEST(DnsMessage, knows_whether_an_answer_belongs_to_a_question) {
    const auto reply = render_failure(query("Web", 1), DnsFailure::NotFound);
    EXPECT_EQ(rcode(reply), 3);
    EXPECT_TRUE(answers(reply, query("web", 1)));
    EXPECT_FALSE(answers(reply, query("other", 1)));
    EXPECT_FALSE(answers(query("web", 1), query("web", 1)));
}

} // namespace
} // namespace shoal::network
