//! Whom to probe next, and where: unpredictable in time and place, so that nobody can be good at the right
//! moment only.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use manyhands_metainfo::{Digest, UNIT, digest_of_unit};
use manyhands_protocol::mirrors::{BaseUrl, PublicKey};
use rand::RngExt;

use super::ask::{AskError, Unit};
use super::{Change, Found, MirrorId, Mirrors, Sample};

/// Between two looks that browsers' doubts bring about.
const BETWEEN_DOUBTS: Duration = Duration::from_secs(5);
/// After a probe that said nothing: the bucket does not have that file, or no file could be chosen.
const SOON: Duration = Duration::from_secs(5);
/// Random files that are tried before all are looked through for one that is held.
const TRIES: usize = 64;

/// When each mirror was and will be probed.
#[derive(Debug, Default)]
pub(crate) struct Schedule(HashMap<MirrorId, Turn>);

#[derive(Debug, Clone, Copy)]
struct Turn {
    last: Instant,
    next: Instant,
    under_way: bool,
}

/// One probe to make.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    pub(crate) id: MirrorId,
    url: BaseUrl,
    pub(crate) sample: Sample,
    pub(crate) unit: u64,
}

impl Schedule {
    /// The probe is over. `again`: it said nothing of the mirror's health, so another follows soon.
    pub(crate) fn done(&mut self, id: &MirrorId, again: bool, now: Instant) {
        if let Some(turn) = self.0.get_mut(id) {
            turn.under_way = false;
            if again {
                turn.next = turn.next.min(now + SOON);
            }
        }
    }
}

impl Mirrors {
    /// At most `most` mirrors whose turn it is, because time has passed or a browser doubts one.
    pub(crate) fn due(&self, schedule: &mut Schedule, most: usize, now: Instant) -> Vec<MirrorId> {
        let state = self.lock();
        let probed: Vec<_> = state.registry.all().filter(|it| it.can_be_probed()).collect();
        let known = |id: &MirrorId| probed.iter().any(|mirror| mirror.entry.id == *id);
        schedule.0.retain(|id, turn| turn.under_way || known(id));
        let is_due = |id: &MirrorId| {
            schedule.0.get(id).is_none_or(|turn| {
                let doubt = now >= turn.last + BETWEEN_DOUBTS && state.registry.is_doubted(id);
                !turn.under_way && (now >= turn.next || doubt)
            })
        };
        let due = probed.into_iter().map(|mirror| &mirror.entry.id).filter(|id| is_due(id));
        let due: Vec<MirrorId> = due.take(most).cloned().collect();
        drop(state);
        for id in &due {
            let turn = Turn { last: now, next: now + self.pause(), under_way: true };
            schedule.0.insert(id.clone(), turn);
        }
        due
    }

    /// Where to probe a mirror: at what a browser doubts, else at a random unit of a random file that it should
    /// have. `None` where there is none.
    pub(crate) fn target(&self, id: &MirrorId, samples: &[Sample]) -> Option<Probe> {
        let mut state = self.lock();
        let doubted = state.registry.take_doubt(id).and_then(|(path, unit)| {
            let at = samples.binary_search_by(|sample| sample.path.cmp(&path)).ok()?;
            let sample = samples.get(at)?;
            (unit < sample.length.div_ceil(UNIT)).then(|| (sample.clone(), unit))
        });
        let mirror = state.registry.of(id)?;
        let held = |sample: &&Sample| mirror.holds(&sample.path, &sample.root);
        let (sample, unit) = doubted.or_else(|| random(samples, held))?;
        Some(Probe { id: id.clone(), url: mirror.entry.http.clone()?, sample, unit })
    }

    /// About as long as the operator says.
    fn pause(&self) -> Duration {
        Duration::from_secs(self.section.probes).mul_f64(rand::rng().random_range(0.75..1.25))
    }

    /// Makes one probe. `digest` is the right one.
    pub(crate) async fn probe(&self, probe: &Probe, digest: &Digest) -> ProbeFound {
        let Probe { url, sample, unit, .. } = probe;
        let answer = self.asker.unit(url, &sample.path, *unit, sample.length).await;
        ProbeFound(match answer {
            Ok(Unit { bytes, measured }) => {
                if digest_of_unit(&bytes, sample.length <= UNIT) == *digest {
                    Found::Right(measured)
                } else {
                    Found::Wrong { path: sample.path.clone(), unit: *unit }
                }
            }
            Err(AskError::Missing) => Found::Missing(sample.path.clone()),
            Err(AskError::Failed(trouble)) => Found::Failed(trouble),
        })
    }

    /// Takes note of what a probe found. Returns the key of a mirror that is out by it.
    pub(crate) fn found(&self, probe: &Probe, found: ProbeFound, now: u64) -> Option<PublicKey> {
        let Probe { id, url, .. } = probe;
        let mut state = self.lock();
        let change = state.registry.found(id, url, found.0, now);
        let reason = state.registry.of(id).and_then(|mirror| mirror.reason()).unwrap_or_default();
        drop(state);
        match change {
            Change::None => {}
            Change::Listed => tracing::info!(mirror = %url, "a mirror is listed"),
            Change::Unlisted => tracing::warn!(mirror = %url, reason, "a mirror is not listed now"),
            Change::Banned => {
                tracing::error!(mirror = %url, reason, "a mirror is banned");
                if let Err(error) = self.write() {
                    tracing::error!(%error, "that can't be written to the state directory");
                }
                if let MirrorId::Key(key) = id {
                    return Some(*key);
                }
            }
        }
        None
    }
}

/// What a probe found, to be taken note of.
#[derive(Debug)]
pub(crate) struct ProbeFound(Found);

impl ProbeFound {
    /// Whether the mirror answered, and does not have the file.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self.0, Found::Missing(_))
    }

    /// Whether the bytes were others than the digest says.
    pub(crate) fn is_wrong(&self) -> bool {
        matches!(self.0, Found::Wrong { .. })
    }
}

/// A random unit of a random file that is held.
fn random(samples: &[Sample], held: impl Fn(&&Sample) -> bool) -> Option<(Sample, u64)> {
    let mut rng = rand::rng();
    if samples.is_empty() {
        return None;
    }
    let mut any = || &samples[rng.random_range(0..samples.len())];
    let lucky = (0..TRIES).map(|_| any()).find(&held);
    let sample = lucky.or_else(|| {
        let all: Vec<_> = samples.iter().filter(held).collect();
        (!all.is_empty()).then(|| all[rng.random_range(0..all.len())])
    })?;
    let units = sample.length.div_ceil(UNIT).max(1);
    Some((sample.clone(), rng.random_range(0..units)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use manyhands_metainfo::AssetPath;

    use super::*;

    fn samples(count: u64) -> Vec<Sample> {
        let sample = |number| Sample {
            path: AssetPath::parse(&format!("/{number:05}")).unwrap(),
            root: Digest::of(&u64::to_be_bytes(number)),
            length: 200_000,
        };
        (0..count).map(sample).collect()
    }

    #[test]
    fn every_unit_of_every_file_that_is_held_can_come_and_no_other() {
        let samples = samples(3);
        let held = |sample: &&Sample| sample.path.as_str() != "/00001";
        let seen: HashSet<_> = (0..400)
            .map(|_| random(&samples, held).unwrap())
            .map(|(sample, unit)| (sample.path.as_str().to_owned(), unit))
            .collect();
        assert_eq!(seen.len(), 8, "{seen:?}");
        assert!(seen.iter().all(|(path, unit)| path != "/00001" && *unit < 4));
        assert!(random(&[], held).is_none());
        assert!(random(&samples, |_| false).is_none());
    }

    #[test]
    fn the_one_file_of_many_that_is_held_is_found() {
        let samples = samples(5_000);
        let found = random(&samples, |sample| sample.path.as_str() == "/04711").unwrap();
        assert_eq!(found.0.path.as_str(), "/04711");
    }
}
