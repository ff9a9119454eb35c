// A request whose body is a file or standard input, with the answer read while the body is still
// being sent: daemons report progress early, and refuse early. What the answer means is the
// caller's business.
#pragma once

#include "client/client.h"

#include <functional>
#include <string_view>

namespace shoal::cli {

using TakeBytes = std::function<Result<void>(std::string_view bytes)>;

struct UploadBody {
    /// The next piece, "" at the end; may block, called on a thread of its own.
    std::function<Result<std::string>()> read;
    /// Told how much has been sent so far, and once more at the end; may be empty.
    std::function<void(std::int64_t bytes)> sent{};
    std::function<void(std::int64_t bytes)> ended{};
};

/// What is there to be read, "" at the end.
Result<std::string> read_piece(int fd);

/// For those who do something else meanwhile. `take` is called with the answer's body as it comes;
/// client and `take` outlive the task.
net::Task<Result<void>> upload_async(client::Client* client, client::Request request,
                                     UploadBody body, const TakeBytes* take, net::Until until);
net::Task<Result<void>> download_async(client::Client* client, client::Request request,
                                       const TakeBytes* take, net::Until until);

/// `fd` is read to its end, by a thread, and stays the caller's. `take` is called with the answer's
/// body as it comes.
Result<void> upload(client::Client& client, client::Request request, int fd, const TakeBytes& take);
/// The same for a request without such a body.
Result<void> download(client::Client& client, client::Request request, const TakeBytes& take);

} // namespace shoal::cli
