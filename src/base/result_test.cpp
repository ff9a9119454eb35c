#include "base/id.h"
#include "base/result.h"
#include "base/undo.h"

#include <gtest/gtest.h>

namespace shoal {
namespace {

Result<int> half(int n) {
    if (n % 2 != 0) { return invalid(std::to_string(n) + " is odd"); }
    return n / 2;
}

Result<int> quarter(int n) {
    TRY_LET(once, half(n).with("first"));
    TRY_LET(twice, half(once).with("second"));
    return twice;
}

Result<void> check(int n) {
    TRY(half(n));
    return ok();
}

TEST(Result, carries_a_value_or_an_error_with_context) {
    EXPECT_EQ(*quarter(8), 2);
    EXPECT_EQ(quarter(6).error().message, "second: 3 is odd");
    EXPECT_EQ(quarter(3).error().message, "first: 3 is odd");
    EXPECT_TRUE(check(2));
    EXPECT_FALSE(check(1));
    EXPECT_EQ(half(1).value_or(7), 7);
}

TEST(ResultDeathTest, aborts_when_the_value_of_an_error_is_taken) {
    EXPECT_DEATH((void)half(1).value(), "assertion failed");
}

TEST(Error, keeps_the_meaning_of_an_errno) {
    EXPECT_EQ(os_error("open /x", ENOENT).code, Errc::NotFound);
    EXPECT_EQ(os_error("open /x", ENOENT).message, "open /x: no such file or directory");
    EXPECT_EQ(os_error("write", ENOSPC).code, Errc::Exhausted);
}

TEST(ErrorList, names_every_step_that_failed) {
    ErrorList errors;
    errors.add(ok());
    EXPECT_TRUE(errors.empty());
    errors.add(half(1));
    errors.add(half(3));
    EXPECT_EQ(errors.joined().message, "1 is odd; 3 is odd");
}

TEST(Undo, runs_backwards_unless_kept) {
    std::string trace;
    {
        Undo undo;
        undo.add([&] { trace += "a"; });
        undo.add([&] { trace += "b"; });
    }
    EXPECT_EQ(trace, "ba");
    {
        Undo undo;
        undo.add([&] { trace += "c"; });
        undo.keep();
    }
    EXPECT_EQ(trace, "ba");
}

class CountingRandom : public Random {
  public:
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) { byte = next_++; }
    }

  private:
    std::uint8_t next_ = 0xab;
};

TEST(Id, is_made_only_from_64_hexadecimal_digits) {
    CountingRandom random;
    const auto id = ContainerId::fresh(random);
    EXPECT_EQ(id.text().size(), 64u);
    EXPECT_EQ(id.short_text(), id.text().substr(0, 12));
    EXPECT_EQ(*ContainerId::parse(id.text()), id);
    EXPECT_FALSE(ContainerId::parse("abc"));
    EXPECT_FALSE(ContainerId::parse(std::string(64, 'G')));
}

} // namespace
} // namespace shoal
