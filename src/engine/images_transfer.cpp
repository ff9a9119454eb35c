#include "engine/images_transfer.h"

#include <spdlog/spdlog.h>

namespace shoal::engine {
namespace {

constexpr const char* known_kind = "layer-blob";
constexpr std::size_t blobs_max = 4;        ///< forms of one layer
constexpr std::size_t repositories_max = 8; ///< of one form

} // namespace

void Slots::Slot::release() {
    if (of_ == nullptr) { return; }
    --of_->taken_;
    of_->queue_.wake_one();
    of_ = nullptr;
}

net::Task<Result<Slots::Slot>> Slots::take(int slots_max, net::Until until) {
    while (taken_ >= std::max(1, slots_max)) {
        const net::Wake wake = co_await queue_.wait(until);
        if (wake == net::Wake::Raised) { continue; }
        queue_.wake_one(); // a turn that this one may have been given goes on
        co_return net::to_result(wake, "wait for other transfers").error();
    }
    ++taken_;
    co_return Slot(this);
}

Result<void> KnownBlobs::load() {
    TRY_LET(rows, store_->load_all(known_kind));
    for (const auto& [id, text] : rows) {
        const auto diff_id = oci::Digest::parse(id);
        auto known = codec::parse<std::vector<KnownBlob>>(text, codec::Unknown::Ignore);
        if (diff_id && known) { blobs_[*diff_id] = std::move(*known); }
    }
    return ok();
}

const std::vector<KnownBlob>& KnownBlobs::of(const oci::Digest& diff_id) const {
    static const std::vector<KnownBlob> none;
    const auto found = blobs_.find(diff_id);
    return found == blobs_.end() ? none : found->second;
}

void KnownBlobs::remember(const oci::Digest& diff_id, const KnownBlob& blob,
                          const std::string& repository) {
    auto& forms = blobs_[diff_id];
    const auto same = [&](const KnownBlob& one) { return one.digest == blob.digest; };
    auto form = std::find_if(forms.begin(), forms.end(), same);
    if (form == forms.end()) {
        if (forms.size() == blobs_max) { forms.erase(forms.begin()); }
        form = forms.insert(forms.end(), {blob.digest, blob.size, blob.media_type, {}});
    }
    auto& places = form->repositories;
    if (!places.empty() && places.back() == repository) { return; }
    std::erase(places, repository);
    if (places.size() == repositories_max) { places.erase(places.begin()); }
    places.push_back(repository);
    save(diff_id);
}

void KnownBlobs::forget(const oci::Digest& diff_id, const oci::Digest& blob,
                        const std::string& repository) {
    const auto found = blobs_.find(diff_id);
    if (found == blobs_.end()) { return; }
    for (auto& form : found->second) {
        if (form.digest == blob) { std::erase(form.repositories, repository); }
    }
    std::erase_if(found->second, [](const KnownBlob& form) { return form.repositories.empty(); });
    save(diff_id);
}

void KnownBlobs::save(const oci::Digest& diff_id) {
    const auto& forms = blobs_[diff_id];
    const auto saved = forms.empty() ? store_->remove(known_kind, diff_id.text())
                                     : store_->put(known_kind, diff_id.text(), codec::print(forms));
    if (!saved) { spdlog::warn("images: remember blobs: {}", saved.error().message); }
}

} // namespace shoal::engine
