// A Dockerfile as logical lines: directives at the top read, comments dropped, continued lines
// joined. Here-documents are taken on demand, since only the instruction knows whether it has any.
// Internal to this folder.
#pragma once

#include "dockerfile/instruction.h"

namespace shoal::dockerfile {

struct LogicalLine {
    std::string text; ///< without line ends, on one line
    Lines lines;
    std::vector<std::string> comments; ///< that stand right before it, without "#"
    int empty_continuation = 0;        ///< number of the last line, if an empty one was within
};

class LineReader {
  public:
    explicit LineReader(std::string_view text);

    /// The next one that is not empty, or nothing at the end. Fails: Invalid for a wrong directive.
    Result<std::optional<LogicalLine>> next();
    /// The lines up to the delimiter, which is taken too; `last` becomes its number. Fails: Invalid
    /// when it does not come.
    Result<std::string> take_heredoc(const Heredoc& heredoc, int& last);

    const Directives& directives() const { return directives_; }
    int line() const { return static_cast<int>(at_); } ///< the last one that was read
    std::vector<std::string> take_source() &&;         ///< the physical lines without their ends

  private:
    Result<bool> read_directive(std::string_view line);
    Result<void> take_directive(const std::string& name, const std::string& value);
    void join_continued(LogicalLine& line);
    bool strip_continuation(std::string_view& line) const;

    std::vector<std::string_view> lines_; ///< with their ends
    std::size_t at_ = 0;
    Directives directives_;
    std::vector<std::string> seen_;
    bool directives_done_ = false;
    bool shebang_ = false;
};

/// "skip=A,B;error=true" of "check=". Fails: Invalid, naming the option.
Result<void> parse_check_options(std::string_view text, Directives& directives);
/// The rules that a comment before an instruction turns off: "check=skip=A,B".
std::vector<std::string> skipped_by(const std::vector<std::string>& comments);

} // namespace shoal::dockerfile
