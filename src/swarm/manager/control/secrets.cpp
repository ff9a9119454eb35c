#include "swarm/manager/control/secrets.h"

#include "base/text.h"
#include "swarm/manager/control/find.h"
#include "swarm/manager/control/names.h"
#include "swarm/manager/control/version.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

// Secrets and configs differ in their limits and in where services name them.
struct SecretWords {
    using Object = pb::Secret;
    using Spec = pb::SecretSpec;
    static constexpr std::string_view name = "secret";
    static constexpr std::size_t bytes_max = secret_bytes_max;
    static const auto& references(const pb::ContainerSpec& container) {
        return container.secrets();
    }
    static const std::string& id_of(const pb::SecretReference& reference) {
        return reference.secret_id();
    }
};
struct ConfigWords {
    using Object = pb::Config;
    using Spec = pb::ConfigSpec;
    static constexpr std::string_view name = "config";
    static constexpr std::size_t bytes_max = config_bytes_max;
    static const auto& references(const pb::ContainerSpec& container) {
        return container.configs();
    }
    static const std::string& id_of(const pb::ConfigReference& reference) {
        return reference.config_id();
    }
};

template <class Words> std::string word() { return std::string(Words::name); }

Result<void> check_templating(const pb::Driver& templating) {
    if (templating.name().empty() || templating.name() == "golang") { return ok(); }
    return invalid("unknown templating driver " + go_quote(templating.name()) +
                   ": only \"golang\" is known");
}

template <class Words> Result<void> check_data(const std::string& data) {
    if (!data.empty() && data.size() <= Words::bytes_max) { return ok(); }
    return invalid(word<Words>() + " data must be larger than 0 and less than " +
                   std::to_string(Words::bytes_max + 1) + " bytes");
}

template <class Words> Result<void> check_spec(const typename Words::Spec& spec) {
    TRY(check_data_name(spec.annotations().name()));
    if constexpr (std::is_same_v<Words, SecretWords>) {
        if (spec.has_driver()) {
            return unsupported("secret driver " + go_quote(spec.driver().name()) +
                               ": drivers of secrets are plugins, which are not supported");
        }
    }
    TRY(check_templating(spec.templating()));
    return check_data<Words>(spec.data());
}

template <class Words>
Result<Ptr<typename Words::Object>> create(Tx& tx, typename Words::Spec spec) {
    TRY(check_spec<Words>(spec));
    const auto& name = spec.annotations().name();
    if (tx.store().by_name<typename Words::Object>(name)) {
        return conflict(word<Words>() + " " + name + " already exists");
    }
    typename Words::Object object;
    object.set_id(tx.make_id());
    *object.mutable_spec() = std::move(spec);
    return tx.put(std::move(object));
}

template <class Words>
Result<Ptr<typename Words::Object>> held(const Tx& tx, const std::string& id) {
    auto object = tx.store().get<typename Words::Object>(id);
    if (!object) { return Error{Errc::NotFound, word<Words>() + " " + id + " not found"}; }
    return object;
}

template <class Words> Result<Ptr<typename Words::Object>>
update(Tx& tx, const std::string& id, std::uint64_t version, const typename Words::Spec& spec) {
    TRY_LET(old, held<Words>(tx, id));
    TRY(check_version(*old, version));
    const bool same_name = spec.annotations().name() == old->spec().annotations().name();
    const bool same_data = spec.data().empty() || spec.data() == old->spec().data();
    if (!same_name || !same_data) { return invalid("only updates to Labels are allowed"); }
    auto changed = *old;
    *changed.mutable_spec()->mutable_annotations()->mutable_labels() = spec.annotations().labels();
    return tx.put(std::move(changed));
}

template <class Words> bool uses(const pb::ServiceSpec& spec, const std::string& id) {
    const auto& all = Words::references(spec.task().container());
    return std::any_of(all.begin(), all.end(),
                       [&id](const auto& one) { return Words::id_of(one) == id; });
}

template <class Words> Result<void> remove(Tx& tx, const std::string& id) {
    TRY_LET(old, held<Words>(tx, id));
    std::vector<std::string> users;
    for (const auto& [service_id, service] : tx.store().template all<pb::Service>()) {
        if (uses<Words>(service->spec(), id)) {
            users.push_back(service->spec().annotations().name());
        }
    }
    if (!users.empty()) {
        return invalid(word<Words>() + " '" + old->spec().annotations().name() +
                       "' is in use by the following " +
                       (users.size() == 1 ? "service: " : "services: ") + join(users, ", "));
    }
    tx.erase<typename Words::Object>(id);
    return ok();
}

} // namespace

Result<SecretPtr> create_secret(Tx& tx, pb::SecretSpec spec) {
    return create<SecretWords>(tx, std::move(spec));
}
Result<ConfigPtr> create_config(Tx& tx, pb::ConfigSpec spec) {
    return create<ConfigWords>(tx, std::move(spec));
}
Result<SecretPtr> update_secret(Tx& tx, const std::string& id, std::uint64_t version,
                                const pb::SecretSpec& spec) {
    return update<SecretWords>(tx, id, version, spec);
}
Result<ConfigPtr> update_config(Tx& tx, const std::string& id, std::uint64_t version,
                                const pb::ConfigSpec& spec) {
    return update<ConfigWords>(tx, id, version, spec);
}
Result<void> remove_secret(Tx& tx, const std::string& id) { return remove<SecretWords>(tx, id); }
Result<void> remove_config(Tx& tx, const std::string& id) { return remove<ConfigWords>(tx, id); }

} // namespace shoal::swarm
