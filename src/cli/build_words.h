// The words of a build, printed as they come: what classic builders say step by step, and the
// progress of images that they fetch. For pipes and files the bytes are the daemon's; a terminal
// gets them without what would drive it.
#pragma once

#include "cli/app.h"
#include "cli/progress.h"

namespace shoal::cli {

class BuildWords {
  public:
    enum class To { Stdout, Stderr, Nowhere };
    BuildWords(App& app, To to);

    Result<void> show(const Json& message);
    /// "Sending build context to Docker daemon  2.048kB": over and over in one line, which ends
    /// with ended().
    void sent(std::int64_t bytes);
    void ended(std::int64_t bytes);
    /// What went Nowhere.
    const std::string& kept() const { return kept_; }
    const std::string& kept_sending() const { return kept_sending_; }

  private:
    void print(std::string_view text);
    void print_sent(std::int64_t bytes, std::string_view end);

    App& app_;
    To to_;
    bool terminal_;
    ProgressText progress_;
    std::string kept_;
    std::string kept_sending_;
    std::int64_t shown_bytes_ = 0;
    Steady shown_at_{};
};

} // namespace shoal::cli
