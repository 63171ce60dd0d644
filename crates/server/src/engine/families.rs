//! What is counted since the start, for whoever collects: Prometheus by `metrics`, OpenTelemetry behind the
//! feature of that name. Labels are arms, kinds and states, all fixed: none comes from a request.

use manyhands_experiment::{Arm, Sums};

use super::Engine;

/// One name, with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    /// Label and its value, where there is one, and the number.
    pub(crate) samples: Vec<(Option<(&'static str, &'static str)>, u64)>,
}

/// Whether a number only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
}

type OfSums = fn(&Sums) -> u64;

const OF_ARMS: [(&str, &str, OfSums); 6] = [
    ("arm_demand", "How often units were wanted.", |sums| sums.demand),
    ("arm_requests", "Requests for shared assets.", |sums| sums.requests),
    ("arm_origin_bytes", "Octets of shared assets that were sent.", |sums| sums.origin_bytes),
    ("arm_overhead_bytes", "Octets of overhead.", |sums| sums.overhead_bytes),
    ("arm_aborted", "Transfers that were aborted.", |sums| sums.aborted),
    ("arm_failed", "Answers of status 500 and up for shared assets.", |sums| sums.failed),
];

impl Engine {
    pub(crate) fn families(&self) -> Vec<Family> {
        let (traffic, counts) = (self.ledger().traffic(), self.asset_counts());
        let one =
            |name, help, kind, value| Family { name, help, kind, samples: vec![(None, value)] };
        let labelled = |name, help, kind, label, samples: &[(&'static str, u64)]| {
            let samples = samples.iter().map(|(of, value)| (Some((label, *of)), *value)).collect();
            Family { name, help, kind, samples }
        };
        let sent = [
            ("other", traffic.other_bytes),
            ("asset_unshared", traffic.unshared_bytes),
            ("asset_shared", traffic.shared_bytes),
            ("overhead", traffic.overhead_bytes),
        ];
        let states = [
            ("cold", counts.cold as u64),
            ("queued", counts.queued as u64),
            ("hashing", counts.hashing as u64),
            ("ready", counts.ready as u64),
            ("hidden", counts.hidden as u64),
            ("refused", counts.refused as u64),
        ];
        let (counter, gauge) = (Kind::Counter, Kind::Gauge);
        let connections = self.tracker().connections() as u64;
        let mut families = vec![
            labelled("sent_bytes", "Octets of bodies, by what they were.", counter, "kind", &sent),
            one("pages", "Pages sent.", counter, traffic.pages),
            one("asset_requests", "Requests for assets.", counter, traffic.asset_requests),
            one("robot_requests", "Requests of robots.", counter, traffic.bot_requests),
            one("robot_bytes", "Octets sent to robots.", counter, traffic.bot_bytes),
            labelled("assets", "Assets, by state.", gauge, "state", &states),
            one("tracker_connections", "Open connections of the tracker.", gauge, connections),
        ];
        if self.ledger().assignment().is_some() {
            let arms = self.ledger().arms();
            families.extend(OF_ARMS.map(|(name, help, of)| {
                let samples: Vec<_> = Arm::ALL
                    .into_iter()
                    .zip(&arms)
                    .map(|(arm, sums)| (arm.name(), of(sums)))
                    .collect();
                labelled(name, help, counter, "arm", &samples)
            }));
        }
        families
    }
}

#[cfg(feature = "opentelemetry")]
mod otel {
    use std::sync::Arc;

    use opentelemetry::KeyValue;
    use opentelemetry::metrics::{AsyncInstrument, Meter};

    use super::{Engine, Kind};

    impl Engine {
        /// Offers everything that `metrics` has to OpenTelemetry, under the same names with dots:
        /// `manyhands.sent_bytes`. Instruments are asked at each collection; they keep no engine alive.
        ///
        /// Call it once an engine and meter: instruments of one name twice are counted twice.
        pub fn observe_with(&self, meter: &Meter) {
            for (at, family) in self.families().into_iter().enumerate() {
                let engine = Arc::downgrade(&self.0);
                let observe = move |instrument: &dyn AsyncInstrument<u64>| {
                    let Some(engine) = engine.upgrade().map(Engine) else { return };
                    let Some(family) = engine.families().into_iter().nth(at) else { return };
                    for (label, value) in family.samples {
                        match label {
                            Some((label, of)) => {
                                instrument.observe(value, &[KeyValue::new(label, of)])
                            }
                            None => instrument.observe(value, &[]),
                        }
                    }
                };
                let name = format!("manyhands.{}", family.name);
                match family.kind {
                    Kind::Counter => {
                        let builder = meter.u64_observable_counter(name);
                        builder.with_description(family.help).with_callback(observe).build();
                    }
                    Kind::Gauge => {
                        let builder = meter.u64_observable_gauge(name);
                        builder.with_description(family.help).with_callback(observe).build();
                    }
                }
            }
        }
    }
}

#[cfg(all(test, feature = "opentelemetry"))]
mod tests {
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
    use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};

    use super::*;
    use crate::Config;

    #[test]
    fn a_collector_gets_what_metrics_has() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::dev();
        config.site.origin = Some("http://127.0.0.1:1".to_owned());
        config.state.dir = dir.path().to_owned();
        let engine = Engine::start(config.check().unwrap(), None).unwrap();
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        engine.observe_with(&provider.meter("manyhands"));
        engine.meter_other(crate::Visitor::default()).sent(123);
        provider.force_flush().unwrap();
        let collected = exporter.get_finished_metrics().unwrap();
        let metrics: Vec<_> = collected
            .iter()
            .flat_map(|all| all.scope_metrics())
            .flat_map(|scope| scope.metrics())
            .collect();
        let sent = metrics.iter().find(|metric| metric.name() == "manyhands.sent_bytes").unwrap();
        let AggregatedMetrics::U64(MetricData::Sum(sum)) = sent.data() else { panic!("no sum") };
        let other = sum
            .data_points()
            .find(|point| point.attributes().any(|attribute| attribute.value.as_str() == "other"));
        assert_eq!(other.unwrap().value(), 123);
        assert_eq!(metrics.len(), engine.families().len());
    }
}
