//! The front door: what nginx asks, and tells, of one site.

use std::cell::RefCell;
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;

use manyhands_bridge::{Event, Form, Published};
use manyhands_experiment::{Arm, Sent};
use manyhands_metainfo::{AssetPath, FileIdentity, InfoHash, LocalFile};
use manyhands_page::{AssetOffer, Doubt, HeaderEdits, Headers, Policy, Reason};

use crate::counters::Counters;
use crate::lease::{LeaseFile, Terms};
use crate::location::{Location, Rules};
use crate::published::{PublishedFiles, SwarmsFile};
use crate::records::Records;
use crate::reporter::{Period, Reporter};
use crate::transfer::{Ground, Transfer};
use crate::visitor::Visitor;

/// What one worker knows of a site: of a daemon, by its state directory and its socket.
///
/// Every call says what time it is: milliseconds since the epoch. None waits for anybody; those that look at files
/// do so a few times a second, whatever is asked.
#[derive(Debug)]
pub struct Site<'z> {
    counters: Option<Counters<'z>>,
    lease: RefCell<LeaseFile>,
    records: RefCell<Records>,
    published: RefCell<PublishedFiles>,
    swarms: RefCell<SwarmsFile>,
    reporter: RefCell<Reporter>,
    complaints: RefCell<Vec<String>>,
}

impl<'z> Site<'z> {
    /// `state` is the daemon's state directory, `events` the socket it listens on for reports. Without counters
    /// nothing is counted. Touches nothing yet.
    #[must_use]
    pub fn new(state: &Path, events: &Path, counters: Option<Counters<'z>>) -> Self {
        Self {
            counters,
            lease: RefCell::new(LeaseFile::new(state)),
            records: RefCell::new(Records::new()),
            published: RefCell::new(PublishedFiles::new(state)),
            swarms: RefCell::new(SwarmsFile::new(state)),
            reporter: RefCell::new(Reporter::new(events)),
            complaints: RefCell::default(),
        }
    }

    /// What holds at this moment in a place.
    pub fn at<'s>(&'s self, location: &Location, now: u64) -> Here<'s, 'z> {
        let mut lease = self.lease.borrow_mut();
        let terms = lease.terms(now);
        let (rules, complaint) = location.rules(terms.as_deref());
        let of_lease = lease.complaint();
        if of_lease.is_some() || complaint.is_some() {
            self.complaints.borrow_mut().extend(of_lease.into_iter().chain(complaint));
        }
        let sharing = lease.holds(now)
            && rules.refused.is_none()
            && terms.as_ref().is_some_and(|terms| terms.lease.sharing);
        Here { site: self, terms, rules, sharing, in_arms: location.is_in_arms(), now }
    }

    /// Something for the error log: why nothing is shared somewhere. Each comes once a lease.
    pub fn complaint(&self) -> Option<String> {
        self.complaints.borrow_mut().pop()
    }

    /// Takes note that `octets` of a body are on their way, counted from its first.
    pub fn progress(&self, transfer: &mut Transfer, octets: u64, now: u64) {
        if octets > transfer.octets() {
            let terms = self.lease.borrow_mut().terms(now);
            transfer.progress(&self.ground(terms.as_deref(), now), octets);
        }
    }

    /// Takes note that a body has ended: `whole`, with all that its head promised, or not.
    pub fn end(&self, transfer: Transfer, whole: bool, now: u64) {
        let terms = self.lease.borrow_mut().terms(now);
        transfer.end(&self.ground(terms.as_deref(), now), whole);
    }

    /// Takes note of a page that got the tag.
    pub fn tagged(&self) {
        self.reporter.borrow_mut().tagged();
    }

    /// Takes note of a page that did not: while it was read, something was in the way.
    pub fn untagged(&self, reason: Reason) {
        self.reporter.borrow_mut().passed(reason);
    }

    /// Sends to the daemon what waits for it. To be called a few times a second, and before the worker ends.
    pub fn report(&self, now: u64) {
        let terms = self.lease.borrow_mut().terms(now);
        let assignment = terms.as_ref().and_then(|terms| terms.assignment.as_ref());
        let block = assignment.map(|assignment| assignment.design().block(now / 1_000).0);
        let experiment = terms.as_ref().map_or(0, |terms| terms.experiment);
        let period = Period { now, experiment, block };
        self.reporter.borrow_mut().send(self.counters.as_ref(), period);
    }

    fn ground<'a>(&self, terms: Option<&'a Terms>, now: u64) -> Ground<'a>
    where
        'z: 'a,
    {
        Ground {
            counters: self.counters,
            assignment: terms.and_then(|terms| terms.assignment.as_ref()),
            experiment: terms.map_or(0, |terms| terms.experiment),
            paused: terms.is_some_and(|terms| !terms.lease.sharing),
            now: now / 1_000,
        }
    }
}

/// What holds in a place at one moment.
#[derive(Debug)]
pub struct Here<'s, 'z> {
    site: &'s Site<'z>,
    terms: Option<Rc<Terms>>,
    rules: Rc<Rules>,
    sharing: bool,
    in_arms: bool,
    now: u64,
}

/// What is done with the answer that an asset is in.
#[derive(Debug)]
pub struct Offered {
    /// What its head carries besides the site's own fields.
    pub edits: HeaderEdits,
    /// The swarm of an asset that is shared.
    pub info_hash: Option<InfoHash>,
    /// Counts its body.
    pub transfer: Transfer,
}

/// An answer of ours that needs no daemon: status 200, unless the visitor has it already.
#[derive(Debug)]
pub struct Answer {
    published: Rc<Published>,
    form: fn(&Published) -> &Form,
    swarm: Option<String>,
    /// Counts the body; `None` for a HEAD.
    pub transfer: Option<Transfer>,
}

impl Answer {
    /// Header fields, `Content-Type` and `ETag` among them, `Content-Length` not.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = (self.form)(&self.published).fields.iter();
        let fields = fields.map(|(name, value)| (name.as_str(), value.as_str()));
        fields.chain(self.swarm.as_deref().map(|swarm| ("manyhands-swarm", swarm)))
    }

    /// The body of a GET.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &(self.form)(&self.published).body
    }
}

impl Here<'_, '_> {
    /// The policy to judge answers by.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        if self.sharing { &self.rules.policy } else { &self.rules.quiet }
    }

    /// Whether visitors share at this moment: the lease holds, the kill switch is not thrown and no directive
    /// contradicts the daemon.
    #[must_use]
    pub fn is_sharing(&self) -> bool {
        self.sharing
    }

    /// Reads who asks; `address` is the visitor's.
    pub fn visitor<H: Headers + ?Sized>(&self, headers: &H, address: Option<IpAddr>) -> Visitor {
        Visitor::of(headers, address, &self.rules.policy, self.terms.as_deref())
    }

    /// The arm that a visitor gets an asset in; of a page and the like (`None`) that of the visitor. `None` where
    /// there is no experiment, and for who is in no arm.
    #[must_use]
    pub fn arm(&self, asset: Option<&AssetPath>, visitor: &Visitor) -> Option<Arm> {
        let assignment = self.terms()?.assignment.as_ref().filter(|_| self.in_arms)?;
        let visitor = visitor.counted;
        if visitor.robot {
            return None;
        }
        match (assignment.is_by_visitor(), visitor.bucket, asset) {
            (true, bucket, _) => bucket.map(|bucket| assignment.arm_of_bucket(bucket)),
            (false, _, asset) => Some(assignment.arm(asset?.as_str(), visitor, self.now / 1_000)),
        }
    }

    /// Takes note of a page that gets the tag, or would.
    #[must_use]
    pub fn page(&self, visitor: &Visitor) -> Transfer {
        let bucket = visitor.bucket();
        // The network is asked for only to bound what is said of a bucket.
        let network = bucket.and(visitor.network);
        self.note(Event::Page { bucket, network, robot: visitor.counted.robot });
        self.other(visitor)
    }

    /// Takes note of an eligible answer; `file` is where its body is read from, if that is known.
    #[must_use]
    pub fn asset(
        &self,
        offer: &AssetOffer,
        file: Option<&LocalFile>,
        visitor: &Visitor,
    ) -> Offered {
        let asset = offer.path.clone();
        let mut version = offer.version.clone();
        version.file = file.map(|file| file.identity);
        let shelved = self.terms().and_then(|terms| {
            self.site.records.borrow_mut().of(&terms.records, &asset, &version, self.now)
        });
        let prefix = self.policy().prefix();
        let edits = shelved.as_ref().map(|shelved| shelved.edits(&offer.path, prefix));
        let edits = edits.unwrap_or_default();
        let info_hash = shelved.as_ref().map(|shelved| shelved.info_hash);
        // A name that is no text can't be told: the daemon then fetches the file as it would any other.
        let file = file.map(|file| &file.path).filter(|path| path.to_str().is_some()).cloned();
        if file.is_none() {
            version.file = None;
        }
        self.note(Event::Answer {
            path: offer.path.clone(),
            version,
            content_type: offer.content_type.clone(),
            demand: offer.demand,
            preload: self.rules.preload.contains(&offer.path),
            file,
            network: visitor.network,
        });
        let (sent, asset) = match (offer.demand, info_hash) {
            // No octets are sent, or another site's.
            (false, _) => (Sent::Other, None),
            (true, None) => (Sent::Unshared, None),
            (true, Some(_)) => (Sent::Shared, Some(asset)),
        };
        let transfer = self.transfer(sent, asset, visitor);
        Offered { edits, info_hash, transfer }
    }

    /// Takes note of an answer that goes out as it came, and of what it makes doubtful.
    #[must_use]
    pub fn passed(&self, reason: Reason, doubt: Option<&Doubt>, visitor: &Visitor) -> Transfer {
        self.site.reporter.borrow_mut().passed(reason);
        if let Some(doubt) = doubt {
            self.doubt(doubt);
        }
        self.other(visitor)
    }

    /// [`refuses_type`](manyhands_page::refuses_type), of a `Content-Type` as nginx keeps it: with the charset apart.
    #[must_use]
    pub fn refuses_type(&self, content_type: &[u8], charset: &[u8]) -> bool {
        self.rules.refuses_type(content_type, charset)
    }

    /// Whether an answer of status 200 that is shorter than any shared file, and is no such file, casts no doubt on what
    /// is known. A file that is on record would be in doubt. One that is being hashed is held to its length at the end, so
    /// that the daemon need not hear of this.
    #[must_use]
    pub fn is_beyond_doubt(&self, path: &str) -> bool {
        self.terms()
            .is_none_or(|terms| self.site.records.borrow_mut().none(&terms.records, path, self.now))
    }

    /// Takes note that the site could not send what was asked for (status 500 and up).
    pub fn failed(&self, path: &str, visitor: &Visitor) {
        let Some(terms) = self.terms() else { return };
        if terms.assignment.is_none() || visitor.counted.robot {
            return;
        }
        let Ok(asset) = AssetPath::parse(path) else { return };
        if self.site.records.borrow_mut().any(&terms.records, &asset, self.now) {
            let (path, bucket) = (asset.clone(), visitor.bucket());
            self.note(Event::Failed { path, bucket });
        }
    }

    /// Counts a body that is no page and no asset.
    #[must_use]
    pub fn other(&self, visitor: &Visitor) -> Transfer {
        self.transfer(Sent::Other, None, visitor)
    }

    /// The metainfo of an asset under its own address (`/a.iso.torrent`), where that is on. To be asked for once
    /// the site itself has answered 404.
    #[must_use]
    pub fn beside(
        &self,
        method: &str,
        path: &str,
        query: Option<&str>,
        visitor: &Visitor,
    ) -> Option<Answer> {
        if !self.rules.suffixes || query.is_some() {
            return None;
        }
        let (asset, form) = path.rsplit_once('.')?;
        self.metainfo(method, form, asset, visitor)
    }

    /// An answer below the reserved prefix. `None` for all that the daemon answers.
    #[must_use]
    pub fn below_prefix(
        &self,
        method: &str,
        path: &str,
        query: Option<&str>,
        visitor: &Visitor,
    ) -> Option<Answer> {
        let below = path.strip_prefix(self.policy().prefix())?.strip_prefix('/')?;
        // The asset's path keeps its slash.
        let (form, asset) = below.split_at_checked(below.find('/')?)?;
        match form {
            "manifest" => self.manifest(method, asset, query, visitor),
            _ => self.metainfo(method, form, asset, visitor),
        }
    }

    fn manifest(
        &self,
        method: &str,
        path: &str,
        query: Option<&str>,
        visitor: &Visitor,
    ) -> Option<Answer> {
        let is_get = is_get(method)?;
        let (asset, published) = self.published(path)?;
        let assignment = self.terms()?.assignment.as_ref();
        let (bucket, robot) = (visitor.bucket(), visitor.counted.robot);
        // A client asks once a page view and asset, whatever the answer; when it asks again it says so.
        if is_get && query != Some("again") && assignment.is_some() {
            let (path, network) = (asset.clone(), visitor.network);
            self.note(Event::Demand { path, bucket, network, robot });
        }
        let seconds = self.now / 1_000;
        let arm =
            assignment.map_or(Arm::P2p, |it| it.arm(asset.as_str(), visitor.counted, seconds));
        let swarm = match arm {
            Arm::P2p if self.sharing => {
                let swarms = self.site.swarms.borrow_mut().swarms(self.now);
                let (complete, incomplete) =
                    swarms.map(|swarms| swarms.of(&published.infohash)).unwrap_or_default();
                format!("{complete}/{incomplete}")
            }
            Arm::P2p | Arm::Http | Arm::Untouched => "off".to_owned(),
        };
        let transfer = is_get.then(|| self.transfer(Sent::Overhead, Some(asset), visitor));
        let form: fn(&Published) -> &Form = |published| &published.manifest;
        Some(Answer { published, form, swarm: Some(swarm), transfer })
    }

    fn metainfo(&self, method: &str, form: &str, path: &str, visitor: &Visitor) -> Option<Answer> {
        let is_get = is_get(method)?;
        let form: fn(&Published) -> &Form = match form {
            "torrent" => |published| &published.torrent,
            "magnet" => |published| &published.magnet,
            "meta4" => |published| &published.meta4,
            "sha256" => |published| &published.sha256,
            _ => return None,
        };
        let (_, published) = self.published(path)?;
        let transfer = is_get.then(|| self.transfer(Sent::Overhead, None, visitor));
        Some(Answer { published, form, swarm: None, transfer })
    }

    fn published(&self, path: &str) -> Option<(AssetPath, Rc<Published>)> {
        self.terms()?;
        let asset = AssetPath::parse(path).ok()?;
        let published = self.site.published.borrow_mut().of(&asset, self.now)?;
        // Better asked of the daemon than answered doubtful.
        is_as_hashed(&published).then_some((asset, published))
    }

    /// Takes note of a doubt. One of an asset that is not on record may be of one that is being hashed, or of
    /// nothing at all.
    fn doubt(&self, doubt: &Doubt) {
        let Some(terms) = self.terms() else { return };
        let asset = doubt.path();
        let known = self.site.records.borrow_mut().any(&terms.records, asset, self.now);
        let event = Event::from(doubt);
        let mut reporter = self.site.reporter.borrow_mut();
        if known { reporter.note(event) } else { reporter.guess(event) }
    }

    fn note(&self, event: Event) {
        if self.terms().is_some() {
            self.site.reporter.borrow_mut().note(event);
        }
    }

    fn transfer(&self, sent: Sent, asset: Option<AssetPath>, visitor: &Visitor) -> Transfer {
        let ground = self.site.ground(self.terms(), self.now);
        Transfer::begin(&ground, sent, asset, visitor.counted, self.in_arms)
    }

    /// What the last lease says, where it is not contradicted here.
    fn terms(&self) -> Option<&Terms> {
        self.terms.as_deref().filter(|_| self.rules.refused.is_none())
    }
}

/// Whether the file behind an asset, where there is one, is still the one that was hashed.
fn is_as_hashed(published: &Published) -> bool {
    published.file.as_ref().is_none_or(|(place, hashed)| {
        place.metadata().is_ok_and(|found| FileIdentity::from_metadata(&found) == *hashed)
    })
}

/// Whether it is a GET, and not a HEAD; `None` for all other methods.
fn is_get(method: &str) -> Option<bool> {
    match method {
        "GET" => Some(true),
        "HEAD" => Some(false),
        _ => None,
    }
}
