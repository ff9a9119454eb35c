// From the events of a build to what BuildKit's clients draw. It keeps the state of each step,
// since every message about a vertex repeats all that is known of it. Pure.
#pragma once

#include "build/builder.h"
#include "buildkit/status.h"

#include <map>
#include <string>

namespace shoal::api {

class BuildStatus {
  public:
    /// `salt` makes the vertexes' digests differ from those of other builds.
    explicit BuildStatus(std::string salt) : salt_(std::move(salt)) {}
    /// What is new by this event; may be empty.
    buildkit::Status take(const build::Event& event, const std::string& dockerfile);

  private:
    buildkit::Vertex& vertex_of(const build::Step& step);
    std::string digest_of(int step) const;
    void add_step(const build::Event& event, buildkit::Status& status);
    void add_progress(const build::Event& event, buildkit::Status& status);
    void add_log(const build::Event& event, buildkit::Status& status);

    std::string salt_;
    std::map<int, buildkit::Vertex> vertexes_;
    std::map<std::string, Instant> progress_begun_; ///< by vertex and name
};

} // namespace shoal::api
