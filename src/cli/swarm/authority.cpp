// swarm ca: the certificates that the swarm trusts, and changing to others.
#include "cli/swarm/commands.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/swarm_options.h"
#include "cli/swarm/tokens.h"
#include "cli/swarm/watch.h"

#include "archive/hash.h"
#include "base/text.h"

#include <fmt/format.h>

namespace shoal::cli::swarm {
namespace {

constexpr Flag ca_flags[] = {
    {"ca-cert", 0, Kind::Text, "File with the new root certificate (PEM)", "", "pem-file",
     check_pem_file},
    {"ca-key", 0, Kind::Text, "File with the new root's key (PEM)", "", "pem-file", check_pem_file},
    {"detach", 'd', Kind::Bool, "Do not wait until every node has changed"},
    {"quiet", 'q', Kind::Bool, "Do not show how it gets on"},
    {"rotate", 0, Kind::Bool, "Change to another root: to the one given, or to a new one"},
};

constexpr std::string_view digest_line = "desired root digest";
constexpr std::string_view certificates_line = "  rotated TLS certificates";
constexpr std::string_view roots_line = "  rotated CA certificates";

Result<int> print_root(App& app, const Json& swarm) {
    const std::string root = text_of(table_of(swarm, "TLSInfo"), "TrustRoot");
    if (root.empty()) { return invalid("No CA information available"); }
    app.line(trim(root));
    return 0;
}

Result<void> check_flags(const Parsed& parsed) {
    if (!parsed.on("rotate")) {
        for (const char* flag : {"ca-cert", "ca-key", "cert-expiry", "external-ca"}) {
            if (parsed.given(flag)) {
                return invalid(
                    fmt::format("`--{}` flag requires the `--rotate` flag to update the CA", flag));
            }
        }
        return ok();
    }
    const bool certificate = parsed.given("ca-cert"), external = parsed.given("external-ca");
    if (external && !certificate) {
        return invalid("rotating to an external CA requires the `--ca-cert` flag to specify the "
                       "external CA's cert - to add an external CA with the current root CA "
                       "certificate, use the `update` command instead");
    }
    if (certificate && !external && !parsed.given("ca-key")) {
        return invalid("the --ca-cert flag requires that a --ca-key flag and/or --external-ca flag "
                       "be provided as well");
    }
    return ok();
}

Result<Json> rotated_spec(const Json& old, const Parsed& parsed) {
    Json spec = old;
    std::string certificate, key;
    if (parsed.given("ca-cert")) {
        TRY_LET(text, read_pem(parsed.text("ca-cert")));
        certificate = text;
    }
    if (parsed.given("ca-key")) {
        TRY_LET(text, read_pem(parsed.text("ca-key")));
        key = text;
    }
    TRY(merge_authority(spec, parsed, certificate));
    Json& config = ensure_object(spec, "CAConfig");
    put(config, "SigningCACert", certificate);
    put(config, "SigningCAKey", key);
    if (certificate.empty() && key.empty()) {
        config["ForceRotate"] = number_of(config, "ForceRotate") + 1;
    }
    return spec;
}

/// Shows how far the nodes are; true when all have the new root.
bool show_rotation(Watch& watch, const Json& swarm, const Json& nodes) {
    const Json& wanted = table_of(swarm, "TLSInfo");
    const std::string root = text_of(wanted, "TrustRoot");
    std::int64_t certificates = 0, roots = 0;
    for (const Json& node : nodes) {
        const Json& mine = inside(node, {"Description", "TLSInfo"});
        const auto same = [&](const char* member) {
            return text_of(mine, member) == text_of(wanted, member);
        };
        certificates += same("CertIssuerPublicKey") && same("CertIssuerSubject") ? 1 : 0;
        roots += same("TrustRoot") ? 1 : 0;
    }
    const auto all = static_cast<std::int64_t>(nodes.size());
    const bool late = certificates == all && !flag_of(swarm, "RootRotationInProgress");
    watch.show(progress_message(digest_line, archive::sha256_of(root)));
    watch.show(progress_message(certificates_line, "", {certificates, all, "nodes"}));
    // Roots count from when every certificate is of the new one.
    watch.show(progress_message(roots_line, " ", {late ? roots : 0, all, "nodes"}));
    return late && roots == all;
}

Result<void> wait_for_rotation(App& app, client::Client& client, Watch::Show show) {
    Watch watch(app, show);
    watch.show(progress_message(digest_line, ""));
    watch.show(progress_message(certificates_line, ""));
    watch.show(progress_message(roots_line, " "));
    while (true) {
        TRY_LET(swarm, client.json(client::get("/swarm")));
        TRY_LET(nodes, client.json(client::get("/nodes")));
        if (show_rotation(watch, swarm, nodes)) { return ok(); }
        if (watch.pause() == Watch::Pause::Over) { continue; }
        watch.show(plain_message("", "Operation continuing in background."));
        return ok();
    }
}

Result<int> ca(App& app, const Parsed& parsed) {
    TRY_LET(client, app.client());
    TRY_LET(swarm, client->json(client::get("/swarm")));
    TRY(check_flags(parsed));
    if (!parsed.on("rotate")) { return print_root(app, swarm); }
    TRY_LET(spec, rotated_spec(table_of(swarm, "Spec"), parsed));
    TRY(write_swarm(*client, swarm, spec, {}));
    if (parsed.on("detach")) { return 0; }
    const bool quiet = parsed.on("quiet");
    TRY(wait_for_rotation(app, *client, quiet ? Watch::Show::Nothing : Watch::Show::Everything));
    if (quiet) { return 0; }
    TRY_LET(now, client->json(client::get("/swarm")));
    return print_root(app, now);
}

} // namespace

const Command ca_command{.usage = "[OPTIONS]",
                         .summary = "Show the root certificate, or change to another",
                         .flags = ca_flags,
                         .action = ca,
                         .arguments = {0, 0},
                         .more_flags = authority_flags()};

} // namespace shoal::cli::swarm
