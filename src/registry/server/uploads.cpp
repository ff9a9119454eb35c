// Uploads: bytes that are collected under _uploads/<id>/data until their digest is known. The file
// is the truth; what has been hashed on the way is only a saving.
#include "base/text.h"
#include "base/time.h"
#include "registry/server/disk_store.h"

#include <fcntl.h>
#include <unistd.h>

namespace shoal::registry {
namespace {

constexpr std::size_t read_bytes = 1024 * 1024;
constexpr std::chrono::seconds sweep_every{60};

bool is_upload_id(std::string_view id) {
    if (id.size() != 36) { return false; }
    for (std::size_t n = 0; n < id.size(); ++n) {
        const bool dash = n == 8 || n == 13 || n == 18 || n == 23;
        const char c = id[n];
        const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (dash ? c != '-' : !hex) { return false; }
    }
    return true;
}

Result<oci::Digest> hash_file(const os::Fd& file, oci::HashKind kind) {
    blob::Hasher hasher(kind);
    std::vector<char> buffer(read_bytes);
    off_t at = 0;
    while (true) {
        const ssize_t got = ::pread(file.raw(), buffer.data(), buffer.size(), at);
        if (got < 0 && errno == EINTR) { continue; }
        if (got < 0) { return os_error("read an upload", errno); }
        if (got == 0) { return hasher.finish(); }
        hasher.update({buffer.data(), static_cast<std::size_t>(got)});
        at += got;
    }
}

Error no_upload(const std::string& id) { return not_found("upload", id.substr(0, 64)); }

} // namespace

class DiskStore::Writer : public UploadWriter {
  public:
    Writer(std::shared_ptr<Session> session, os::Fd file)
        : session_(std::move(session)), file_(std::move(file)) {}
    ~Writer() override {
        const std::lock_guard guard(session_->mutex);
        session_->writing = false;
    }
    Result<void> write(std::string_view bytes) override {
        auto written = os::write_all(file_, bytes);
        if (!written) { // what is not counted must not be there
            if (::ftruncate(file_.raw(), static_cast<off_t>(session_->offset)) != 0) {
                session_->hash_valid = false;
            }
            return std::move(written).with("write the upload");
        }
        if (session_->hash_valid) { session_->hasher.update(bytes); }
        session_->offset += bytes.size();
        return ok();
    }
    std::uint64_t offset() const override { return session_->offset; }

  private:
    std::shared_ptr<Session> session_;
    os::Fd file_;
};

std::string DiskStore::new_upload_id() {
    const std::lock_guard guard(mutex_);
    std::string hex = random_.hex(16);
    hex[12] = '4'; // RFC 9562, version 4
    hex[16] = "89ab"[static_cast<unsigned>(hex[16]) % 4];
    return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
           hex.substr(16, 4) + "-" + hex.substr(20);
}

Result<UploadState> DiskStore::begin_upload(const std::string& name) {
    {
        const std::lock_guard guard(mutex_);
        const bool sweep_again = clock_.now() - swept_ > sweep_every;
        if (sessions_.size() >= options_.limits.uploads_max && sweep_again) {
            forget_dead_sessions();
        }
        if (sessions_.size() >= options_.limits.uploads_max) {
            return Error{Errc::Exhausted, "there are " + std::to_string(sessions_.size()) +
                                              " uploads under way: no more are taken"};
        }
    }
    UploadState state{new_upload_id(), 0, clock_.now()};
    const std::string directory = layout::upload(name, state.id);
    const std::string started = format_rfc3339(
        std::chrono::time_point_cast<std::chrono::seconds>(state.started)); // as the reference
    auto held = gate_.change(); // nobody removes an empty directory meanwhile
    if (!held) { return std::move(held).error(); }
    TRY(tree_.write(directory + "/startedat", started, Tree::Durable::No));
    TRY(tree_.write(directory + "/data", "", Tree::Durable::No));
    session_of(name, state.id, 0);
    return state;
}

Result<UploadState> DiskStore::upload(const std::string& name, const std::string& id) const {
    if (!is_upload_id(id)) { return no_upload(id); }
    const std::string directory = layout::upload(name, id);
    const auto started = tree_.read(directory + "/startedat", 100);
    if (!started) { return no_upload(id); }
    UploadState state{id, 0, {}};
    if (const auto at = parse_rfc3339(trim(*started))) { state.started = *at; }
    // The reference makes `data` with the first byte.
    if (const auto data = tree_.status(directory + "/data")) {
        state.offset = static_cast<std::uint64_t>(data->size);
    }
    return state;
}

std::shared_ptr<DiskStore::Session>
DiskStore::session_of(const std::string& name, const std::string& id, std::uint64_t offset) {
    const std::lock_guard guard(mutex_);
    auto& session = sessions_[name + " " + id];
    if (!session) {
        session = std::make_shared<Session>();
        session->offset = offset;
        session->hash_valid = offset == 0; // from before a restart: read again at the end
    }
    return session;
}

Result<std::unique_ptr<UploadWriter>> DiskStore::write_upload(const std::string& name,
                                                              const std::string& id) {
    TRY_LET(state, upload(name, id));
    auto session = session_of(name, id, state.offset);
    const std::lock_guard guard(session->mutex);
    if (session->writing) {
        return conflict("upload " + id + " is being written by another request");
    }
    if (session->offset != state.offset) { // another process went on with it
        session->offset = state.offset;
        session->hash_valid = false;
    }
    TRY_LET(file, tree_.open_file(layout::upload(name, id) + "/data", O_WRONLY | O_APPEND | O_CREAT,
                                  0644));
    session->writing = true;
    return std::unique_ptr<UploadWriter>(std::make_unique<Writer>(session, std::move(file)));
}

Result<void> DiskStore::finish_upload(const std::string& name, const std::string& id,
                                      const oci::Digest& digest) {
    TRY_LET(state, upload(name, id));
    const auto session = session_of(name, id, state.offset);
    const std::lock_guard guard(session->mutex);
    if (session->writing) {
        return conflict("upload " + id + " is being written by another request");
    }
    const std::string data = layout::upload(name, id) + "/data";
    const bool moved = !tree_.has(data) && tree_.has(layout::layer_link(name, digest));
    if (moved) { return cancel_upload(name, id); } // it was finished when we died
    TRY_LET(file, tree_.open_file(data, O_RDWR | O_CREAT, 0644));
    const bool known = session->hash_valid && session->offset == state.offset &&
                       digest.kind() == oci::HashKind::Sha256;
    session->hash_valid = false;
    oci::Digest got;
    if (known) {
        got = session->hasher.finish();
    } else {
        TRY_LET(hashed, hash_file(file, digest.kind()));
        got = hashed;
    }
    if (got != digest) {
        TRY(cancel_upload(name, id));
        return invalid("the upload has the digest " + got.text() + ", not " + digest.text());
    }
    if (::fdatasync(file.raw()) != 0) { return os_error("sync the upload", errno); }
    auto held = gate_.change();
    if (!held) { return std::move(held).error(); }
    const auto size = static_cast<std::int64_t>(state.offset);
    const bool linked = tree_.has(layout::layer_link(name, digest));
    auto allowed = check_quota(name, linked ? 0 : size, Reserve::No);
    if (!allowed) {
        TRY(cancel_upload(name, id)); // nobody can finish it
        return allowed;
    }
    // What is there under this name already may have rotted; this has just been verified.
    TRY(tree_.rename(data, layout::blob_data(digest)));
    TRY(link_layer(name, digest, size));
    return cancel_upload(name, id);
}

/// Another process may have removed what they belonged to. The mutex is held.
void DiskStore::forget_dead_sessions() {
    swept_ = clock_.now();
    std::erase_if(sessions_, [this](const auto& session) {
        const auto space = session.first.find(' ');
        return !upload(session.first.substr(0, space), session.first.substr(space + 1));
    });
}

Result<void> DiskStore::cancel_upload(const std::string& name, const std::string& id) {
    TRY(upload(name, id));
    TRY(tree_.remove_tree(layout::upload(name, id)));
    const std::lock_guard guard(mutex_);
    sessions_.erase(name + " " + id);
    return ok();
}

} // namespace shoal::registry
