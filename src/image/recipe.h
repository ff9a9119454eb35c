// The recipe of a layer: how to make its tar again, bit for bit, from the unpacked tree. It is the
// tar itself with the content of files replaced by their names, so it costs a few percent of the
// layer. While a layer is unpacked a RecipeWriter watches its bytes; write_from_recipe() plays it
// back. It understands just enough of tar to find files; what it does not understand it keeps as it
// is. Whether the result is right is checked by its hash, not assumed.
#pragma once

#include "archive/stream.h"
#include "os/fd.h"

#include <cstdint>
#include <optional>
#include <string>

namespace shoal::image {

class RecipeWriter {
  public:
    explicit RecipeWriter(archive::Sink out) : out_(std::move(out)) {}

    /// The next bytes of the plain tar, in pieces of any size.
    Result<void> feed(std::string_view bytes);
    Result<void> finish();
    /// From here on everything is kept as it is; for tars that cannot be made from files.
    void keep_all() { state_ = State::Tail; }
    std::int64_t tar_bytes() const { return tar_bytes_; }

  private:
    enum class State { Header, Kept, Meta, Content, Tail };
    Result<void> take_header();
    Result<void> end_meta();
    Result<void> keep(std::string_view bytes);
    Result<void> flush();
    Result<void> add_file(const std::string& name, std::uint64_t size);
    void begin_payload(State state, std::uint64_t size, std::uint64_t padding);

    archive::Sink out_;
    State state_ = State::Header;
    std::string header_; ///< block being collected
    std::string kept_;   ///< bytes to write as they are
    std::string meta_;   ///< payload of a pax or GNU header
    char meta_type_ = 0;
    std::uint64_t left_ = 0;    ///< of the payload
    std::uint64_t padding_ = 0; ///< after it
    std::string next_name_;     ///< from a pax or GNU header, for the next entry
    std::optional<std::uint64_t> next_size_;
    bool next_sparse_ = false;
    std::int64_t tar_bytes_ = 0;
};

/// Writes the tar. `root` is the layer's tree. Fails: Internal when a file is missing or too short.
Result<void> write_from_recipe(const archive::Source& recipe, const os::Fd& root,
                               const archive::Sink& sink);

} // namespace shoal::image
