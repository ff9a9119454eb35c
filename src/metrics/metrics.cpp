#include "metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace shoal::metrics {

struct Metrics::State {
    prometheus::Registry registry;
};

void Counter::add(double amount) { static_cast<prometheus::Counter*>(inner_)->Increment(amount); }
double Counter::value() const { return static_cast<prometheus::Counter*>(inner_)->Value(); }

void Gauge::set(double value) { static_cast<prometheus::Gauge*>(inner_)->Set(value); }
void Gauge::add(double amount) { static_cast<prometheus::Gauge*>(inner_)->Increment(amount); }
double Gauge::value() const { return static_cast<prometheus::Gauge*>(inner_)->Value(); }

void Histogram::observe(double value) {
    static_cast<prometheus::Histogram*>(inner_)->Observe(value);
}

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

Counter Metrics::counter(const std::string& name, const std::string& help,
                         const MetricLabels& labels) {
    auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(state_->registry);
    return Counter(&family.Add(labels));
}

Gauge Metrics::gauge(const std::string& name, const std::string& help, const MetricLabels& labels) {
    auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(state_->registry);
    return Gauge(&family.Add(labels));
}

Histogram Metrics::histogram(const std::string& name, const std::string& help,
                             const MetricLabels& labels) {
    // Seconds of requests and operations: from half a millisecond to half a minute.
    const prometheus::Histogram::BucketBoundaries bounds{
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30};
    auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(state_->registry);
    return Histogram(&family.Add(labels, bounds));
}

std::string Metrics::text() const {
    return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

} // namespace shoal::metrics
