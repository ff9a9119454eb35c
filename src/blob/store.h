// The content-addressed store: files in blobs/<algorithm>/<hex>, each the bytes that its name is
// the hash of. A blob is written beside, hashed on the way, and renamed into place only when it is
// whole and what was promised, so that a crash leaves a blob or nothing. Small documents live here
// (configs, manifests, layer recipes); who needs which blob, and so what is garbage, is the
// caller's knowledge. Nothing waits for the disk here: read() checks the hash again, so that a blob
// torn by a power cut is noticed, and the caller syncs the file system once for many. Safe for
// several threads.
#pragma once

#include "base/result.h"
#include "blob/hash.h"
#include "os/fd.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace shoal::blob {

/// What must be true of the bytes. Nothing given: anything is accepted.
struct Expect {
    std::optional<oci::Digest> digest;
    std::optional<std::int64_t> size;
};

struct Stored {
    oci::Digest digest;
    std::int64_t size = 0;
};

class Store;

/// A blob being written. Dropped without commit() it leaves nothing.
class Writer {
  public:
    Writer(Writer&&) noexcept;
    Writer& operator=(Writer&&) = delete;
    ~Writer();
    /// Fails: Invalid as soon as more bytes come than expected; Exhausted when the disk is full.
    Result<void> write(std::string_view bytes);
    /// Checks size and digest and gives it its name.
    Result<Stored> commit();

  private:
    friend class Store;
    struct State;
    explicit Writer(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

class Store {
  public:
    /// `root` is made when missing; `tmp` must lie on the same file system and is emptied by its
    /// owner at start.
    static Result<Store> create(std::string root, std::string tmp);

    Result<Writer> begin(Expect expect = {}) const;
    Result<Stored> put(std::string_view bytes, Expect expect = {}) const;
    bool has(const oci::Digest& digest) const;
    Result<std::int64_t> size(const oci::Digest& digest) const;
    Result<os::Fd> open(const oci::Digest& digest) const;
    /// The whole blob, checked against its digest again. Fails: NotFound; Invalid when larger than
    /// `bytes_max` or when the bytes are not what the name says.
    Result<std::string> read(const oci::Digest& digest, std::size_t bytes_max) const;
    /// Removing what is not there is not an error.
    Result<void> remove(const oci::Digest& digest) const;
    Result<std::vector<Stored>> list() const;
    /// Removes every blob that is not in `keep`; gives the bytes freed.
    Result<std::int64_t> collect(const std::set<oci::Digest>& keep) const;

  private:
    Store(std::string root, std::string tmp) : root_(std::move(root)), tmp_(std::move(tmp)) {}
    std::string path_of(const oci::Digest& digest) const;
    std::string root_;
    std::string tmp_;
};

} // namespace shoal::blob
