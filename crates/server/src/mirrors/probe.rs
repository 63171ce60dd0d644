//! Whom to probe next, and where: unpredictable in time and place, so that nobody can be good at the right
//! moment only.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use manyhands_metainfo::{Digest, UNIT, digest_of_unit};
use manyhands_protocol::mirrors::{BaseUrl, MirrorState, PublicKey};
use rand::RngExt;

use super::ask::{AskError, Unit};
use super::{Change, Found, MirrorId, Mirrors, Sample};

/// Between two looks that browsers' doubts bring about.
const BETWEEN_DOUBTS: Duration = Duration::from_secs(5);
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
    /// The probe is over.
    pub(crate) fn done(&mut self, id: &MirrorId) {
        if let Some(turn) = self.0.get_mut(id) {
            turn.under_way = false;
        }
    }
}

impl Mirrors {
    /// Whether anybody could be probed.
    pub(crate) fn has_approved(&self) -> bool {
        let approved = MirrorState::Approved;
        self.lock().registry.all().any(|it| it.entry.state == approved && it.entry.http.is_some())
    }

    /// At most `most` probes that are due, each at a random unit of a random file that the mirror should have,
    /// or at one that a browser doubts.
    pub(crate) fn due(
        &self,
        schedule: &mut Schedule,
        samples: &[Sample],
        most: usize,
        now: Instant,
    ) -> Vec<Probe> {
        let mut state = self.lock();
        let approved: Vec<(MirrorId, BaseUrl)> = state
            .registry
            .all()
            .filter(|mirror| mirror.entry.state == MirrorState::Approved)
            .filter_map(|mirror| Some((mirror.entry.id.clone(), mirror.entry.http.clone()?)))
            .collect();
        schedule.0.retain(|id, turn| turn.under_way || approved.iter().any(|(it, _)| it == id));
        let mut probes = Vec::new();
        for (id, url) in approved {
            let turn = schedule.0.get(&id).copied();
            let doubted = state.registry.is_doubted(&id);
            let due = turn.is_none_or(|turn| {
                let doubt = doubted && now >= turn.last + BETWEEN_DOUBTS;
                !turn.under_way && (now >= turn.next || doubt)
            });
            if !due || probes.len() >= most {
                continue;
            }
            let target = doubted.then(|| state.registry.take_doubt(&id)).flatten();
            let doubted = target.and_then(|(path, unit)| {
                let at = samples.binary_search_by(|sample| sample.path.cmp(&path)).ok()?;
                let sample = samples.get(at)?;
                (unit < sample.length.div_ceil(UNIT)).then(|| (sample.clone(), unit))
            });
            let Some(mirror) = state.registry.of(&id) else { continue };
            let held = |sample: &&Sample| mirror.holds(&sample.path, &sample.root);
            let Some((sample, unit)) = doubted.or_else(|| random(samples, held)) else { continue };
            let next = now + self.pause();
            schedule.0.insert(id.clone(), Turn { last: now, next, under_way: true });
            probes.push(Probe { id, url, sample, unit });
        }
        probes
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
