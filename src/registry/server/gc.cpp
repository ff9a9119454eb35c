// Collection. What may go is found without stopping anybody; then it is taken away while nobody can
// make links, and only what nobody has touched since (docs/decisions/registry-gc.md).
#include "registry/server/gc.h"

#include "os/clock.h"
#include "registry/server/disk_store.h"
#include "registry/server/retention.h"

#include <algorithm>
#include <set>

namespace shoal::registry {
namespace {

constexpr std::size_t batch = 200; ///< removed before others have their turn
constexpr std::size_t everything = static_cast<std::size_t>(-1);
constexpr std::chrono::hours half_written_max{1};

/// What one repository keeps and lets go.
struct RepositoryPlan {
    std::string name;
    std::vector<TaggedAt> tags;      ///< to remove
    Instant horizon;                 ///< what has been touched since stays
    std::set<oci::Digest> manifests; ///< to remove
    std::set<oci::Digest> kept_manifests;
    std::set<oci::Digest> kept_blobs; ///< that kept manifests need
    std::vector<oci::Digest> links;   ///< layer links to remove
};

class Collector {
  public:
    Collector(DiskStore& store, const GcOptions& options) : store_(store), options_(options) {}

    Result<GcReport> run() {
        TRY(read_time());
        TRY_LET(names, store_.names_on_disk());
        for (const auto& name : names) {
            TRY_LET(plan, plan_repository(name));
            for (const auto& digest : plan.kept_manifests) { used_.insert(digest); }
            for (const auto& digest : plan.kept_blobs) { used_.insert(digest); }
            TRY(collect_uploads(name));
            if (options_.on_judged) { options_.on_judged(name); }
            TRY(apply(plan));
        }
        TRY(collect_blobs());
        TRY(collect_half_written());
        return std::move(report_);
    }

  private:
    /// Whatever is touched from now on gets a later time than `now_`, however far the times of
    /// files are behind the clock; and while nobody is half way, with data touched and the link to
    /// it still to be made.
    Result<void> read_time() {
        const auto held = store_.gate().remove();
        if (!held) { return held.error(); }
        now_ = store_.clock().now();
        const Instant real = os::SystemClock().now();
        TRY_LET(present, store_.tree().present());
        now_ -= real - present + std::chrono::nanoseconds(1);
        return ok();
    }

    bool is_old(const std::string& path, Instant horizon) const {
        const auto status = store_.tree().status(path);
        return status && status->changed <= horizon;
    }
    Instant horizon() const { return now_ - options_.grace; }

    /// A push that takes longer than the grace: what has come since it began is as young as it.
    Result<Instant> horizon_of(const std::string& name) const {
        Instant horizon = this->horizon();
        TRY_LET(entries, store_.tree().list(layout::uploads(name)));
        for (const auto& entry : entries) {
            const auto data = store_.tree().status(layout::upload(name, entry.name) + "/data");
            if (!data || data->changed <= this->horizon()) { continue; }
            const auto state = store_.upload(name, entry.name);
            if (state) { horizon = std::min(horizon, state->started - options_.grace); }
        }
        return horizon;
    }

    Result<RepositoryPlan> plan_repository(const std::string& name) {
        RepositoryPlan plan;
        plan.name = name;
        TRY_LET(horizon, horizon_of(name));
        plan.horizon = horizon;
        std::set<oci::Digest> roots(options_.keep.begin(), options_.keep.end());
        TRY(plan_tags(plan, roots));
        TRY_LET(revisions, store_.digests_in(layout::revisions(name)));
        for (const auto& digest : revisions) {
            const bool young = !is_old(layout::revision_link(name, digest), horizon);
            if (young || !options_.untagged) { roots.insert(digest); }
        }
        TRY(mark(plan, revisions, std::move(roots)));
        for (const auto& digest : revisions) {
            if (!plan.kept_manifests.contains(digest)) { plan.manifests.insert(digest); }
        }
        TRY_LET(layers, store_.digests_in(layout::layers(name)));
        for (const auto& digest : layers) {
            if (plan.kept_blobs.contains(digest)) { continue; }
            if (is_old(layout::layer_link(name, digest), horizon)) {
                plan.links.push_back(digest);
            } else {
                used_.insert(digest);
            }
        }
        return plan;
    }

    Result<void> plan_tags(RepositoryPlan& plan, std::set<oci::Digest>& roots) const {
        if (!store_.has_repository(plan.name)) { return ok(); } // uploads or blobs only
        TRY_LET(infos, store_.tag_infos(plan.name, "", everything));
        std::vector<TaggedAt> tags;
        for (auto& info : infos) { tags.push_back({info.tag, info.digest, info.changed}); }
        const auto going = plan_retention(plan.name, tags, options_.retention, options_.keep, now_);
        for (auto& tag : tags) {
            if (std::binary_search(going.begin(), going.end(), tag.tag)) {
                plan.tags.push_back(std::move(tag));
            } else {
                roots.insert(tag.digest);
            }
        }
        return ok();
    }

    /// From the roots to children; and to those whose subject is kept.
    Result<void> mark(RepositoryPlan& plan, const std::vector<oci::Digest>& revisions,
                      std::set<oci::Digest> roots) {
        std::map<oci::Digest, ManifestFacts> facts;
        std::multimap<oci::Digest, oci::Digest> referrers;
        for (const auto& digest : revisions) {
            const auto bytes = store_.manifest_bytes(digest);
            auto read =
                bytes ? read_manifest_facts(*bytes, "") : Result<ManifestFacts>(bytes.error());
            if (!read) { // of an old schema, or damaged: nothing of the repository is judged by it
                plan.kept_manifests.insert(digest);
                continue;
            }
            if (!read->subject.empty()) { referrers.emplace(read->subject, digest); }
            facts.emplace(digest, std::move(*read));
        }
        std::vector<oci::Digest> todo(roots.begin(), roots.end());
        while (!todo.empty()) {
            const oci::Digest digest = todo.back();
            todo.pop_back();
            const auto known = facts.find(digest);
            if (known == facts.end() || !plan.kept_manifests.insert(digest).second) { continue; }
            for (const auto& blob : known->second.blobs) { plan.kept_blobs.insert(blob); }
            for (const auto& child : known->second.manifests) { todo.push_back(child); }
            const auto [first, last] = referrers.equal_range(digest);
            for (auto at = first; at != last; ++at) { todo.push_back(at->second); }
        }
        if (unreadable_here(plan, facts)) {
            // Its layers are not known, so all layers of the repository stay.
            TRY_LET(layers, store_.digests_in(layout::layers(plan.name)));
            plan.kept_blobs.insert(layers.begin(), layers.end());
        }
        return ok();
    }
    static bool unreadable_here(const RepositoryPlan& plan,
                                const std::map<oci::Digest, ManifestFacts>& facts) {
        return std::any_of(plan.kept_manifests.begin(), plan.kept_manifests.end(),
                           [&](const auto& digest) { return !facts.contains(digest); });
    }

    // --- taking away ---

    Result<void> apply(const RepositoryPlan& plan) {
        for (const auto& digest : plan.manifests) {
            report_.removed_manifests.push_back(plan.name + "@" + digest.text());
        }
        for (const auto& tag : plan.tags) { TRY(remove_tag(plan.name, tag)); }
        report_.removed_links += options_.dry_run ? plan.links.size() : 0;
        if (options_.dry_run) { return ok(); }
        if (plan.tags.empty() && plan.manifests.empty() && plan.links.empty()) { return ok(); }
        std::vector<oci::Digest> spared;
        for (const auto& digest : plan.manifests) {
            TRY_LET(gone, remove_manifest(plan, digest));
            if (!gone) { spared.push_back(digest); }
        }
        for (const auto& digest : spared) { TRY(spare(plan.name, digest)); }
        TRY(remove_links(plan));
        store_.forget_repository_facts(plan.name);
        return ok();
    }

    /// Not when it has been pushed again since it was judged.
    Result<void> remove_tag(const std::string& name, const TaggedAt& tag) {
        if (!options_.dry_run) {
            auto held = store_.gate().remove();
            if (!held) { return std::move(held).error(); }
            const std::string current = layout::tag_current(name, tag.tag);
            const auto status = store_.tree().status(current);
            const bool same = status && status->changed == tag.changed &&
                              store_.tag_digest(name, tag.tag) == tag.digest;
            if (!same) { return ok(); }
            TRY(store_.tree().remove_file(current));
            TRY(store_.tree().remove_tree(layout::tag(name, tag.tag)));
        }
        report_.removed_tags.push_back(name + ":" + tag.tag);
        return ok();
    }

    /// False when somebody has come back to it meanwhile: a push, or an index that names it, makes
    /// its link anew.
    Result<bool> remove_manifest(const RepositoryPlan& plan, const oci::Digest& digest) {
        auto held = store_.gate().remove();
        if (!held) { return std::move(held).error(); }
        const std::string& name = plan.name;
        const std::string link = layout::revision_link(name, digest);
        if (!is_old(link, plan.horizon)) { return false; }
        if (const auto bytes = store_.manifest_bytes(digest)) {
            const auto facts = read_manifest_facts(*bytes, "");
            if (facts && !facts->subject.empty()) {
                TRY(store_.tree().remove_file(layout::referrer_link(name, facts->subject, digest)));
            }
        }
        TRY(store_.tree().remove_file(link));
        TRY(store_.tree().remove_tree(layout::revision(name, digest)));
        return true;
    }

    /// What it needs stays.
    Result<void> spare(const std::string& name, const oci::Digest& digest) {
        used_.insert(digest);
        std::erase(report_.removed_manifests, name + "@" + digest.text());
        const auto bytes = store_.manifest_bytes(digest);
        const auto facts =
            bytes ? read_manifest_facts(*bytes, "") : Result<ManifestFacts>(bytes.error());
        if (!facts) { return ok(); }
        spared_.insert(facts->blobs.begin(), facts->blobs.end());
        used_.insert(facts->blobs.begin(), facts->blobs.end());
        used_.insert(facts->manifests.begin(), facts->manifests.end());
        return ok();
    }

    Result<void> remove_links(const RepositoryPlan& plan) {
        for (std::size_t begin = 0; begin < plan.links.size(); begin += batch) {
            auto held = store_.gate().remove();
            if (!held) { return std::move(held).error(); }
            const std::size_t end = std::min(plan.links.size(), begin + batch);
            for (std::size_t n = begin; n < end; ++n) {
                const std::string link = layout::layer_link(plan.name, plan.links[n]);
                if (spared_.contains(plan.links[n]) || !is_old(link, plan.horizon)) {
                    used_.insert(plan.links[n]);
                    continue;
                }
                TRY(store_.tree().remove_file(link));
                ++report_.removed_links;
                store_.tree().remove_empty(link.substr(0, link.rfind('/')),
                                           layout::layers(plan.name));
            }
        }
        return ok();
    }

    Result<void> collect_uploads(const std::string& name) {
        TRY_LET(entries, store_.tree().list(layout::uploads(name)));
        for (const auto& entry : entries) {
            const std::string directory = layout::upload(name, entry.name);
            const auto status = store_.tree().status(directory + "/data");
            const auto begun = store_.tree().status(directory);
            const Instant last = status ? status->changed : begun ? begun->changed : now_;
            if (now_ - last < options_.upload_idle_max) { continue; }
            ++report_.removed_uploads;
            report_.freed_bytes += status ? status->size : 0;
            if (options_.dry_run) { continue; }
            auto cancelled = store_.cancel_upload(name, entry.name);
            if (!cancelled) { TRY(store_.tree().remove_tree(directory)); }
        }
        return ok();
    }

    /// What crashes have left of files that never got their names.
    Result<void> collect_half_written() {
        const std::string directory(Tree::temporary);
        TRY_LET(entries, store_.tree().list(directory));
        for (const auto& entry : entries) {
            const std::string path = directory + "/" + entry.name;
            if (options_.dry_run || !is_old(path, horizon() - half_written_max)) { continue; }
            TRY(store_.tree().remove_file(path));
        }
        return ok();
    }

    // --- blobs that nobody links ---

    Result<void> collect_blobs() {
        std::vector<oci::Digest> candidates;
        for (const auto kind : {oci::HashKind::Sha256, oci::HashKind::Sha512}) {
            const std::string directory = "blobs/" + std::string(oci::name_of(kind));
            TRY_LET(groups, store_.tree().list(directory));
            for (const auto& group : groups) {
                TRY_LET(entries, store_.tree().list(directory + "/" + group.name));
                for (const auto& entry : entries) {
                    const auto digest =
                        oci::Digest::parse(std::string(oci::name_of(kind)) + ":" + entry.name);
                    if (digest) { judge(*digest, candidates); }
                }
            }
        }
        for (std::size_t begin = 0; begin < candidates.size(); begin += batch) {
            const std::size_t end = std::min(candidates.size(), begin + batch);
            TRY(remove_blobs({candidates.begin() + static_cast<std::ptrdiff_t>(begin),
                              candidates.begin() + static_cast<std::ptrdiff_t>(end)}));
        }
        return ok();
    }

    void judge(const oci::Digest& digest, std::vector<oci::Digest>& candidates) {
        const auto status = store_.tree().status(layout::blob_data(digest));
        if (!status) { return; }
        if (used_.contains(digest) || status->changed > horizon()) {
            report_.kept_bytes += status->size;
            return;
        }
        candidates.push_back(digest);
    }

    Result<void> remove_blobs(const std::vector<oci::Digest>& digests) {
        std::optional<Gate::Held> held;
        if (!options_.dry_run) {
            TRY_LET(gate, store_.gate().remove());
            held = std::move(gate);
        }
        for (const auto& digest : digests) {
            const std::string path = layout::blob_data(digest);
            const auto status = store_.tree().status(path);
            if (!status) { continue; }
            if (status->changed > horizon()) { // touched since: somebody relies on it
                report_.kept_bytes += status->size;
                continue;
            }
            if (!options_.dry_run) {
                TRY(store_.tree().remove_file(path));
                store_.tree().remove_empty(layout::blob_directory(digest), "blobs");
            }
            report_.removed_blobs.push_back(digest);
            report_.freed_bytes += status->size;
        }
        return ok();
    }

    DiskStore& store_;
    const GcOptions& options_;
    Instant now_;
    std::set<oci::Digest> used_;
    std::set<oci::Digest> spared_;
    GcReport report_;
};

} // namespace

Result<GcReport> collect_garbage(Store& store, const GcOptions& options) {
    auto* const disk = dynamic_cast<DiskStore*>(&store);
    ASSERT(disk != nullptr);
    TRY(store.refresh());
    return Collector(*disk, options).run();
}

} // namespace shoal::registry
