// A page for people while it is written, line by line. Pure.
#pragma once

#include <fmt/format.h>

#include <string>

namespace shoal::cli::swarm {

class PageText {
  public:
    template <class... T> void line(fmt::format_string<T...> format, T&&... values) {
        text_ += fmt::format(format, std::forward<T>(values)...) + "\n";
    }
    /// Nothing when there is no value.
    void maybe(std::string_view title, const std::string& value) {
        if (!value.empty()) { line("{}{}", title, value); }
    }
    /// Without the last newline.
    std::string finish() {
        if (text_.ends_with('\n')) { text_.pop_back(); }
        return std::move(text_);
    }

  private:
    std::string text_;
};

} // namespace shoal::cli::swarm
