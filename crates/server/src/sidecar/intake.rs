use std::fs::{File, Metadata};
use std::path::Path;

use manyhands_bridge::{Event, MAX_DATAGRAM, Network, Report, Unit};
use manyhands_experiment::{Arm, Bucket};
use manyhands_metainfo::{FileIdentity, LocalFile, Version};
use manyhands_page::{AssetOffer, Doubt, Reason};
use tokio::net::UnixDatagram;

use crate::client::Client;
use crate::engine::Engine;
use crate::ledger::{Reckoned, Visitor};

/// Requests of one kind in one report that are told the catalog one by one; more make nothing hotter.
const MOST_TIMES: u64 = 64;
/// Words of wanting of one kind in one report that are taken; more than a worker can hear between two of them.
const MOST_WORDS: u64 = 10_000;

/// Takes reports as they come.
pub(super) async fn run(engine: &Engine, events: &UnixDatagram) {
    let mut buffer = vec![0; MAX_DATAGRAM + 1];
    loop {
        let length = match events.recv(&mut buffer).await {
            Ok(length) => length,
            Err(error) => {
                tracing::error!(%error, "no reports of nginx can be taken any more");
                return;
            }
        };
        match Report::from_json(buffer.get(..length).unwrap_or_default()) {
            Ok(report) => take(engine, report),
            Err(error) => tracing::warn!(%error, "a report of nginx was thrown away"),
        }
    }
}

fn take(engine: &Engine, report: Report) {
    for (event, times) in report.events {
        judge(engine, event, times);
    }
    for (name, times) in &report.passed {
        let reason = Reason::ALL.iter().find(|reason| reason.name() == name);
        if let Some(reason) = reason {
            engine.counters().add_passed(*reason, *times);
        }
    }
    engine.counters().add_pages(report.tagged);
    let units = report.units.into_iter().filter_map(|unit| {
        let of = match unit.of {
            Unit::Asset(key) => Reckoned::Asset(engine.path_of_key(&key)?),
            Unit::Bucket(number) => Reckoned::Bucket(Bucket::new(number)?),
            Unit::Rest(arm) => Reckoned::Rest(Arm::of_name(&arm)?),
        };
        Some((of, unit.block, unit.cells))
    });
    let experiment = engine.experiment_id();
    let units = units.filter(|_| report.experiment == experiment && experiment != 0);
    engine.ledger().add(report.traffic, units);
}

fn judge(engine: &Engine, event: Event, times: u64) {
    match event {
        Event::Answer { path, version, content_type, demand, preload, file, network } => {
            if engine.policy().is_excluded(&path) {
                return;
            }
            let file = file.as_deref().and_then(|file| readable(file, version.file));
            let version = Version { file: None, ..version };
            let offer = AssetOffer { path, version, content_type, demand, teeable: false };
            let client = client(network);
            for _ in 0..times.min(MOST_TIMES) {
                engine.offered(&offer, file.as_ref(), &client, preload);
            }
        }
        Event::Doubt { path } => engine.doubt(&Doubt::Certain(path)),
        Event::Suspicion { path, version } => engine.doubt(&Doubt::Suspected { path, version }),
        Event::Demand { path, bucket, network, robot } => {
            let Some(length) = engine.length_of(&path) else { return };
            let visitor = visitor(bucket, network, robot);
            for _ in 0..times.min(MOST_WORDS) {
                engine.ledger().demand(&path, length, &visitor);
            }
        }
        Event::Page { bucket, network, robot } => {
            let visitor = visitor(bucket, network, robot);
            for _ in 0..times.min(MOST_WORDS) {
                engine.ledger().page(&visitor);
            }
        }
        Event::Failed { path, bucket } => {
            let visitor = visitor(bucket, None, false);
            for _ in 0..times.min(MOST_WORDS) {
                engine.failed(path.as_str(), &visitor);
            }
        }
    }
}

/// The file that nginx names, if this process may read it and it is still that one; else its bytes are asked for
/// through nginx.
fn readable(path: &Path, identity: Option<FileIdentity>) -> Option<LocalFile> {
    // Looked at before it is opened: to open a pipe would wait for somebody to write.
    let metadata = path.metadata().ok().filter(Metadata::is_file)?;
    let identity = identity.filter(|it| *it == FileIdentity::from_metadata(&metadata))?;
    File::open(path).is_ok().then(|| LocalFile { path: path.to_owned(), identity })
}

fn client(network: Option<Network>) -> Client {
    Client::in_network(network.map(Network::address))
}

fn visitor(bucket: Option<u16>, network: Option<Network>, robot: bool) -> Visitor {
    Visitor::reported(robot, bucket.and_then(Bucket::new), &client(network))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_only_while_it_is_the_one_that_was_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.iso");
        std::fs::write(&path, "bytes").unwrap();
        let identity = FileIdentity::from_metadata(&std::fs::metadata(&path).unwrap());
        assert!(readable(&path, Some(identity)).is_some());
        assert!(readable(&path, None).is_none());
        assert!(readable(dir.path(), Some(identity)).is_none());
        std::fs::write(&path, "other bytes").unwrap();
        assert!(readable(&path, Some(identity)).is_none());
        std::fs::remove_file(&path).unwrap();
        assert!(readable(&path, Some(identity)).is_none());
    }
}
