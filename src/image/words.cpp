// The words of a Dockerfile line.
#include "image/instructions.h"

#include <optional>

namespace shoal::image {
namespace {

bool is_name_char(char c, bool first) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (!first && c >= '0' && c <= '9');
}

class Lexer {
  public:
    Lexer(std::string_view text, const std::vector<std::string>& env) : text_(text), env_(env) {}

    Result<std::vector<std::string>> run() {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == ' ' || c == '\t' || c == '\n') {
                end_word();
                ++at_;
                continue;
            }
            in_word_ = true;
            if (c == '\'') {
                TRY(single_quoted());
            } else if (c == '"') {
                TRY(double_quoted());
            } else {
                TRY(plain(false));
            }
        }
        end_word();
        return std::move(words_);
    }

  private:
    void end_word() {
        if (in_word_) { words_.push_back(std::move(word_)); }
        word_.clear();
        in_word_ = false;
    }

    Result<void> single_quoted() {
        const auto end = text_.find('\'', at_ + 1);
        if (end == std::string_view::npos) {
            return invalid("unexpected end of statement while looking for matching single-quote");
        }
        word_ += text_.substr(at_ + 1, end - at_ - 1);
        at_ = end + 1;
        return ok();
    }

    Result<void> double_quoted() {
        ++at_;
        while (at_ < text_.size() && text_[at_] != '"') { TRY(plain(true)); }
        if (at_ >= text_.size()) {
            return invalid("unexpected end of statement while looking for matching double-quote");
        }
        ++at_;
        return ok();
    }

    /// One character, escape or variable.
    Result<void> plain(bool quoted) {
        const char c = text_[at_];
        if (c == '\\') {
            ++at_;
            if (at_ >= text_.size()) { return ok(); }
            const char next = text_[at_++];
            if (quoted && next != '"' && next != '$' && next != '\\') { word_ += '\\'; }
            word_ += next;
            return ok();
        }
        if (c == '$') { return variable(); }
        word_ += c;
        ++at_;
        return ok();
    }

    Result<void> variable() {
        ++at_;
        const bool braced = at_ < text_.size() && text_[at_] == '{';
        if (braced) { ++at_; }
        const std::size_t begin = at_;
        while (at_ < text_.size() && is_name_char(text_[at_], at_ == begin)) { ++at_; }
        const auto name = text_.substr(begin, at_ - begin);
        if (!braced) {
            word_ += name.empty() ? "$" : value_of(name).value_or("");
            return ok();
        }
        const auto close = text_.find('}', at_);
        if (close == std::string_view::npos || name.empty()) {
            return invalid("syntax error: bad variable in '" + std::string(text_) + "'");
        }
        const auto rest = text_.substr(at_, close - at_);
        const auto value = value_of(name);
        const bool filled = value && !value->empty();
        if (rest.empty()) {
            word_ += value.value_or("");
        } else if (rest.starts_with(":-")) {
            word_ += filled ? *value : std::string(rest.substr(2));
        } else if (rest.starts_with(":+")) {
            word_ += filled ? std::string(rest.substr(2)) : "";
        } else {
            return invalid("unsupported modifier (" + std::string(rest) + ") in substitution");
        }
        at_ = close + 1;
        return ok();
    }

    std::optional<std::string> value_of(std::string_view name) const {
        for (const auto& entry : env_) {
            if (entry.size() > name.size() && entry.starts_with(name) &&
                entry[name.size()] == '=') {
                return entry.substr(name.size() + 1);
            }
        }
        return std::nullopt;
    }

    std::string_view text_;
    const std::vector<std::string>& env_;
    std::size_t at_ = 0;
    std::string word_;
    bool in_word_ = false;
    std::vector<std::string> words_;
};

} // namespace

Result<std::vector<std::string>> split_words(std::string_view text,
                                             const std::vector<std::string>& env) {
    return Lexer(text, env).run();
}

} // namespace shoal::image
