#include "registry/protocol/errors.h"

#include "base/text.h"

namespace shoal::registry {
namespace {

struct Row {
    Code code;
    std::string_view name;
    int status;
    std::string_view message;
};

constexpr Row rows[] = {
    {Code::BlobUnknown, "BLOB_UNKNOWN", 404, "blob unknown to registry"},
    {Code::BlobUploadInvalid, "BLOB_UPLOAD_INVALID", 400, "blob upload invalid"},
    {Code::BlobUploadUnknown, "BLOB_UPLOAD_UNKNOWN", 404, "blob upload unknown to registry"},
    {Code::DigestInvalid, "DIGEST_INVALID", 400, "provided digest did not match uploaded content"},
    {Code::ManifestBlobUnknown, "MANIFEST_BLOB_UNKNOWN", 404, "blob unknown to registry"},
    {Code::ManifestInvalid, "MANIFEST_INVALID", 400, "manifest invalid"},
    {Code::ManifestUnknown, "MANIFEST_UNKNOWN", 404, "manifest unknown"},
    {Code::NameInvalid, "NAME_INVALID", 400, "invalid repository name"},
    {Code::NameUnknown, "NAME_UNKNOWN", 404, "repository name not known to registry"},
    {Code::SizeInvalid, "SIZE_INVALID", 400, "provided length did not match content length"},
    {Code::TagInvalid, "TAG_INVALID", 400, "manifest tag did not match URI"},
    {Code::PaginationNumberInvalid, "PAGINATION_NUMBER_INVALID", 400,
     "invalid number of results requested"},
    {Code::RangeInvalid, "RANGE_INVALID", 416, "invalid content range"},
    {Code::Unauthorized, "UNAUTHORIZED", 401, "authentication required"},
    {Code::Denied, "DENIED", 403, "requested access to the resource is denied"},
    {Code::Unsupported, "UNSUPPORTED", 405, "The operation is unsupported."},
    {Code::TooManyRequests, "TOOMANYREQUESTS", 429, "too many requests"},
    {Code::Unavailable, "UNAVAILABLE", 503, "service unavailable"},
    {Code::Unknown, "UNKNOWN", 500, "unknown error"},
};

const Row& row_of(Code code) {
    for (const Row& row : rows) {
        if (row.code == code) { return row; }
    }
    ASSERT(false);
    return rows[0];
}

constexpr std::size_t shown_max = 200;

std::string one_line(std::string_view body) {
    std::string line;
    for (const char c : body.substr(0, shown_max)) { line += c >= ' ' && c != '\x7f' ? c : ' '; }
    return std::string(trim(line));
}

/// "denied: requested access ..." of each entry; "" when the body is no error document.
std::string messages_of(std::string_view body) {
    const auto document = parse_json(body);
    if (!document || !document->is_object()) { return ""; }
    std::vector<std::string> all;
    if (document->contains("errors") && (*document)["errors"].is_array()) {
        for (const auto& entry : (*document)["errors"]) {
            if (!entry.is_object()) { continue; }
            const auto text = [&](const char* key) {
                return entry.contains(key) && entry[key].is_string() ? entry[key].get<std::string>()
                                                                     : std::string();
            };
            std::string code = to_lower(text("code"));
            for (char& c : code) { c = c == '_' ? ' ' : c; }
            const std::string message = one_line(text("message"));
            all.push_back(message.empty() ? code : code.empty() ? message : code + ": " + message);
        }
    } else if (document->contains("details") && (*document)["details"].is_string()) {
        all.push_back(one_line((*document)["details"].get<std::string>())); // of token services
    } else if (document->contains("error") && (*document)["error"].is_string()) {
        all.push_back(one_line((*document)["error"].get<std::string>()));
    }
    std::string joined;
    for (const auto& one : all) { joined += (joined.empty() ? "" : ", ") + one; }
    return joined;
}

Errc code_of(int status) {
    if (status == 401) { return Errc::Unauthorized; }
    if (status == 403) { return Errc::Forbidden; }
    if (status == 404) { return Errc::NotFound; }
    if (status == 429 || status >= 500) { return Errc::Unavailable; }
    return Errc::Invalid;
}

} // namespace

std::string_view name_of(Code code) { return row_of(code).name; }
int status_of(Code code) { return row_of(code).status; }

std::string print_errors(const std::vector<Problem>& problems) {
    Json list = Json::array();
    for (const Problem& problem : problems) {
        const Row& row = row_of(problem.code);
        Json entry{
            {"code", row.name},
            {"message", problem.message.empty() ? std::string(row.message) : problem.message}};
        if (!problem.detail.is_null()) { entry["detail"] = problem.detail; }
        list.push_back(std::move(entry));
    }
    return dump_json(Json{{"errors", std::move(list)}}) + "\n";
}

Error error_of_answer(int status, std::string_view body) {
    std::string message = messages_of(body);
    // An answer to HEAD has no document.
    if (message.empty() && body.empty() && status == 401) {
        message = "unauthorized: authentication required";
    }
    if (message.empty() && body.empty() && status == 403) {
        message = "denied: requested access to the resource is denied";
    }
    if (message.empty()) {
        const std::string shown = one_line(body);
        message =
            "unexpected status " + std::to_string(status) + (shown.empty() ? "" : ": " + shown);
    }
    return Error{code_of(status), std::move(message)};
}

} // namespace shoal::registry
