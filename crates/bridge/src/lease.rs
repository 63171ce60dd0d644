use std::path::Path;
use std::time::Duration;

use manyhands_experiment::{Assignment, Design, Salt};
use manyhands_metainfo::{AssetPath, Digest};
use manyhands_page::PolicyTerms;
use serde::{Deserialize, Serialize};

use crate::{DocumentError, VERSION};

/// How often the daemon renews the lease: it touches the file, after it has answered itself on its own socket.
pub const BEAT: Duration = Duration::from_millis(500);
/// How long a lease holds after it was renewed.
pub const HOLDS: Duration = Duration::from_millis(1_500);

/// What holds at a site, as long as the daemon is there: the configuration, checked, and the kill switch.
///
/// A lease that was not renewed for [`HOLDS`] says nothing of pages any more: whatever keeps the daemon from
/// renewing it (stopped, hung, killed, its socket gone) ends the rewriting of pages by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    v: u32,
    /// Whether visitors share: the kill switch.
    pub sharing: bool,
    /// Whether `<asset>.torrent` and the like are answered where the site has nothing.
    pub suffixes: bool,
    /// What may be rewritten and shared.
    pub policy: PolicyTerms,
    /// Assets that are admitted at their first request.
    pub preload: Vec<AssetPath>,
    /// The experiment that runs, if one does.
    pub experiment: Option<Experiment>,
    /// Where the records of assets are, below the state directory.
    pub records: String,
}

/// An experiment, so that the module can say who is in which arm. Whoever can read it can choose his own.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// How units are made.
    pub design: Design,
    /// The salt, in hexadecimal digits.
    pub salt: String,
    /// The site's origin, such as `https://example.org`.
    pub origin: String,
}

impl Lease {
    /// Where it is, below the state directory.
    pub const FILE: &str = "nginx/lease.json";

    /// `policy` and `records` as the daemon has them; everything else is switched off.
    #[must_use]
    pub fn new(policy: PolicyTerms, records: String) -> Self {
        Self {
            v: VERSION,
            sharing: false,
            suffixes: false,
            policy,
            preload: Vec::new(),
            experiment: None,
            records,
        }
    }

    /// Reads what [`Lease::to_json`] wrote.
    ///
    /// # Errors
    /// See [`DocumentError`]; also when the policy is none, or `records` leads out of the state directory.
    pub fn from_json(bytes: &[u8]) -> Result<Self, DocumentError> {
        let lease: Self = crate::read(bytes)?;
        if lease.policy.check().is_err() {
            return Err(DocumentError::Contradiction("its policy is none"));
        }
        let plain = |part| matches!(part, std::path::Component::Normal(_));
        if !Path::new(&lease.records).components().all(plain) {
            return Err(DocumentError::Contradiction("its records are not in the state directory"));
        }
        Ok(lease)
    }

    /// As the file has it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        crate::write(self)
    }
}

impl Experiment {
    /// `salt` in bytes.
    #[must_use]
    pub fn new(design: Design, salt: &[u8], origin: String) -> Self {
        let salt = salt.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { design, salt, origin }
    }

    /// Which arm is whose. `None` where the salt is no such text.
    #[must_use]
    pub fn assignment(&self) -> Option<Assignment> {
        let (pairs, []) = self.salt.as_bytes().as_chunks::<2>() else { return None };
        let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let salt: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        Some(Assignment::new(self.design, Salt::new(salt?), self.origin.clone()))
    }

    /// Tells it from any other, and nothing of its salt. Never 0.
    #[must_use]
    pub fn id(&self) -> u64 {
        let text = format!("{:?} {} {}", self.design, self.origin, self.salt);
        let [a, b, c, d, e, f, ..] = *Digest::of(text.as_bytes()).as_bytes();
        u64::from_be_bytes([0, 0, a, b, c, d, e, f]).max(1)
    }
}

impl std::fmt::Debug for Experiment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { design, origin, salt: _ } = self;
        f.debug_struct("Experiment")
            .field("design", design)
            .field("origin", origin)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use manyhands_experiment::Visitor;

    use super::*;

    fn lease() -> Lease {
        Lease::new(PolicyTerms::default(), "assets/0123456789abcdef".to_owned())
    }

    #[test]
    fn a_lease_is_read_as_it_was_written() {
        let mut lease = lease();
        lease.experiment =
            Some(Experiment::new(Design::DEFAULT, b"any salt", "https://a".to_owned()));
        lease.preload = vec![AssetPath::parse("/a%20b.zip").unwrap()];
        assert_eq!(Lease::from_json(&lease.to_json()).unwrap(), lease);
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        let refused = |change: fn(&mut Lease)| {
            let mut lease = lease();
            change(&mut lease);
            Lease::from_json(&lease.to_json()).unwrap_err().to_string()
        };
        assert!(refused(|lease| lease.v = 2).contains("format 2"));
        assert!(refused(|lease| lease.policy.prefix = String::new()).contains("policy"));
        for records in ["/etc", "../x", "a/../../x"] {
            let mut lease = lease();
            lease.records = records.to_owned();
            assert!(Lease::from_json(&lease.to_json()).is_err(), "{records}");
        }
    }

    #[test]
    fn both_ends_assign_alike_and_an_experiment_is_known_by_its_number() {
        let experiment =
            |salt: &[u8]| Experiment::new(Design::DEFAULT, salt, "https://a".to_owned());
        let ours =
            Assignment::new(Design::DEFAULT, Salt::new(*b"any \xff salt"), "https://a".to_owned());
        let theirs = experiment(b"any \xff salt").assignment().unwrap();
        for hour in 0..1_000 {
            let of = |it: &Assignment| it.arm("/a.iso", Visitor::default(), hour * 3_600);
            assert_eq!(of(&ours), of(&theirs), "{hour}");
        }
        assert_ne!(experiment(b"a").id(), experiment(b"b").id());
        assert!(!format!("{:?}", experiment(b"any salt")).contains(&experiment(b"any salt").salt));
        for salt in ["0", "0g", "é"] {
            let odd = Experiment { salt: salt.to_owned(), ..experiment(b"") };
            assert!(odd.assignment().is_none(), "{salt}");
        }
    }
}
