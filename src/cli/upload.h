// A request whose body is a file or standard input, with the answer read while the body is still
// being sent: daemons report progress early, and refuse early. What the answer means is the
// caller's business.
#pragma once

#include "client/client.h"

#include <functional>
#include <string_view>

namespace shoal::cli {

using TakeBytes = std::function<Result<void>(std::string_view bytes)>;

/// `fd` is read to its end, by a thread, and stays the caller's. `take` is called with the answer's
/// body as it comes.
Result<void> upload(client::Client& client, client::Request request, int fd, const TakeBytes& take);
/// The same for a request without such a body.
Result<void> download(client::Client& client, client::Request request, const TakeBytes& take);

} // namespace shoal::cli
