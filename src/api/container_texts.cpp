#include "api/container_texts.h"

#include "api/container_status.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/settings.h"

#include <unordered_set>

namespace shoal::api {

namespace {

constexpr std::size_t versions_max = 8; ///< of clients at one time, before everything is forgotten

std::string json_string(const std::string& text) { return dump_json(Json(text)); }

/// The name it was made from while that leads to the same image, else the image's id.
std::string image_name(engine::Engine& engine, const engine::Container& container) {
    const auto image = engine.images.resolve(container.config.image);
    if (image && image->id == container.image_id) { return container.config.image; }
    return oci::prefixed(container.image_id);
}

void append_element(std::string& body, const SummaryText& text, const engine::Container& container,
                    Instant now) {
    body += text.before;
    body += json_string(status_text(container.state, container.health.status, now));
    body += text.after;
}

} // namespace

const SummaryText& ContainerTexts::piece(engine::Engine& engine, const engine::Container& container,
                                         int version) {
    Piece& piece = pieces_[std::to_string(version) + container.id.text()];
    const std::uint64_t events = engine.env.events.published();
    if (piece.text.before.empty() || piece.generation != container.generation ||
        piece.events != events) {
        DocumentContext context;
        context.version = version;
        context.data_root = engine.env.settings.data_root;
        context.image_name = image_name(engine, container);
        context.network_id = [&engine](const std::string& name) {
            const auto network = engine.networks.find(name);
            return network ? network->id.text() : std::string();
        };
        piece = {container.generation, events, summary_text(container, context)};
    }
    return piece.text;
}

std::string ContainerTexts::element(engine::Engine& engine, const engine::Container& container,
                                    int version, Instant now,
                                    const std::optional<engine::Sizes>& sizes) {
    std::string text;
    append_element(text, piece(engine, container, version), container, now);
    if (sizes) {
        text += ",\"SizeRw\":" + std::to_string(sizes->rw_bytes) +
                ",\"SizeRootFs\":" + std::to_string(sizes->root_bytes);
    }
    return text + "}";
}

const std::string& ContainerTexts::list(engine::Engine& engine, int version, bool all,
                                        Instant now) {
    const auto containers = engine.containers.all();
    std::uint64_t generations = 0;
    for (const auto& container : containers) { generations += container->generation; }
    const std::uint64_t events = engine.env.events.published();
    if (wholes_.size() > versions_max) {
        wholes_.clear();
        pieces_.clear();
    }
    Whole& whole = wholes_[{version, all}];
    const bool same = whole.generations == generations && whole.events == events &&
                      whole.count == containers.size();
    if (same && !whole.body.empty() && now >= whole.made && now - whole.made < list_age_max) {
        return whole.body;
    }
    forget_removed(containers);
    whole.body = "[";
    for (const auto& container : containers) {
        const bool alive =
            container->state.running() || container->state.status == engine::Status::Restarting;
        if (!all && !alive) { continue; }
        if (whole.body.size() > 1) { whole.body += ','; }
        append_element(whole.body, piece(engine, *container, version), *container, now);
        whole.body += '}';
    }
    whole.body += "]\n";
    whole.generations = generations;
    whole.events = events;
    whole.count = containers.size();
    whole.made = now;
    return whole.body;
}

void ContainerTexts::forget_removed(const std::vector<engine::ContainerPtr>& present) {
    if (pieces_.size() <= 2 * versions_max + 2 * present.size()) { return; }
    std::unordered_set<std::string_view> ids;
    for (const auto& container : present) { ids.insert(container->id.text()); }
    std::erase_if(pieces_, [&](const auto& item) {
        return !ids.contains(std::string_view(item.first).substr(3));
    });
}

} // namespace shoal::api
