#include "base/pattern.h"

#include "base/text.h"

#include <array>
#include <charconv>
#include <optional>

namespace shoal {
namespace {

using Step = Pattern::Step;
using Steps = std::vector<Step>;
using Set = std::bitset<256>;

constexpr int repeats_max = 1000; // as Go's

Set range(unsigned char first, unsigned char last) {
    Set set;
    for (unsigned c = first; c <= last; ++c) { set.set(c); }
    return set;
}
Set of(std::string_view members) {
    Set set;
    for (const char c : members) { set.set(static_cast<unsigned char>(c)); }
    return set;
}
const Set digits = range('0', '9');
const Set letters = range('a', 'z') | range('A', 'Z');
const Set words = digits | letters | of("_");
const Set blanks = of(" \t\n\f\r");

/// The set of \d, \W, ...; nothing for other letters.
std::optional<Set> class_of(char letter) {
    switch (letter) {
    case 'd':
        return digits;
    case 'D':
        return ~digits;
    case 'w':
        return words;
    case 'W':
        return ~words;
    case 's':
        return blanks;
    case 'S':
        return ~blanks;
    default:
        return std::nullopt;
    }
}

/// The set of [[:name:]].
std::optional<Set> named_class(std::string_view name) {
    const std::pair<std::string_view, Set> all[] = {
        {"alnum", digits | letters},
        {"alpha", letters},
        {"blank", of(" \t")},
        {"cntrl", range(0, 31) | range(127, 127)},
        {"digit", digits},
        {"graph", range(33, 126)},
        {"lower", range('a', 'z')},
        {"print", range(32, 126)},
        {"punct", range(33, 47) | range(58, 64) | range(91, 96) | range(123, 126)},
        {"space", blanks | of("\v")},
        {"upper", range('A', 'Z')},
        {"word", words},
        {"xdigit", digits | range('a', 'f') | range('A', 'F')},
    };
    for (const auto& [known, set] : all) {
        if (known == name) { return set; }
    }
    return std::nullopt;
}

Step step_of(Step::Kind kind, int to = 0) {
    Step step;
    step.kind = kind;
    step.to = to;
    return step;
}
int length(const Steps& steps) { return static_cast<int>(steps.size()); }
void append(Steps& into, const Steps& more) { into.insert(into.end(), more.begin(), more.end()); }

Steps either(const Steps& a, const Steps& b) {
    Steps all{step_of(Step::Kind::Fork, length(a) + 2)};
    append(all, a);
    all.push_back(step_of(Step::Kind::Jump, length(b) + 1));
    append(all, b);
    return all;
}
Steps at_most_once(const Steps& a) {
    Steps all{step_of(Step::Kind::Fork, length(a) + 1)};
    append(all, a);
    return all;
}
Steps any_number(const Steps& a) {
    Steps all{step_of(Step::Kind::Fork, length(a) + 2)};
    append(all, a);
    all.push_back(step_of(Step::Kind::Jump, -length(a) - 1));
    return all;
}

class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) {}

    Result<Steps> run() {
        TRY_LET(all, alternatives(0));
        if (at_ < text_.size()) { return bad("unexpected )"); }
        return std::move(all);
    }

  private:
    Error bad(const std::string& why) const {
        return invalid("error parsing regexp " + go_quote(text_.substr(0, 64)) + ": " + why);
    }
    bool ended() const { return at_ >= text_.size(); }
    bool take(std::string_view word) {
        if (!text_.substr(at_).starts_with(word)) { return false; }
        at_ += word.size();
        return true;
    }

    Result<Steps> alternatives(int depth) {
        if (depth > pattern_depth_max) { return bad("expression nests too deeply"); }
        TRY_LET(all, sequence(depth));
        while (take("|")) {
            TRY_LET(other, sequence(depth));
            all = either(all, other);
            if (all.size() > pattern_steps_max) { return bad("expression is too large"); }
        }
        return std::move(all);
    }

    Result<Steps> sequence(int depth) {
        Steps all;
        while (!ended() && text_[at_] != '|' && text_[at_] != ')') {
            TRY_LET(one, atom(depth));
            TRY_LET(repeated, repetitions(std::move(one)));
            append(all, repeated);
            if (all.size() > pattern_steps_max) { return bad("expression is too large"); }
        }
        return all;
    }

    Result<Steps> repetitions(Steps one) {
        bool again = false;
        while (!ended()) {
            const auto before = at_;
            if (take("*")) {
                one = any_number(one);
            } else if (take("+")) {
                Steps more = any_number(one);
                append(one, more);
            } else if (take("?")) {
                one = at_most_once(one);
            } else {
                TRY_LET(bounds, braces());
                if (!bounds) { return one; }
                TRY_LET(many, repeat(one, *bounds));
                one = std::move(many);
            }
            if (again) {
                return bad("invalid nested repetition operator: " +
                           std::string(text_.substr(before - 1, 2)));
            }
            (void)take("?"); // lazy: the same texts match
            again = true;
            if (one.size() > pattern_steps_max) { return bad("expression is too large"); }
        }
        return one;
    }

    struct Bounds {
        int least = 0;
        std::optional<int> most;
    };
    /// {2} {2,} {2,5}; anything else after a brace is literal, as in Go.
    Result<std::optional<Bounds>> braces() {
        if (ended() || text_[at_] != '{') { return std::optional<Bounds>(); }
        const auto close = text_.find('}', at_);
        if (close == std::string_view::npos) { return std::optional<Bounds>(); }
        const auto inside = text_.substr(at_ + 1, close - at_ - 1);
        const auto [low, high] = cut(inside, ',');
        const bool open = inside.find(',') != std::string_view::npos;
        const auto least = parse_number<unsigned>(low);
        const auto most = open ? parse_number<unsigned>(high) : least;
        if (!least || (open && !high.empty() && !most)) { return std::optional<Bounds>(); }
        if (*least > repeats_max || (most && (*most > repeats_max || *most < *least))) {
            return bad("invalid repeat count");
        }
        at_ = close + 1;
        Bounds bounds{static_cast<int>(*least), std::nullopt};
        if (most) { bounds.most = static_cast<int>(*most); }
        return std::optional<Bounds>(bounds);
    }

    Result<Steps> repeat(const Steps& one, Bounds bounds) {
        const std::size_t copies = static_cast<std::size_t>(bounds.most.value_or(bounds.least + 1));
        if (copies * (one.size() + 2) > pattern_steps_max) {
            return bad("expression is too large");
        }
        Steps all;
        for (int i = 0; i < bounds.least; ++i) { append(all, one); }
        if (!bounds.most) { append(all, any_number(one)); }
        for (int i = bounds.least; i < bounds.most.value_or(0); ++i) {
            append(all, at_most_once(one));
        }
        return all;
    }

    Result<Steps> atom(int depth) {
        const char c = text_[at_++];
        switch (c) {
        case '(':
            return group(depth);
        case '[':
            return bytes(bracket());
        case '\\':
            return escape();
        case '.':
            return bytes(~of("\n"));
        case '^':
            return Steps{step_of(Step::Kind::Start)};
        case '$':
            return Steps{step_of(Step::Kind::End)};
        case '*':
        case '+':
        case '?':
            return bad(std::string("missing argument to repetition operator: ") + c);
        default:
            return bytes(Set().set(static_cast<unsigned char>(c)));
        }
    }

    static Result<Steps> bytes(Result<Set> set) {
        TRY_LET(members, std::move(set));
        Step step;
        step.bytes = members;
        return Steps{step};
    }

    Result<Steps> group(int depth) {
        if (take("?P<") || take("?<")) { // a name means nothing here
            const auto close = text_.find('>', at_);
            if (close == std::string_view::npos) { return bad("invalid named capture"); }
            at_ = close + 1;
        } else if (!take("?:") && text_.substr(at_).starts_with('?')) {
            return bad("flags are not supported");
        }
        TRY_LET(inside, alternatives(depth + 1));
        if (!take(")")) { return bad("missing closing )"); }
        return std::move(inside);
    }

    Result<Steps> escape() {
        if (ended()) { return bad("trailing backslash at end of expression"); }
        const char c = text_[at_];
        const auto special = std::string_view("AzbB").find(c);
        if (special != std::string_view::npos) {
            ++at_;
            constexpr std::array kinds{Step::Kind::Start, Step::Kind::End, Step::Kind::WordEdge,
                                       Step::Kind::NoWordEdge};
            return Steps{step_of(kinds[special])};
        }
        if (const auto set = class_of(c)) {
            ++at_;
            return bytes(*set);
        }
        TRY_LET(byte, escaped_byte());
        return bytes(Set().set(byte));
    }

    /// Behind a backslash.
    Result<unsigned char> escaped_byte() {
        if (ended()) { return bad("trailing backslash at end of expression"); }
        const char c = text_[at_++];
        constexpr std::string_view names = "abfnrtv";
        constexpr std::string_view values = "\a\b\f\n\r\t\v";
        if (c != 'b' && names.find(c) != std::string_view::npos) {
            return static_cast<unsigned char>(values[names.find(c)]);
        }
        if (c == 'x') {
            const auto hex = text_.substr(at_, 2);
            unsigned value = 0;
            const auto [end, error] =
                std::from_chars(hex.data(), hex.data() + hex.size(), value, 16);
            if (hex.size() != 2 || error != std::errc{} || end != hex.data() + 2) {
                return bad("invalid escape sequence");
            }
            at_ += 2;
            return static_cast<unsigned char>(value);
        }
        const auto byte = static_cast<unsigned char>(c);
        if ((digits | letters).test(byte)) {
            return bad(std::string("invalid escape sequence: \\") + c);
        }
        return byte;
    }

    /// Behind "[".
    Result<Set> bracket() {
        Set set;
        const bool negated = take("^");
        for (bool first = true; ended() || text_[at_] != ']' || first; first = false) {
            if (ended()) { return bad("missing closing ]"); }
            if (take("[:")) {
                const auto close = text_.find(":]", at_);
                if (close == std::string_view::npos) { return bad("invalid character class"); }
                const auto named = named_class(text_.substr(at_, close - at_));
                if (!named) { return bad("invalid character class range"); }
                set |= *named;
                at_ = close + 2;
                continue;
            }
            if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
                if (const auto known = class_of(text_[at_ + 1])) {
                    set |= *known;
                    at_ += 2;
                    continue;
                }
            }
            TRY_LET(low, bracket_byte());
            unsigned char high = low;
            if (at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
                ++at_;
                TRY_LET(last, bracket_byte());
                high = last;
            }
            if (high < low) { return bad("invalid character class range"); }
            set |= range(low, high);
        }
        ++at_;
        return negated ? ~set : set;
    }
    Result<unsigned char> bracket_byte() {
        if (text_[at_] != '\\') { return static_cast<unsigned char>(text_[at_++]); }
        ++at_;
        return escaped_byte();
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

/// All the ways through the steps at once, byte by byte.
class Search {
  public:
    Search(const Steps& steps, std::string_view text)
        : steps_(steps), text_(text), seen_(steps.size() + 1, npos) {}

    bool run() {
        for (std::size_t at = 0;; ++at) {
            enter(0, at); // a match may begin anywhere
            if (matched_) { return true; }
            if (at == text_.size()) { return false; }
            const auto byte = static_cast<unsigned char>(text_[at]);
            std::swap(here_, next_);
            here_.clear();
            for (const auto index : next_) {
                if (steps_[index].bytes.test(byte)) { enter(index + 1, at + 1); }
            }
        }
    }

  private:
    static constexpr std::size_t npos = static_cast<std::size_t>(-1);

    bool is_word(std::size_t at) const {
        return at < text_.size() && words.test(static_cast<unsigned char>(text_[at]));
    }
    bool at_edge(std::size_t at) const { return is_word(at) != (at > 0 && is_word(at - 1)); }

    /// Adds the steps that wait for a byte at `at`, and can be reached from `first` without one.
    void enter(std::size_t first, std::size_t at) {
        open_.push_back(first);
        while (!open_.empty()) {
            const auto index = open_.back();
            open_.pop_back();
            if (seen_[index] == at) { continue; }
            seen_[index] = at;
            if (index == steps_.size()) {
                matched_ = true;
                continue;
            }
            const Step& step = steps_[index];
            bool goes_on = true;
            switch (step.kind) {
            case Step::Kind::Bytes:
                here_.push_back(index);
                goes_on = false;
                break;
            case Step::Kind::Fork:
                open_.push_back(target(index));
                break;
            case Step::Kind::Jump:
                open_.push_back(target(index));
                goes_on = false;
                break;
            case Step::Kind::Start:
                goes_on = at == 0;
                break;
            case Step::Kind::End:
                goes_on = at == text_.size();
                break;
            case Step::Kind::WordEdge:
                goes_on = at_edge(at);
                break;
            case Step::Kind::NoWordEdge:
                goes_on = !at_edge(at);
                break;
            }
            if (goes_on) { open_.push_back(index + 1); }
        }
    }
    std::size_t target(std::size_t index) const {
        return static_cast<std::size_t>(static_cast<std::ptrdiff_t>(index) + steps_[index].to);
    }

    const Steps& steps_;
    std::string_view text_;
    std::vector<std::size_t> seen_; ///< where each step was last entered
    std::vector<std::size_t> here_, next_, open_;
    bool matched_ = false;
};

} // namespace

Result<Pattern> Pattern::parse(std::string_view text) {
    TRY_LET(steps, Parser(text).run());
    Pattern pattern;
    pattern.steps_ = std::move(steps);
    return pattern;
}

bool Pattern::found_in(std::string_view text) const { return Search(steps_, text).run(); }

} // namespace shoal
