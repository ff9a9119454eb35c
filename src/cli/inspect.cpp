// inspect: everything the daemon says about objects, as JSON or through a template.
#include "cli/inspect.h"

#include "cli/commands.h"
#include "cli/inspect_kinds.h"
#include "cli/platform.h"
#include "cli/remote.h"
#include "cli/support.h"
#include "cli/swarm/inspect_members.h"

#include "base/template.h"
#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli {
namespace {

using client::part;

constexpr int bad_template = 64; ///< exit code

constexpr Flag inspect_flags[] = {
    {"format", 'f', Kind::Text, format_one_help},
    {"size", 's', Kind::Bool, "Show the sizes of the files, when it is a container"},
    {"type", 0, Kind::Text, "Look only at objects of this kind"},
};
constexpr Flag container_flags[] = {
    {"format", 'f', Kind::Text, format_one_help},
    {"size", 's', Kind::Bool, "Show the sizes of the files"},
};
constexpr Flag image_flags[] = {
    {"format", 'f', Kind::Text, format_one_help},
    {"platform", 0, Kind::Text, "Look at this platform of the image (os[/arch[/variant]])", "", "",
     nullptr, false, 149},
    {"remote", 0, Kind::Bool, "Look in the image's registry, without pulling"},
};
constexpr Flag volume_flags[] = {{"format", 'f', Kind::Text, format_one_help}};
constexpr Flag network_flags[] = {
    {"format", 'f', Kind::Text, format_one_help},
    {"verbose", 'v', Kind::Bool, "Show more, for looking for faults"},
};

/// What can be inspected, in the order in which a name is looked for.
struct ObjectKind {
    std::string_view name;
    std::string_view path; ///< {} is the name
};
constexpr ObjectKind kinds[] = {
    {"container", "/containers/{}/json"},
    {"image", "/images/{}/json"},
    {"network", "/networks/{}"},
    {"volume", "/volumes/{}"},
    {"service", "/services/{}"},
    {"task", "/tasks/{}"},
    {"node", "/nodes/{}"},
    {"plugin", "/plugins/{}/json"},
    {"secret", "/secrets/{}"},
    {"config", "/configs/{}"},
};

Result<Json> ask(client::Client& client, const ObjectKind& kind, const std::string& name,
                 net::Query query) {
    return client.json(client::get(replace_all(kind.path, "{}", part(name)), std::move(query)));
}

std::optional<Result<Json>> absent(const Json& receiver, std::string_view name,
                                   std::span<const Json> arguments) {
    if (!arguments.empty() || !receiver.is_object() || receiver.contains(name)) {
        return std::nullopt;
    }
    if (auto value = absent_member(name)) { return Result<Json>(std::move(*value)); }
    return std::nullopt;
}

std::optional<Result<Json>> absent_in_swarm(const Json& receiver, std::string_view name,
                                            std::span<const Json> arguments) {
    if (!arguments.empty() || !receiver.is_object() || receiver.contains(name)) {
        return std::nullopt;
    }
    if (auto value = swarm::absent_member(receiver, name)) {
        return Result<Json>(std::move(*value));
    }
    return std::nullopt;
}

/// Collects what is printed: Docker prints everything that was found before what went wrong.
class Printer {
  public:
    static Result<Printer> create(std::string_view format) {
        Printer printer;
        printer.as_json_ = format == "json";
        if (format.empty() || printer.as_json_) { return printer; }
        auto parsed = Template::parse(replace_all(replace_all(format, "\\t", "\t"), "\\n", "\n"));
        if (!parsed) { return std::move(parsed).error().with("template parsing error"); }
        printer.template_.emplace(std::move(*parsed));
        return printer;
    }

    Result<void> add(const Json& object) {
        if (!template_) {
            objects_.push_back(object);
            return ok();
        }
        TemplateOptions options;
        options.typed = true;
        const bool swarm = swarm::is_swarm_document(object);
        options.kind = swarm ? swarm::member_kind : inspect_kind;
        options.method = swarm ? absent_in_swarm : absent;
        auto text = template_->execute(object, options);
        if (!text) { return std::move(text).error().with("template parsing error"); }
        text_ += *text + "\n";
        return ok();
    }

    std::string finish() const {
        if (template_) { return text_.empty() ? "\n" : text_; }
        return (as_json_ ? go_json(objects_) : pretty_json(objects_)) + "\n";
    }

  private:
    Printer() = default;
    std::optional<Template> template_;
    bool as_json_ = false;
    std::string text_;
    Json objects_ = Json::array();
};

} // namespace

Result<int> print_objects(App& app, const std::vector<std::string>& names, std::string_view format,
                          const FindObject& find) {
    auto printer = Printer::create(format);
    if (!printer) {
        app.error_line(printer.error().message);
        return bad_template;
    }
    std::vector<std::string> errors;
    for (const auto& name : names) {
        auto object = find(name);
        Result<void> added = object ? printer->add(*object) : Result<void>(object.error());
        if (!added) { errors.push_back(added.error().message); }
    }
    app.out(printer->finish());
    if (errors.empty()) { return 0; }
    return invalid(join(errors, "\n"));
}

namespace {

Result<int> print_all(App& app, const Parsed& parsed, const FindObject& find) {
    return print_objects(app, parsed.words, parsed.text("format"), find);
}

/// One kind, chosen by the command.
Result<int> inspect_one_kind(App& app, const Parsed& parsed, std::string_view wanted,
                             net::Query query) {
    TRY_LET(client, app.client());
    const auto kind = std::find_if(std::begin(kinds), std::end(kinds),
                                   [&](const ObjectKind& other) { return other.name == wanted; });
    client::Client* api = client;
    return print_all(app, parsed,
                     [=](const std::string& name) { return ask(*api, *kind, name, query); });
}

Result<int> inspect_container(App& app, const Parsed& parsed) {
    net::Query query;
    if (parsed.on("size")) { query.emplace_back("size", "1"); }
    return inspect_one_kind(app, parsed, "container", query);
}
Result<int> inspect_image(App& app, const Parsed& parsed) {
    if (parsed.on("remote")) {
        App* self = &app;
        return print_all(app, parsed, [=](const std::string& name) {
            return inspect_remote_image(*self, name);
        });
    }
    net::Query query;
    if (parsed.given("platform")) {
        TRY_LET(platform, parse_platform(parsed.text("platform")));
        query.emplace_back("platform", dump_json(platform));
    }
    return inspect_one_kind(app, parsed, "image", query);
}
Result<int> inspect_volume(App& app, const Parsed& parsed) {
    return inspect_one_kind(app, parsed, "volume", {});
}
Result<int> inspect_network(App& app, const Parsed& parsed) {
    return inspect_one_kind(app, parsed, "network",
                            {{"verbose", parsed.on("verbose") ? "true" : "false"}});
}

/// No object of that kind, or a daemon that has no such kind.
bool goes_on(const Error& error) {
    return error.code == Errc::NotFound || error.code == Errc::Unavailable ||
           error.code == Errc::Unsupported ||
           error.message.find("not supported") != std::string::npos ||
           error.message.find("This node is not a swarm manager") != std::string::npos;
}

/// Any kind: the first that has the name.
Result<Json> find_any(App* app, client::Client* client, std::string_view type, bool size,
                      const std::string& name) {
    for (const ObjectKind& kind : kinds) {
        if (!type.empty() && type != kind.name) { continue; }
        const bool container = kind.name == "container";
        auto found =
            ask(*client, kind, name, size && container ? net::Query{{"size", "1"}} : net::Query{});
        if (!found && type.empty() && !client::is_unreachable(found.error()) &&
            goes_on(found.error())) {
            continue;
        }
        if (found && size && !container) {
            app->error_line(fmt::format("WARNING: --size ignored for {}", kind.name));
        }
        return found;
    }
    return Error{Errc::NotFound, "Error: No such object: " + name};
}

Result<int> inspect(App& app, const Parsed& parsed) {
    const std::string type = parsed.text("type");
    if (parsed.given("type")) {
        const bool known = std::any_of(std::begin(kinds), std::end(kinds),
                                       [&](const ObjectKind& kind) { return kind.name == type; });
        if (type.empty()) {
            return invalid(
                "type is empty: must be one of \"config\", \"container\", \"image\", \"network\", \"node\", \"plugin\", "
                "\"secret\", \"service\", \"task\", \"volume\"");
        }
        if (!known) {
            return invalid(fmt::format(
                "unknown type: {}: must be one of \"config\", \"container\", \"image\", \"network\", \"node\", \"plugin\", "
                "\"secret\", \"service\", \"task\", \"volume\"",
                go_quote(type)));
        }
    }
    TRY_LET(client, app.client());
    App* self = &app;
    client::Client* api = client;
    const bool size = parsed.on("size");
    return print_all(app, parsed, [=](const std::string& name) {
        return find_any(self, api, type, size, name);
    });
}

} // namespace

const Command inspect_command{"[OPTIONS] NAME|ID [NAME|ID...]",
                              "Show everything about objects of any kind",
                              inspect_flags,
                              inspect,
                              {1}};
const Command container_inspect_command{"[OPTIONS] CONTAINER [CONTAINER...]",
                                        "Show everything about one or more containers",
                                        container_flags,
                                        inspect_container,
                                        {1}};
const Command image_inspect_command{"[OPTIONS] IMAGE [IMAGE...]",
                                    "Show everything about one or more images",
                                    image_flags,
                                    inspect_image,
                                    {1}};
const Command volume_inspect_command{"[OPTIONS] VOLUME [VOLUME...]",
                                     "Show everything about one or more volumes",
                                     volume_flags,
                                     inspect_volume,
                                     {1}};
const Command network_inspect_command{"[OPTIONS] NETWORK [NETWORK...]",
                                      "Show everything about one or more networks",
                                      network_flags,
                                      inspect_network,
                                      {1}};

} // namespace shoal::cli
