// Names of BuildKit's session protocol: methods and metadata keys; and how values get into headers.
#pragma once

#include "net/grpc.h"

#include <string>
#include <vector>

namespace shoal::buildkit {

inline constexpr auto method_sync = "/moby.filesync.v1.FileSync/DiffCopy";
inline constexpr auto method_send = "/moby.filesync.v1.FileSend/DiffCopy";
inline constexpr auto method_credentials = "/moby.filesync.v1.Auth/Credentials";
inline constexpr auto method_secret = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
inline constexpr auto method_check_agent = "/moby.sshforward.v1.SSH/CheckAgent";
inline constexpr auto method_forward_agent = "/moby.sshforward.v1.SSH/ForwardAgent";
inline constexpr auto method_upload = "/moby.upload.v1.Upload/Pull";
inline constexpr auto method_health = "/grpc.health.v1.Health/Check";

inline constexpr auto key_directory = "dir-name";
inline constexpr auto key_include = "include-patterns";
inline constexpr auto key_exclude = "exclude-patterns";
inline constexpr auto key_follow = "followpaths";
inline constexpr auto key_upload_path = "urlpath";
inline constexpr auto key_agent = "buildkit.ssh.id";

inline constexpr std::size_t secret_bytes_max = 500 * 1024;

/// Adds one header per value. Values that headers cannot carry are escaped, all of the key, and
/// "<key>-encoded" says so.
void add_values(net::GrpcMetadata& metadata, const std::string& key,
                const std::vector<std::string>& values);
/// The reverse. Fails: Invalid.
Result<std::vector<std::string>> values_of(const net::GrpcCall& call, const std::string& key);

/// HealthCheckResponse of somebody who is well.
std::string print_serving();

} // namespace shoal::buildkit
