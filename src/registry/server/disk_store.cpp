// Repositories and blobs; uploads are in uploads.cpp, manifests in manifests.cpp.
#include "registry/server/disk_store.h"

#include "base/text.h"
#include "base/time.h"
#include "registry/protocol/name.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>

namespace shoal::registry {
namespace {

constexpr std::size_t link_bytes_max = 256;
constexpr int depth_max = 64;
constexpr const char* lock_path = ".shoal-lock";
constexpr const char* turn_path = ".shoal-turn"; ///< held while waiting for the other
constexpr std::chrono::seconds summary_age_max{30};

using Names = std::set<std::string, std::less<>>;
using IsPart = bool (*)(std::string_view directory);

bool is_manifests(std::string_view directory) { return directory == "_manifests"; }
bool is_any_part(std::string_view directory) {
    return directory == "_manifests" || directory == "_layers" || directory == "_uploads";
}

/// Every directory that has such a part in it.
Result<void> walk(const Tree& tree, const std::string& name, IsPart is_part, int depth,
                  Names& into) {
    if (depth > depth_max) { return ok(); }
    TRY_LET(entries, tree.list(name.empty() ? "repositories" : layout::repository(name)));
    for (const auto& entry : entries) {
        if (entry.type != DT_DIR && entry.type != DT_UNKNOWN) { continue; }
        if (is_part(entry.name) && is_repository_name(name)) {
            into.insert(name);
        } else if (!entry.name.starts_with('_') && !entry.name.starts_with('.')) {
            const std::string below = name.empty() ? entry.name : name + "/" + entry.name;
            TRY(walk(tree, below, is_part, depth + 1, into));
        }
    }
    return ok();
}

/// "team" and "team/" cover team and team/x, not teamx; "" covers all.
bool covers(std::string_view prefix, std::string_view name) {
    if (prefix.ends_with('/')) { prefix.remove_suffix(1); }
    if (prefix.empty() || prefix == name) { return true; }
    return name.starts_with(prefix) && name[prefix.size()] == '/';
}

} // namespace

std::optional<oci::Digest> read_link(const Tree& tree, const std::string& path) {
    const auto text = tree.read(path, link_bytes_max);
    if (!text) { return std::nullopt; }
    const auto digest = oci::Digest::parse(trim(*text));
    return digest ? std::optional(*digest) : std::nullopt;
}

// --- the gate ---

Result<os::Fd> Gate::lock_file(const std::string& path, int operation) {
    TRY_LET(file, tree_.open_file(path, O_RDWR | O_CREAT, 0644));
    while (::flock(file.raw(), operation) != 0) {
        if (errno != EINTR) { return os_error("lock " + path, errno); }
    }
    return std::move(file);
}

Result<Gate::Held> Gate::change() {
    Held held;
    const auto turn = lock_file(turn_path, LOCK_EX);
    if (!turn) { return turn.error(); }
    held.shared = std::shared_lock(mutex_);
    TRY_LET(file, lock_file(lock_path, LOCK_SH));
    held.file = std::move(file);
    return held;
}

Result<Gate::Held> Gate::remove() {
    Held held;
    const auto turn = lock_file(turn_path, LOCK_EX);
    if (!turn) { return turn.error(); }
    held.exclusive = std::unique_lock(mutex_);
    TRY_LET(file, lock_file(lock_path, LOCK_EX));
    held.file = std::move(file);
    return held;
}

// --- repositories ---

DiskStore::DiskStore(StoreOptions options, Tree tree, const Clock& clock, Random& random)
    : options_(std::move(options)), tree_(std::move(tree)), clock_(clock), random_(random),
      gate_(tree_) {}

Result<std::shared_ptr<Store>> Store::open(StoreOptions options, const Clock& clock,
                                           Random& random) {
    const std::string place = options.root + "/" + std::string(layout::top);
    TRY_LET(tree, Tree::open(place));
    auto store = std::make_shared<DiskStore>(std::move(options), std::move(tree), clock, random);
    TRY(store->tree().ensure_directory("blobs"));
    TRY(store->tree().ensure_directory("repositories"));
    TRY(store->refresh());
    return std::shared_ptr<Store>(std::move(store));
}

Result<void> DiskStore::refresh() {
    Names found;
    TRY(walk(tree_, "", is_manifests, 0, found));
    {
        const std::lock_guard guard(summaries_mutex_);
        summaries_.clear();
        refreshed_ += 1ULL << 32; // beyond what any repository has counted
        changes_.clear();
    }
    const std::unique_lock lock(names_mutex_);
    names_ = std::move(found);
    const std::lock_guard guard(mutex_);
    used_.clear();
    return ok();
}

Result<std::vector<std::string>> DiskStore::names_on_disk() const {
    Names found;
    TRY(walk(tree_, "", is_any_part, 0, found));
    return std::vector<std::string>(found.begin(), found.end());
}

std::vector<std::string> DiskStore::repositories(std::string_view last, std::size_t n,
                                                 const Show& show) const {
    const std::shared_lock lock(names_mutex_);
    std::vector<std::string> page;
    for (auto at = names_.upper_bound(last); at != names_.end() && page.size() < n; ++at) {
        if (!show || show(*at)) { page.push_back(*at); }
    }
    return page;
}

bool DiskStore::has_repository(const std::string& name) const {
    {
        const std::shared_lock lock(names_mutex_);
        if (names_.contains(name)) { return true; }
    }
    return tree_.has(layout::manifests(name)); // made by another program
}

void DiskStore::note_repository(const std::string& name) {
    {
        const std::shared_lock lock(names_mutex_);
        if (names_.contains(name)) { return; }
    }
    const std::unique_lock lock(names_mutex_);
    names_.insert(name);
}

void DiskStore::forget_sums(const std::string& name) {
    forget_summary(name);
    const std::lock_guard guard(mutex_);
    used_.erase(name);
}

void DiskStore::forget_summary(const std::string& name) {
    const std::lock_guard guard(summaries_mutex_);
    summaries_.erase(name);
    ++changes_[name];
}

std::uint64_t DiskStore::changes(const std::string& name) const {
    const std::lock_guard guard(summaries_mutex_);
    return changes_of(name);
}

std::uint64_t DiskStore::changes_of(const std::string& name) const {
    const auto counted = changes_.find(name);
    return refreshed_ + (counted == changes_.end() ? 0 : counted->second);
}

void DiskStore::forget_repository_facts(const std::string& name) {
    forget_sums(name);
    if (tree_.has(layout::manifests(name))) { return; }
    const std::unique_lock lock(names_mutex_);
    names_.erase(name);
}

void DiskStore::set_quotas(std::vector<Quota> quotas) {
    const std::lock_guard guard(mutex_);
    options_.quotas = std::move(quotas);
    used_.clear();
}

Result<std::vector<oci::Digest>> DiskStore::digests_in(const std::string& directory) const {
    std::vector<oci::Digest> all;
    for (const auto kind : {oci::HashKind::Sha256, oci::HashKind::Sha512}) {
        const std::string algorithm(oci::name_of(kind));
        TRY_LET(entries, tree_.list(directory + "/" + algorithm));
        for (const auto& entry : entries) {
            const auto digest = oci::Digest::parse(algorithm + ":" + entry.name);
            // The reference registry leaves the directory of a link that it takes away.
            const std::string link = directory + "/" + algorithm + "/" + entry.name + "/link";
            if (digest && tree_.has(link)) { all.push_back(*digest); }
        }
    }
    return all;
}

Result<RepositorySummary> DiskStore::summary(const std::string& name) const {
    if (!has_repository(name)) { return not_found("repository", name); }
    {
        const std::lock_guard guard(summaries_mutex_);
        const auto known = summaries_.find(name);
        const bool fresh =
            known != summaries_.end() && clock_.now() - known->second.read < summary_age_max;
        if (fresh) { return known->second.summary; }
    }
    const std::uint64_t before = changes(name);
    RepositorySummary summary;
    summary.name = name;
    TRY_LET(tags, tag_times(name));
    summary.tags = tags.size();
    for (const auto& tag : tags) { summary.changed = std::max(summary.changed, tag.changed); }
    TRY_LET(layers, digests_in(layout::layers(name)));
    for (const auto& digest : layers) {
        const auto status = tree_.status(layout::blob_data(digest));
        if (status) { summary.bytes += status->size; }
    }
    // What changed meanwhile may be in it or not: then the next one looks again.
    const std::lock_guard guard(summaries_mutex_);
    if (changes_of(name) == before) { summaries_[name] = {summary, clock_.now()}; }
    return summary;
}

Result<void> DiskStore::remove_repository(const std::string& name) {
    if (!has_repository(name)) { return not_found("repository", name); }
    auto held = gate_.remove();
    if (!held) { return std::move(held).error(); }
    // Repositories below this name stay. Tags go first, so that nothing names what is going.
    TRY(tree_.remove_tree(layout::tags(name)));
    for (const auto& part : {layout::manifests(name), layout::referrers(name), layout::layers(name),
                             layout::uploads(name)}) {
        TRY(tree_.remove_tree(part));
    }
    tree_.remove_empty(layout::repository(name), "repositories");
    forget_repository_facts(name);
    const std::lock_guard guard(mutex_);
    forget_dead_sessions();
    return ok();
}

// --- blobs ---

Result<OpenBlob> DiskStore::open_blob(const std::string& name, const oci::Digest& digest) const {
    if (!tree_.has(layout::layer_link(name, digest))) { return not_found("blob", digest.text()); }
    OpenBlob blob;
    TRY_LET(file, tree_.open_file(layout::blob_data(digest), O_RDONLY));
    struct stat status {};
    if (::fstat(file.raw(), &status) != 0) { return os_error("stat " + digest.text(), errno); }
    blob.file = std::move(file);
    blob.size = status.st_size;
    blob.media_type = "application/octet-stream";
    return blob;
}

Result<std::int64_t> DiskStore::blob_size(const std::string& name,
                                          const oci::Digest& digest) const {
    const std::string link = layout::layer_link(name, digest);
    const auto linked = tree_.status(link);
    const auto data = linked ? tree_.status(layout::blob_data(digest)) : std::nullopt;
    if (!data) { return not_found("blob", digest.text()); }
    // Whoever asks may rely on it: a collection leaves alone what was asked for lately.
    constexpr std::chrono::minutes fresh{1};
    if (clock_.now() - data->changed > fresh || clock_.now() - linked->changed > fresh) {
        auto held = gate_.change();
        if (!held) { return std::move(held).error(); }
        const bool touched =
            tree_.touch(layout::blob_data(digest)).has_value() && tree_.touch(link).has_value();
        if (!touched && !tree_.has(link)) { return not_found("blob", digest.text()); }
    }
    return data->size;
}

Result<void> DiskStore::delete_blob(const std::string& name, const oci::Digest& digest) {
    auto held = gate_.remove();
    if (!held) { return std::move(held).error(); }
    const std::string link = layout::layer_link(name, digest);
    if (!tree_.has(link)) { return not_found("blob", digest.text()); }
    TRY(tree_.remove_file(link));
    tree_.remove_empty(link.substr(0, link.rfind('/')), layout::layers(name));
    forget_sums(name);
    return ok();
}

Result<void> DiskStore::mount(const std::string& to, const std::string& from,
                              const oci::Digest& digest) {
    auto held = gate_.change();
    if (!held) { return std::move(held).error(); }
    const auto data = tree_.status(layout::blob_data(digest));
    if (!data || !tree_.has(layout::layer_link(from, digest))) {
        return not_found("blob", digest.text());
    }
    return link_layer(to, digest, data->size);
}

std::string DiskStore::find_source(const oci::Digest& digest, const Show& show) const {
    if (!tree_.has(layout::blob_data(digest))) { return ""; }
    for (auto& name : repositories("", static_cast<std::size_t>(-1), show)) {
        if (tree_.has(layout::layer_link(name, digest))) { return std::move(name); }
    }
    return "";
}

std::int64_t DiskStore::used_bytes(const std::string& name) {
    std::int64_t sum = 0;
    const auto layers = digests_in(layout::layers(name));
    if (!layers) { return 0; }
    for (const auto& digest : *layers) {
        if (const auto status = tree_.status(layout::blob_data(digest))) { sum += status->size; }
    }
    return sum;
}

Result<void> DiskStore::check_quota(const std::string& name, std::int64_t more, Reserve reserve) {
    const std::lock_guard guard(mutex_);
    const Quota* best = nullptr;
    for (const auto& quota : options_.quotas) {
        if (covers(quota.prefix, name) &&
            (best == nullptr || quota.prefix.size() > best->prefix.size())) {
            best = &quota;
        }
    }
    if (best == nullptr) { return ok(); }
    auto known = used_.find(name);
    if (known == used_.end()) { known = used_.emplace(name, used_bytes(name)).first; }
    if (known->second + more > best->bytes_max) {
        return Error{Errc::Exhausted,
                     "quota of " + name + " is used up: " + std::to_string(best->bytes_max) +
                         " bytes are allowed, " + std::to_string(known->second) + " are in use, " +
                         std::to_string(more) + " more are needed"};
    }
    if (reserve == Reserve::Yes) { known->second += more; }
    return ok();
}

/// The gate is held.
Result<void> DiskStore::link_layer(const std::string& name, const oci::Digest& digest,
                                   std::int64_t size) {
    const std::string link = layout::layer_link(name, digest);
    TRY(tree_.touch(layout::blob_data(digest)));
    if (const auto linked = read_link(tree_, link); linked && *linked == digest) {
        return tree_.touch(link);
    }
    TRY(check_quota(name, size, Reserve::Yes));
    auto written = tree_.write(link, digest.text(), Tree::Durable::Yes);
    if (!written) { forget_sums(name); }
    forget_summary(name);
    return written;
}

Result<void> DiskStore::check_writable() const {
    TRY(tree_.write(".shoal-health", "ok", Tree::Durable::No));
    return tree_.remove_file(".shoal-health");
}

} // namespace shoal::registry
