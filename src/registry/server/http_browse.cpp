// What the page asks for: lists by the page with search, and documents to look at. Everything is
// the storage's word of this moment; rights were asked before.
#include "base/text.h"
#include "base/time.h"
#include "os/file.h"
#include "registry/server/browse.h"
#include "registry/server/http_call.h"

#include <algorithm>

namespace shoal::registry {
namespace {

constexpr std::size_t lines_max = 100; ///< of one answer
constexpr std::size_t lines_usual = 50;

/// Which part of a list is wanted.
struct Window {
    std::string search; ///< in lower case
    std::size_t offset = 0;
    std::size_t count = lines_usual;
};

Result<Window> window_of(const Call& call) {
    Window window;
    window.search = to_lower(call.param("search"));
    const auto number = [&](const char* key, std::size_t& into) -> Result<void> {
        const std::string text = call.param(key);
        if (text.empty()) { return ok(); }
        const auto value = parse_number<std::uint32_t>(text);
        if (!value) { return invalid("invalid " + std::string(key) + ": " + text.substr(0, 50)); }
        into = *value;
        return ok();
    };
    TRY(number("offset", window.offset));
    TRY(number("n", window.count));
    window.count = std::min(window.count, lines_max);
    return window;
}

void keep_matching(std::vector<std::string>& names, const std::string& search) {
    if (search.empty()) { return; }
    std::erase_if(names, [&](const std::string& name) {
        return to_lower(name).find(search) == std::string::npos;
    });
}

template <class T> std::vector<T> cut_window(std::vector<T> all, const Window& window) {
    const std::size_t begin = std::min(window.offset, all.size());
    const std::size_t end = std::min(begin + window.count, all.size());
    return {std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(begin)),
            std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(end))};
}

std::string text_of(Instant at) { return at == Instant() ? "" : format_rfc3339(at); }

Json print_summary(const RepositorySummary& summary) {
    return Json{{"name", summary.name},
                {"tags", summary.tags},
                {"bytes", summary.bytes},
                {"changed", text_of(summary.changed)}};
}

std::optional<std::string> read_blob(const Store& store, const std::string& name,
                                     const oci::Digest& digest, std::size_t bytes_max) {
    const auto blob = store.open_blob(name, digest);
    if (!blob || blob->size > static_cast<std::int64_t>(bytes_max)) { return std::nullopt; }
    auto bytes = os::read_all(blob->file, bytes_max);
    return bytes ? std::optional(std::move(*bytes)) : std::nullopt;
}

BrowseSource source_in(const Store& store, const std::string& name) {
    BrowseSource source;
    source.manifest = [&store, name](const oci::Digest& digest) {
        auto manifest = store.manifest(name, digest.text());
        return manifest ? std::optional(std::move(*manifest)) : std::nullopt;
    };
    source.blob = [&store, name](const oci::Digest& digest, std::size_t bytes_max) {
        return read_blob(store, name, digest, bytes_max);
    };
    return source;
}

/// The wanted order, and at the same time what `digest` asks for.
Result<std::vector<std::string>> find_tags(const Store& store, const std::string& name,
                                           const std::string& order, const std::string& digest,
                                           const std::string& search) {
    TRY_LET(names, store.tags(name, "", SIZE_MAX));
    keep_matching(names, search);
    if (order == "name" && digest.empty()) { return names; }
    TRY_LET(infos, store.tag_infos(name, "", SIZE_MAX));
    std::erase_if(infos, [&](const Store::TagInfo& info) {
        const bool other = !digest.empty() && info.digest.text() != digest;
        return other || !std::binary_search(names.begin(), names.end(), info.tag);
    });
    if (order == "newest") {
        std::stable_sort(infos.begin(), infos.end(),
                         [](const auto& a, const auto& b) { return a.changed > b.changed; });
    }
    names.clear();
    for (auto& info : infos) { names.push_back(std::move(info.tag)); }
    return names;
}

Json print_tag(const Store& store, const std::string& name, const std::string& tag) {
    const auto manifest = store.manifest(name, tag);
    if (!manifest) { return Json{{"tag", tag}}; } // it went a moment ago
    Json line = summarize_manifest(*manifest, source_in(store, name));
    line["tag"] = tag;
    const auto info = store.tag_info(name, tag);
    line["changed"] = info ? text_of(info->changed) : "";
    return line;
}

Result<Json> list_tags(const Store& store, const std::string& name, const std::string& order,
                       const std::string& digest, const Window& window) {
    TRY_LET(names, find_tags(store, name, order, digest, window.search));
    Json document{{"total", names.size()}, {"tags", Json::array()}};
    for (const auto& tag : cut_window(std::move(names), window)) {
        document["tags"].push_back(print_tag(store, name, tag));
    }
    return document;
}

net::Task<void> answer_document(Call& call, Result<Json> document, Code code) {
    if (!document) {
        co_await call.refuse(document.error(), code);
        co_return;
    }
    co_await call.answer(200, page_headers(), dump_json(*document));
}

net::Task<void> refuse_number(Call& call, const Error& error) {
    co_await call.refuse(Code::PaginationNumberInvalid, error.message);
}

} // namespace

net::Task<void> browse_repositories(Call& call) {
    const auto window = window_of(call);
    if (!window) {
        co_await refuse_number(call, window.error());
        co_return;
    }
    const Service& service = call.service();
    const auto show = [&](const std::string& name) {
        return service.access->allows(call.caller(), name, Action::Pull);
    };
    auto names = service.store->repositories("", SIZE_MAX, show);
    keep_matching(names, window->search);
    const std::size_t total = names.size();
    auto job = [store = service.store, names = cut_window(std::move(names), *window)] {
        Json list = Json::array();
        for (const auto& name : names) {
            const auto summary = store->summary(name);
            list.push_back(summary ? print_summary(*summary) : Json{{"name", name}});
        }
        return list;
    };
    Json list = co_await call.run(std::move(job));
    Json document{{"total", total}, {"repositories", std::move(list)}};
    co_await call.answer(200, page_headers(), dump_json(document));
}

net::Task<void> browse_repository(Call& call) {
    const auto job = [store = call.service().store, name = call.name()] {
        return store->summary(name);
    };
    auto summary = co_await call.run(job);
    if (!summary) {
        co_await call.refuse(summary.error(), Code::NameUnknown);
        co_return;
    }
    const Access& access = *call.service().access;
    Json document = print_summary(*summary);
    document["mayDelete"] = access.allows(call.caller(), call.name(), Action::Delete);
    co_await call.answer(200, page_headers(), dump_json(document));
}

net::Task<void> delete_repository(Call& call) {
    const auto job = [store = call.service().store, name = call.name()] {
        return store->remove_repository(name);
    };
    auto removed = co_await call.run(job);
    call.audit("delete repository", call.name(),
               removed ? "ok" : std::string_view(removed.error().message));
    if (!removed) {
        co_await call.refuse(removed.error(), Code::NameUnknown);
        co_return;
    }
    co_await call.answer(202, page_headers(), "{}");
}

net::Task<void> browse_tags(Call& call) {
    const auto window = window_of(call);
    if (!window) {
        co_await refuse_number(call, window.error());
        co_return;
    }
    std::string order = call.param("order");
    if (order.empty()) { order = "name"; }
    if (order != "name" && order != "newest") {
        co_await call.refuse(Code::Unsupported, "order is name or newest");
        co_return;
    }
    const auto job = [store = call.service().store, name = call.name(), order,
                      digest = call.param("digest"),
                      window = *window] { return list_tags(*store, name, order, digest, window); };
    auto document = co_await call.run(job);
    co_await answer_document(call, std::move(document), Code::NameUnknown);
}

net::Task<void> browse_manifest(Call& call) {
    const auto job = [store = call.service().store, name = call.name(),
                      reference = call.item()]() -> Result<Json> {
        TRY_LET(manifest, store->manifest(name, reference));
        return describe_manifest(manifest, source_in(*store, name));
    };
    auto document = co_await call.run(job);
    co_await answer_document(call, std::move(document), Code::ManifestUnknown);
}

net::Task<void> browse_referrers(Call& call) {
    const auto digest = oci::Digest::parse(call.param("digest"));
    if (!digest) {
        co_await call.refuse(Code::DigestInvalid, digest.error().message);
        co_return;
    }
    const auto job = [store = call.service().store, name = call.name(),
                      digest = *digest]() -> Result<Json> {
        TRY_LET(all, store->referrers(name, digest, ""));
        Json list = Json::array();
        for (const auto& one : all) {
            list.push_back({{"digest", one.descriptor.digest.text()},
                            {"mediaType", one.descriptor.media_type},
                            {"size", one.descriptor.size},
                            {"artifactType", one.artifact_type},
                            {"annotations", one.descriptor.annotations}});
        }
        return Json{{"referrers", std::move(list)}};
    };
    auto document = co_await call.run(job);
    co_await answer_document(call, std::move(document), Code::NameUnknown);
}

} // namespace shoal::registry
