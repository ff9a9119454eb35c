#include "blob/store.h"

#include "os/file.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace shoal::blob {

struct Writer::State {
    std::string path; ///< of the file being written
    std::string root; ///< of the store
    Expect expect;
    Hasher hasher;
    os::Fd fd;
    std::int64_t size = 0;
    bool placed = false;
    ~State() {
        if (!placed) { (void)os::remove_file(path); }
    }
};

Writer::Writer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Writer::Writer(Writer&&) noexcept = default;
Writer::~Writer() = default;

Result<void> Writer::write(std::string_view bytes) {
    const auto size = state_->size + static_cast<std::int64_t>(bytes.size());
    if (state_->expect.size && size > *state_->expect.size) {
        return invalid("blob: more than the expected " + std::to_string(*state_->expect.size) +
                       " bytes");
    }
    state_->size = size;
    state_->hasher.update(bytes);
    return os::write_all(state_->fd, bytes);
}

Result<Stored> Writer::commit() {
    if (state_->expect.size && state_->size != *state_->expect.size) {
        return invalid("blob: expected " + std::to_string(*state_->expect.size) + " bytes, got " +
                       std::to_string(state_->size));
    }
    const oci::Digest digest = state_->hasher.finish();
    if (state_->expect.digest && digest != *state_->expect.digest) {
        return invalid("blob: expected " + state_->expect.digest->text() + ", got " +
                       digest.text());
    }
    const std::string directory = state_->root + "/" + std::string(oci::name_of(digest.kind()));
    TRY(os::rename_file(state_->path, directory + "/" + digest.hex()));
    state_->placed = true;
    return Stored{digest, state_->size};
}

Result<Store> Store::create(std::string root, std::string tmp) {
    TRY(os::ensure_directory(root + "/sha256", 0700));
    TRY(os::ensure_directory(root + "/sha512", 0700));
    TRY(os::ensure_directory(tmp, 0700));
    return Store(std::move(root), std::move(tmp));
}

std::string Store::path_of(const oci::Digest& digest) const {
    return root_ + "/" + std::string(oci::name_of(digest.kind())) + "/" + digest.hex();
}

Result<Writer> Store::begin(Expect expect) const {
    const auto kind = expect.digest ? expect.digest->kind() : oci::HashKind::Sha256;
    std::string path = tmp_ + "/blob-XXXXXX";
    const int raw = ::mkostemp(path.data(), O_CLOEXEC);
    if (raw < 0) { return os_error("create " + path, errno); }
    auto state = std::make_unique<Writer::State>();
    state->path = std::move(path);
    state->root = root_;
    state->expect = std::move(expect);
    state->hasher = Hasher(kind);
    state->fd = os::Fd(raw);
    return Writer(std::move(state));
}

Result<Stored> Store::put(std::string_view bytes, Expect expect) const {
    TRY_LET(writer, begin(std::move(expect)));
    TRY(writer.write(bytes));
    return writer.commit();
}

bool Store::has(const oci::Digest& digest) const { return os::exists(path_of(digest)); }

Result<os::Fd> Store::open(const oci::Digest& digest) const {
    return os::open_file(path_of(digest), O_RDONLY);
}

Result<std::int64_t> Store::size(const oci::Digest& digest) const {
    struct stat status {};
    if (::stat(path_of(digest).c_str(), &status) != 0) {
        return os_error("blob " + digest.text(), errno);
    }
    return static_cast<std::int64_t>(status.st_size);
}

Result<std::string> Store::read(const oci::Digest& digest, std::size_t bytes_max) const {
    TRY_LET(text, os::read_file(path_of(digest), bytes_max));
    if (hash(text, digest.kind()) != digest) {
        return invalid("blob " + digest.text() + " is damaged");
    }
    return std::move(text);
}

Result<void> Store::remove(const oci::Digest& digest) const {
    return os::remove_file(path_of(digest));
}

Result<std::vector<Stored>> Store::list() const {
    std::vector<Stored> all;
    for (const std::string algorithm : {"sha256", "sha512"}) {
        TRY_LET(entries, os::list_directory(root_ + "/" + algorithm));
        for (const auto& entry : entries) {
            auto digest = oci::Digest::parse(algorithm + ":" + entry.name);
            if (!digest) { continue; }
            TRY_LET(bytes, size(*digest));
            all.push_back({std::move(*digest), bytes});
        }
    }
    return all;
}

Result<std::int64_t> Store::collect(const std::set<oci::Digest>& keep) const {
    std::int64_t freed = 0;
    TRY_LET(all, list());
    for (const auto& blob : all) {
        if (keep.contains(blob.digest)) { continue; }
        TRY(remove(blob.digest));
        freed += blob.size;
    }
    return freed;
}

} // namespace shoal::blob
