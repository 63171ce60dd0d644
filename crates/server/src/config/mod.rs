//! The configuration, section by section.
//!
//! The same structs are read from `manyhands.toml`, from the environment and from flags, and are set
//! by hand in Rust. Fields are public: each is independent of the others, and [`Config::check`] is the
//! one place where they meet.

mod check;
mod sections;

pub use check::{Checked, ConfigError};
pub use sections::{
    AdmissionSection, AssetsSection, BillingSection, CacheSection, ConsentMode, ConsentSection,
    ExperimentDesign, ExperimentSection, Foreign, ListenSection, MirrorsSection, PageSection,
    PolicySection, Reseed, SiteSection, StateSection, StunSection, SwarmSection, UploadSection,
};

use serde::{Deserialize, Serialize};

/// Everything an operator can set. `Config::default()` is the default of every field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The site itself.
    pub site: SiteSection,
    /// Who may speak for a visitor's address.
    pub listen: ListenSection,
    /// When an asset is worth hashing.
    pub admission: AdmissionSection,
    /// Which answers are assets.
    pub assets: AssetsSection,
    /// What happens to pages.
    pub page: PageSection,
    /// What a visitor is asked.
    pub consent: ConsentSection,
    /// Who may meet whom.
    pub swarm: SwarmSection,
    /// What a visit may cost.
    pub policy: PolicySection,
    /// What a visitor may be asked to give.
    pub upload: UploadSection,
    /// What a visitor's browser keeps.
    pub cache: CacheSection,
    /// Whether and how the saving is measured.
    pub experiment: ExperimentSection,
    /// What traffic costs.
    pub billing: BillingSection,
    /// How visitors behind home routers find each other.
    pub stun: StunSection,
    /// Who else carries the site's files.
    pub mirrors: MirrorsSection,
    /// Where this process keeps what it knows.
    pub state: StateSection,
}

impl Config {
    /// Settings for trying things out on one machine: any one visitor makes an asset hot, two visitors
    /// of one network may meet by their private addresses, they are told instead of asked, and foreign
    /// clients may join. Not for a public site.
    #[must_use]
    pub fn dev() -> Self {
        let mut config = Self::default();
        config.admission.requests = 1;
        config.admission.prefixes = 1;
        config.swarm.min_prefixes = 1;
        config.swarm.lan = true;
        config.swarm.foreign = Foreign::Open;
        config.consent.mode = ConsentMode::Notice;
        config
    }
}
