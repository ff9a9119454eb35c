// Control: one connection of a client of BuildKit's protocol. It answers the Control service, and
// the gateway by which clients steer their own builds, with the daemon's builder; the jobs that
// connections share are in buildkit_jobs.h. It only translates: requests are read in
// buildkit_request.h, messages in buildkit/control.h.
#pragma once

#include "api/build_upload.h"
#include "api/buildkit_jobs.h"
#include "build/exporter.h"
#include "net/grpc.h"

namespace shoal::api {

struct Daemon;

/// Clients put the name of a status code before the message of an error that has one: what went
/// wrong in a build is said by its message alone.
Error plain_error(Error error);

class Control {
  public:
    Control(Daemon& daemon, net::Loop& loop);
    net::Task<Result<void>> serve(net::StreamPtr stream, net::Until until) {
        return server_.serve(std::move(stream), until);
    }

  private:
    using Member = net::Task<Result<void>> (Control::*)(net::GrpcCall&, net::Until);
    void add(const char* method, Member member) {
        server_.add(method, [this, member](net::GrpcCall& call, net::Until until) {
            return (this->*member)(call, until);
        });
    }

    net::Task<Result<void>> solve(net::GrpcCall& call, net::Until until);
    net::Task<Result<void>> status(net::GrpcCall& call, net::Until until);
    net::Task<Result<void>> session(net::GrpcCall& call, net::Until until);
    net::Task<Result<void>> workers(net::GrpcCall& call, net::Until until);
    net::Task<Result<void>> info(net::GrpcCall& call, net::Until until);
    net::Task<Result<void>> disk_usage(net::GrpcCall& call, net::Until until);
    net::Task<Result<void>> prune(net::GrpcCall& call, net::Until until);
    net::Task<Result<void>> listen_history(net::GrpcCall& call, net::Until until);
    net::Task<Result<void>> update_history(net::GrpcCall& call, net::Until until);
    net::Task<Result<void>> health(net::GrpcCall& call, net::Until until);
    net::Task<Result<void>> ping(net::GrpcCall& call, net::Until until);
    net::Task<Result<void>> gateway_solve(net::GrpcCall& call, net::Until until);
    net::Task<Result<void>> evaluate(net::GrpcCall& call, net::Until until);
    net::Task<Result<void>> inputs(net::GrpcCall& call, net::Until until);
    net::Task<Result<void>> take_return(net::GrpcCall& call, net::Until until);

    buildkit::Worker worker() const;
    net::Task<Result<BuildJobPtr>> job_of(net::GrpcCall& call, net::Until until);
    net::Task<Result<buildkit::Attributes>> run(BuildJobPtr job, net::Until until);
    net::Task<Result<std::string>> wait_returned(BuildJobPtr job, net::Until until);
    /// Builds, and keeps the result under a new reference.
    net::Task<Result<std::string>> build(BuildJobPtr job, buildkit::Attributes attributes,
                                         std::vector<std::string> cache_from, net::Until until);
    net::Task<Result<std::string>> build_upload(BuildJobPtr job, build::Request request,
                                                UploadContext& context, std::string path,
                                                net::Until until);
    net::Task<Result<std::string>> run_builder(BuildJobPtr job, build::Request request,
                                               net::Until until);
    net::Task<Result<void>> export_all(BuildJobPtr job, oci::ImageId image, net::Until until);
    net::Task<Result<void>> export_one(BuildJobPtr job, oci::ImageId image, build::Output output,
                                       net::Until until);

    Daemon& daemon_;
    net::Loop& loop_;
    net::GrpcServer server_;
};

} // namespace shoal::api
