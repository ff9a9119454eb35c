// The JSON form of oci/image_config.h. Include it where a config is read or written.
#pragma once

#include "base/codec.h"
#include "oci/image_config.h"

namespace shoal::oci {

template <class V> void describe(V&, EmptyObject&) {}

template <class V> void describe(V& v, HealthConfig& h) {
    v("Test", h.test, codec::omit);
    v("Interval", h.interval, codec::omit);
    v("Timeout", h.timeout, codec::omit);
    v("StartPeriod", h.start_period, codec::omit);
    v("StartInterval", h.start_interval, codec::omit);
    v("Retries", h.retries, codec::omit);
}

template <class V> void describe(V& v, RunConfig& c) {
    v("User", c.user, codec::omit);
    v("ExposedPorts", c.exposed_ports, codec::omit);
    v("Env", c.env, codec::omit);
    v("Entrypoint", c.entrypoint, codec::omit);
    v("Cmd", c.cmd, codec::omit);
    v("Healthcheck", c.healthcheck, codec::omit);
    v("ArgsEscaped", c.args_escaped, codec::omit);
    v("Volumes", c.volumes, codec::omit);
    v("WorkingDir", c.working_dir, codec::omit);
    v("OnBuild", c.on_build, codec::omit);
    v("Labels", c.labels, codec::omit);
    v("StopSignal", c.stop_signal, codec::omit);
    v("StopTimeout", c.stop_timeout, codec::omit);
    v("Shell", c.shell, codec::omit);
}

template <class V> void describe(V& v, History& h) {
    v("created", h.created);
    v("created_by", h.created_by, codec::omit);
    v("author", h.author, codec::omit);
    v("comment", h.comment, codec::omit);
    if (!V::reading && !h.empty_layer) { return; }
    v("empty_layer", h.empty_layer);
}

template <class V> void describe(V& v, RootFsLayers& r) {
    v("type", r.type);
    v("diff_ids", r.diff_ids);
}

template <class V> void describe(V& v, ImageConfig& c) {
    v("architecture", c.architecture);
    v("variant", c.variant, codec::omit);
    v("os", c.os);
    v("os.version", c.os_version, codec::omit);
    v("os.features", c.os_features, codec::omit);
    v("created", c.created);
    v("author", c.author, codec::omit);
    v("comment", c.comment, codec::omit);
    v("docker_version", c.docker_version, codec::omit);
    v("config", c.config);
    v("rootfs", c.rootfs);
    v("history", c.history, codec::omit);
}

} // namespace shoal::oci
