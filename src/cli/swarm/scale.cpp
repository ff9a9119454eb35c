// Services: scale and rollback. Both write a service's own spec back, with the version that was
// read.
#include "cli/swarm/commands.h"
#include "cli/swarm/converge.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/service_spec.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace shoal::cli::swarm {
namespace {

using client::part;

Result<Json> write_back(client::Client& client, const Json& service, const Json& spec,
                        net::Query query) {
    query.emplace_back("version", version_of(service));
    return client.json(
        client::post("/services/" + part(id_of(service)) + "/update", std::move(query), spec));
}

// --- scale ---

constexpr Flag scale_flags[] = {
    {"detach", 'd', Kind::Bool, "Do not wait until the service is as it should be", "", "", nullptr,
     false, 129},
};

Result<std::uint64_t> replicas_of(const std::string& text) {
    if (const auto number = parse_number<std::uint64_t>(text)) { return *number; }
    const bool digits = std::all_of(text.begin(), text.end(), [](char c) {
        return std::isdigit(static_cast<unsigned char>(c)) != 0;
    });
    return invalid(fmt::format("invalid replicas value {}: strconv.ParseUint: parsing {}: {}", text,
                               go_quote(text), digits ? "value out of range" : "invalid syntax"));
}

Result<void> scale_one(App& app, client::Client& client, const std::string& name,
                       const std::string& wanted) {
    TRY_LET(replicas, replicas_of(wanted));
    TRY_LET(service, client.json(client::get("/services/" + part(name))));
    TRY_LET(spec, scaled_spec(table_of(service, "Spec"), replicas));
    TRY_LET(answer, write_back(client, service, spec, {}));
    print_warnings(app, answer);
    app.line(fmt::format("{} scaled to {}", name, replicas));
    return ok();
}

Result<int> scale(App& app, const Parsed& parsed) {
    for (const auto& word : parsed.words) {
        const auto [name, replicas] = cut(word, '=');
        if (!name.empty() && !replicas.empty()) { continue; }
        return invalid(fmt::format("invalid scale specifier '{}'.\nSee '{} --help'.\n\nUsage:  {} "
                                   "{}\n\n{}",
                                   word, parsed.path, parsed.path, service_scale_command.usage,
                                   service_scale_command.summary));
    }
    TRY_LET(client, app.client());
    std::vector<std::string> errors, scaled;
    for (const auto& word : parsed.words) {
        const auto [name, replicas] = cut(word, '=');
        if (auto done = scale_one(app, *client, name, replicas); !done) {
            errors.push_back(name + ": " + done.error().message);
        } else {
            scaled.push_back(name);
        }
    }
    for (const auto& name : parsed.on("detach") ? std::vector<std::string>{} : scaled) {
        if (auto done = wait_for_service(app, *client, name, Watch::Show::Everything); !done) {
            errors.push_back(name + ": " + done.error().message);
        }
    }
    if (errors.empty()) { return 0; }
    return invalid(join(errors, "\n"));
}

// --- rollback ---

constexpr Flag rollback_flags[] = {
    {"detach", 'd', Kind::Bool, "Do not wait until the service is as it should be", "", "", nullptr,
     false, 129},
    {"quiet", 'q', Kind::Bool, "Do not show how it gets on"},
};

Result<int> rollback(App& app, const Parsed& parsed) {
    const std::string& name = parsed.words[0];
    TRY_LET(client, app.client());
    TRY_LET(service, client->json(client::get("/services/" + part(name))));
    TRY_LET(answer,
            write_back(*client, service, table_of(service, "Spec"), {{"rollback", "previous"}}));
    print_warnings(app, answer);
    app.line(name);
    if (parsed.on("detach")) { return 0; }
    TRY(wait_for_service(app, *client, name, show_of(parsed)));
    return 0;
}

} // namespace

Result<Json> scaled_spec(const Json& old, std::uint64_t replicas) {
    Json spec = old;
    Json& mode = ensure_object(spec, "Mode");
    if (has(mode, "Replicated")) {
        ensure_object(mode, "Replicated")["Replicas"] = replicas;
    } else if (has(mode, "ReplicatedJob")) {
        ensure_object(mode, "ReplicatedJob")["TotalCompletions"] = replicas;
    } else {
        return invalid("scale can only be used with replicated or replicated-job mode");
    }
    return spec;
}

const Command service_scale_command{"SERVICE=REPLICAS [SERVICE=REPLICAS...]",
                                    "Change the number of tasks of one or more services",
                                    scale_flags,
                                    scale,
                                    {1}};
const Command service_rollback_command{"[OPTIONS] SERVICE",
                                       "Go back to what a service was before its last change",
                                       rollback_flags,
                                       rollback,
                                       {1, 1}};

} // namespace shoal::cli::swarm
