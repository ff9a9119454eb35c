#include "network/kept_table.h"

#include "base/text.h"
#include "os/nft.h"

#include <fmt/format.h>

#include <vector>

namespace shoal::network {
namespace {

/// "" when there is none.
std::string listing_of(os::Nft& nft, const std::string& table) {
    return nft.query("list table inet " + table, os::Nft::Form::Text).value_or("");
}

} // namespace

std::string set_elements(const std::set<Ip>& all, Family family) {
    std::vector<std::string> texts;
    for (const auto& ip : all) {
        if (ip.family() == family) { texts.push_back(ip.text()); }
    }
    return texts.empty() ? "" : fmt::format(" elements = {{ {} }};", join(texts, ", "));
}

Result<void> KeptTable::write(const std::string& body) {
    TRY_LET(nft, os::Nft::open());
    auto text = fmt::format("table inet {0} {{ }}\ndelete table inet {0}\n", name_);
    if (!body.empty()) { text += fmt::format("table inet {} {{\n{}}}\n", name_, body); }
    TRY(nft.apply(text));
    body_ = body;
    listing_ = body.empty() ? "" : listing_of(nft, name_);
    return ok();
}

Result<void> KeptTable::write_if_absent(const std::string& body) {
    TRY_LET(nft, os::Nft::open());
    return listing_of(nft, name_).empty() ? write(body) : ok();
}

Result<std::size_t> KeptTable::repair() {
    if (body_.empty()) { return std::size_t{0}; }
    TRY_LET(nft, os::Nft::open());
    if (listing_of(nft, name_) == listing_) { return std::size_t{0}; }
    TRY(write(std::string(body_)));
    return std::size_t{1};
}

} // namespace shoal::network
