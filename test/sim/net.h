// The network of a simulated cluster: machines with addresses, pipes between them in virtual time,
// and the weather on every pair of machines. Who calls is what its certificate says, verified as
// the real transport does.
#pragma once

#include "swarm/rpc/tls_transport.h"

#include "net/loop.h"
#include "net/pipe_pair.h"
#include "net/signal.h"

#include <deque>
#include <set>

namespace shoal::sim {

using namespace swarm;

struct NetWeather {
    std::chrono::microseconds delay_min{100};
    std::chrono::microseconds delay_max{2000};
    std::uint32_t breaks = 0; ///< of 100,000 writes are lost, and so their connection
};

class SimNet {
  public:
    SimNet(net::Loop& loop, Random& random) : loop_(loop), random_(random) {}

    /// Nothing gets from `from` to `to`, silently.
    void cut(const std::string& from, const std::string& to) { cuts_.emplace(from, to); }
    void cut_both(const std::string& a, const std::string& b) {
        cut(a, b);
        cut(b, a);
    }
    void heal() { cuts_.clear(); }
    bool passes(const std::string& from, const std::string& to) const {
        return !cuts_.contains({from, to}) && !dead_.contains(from) && !dead_.contains(to);
    }
    /// A machine without power neither sends nor answers.
    void set_dead(const std::string& host, bool dead) {
        dead ? void(dead_.insert(host)) : void(dead_.erase(host));
    }
    /// A machine that cannot listen: its address is missing, or another has the port.
    void set_deaf(const std::string& host, bool deaf) {
        deaf ? void(deaf_.insert(host)) : void(deaf_.erase(host));
    }
    std::size_t listens(const std::string& host) { return listens_[host]; } ///< how often it tried
    net::LinkWeather weather(std::string from, std::string to);

    NetWeather pace;
    net::Loop& loop() { return loop_; }

  private:
    friend class SimTransport;
    struct Listening {
        CredentialsPtr credentials;
        std::deque<Incoming> waiting;
        net::Signal came;
        bool closed = false;
        explicit Listening(net::Loop& loop) : came(loop) {}
    };
    net::Loop& loop_;
    Random& random_;
    std::set<std::pair<std::string, std::string>> cuts_;
    std::set<std::string> dead_;
    std::set<std::string> deaf_;
    std::map<std::string, std::size_t> listens_;
    std::map<std::string, std::shared_ptr<Listening>> listening_; ///< by "host:port"
};

/// One machine's end.
class SimTransport final : public Transport {
  public:
    SimTransport(SimNet& net, const Clock& clock, CredentialsPtr credentials, std::string host)
        : net_(net), clock_(clock), credentials_(std::move(credentials)), host_(std::move(host)) {}
    ~SimTransport() override { SimTransport::close(); }

    Result<void> listen(const std::string& address) override;
    void close() override;
    net::Task<Result<net::StreamPtr>> connect(std::string address, Trust trust,
                                              net::Until until) override;
    net::Task<Result<Incoming>> accept(net::Until until) override;

  private:
    Result<Caller> introduce(const SimNet::Listening& server, Trust trust) const;

    SimNet& net_;
    const Clock& clock_;
    CredentialsPtr credentials_;
    std::string host_;
    std::string listening_at_;
    std::shared_ptr<SimNet::Listening> mine_;
};

} // namespace shoal::sim
