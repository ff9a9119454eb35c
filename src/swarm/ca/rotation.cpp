#include "swarm/ca/rotation.h"

namespace shoal::swarm {
namespace {

using State = pb::IssuanceStatus;

Result<void> set_rotation(pb::RootCA& root, const Signer& next) {
    TRY_LET(crossed, cross_sign({root.ca_cert(), root.ca_key(), ""}, next.certificate));
    auto& rotation = *root.mutable_root_rotation();
    rotation.set_ca_cert(next.certificate);
    rotation.set_ca_key(next.key);
    rotation.set_cross_signed_ca_cert(crossed);
    return ok();
}

/// A root that the user has brought.
Result<void> rotate_to(pb::RootCA& root, const pb::CAConfig& wish, Instant now) {
    if (wish.signing_ca_key().empty()) {
        return invalid("a signing CA certificate needs its key: external certificate authorities "
                       "are not supported");
    }
    TRY_LET(next, check_root(wish.signing_ca_cert(), wish.signing_ca_key(), now));
    if (next.certificate == root.ca_cert()) {
        root.clear_root_rotation();
        return ok();
    }
    if (next.certificate == root.root_rotation().ca_cert()) { return ok(); }
    return set_rotation(root, next);
}

bool may_be_asked(const pb::Node& node) {
    const auto state = node.certificate().status().state();
    return state == State::ISSUED || state == State::FAILED;
}

void ask_to_renew(Tx& tx, const std::string& id) {
    const auto held = tx.store().get<pb::Node>(id);
    if (!held || !may_be_asked(*held)) { return; }
    pb::Node node = *held;
    node.mutable_certificate()->mutable_status()->Clear();
    node.mutable_certificate()->mutable_status()->set_state(State::ROTATE);
    tx.put(std::move(node));
}

void finish(Tx& tx, const pb::Cluster& before) {
    pb::Cluster cluster = before;
    auto& root = *cluster.mutable_root_ca();
    const pb::RootRotation done = root.root_rotation();
    root.set_ca_cert(done.ca_cert());
    root.set_ca_key(done.ca_key());
    root.set_ca_cert_hash("sha256:" + root_digest_hex(done.ca_cert()));
    root.clear_root_rotation();
    renew_tokens(cluster, tx.random());
    tx.put(std::move(cluster));
}

/// What is signed during a rotation has the cross-signed root behind it.
bool has_been_given(const pb::Node& node, const pb::RootRotation& rotation) {
    return node.certificate().certificate().ends_with(rotation.cross_signed_ca_cert());
}

/// It shows a certificate of the new root; one that has never come has what it was given.
bool has_arrived(const pb::Node& node, const pb::RootRotation& rotation,
                 const pb::NodeTLSInfo& wanted) {
    const auto& told = node.description().tls_info();
    const bool never_came = told.cert_issuer_public_key().empty();
    return never_came ? has_been_given(node, rotation) : same_issuer(told, wanted);
}

pb::NodeTLSInfo wanted_of(const pb::RootRotation& rotation) {
    const auto wanted = tls_info_of_root(rotation.ca_cert());
    return wanted ? *wanted : pb::NodeTLSInfo();
}

} // namespace

std::vector<std::string> silent_in_rotation(const Store& store) {
    std::vector<std::string> names;
    const auto cluster = store.cluster();
    if (!cluster || !is_rotating(*cluster)) { return names; }
    const auto& rotation = cluster->root_ca().root_rotation();
    const auto wanted = wanted_of(rotation);
    for (const auto& [id, node] : store.all<pb::Node>()) {
        const bool heard = node->status().state() == pb::NodeStatus::READY;
        if (heard || has_arrived(*node, rotation, wanted)) { continue; }
        const auto& name = node->description().hostname();
        names.push_back(name.empty() ? id : name);
    }
    return names;
}

Result<void> begin_rotation(const pb::Cluster& before, pb::Cluster& after, Instant now) {
    const auto& wish = after.spec().ca_config();
    const auto& had = before.spec().ca_config();
    auto& root = *after.mutable_root_ca();
    if (!wish.external_cas().empty()) {
        return unsupported("external certificate authorities are not supported (" +
                           wish.external_cas(0).url() + ")");
    }
    const bool forced = wish.force_rotate() != root.last_forced_rotation();
    const bool brought = wish.signing_ca_cert() != had.signing_ca_cert() ||
                         wish.signing_ca_key() != had.signing_ca_key();
    root.set_last_forced_rotation(wish.force_rotate());
    if (!wish.signing_ca_cert().empty()) {
        return brought || forced ? rotate_to(root, wish, now) : ok();
    }
    if (!forced) { return ok(); }
    TRY_LET(next, make_root(now));
    return set_rotation(root, next);
}

void RootRotation::rebuild(const Store&) {
    rotation_.Clear();
    old_.clear();
    next_ = {};
}

void RootRotation::observe(const Store&, const Change& change) {
    if (change.kind != Kind::Node || rotation_.ca_cert().empty()) { return; }
    if (const auto node = change.new_as<pb::Node>()) {
        look_at(*node);
    } else {
        old_.erase(change.id);
    }
}

void RootRotation::look_at(const pb::Node& node) {
    const bool given = has_been_given(node, rotation_);
    if (has_arrived(node, rotation_, wanted_)) {
        old_.erase(node.id());
        return;
    }
    Old& old = old_[node.id()];
    old.may_be_asked = may_be_asked(node);
    if (old.has_been_given != given) { old.patience = {}; }
    old.has_been_given = given;
}

void RootRotation::begin(const pb::Cluster& cluster) {
    rotation_ = cluster.root_ca().root_rotation();
    old_.clear();
    next_ = {};
    wanted_ = wanted_of(rotation_);
}

bool RootRotation::is_due(Old& node, Instant now) const {
    if (!node.may_be_asked) { return false; }
    if (!node.has_been_given) { return true; }
    const bool seen = node.patience != Instant{} && node.patience <= now + rotation_patience;
    if (!seen) { node.patience = now + rotation_patience; }
    return node.patience <= now;
}

std::optional<Instant> RootRotation::run(Tx& tx) {
    const auto cluster = tx.store().cluster();
    if (!cluster || !is_rotating(*cluster)) {
        rotation_.Clear();
        old_.clear();
        return std::nullopt;
    }
    if (rotation_.ca_cert() != cluster->root_ca().root_rotation().ca_cert()) {
        begin(*cluster);
        for (const auto& [id, node] : tx.store().all<pb::Node>()) { look_at(*node); }
    }
    if (old_.empty()) {
        finish(tx, *cluster);
        return std::nullopt;
    }
    // A time far in the future is of a clock that was set back.
    const bool waits = next_ > tx.now() && next_ <= tx.now() + rotation_pause;
    if (waits) { return next_; }
    std::vector<std::string> asked;
    for (auto& [id, node] : old_) {
        if (asked.size() < rotated_at_once && is_due(node, tx.now())) { asked.push_back(id); }
    }
    for (const auto& id : asked) { ask_to_renew(tx, id); }
    next_ = tx.now() + rotation_pause;
    return next_;
}

} // namespace shoal::swarm
