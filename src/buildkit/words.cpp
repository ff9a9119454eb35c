#include "buildkit/words.h"

#include "base/text.h"
#include "buildkit/message.h"
#include "health.pb.h"

#include <algorithm>

namespace shoal::buildkit {

namespace {

bool is_plain(const std::string& value) {
    const auto plain = [](char c) { return c >= 0x20 && c < 0x7f; };
    return std::all_of(value.begin(), value.end(), plain) && !value.starts_with(' ') &&
           !value.ends_with(' ');
}

} // namespace

void add_values(net::GrpcMetadata& metadata, const std::string& key,
                const std::vector<std::string>& values) {
    const bool plain = std::all_of(values.begin(), values.end(), is_plain);
    for (const auto& value : values) { metadata.add(key, plain ? value : encode_percent(value)); }
    if (!plain) { metadata.add(key + "-encoded", "1"); }
}

Result<std::vector<std::string>> values_of(const net::GrpcCall& call, const std::string& key) {
    auto values = call.values(key);
    if (!parse_bool(call.value(key + "-encoded")).value_or(false)) { return values; }
    for (auto& value : values) {
        TRY_LET(decoded, decode_percent(value, true).with(key));
        value = std::move(decoded);
    }
    return values;
}

std::string print_serving() {
    grpc::health::v1::HealthCheckResponse response;
    response.set_status(grpc::health::v1::HealthCheckResponse::SERVING);
    return print_message(response);
}

} // namespace shoal::buildkit
