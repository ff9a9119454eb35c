#include "cli/build_answer.h"

#include "base/text.h"
#include "cli/support.h"

namespace shoal::cli {
namespace {

std::optional<BuildAnswer::Failure> failure_in(const Json& message) {
    if (!message.contains("error") && !message.contains("errorDetail")) { return std::nullopt; }
    BuildAnswer::Failure failure{text_of(message, "error")};
    if (const auto detail = message.find("errorDetail"); detail != message.end()) {
        if (const auto text = text_of(*detail, "message"); !text.empty()) {
            failure.message = text;
        }
        const auto code = number_of(*detail, "code");
        if (code > 0 && code < 256) { failure.code = static_cast<int>(code); }
    }
    return failure;
}

} // namespace

BuildAnswer::BuildAnswer(Show show)
    : show_(std::move(show)), objects_([this](const Json& message) { return take(message); }) {}

Result<void> BuildAnswer::take(const Json& message) {
    if (failure_) { return ok(); } // nothing that comes behind it counts
    failure_ = failure_in(message);
    if (failure_) { return ok(); }
    if (const auto aux = message.find("aux"); aux != message.end() && aux->is_object()) {
        if (auto id = text_of(*aux, "ID"); !id.empty()) { id_ = std::move(id); }
    }
    return show_(message);
}

Result<void> BuildAnswer::finish() const {
    if (failure_ || objects_.at_border()) { return ok(); }
    return internal("unexpected EOF");
}

std::string id_in(std::string_view text) {
    const std::string_view line = trim(text);
    constexpr std::string_view kind = "sha256:";
    if (!line.starts_with(kind) || line.size() != kind.size() + 64) { return ""; }
    return is_hex(line.substr(kind.size())) ? std::string(line) : std::string();
}

} // namespace shoal::cli
