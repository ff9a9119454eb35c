#include "archive/compression.h"

#include "archive/hash.h"
#include "base/text.h"

#include <gtest/gtest.h>

using namespace shoal;
using namespace shoal::archive;

namespace {

std::string text_of_size(std::size_t size) {
    std::string text;
    std::uint32_t state = 1;
    while (text.size() < size) {
        state = state * 1664525 + 1013904223;
        text += std::to_string(state % 1000);
    }
    text.resize(size);
    return text;
}

std::string compress(std::string_view text, Compression compression, std::size_t piece) {
    std::string bytes;
    auto compressor = make_compressor(compression, sink_into(bytes));
    for (std::size_t at = 0; at < text.size(); at += piece) {
        EXPECT_TRUE((*compressor)->write(text.substr(at, piece)));
    }
    EXPECT_TRUE((*compressor)->finish());
    return bytes;
}

Result<std::string> decompress(std::string_view bytes, std::size_t piece) {
    Source inner = source_of(bytes);
    Source slow = [inner, piece](std::span<char> into) {
        return inner(into.first(std::min(piece, into.size())));
    };
    TRY_LET(plain, decompressed(std::move(slow)));
    std::string text;
    TRY(copy(plain, sink_into(text)));
    return text;
}

} // namespace

TEST(Compression, gives_back_what_it_was_given) {
    for (const auto kind : {Compression::None, Compression::Gzip, Compression::Zstd}) {
        for (const std::size_t size : {0u, 1u, 5u, 6u, 7u, 70'000u, 1'000'000u}) {
            const std::string text = text_of_size(size);
            const std::string bytes = compress(text, kind, 100'000);
            for (const std::size_t piece : {1u, 1000u, 1'000'000u}) {
                if (piece == 1 && size > 100'000) { continue; }
                const auto back = decompress(bytes, piece);
                ASSERT_TRUE(back) << back.error().message;
                EXPECT_TRUE(*back == text) << name_of(kind) << " " << size << " " << piece;
            }
        }
    }
}

TEST(Compression, reads_several_members_in_one_stream) {
    for (const auto kind : {Compression::Gzip, Compression::Zstd}) {
        const std::string bytes = compress("one", kind, 10) + compress("two", kind, 10);
        for (const std::size_t piece : {1u, 1000u}) {
            EXPECT_EQ(*decompress(bytes, piece), "onetwo");
        }
    }
    EXPECT_EQ(*decompress(compress("one", Compression::Gzip, 10) + std::string(512, '\0'), 100),
              "one")
        << "padding";
}

TEST(Compression, reads_xz_and_bzip2) {
    // printf hello | xz ; printf hello | bzip2
    const std::string xz = *decode_base64(
        "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAEaGVsbG8AAAAAsTe52+XaHpsAAR0FuC2Arx+2830BAAAAAARZWg==");
    const std::string bzip2 =
        *decode_base64("QlpoOTFBWSZTWRkxZT0AAACBAAJEoAAhmmgzTQczi7kinChIDJiynoA=");
    const auto from_xz = decompress(xz, 7);
    ASSERT_TRUE(from_xz) << from_xz.error().message;
    EXPECT_EQ(*from_xz, "hello");
    const auto from_bzip2 = decompress(bzip2, 7);
    ASSERT_TRUE(from_bzip2) << from_bzip2.error().message;
    EXPECT_EQ(*from_bzip2, "hello");
    EXPECT_EQ(*decompress(bzip2 + bzip2, 1000), "hellohello");
}

TEST(Compression, refuses_truncated_and_damaged_streams) {
    const std::string text = text_of_size(50'000);
    for (const auto kind : {Compression::Gzip, Compression::Zstd}) {
        const std::string bytes = compress(text, kind, 100'000);
        EXPECT_FALSE(decompress(bytes.substr(0, bytes.size() / 2), 1000)) << name_of(kind);
        EXPECT_FALSE(decompress(bytes.substr(0, bytes.size() - 3), 1000))
            << name_of(kind) << " without its checksum";
        std::string flipped = bytes;
        flipped[bytes.size() / 2] = static_cast<char>(flipped[bytes.size() / 2] ^ 0x55);
        EXPECT_FALSE(decompress(flipped, 1000)) << name_of(kind);
    }
    EXPECT_FALSE(decompress(compress("x", Compression::Gzip, 10) + "garbage", 1000));
}

TEST(Compression, makes_the_same_bytes_every_time) {
    const std::string text = text_of_size(300'000);
    for (const auto kind : {Compression::Gzip, Compression::Zstd}) {
        EXPECT_EQ(sha256_of(compress(text, kind, 100'000)),
                  sha256_of(compress(text, kind, 100'000)));
    }
}

TEST(Compression, does_not_write_what_it_can_only_read) {
    EXPECT_EQ(make_compressor(Compression::Xz, [](std::string_view) { return ok(); }).error().code,
              Errc::Unsupported);
}

TEST(Sha256, hashes) {
    EXPECT_EQ(sha256_of("abc"),
              "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
