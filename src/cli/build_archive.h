// The context of a build as a tar stream, made while it is sent: a directory without what is
// ignored, or standard input as it is. A Dockerfile from outside of the directory goes along under
// a name of its own, which .dockerignore then names, so that it never gets into the image.
#pragma once

#include "archive/compression.h"
#include "cli/build_context.h"
#include "cli/upload.h"
#include "net/pool.h"
#include "net/scope.h"

namespace shoal::cli {

struct ContextBody {
    UploadBody body;
    std::string dockerfile; ///< its name in the archive; "" for the daemon's default
};

class ContextArchive {
  public:
    explicit ContextArchive(net::Loop& loop);

    /// Packing begins at once, and waits for its reader.
    Result<ContextBody> pack(const BuildContext& context, archive::Compression compression);
    /// Standard input: an archive as it comes, or a Dockerfile, which becomes an archive of itself.
    Result<ContextBody> take_stdin(const BuildContext& context);

  private:
    net::Pool pool_;
    net::TaskScope packing_; ///< last: uses the pool
};

} // namespace shoal::cli
