// What a removal takes away: Docker's rules for DELETE /images/{name}, with its sentences.
#include "image/table.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::image {
namespace {

std::string brief(const ImageId& id) { return id.short_text(); }

bool is_id_prefix(const ImageId& id, std::string_view text) {
    if (text.starts_with("sha256:")) { text.remove_prefix(7); }
    return !text.empty() && id.text().starts_with(text);
}

/// One name, or one tag and any number of digests of the same repository.
bool is_single(const std::vector<Reference>& references) {
    if (references.size() <= 1) { return true; }
    const auto tags = std::count_if(references.begin(), references.end(),
                                    [](const auto& r) { return r.has_tag(); });
    return tags <= 1 &&
           std::all_of(references.begin(), references.end(), [&](const Reference& reference) {
               return reference.name() == references.front().name();
           });
}

struct Conflict {
    bool hard = false; ///< force does not help
    bool used = false; ///< by a container
    Error error;
};

class Planner {
  public:
    Planner(const ImageTable& table, const RemoveOptions& options, const UsesOf& uses)
        : table_(table), options_(options), uses_(uses) {}

    Result<std::vector<RemoveStep>> plan() {
        TRY_LET(record, table_.resolve(options_.name));
        const ImageId id = record->id;
        bool by_name = false;
        if (is_id_prefix(id, options_.name)) {
            TRY(take_names_of_id(id));
        } else {
            TRY_LET(done, take_name(id));
            if (done) { return std::move(steps_); }
            by_name = true;
        }
        TRY(remove_image(id, options_.force, by_name));
        return std::move(steps_);
    }

  private:
    std::vector<Reference> left(const ImageId& id) const {
        std::vector<Reference> all = table_.references(id);
        std::erase_if(all,
                      [&](const Reference& reference) { return untagged_.contains(reference); });
        return all;
    }

    void untag(const Reference& reference, const ImageId& id) {
        untagged_.insert(reference);
        steps_.push_back({reference, id});
    }

    /// Takes the given name away. True when that was all there is to do.
    Result<bool> take_name(const ImageId& id) {
        const auto uses = uses_(id);
        if (!options_.force && is_single(left(id)) && !uses.empty()) {
            return conflict("conflict: unable to remove repository reference " +
                            go_quote(options_.name) + " (must force) - container " +
                            uses.front().container + " is using its referenced image " + brief(id));
        }
        TRY_LET(parsed, Reference::parse(options_.name));
        const Reference full = parsed.with_default_tag();
        const Reference wanted = full.has_digest() ? full.with_digest(full.digest()) : full;
        untag(wanted, id);
        const auto others = left(id);
        const bool has_tag =
            std::any_of(others.begin(), others.end(), [&](const Reference& reference) {
                return reference.has_tag() && reference.name() == wanted.name();
            });
        if (wanted.has_tag() && !has_tag) {
            for (const auto& reference : others) {
                if (reference.has_digest() && reference.name() == wanted.name()) {
                    untag(reference, id);
                }
            }
        }
        return !left(id).empty();
    }

    Result<void> take_names_of_id(const ImageId& id) {
        const auto references = left(id);
        if (!is_single(references)) { return ok(); }
        if (auto problem = hard_conflict(id)) { return std::move(problem->error); }
        if (!options_.force) {
            if (auto problem = stopped_conflict(id)) { return std::move(problem->error); }
        }
        for (const auto& reference : references) { untag(reference, id); }
        return ok();
    }

    Result<void> remove_image(const ImageId& id, bool force, bool quiet) {
        auto problem = hard_conflict(id);
        if (!problem && !force) { problem = soft_conflict(id); }
        if (problem) {
            const bool dangling = left(id).empty() && live_children(id) == 0;
            if (quiet && (!dangling || problem->used)) { return ok(); }
            return std::move(problem->error);
        }
        for (const auto& reference : left(id)) { untag(reference, id); }
        deleted_.insert(id);
        steps_.push_back({{}, id});
        const ImageId parent = table_.find(id)->parent;
        if (!options_.prune_parents || table_.find(parent) == nullptr) { return ok(); }
        return remove_image(parent, false, true);
    }

    long live_children(const ImageId& id) const {
        const auto children = table_.children(id);
        return std::count_if(children.begin(), children.end(),
                             [&](const ImageId& child) { return !deleted_.contains(child); });
    }

    std::optional<Conflict> hard_conflict(const ImageId& id) const {
        if (live_children(id) > 0) {
            return make(id, true, false, "image has dependent child images");
        }
        for (const auto& use : uses_(id)) {
            if (use.running) {
                return make(id, true, true,
                            "image is being used by running container " + use.container);
            }
        }
        return std::nullopt;
    }
    std::optional<Conflict> stopped_conflict(const ImageId& id) const {
        for (const auto& use : uses_(id)) {
            if (!use.running) {
                return make(id, false, true,
                            "image is being used by stopped container " + use.container);
            }
        }
        return std::nullopt;
    }
    std::optional<Conflict> soft_conflict(const ImageId& id) const {
        if (!left(id).empty()) {
            return make(id, false, false, "image is referenced in multiple repositories");
        }
        return stopped_conflict(id);
    }
    static Conflict make(const ImageId& id, bool hard, bool used, const std::string& why) {
        return {hard, used,
                conflict("conflict: unable to delete " + brief(id) +
                         (hard ? " (cannot be forced) - " : " (must be forced) - ") + why)};
    }

    const ImageTable& table_;
    const RemoveOptions& options_;
    const UsesOf& uses_;
    std::set<Reference> untagged_;
    std::set<ImageId> deleted_;
    std::vector<RemoveStep> steps_;
};

} // namespace

Result<std::vector<RemoveStep>> plan_remove(const ImageTable& table, const RemoveOptions& options,
                                            const UsesOf& uses) {
    return Planner(table, options, uses).plan();
}

} // namespace shoal::image
