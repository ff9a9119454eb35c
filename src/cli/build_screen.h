// Draws a build under way on a terminal, again and again over itself, and once more at the end, for
// good. What is drawn is build_tree.h's business.
#pragma once

#include "cli/app.h"
#include "cli/build_tree.h"
#include "net/until.h"

namespace shoal::cli {

class BuildScreen {
  public:
    /// `fd` is a terminal: standard output or standard error.
    BuildScreen(App& app, int fd);

    Result<void> show(const Json& message);
    /// Draws until `until`, often enough for the times to run.
    net::Task<void> keep_drawing(net::Until until);
    /// The whole tree, which stays; with what is to be said afterwards.
    void end(BuildEnd how);

  private:
    void draw(const std::vector<std::string>& lines);

    App& app_;
    int fd_;
    BuildTree tree_;
    std::size_t drawn_ = 0; ///< lines that stand on the screen
};

} // namespace shoal::cli
