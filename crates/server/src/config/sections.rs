use std::net::SocketAddr;
use std::path::PathBuf;

use manyhands_experiment::BillingModel;
use serde::{Deserialize, Serialize};

/// `[site]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SiteSection {
    /// Scheme, host and port that visitors see, such as `https://example.org`. Required off loopback:
    /// no URL in a torrent is ever made from the `Host` field of a request, which anyone can forge.
    pub origin: Option<String>,
    /// Path prefix of everything this software answers itself. Default `/.well-known/manyhands/`.
    pub prefix: String,
    /// The kill switch. Default false. With true no page gets the tag, and browsers that hold a worker
    /// of this site unregister it and delete what it kept, at the latest when they next look for a new
    /// one (browsers do so within 24 hours).
    pub disabled: bool,
    /// Whether `<asset path>.torrent`, `.magnet`, `.meta4` and `.sha256` are answered beside the reserved
    /// prefix, where the site itself answers 404. Default false. `manyhands serve` sets it.
    pub suffixes: bool,
}

impl Default for SiteSection {
    fn default() -> Self {
        Self {
            origin: None,
            prefix: "/.well-known/manyhands/".to_owned(),
            disabled: false,
            suffixes: false,
        }
    }
}

/// `[listen]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ListenSection {
    /// Addresses or networks (`10.0.0.0/8`) of proxies in front whose `X-Forwarded-For` is believed.
    /// Default none: a visitor could otherwise count as many.
    pub trusted: Vec<String>,
}

/// `[admission]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AdmissionSection {
    /// Requests before an asset is hashed. Default 3.
    pub requests: u32,
    /// Address prefixes (IPv4 /24, IPv6 /48) those requests come from. Default 2.
    pub prefixes: u32,
    /// Hot assets that may wait to be hashed. Default 1,000: when it is full the least wanted goes.
    pub queue: usize,
    /// Assets that are hashed at once, besides those hashed on their way to a visitor. Default 1: more
    /// take processors and disks from visitors.
    pub jobs: usize,
    /// Seconds after which a job is given up, beside a second for every 4 MiB. Default 3,600.
    pub deadline: u64,
    /// Most bytes a second that all jobs together read to hash them. Default 0: no such limit; hash
    /// workers run at the lowest priority anyway.
    pub rate: u64,
    /// Most bytes in an hour that are asked of the site only to hash them. Default 64 GiB.
    pub budget: u64,
}

impl Default for AdmissionSection {
    fn default() -> Self {
        Self {
            requests: 3,
            prefixes: 2,
            queue: 1_000,
            jobs: 1,
            deadline: 3_600,
            rate: 0,
            budget: 64 << 30,
        }
    }
}

/// `[assets]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AssetsSection {
    /// Smallest asset, in bytes. Default 1 MiB: below it a peer connection costs more than it brings.
    pub min_size: u64,
    /// Largest asset, in bytes, when its bytes come over HTTP. Default 4 GiB; local files have no limit.
    pub max_size: u64,
    /// Media types that may be shared, such as `video/mp4` or `video/*`. Default (empty): archives,
    /// packages, disk images, ZIM files, data sets, video, audio. HTML, SVG, XML, scripts and style
    /// sheets are refused: they act with the site's rights when opened.
    pub types: Vec<String>,
    /// Path prefixes such as `/pub/` whose files are the same for everybody, whatever cookie a visitor
    /// has. Default none: a file that is asked for with a cookie may not be meant for others.
    pub public: Vec<String>,
    /// Path prefixes such as `/private/` or `/a/b.zip` that are never shared, whatever else is said of
    /// them. Default none. Compared decoded and without regard to case. What a site guards by network
    /// address or client certificate alone belongs here: no field of an answer tells.
    pub exclude: Vec<String>,
    /// Path prefixes such as `/static/` whose URLs name their bytes for ever, because a digest is in
    /// their names. Default none. Neither a strong ETag nor a date is needed there; where such a URL is
    /// used again for other bytes of the same length, visitors get the old ones until a purge.
    pub immutable: Vec<String>,
    /// Names of query parameters that only break caches, such as `v`. Default none: a query may choose the
    /// bytes, or be a secret. With these alone, each once and with a short plain value, a URL is the file
    /// of its path, and only the path is ever published. Names that are known to carry credentials are
    /// refused. Browsers get such URLs over plain HTTP.
    pub queries: Vec<String>,
    /// Paths admitted at their first request, whoever asks, without waiting for demand. `manyhands serve`
    /// admits all that is eligible at start.
    pub preload: Vec<String>,
    /// Whether everybody may see the list of shared assets (`assets` and `assets.json` below the prefix).
    /// Default false: the operator alone. The address of a file that nothing links to may be all that
    /// keeps it among those who were told. `manyhands serve` sets it.
    pub list: bool,
}

impl Default for AssetsSection {
    fn default() -> Self {
        Self {
            min_size: 1 << 20,
            max_size: 4 << 30,
            types: Vec::new(),
            public: Vec::new(),
            exclude: Vec::new(),
            immutable: Vec::new(),
            queries: Vec::new(),
            preload: Vec::new(),
            list: false,
        }
    }
}

/// `[page]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PageSection {
    /// Whether HTML pages get the script tag. Default true; with `false` put the tag there yourself.
    pub inject: bool,
    /// Whether the nonce of a page's Content-Security-Policy may be put on our tag. Default true.
    pub nonce: bool,
    /// Whether pages that the site was asked for uncompressed are compressed on their way out. Default
    /// true; a site that leaves pages uncompressed on purpose (secrets beside what a visitor typed: the
    /// BREACH attack) sets it to false.
    pub compress: bool,
}

impl Default for PageSection {
    fn default() -> Self {
        Self { inject: true, nonce: true, compress: true }
    }
}

/// What a visitor is asked before any peer connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsentMode {
    /// A small bar asks; nothing happens before a yes.
    #[default]
    Ask,
    /// A notice tells, with an off switch, for operators with another legal basis.
    Notice,
    /// The site's own consent manager calls `manyhands.enable()`.
    External,
}

/// `[consent]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ConsentSection {
    /// `ask` (default), `notice` or `external`.
    pub mode: ConsentMode,
}

/// Who may join a swarm besides this site's pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Foreign {
    /// Nobody.
    Closed,
    /// Approved mirrors only.
    #[default]
    Mirrors,
    /// Any WebTorrent client; torrents name our tracker.
    Open,
}

/// Which assets a visitor's browser offers to others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reseed {
    /// Those asked for in this page session.
    #[default]
    Session,
}

/// `[swarm]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SwarmSection {
    /// No visitor learns another's address before a swarm spans this many address prefixes. Default 10:
    /// in a smaller crowd an address says who reads what.
    pub min_prefixes: usize,
    /// `closed`, `mirrors` (default) or `open`.
    pub foreign: Foreign,
    /// Whether private addresses pass from visitor to visitor. Default false; true for one LAN.
    pub lan: bool,
    /// `session` (default).
    pub reseed: Reseed,
}

impl Default for SwarmSection {
    fn default() -> Self {
        Self {
            min_prefixes: 10,
            foreign: Foreign::default(),
            lan: false,
            reseed: Reseed::default(),
        }
    }
}

/// `[policy]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PolicySection {
    /// How many times plain HTTP's time a download may take where that saves the site bytes.
    /// Default 1.25; 1.0 is speed first.
    pub slack: f64,
}

impl Default for PolicySection {
    fn default() -> Self {
        Self { slack: 1.25 }
    }
}

/// `[upload]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct UploadSection {
    /// Most a visitor gives, in bits a second. Default 10,000,000.
    pub rate: u64,
    /// Most a visitor gives in a calendar month, in bytes. Default 10 GiB.
    pub monthly: u64,
}

impl Default for UploadSection {
    fn default() -> Self {
        Self { rate: 10_000_000, monthly: 10 << 30 }
    }
}

/// `[cache]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CacheSection {
    /// Most a visitor's browser keeps, in bytes; never more than a tenth of what the browser allows.
    /// Default 1 GiB.
    pub size: u64,
}

impl Default for CacheSection {
    fn default() -> Self {
        Self { size: 1 << 30 }
    }
}

/// `[stun]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct StunSection {
    /// UDP address to answer STUN binding requests on. Default `0.0.0.0:3478`; used only with `host`.
    pub listen: SocketAddr,
    /// Public host name or address of this machine. Default none: no STUN, and two visitors behind two
    /// home routers can't meet. No third party's STUN server is ever used.
    pub host: Option<String>,
}

impl Default for StunSection {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([0, 0, 0, 0], 3478)), host: None }
    }
}

/// `[mirrors]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MirrorsSection {
    /// Base URLs of mirrors that run no software of ours (a bucket, an rsync'd tree): below each lie the
    /// site's files at their own paths. Default none. They count as approved.
    pub urls: Vec<String>,
    /// Whether volunteers whose key is unknown may ask to be mirrors. Default true: asking costs them a
    /// line in a bounded list, and gives them nothing before the operator approves.
    pub register: bool,
    /// How many may wait for the operator's decision. Default 64.
    pub most: usize,
    /// Seconds between two probes of one mirror, each of 64 KiB. Default 60.
    pub probes: u64,
    /// How many mirrors browsers are told of, the healthiest first. Default 8, at most 64; 0: none.
    pub listed: usize,
}

impl Default for MirrorsSection {
    fn default() -> Self {
        Self { urls: Vec::new(), register: true, most: 64, probes: 60, listed: 8 }
    }
}

/// `[state]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct StateSection {
    /// Directory for metainfo and keys. Default `./manyhands-state`.
    pub dir: PathBuf,
}

impl Default for StateSection {
    fn default() -> Self {
        Self { dir: PathBuf::from("manyhands-state") }
    }
}

/// How units of the experiment are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExperimentDesign {
    /// No experiment: everybody shares, and no saving can be stated.
    #[default]
    Off,
    /// Each asset is held out in a tenth of all blocks of time. No cookie, nothing stored at the visitor's.
    Crossover,
    /// A tenth of all visitors is held out, by a cookie that holds one of 1,024 numbers. For operators who
    /// may set such a cookie.
    Visitors,
}

/// `[experiment]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ExperimentSection {
    /// `off` (default), `crossover` or `visitors`. Without one no saving can be stated: bytes that were not
    /// sent can't be counted.
    pub design: ExperimentDesign,
    /// Crossover: of 10,000 units so many are held out. Default 1,000, a tenth: what those could have saved is
    /// the price of knowing. At most 5,000.
    pub holdout: u32,
    /// Hours a block, 1 to 168, counted from the epoch. Default 6. Shorter blocks give more units, and lose more
    /// to the quarter of an hour at the start of each that does not count.
    pub block: u32,
    /// Days the experiment is planned for from its first request on. Default 28: four of every day of the week.
    /// The figure may be looked at any day before; its interval is made for that until then.
    pub days: u32,
    /// What units are assigned by; another one starts another experiment. Default: random, made at the first
    /// start and kept beside the sums. Servers of one site that keep their sums apart need the same.
    pub salt: Option<String>,
    /// Directory of the sums. Default: the state directory. Processes of one site on one machine that name the
    /// same one add to the same sums, and each shows those of all.
    pub dir: Option<PathBuf>,
    /// Days that sums are kept. Default 400.
    pub keep: u32,
}

impl Default for ExperimentSection {
    fn default() -> Self {
        Self {
            design: ExperimentDesign::Off,
            holdout: 1_000,
            block: 6,
            days: 28,
            salt: None,
            dir: None,
            keep: 400,
        }
    }
}

/// `[billing]`: what the dashboard and the report make money of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BillingSection {
    /// `flat` (default: nothing is saved but room on the line), `per_gb`, or `p95` (a Mbit/s of the 95th
    /// percentile of five-minute means, a month).
    pub model: BillingModel,
    /// What one gigabyte (10^9 bytes), or one Mbit/s for a month, costs. Default 0.
    pub price: f64,
    /// How amounts are written. Default `EUR`.
    pub currency: String,
}

impl Default for BillingSection {
    fn default() -> Self {
        Self { model: BillingModel::Flat, price: 0.0, currency: "EUR".to_owned() }
    }
}
