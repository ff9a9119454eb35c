// Metrics: named counters, gauges and histograms, and their text form for Prometheus. Handles are
// cheap and thread safe and live as long as the Metrics they come from. It serves nothing itself:
// whoever has a socket asks for text().
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace shoal::metrics {

using MetricLabels = std::map<std::string, std::string>;

class Counter {
  public:
    void add(double amount = 1);
    double value() const;

  private:
    friend class Metrics;
    explicit Counter(void* inner) : inner_(inner) {}
    void* inner_;
};

class Gauge {
  public:
    void set(double value);
    void add(double amount);
    double value() const;

  private:
    friend class Metrics;
    explicit Gauge(void* inner) : inner_(inner) {}
    void* inner_;
};

class Histogram {
  public:
    void observe(double value);

  private:
    friend class Metrics;
    explicit Histogram(void* inner) : inner_(inner) {}
    void* inner_;
};

class Metrics {
  public:
    Metrics();
    ~Metrics();
    Metrics(const Metrics&) = delete;
    Metrics& operator=(const Metrics&) = delete;

    /// The same name and labels give the same counter; a name belongs to one kind and one help
    /// text.
    Counter counter(const std::string& name, const std::string& help,
                    const MetricLabels& labels = {});
    Gauge gauge(const std::string& name, const std::string& help, const MetricLabels& labels = {});
    Histogram histogram(const std::string& name, const std::string& help,
                        const MetricLabels& labels = {});

    /// The exposition format, text/plain version 0.0.4.
    std::string text() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace shoal::metrics
