// The operations on images that move streams, made in image_streams.cpp and named in the table of
// images.cpp.
#pragma once

#include "api/call.h"
#include "oci/manifest.h"

namespace shoal::api {

net::Task<Result<void>> load_images(Call& call);
net::Task<Result<void>> save_images(Call& call);
net::Task<Result<void>> save_image(Call& call);
net::Task<Result<void>> create_image(Call& call);
net::Task<Result<void>> pull_image(Call& call); ///< create_image() with fromImage
net::Task<Result<void>> bootstrap_image(Call& call);
net::Task<Result<void>> commit_container(Call& call);

/// The parameter `platform`, in either form.
Result<oci::Platform> platform_of(const Call& call);
/// Fails with NotFound when the image is for another platform than asked for.
Result<void> check_platform(const Call& call, const std::string& name);

} // namespace shoal::api
