#include "cli/command.h"

#include "base/text.h"
#include "base/time.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli {
namespace {

constexpr Flag help_flag{"help", 0, Kind::Bool, "Print usage"};

/// Digits as Go's base 0 reads them: 0x1f, 0o17, 017, 0b11, and 1_000.
std::optional<std::uint64_t> parse_digits(std::string_view text) {
    int base = 10;
    bool prefixed = false;
    if (text.size() > 1 && text[0] == '0') {
        const char letter = static_cast<char>(std::tolower(static_cast<unsigned char>(text[1])));
        base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
        prefixed = true;
        text.remove_prefix(letter == 'x' || letter == 'b' || letter == 'o' ? 2 : 1);
    }
    std::string digits;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool between = (i > 0 || prefixed) && i + 1 < text.size() && text[i + 1] != '_';
        if (text[i] != '_') {
            digits += text[i];
        } else if (!between) {
            return std::nullopt;
        }
    }
    std::uint64_t value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (end != digits.data() + digits.size() || error == std::errc::invalid_argument) {
        return std::nullopt;
    }
    return error == std::errc::result_out_of_range ? UINT64_MAX : value;
}

/// Go's strconv errors, which people and scripts know.
Result<void> check_whole(std::string_view value, bool is_signed, std::uint64_t most) {
    const std::string_view function = is_signed ? "ParseInt" : "ParseUint";
    const auto fail = [&](std::string_view why) {
        return invalid(fmt::format("strconv.{}: parsing {}: {}", function, go_quote(value), why));
    };
    std::string_view digits = value;
    const bool negative = is_signed && digits.starts_with('-');
    if (negative || (is_signed && digits.starts_with('+'))) { digits.remove_prefix(1); }
    const auto number = parse_digits(digits);
    if (!number) { return fail("invalid syntax"); }
    if (*number > most) { return fail("value out of range"); }
    return ok();
}

Result<void> check_value(const Flag& flag, std::string_view value) {
    switch (flag.kind) {
    case Kind::Bool:
        if (!parse_bool(value)) {
            return invalid(
                fmt::format("strconv.ParseBool: parsing {}: invalid syntax", go_quote(value)));
        }
        break;
    case Kind::Int:
        TRY(check_whole(value, true, INT64_MAX));
        break;
    case Kind::Uint16:
        TRY(check_whole(value, false, UINT16_MAX));
        break;
    case Kind::Uint:
        TRY(check_whole(value, false, UINT64_MAX));
        break;
    case Kind::Bytes:
        if (auto size = parse_bytes(value); !size) { return std::move(size).error(); }
        break;
    case Kind::MemorySwap:
        if (value != "-1") {
            if (auto size = parse_bytes(value); !size) { return std::move(size).error(); }
        }
        break;
    case Kind::Duration:
        if (auto span = parse_duration(value); !span) { return std::move(span).error(); }
        break;
    default:
        break;
    }
    return flag.check != nullptr ? flag.check(value) : ok();
}

Result<void> set(Parsed& parsed, const Flag& flag, std::string value) {
    auto fine = check_value(flag, value);
    if (!fine) {
        const std::string shown = flag.letter != 0
                                      ? fmt::format("-{}, --{}", flag.letter, flag.name)
                                      : fmt::format("--{}", flag.name);
        return invalid(fmt::format("invalid argument {} for \"{}\" flag: {}", go_quote(value),
                                   shown, fine.error().message));
    }
    parsed.values.emplace_back(&flag, std::move(value));
    return ok();
}

class FlagReader {
  public:
    FlagReader(const std::vector<const Flag*>& flags, std::span<const std::string> words)
        : flags_(flags), words_(words) {}

    Result<Parsed> run(bool flags_first) {
        Parsed parsed;
        while (at_ < words_.size()) {
            const std::string& word = words_[at_++];
            if (word == "--") { return rest(std::move(parsed)); }
            if (word.size() < 2 || word[0] != '-') {
                if (flags_first) {
                    --at_;
                    return rest(std::move(parsed));
                }
                parsed.words.push_back(word);
                continue;
            }
            if (word[1] == '-') {
                TRY(long_flag(parsed, std::string_view(word).substr(2)));
            } else {
                TRY(short_flags(parsed, word));
            }
            if (parsed.given("help")) { return parsed; }
        }
        return parsed;
    }

  private:
    Parsed rest(Parsed parsed) {
        parsed.words.insert(parsed.words.end(), words_.begin() + static_cast<std::ptrdiff_t>(at_),
                            words_.end());
        return parsed;
    }

    Result<void> long_flag(Parsed& parsed, std::string_view text) {
        const auto equals = text.find('=');
        const std::string_view name = text.substr(0, equals);
        if (name.empty() || name[0] == '-') {
            return invalid(fmt::format("bad flag syntax: --{}", text));
        }
        const auto at = std::find_if(flags_.begin(), flags_.end(),
                                     [&](const Flag* flag) { return flag->name == name; });
        if (at == flags_.end()) { return invalid(fmt::format("unknown flag: --{}", name)); }
        if (equals != std::string_view::npos) {
            return set(parsed, **at, std::string(text.substr(equals + 1)));
        }
        if ((*at)->kind == Kind::Bool) { return set(parsed, **at, "true"); }
        if (at_ >= words_.size()) {
            return invalid(fmt::format("flag needs an argument: --{}", name));
        }
        return set(parsed, **at, words_[at_++]);
    }

    Result<void> short_flags(Parsed& parsed, std::string_view word) {
        std::string_view letters = word.substr(1);
        while (!letters.empty()) {
            const char letter = letters[0];
            const auto at = std::find_if(flags_.begin(), flags_.end(),
                                         [&](const Flag* flag) { return flag->letter == letter; });
            if (at == flags_.end()) {
                if (letter == 'h' && letters.size() == 1) { return set(parsed, help_flag, "true"); }
                return invalid(fmt::format("unknown shorthand flag: '{}' in -{}", letter, letters));
            }
            if (letters.size() > 2 && letters[1] == '=') {
                return set(parsed, **at, std::string(letters.substr(2)));
            }
            if ((*at)->kind == Kind::Bool) {
                TRY(set(parsed, **at, "true"));
                letters.remove_prefix(1);
                continue;
            }
            if (letters.size() > 1) { return set(parsed, **at, std::string(letters.substr(1))); }
            if (at_ >= words_.size()) {
                return invalid(fmt::format("flag needs an argument: '{}' in -{}", letter, letters));
            }
            return set(parsed, **at, words_[at_++]);
        }
        return ok();
    }

    const std::vector<const Flag*>& flags_;
    std::span<const std::string> words_;
    std::size_t at_ = 0;
};

} // namespace

bool Parsed::given(std::string_view flag) const {
    return std::any_of(values.begin(), values.end(),
                       [&](const auto& value) { return value.first->name == flag; });
}

std::string Parsed::text(std::string_view flag, std::string_view otherwise) const {
    for (auto at = values.rbegin(); at != values.rend(); ++at) {
        if (at->first->name == flag) { return at->second; }
    }
    return std::string(otherwise);
}

bool Parsed::on(std::string_view flag, bool otherwise) const {
    return given(flag) ? parse_bool(text(flag)).value_or(false) : otherwise;
}

std::vector<std::string> Parsed::all(std::string_view flag) const {
    std::vector<std::string> found;
    for (const auto& [which, value] : values) {
        if (which->name != flag) { continue; }
        if (which->kind == Kind::Words) {
            for (auto& part : split(value, ',')) { found.push_back(std::move(part)); }
        } else {
            found.push_back(value);
        }
    }
    return found;
}

std::optional<std::int64_t> Parsed::number(std::string_view flag) const {
    if (!given(flag)) { return std::nullopt; }
    const std::string value = text(flag);
    const bool negative = value.starts_with('-');
    const auto digits =
        parse_digits(std::string_view(value).substr(negative || value.starts_with('+') ? 1 : 0));
    if (!digits) { return std::nullopt; }
    const auto number = static_cast<std::int64_t>(*digits);
    return negative ? -number : number;
}

std::int64_t Parsed::bytes(std::string_view flag) const {
    const std::string value = text(flag, "0");
    if (value == "-1") { return -1; }
    return parse_bytes(value).value_or(0);
}

std::vector<const Flag*> flags_of(const Command& command) {
    std::vector<const Flag*> all;
    for (const Flag& flag : command.flags) { all.push_back(&flag); }
    for (const Flag& flag : command.more_flags) { all.push_back(&flag); }
    all.push_back(&help_flag);
    return all;
}

const Entry* find_entry(const Group& group, std::string_view name) {
    for (const Entry& entry : group.entries) {
        if (entry.name == name) { return &entry; }
        for (const auto& other : split(entry.other_names, ' ')) {
            if (!other.empty() && other == name) { return &entry; }
        }
    }
    return nullptr;
}

Result<Parsed> parse_flags(const std::vector<const Flag*>& flags,
                           std::span<const std::string> words, bool flags_first) {
    return FlagReader(flags, words).run(flags_first);
}

Result<void> check_arguments(const Command& command, const Parsed& parsed) {
    const auto [least, most] = command.arguments;
    const std::size_t count = parsed.words.size();
    if (count >= least && count <= most) { return ok(); }
    const auto plural = [](std::size_t number) { return number == 1 ? "" : "s"; };
    std::string what;
    if (most == 0) {
        what = "accepts no arguments";
    } else if (least == most) {
        what = fmt::format("requires {} argument{}", least, plural(least));
    } else if (count < least && most == SIZE_MAX) {
        what = fmt::format("requires at least {} argument{}", least, plural(least));
    } else if (least == 0) {
        what = fmt::format("requires at most {} argument{}", most, plural(most));
    } else {
        what = fmt::format("requires at least {} and at most {} argument{}", least, most,
                           plural(most));
    }
    return invalid(fmt::format("'{}' {}", parsed.path, what));
}

} // namespace shoal::cli
