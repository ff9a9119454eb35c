#include "swarm/store/seal.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

struct Counting final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) { byte = static_cast<std::uint8_t>(state = state * 73 + 41); }
    }
    std::uint64_t state = 1;
};

struct Sealing : testing::Test {
    Counting random;
    DataKeys keys = DataKeys::make(random);
};

TEST_F(Sealing, gives_back_what_was_sealed) {
    const std::string secret("pass\0word", 9);
    const auto sealed = keys.seal("/k", secret, random);
    EXPECT_EQ(sealed.find("pass"), std::string::npos);
    EXPECT_EQ(sealed[0], 1);
    auto opened = keys.open("/k", sealed);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(*opened, secret);
    EXPECT_EQ(*keys.open("/k", keys.seal("/k", "", random)), "");
}

TEST_F(Sealing, makes_other_bytes_each_time) {
    EXPECT_NE(keys.seal("/k", "same", random), keys.seal("/k", "same", random));
}

TEST_F(Sealing, refuses_a_value_that_was_moved_to_another_key) {
    const auto sealed = keys.seal("/shoal/v1/o/secret/a", "x", random);
    const auto opened = keys.open("/shoal/v1/o/secret/b", sealed);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::Invalid);
    EXPECT_NE(opened.error().message.find("secret/b"), std::string::npos);
}

TEST_F(Sealing, refuses_every_change_of_a_byte_and_every_cut) {
    const auto sealed = keys.seal("/k", "value", random);
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        auto changed = sealed;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        EXPECT_FALSE(keys.open("/k", changed)) << i;
        EXPECT_FALSE(keys.open("/k", sealed.substr(0, i))) << i;
    }
}

TEST_F(Sealing, names_a_key_it_does_not_have_and_a_format_it_does_not_know) {
    auto other = DataKeys::make(random);
    other.rotate(random);
    const auto unknown = keys.open("/k", other.seal("/k", "v", random));
    EXPECT_EQ(unknown.error().code, Errc::NotFound);
    auto newer = keys.seal("/k", "v", random);
    newer[0] = 2;
    EXPECT_EQ(keys.open("/k", newer).error().code, Errc::Unsupported);
}

TEST_F(Sealing, another_cluster_cannot_open_it) {
    const auto other = DataKeys::make(random);
    EXPECT_EQ(other.open("/k", keys.seal("/k", "v", random)).error().code, Errc::Invalid);
}

TEST_F(Sealing, rotation_seals_with_the_new_key_and_still_opens_with_the_old_one) {
    const auto before = keys.seal("/k", "v", random);
    EXPECT_FALSE(keys.is_stale(before));
    EXPECT_EQ(keys.rotate(random), 2u);
    const auto after = keys.seal("/k", "v", random);
    EXPECT_TRUE(keys.is_stale(before));
    EXPECT_FALSE(keys.is_stale(after));
    EXPECT_EQ(*keys.open("/k", before), "v");
    keys.forget_old();
    EXPECT_EQ(keys.open("/k", before).error().code, Errc::NotFound);
    EXPECT_EQ(*keys.open("/k", after), "v");
}

TEST_F(Sealing, keys_survive_being_written_down) {
    keys.rotate(random);
    const auto bytes = keys.encode();
    auto read = DataKeys::decode(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, keys);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const bool whole = size == 1 + 32 + 36; // one key less
        EXPECT_EQ(DataKeys::decode(bytes.substr(0, size)).has_value(), whole) << size;
    }
    auto newer = bytes;
    newer[0] = 9;
    EXPECT_EQ(DataKeys::decode(newer).error().code, Errc::Unsupported);
}

// Known answers, so that a format that changes by accident is noticed: RFC 7914 (scrypt, first 64
// bytes), RFC 4231 is for other key lengths, NIST's GCM case 14 (AES-256, 16 zero bytes).
TEST(Aead, agrees_with_published_answers) {
    const SecretKey zero;
    const auto sealed = aead_seal(zero, std::string(12, '\0'), "", std::string(16, '\0'));
    std::string hex;
    for (const unsigned char c : sealed) {
        constexpr char digits[] = "0123456789abcdef";
        hex += digits[c >> 4];
        hex += digits[c & 15];
    }
    EXPECT_EQ(hex, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
    const auto pair = scrypt("password", "NaCl", {10, 8, 16});
    ASSERT_TRUE(pair);
    EXPECT_EQ(static_cast<unsigned char>(pair->first.view()[0]), 0xfd);
    EXPECT_EQ(static_cast<unsigned char>(pair->first.view()[1]), 0xba);
    EXPECT_EQ(static_cast<unsigned char>(pair->second.view()[31]), 0x40);
}

} // namespace
} // namespace shoal::swarm
