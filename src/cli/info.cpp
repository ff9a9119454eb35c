// What the daemon says about itself and its machine.
#include "cli/commands.h"
#include "cli/info_page.h"
#include "cli/listing.h"
#include "cli/support.h"
#include "cli/version.h"

#include "base/text.h"

#include <fmt/format.h>

#include <cctype>

#include <sys/utsname.h>

namespace shoal::cli {
namespace {

constexpr Flag info_flags[] = {{"format", 'f', Kind::Text, format_one_help}};
constexpr int bad_template = 64;

Json client_info(App& app) {
    utsname machine{};
    uname(&machine);
    return {{"Debug", app.globals.debug},
            {"Version", SHOAL_VERSION},
            {"DefaultAPIVersion", client::version_text(client::newest_version)},
            {"GitCommit", ""},
            {"GoVersion", ""},
            {"Os", "linux"},
            {"Arch", go_architecture(machine.machine)},
            {"BuildTime", ""},
            {"Context", app.context_name()},
            {"Plugins", Json::array()},
            {"Warnings", nullptr}};
}

TemplateOptions template_options() {
    TemplateOptions options;
    options.type_name = "system.dockerInfo";
    options.typed = true;
    options.kind = [](std::string_view name) {
        return name == "Runtimes" || name == "IndexConfigs" ? GoKind::Map : GoKind::Unknown;
    };
    return options;
}

/// A template about the client alone needs no daemon.
bool is_about_client(const Template& prepared, const std::string& format, const Json& client) {
    bool names_field = false;
    for (std::size_t i = 0; i + 1 < format.size(); ++i) {
        names_field = names_field || (format[i] == '.' &&
                                      std::isalpha(static_cast<unsigned char>(format[i + 1])) != 0);
    }
    return names_field &&
           prepared.execute({{"ClientInfo", client}}, template_options()).has_value();
}

void print_client(App& app, const Json& client) {
    app.out(fmt::format("Client:\n Version:    {}\n Context:    {}\n Debug Mode: {}\n\nServer:\n",
                        text_of(client, "Version"), text_of(client, "Context"),
                        client["Debug"].get<bool>()));
}

Result<int> print_page(App& app) {
    TRY_LET(client, app.client());
    print_client(app, client_info(app));
    TRY_LET(info, client->json(client::get("/info")));
    app.line(info_page(info));
    for (const Json& warning : list_of(info, "Warnings")) {
        app.error_line(warning.is_string() ? warning.get<std::string>() : warning.dump());
    }
    return 0;
}

Result<int> info(App& app, const Parsed& parsed) {
    const std::string given = parsed.text("format");
    if (given.empty()) { return print_page(app); }
    const std::string format = given == "json" ? "{{json .}}" : given;
    auto prepared = Template::parse(format);
    if (!prepared) {
        app.error_line("template parsing error: " + prepared.error().message);
        return bad_template;
    }
    const Json client_part = client_info(app);
    Json document = Json::object();
    std::optional<Error> failed;
    if (!is_about_client(*prepared, format, client_part)) {
        TRY_LET(client, app.client());
        auto answer = client->json(client::get("/info"));
        if (answer && answer->is_object()) { document = std::move(*answer); }
        if (!answer) { failed = answer.error(); }
    }
    document["ClientInfo"] = client_part;
    auto text = prepared->execute(document, template_options());
    app.line(text ? *text : "");
    if (!text && !failed) { failed = text.error(); }
    if (failed) { return *std::move(failed); }
    return 0;
}

} // namespace

const Command info_command{"[OPTIONS]", "Show what the daemon says about itself and its machine",
                           info_flags,  info,
                           {0, 0},      "system info, info"};

} // namespace shoal::cli
