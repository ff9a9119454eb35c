#include "oci/image_config.h"

#include "oci/image_config_codec.h"

namespace shoal::oci {

Result<ImageConfig> parse_image_config(std::string_view text) {
    TRY_LET(config, codec::parse<ImageConfig>(text, codec::Unknown::Ignore).with("image config"));
    if (config.rootfs.type != "layers") {
        return invalid("image config: rootfs.type: expected \"layers\", got \"" +
                       config.rootfs.type + "\"");
    }
    if (config.rootfs.diff_ids.size() > layers_max) {
        return invalid("image config: " + std::to_string(config.rootfs.diff_ids.size()) +
                       " layers are more than the maximum of " + std::to_string(layers_max));
    }
    std::size_t with_layer = 0;
    for (const auto& step : config.history) { with_layer += step.empty_layer ? 0 : 1; }
    if (!config.history.empty() && with_layer > config.rootfs.diff_ids.size()) {
        return invalid("image config: history names more layers than rootfs.diff_ids");
    }
    return std::move(config);
}

std::string print_image_config(const ImageConfig& config) { return codec::print(config); }

std::string_view host_architecture() {
#if defined(__x86_64__)
    return "amd64";
#elif defined(__aarch64__)
    return "arm64";
#elif defined(__riscv) && __riscv_xlen == 64
    return "riscv64";
#elif defined(__powerpc64__)
    return "ppc64le";
#elif defined(__s390x__)
    return "s390x";
#elif defined(__i386__)
    return "386";
#elif defined(__arm__)
    return "arm";
#else
#error "name this architecture in Go's words"
#endif
}

} // namespace shoal::oci
