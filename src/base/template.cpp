// Parsing of templates; evaluation is in template_eval.cpp.
#include "base/template.h"

#include "base/template_ast.h"
#include "base/template_functions.h"
#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace shoal {
namespace {

using namespace template_ast;

enum class Kind {
    Text,
    Open,
    Close,
    Space,
    Dot,
    Field,
    Variable,
    Word,
    Number,
    String,
    Char,
    Bool,
    Nil,
    Pipe,
    LeftParen,
    RightParen,
    Declare,
    Assign,
    Comma,
    End
};

struct Token {
    Kind kind;
    std::string text;
    std::size_t position;
};

constexpr std::string_view blanks = " \t\r\n";
bool is_blank(char c) { return blanks.find(c) != std::string_view::npos; }
bool is_word(char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c & 0x80) != 0;
}

Error fail_at(std::string_view text, std::size_t position, std::string_view what) {
    const auto line =
        1 + std::count(text.begin(),
                       text.begin() + static_cast<std::ptrdiff_t>(std::min(position, text.size())),
                       '\n');
    return invalid(fmt::format("template: :{}: {}", line, what));
}

/// Cuts the text into tokens, applying trim markers and dropping comments.
class Lexer {
  public:
    explicit Lexer(std::string_view text) : text_(text) {}

    Result<std::vector<Token>> run() {
        bool trim_start = false;
        while (true) {
            const auto open = text_.find("{{", at_);
            const bool last = open == std::string_view::npos;
            std::string_view plain = text_.substr(at_, last ? std::string_view::npos : open - at_);
            const std::size_t start = at_;
            if (trim_start) {
                while (!plain.empty() && is_blank(plain.front())) { plain.remove_prefix(1); }
            }
            if (last) {
                add_text(plain, start);
                break;
            }
            at_ = open + 2;
            if (starts_with_trim()) {
                while (!plain.empty() && is_blank(plain.back())) { plain.remove_suffix(1); }
                at_ += 1;
            }
            add_text(plain, start);
            TRY_LET(trims, action(open));
            trim_start = trims;
        }
        tokens_.push_back({Kind::End, "", text_.size()});
        return std::move(tokens_);
    }

  private:
    bool starts_with_trim() const {
        return at_ + 1 < text_.size() && text_[at_] == '-' && is_blank(text_[at_ + 1]);
    }
    void add_text(std::string_view plain, std::size_t position) {
        if (!plain.empty()) { tokens_.push_back({Kind::Text, std::string(plain), position}); }
    }
    void add(Kind kind, std::size_t start) {
        tokens_.push_back({kind, std::string(text_.substr(start, at_ - start)), start});
    }
    Error fail(std::string_view what) const { return fail_at(text_, at_, what); }

    /// True when the action ends with "-}}".
    Result<bool> action(std::size_t open) {
        std::size_t probe = at_;
        while (probe < text_.size() && is_blank(text_[probe])) { ++probe; }
        const bool directly = probe == at_ || (at_ > open + 2);
        if (directly && text_.substr(probe, 2) == "/*") { return comment(probe); }
        tokens_.push_back({Kind::Open, "{{", open});
        int depth = 0;
        while (true) {
            if (at_ >= text_.size()) { return fail("unclosed action"); }
            const auto rest = text_.substr(at_);
            if (rest.starts_with("}}")) {
                if (depth > 0) { return fail("unclosed left paren"); }
                at_ += 2;
                tokens_.push_back({Kind::Close, "}}", at_ - 2});
                return false;
            }
            if (is_blank(rest[0])) {
                const std::size_t start = at_;
                while (at_ < text_.size() && is_blank(text_[at_])) { ++at_; }
                if (text_.substr(at_).starts_with("-}}")) {
                    if (depth > 0) { return fail("unclosed left paren"); }
                    at_ += 3;
                    tokens_.push_back({Kind::Close, "}}", at_ - 2});
                    return true;
                }
                add(Kind::Space, start);
                continue;
            }
            if (rest[0] == '(') { ++depth; }
            if (rest[0] == ')' && --depth < 0) { return fail("unexpected right paren"); }
            TRY(token());
        }
    }

    Result<bool> comment(std::size_t start) {
        const auto end = text_.find("*/", start + 2);
        if (end == std::string_view::npos) { return fail("unclosed comment"); }
        at_ = end + 2;
        bool trims = false;
        if (at_ < text_.size() && is_blank(text_[at_])) {
            while (at_ < text_.size() && is_blank(text_[at_])) { ++at_; }
            if (!text_.substr(at_).starts_with("-}}")) {
                return fail("comment ends before closing delimiter");
            }
            at_ += 1;
            trims = true;
        }
        if (!text_.substr(at_).starts_with("}}")) {
            return fail("comment ends before closing delimiter");
        }
        at_ += 2;
        return trims;
    }

    Result<void> token() {
        const std::size_t start = at_;
        const char c = text_[at_];
        const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
        if (c == ':' && next == '=') { return two(Kind::Declare, start); }
        if (c == ':') { return fail("expected :="); }
        if (c == '"' || c == '\'' || c == '`') { return quoted(c); }
        if (c == '.' && !(next >= '0' && next <= '9')) {
            at_ += 1;
            skip_word();
            add(at_ == start + 1 ? Kind::Dot : Kind::Field, start);
            return ok();
        }
        if (c == '$') {
            at_ += 1;
            skip_word();
            add(Kind::Variable, start);
            return ok();
        }
        if ((c >= '0' && c <= '9') || c == '.' ||
            ((c == '-' || c == '+') && ((next >= '0' && next <= '9') || next == '.'))) {
            return number();
        }
        if (is_word(c)) {
            skip_word();
            const auto word = text_.substr(start, at_ - start);
            add(word == "true" || word == "false" ? Kind::Bool
                : word == "nil"                   ? Kind::Nil
                                                  : Kind::Word,
                start);
            return ok();
        }
        constexpr std::array<std::pair<char, Kind>, 5> single = {{{'|', Kind::Pipe},
                                                                  {'(', Kind::LeftParen},
                                                                  {')', Kind::RightParen},
                                                                  {'=', Kind::Assign},
                                                                  {',', Kind::Comma}}};
        for (const auto& [sign, kind] : single) {
            if (c == sign) {
                at_ += 1;
                add(kind, start);
                return ok();
            }
        }
        return fail(fmt::format("unexpected bad character U+{:04X} '{}' in command",
                                static_cast<unsigned char>(c), c));
    }

    Result<void> two(Kind kind, std::size_t start) {
        at_ += 2;
        add(kind, start);
        return ok();
    }
    void skip_word() {
        while (at_ < text_.size() && is_word(text_[at_])) { ++at_; }
    }
    Result<void> number() {
        const std::size_t start = at_;
        while (at_ < text_.size() && (is_word(text_[at_]) || text_[at_] == '.' ||
                                      ((text_[at_] == '-' || text_[at_] == '+') &&
                                       (at_ == start || ((text_[at_ - 1] | 0x20) == 'e' &&
                                                         text_.substr(start, 2) != "0x"))))) {
            ++at_;
        }
        add(Kind::Number, start);
        return ok();
    }
    Result<void> quoted(char quote) {
        const std::size_t start = at_;
        for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
            if (quote == '`') { continue; }
            if (text_[at_] == '\\') { ++at_; }
            if (at_ >= text_.size() || text_[at_] == '\n') { break; }
        }
        if (at_ >= text_.size() || text_[at_] != quote) {
            return fail(quote == '"'   ? "unterminated quoted string"
                        : quote == '`' ? "unterminated raw quoted string"
                                       : "unterminated character constant");
        }
        ++at_;
        add(quote == '\'' ? Kind::Char : Kind::String, start);
        return ok();
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::vector<Token> tokens_;
};

void append_utf8(std::string& out, std::uint32_t code) {
    if (code < 0x80) {
        out += static_cast<char>(code);
    } else if (code < 0x800) {
        out += static_cast<char>(0xC0 | code >> 6);
        out += static_cast<char>(0x80 | (code & 63));
    } else if (code < 0x10000) {
        out += static_cast<char>(0xE0 | code >> 12);
        out += static_cast<char>(0x80 | (code >> 6 & 63));
        out += static_cast<char>(0x80 | (code & 63));
    } else {
        out += static_cast<char>(0xF0 | code >> 18);
        out += static_cast<char>(0x80 | (code >> 12 & 63));
        out += static_cast<char>(0x80 | (code >> 6 & 63));
        out += static_cast<char>(0x80 | (code & 63));
    }
}

/// Go's strconv.Unquote of a double-quoted or character literal's inside.
std::optional<std::string> unquote(std::string_view inside) {
    std::string out;
    for (std::size_t i = 0; i < inside.size(); ++i) {
        if (inside[i] != '\\') {
            out += inside[i];
            continue;
        }
        if (++i >= inside.size()) { return std::nullopt; }
        constexpr std::string_view names = "abfnrtv\\'\"";
        constexpr std::string_view values = "\a\b\f\n\r\t\v\\'\"";
        const char c = inside[i];
        if (const auto at = names.find(c); at != std::string_view::npos) {
            out += values[at];
            continue;
        }
        const int base = c == 'x' || c == 'u' || c == 'U' ? 16 : 8;
        const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 3;
        const std::size_t from = base == 16 ? i + 1 : i;
        if (from + digits > inside.size()) { return std::nullopt; }
        std::uint32_t code = 0;
        const char* begin = inside.data() + from;
        const auto [end, error] = std::from_chars(begin, begin + digits, code, base);
        if (error != std::errc{} || end != begin + digits || code > 0x10FFFF) {
            return std::nullopt;
        }
        if (c == 'u' || c == 'U') {
            append_utf8(out, code);
        } else {
            out += static_cast<char>(code);
        }
        i = from + digits - 1;
    }
    return out;
}

std::optional<Json> parse_literal_number(std::string_view text) {
    std::string digits;
    std::copy_if(text.begin(), text.end(), std::back_inserter(digits),
                 [](char c) { return c != '_'; });
    const bool negative = digits.starts_with('-');
    if (negative || digits.starts_with('+')) { digits.erase(0, 1); }
    const std::string lowered = to_lower(digits);
    int base = 10;
    std::size_t skip = 0;
    if (lowered.starts_with("0x")) {
        base = 16, skip = 2;
    } else if (lowered.starts_with("0b")) {
        base = 2, skip = 2;
    } else if (lowered.starts_with("0o")) {
        base = 8, skip = 2;
    } else if (lowered.size() > 1 && lowered[0] == '0' && is_hex(lowered)) {
        base = 8, skip = 1;
    }
    std::int64_t whole = 0;
    const char* const end = lowered.data() + lowered.size();
    const auto [stop, error] = std::from_chars(lowered.data() + skip, end, whole, base);
    if (error == std::errc{} && stop == end) { return Json(negative ? -whole : whole); }
    const auto real = parse_double(lowered);
    if (!real || !std::isfinite(*real)) { return std::nullopt; }
    // As Go: 1e3 is also a whole number.
    if (*real == std::floor(*real) && std::abs(*real) < 9e15 &&
        lowered.find('.') == std::string::npos) {
        return Json(static_cast<std::int64_t>(negative ? -*real : *real));
    }
    return Json(negative ? -*real : *real);
}

class Parser {
  public:
    Parser(std::string_view text, std::vector<Token> tokens,
           std::span<const std::string_view> functions)
        : text_(text), tokens_(std::move(tokens)), functions_(functions) {
        variables_.push_back("$");
    }

    Result<std::unique_ptr<List>> run() {
        TRY_LET(parsed, list());
        if (peek().kind != Kind::End) { return fail(fmt::format("unexpected {{{{{}}}}}", stop_)); }
        return std::move(parsed);
    }

  private:
    const Token& peek() const { return tokens_[at_]; }
    const Token& next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
    void skip_space() {
        while (peek().kind == Kind::Space) { ++at_; }
    }
    bool is_function(std::string_view name) const {
        return template_functions::is_known(name) ||
               std::find(functions_.begin(), functions_.end(), name) != functions_.end();
    }
    const Token& peek_word() {
        skip_space();
        return peek();
    }
    Error fail(std::string_view what) const { return fail_at(text_, peek().position, what); }
    Error unexpected(const Token& token, std::string_view where) const {
        if (token.kind == Kind::End) { return fail("unexpected EOF"); }
        if (token.kind == Kind::Word && is_keyword(token.text)) {
            return fail(fmt::format("unexpected <{}> in {}", token.text, where));
        }
        return fail(fmt::format("unexpected {} in {}", go_quote(token.text), where));
    }
    static bool is_keyword(std::string_view word) {
        constexpr std::string_view all[] = {"if",    "else",     "end",    "range",    "with",
                                            "break", "continue", "define", "template", "block"};
        return std::find(std::begin(all), std::end(all), word) != std::end(all);
    }

    /// Reads nodes up to the end, {{end}} or {{else}}; the latter two are left with stop_ set and
    /// the action's opening consumed up to the keyword.
    Result<std::unique_ptr<List>> list() {
        if (++depth_ > template_depth_max) { return fail("template is nested too deeply"); }
        auto parsed = std::make_unique<List>();
        stop_.clear();
        while (true) {
            const Token token = peek();
            if (token.kind == Kind::End) { break; }
            if (token.kind == Kind::Text) {
                Node node;
                node.text = next().text;
                parsed->nodes.push_back(std::move(node));
                continue;
            }
            next(); // Open
            const Token& first = peek_word();
            if (first.kind == Kind::Word && (first.text == "end" || first.text == "else")) {
                stop_ = first.text;
                break;
            }
            TRY_LET(node, action());
            parsed->nodes.push_back(std::move(node));
        }
        --depth_;
        return parsed;
    }

    Result<Node> action() {
        const Token first = peek();
        if (first.kind == Kind::Word) {
            if (first.text == "if" || first.text == "range" || first.text == "with") {
                next();
                return control(first.text);
            }
            if (first.text == "break" || first.text == "continue") { return jump(first.text); }
            if (first.text == "define" || first.text == "template" || first.text == "block") {
                return fail(fmt::format("{{{{{}}}}} is not supported", first.text));
            }
        }
        Node node;
        node.kind = Node::Kind::Action;
        TRY_LET(parsed, pipe(Kind::Close, "command"));
        node.pipe = std::move(parsed);
        return node;
    }

    Result<Node> jump(const std::string& word) {
        next();
        if (peek_word().kind != Kind::Close) { return unexpected(peek(), "{{" + word + "}}"); }
        next();
        if (loops_ == 0) { return fail("{{" + word + "}} outside {{range}}"); }
        Node node;
        node.kind = word == "break" ? Node::Kind::Break : Node::Kind::Continue;
        return node;
    }

    Result<Node> control(const std::string& word) {
        const std::size_t scope = variables_.size();
        Node node;
        node.kind = word == "if"      ? Node::Kind::If
                    : word == "range" ? Node::Kind::Range
                                      : Node::Kind::With;
        TRY_LET(condition, pipe(Kind::Close, word));
        node.pipe = std::move(condition);
        if (word == "range") { ++loops_; }
        TRY_LET(body, list());
        node.body = std::move(body);
        if (word == "range") { --loops_; }
        if (stop_ == "else") {
            next();
            TRY(otherwise(node, word));
        } else {
            TRY(end_of_block());
        }
        variables_.resize(scope);
        return node;
    }

    Result<void> end_of_block() {
        if (stop_ != "end") { return fail("unexpected EOF"); }
        next();
        if (peek_word().kind != Kind::Close) { return unexpected(peek(), "end"); }
        next();
        return ok();
    }

    /// Behind the word `else`: `}}` or `if ...}}` / `with ...}}`.
    Result<void> otherwise(Node& node, const std::string& word) {
        const Token token = peek_word();
        if (token.kind == Kind::Word && (token.text == "if" || token.text == "with") &&
            token.text == word) {
            next();
            if (++depth_ > template_depth_max) { return fail("template is nested too deeply"); }
            TRY_LET(inner, control(word));
            --depth_;
            node.otherwise = std::make_unique<List>();
            node.otherwise->nodes.push_back(std::move(inner));
            return ok(); // the one {{end}} closed both
        }
        if (token.kind != Kind::Close) { return unexpected(token, "else"); }
        next();
        TRY_LET(body, list());
        if (stop_ == "else") { return fail("expected end; found {{else}}"); }
        node.otherwise = std::move(body);
        return end_of_block();
    }

    Result<Pipe> pipe(Kind end, std::string_view where) {
        if (++depth_ > template_depth_max) { return fail("template is nested too deeply"); }
        Pipe parsed;
        parsed.position = peek_word().position;
        TRY(declarations(parsed, where));
        while (true) {
            const Token token = peek_word();
            if (token.kind == end) {
                parsed.text = trim(text_.substr(parsed.position, token.position - parsed.position));
                next();
                if (parsed.commands.empty()) {
                    return fail(fmt::format("missing value for {}", where));
                }
                --depth_;
                return parsed;
            }
            TRY_LET(parsed_command, command(end));
            parsed.commands.push_back(std::move(parsed_command));
            if (parsed.commands.size() > 1) {
                const auto kind = parsed.commands.back().words.front().kind;
                if (kind == Operand::Kind::Literal || kind == Operand::Kind::Nil ||
                    kind == Operand::Kind::Dot) {
                    return fail(fmt::format("non executable command in pipeline stage {}",
                                            parsed.commands.size()));
                }
            }
        }
    }

    Result<void> declarations(Pipe& parsed, std::string_view where) {
        if (peek().kind != Kind::Variable) { return ok(); }
        const std::size_t start = at_;
        const Token first = next();
        const Token sign = peek_word();
        if (sign.kind == Kind::Declare || sign.kind == Kind::Assign) {
            next();
            return bind(parsed, first.text, sign.kind);
        }
        if (sign.kind == Kind::Comma && where == "range") {
            next();
            const Token second = peek_word();
            if (second.kind != Kind::Variable) { return unexpected(second, "range"); }
            next();
            const Token then = peek_word();
            if (then.kind != Kind::Declare && then.kind != Kind::Assign) {
                return unexpected(then, "range");
            }
            next();
            TRY(bind(parsed, first.text, then.kind));
            return bind(parsed, second.text, then.kind);
        }
        at_ = start;
        return ok();
    }

    Result<void> bind(Pipe& parsed, const std::string& name, Kind sign) {
        parsed.assigns = sign == Kind::Assign;
        parsed.variables.push_back(name);
        if (sign == Kind::Declare) {
            variables_.push_back(name);
            return ok();
        }
        return check_variable(name);
    }
    Result<void> check_variable(const std::string& name) const {
        if (std::find(variables_.begin(), variables_.end(), name) != variables_.end()) {
            return ok();
        }
        return fail(fmt::format("undefined variable \"{}\"", name));
    }

    Result<Command> command(Kind end) {
        Command parsed;
        while (true) {
            skip_space();
            const Token& token = peek();
            if (token.kind == end) { break; }
            if (token.kind == Kind::Pipe) {
                if (parsed.words.empty()) { return fail("missing value for command"); }
                next();
                if (peek_word().kind == end) { return fail("missing value for command"); }
                break;
            }
            TRY_LET(word, operand());
            parsed.words.push_back(std::move(word));
            const Kind after = peek().kind;
            if (after != Kind::Space && after != Kind::Pipe && after != end) {
                return unexpected(peek(), "operand");
            }
        }
        return parsed;
    }

    Result<Operand> operand() {
        const Token token = next();
        Operand parsed;
        parsed.position = token.position;
        switch (token.kind) {
        case Kind::Dot:
            parsed.kind = Operand::Kind::Dot;
            break;
        case Kind::Nil:
            parsed.kind = Operand::Kind::Nil;
            break;
        case Kind::Bool:
            set_literal(parsed, token.text == "true");
            break;
        case Kind::Field:
            parsed.kind = Operand::Kind::Field;
            parsed.fields.push_back(token.text.substr(1));
            break;
        case Kind::Variable:
            TRY(check_variable(token.text));
            parsed.kind = Operand::Kind::Variable;
            parsed.name = token.text;
            break;
        case Kind::Word:
            if (is_keyword(token.text)) { return unexpected(token, "operand"); }
            if (!is_function(token.text)) {
                return fail(fmt::format("function {} not defined", go_quote(token.text)));
            }
            parsed.kind = Operand::Kind::Function;
            parsed.name = token.text;
            break;
        case Kind::Number: {
            const auto value = parse_literal_number(token.text);
            if (!value) { return fail(fmt::format("bad number syntax: {}", go_quote(token.text))); }
            set_literal(parsed, *value);
            break;
        }
        case Kind::String:
        case Kind::Char:
            TRY(quoted(parsed, token));
            break;
        case Kind::LeftParen: {
            TRY_LET(inner, pipe(Kind::RightParen, "parenthesized pipeline"));
            parsed.kind = Operand::Kind::Pipe;
            parsed.pipe = std::make_unique<Pipe>(std::move(inner));
            break;
        }
        default:
            return unexpected(token, "operand");
        }
        while (peek().kind == Kind::Field) {
            if (parsed.kind == Operand::Kind::Literal || parsed.kind == Operand::Kind::Nil ||
                parsed.kind == Operand::Kind::Dot) {
                return fail(fmt::format("unexpected . after term {}", go_quote(token.text)));
            }
            parsed.position = peek().position;
            parsed.fields.push_back(next().text.substr(1));
        }
        parsed.text = text_.substr(token.position, peek().position - token.position);
        return parsed;
    }

    static void set_literal(Operand& operand, Json value) {
        operand.kind = Operand::Kind::Literal;
        operand.literal = std::move(value);
    }
    Result<void> quoted(Operand& operand, const Token& token) {
        const std::string_view inside =
            std::string_view(token.text).substr(1, token.text.size() - 2);
        if (token.text[0] == '`') {
            set_literal(operand, std::string(inside));
            return ok();
        }
        const auto plain = unquote(inside);
        if (!plain) { return fail("invalid syntax"); }
        if (token.kind == Kind::String) {
            set_literal(operand, *plain);
            return ok();
        }
        const auto code = template_functions::decode_rune(*plain);
        if (!code || code->second != plain->size()) {
            return fail(fmt::format("malformed character constant: {}", token.text));
        }
        set_literal(operand, static_cast<std::int64_t>(code->first));
        return ok();
    }

    std::string_view text_;
    std::vector<Token> tokens_;
    std::span<const std::string_view> functions_;
    std::size_t at_ = 0;
    std::string stop_;
    std::vector<std::string> variables_;
    int depth_ = 0;
    int loops_ = 0;
};

} // namespace

Template::Template(std::string text, std::unique_ptr<List> root)
    : text_(std::move(text)), root_(std::move(root)) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Result<Template> Template::parse(std::string_view text,
                                 std::span<const std::string_view> functions) {
    if (text.size() > template_bytes_max) { return invalid("template: :1: template is too long"); }
    TRY_LET(tokens, Lexer(text).run());
    TRY_LET(root, Parser(text, std::move(tokens), functions).run());
    return Template(std::string(text), std::move(root));
}

} // namespace shoal
