#include "cli/contexts.h"

#include "archive/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/formats.h"
#include "cli/support.h"
#include "os/file.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli {
namespace {
constexpr const char* pem_names[] = {"ca.pem", "cert.pem", "key.pem"};
std::string digest_of(const std::string& name) { return archive::sha256_of(name).substr(7); }
} // namespace

Contexts::Contexts(std::string config_dir) : dir_(std::move(config_dir) + "/contexts") {}

std::string Contexts::meta_dir(const std::string& name) const {
    return dir_ + "/meta/" + digest_of(name);
}
std::string Contexts::tls_dir(const std::string& name) const {
    return dir_ + "/tls/" + digest_of(name);
}
bool Contexts::exists(const std::string& name) const {
    return os::exists(meta_dir(name) + "/meta.json");
}

Result<void> Contexts::check_name(const std::string& name) {
    const auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
    const bool good =
        name.size() >= 2 && plain(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
            return plain(c) || std::string_view("_.+-").find(c) != std::string_view::npos;
        });
    if (name == "default") { return invalid("\"default\" is a reserved context name"); }
    if (name.empty()) { return invalid("context name cannot be empty"); }
    if (good) { return ok(); }
    return invalid(fmt::format(
        "context name \"{}\" is invalid, names are validated against regexp \"^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$\"",
        name));
}

Result<Context> Contexts::load(const std::string& name) const {
    const std::string path = meta_dir(name) + "/meta.json";
    auto text = os::read_file(path);
    if (!text) {
        return Error{
            Errc::NotFound,
            fmt::format("context \"{}\": context not found: open {}: no such file or directory",
                        name, path)};
    }
    TRY_LET(json, parse_json(*text).with(path));
    if (!json.is_object()) { return invalid(path + ": expected an object"); }
    Context context;
    context.document = json;
    context.name = name;
    if (const auto metadata = json.find("Metadata"); metadata != json.end()) {
        context.description = text_of(*metadata, "Description");
    }
    if (const auto endpoints = json.find("Endpoints");
        endpoints != json.end() && endpoints->is_object() && endpoints->contains("docker")) {
        const Json& docker = (*endpoints)["docker"];
        context.host = text_of(docker, "Host");
        context.skip_tls_verify = docker.is_object() && docker.contains("SkipTLSVerify") &&
                                  docker["SkipTLSVerify"] == true;
    }
    for (const char* file : pem_names) {
        const std::string pem = tls_dir(name) + "/docker/" + file;
        if (os::exists(pem)) { context.tls_files[file] = pem; }
    }
    return context;
}

std::vector<Context> Contexts::list() const {
    std::vector<Context> found;
    auto entries = os::list_directory(dir_ + "/meta");
    if (!entries) { return found; }
    for (const auto& entry : *entries) {
        auto text = os::read_file(dir_ + "/meta/" + entry.name + "/meta.json");
        if (!text) { continue; }
        auto json = parse_json(*text);
        if (!json || !json->is_object()) { continue; }
        if (auto context = load(text_of(*json, "Name"))) { found.push_back(*context); }
    }
    std::sort(found.begin(), found.end(),
              [](const Context& a, const Context& b) { return natural_less(a.name, b.name); });
    return found;
}

Result<void> Contexts::save(const Context& context) const {
    Json json = context.document;
    json["Name"] = context.name;
    for (const char* member : {"Metadata", "Endpoints"}) {
        if (!json[member].is_object()) { json[member] = Json::object(); }
    }
    Json& metadata = json["Metadata"];
    metadata.erase("Description");
    if (!context.description.empty()) { metadata["Description"] = context.description; }
    Json& docker = json["Endpoints"]["docker"];
    docker = Json::object();
    if (!context.host.empty()) { docker["Host"] = context.host; }
    docker["SkipTLSVerify"] = context.skip_tls_verify;
    TRY(os::ensure_directory(meta_dir(context.name), 0755));
    return os::write_file_atomic(meta_dir(context.name) + "/meta.json", dump_json(json));
}

Result<void> Contexts::save_tls(const std::string& name, const Pem& pem) const {
    TRY(os::remove_tree(tls_dir(name)));
    const std::pair<const char*, const std::string*> files[] = {
        {"ca.pem", &pem.ca}, {"cert.pem", &pem.cert}, {"key.pem", &pem.key}};
    for (const auto& [file, content] : files) {
        if (content->empty()) { continue; }
        TRY(os::ensure_directory(tls_dir(name) + "/docker", 0700));
        TRY(os::write_file_atomic(tls_dir(name) + "/docker/" + file, *content, {0600}));
    }
    return ok();
}

Result<void> Contexts::remove(const std::string& name) const {
    if (!exists(name)) {
        return Error{Errc::NotFound, fmt::format("context \"{}\" does not exist", name)};
    }
    TRY(os::remove_tree(meta_dir(name)));
    return os::remove_tree(tls_dir(name));
}

client::Endpoint Contexts::endpoint_of(const Context& context) {
    client::Endpoint endpoint;
    endpoint.host = context.host;
    const auto file = [&](const char* name) {
        const auto at = context.tls_files.find(name);
        return at == context.tls_files.end() ? std::string() : at->second;
    };
    endpoint.ca_file = file("ca.pem");
    endpoint.cert_file = file("cert.pem");
    endpoint.key_file = file("key.pem");
    endpoint.verify = !context.skip_tls_verify;
    endpoint.tls = !context.tls_files.empty() || context.skip_tls_verify;
    return endpoint;
}

} // namespace shoal::cli
