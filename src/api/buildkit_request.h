// From the attributes that BuildKit's clients give to the frontend "dockerfile.v0" to a request of
// the builder. Attributes that are not known are refused by name; those that only describe where
// things came from are read over. Pure.
#pragma once

#include "build/builder.h"
#include "build/exporter.h"
#include "buildkit/control.h"

namespace shoal::api {

/// Fails: Invalid, Unsupported. The session and the tags are the caller's to set.
Result<build::Request> request_of_attributes(const buildkit::Attributes& attributes,
                                             const std::string& session_id);
/// Images whose steps may be reused. Fails: Unsupported for caches other than images.
Result<std::vector<std::string>> cache_images_of(const std::vector<buildkit::Typed>& imports);
/// What a solve asks beside its frontend: fails for what is not possible here, by name.
Result<void> check_solve(const buildkit::SolveRequest& request);
Result<std::vector<build::Output>> outputs_of(const buildkit::SolveRequest& request);
/// Filters of BuildKit's form ("type==regular", "id~=abc").
Result<Filters> filters_of(const std::vector<std::string>& texts);

} // namespace shoal::api
