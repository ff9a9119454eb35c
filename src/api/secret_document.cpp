#include "api/secret_document.h"

#include "api/object_document.h"
#include "api/service_codec.h"

namespace docker::swarmkit::v1 {

template <class V> void describe(V& v, SecretSpec& s) {
    describe(v, *s.mutable_annotations());
    member::bytes(v, "Data", *s.mutable_data());
    MESSAGE_PART(v, s, "Driver", driver);
    MESSAGE_PART(v, s, "Templating", templating);
}
template <class V> void describe(V& v, ConfigSpec& c) {
    describe(v, *c.mutable_annotations());
    member::bytes(v, "Data", *c.mutable_data());
    MESSAGE_PART(v, c, "Templating", templating);
}

} // namespace docker::swarmkit::v1

namespace shoal::api {
namespace pb = swarm::pb;

Result<pb::SecretSpec> parse_secret_spec(const Json& body) {
    return codec::read<pb::SecretSpec>(body, "", codec::Unknown::Refuse);
}
Result<pb::ConfigSpec> parse_config_spec(const Json& body) {
    return codec::read<pb::ConfigSpec>(body, "", codec::Unknown::Refuse);
}

Json secret_document(const pb::Secret& secret) {
    auto document = object_document(secret);
    auto spec = secret.spec();
    spec.clear_data();
    document["Spec"] = json_of(std::move(spec));
    return document;
}

Json config_document(const pb::Config& config) {
    auto document = object_document(config);
    document["Spec"] = json_of(config.spec());
    return document;
}

} // namespace shoal::api
