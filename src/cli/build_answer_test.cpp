#include "cli/build_answer.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

const std::string id = "sha256:" + std::string(64, 'a');

struct Reading {
    std::string words;
    BuildAnswer answer{[this](const Json& message) -> Result<void> {
        if (message.contains("stream")) { words += message["stream"].get<std::string>(); }
        return ok();
    }};
    explicit Reading(std::string_view text) { EXPECT_TRUE(answer.feed(text)); }
};

TEST(BuildAnswer, keeps_the_last_id) {
    const Reading read(R"({"stream":"a"}{"aux":{"ID":"sha256:1"}}{"aux":{"ID":")" + id +
                       R"("}}{"stream":"b\n"})");
    EXPECT_EQ(read.words, "ab\n");
    EXPECT_EQ(read.answer.id(), id);
    EXPECT_FALSE(read.answer.failure());
    EXPECT_TRUE(read.answer.finish());
}

TEST(BuildAnswer, keeps_the_failure_and_its_code) {
    const Reading read(
        R"({"stream":"a"}{"errorDetail":{"code":7,"message":"it failed"},"error":"no"}{"stream":"b"})");
    EXPECT_EQ(read.words, "a");
    EXPECT_EQ(read.answer.failure()->message, "it failed");
    EXPECT_EQ(read.answer.failure()->code, 7);
    EXPECT_EQ(Reading(R"({"error":"no"})").answer.failure()->message, "no");
    EXPECT_EQ(Reading(R"({"error":"no"})").answer.failure()->code, 1);
    EXPECT_EQ(Reading(R"({"error":"no","errorDetail":{"code":0}})").answer.failure()->code, 1);
}

TEST(BuildAnswer, that_breaks_off_is_a_failure) {
    EXPECT_FALSE(Reading(R"({"stream":"a"}{"str)").answer.finish());
}

TEST(BuildAnswer, finds_the_id_of_quiet_builders) {
    EXPECT_EQ(id_in(id + "\n"), id);
    EXPECT_EQ(id_in("Step 1/1\n" + id), "");
    EXPECT_EQ(id_in("sha256:" + std::string(64, 'x')), "");
}

} // namespace
} // namespace shoal::cli
