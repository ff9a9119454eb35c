#include "api/task_document.h"

#include "api/object_document.h"
#include "api/service_codec.h"
#include "api/service_document.h"
#include "api/swarm_network_document.h"

namespace docker::swarmkit::v1 {

template <class V> void describe(V& v, ContainerStatus& c) {
    MESSAGE_VALUE(v, c, "ContainerID", container_id, keep);
    MESSAGE_VALUE(v, c, "PID", pid, keep);
    MESSAGE_VALUE(v, c, "ExitCode", exit_code, keep);
}
template <class V> void describe(V& v, PortStatus& p) {
    member::list(v, "Ports", *p.mutable_ports());
}

} // namespace docker::swarmkit::v1

namespace shoal::api {
namespace pb = swarm::pb;
namespace {

Json status_document(const pb::TaskStatus& status) {
    Json document{{"Timestamp", date_of(status.has_timestamp(), status.timestamp())},
                  {"State", std::string(swarm::name_of(status.state()))},
                  {"Message", status.message()}};
    if (!status.err().empty()) { document["Err"] = status.err(); }
    if (status.has_container()) { document["ContainerStatus"] = json_of(status.container()); }
    document["PortStatus"] = json_of(status.port_status());
    return document;
}

Json attachments_document(const pb::Task& task) {
    Json all = Json::array();
    for (const auto& attachment : task.networks()) {
        Json one{{"Network", attached_network_document(attachment.network())}};
        if (!attachment.addresses().empty()) {
            one["Addresses"] = std::vector<std::string>(attachment.addresses().begin(),
                                                        attachment.addresses().end());
        }
        all.push_back(std::move(one));
    }
    return all;
}

Json generic_document(const pb::Task& task) {
    Json all = Json::array();
    for (const auto& one : task.assigned_generic_resources()) { all.push_back(json_of(one)); }
    return all;
}

void set_if(Json& document, const char* name, Json value) {
    if (!codec::is_empty(value)) { document[name] = std::move(value); }
}

} // namespace

Json task_document(const pb::Task& task, int version) {
    auto document = object_document(task);
    const auto annotations = json_of(task.annotations());
    for (const auto& [name, value] : annotations.items()) { document[name] = value; }
    auto spec = task.spec();
    shape_task_spec(spec, version);
    document["Spec"] = json_of(std::move(spec));
    set_if(document, "ServiceID", task.service_id());
    set_if(document, "Slot", task.slot());
    set_if(document, "NodeID", task.node_id());
    document["Status"] = status_document(task.status());
    document["DesiredState"] = std::string(swarm::name_of(task.desired_state()));
    set_if(document, "NetworksAttachments", attachments_document(task));
    set_if(document, "GenericResources", generic_document(task));
    if (version >= 141 && task.has_job_iteration()) {
        document["JobIteration"] = Json{{"Index", task.job_iteration().index()}};
    }
    return document;
}

} // namespace shoal::api
