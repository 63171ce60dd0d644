//! Who may carry the site: what mirrors say of themselves, what the operator decided, what probes found.
//!
//! Pure state: the clock is an argument (seconds since 1970), and the file is [`super::file`]'s.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::str::FromStr;

use manyhands_metainfo::{AssetPath, Digest};
use manyhands_protocol::mirrors::{
    AddressError, Announce, BaseUrl, Holdings, MirrorState, PeerAddress, PublicKey,
};
use manyhands_protocol::tracker::Prefix;
use rand::{Rng, RngExt};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::health::{Health, Measured};

/// Seconds after which one that waits for the operator and is silent is forgotten: a week.
const PATIENCE: u64 = 7 * 24 * 3_600;
/// Most that wait from one address prefix: one person's machines, not one person's flood.
const MOST_A_PREFIX: usize = 8;
/// Paths that a mirror without software of ours is known not to have; past it some are forgotten.
const MOST_MISSING: usize = 10_000;

/// What a mirror is called: its key, or for one that runs no software of ours its base URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum MirrorId {
    Key(PublicKey),
    Url(BaseUrl),
}

impl fmt::Display for MirrorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Url(url) => url.fmt(f),
        }
    }
}

impl FromStr for MirrorId {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        text.parse().map(Self::Key).or_else(|_| text.parse().map(Self::Url))
    }
}

impl Serialize for MirrorId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MirrorId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What outlives the process of one mirror.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: MirrorId,
    pub(crate) state: MirrorState,
    /// Why it is banned.
    pub(crate) reason: Option<String>,
    /// When that was decided, in seconds since 1970.
    pub(crate) since: u64,
    /// When its last announce was signed: none that was signed no later is taken.
    pub(crate) signed: u64,
    pub(crate) name: String,
    pub(crate) contact: Option<String>,
    pub(crate) http: Option<BaseUrl>,
    pub(crate) tcp: Option<PeerAddress>,
    pub(crate) webrtc: bool,
    pub(crate) budget: u64,
}

/// One mirror.
#[derive(Debug, Clone)]
pub(crate) struct Mirror {
    pub(crate) entry: Entry,
    pub(crate) health: Health,
    /// What it says it holds.
    pub(crate) holdings: Holdings,
    /// What one without software of ours does not have.
    missing: HashSet<AssetPath>,
    /// From where it asked, while it waits.
    prefix: Option<Prefix>,
    doubted: Doubted,
}

/// What browsers doubt, one of all that came since the last look, each as likely: who floods this with
/// good units hides no bad one for long.
#[derive(Debug, Clone, Default)]
struct Doubted {
    one: Option<(AssetPath, u64)>,
    of: u32,
}

/// Why an announce is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Untaken {
    /// Signed no later than one before.
    Replayed,
    /// As many wait as may.
    Full,
    /// The site takes no strangers.
    Closed,
}

/// What a probe found.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    Right(Measured),
    /// Other bytes than the site's.
    Wrong {
        path: AssetPath,
        unit: u64,
    },
    /// The mirror answers, and does not have the file.
    Missing(AssetPath),
    Failed(String),
}

/// What changed by it, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    Listed,
    Unlisted,
    Banned,
}

/// All mirrors, by their names.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    mirrors: BTreeMap<MirrorId, Mirror>,
    most: usize,
}

impl Mirror {
    fn new(entry: Entry) -> Self {
        Self {
            entry,
            health: Health::default(),
            holdings: Holdings::default(),
            missing: HashSet::new(),
            prefix: None,
            doubted: Doubted::default(),
        }
    }

    /// Whether it has this asset, as far as is known.
    pub(crate) fn holds(&self, path: &AssetPath, root: &Digest) -> bool {
        match self.entry.id {
            MirrorId::Key(_) => self.holdings.contains(root),
            MirrorId::Url(_) => !self.missing.contains(path),
        }
    }

    /// Whether there is anything to look at.
    pub(super) fn can_be_probed(&self) -> bool {
        let by_key = matches!(self.entry.id, MirrorId::Key(_));
        self.entry.state == MirrorState::Approved
            && self.entry.http.is_some()
            && !(by_key && self.holdings.is_empty())
    }

    /// Where it is, if readers may be sent there.
    pub(crate) fn listed(&self) -> Option<&BaseUrl> {
        let healthy = self.entry.state == MirrorState::Approved && self.health.is_listed();
        self.entry.http.as_ref().filter(|_| healthy)
    }

    /// Why it is on no list, a sentence.
    pub(crate) fn reason(&self) -> Option<String> {
        let entry = &self.entry;
        match entry.state {
            MirrorState::Banned => {
                Some(entry.reason.clone().unwrap_or("banned by the operator".to_owned()))
            }
            MirrorState::Pending => Some("waits for the operator's approval".to_owned()),
            MirrorState::Approved if entry.http.is_none() => {
                Some("serves no HTTP that readers could be sent to".to_owned())
            }
            MirrorState::Approved if self.health.is_listed() => None,
            MirrorState::Approved => Some(match self.health.trouble() {
                Some(trouble) => trouble.to_owned(),
                None if self.health.probed().is_some() => {
                    "answers again, and must do so three times in a row".to_owned()
                }
                None => "not probed yet: it must hold a file that is shared".to_owned(),
            }),
        }
    }
}

impl Registry {
    /// What an earlier process knew, and the mirrors of the configuration. One of these that is not there
    /// any more is forgotten; the operator's word on one outlives that.
    pub(crate) fn new(kept: Vec<Entry>, configured: &[BaseUrl], most: usize, now: u64) -> Self {
        let mut registry = Self { mirrors: BTreeMap::new(), most };
        for entry in kept {
            let gone = matches!(&entry.id, MirrorId::Url(url) if !configured.contains(url));
            if !gone || entry.state == MirrorState::Banned {
                registry.mirrors.insert(entry.id.clone(), Mirror::new(entry));
            }
        }
        for url in configured {
            let id = MirrorId::Url(url.clone());
            registry.mirrors.entry(id.clone()).or_insert_with(|| {
                Mirror::new(Entry {
                    id,
                    state: MirrorState::Approved,
                    reason: None,
                    since: now,
                    signed: 0,
                    name: url.authority().to_owned(),
                    contact: None,
                    http: Some(url.clone()),
                    tcp: None,
                    webrtc: false,
                    budget: 0,
                })
            });
        }
        registry
    }

    /// What the next process should know.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.mirrors.values().map(|mirror| mirror.entry.clone()).collect()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Mirror> {
        self.mirrors.values()
    }

    pub(crate) fn of(&self, id: &MirrorId) -> Option<&Mirror> {
        self.mirrors.get(id)
    }

    /// The operator's decision about a key.
    pub(crate) fn state_of(&self, key: &PublicKey) -> Option<MirrorState> {
        self.mirrors.get(&MirrorId::Key(*key)).map(|mirror| mirror.entry.state)
    }

    /// Takes an announce whose signature was verified. `open`: strangers may ask.
    pub(crate) fn announce(
        &mut self,
        key: PublicKey,
        signed: u64,
        announce: Announce,
        from: Option<Prefix>,
        open: bool,
        now: u64,
    ) -> Result<&Mirror, Untaken> {
        let id = MirrorId::Key(key);
        if !self.mirrors.contains_key(&id) {
            self.make_room(from, open, now)?;
            let entry = Entry {
                id: id.clone(),
                state: MirrorState::Pending,
                reason: None,
                since: now,
                signed: 0,
                name: String::new(),
                contact: None,
                http: None,
                tcp: None,
                webrtc: false,
                budget: 0,
            };
            self.mirrors.insert(id.clone(), Mirror::new(entry));
        }
        let mirror = self.mirrors.get_mut(&id).ok_or(Untaken::Closed)?;
        if signed <= mirror.entry.signed {
            return Err(Untaken::Replayed);
        }
        let Announce { name, contact, http, tcp, webrtc, budget, holdings, .. } = announce;
        if mirror.entry.http != http {
            // Another place may be another machine: it has to show what it can.
            mirror.health = Health::default();
        }
        let entry = &mut mirror.entry;
        entry.signed = signed;
        (entry.name, entry.contact) = (name, contact);
        (entry.http, entry.tcp, entry.webrtc) = (http, tcp, webrtc);
        entry.budget = budget;
        mirror.prefix = from;
        // What a stranger says he holds is of no use to anybody yet.
        mirror.holdings = match entry.state {
            MirrorState::Approved => holdings,
            MirrorState::Pending | MirrorState::Banned => Holdings::default(),
        };
        Ok(mirror)
    }

    /// Whether one more may wait; those who fell silent give way.
    fn make_room(&mut self, from: Option<Prefix>, open: bool, now: u64) -> Result<(), Untaken> {
        if !open {
            return Err(Untaken::Closed);
        }
        self.mirrors.retain(|_, mirror| {
            mirror.entry.state != MirrorState::Pending
                || mirror.entry.signed.saturating_add(PATIENCE) >= now
        });
        let pending = || self.mirrors.values().filter(|it| it.entry.state == MirrorState::Pending);
        let same = from.map_or(0, |_| pending().filter(|it| it.prefix == from).count());
        if pending().count() >= self.most || same >= MOST_A_PREFIX {
            return Err(Untaken::Full);
        }
        Ok(())
    }

    /// The operator decides. `None` when nobody is called so. Approving one that was banned gives it a new
    /// start.
    pub(crate) fn decide(
        &mut self,
        id: &MirrorId,
        state: MirrorState,
        reason: Option<String>,
        now: u64,
    ) -> Option<()> {
        let mirror = self.mirrors.get_mut(id)?;
        if mirror.entry.state != state {
            mirror.health = Health::default();
            mirror.missing.clear();
            mirror.entry.since = now;
        }
        mirror.entry.state = state;
        mirror.entry.reason = reason;
        if state != MirrorState::Approved {
            mirror.holdings = Holdings::default();
        }
        Some(())
    }

    /// Forgets one, as if it had never asked. One of the configuration is back at the next start.
    pub(crate) fn forget(&mut self, id: &MirrorId) -> Option<()> {
        self.mirrors.remove(id).map(drop)
    }

    /// Healthy mirrors that `keep` says yes to, the healthiest first, each place once.
    pub(crate) fn healthy(&self, keep: impl Fn(&Mirror) -> bool) -> Vec<&BaseUrl> {
        let mut healthy: Vec<_> = self
            .mirrors
            .values()
            .filter_map(|mirror| Some((mirror.health.cost(), mirror.listed()?, mirror)))
            .filter(|(_, _, mirror)| keep(mirror))
            .map(|(cost, url, _)| (cost, url))
            .collect();
        healthy
            .sort_by(|(one, first), (other, second)| one.total_cmp(other).then(first.cmp(second)));
        let mut seen = HashSet::new();
        healthy.into_iter().map(|(_, url)| url).filter(|url| seen.insert(*url)).collect()
    }

    /// Takes note of a browser's doubt about whoever is at `url`.
    pub(crate) fn doubt(&mut self, url: &BaseUrl, path: &AssetPath, unit: u64, rng: &mut impl Rng) {
        for mirror in self.mirrors.values_mut() {
            let approved = mirror.entry.state == MirrorState::Approved;
            if approved && mirror.entry.http.as_ref() == Some(url) {
                let Doubted { one, of } = &mut mirror.doubted;
                *of = of.saturating_add(1);
                if rng.random_range(0..*of) == 0 {
                    *one = Some((path.clone(), unit));
                }
            }
        }
    }

    /// Takes what is doubted of a mirror.
    pub(crate) fn take_doubt(&mut self, id: &MirrorId) -> Option<(AssetPath, u64)> {
        std::mem::take(&mut self.mirrors.get_mut(id)?.doubted).one
    }

    pub(crate) fn is_doubted(&self, id: &MirrorId) -> bool {
        self.mirrors.get(id).is_some_and(|mirror| mirror.doubted.one.is_some())
    }

    /// Takes note of what a probe of `url` found; what was decided or moved meanwhile stands.
    pub(crate) fn found(&mut self, id: &MirrorId, url: &BaseUrl, found: Found, now: u64) -> Change {
        let Some(mirror) = self.mirrors.get_mut(id) else { return Change::None };
        let current = mirror.entry.http.as_ref() == Some(url);
        if mirror.entry.state != MirrorState::Approved || !current {
            return Change::None;
        }
        let was = mirror.health.is_listed();
        match found {
            Found::Right(measured) => mirror.health.right(now, measured),
            Found::Missing(path) => match id {
                MirrorId::Url(_) => {
                    if mirror.missing.len() >= MOST_MISSING {
                        mirror.missing.clear();
                    }
                    mirror.missing.insert(path);
                }
                MirrorId::Key(_) => {
                    let trouble = format!("does not have {path}, which it says it holds");
                    mirror.health.failed(now, trouble);
                }
            },
            Found::Failed(trouble) => {
                mirror.health.failed(now, trouble);
            }
            Found::Wrong { path, unit } => {
                let reason =
                    format!("served wrong bytes of {path} (64 KiB unit {unit}), found by a probe");
                mirror.entry.state = MirrorState::Banned;
                mirror.entry.reason = Some(reason);
                mirror.entry.since = now;
                mirror.health = Health::default();
                mirror.holdings = Holdings::default();
                return Change::Banned;
            }
        }
        match (was, mirror.health.is_listed()) {
            (false, true) => Change::Listed,
            (true, false) => Change::Unlisted,
            _ => Change::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use manyhands_protocol::mirrors::SecretKey;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const NOW: u64 = 1_790_000_000;

    fn key(number: u8) -> PublicKey {
        SecretKey::from_seed(&[number; 32]).public()
    }

    fn id(number: u8) -> MirrorId {
        MirrorId::Key(key(number))
    }

    fn from(network: u8) -> Option<Prefix> {
        Some(IpAddr::from([203, 0, network, 1]).into())
    }

    fn url(text: &str) -> BaseUrl {
        text.parse().unwrap()
    }

    fn announce(url: &str, holdings: &[Digest]) -> Announce {
        let mut announce = Announce::new("m", 1);
        announce.http = Some(url.parse().unwrap());
        announce.holdings = Holdings::of(holdings);
        announce
    }

    fn right() -> Found {
        let (latency, transfer) = (Duration::from_millis(5), Duration::from_millis(5));
        Found::Right(Measured { latency, transfer, octets: 65_536, readable: true })
    }

    #[test]
    fn a_stranger_waits_holds_nothing_and_is_never_listed() {
        let mut registry = Registry::new(Vec::new(), &[], 4, NOW);
        let (place, root) = (url("https://m.example/"), Digest::of(b"a"));
        let asked = announce("https://m.example/", &[root]);
        let mirror = registry.announce(key(1), NOW, asked.clone(), from(1), true, NOW).unwrap();
        assert_eq!(mirror.entry.state, MirrorState::Pending);
        assert!(mirror.holdings.is_empty());
        assert_eq!(registry.found(&id(1), &place, right(), NOW), Change::None);
        assert!(registry.healthy(|_| true).is_empty());

        registry.decide(&id(1), MirrorState::Approved, None, NOW).unwrap();
        registry.announce(key(1), NOW + 1, asked, from(1), true, NOW).unwrap();
        assert_eq!(registry.found(&id(1), &place, right(), NOW), Change::Listed);
        let path = AssetPath::parse("/a").unwrap();
        assert_eq!(registry.healthy(|mirror| mirror.holds(&path, &root)), [&place]);
        assert!(registry.healthy(|mirror| mirror.holds(&path, &Digest::ZERO)).is_empty());
        // It moves: where it is now nobody has looked yet, and what was found at the old place is no news.
        let moved = announce("https://n.example/", &[root]);
        registry.announce(key(1), NOW + 2, moved, from(1), true, NOW).unwrap();
        assert!(registry.healthy(|_| true).is_empty());
        assert_eq!(registry.found(&id(1), &place, right(), NOW), Change::None);
    }

    #[test]
    fn an_announce_is_taken_once() {
        let mut registry = Registry::new(Vec::new(), &[], 4, NOW);
        let asked = announce("https://m.example/", &[]);
        let mut take =
            |signed| registry.announce(key(1), signed, asked.clone(), None, true, NOW).map(|_| ());
        assert_eq!(take(NOW), Ok(()));
        assert_eq!(take(NOW), Err(Untaken::Replayed));
        assert_eq!(take(NOW - 1), Err(Untaken::Replayed));
        assert_eq!(take(NOW + 1), Ok(()));
        let kept = registry.entries();
        let mut later = Registry::new(kept, &[], 4, NOW);
        let replayed = later.announce(key(1), NOW + 1, asked, None, true, NOW).map(|_| ());
        assert_eq!(replayed, Err(Untaken::Replayed), "a restart forgets nothing");
    }

    #[test]
    fn those_who_wait_are_bounded_in_all_and_a_prefix() {
        let mut registry = Registry::new(Vec::new(), &[], 12, NOW);
        let mut ask = |number, network| {
            let asked = announce("https://m.example/", &[]);
            let asked = registry.announce(key(number), NOW, asked, from(network), true, NOW);
            asked.map(|_| ())
        };
        for number in 1..=8 {
            assert_eq!(ask(number, 1), Ok(()));
        }
        assert_eq!(ask(9, 1), Err(Untaken::Full), "of one network");
        for number in 9..=12 {
            assert_eq!(ask(number, number), Ok(()));
        }
        assert_eq!(ask(13, 13), Err(Untaken::Full), "in all");
        assert_eq!(registry.all().count(), 12);
        // Who was decided about does not count, and who fell silent gives way.
        registry.decide(&id(1), MirrorState::Banned, None, NOW).unwrap();
        let asked = announce("https://m.example/", &[]);
        registry.announce(key(13), NOW, asked.clone(), from(13), true, NOW).unwrap();
        let later = NOW + PATIENCE + 1;
        registry.announce(key(14), later, asked.clone(), from(1), true, later).unwrap();
        assert_eq!(registry.all().count(), 2, "the banned one, and the newest");
        let closed = registry.announce(key(15), later, asked, None, false, later).map(|_| ());
        assert_eq!(closed, Err(Untaken::Closed));
    }

    #[test]
    fn one_wrong_byte_and_it_is_out_until_the_operator_says_otherwise() {
        let place = url("https://bucket.example/");
        let name = MirrorId::Url(place.clone());
        let mut registry = Registry::new(Vec::new(), std::slice::from_ref(&place), 4, NOW);
        assert_eq!(registry.found(&name, &place, right(), NOW), Change::Listed);
        let wrong = Found::Wrong { path: AssetPath::parse("/a").unwrap(), unit: 7 };
        assert_eq!(registry.found(&name, &place, wrong, NOW), Change::Banned);
        assert!(registry.healthy(|_| true).is_empty());
        let reason = registry.of(&name).unwrap().reason().unwrap();
        assert_eq!(reason, "served wrong bytes of /a (64 KiB unit 7), found by a probe");
        // Neither a good answer nor a restart brings it back, even where the configuration lists it.
        assert_eq!(registry.found(&name, &place, right(), NOW), Change::None);
        let mut registry = Registry::new(registry.entries(), std::slice::from_ref(&place), 4, NOW);
        assert_eq!(registry.of(&name).unwrap().entry.state, MirrorState::Banned);
        registry.decide(&name, MirrorState::Approved, None, NOW).unwrap();
        assert_eq!(registry.found(&name, &place, right(), NOW), Change::Listed);
    }

    #[test]
    fn what_a_bucket_lacks_is_no_fault_and_what_a_mirror_lacks_is_one() {
        let place = url("https://bucket.example/");
        let name = MirrorId::Url(place.clone());
        let mut registry = Registry::new(Vec::new(), std::slice::from_ref(&place), 4, NOW);
        let (lacked, had) = (AssetPath::parse("/a").unwrap(), AssetPath::parse("/b").unwrap());
        registry.found(&name, &place, right(), NOW);
        for _ in 0..5 {
            registry.found(&name, &place, Found::Missing(lacked.clone()), NOW);
        }
        assert!(registry.healthy(|mirror| mirror.holds(&lacked, &Digest::ZERO)).is_empty());
        assert_eq!(registry.healthy(|mirror| mirror.holds(&had, &Digest::ZERO)), [&place]);

        let asked = announce("https://m.example/", &[Digest::ZERO]);
        registry.announce(key(1), NOW, asked.clone(), None, true, NOW).unwrap();
        registry.decide(&id(1), MirrorState::Approved, None, NOW).unwrap();
        registry.announce(key(1), NOW + 1, asked, None, true, NOW).unwrap();
        let place = url("https://m.example/");
        registry.found(&id(1), &place, right(), NOW);
        let changes: Vec<_> = (0..3)
            .map(|_| registry.found(&id(1), &place, Found::Missing(lacked.clone()), NOW))
            .collect();
        assert_eq!(changes, [Change::None, Change::None, Change::Unlisted]);
    }

    #[test]
    fn of_many_doubts_each_is_as_likely_looked_at() {
        let place = url("https://bucket.example/");
        let name = MirrorId::Url(place.clone());
        let mut registry = Registry::new(Vec::new(), std::slice::from_ref(&place), 4, NOW);
        let mut rng = StdRng::seed_from_u64(7);
        let path = AssetPath::parse("/a").unwrap();
        let mut first = 0;
        for _ in 0..2_000 {
            for unit in 0..10 {
                registry.doubt(&place, &path, unit, &mut rng);
            }
            assert!(registry.is_doubted(&name));
            first += u32::from(registry.take_doubt(&name).unwrap().1 == 0);
        }
        assert!((150..250).contains(&first), "{first}");
        assert!(!registry.is_doubted(&name));
        registry.doubt(&url("https://other.example/"), &path, 1, &mut rng);
        assert_eq!(registry.take_doubt(&name), None);
    }
}
