// Dispatcher: from an HTTP request to the answer of its operation. It checks who may come near,
// splits version and path, finds the route, runs the handler, turns errors into Docker's documents,
// counts and writes the audit line.
#pragma once

#include "api/router.h"
#include "net/http.h"
#include "net/task.h"

namespace shoal::api {

struct Daemon;

/// Headers of every answer.
net::Headers standard_headers(const Daemon& daemon);

class Dispatcher {
  public:
    Dispatcher(Daemon& daemon, const Router& router) : daemon_(daemon), router_(router) {}
    net::Task<void> answer(net::Exchange& exchange);

  private:
    net::Task<Result<void>> run(Call& call);
    Result<void> find_operation(Call& call, std::string& path);
    net::Task<void> answer_error(Call& call, Error problem);

    Daemon& daemon_;
    const Router& router_;
};

} // namespace shoal::api
