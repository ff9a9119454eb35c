// What the page asks for: lists by the page with search, and documents to look at. Everything is
// the storage's word of this moment; rights were asked before.
#include "base/text.h"
#include "registry/server/http_call.h"
#include "registry/server/page_lists.h"

namespace shoal::registry {
namespace {

constexpr std::size_t lines_max = 100; ///< of one answer

Result<ListWindow> window_of(const Call& call) {
    ListWindow window;
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

/// On the page's own threads, so that looking around holds up no pull.
template <class F> net::Task<void> answer_with(Call& call, F job, Code code) {
    const net::Until until(call.exchange().gone());
    auto document = co_await call.service().page_pool.run_until(std::move(job), until);
    if (!document) {
        co_await call.refuse(document.error(), code);
        co_return;
    }
    co_await call.answer(200, page_headers(), dump_json(*document));
}

} // namespace

net::Task<void> browse_repositories(Call& call) {
    const auto window = window_of(call);
    if (!window) {
        co_await call.refuse(Code::PaginationNumberInvalid, window.error().message);
        co_return;
    }
    auto show = call.service().access->pullable(call.caller());
    auto job = [lists = call.service().page_lists, window = *window,
                show = std::move(show)]() -> Result<Json> {
        return lists->repositories(window, show);
    };
    co_await answer_with(call, std::move(job), Code::NameUnknown);
}

net::Task<void> browse_repository(Call& call) {
    const Access& access = *call.service().access;
    const bool may_delete = access.allows(call.caller(), call.name(), Action::Delete);
    auto job = [lists = call.service().page_lists, name = call.name(),
                may_delete]() -> Result<Json> {
        TRY_LET(document, lists->repository(name));
        document["mayDelete"] = may_delete;
        return std::move(document);
    };
    co_await answer_with(call, std::move(job), Code::NameUnknown);
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
        co_await call.refuse(Code::PaginationNumberInvalid, window.error().message);
        co_return;
    }
    const std::string order = call.param("order");
    if (!order.empty() && order != "name" && order != "newest") {
        co_await call.refuse(Code::Unsupported, "order is name or newest");
        co_return;
    }
    std::optional<oci::Digest> digest;
    if (const std::string text = call.param("digest"); !text.empty()) {
        auto parsed = oci::Digest::parse(text);
        if (!parsed) {
            co_await call.refuse(Code::DigestInvalid, parsed.error().message);
            co_return;
        }
        digest = *parsed;
    }
    auto job = [lists = call.service().page_lists, name = call.name(), window = *window,
                order = order == "newest" ? TagOrder::Newest : TagOrder::Name,
                digest = std::move(digest)] { return lists->tags(name, window, order, digest); };
    co_await answer_with(call, std::move(job), Code::NameUnknown);
}

net::Task<void> browse_manifest(Call& call) {
    auto job = [lists = call.service().page_lists, name = call.name(), reference = call.item()] {
        return lists->manifest(name, reference);
    };
    co_await answer_with(call, std::move(job), Code::ManifestUnknown);
}

net::Task<void> browse_referrers(Call& call) {
    const auto digest = oci::Digest::parse(call.param("digest"));
    if (!digest) {
        co_await call.refuse(Code::DigestInvalid, digest.error().message);
        co_return;
    }
    auto job = [lists = call.service().page_lists, name = call.name(), digest = *digest] {
        return lists->referrers(name, digest);
    };
    co_await answer_with(call, std::move(job), Code::NameUnknown);
}

} // namespace shoal::registry
