use std::cmp::Reverse;
use std::collections::HashSet;
use std::time::UNIX_EPOCH;

use manyhands_metainfo::AssetPath;
use manyhands_protocol::mirrors::MirrorState;

use super::{Engine, Overview, Standing};
use crate::ledger::{Figures, Looked};
use crate::mirrors::{Mirror, MirrorId};
use crate::operator::{Dashboard, MirrorRow, Swarm, TopAsset, Unshared, UploadLimits};

const PENDING: &str = "Nothing is written yet, or it is being reckoned: look again in a moment.";

/// Most files and swarms that are named; all are counted.
const MOST: usize = 50;

impl Engine {
    /// What the dashboard shows now, with the figures of the experiment where there is one.
    pub(crate) fn dashboard(&self, looked: &Looked) -> Dashboard {
        let (figures, unseen) = match looked {
            Looked::Off => (None, None),
            Looked::Pending => (None, Some(PENDING.to_owned())),
            Looked::Unreadable(why) => (None, Some(why.clone())),
            Looked::Known(figures) => (Some(figures.as_ref()), None),
        };
        let checked = self.checked();
        let site = checked.origin.split_once("://").map_or("", |(_, host)| host).to_owned();
        let Overview { counts, assets, .. } = self.overview("");
        let waiting = counts.hashing + counts.queued + counts.refused + counts.hidden;
        // What is asked for too rarely is not held back, and there may be thousands.
        let unshared: Vec<_> = assets
            .into_iter()
            .filter(|known| known.standing != Standing::Cold)
            .filter_map(|known| {
                let until = match known.standing {
                    Standing::Refused(_, until) => until.duration_since(UNIX_EPOCH).ok(),
                    _ => None,
                };
                let why = known.standing.why()?;
                // To the minute, as it is shown: seconds would change with every look.
                let until = until.map(|until| until.as_secs().div_ceil(60) * 60);
                Some(Unshared { path: known.path, why, until })
            })
            .take(MOST)
            .collect();
        let mut jobs = self.hashing();
        jobs.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        let (swarms, swarms_active) = self.swarms();
        let mut passed = self.counters().reasons();
        passed.sort_by_key(|(_, count)| Reverse(*count));
        let top = figures.map(|figures| self.top(figures)).unwrap_or_default();
        Dashboard {
            site,
            prefix: checked.policy.prefix().to_owned(),
            sharing: self.sharing(),
            since: self.0.since.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            unseen,
            analysis: figures.map(|figures| figures.analysis.clone()),
            top,
            fallbacks: figures.map(|figures| figures.fallbacks.clone()).unwrap_or_default(),
            pages: self.counters().pages(),
            asset_answers: self.counters().assets(),
            passed,
            counts,
            unshared_more: waiting.saturating_sub(unshared.len()),
            unshared,
            jobs,
            swarms,
            mirrors: self.mirror_rows(),
            swarms_active,
            connections: self.tracker().connections(),
            upload: UploadLimits {
                rate: checked.config.upload.rate,
                monthly: checked.config.upload.monthly,
            },
        }
    }

    fn top(&self, figures: &Figures) -> Vec<TopAsset> {
        // Assets past the bound on units share a name that is no path.
        let named = figures.top.iter().filter_map(|(name, sums)| {
            let path = AssetPath::parse(name).ok()?;
            let length = self.length_of(&path);
            Some(TopAsset { path, length, wanted: sums.demand, sent: sums.origin_bytes })
        });
        named.take(MOST).collect()
    }

    fn mirror_rows(&self) -> Vec<MirrorRow> {
        let row = |mirror: Mirror| MirrorRow {
            listed: mirror.listed().is_some(),
            reason: mirror.reason(),
            latency: mirror
                .health
                .latency()
                .map(|it| it.as_millis().try_into().unwrap_or(u64::MAX)),
            holdings: matches!(mirror.entry.id, MirrorId::Key(_))
                .then(|| mirror.holdings.len() as u64),
            readable: mirror.health.latency().map(|_| mirror.health.is_readable()),
            id: mirror.entry.id.to_string(),
            name: mirror.entry.name,
            contact: mirror.entry.contact,
            place: mirror.entry.http.map(|url| url.to_string()),
            state: mirror.entry.state,
        };
        let mut rows: Vec<_> = self.mirrors().all().into_iter().map(row).collect();
        // Each group in the order of names, so that a page that shows them does not jump.
        rows.sort_by_key(|row| {
            (row.state != MirrorState::Pending, row.state == MirrorState::Banned)
        });
        rows
    }

    fn swarms(&self) -> (Vec<Swarm>, usize) {
        let (busiest, active) = self.tracker().busiest(MOST);
        let wanted: HashSet<_> = busiest.iter().map(|(info_hash, _)| *info_hash).collect();
        let mut paths = self.0.shelf.paths_of(&wanted);
        let named = busiest.into_iter().filter_map(|(info_hash, size)| {
            // One that was hidden in this very moment has no name any more.
            let path = paths.remove(&info_hash)?;
            let (seeds, peers, open) = (size.complete, size.incomplete, size.open);
            Some(Swarm { path, seeds, peers, open })
        });
        (named.collect(), active)
    }
}
