#include "dockerfile/glob.h"

#include "base/text.h"
#include "dockerfile/runes.h"

#include <algorithm>

namespace shoal::dockerfile {

using Step = Glob::Step;
using Kind = Glob::Step::Kind;

class GlobParser {
  public:
    GlobParser(std::string_view pattern, Glob::Dialect dialect)
        : pattern_(pattern), runes_(to_runes(pattern)), dialect_(dialect) {}

    Result<Glob> run() {
        while (at_ < runes_.size()) { TRY(one()); }
        const bool literal = std::all_of(glob_.steps_.begin(), glob_.steps_.end(),
                                         [](const Step& step) { return step.kind == Kind::Rune; });
        if (literal) { set_literal(); }
        if (begins_with_stars_ && plain_after_stars_) { make_suffix(); }
        return std::move(glob_);
    }

  private:
    Error wrong() const { return invalid("syntax error in pattern " + go_quote(pattern_)); }
    bool next_is(char32_t rune) const { return at_ < runes_.size() && runes_[at_] == rune; }
    void add(Kind kind, char32_t rune = 0) {
        Step step;
        step.kind = kind;
        step.rune = rune;
        glob_.steps_.push_back(std::move(step));
    }

    Result<void> one() {
        const char32_t rune = runes_[at_++];
        if (rune == U'*') {
            stars();
            return ok();
        }
        if (rune == U'/' || (rune != U'?' && rune != U'[' && rune != U'\\')) {
            add(Kind::Rune, rune);
            return ok();
        }
        plain_after_stars_ = false;
        if (rune == U'?') {
            add(Kind::AnyRune);
        } else if (rune == U'[') {
            return class_of_runes();
        } else {
            if (at_ == runes_.size()) { return wrong(); }
            add(Kind::Rune, runes_[at_++]);
        }
        return ok();
    }

    void stars() {
        const bool first = at_ == 1;
        if (dialect_ == Glob::Dialect::Go || !next_is(U'*')) {
            plain_after_stars_ = false;
            // Several stars in a row are one.
            if (glob_.steps_.empty() || glob_.steps_.back().kind != Kind::Part) { add(Kind::Part); }
            return;
        }
        ++at_;
        const bool slash = next_is(U'/');
        if (slash) { ++at_; }
        if (at_ == runes_.size()) {
            add(Kind::All);
            return;
        }
        begins_with_stars_ = begins_with_stars_ || (first && !slash);
        if (!first) { plain_after_stars_ = false; }
        add(Kind::Directories);
        add(Kind::InDirectories);
    }

    /// "**name" of plain letters is any path that ends so, other than "**/name".
    void make_suffix() {
        glob_.steps_.erase(glob_.steps_.begin());
        glob_.steps_.front().kind = Kind::All;
    }

    void set_literal() {
        std::u32string text;
        for (const auto& step : glob_.steps_) { text += step.rune; }
        glob_.literal_ = to_bytes(text);
        glob_.is_literal_ = true;
    }

    Result<void> class_of_runes() {
        Step step;
        step.kind = Kind::Class;
        step.negated = next_is(U'^');
        if (step.negated) { ++at_; }
        while (step.ranges.empty() || !next_is(U']')) {
            TRY_LET(first, class_rune());
            Glob::Range range{first, first};
            if (next_is(U'-')) {
                ++at_;
                TRY_LET(last, class_rune());
                range.last = last;
            }
            step.ranges.push_back(range);
        }
        ++at_;
        glob_.steps_.push_back(std::move(step));
        return ok();
    }

    Result<char32_t> class_rune() {
        if (at_ == runes_.size() || next_is(U'-') || next_is(U']')) { return wrong(); }
        if (next_is(U'\\')) { ++at_; }
        if (at_ == runes_.size()) { return wrong(); }
        const char32_t rune = runes_[at_++];
        if (at_ == runes_.size()) { return wrong(); } // the bracket has to be closed
        return rune;
    }

    std::string_view pattern_;
    std::u32string runes_;
    Glob::Dialect dialect_;
    std::size_t at_ = 0;
    Glob glob_;
    bool begins_with_stars_ = false;
    bool plain_after_stars_ = true;
};

/// All places in the pattern at which a match of what has been read so far may stand.
class GlobRun {
  public:
    explicit GlobRun(const Glob& glob)
        : steps_(glob.steps_), here_(steps_.size() + 1, 0), next_(steps_.size() + 1, 0) {
        enter(here_, 0);
    }

    bool is_match() const { return here_.back() != 0; }
    bool is_alive() const { return alive_; }

    void read(char32_t rune) {
        std::fill(next_.begin(), next_.end(), 0);
        alive_ = false;
        for (std::size_t i = 0; i < steps_.size(); ++i) {
            if (here_[i] != 0) { advance(i, rune); }
        }
        std::swap(here_, next_);
    }

  private:
    /// Goes on through steps that may take nothing.
    void enter(std::vector<char>& places, std::size_t at) {
        while (places[at] == 0) {
            places[at] = 1;
            alive_ = true;
            if (at == steps_.size()) { return; }
            const auto kind = steps_[at].kind;
            if (kind == Kind::Directories) {
                places[at + 1] = 1;
                at += 2;
            } else if (kind == Kind::Part || kind == Kind::All) {
                ++at;
            } else {
                return;
            }
        }
    }

    void advance(std::size_t at, char32_t rune) {
        const Step& step = steps_[at];
        switch (step.kind) {
        case Kind::Rune:
            if (rune == step.rune) { enter(next_, at + 1); }
            break;
        case Kind::AnyRune:
            if (rune != U'/') { enter(next_, at + 1); }
            break;
        case Kind::Class:
            if (is_in(step, rune) != step.negated) { enter(next_, at + 1); }
            break;
        case Kind::Part:
            if (rune != U'/') { enter(next_, at); }
            break;
        case Kind::All:
            enter(next_, at);
            break;
        case Kind::Directories: // InDirectories reads for it
            break;
        case Kind::InDirectories:
            next_[at] = 1;
            alive_ = true;
            if (rune == U'/') { enter(next_, at + 1); }
            break;
        }
    }

    static bool is_in(const Step& step, char32_t rune) {
        return std::any_of(step.ranges.begin(), step.ranges.end(), [&](const Glob::Range& range) {
            return range.first <= rune && rune <= range.last;
        });
    }

    const std::vector<Step>& steps_;
    std::vector<char> here_;
    std::vector<char> next_;
    bool alive_ = false;
};

Result<Glob> Glob::parse(std::string_view pattern, Dialect dialect) {
    return GlobParser(pattern, dialect).run();
}

bool Glob::matches(std::string_view path) const {
    if (is_literal_) { return path == literal_; }
    GlobRun run(*this);
    for (const char32_t rune : to_runes(path)) {
        run.read(rune);
        if (!run.is_alive()) { return false; }
    }
    return run.is_match();
}

bool Glob::matches_or_parent(std::string_view path) const {
    if (is_literal_) {
        return path.starts_with(literal_) &&
               (path.size() == literal_.size() || path[literal_.size()] == '/');
    }
    GlobRun run(*this);
    for (const char32_t rune : to_runes(path)) {
        if (rune == U'/' && run.is_match()) { return true; }
        run.read(rune);
        if (!run.is_alive()) { return false; }
    }
    return run.is_match();
}

bool Glob::may_match_beneath(std::string_view directory) const {
    if (directory.empty()) { return true; }
    if (is_literal_) {
        return literal_.size() > directory.size() && literal_.starts_with(directory) &&
               literal_[directory.size()] == '/';
    }
    GlobRun run(*this);
    for (const char32_t rune : to_runes(std::string(directory) + "/")) {
        run.read(rune);
        if (!run.is_alive()) { return false; }
    }
    return true;
}

} // namespace shoal::dockerfile
