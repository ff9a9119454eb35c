#include "api/build_words.h"

#include "base/text.h"
#include "oci/reference.h"

namespace shoal::api {
namespace {

using build::Event;

std::string short_id(const std::string& id) {
    const std::string_view digits =
        id.starts_with("sha256:") ? std::string_view(id).substr(7) : std::string_view(id);
    return std::string(digits.substr(0, 12));
}

bool starts_with_arg(const std::string& text) {
    return equals_ignore_case(text.substr(0, 4), "ARG ");
}

std::string_view kind_name(Event::Kind kind) {
    switch (kind) {
    case Event::Kind::Announced:
        return "announced";
    case Event::Kind::Started:
        return "started";
    case Event::Kind::Cached:
        return "cached";
    case Event::Kind::Container:
        return "container";
    case Event::Kind::Removed:
        return "removed";
    case Event::Kind::Output:
        return "output";
    case Event::Kind::Progress:
        return "progress";
    case Event::Kind::Done:
        return "done";
    case Event::Kind::Failed:
        return "failed";
    case Event::Kind::Notice:
        return "notice";
    case Event::Kind::Warning:
        return "warning";
    }
    return "";
}

std::string warning_line(const dockerfile::Warning& warning) {
    std::string line = "[Warning] " + warning.rule + ": " + warning.message;
    if (warning.lines.first > 0) { line += " (line " + std::to_string(warning.lines.first) + ")"; }
    return line + "\n";
}

/// "name:tag" as Docker shows it.
std::string shown_name(const std::string& tag) {
    const auto reference = oci::Reference::parse(tag);
    return reference ? reference->with_default_tag().familiar() : tag;
}

} // namespace

std::string classic_words(const Event& event) {
    const auto& step = *event.step;
    switch (event.kind) {
    case Event::Kind::Started:
        return "Step " + std::to_string(step.number) + "/" + std::to_string(step.total) + " : " +
               step.text + "\n";
    case Event::Kind::Cached:
        return " ---> Using cache\n";
    case Event::Kind::Container:
        return " ---> Running in " + short_id(event.text) + "\n";
    case Event::Kind::Removed:
        return "Removing intermediate container " + short_id(event.text) + "\n";
    case Event::Kind::Output:
        return event.text;
    case Event::Kind::Done:
        if (event.text.empty() && starts_with_arg(step.text)) { return ""; } // before any FROM
        return " ---> " + short_id(event.text) + "\n";
    case Event::Kind::Notice:
        return event.text + "\n";
    case Event::Kind::Failed: {
        // The message itself comes as the stream's error; this is where it happened.
        const auto at = event.text.find('\n');
        return at == std::string::npos ? "" : event.text.substr(at + 1) + "\n";
    }
    case Event::Kind::Announced:
    case Event::Kind::Progress:
    case Event::Kind::Warning:
        return "";
    }
    return "";
}

net::Task<void> ClassicVoice::say(std::string text) {
    if (text.empty()) { co_return; }
    if (quiet_) {
        // Heard of only when the build fails.
        if (kept_.size() < waiting_bytes_max) { kept_ += text; }
        co_return;
    }
    Json line{{"stream", text}};
    auto said = co_await call_.progress(std::move(line));
    (void)said; // a client that has gone ends the build through its cancel token
}

net::Task<void> ClassicVoice::on(Event event) {
    if (event.kind == Event::Kind::Warning) {
        warnings_.push_back(*event.warning);
        co_return;
    }
    if (event.step == nullptr || event.step->stage < 0) { co_return; }
    const int stage = event.step->stage;
    if (event.kind == Event::Kind::Announced) {
        last_step_[stage] = event.step->id;
        co_return;
    }
    std::string text = classic_words(event);
    if (event.kind == Event::Kind::Done && event.step->id == last_step_[stage]) {
        ended_.insert(stage);
    }
    if (stage != turn_) {
        std::string& waiting = waiting_[stage];
        if (waiting.size() < waiting_bytes_max) { waiting += text; }
        co_return;
    }
    co_await say(std::move(text));
    while (ended_.contains(turn_)) {
        ++turn_;
        std::string next = std::exchange(waiting_[turn_], {});
        co_await say(std::move(next));
    }
}

net::Task<Result<void>> end_build_stream(Call& call, const Result<build::Built>& built,
                                         int exit_code) {
    if (built) {
        Json line{{"aux", Json{{"ID", oci::prefixed(built->id)}}}};
        co_return co_await call.progress(std::move(line));
    }
    const std::string& message = built.error().message;
    if (!call.begun()) { co_return built.error(); }
    Json detail{{"message", message}};
    if (exit_code != 0) { detail["code"] = exit_code; }
    Json line{{"errorDetail", detail}, {"error", message}};
    CO_TRY(co_await call.progress(std::move(line)));
    co_return co_await call.end();
}

net::Task<Result<void>> ClassicVoice::finish(const Result<build::Built>& built,
                                             const build::Request& request, int exit_code) {
    for (auto& [stage, text] : waiting_) {
        std::string rest = std::exchange(text, {});
        co_await say(std::move(rest));
    }
    if (!built && quiet_) {
        quiet_ = false;
        co_await say(std::move(kept_));
    }
    if (!built) { co_return co_await end_build_stream(call_, built, exit_code); }
    if (quiet_) {
        Json line{{"stream", oci::prefixed(built->id) + "\n"}};
        CO_TRY(co_await call_.progress(std::move(line)));
        co_return co_await call_.end();
    }
    if (!built->unused_args.empty()) {
        co_await say("[Warning] One or more build-args [" + join(built->unused_args, " ") +
                     "] were not consumed\n");
    }
    for (const auto& warning : warnings_) { co_await say(warning_line(warning)); }
    CO_TRY(co_await end_build_stream(call_, built, 0));
    co_await say("Successfully built " + built->id.short_text() + "\n");
    for (const auto& tag : request.tags) {
        co_await say("Successfully tagged " + shown_name(tag) + "\n");
    }
    co_return co_await call_.end();
}

net::Task<void> EventVoice::on(Event event) {
    Json body{{"Event", kind_name(event.kind)}, {"At", event.at.time_since_epoch().count()}};
    if (event.step != nullptr) { body["Step"] = event.step->id; }
    if (!event.text.empty()) { body["Text"] = event.text; }
    if (event.kind == Event::Kind::Announced) {
        body["Name"] = event.step->name;
        body["Stage"] = event.step->stage_name;
        body["StageIndex"] = event.step->stage;
        body["Number"] = event.step->number;
        body["Total"] = event.step->total;
        body["Needs"] = event.step->needs;
    }
    if (event.kind == Event::Kind::Output) { body["ErrorStream"] = event.error_stream; }
    if (event.kind == Event::Kind::Progress) {
        body["Current"] = event.current;
        body["Bytes"] = event.total;
    }
    if (event.warning) {
        body["Rule"] = event.warning->rule;
        body["Text"] = event.warning->message;
        body["Line"] = event.warning->lines.first;
    }
    Json line{{"id", "shoal.build"}, {"aux", std::move(body)}};
    auto said = co_await call_.progress(std::move(line));
    (void)said;
}

net::Task<Result<void>> EventVoice::finish(const Result<build::Built>& built,
                                           const build::Request& request, int exit_code) {
    (void)request;
    if (built && !built->unused_args.empty()) {
        Json body{{"Event", "warning"},
                  {"Text", "One or more build-args [" + join(built->unused_args, " ") +
                               "] were not consumed"}};
        Json line{{"id", "shoal.build"}, {"aux", std::move(body)}};
        CO_TRY(co_await call_.progress(std::move(line)));
    }
    CO_TRY(co_await end_build_stream(call_, built, exit_code));
    if (built) { co_return co_await call_.end(); }
    co_return ok();
}

} // namespace shoal::api
