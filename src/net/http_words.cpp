#include "net/http.h"

#include "base/text.h"
#include "net/http_status.h"

namespace shoal::net {

const std::string* Headers::get(std::string_view name) const {
    for (const auto& [key, value] : all_) {
        if (equals_ignore_case(key, name)) { return &value; }
    }
    return nullptr;
}

std::string_view Headers::get_or(std::string_view name, std::string_view otherwise) const {
    const auto* value = get(name);
    return value == nullptr ? otherwise : std::string_view(*value);
}

bool Headers::has_token(std::string_view name, std::string_view token) const {
    for (const auto& [key, value] : all_) {
        if (!equals_ignore_case(key, name)) { continue; }
        for (const auto& part : split(value, ',')) {
            if (equals_ignore_case(trim(part), token)) { return true; }
        }
    }
    return false;
}

void Headers::set(std::string_view name, std::string value) {
    remove(name);
    all_.emplace_back(std::string(name), std::move(value));
}

void Headers::remove(std::string_view name) {
    std::erase_if(all_, [&](const auto& entry) { return equals_ignore_case(entry.first, name); });
}

Result<Query> parse_query(std::string_view text) {
    Query query;
    while (!text.empty()) {
        const auto end = text.find('&');
        const auto pair = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (pair.empty()) { continue; }
        const auto equals = pair.find('=');
        const auto raw_value =
            equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
        TRY_LET(name, decode_percent(pair.substr(0, equals), true).with("query"));
        TRY_LET(value, decode_percent(raw_value, true).with("query"));
        query.emplace_back(std::move(name), std::move(value));
    }
    return query;
}

const std::string* RequestHead::param(std::string_view name) const {
    for (const auto& [key, value] : query) {
        if (key == name) { return &value; }
    }
    return nullptr;
}

std::vector<std::string> RequestHead::params(std::string_view name) const {
    std::vector<std::string> values;
    for (const auto& [key, value] : query) {
        if (key == name) { values.push_back(value); }
    }
    return values;
}

std::string_view reason_phrase(int status) {
    switch (status) {
    case 100:
        return "Continue";
    case 101:
        return "UPGRADED"; // dockerd's own words, which some clients compare
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 206:
        return "Partial Content";
    case 301:
        return "Moved Permanently";
    case 302:
        return "Found";
    case 304:
        return "Not Modified";
    case 307:
        return "Temporary Redirect";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 406:
        return "Not Acceptable";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 411:
        return "Length Required";
    case 413:
        return "Payload Too Large";
    case 414:
        return "URI Too Long";
    case 416:
        return "Range Not Satisfiable";
    case 417:
        return "Expectation Failed";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    case 507:
        return "Insufficient Storage";
    default:
        return "Status";
    }
}

Errc code_of_status(int status) {
    switch (status) {
    case 400:
        return Errc::Invalid;
    case 401:
        return Errc::Unauthorized;
    case 403:
        return Errc::Forbidden;
    case 404:
        return Errc::NotFound;
    case 409:
        return Errc::Conflict;
    case 501:
        return Errc::Unsupported;
    case 503:
        return Errc::Unavailable;
    default:
        return Errc::Internal;
    }
}

} // namespace shoal::net
