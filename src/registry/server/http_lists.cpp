// What there is: repositories, tags, referrers; page by page.
#include "base/text.h"
#include "registry/protocol/ranges.h"
#include "registry/server/http_call.h"

namespace shoal::registry {
namespace {

constexpr std::size_t catalog_page = 1000;
constexpr std::size_t referrers_page = 500;

/// ?n=, at most `most`. Fails: Invalid.
Result<std::size_t> page_size(const Call& call, std::size_t otherwise, std::size_t most) {
    const auto* text = call.request().param("n");
    if (text == nullptr || text->empty()) { return std::min(otherwise, most); }
    const auto number = parse_number<std::uint64_t>(*text);
    if (!number) { return invalid("invalid number of results: " + text->substr(0, 50)); }
    return static_cast<std::size_t>(std::min<std::uint64_t>(*number, most));
}

/// Cuts the one that was asked for beyond the page; true when there was one.
template <class T> bool cut_to_page(std::vector<T>& all, std::size_t n) {
    if (all.size() <= n) { return false; }
    all.resize(n);
    return n > 0;
}

std::string next_page(std::string_view path, std::string_view last, std::size_t n) {
    return print_next_link(std::string(path) + "?last=" + encode_percent(last) +
                           "&n=" + std::to_string(n));
}

net::Headers json_headers() {
    net::Headers headers = api_headers();
    headers.add("Content-Type", "application/json; charset=utf-8");
    return headers;
}

Json referrer_entry(const Referrer& referrer) {
    Json entry{{"mediaType", referrer.descriptor.media_type},
               {"digest", referrer.descriptor.digest.text()},
               {"size", referrer.descriptor.size}};
    if (!referrer.artifact_type.empty()) { entry["artifactType"] = referrer.artifact_type; }
    if (!referrer.descriptor.annotations.empty()) {
        entry["annotations"] = referrer.descriptor.annotations;
    }
    return entry;
}

std::string print_referrers(const std::vector<Referrer>& all) {
    Json list = Json::array();
    for (const auto& referrer : all) { list.push_back(referrer_entry(referrer)); }
    return dump_json(Json{{"schemaVersion", 2},
                          {"mediaType", oci::media::oci_index},
                          {"manifests", std::move(list)}});
}

} // namespace

net::Task<void> answer_base(Call& call) {
    net::Headers headers = json_headers();
    co_await call.answer(200, std::move(headers), "{}");
}

net::Task<void> list_catalog(Call& call) {
    const Service& service = call.service();
    auto n = page_size(call, catalog_page, service.http.page_max);
    if (!n) {
        co_await call.refuse(Code::PaginationNumberInvalid, n.error().message);
        co_return;
    }
    // A token for the catalog says nothing of repositories: its user's rights do.
    const Access::Caller user{call.caller().identity, std::nullopt};
    const auto show = [&](const std::string& name) {
        return service.access->allows(user, name, Action::Pull);
    };
    auto names = service.store->repositories(call.param("last"), *n + 1, show);
    const bool more = cut_to_page(names, *n);
    net::Headers headers = json_headers();
    if (more) { headers.add("Link", next_page("/v2/_catalog", names.back(), *n)); }
    std::string body = dump_json(Json{{"repositories", names}});
    co_await call.answer(200, std::move(headers), std::move(body));
}

net::Task<void> list_tags(Call& call) {
    const std::size_t most = call.service().http.page_max;
    auto n = page_size(call, most, most);
    if (!n) {
        co_await call.refuse(Code::PaginationNumberInvalid, n.error().message);
        co_return;
    }
    const auto list = [store = call.service().store, name = call.name(), last = call.param("last"),
                       n = *n] { return store->tags(name, last, n + 1); };
    auto tags = co_await call.run(list);
    if (!tags) {
        co_await call.refuse(tags.error(), Code::NameUnknown);
        co_return;
    }
    const bool more = cut_to_page(*tags, *n);
    net::Headers headers = json_headers();
    if (more) {
        headers.add("Link", next_page("/v2/" + call.name() + "/tags/list", tags->back(), *n));
    }
    std::string body = dump_json(Json{{"name", call.name()}, {"tags", *tags}});
    co_await call.answer(200, std::move(headers), std::move(body));
}

net::Task<void> list_referrers(Call& call) {
    const auto digest = oci::Digest::parse(call.item());
    if (!digest) {
        co_await call.refuse(Code::DigestInvalid, digest.error().message);
        co_return;
    }
    auto n = page_size(call, referrers_page, referrers_page);
    if (!n) {
        co_await call.refuse(Code::PaginationNumberInvalid, n.error().message);
        co_return;
    }
    const std::string type = call.param("artifactType");
    const auto list = [store = call.service().store, name = call.name(), digest = *digest, type] {
        return store->referrers(name, digest, type);
    };
    auto all = co_await call.run(list);
    if (!all) {
        co_await call.refuse(all.error(), Code::NameUnknown);
        co_return;
    }
    const std::string last = call.param("last");
    std::erase_if(*all, [&](const Referrer& one) { return one.descriptor.digest.text() <= last; });
    const bool more = cut_to_page(*all, *n);
    net::Headers headers = api_headers();
    headers.add("Content-Type", std::string(oci::media::oci_index));
    if (!type.empty()) { headers.add("OCI-Filters-Applied", "artifactType"); }
    if (more) {
        std::string target = "/v2/" + call.name() + "/referrers/" + digest->text() +
                             "?last=" + encode_percent(all->back().descriptor.digest.text()) +
                             "&n=" + std::to_string(*n);
        if (!type.empty()) { target += "&artifactType=" + encode_percent(type); }
        headers.add("Link", print_next_link(target));
    }
    co_await call.answer(200, std::move(headers), print_referrers(*all));
}

} // namespace shoal::registry
