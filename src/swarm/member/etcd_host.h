// EtcdHost: this node's member of the log as an etcd child process: puts its certificates where it
// reads them, starts it as the role asks, and speaks to it.
#pragma once

#include "swarm/member/log_host.h"
#include "swarm/store/etcd_process.h"

namespace shoal::swarm {

class EtcdHost final : public LogHost {
  public:
    /// `folder` is its own; `program` is looked up in PATH when it has no slash.
    EtcdHost(net::Loop& loop, std::string folder, std::string program);
    ~EtcdHost() override;

    net::Task<Result<Log*>> start(LogStart how, net::Until until) override;
    net::Task<void> stop() override;
    net::Task<void> end_left_over() override;
    Result<void> use_certificates(const LogStart& how) override { return write_certificates(how); }
    net::Task<Result<void>> apply(LogStart how, net::Until until) override;
    net::Task<void> tend(net::Until until) override;
    Result<void> erase() override;
    bool has_data() const override;
    bool was_removed() const override;
    std::string trouble() const override;
    pid_t pid() const { return process_ ? process_->pid() : 0; }

  private:
    EtcdSettings settings_for(const LogStart& how) const;
    Result<void> write_certificates(const LogStart& how) const;

    net::Loop& loop_;
    std::string folder_;
    std::string program_;
    std::unique_ptr<EtcdProcess> process_;
    std::unique_ptr<EtcdLog> log_;
};

} // namespace shoal::swarm
