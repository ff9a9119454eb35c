#include "cli/table.h"

#include "base/text.h"

#include <algorithm>
#include <vector>

namespace shoal::cli {
namespace {

/// Lines [begin, end) all have a cell ended by a tab in `column`: gives that column's width.
class Aligner {
  public:
    Aligner(std::vector<std::vector<std::string>> lines, Columns columns)
        : lines_(std::move(lines)), columns_(columns) {}

    std::string run() {
        block(0, lines_.size());
        if (!out_.empty()) { out_.pop_back(); } // the newline behind the last, open line
        return std::move(out_);
    }

  private:
    bool has_cell(std::size_t line, std::size_t column) const {
        return column + 1 < lines_[line].size();
    }

    void block(std::size_t begin, std::size_t end) {
        const std::size_t column = widths_.size();
        std::size_t written = begin;
        for (std::size_t line = begin; line < end; ++line) {
            if (!has_cell(line, column)) { continue; }
            write(written, line);
            std::size_t width = columns_.width_min;
            std::size_t last = line;
            for (; last < end && has_cell(last, column); ++last) {
                width = std::max(width, text_width(lines_[last][column]) + columns_.padding);
            }
            widths_.push_back(width);
            block(line, last);
            widths_.pop_back();
            written = last;
            line = last - 1;
        }
        write(written, end);
    }

    void write(std::size_t begin, std::size_t end) {
        for (std::size_t line = begin; line < end; ++line) {
            const auto& cells = lines_[line];
            for (std::size_t i = 0; i < cells.size(); ++i) {
                out_ += cells[i];
                const std::size_t width = text_width(cells[i]);
                if (i < widths_.size() && i + 1 < cells.size()) {
                    out_.append(widths_[i] - width, ' ');
                }
            }
            out_ += '\n';
        }
    }

    std::vector<std::vector<std::string>> lines_;
    Columns columns_;
    std::vector<std::size_t> widths_;
    std::string out_;
};

} // namespace

std::size_t text_width(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string ellipsis(std::string_view text, std::size_t width) {
    if (text_width(text) <= width) { return std::string(text); }
    if (width == 0) { return ""; }
    std::size_t at = 0;
    for (std::size_t cells = 0; cells + 1 < width; ++cells) {
        ++at;
        while (at < text.size() && (text[at] & 0xC0) == 0x80) { ++at; }
    }
    return std::string(text.substr(0, at)) + "…";
}

std::string align(std::string_view text, Columns columns) {
    std::vector<std::vector<std::string>> lines;
    for (const auto& line : split(text, '\n')) { lines.push_back(split(line, '\t')); }
    return Aligner(std::move(lines), columns).run();
}

} // namespace shoal::cli
