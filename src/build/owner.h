// Owners and modes as COPY, ADD and cache mounts write them: "user:group" by the names of the
// image, "u+x,go-w" or octal. Pure but for reading the image's passwd and group files.
#pragma once

#include "os/fd.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace shoal::build {

struct Owner {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    bool operator==(const Owner&) const = default;
};

/// "1000:1000", "www", "www:staff", "5": a user's name without group gives its own group, a number
/// without group that number. Names are looked up beneath `root`. Fails: Invalid.
Result<Owner> resolve_owner(std::string_view text, const os::Fd& root);

/// What chmod(1) understands, for files as they are copied.
class ModeChange {
  public:
    /// "0755", "u+x,go-w", "a=rX"; "" changes nothing. Fails: Invalid.
    static Result<ModeChange> parse(std::string_view text);
    /// Permission bits of an object that had `mode`.
    std::uint32_t apply(std::uint32_t mode, bool directory) const;
    bool empty() const { return !octal_ && clauses_.empty(); }

  private:
    struct Clause {
        std::uint32_t who = 0; ///< mask of the bits that may change
        char operation = '=';
        std::uint32_t bits = 0;
        bool execute_if_any = false; ///< X
    };
    static Result<Clause> parse_clause(std::string_view text, std::size_t& at, std::uint32_t who);
    std::optional<std::uint32_t> octal_;
    std::vector<Clause> clauses_;
};

} // namespace shoal::build
