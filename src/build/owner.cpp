#include "build/owner.h"

#include "base/text.h"
#include "os/user.h"

namespace shoal::build {

Result<Owner> resolve_owner(std::string_view text, const os::Fd& root) {
    const auto [user, group] = cut(text, ':');
    os::UserRequest request;
    request.user = text;
    TRY_LET(found, os::resolve_user_in(request, root));
    Owner owner{found.uid, found.gid};
    if (group.empty() && parse_number<std::uint32_t>(user)) { owner.gid = owner.uid; }
    return owner;
}

namespace {

Error bad_mode(std::string_view text) {
    return invalid("invalid chmod parameter: '" + std::string(text) +
                   "'. it should be an octal or symbolic mode");
}

constexpr std::uint32_t user_bits = 04700;
constexpr std::uint32_t group_bits = 02070;
constexpr std::uint32_t other_bits = 01007;

std::uint32_t bits_of_who(char who) {
    switch (who) {
    case 'u':
        return user_bits;
    case 'g':
        return group_bits;
    case 'o':
        return other_bits;
    case 'a':
        return 07777;
    default:
        return 0;
    }
}

/// For all three classes at once; the class's mask picks.
std::uint32_t bits_of_permission(char letter) {
    switch (letter) {
    case 'r':
        return 0444;
    case 'w':
        return 0222;
    case 'x':
        return 0111;
    case 's':
        return 06000;
    case 't':
        return 01000;
    default:
        return 0;
    }
}

} // namespace

Result<ModeChange::Clause> ModeChange::parse_clause(std::string_view text, std::size_t& at,
                                                    std::uint32_t who) {
    Clause clause;
    clause.who = who;
    clause.operation = text[at++];
    for (; at < text.size() && std::string_view("+-=,").find(text[at]) == std::string_view::npos;
         ++at) {
        if (text[at] == 'X') {
            clause.execute_if_any = true;
            continue;
        }
        const std::uint32_t bits = bits_of_permission(text[at]);
        if (bits == 0) { return bad_mode(text); }
        clause.bits |= bits;
    }
    return clause;
}

Result<ModeChange> ModeChange::parse(std::string_view text) {
    ModeChange change;
    if (text.empty()) { return change; }
    if (text.find_first_not_of("01234567") == std::string_view::npos) {
        std::uint32_t value = 0;
        const auto end = text.data() + text.size();
        if (std::from_chars(text.data(), end, value, 8).ptr != end || value > 07777) {
            return bad_mode(text);
        }
        change.octal_ = value;
        return change;
    }
    std::size_t at = 0;
    while (at < text.size()) {
        std::uint32_t who = 0;
        while (at < text.size() && bits_of_who(text[at]) != 0) { who |= bits_of_who(text[at++]); }
        if (at == text.size() || std::string_view("+-=").find(text[at]) == std::string_view::npos) {
            return bad_mode(text);
        }
        while (at < text.size() && text[at] != ',') {
            TRY_LET(clause, parse_clause(text, at, who == 0 ? 07777 : who));
            change.clauses_.push_back(clause);
        }
        if (at < text.size() && ++at == text.size()) { return bad_mode(text); }
    }
    return change;
}

std::uint32_t ModeChange::apply(std::uint32_t mode, bool directory) const {
    if (octal_) { return *octal_; }
    for (const auto& clause : clauses_) {
        std::uint32_t bits = clause.bits;
        if (clause.execute_if_any && (directory || (mode & 0111) != 0)) { bits |= 0111; }
        bits &= clause.who;
        if (clause.operation == '+') { mode |= bits; }
        if (clause.operation == '-') { mode &= ~bits; }
        if (clause.operation == '=') { mode = (mode & ~(clause.who & 0777)) | bits; }
    }
    return mode & 07777;
}

} // namespace shoal::build
