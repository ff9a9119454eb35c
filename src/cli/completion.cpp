// Completion for shells: the scripts, and the hidden command that they ask what a line could go on
// with.
#include "cli/commands.h"
#include "cli/completion_words.h"
#include "cli/contexts.h"
#include "cli/support.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/service_rows.h"
#include "cli/tree.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace shoal::cli {
namespace {

// --- scripts ---

// The words come from the line itself, because bash takes image names apart at their colons; for
// the same reason what it believes to be typed already is cut off the answers.
constexpr std::string_view bash_script =
    R"(# bash completion for NAME, to be sourced: . <(NAME completion bash)
_NAME_complete() {
    local line="${COMP_LINE:0:COMP_POINT}" reply word prefix=""
    word="${line##*[[:space:]]}"
    case "$word" in
    *[:=]*) prefix="${word%"${word##*[:=]}"}" ;;
    esac
    COMPREPLY=()
    while IFS= read -r reply; do
        case "$reply" in
        :files) compopt -o default 2>/dev/null ;;
        :nospace) compopt -o nospace 2>/dev/null ;;
        *)
            reply="${reply%%$'\t'*}"
            COMPREPLY+=("${reply#"$prefix"}")
            ;;
        esac
    done < <("$1" __complete --line "$line" 2>/dev/null)
}
complete -F _NAME_complete NAME
)";

constexpr std::string_view zsh_script = R"(#compdef NAME
# zsh completion for NAME, to be sourced or put into $fpath as _NAME
_NAME() {
    local reply files=0
    local -a candidates suffix
    for reply in "${(@f)$("${words[1]}" __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
        case "$reply" in
        '') ;;
        :files) files=1 ;;
        :nospace) suffix=(-S '') ;;
        *$'\t'*) candidates+=("${${reply%%$'\t'*}//:/\\:}:${reply#*$'\t'}") ;;
        *) candidates+=("${reply//:/\\:}") ;;
        esac
    done
    (( ${#candidates} )) && _describe 'NAME' candidates $suffix
    (( files )) && _files
}
if [ "$funcstack[1]" = "_NAME" ]; then
    _NAME "$@"
else
    compdef _NAME NAME
fi
)";

Result<int> print_script(App& app, std::string_view script) {
    app.out(replace_all(script, "NAME", app.globals.program));
    return 0;
}

Result<int> bash(App& app, const Parsed&) { return print_script(app, bash_script); }
Result<int> zsh(App& app, const Parsed&) { return print_script(app, zsh_script); }

// --- names of objects ---

constexpr std::chrono::seconds patience{3}; ///< somebody is waiting in front of the prompt

using Candidates = std::vector<std::pair<std::string, std::string>>;

/// What the daemon answers; an empty list when it does not.
Json ask(App& app, const std::string& path, net::Query query) {
    auto client = app.client();
    if (!client) { return Json::array(); }
    const net::Until soon(Deadline::in(patience));
    auto answer = net::run_task((*client)->loop(),
                                (*client)->json_async(client::get(path, std::move(query)), soon));
    return answer ? *answer : Json::array();
}

void add_containers(App& app, Candidates& into, Names which) {
    net::Query query;
    if (which != Names::Running) { query.emplace_back("all", "1"); }
    for (const Json& container : ask(app, "/containers/json", query)) {
        if (which == Names::Stopped && text_of(container, "State") == "running") { continue; }
        for (const Json& name : list_of(container, "Names")) {
            std::string text = name.is_string() ? name.get<std::string>() : "";
            text.erase(0, text.starts_with('/') ? 1 : 0);
            if (text.empty() || text.find('/') != std::string::npos) { continue; } // a link's name
            if (which == Names::ContainerPaths) { text += ":"; }
            into.emplace_back(text,
                              text_of(container, "Image") + ", " + text_of(container, "Status"));
        }
    }
}

void add_images(App& app, Candidates& into) {
    constexpr std::string_view latest = ":latest";
    for (const Json& image : ask(app, "/images/json", {})) {
        for (const Json& tag : list_of(image, "RepoTags")) {
            const std::string text = tag.is_string() ? tag.get<std::string>() : "";
            if (text.empty() || text.starts_with("<none>")) { continue; }
            if (text.ends_with(latest)) {
                into.emplace_back(text.substr(0, text.size() - latest.size()),
                                  short_id(text_of(image, "Id")));
            }
            into.emplace_back(text, short_id(text_of(image, "Id")));
        }
    }
}

void add_names(App& app, Candidates& into, Names kind) {
    switch (kind) {
    case Names::Containers:
    case Names::Running:
    case Names::Stopped:
    case Names::ContainerPaths:
        add_containers(app, into, kind);
        break;
    case Names::Images:
        add_images(app, into);
        break;
    case Names::Volumes: {
        const Json answer = ask(app, "/volumes", {});
        for (const Json& volume : list_of(answer, "Volumes")) {
            into.emplace_back(text_of(volume, "Name"), text_of(volume, "Driver"));
        }
        break;
    }
    case Names::Networks:
        for (const Json& network : ask(app, "/networks", {})) {
            into.emplace_back(text_of(network, "Name"), text_of(network, "Driver"));
        }
        break;
    case Names::Contexts:
        into.emplace_back("default", "");
        for (const Context& context : Contexts(app.globals.config_dir).list()) {
            into.emplace_back(context.name, context.description);
        }
        break;
    case Names::Services:
    case Names::ServiceCounts:
        for (const Json& service : ask(app, "/services", {})) {
            into.emplace_back(swarm::name_of(service) + (kind == Names::Services ? "" : "="),
                              swarm::mode_name(service));
        }
        break;
    case Names::Nodes:
        into.emplace_back("self", "");
        for (const Json& node : ask(app, "/nodes", {})) {
            into.emplace_back(text_of(swarm::table_of(node, "Description"), "Hostname"),
                              text_of(swarm::table_of(node, "Spec"), "Role"));
        }
        break;
    case Names::Secrets:
    case Names::Configs:
        for (const Json& object : ask(app, kind == Names::Secrets ? "/secrets" : "/configs", {})) {
            into.emplace_back(swarm::name_of(object), "");
        }
        break;
    case Names::Files:
        break;
    }
}

// --- the command ---

/// The daemon that the flags on the line mean.
Globals globals_on_line(const App& app, const std::vector<std::string>& words) {
    const auto before = std::span(words).first(words.size() - 1);
    auto parsed = parse_flags(all_global_flags(), before, true);
    if (!parsed) { return app.globals; }
    auto globals = globals_of(*parsed, app.globals.program);
    return globals ? *globals : app.globals;
}

Result<int> complete(App& app, const Parsed& parsed) {
    std::vector<std::string> words = parsed.words;
    if (words.size() == 2 && words[0] == "--line") {
        words = split_line(words[1]);
        words.erase(words.begin()); // the program
    }
    if (words.empty()) { return 0; }
    Completion plan = plan_completion(root_group(), all_global_flags(), words);
    App there(globals_on_line(app, words));
    for (const Names kind : plan.names) { add_names(there, plan.candidates, kind); }
    std::set<std::string> taken(plan.taken.begin(), plan.taken.end());
    bool colon = false;
    for (const auto& [word, description] : plan.candidates) {
        if (!word.starts_with(plan.typed) || !taken.insert(word).second) { continue; }
        colon = colon || word.ends_with(':') || word.ends_with('=');
        app.line(plan.prefix + word + (description.empty() ? "" : "\t" + description));
    }
    if (std::find(plan.names.begin(), plan.names.end(), Names::Files) != plan.names.end()) {
        app.line(":files");
    }
    if (colon) { app.line(":nospace"); }
    return 0;
}

} // namespace

const Command completion_bash_command{"", "Print the completion script for bash", {}, bash, {0, 0}};
const Command completion_zsh_command{"", "Print the completion script for zsh", {}, zsh, {0, 0}};
const Command complete_command{.usage = "WORD...",
                               .summary = "What a line could go on with",
                               .action = complete,
                               .unparsed = true};

} // namespace shoal::cli
