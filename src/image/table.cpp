#include "image/table.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::image {
namespace {

Error no_such_image(std::string_view shown) { return not_found("image", shown); }

/// "sha256:ab12", "ab12": the digits, or "" when it cannot be the start of an id.
std::string id_digits(std::string_view text) {
    if (text.starts_with("sha256:")) { text.remove_prefix(7); }
    return text.size() <= 64 && is_hex(text) && to_lower(text) == text ? std::string(text)
                                                                       : std::string();
}

} // namespace

void ImageTable::add(ImageRecord record, const std::vector<std::int64_t>& sizes) {
    ASSERT(sizes.size() == record.layers.size());
    if (images_.contains(record.id)) { return; }
    record.size_bytes = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        auto& use = layers_[record.layers[i]];
        use.size_bytes = sizes[i];
        ++use.images;
        record.size_bytes += sizes[i];
    }
    images_.emplace(record.id, std::move(record));
}

std::vector<ChainId> ImageTable::erase(const ImageId& id) {
    const auto found = images_.find(id);
    if (found == images_.end()) { return {}; }
    for (const auto& reference : references(id)) { untag(reference); }
    std::vector<ChainId> unused;
    for (auto layer = found->second.layers.rbegin(); layer != found->second.layers.rend();
         ++layer) {
        const auto use = layers_.find(*layer);
        if (--use->second.images > 0) { continue; }
        layers_.erase(use);
        unused.push_back(*layer);
    }
    images_.erase(found);
    return unused;
}

void ImageTable::set_intermediate(const ImageId& id, bool intermediate) {
    const auto found = images_.find(id);
    if (found != images_.end()) { found->second.intermediate = intermediate; }
}

const ImageRecord* ImageTable::find(const ImageId& id) const {
    const auto found = images_.find(id);
    return found == images_.end() ? nullptr : &found->second;
}

Result<const ImageRecord*> ImageTable::resolve(std::string_view text) const {
    const std::string digits = id_digits(text);
    const bool whole_id = digits.size() == 64;
    const std::string_view shown = text;
    std::string named;
    if (!whole_id) {
        auto reference = Reference::parse(text);
        if (!reference && (digits.empty() || !text.starts_with("sha256:"))) {
            return std::move(reference).error();
        }
        if (reference) {
            const Reference full = reference->with_default_tag();
            // A name with tag and digest means the digest.
            const Reference wanted = full.has_digest() ? full.with_digest(full.digest()) : full;
            const ImageId id = tagged(wanted);
            if (!id.empty()) { return find(id); }
            named = full.familiar();
        }
    }
    if (!digits.empty()) {
        const auto first = std::find_if(images_.begin(), images_.end(), [&](const auto& entry) {
            return entry.first.text().starts_with(digits);
        });
        if (first != images_.end()) {
            const auto second = std::next(first);
            const bool unique =
                second == images_.end() || !second->first.text().starts_with(digits);
            if (unique) { return &first->second; }
        }
    }
    if (whole_id) { return no_such_image("sha256:" + digits); }
    return no_such_image(named.empty() ? shown : named);
}

ImageId ImageTable::tag(const Reference& reference, const ImageId& id, Instant now) {
    ASSERT(reference.has_tag() || reference.has_digest());
    ASSERT(images_.contains(id));
    ImageId before = tagged(reference);
    if (before == id) { return before; }
    if (!before.empty()) { names_[before].erase(reference); }
    tags_[reference] = id;
    names_[id].insert(reference);
    images_.at(id).last_tagged = now;
    return before;
}

bool ImageTable::untag(const Reference& reference) {
    const auto found = tags_.find(reference);
    if (found == tags_.end()) { return false; }
    auto& names = names_[found->second];
    names.erase(reference);
    if (names.empty()) { names_.erase(found->second); }
    tags_.erase(found);
    return true;
}

ImageId ImageTable::tagged(const Reference& reference) const {
    const auto found = tags_.find(reference);
    return found == tags_.end() ? ImageId{} : found->second;
}

std::vector<Reference> ImageTable::references(const ImageId& id) const {
    const auto found = names_.find(id);
    if (found == names_.end()) { return {}; }
    std::vector<Reference> all(found->second.begin(), found->second.end());
    std::stable_partition(all.begin(), all.end(), [](const Reference& r) { return r.has_tag(); });
    return all;
}

std::vector<Reference> ImageTable::references_of_name(const Reference& name) const {
    std::vector<Reference> all;
    for (const auto& [reference, id] : tags_) {
        if (reference.domain() == name.domain() && reference.path() == name.path()) {
            all.push_back(reference);
        }
    }
    return all;
}

std::vector<ImageId> ImageTable::children(const ImageId& id) const {
    std::vector<ImageId> all;
    for (const auto& [child, record] : images_) {
        if (record.parent == id) { all.push_back(child); }
    }
    return all;
}

std::int64_t ImageTable::layer_size(const ChainId& id) const {
    const auto found = layers_.find(id);
    return found == layers_.end() ? 0 : found->second.size_bytes;
}

std::int64_t ImageTable::shared_size(const ImageRecord& record) const {
    std::int64_t shared = 0;
    for (const auto& layer : record.layers) {
        const auto& use = layers_.at(layer);
        if (use.images > 1) { shared += use.size_bytes; }
    }
    return shared;
}

std::int64_t ImageTable::layers_size() const {
    std::int64_t all = 0;
    for (const auto& [id, use] : layers_) { all += use.size_bytes; }
    return all;
}

std::vector<HistoryLine> history_of(const ImageTable& table, const ImageRecord& record) {
    std::vector<HistoryLine> lines;
    std::size_t layer = 0;
    for (const auto& entry : record.config->history) {
        HistoryLine line;
        line.entry = &entry;
        if (!entry.empty_layer && layer < record.layers.size()) {
            line.size_bytes = table.layer_size(record.layers[layer++]);
        }
        lines.push_back(std::move(line));
    }
    for (; layer < record.layers.size(); ++layer) { // made by tools that write no history
        HistoryLine line;
        line.size_bytes = table.layer_size(record.layers[layer]);
        lines.push_back(std::move(line));
    }
    std::reverse(lines.begin(), lines.end());
    const ImageRecord* image = &record;
    for (auto& line : lines) {
        if (image == nullptr) { break; }
        line.image = image->id;
        line.tags = table.references(image->id);
        image = table.find(image->parent);
    }
    return lines;
}

} // namespace shoal::image
