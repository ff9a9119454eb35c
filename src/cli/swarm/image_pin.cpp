#include "cli/swarm/image_pin.h"

#include "base/text.h"
#include "cli/swarm/documents.h"
#include "oci/reference.h"

#include <fmt/format.h>

namespace shoal::cli::swarm {
namespace {

constexpr int oldest_with_distribution = 130;

std::string warning_of(std::string_view image) {
    return fmt::format("image {0} could not be accessed on a registry to record\n"
                       "its digest. Each node will access {0} independently,\n"
                       "possibly leading to different nodes running different\n"
                       "versions of the image.\n",
                       image);
}

} // namespace

std::string tagged_image(std::string_view image) {
    const auto reference = oci::Reference::parse(image);
    return reference ? reference->with_default_tag().familiar() : std::string(image);
}

void pin_image(Json& task, const Json& distribution) {
    Json& container = ensure_object(task, "ContainerSpec");
    const std::string image = text_of(container, "Image");
    const std::string digest = text_of(table_of(distribution, "Descriptor"), "digest");
    if (image.find('@') == std::string::npos && !digest.empty()) {
        container["Image"] = image + "@" + digest;
    }
    Json platforms = Json::array();
    for (const Json& platform : list_of(distribution, "Platforms")) {
        // The nodes' own name of this architecture says more than the image's.
        const std::string architecture = text_of(platform, "architecture");
        Json one = Json::object();
        put(one, "Architecture", to_lower(architecture) == "arm" ? "" : architecture);
        put(one, "OS", text_of(platform, "os"));
        platforms.push_back(one);
    }
    if (!platforms.empty()) { ensure_object(task, "Placement")["Platforms"] = platforms; }
}

Result<std::string> resolve_image(client::Client& client, Json& spec, Ask ask,
                                  const std::string& auth) {
    Json& task = ensure_object(spec, "TaskTemplate");
    Json& container = ensure_object(task, "ContainerSpec");
    const std::string image = tagged_image(text_of(container, "Image"));
    put(container, "Image", image);
    TRY_LET(version, client.version());
    if (ask == Ask::Nobody || version < oldest_with_distribution) { return std::string(); }
    client::Request request = client::get("/distribution/" + client::part(image) + "/json");
    if (!auth.empty()) { request.headers.set("X-Registry-Auth", auth); }
    const auto answer = client.json(std::move(request));
    if (!answer && client::is_unreachable(answer.error())) { return answer.error(); }
    if (!answer) { return warning_of(image); }
    pin_image(task, *answer);
    return std::string();
}

} // namespace shoal::cli::swarm
