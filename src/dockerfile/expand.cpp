#include "dockerfile/expand.h"

#include "base/text.h"
#include "dockerfile/substitute.h"

namespace shoal::dockerfile {
namespace {

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_char(char c) {
    return c == '_' || is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
/// The shell's special parameters ($? and so on): names of one character.
bool is_special(char c) {
    return c != '\0' && std::string_view("@*#?-$!").find(c) != std::string_view::npos;
}

/// What has been read: as one text, and split at the blanks outside of quotes.
class Output {
  public:
    /// May be split at blanks.
    void add(char c) {
        text_ += c;
        if (is_blank(c)) {
            end_word();
        } else {
            word_ += c;
        }
    }
    void add(std::string_view text) {
        for (const char c : text) { add(c); }
    }
    void add_whole(char c) { add_whole(std::string_view(&c, 1)); }
    void add_whole(std::string_view text) {
        text_ += text;
        word_ += text;
    }
    std::size_t size() const { return text_.size(); }
    std::string text() && { return std::move(text_); }
    std::vector<std::string> words() && {
        end_word();
        return std::move(words_);
    }

  private:
    void end_word() {
        if (!word_.empty()) { words_.push_back(std::move(word_)); }
        word_.clear();
    }
    std::string text_;
    std::string word_;
    std::vector<std::string> words_;
};

enum class Escapes { Removed, Kept };
/// What becomes of a variable without value that has no default in its braces.
enum class Unset { Reported, Expected };

class Lexer {
  public:
    Lexer(std::string_view text, const Expansion& how) : text_(text), how_(how) {}

    Result<Output> run() {
        auto read = until('\0', how_.keep_escapes ? Escapes::Kept : Escapes::Removed);
        return std::move(read).with("failed to process " + go_quote(text_.substr(0, shown_max)));
    }

  private:
    static constexpr std::size_t shown_max = 200;

    bool at_end() const { return at_ >= text_.size(); }
    char peek() const { return at_end() ? '\0' : text_[at_]; }
    bool next_is(char c) const { return !at_end() && text_[at_] == c; }
    std::string_view take(std::size_t count) {
        const auto taken = text_.substr(at_, count);
        at_ += taken.size();
        return taken;
    }

    Result<void> check_size(const Output& output) const {
        if (output.size() <= expanded_bytes_max) { return ok(); }
        return invalid("more than " + std::to_string(expanded_bytes_max) +
                       " bytes once its variables are put in");
    }

    /// Reads to the end of the text, or past `stop` unless that is zero.
    Result<Output> until(char stop, Escapes escapes) {
        Output output;
        while (!at_end()) {
            if (stop != '\0' && next_is(stop)) {
                ++at_;
                return output;
            }
            TRY(one(output, escapes));
            TRY(check_size(output));
        }
        if (stop == '\0') { return output; }
        return invalid(std::string("syntax error: missing '") + stop +
                       (stop == '/' ? "' in ${}" : "'"));
    }

    /// One character, escape, quotation or variable.
    Result<void> one(Output& output, Escapes escapes) {
        const char c = peek();
        if (c == '$') {
            TRY_LET(value, variable());
            output.add(value);
        } else if (c == '<') {
            output.add_whole(possible_heredoc());
        } else if (c == '\'' && !how_.plain_quotes) {
            TRY(single_quoted(output));
        } else if (c == '"' && !how_.plain_quotes) {
            TRY(double_quoted(output, escapes));
        } else if (c == how_.escape) {
            ++at_;
            if (escapes == Escapes::Kept) { output.add_whole(c); }
            output.add_whole(take(1));
        } else {
            output.add(c);
            ++at_;
        }
        return ok();
    }

    /// "<< EOF" is one word, so that the delimiter stays with its operator.
    std::string_view possible_heredoc() {
        const std::size_t begin = at_++;
        if (!next_is('<')) { return "<"; }
        ++at_;
        while (next_is(' ') || next_is('\t') || next_is('\r')) { ++at_; }
        return text_.substr(begin, at_ - begin);
    }

    Result<void> single_quoted(Output& output) {
        const auto end = text_.find('\'', at_ + 1);
        if (end == std::string_view::npos) {
            return invalid("unexpected end of statement while looking for matching single-quote");
        }
        const std::size_t quote = how_.keep_quotes ? 1 : 0;
        output.add_whole(text_.substr(at_ + 1 - quote, end - at_ - 1 + 2 * quote));
        at_ = end + 1;
        return ok();
    }

    Result<void> double_quoted(Output& output, Escapes escapes) {
        ++at_;
        if (how_.keep_quotes) { output.add_whole('"'); }
        while (!at_end() && !next_is('"')) {
            if (next_is('$')) {
                TRY_LET(value, variable());
                output.add_whole(value);
            } else if (next_is(how_.escape)) {
                add_escaped_in_quotes(output, escapes);
            } else {
                output.add_whole(take(1));
            }
            TRY(check_size(output));
        }
        if (at_end()) {
            return invalid("unexpected end of statement while looking for matching double-quote");
        }
        ++at_;
        if (how_.keep_quotes) { output.add_whole('"'); }
        return ok();
    }

    /// Within double quotes only the quote, "$" and the escape itself can be escaped.
    void add_escaped_in_quotes(Output& output, Escapes escapes) {
        ++at_;
        const bool escapable = next_is('"') || next_is('$') || next_is(how_.escape);
        if (escapes == Escapes::Kept || (!escapable && !at_end())) {
            output.add_whole(how_.escape);
        }
        if (escapable) { output.add_whole(take(1)); }
    }

    std::string_view name() {
        const std::size_t begin = at_;
        if (is_digit(peek())) {
            while (is_digit(peek())) { ++at_; }
        } else if (is_special(peek())) {
            ++at_;
        } else {
            while (is_name_char(peek())) { ++at_; }
        }
        return text_.substr(begin, at_ - begin);
    }

    std::optional<std::string> value_of(std::string_view variable, Unset unset) const {
        auto value = how_.lookup ? how_.lookup(variable) : std::nullopt;
        if (!value && unset == Unset::Reported && how_.undefined) { how_.undefined(variable); }
        return value;
    }

    Result<std::string> variable() {
        const std::size_t begin = at_++;
        if (!next_is('{')) {
            const auto variable = name();
            if (variable.empty()) { return "$"; }
            return value_or_source(value_of(variable, Unset::Reported), begin);
        }
        ++at_;
        if (at_end()) { return invalid("syntax error: missing '}'"); }
        if (next_is('{') || next_is('}') || next_is(':')) {
            return invalid("syntax error: bad substitution");
        }
        if (++depth_ > expansion_depth_max) {
            return invalid("variables are nested deeper than " +
                           std::to_string(expansion_depth_max) + " times");
        }
        auto value = braced(begin);
        --depth_;
        return value;
    }

    std::string value_or_source(std::optional<std::string> value, std::size_t begin) const {
        if (value) { return std::move(*value); }
        return how_.keep_unset ? std::string(text_.substr(begin, at_ - begin)) : "";
    }

    /// From the name on, up to and with the closing brace.
    Result<std::string> braced(std::size_t begin) {
        const auto variable = name();
        if (at_end()) { return invalid("syntax error: missing '}'"); }
        const char modifier = take(1).front();
        if (modifier == '}') { return value_or_source(value_of(variable, Unset::Reported), begin); }
        if (modifier == '/') { return replaced(variable, begin); }
        if (modifier == '#' || modifier == '%') { return trimmed(variable, modifier, begin); }
        const bool empty_is_unset = modifier == ':';
        const char kind = empty_is_unset ? peek() : modifier;
        if (empty_is_unset) {
            if (at_end()) { return invalid("syntax error: missing '}'"); }
            ++at_;
        }
        if (std::string_view("+-?").find(kind) == std::string_view::npos) {
            return invalid("unsupported modifier (" + std::string(empty_is_unset ? ":" : "") +
                           kind + ") in substitution");
        }
        TRY_LET(read, until('}', Escapes::Removed));
        return chosen({variable, kind, empty_is_unset, begin}, std::move(read).text());
    }

    struct Choice {
        std::string_view variable;
        char kind; ///< "-" "+" "?"
        bool empty_is_unset;
        std::size_t begin;
    };

    Result<std::string> chosen(const Choice& choice, std::string word) {
        auto value =
            value_of(choice.variable, choice.kind == '?' ? Unset::Reported : Unset::Expected);
        if (!value && how_.keep_unset) { return value_or_source(std::nullopt, choice.begin); }
        const bool filled = value && !(choice.empty_is_unset && value->empty());
        if (choice.kind == '+') { return filled ? std::move(word) : std::string(); }
        if (filled) { return std::move(*value); }
        if (choice.kind == '-') { return word; }
        const std::string_view what =
            value ? "is not allowed to be empty" : "is not allowed to be unset";
        return invalid(std::string(choice.variable) + ": " +
                       (word.empty() ? std::string(what) : word));
    }

    Result<std::string> trimmed(std::string_view variable, char side, std::size_t begin) {
        const auto longest = next_is(side) ? Longest::Yes : Longest::No;
        if (longest == Longest::Yes) { ++at_; }
        TRY_LET(read, until('}', Escapes::Kept));
        const auto value = value_of(variable, Unset::Reported);
        if (!value && how_.keep_unset) { return value_or_source(std::nullopt, begin); }
        const auto pattern = std::move(read).text();
        return side == '#' ? without_prefix(value.value_or(""), pattern, longest)
                           : without_suffix(value.value_or(""), pattern, longest);
    }

    Result<std::string> replaced(std::string_view variable, std::size_t begin) {
        const auto how = next_is('/') ? Replace::All : Replace::First;
        if (how == Replace::All) { ++at_; }
        TRY_LET(pattern, until('/', Escapes::Kept));
        TRY_LET(replacement, until('}', Escapes::Kept));
        const auto value = value_of(variable, Unset::Reported);
        if (!value && how_.keep_unset) { return value_or_source(std::nullopt, begin); }
        return with_replaced(value.value_or(""), std::move(pattern).text(),
                             std::move(replacement).text(), how);
    }

    std::string_view text_;
    const Expansion& how_;
    std::size_t at_ = 0;
    int depth_ = 0;
};

} // namespace

Result<std::string> expand(std::string_view word, const Expansion& how) {
    TRY_LET(output, Lexer(word, how).run());
    return std::move(output).text();
}

Result<std::vector<std::string>> expand_words(std::string_view text, const Expansion& how) {
    TRY_LET(output, Lexer(text, how).run());
    return std::move(output).words();
}

std::set<std::string> variables_of(std::string_view text, char escape) {
    std::set<std::string> names;
    Expansion how;
    how.escape = escape;
    how.lookup = [&](std::string_view name) {
        names.emplace(name);
        return std::optional<std::string>("");
    };
    // A text that is wrong reads what stands before the mistake.
    (void)expand(text, how);
    return names;
}

} // namespace shoal::dockerfile
