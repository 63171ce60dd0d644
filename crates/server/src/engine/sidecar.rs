//! What the engine does for, and hears from, a web server's module.

use std::io;
use std::path::PathBuf;

use manyhands_bridge::{Experiment, Lease};
use manyhands_metainfo::{AssetPath, Digest, FileIdentity, LocalFile};
use manyhands_page::AssetOffer;

use super::Engine;
use crate::client::Client;
use crate::sidecar::Handout;

impl Engine {
    /// From now on what is shown is handed out to the module.
    pub(crate) fn hand_out(&self) -> io::Result<()> {
        let handout = Handout::open(&self.0.checked.config.state.dir)?;
        // A second one would empty what the first has handed out.
        let _ = self.0.handout.set(handout);
        for (path, _) in self.0.shelf.shown() {
            self.give(&path);
        }
        Ok(())
    }

    pub(crate) fn handout(&self) -> Option<&Handout> {
        self.0.handout.get()
    }

    pub(super) fn give(&self, path: &AssetPath) {
        if let Some(handout) = self.handout() {
            handout.give(path);
        }
    }

    pub(super) fn take_back(&self, path: &AssetPath) {
        if let Some(handout) = self.handout() {
            handout.take_back(path);
        }
    }

    /// What holds now, for the module.
    pub(crate) fn lease(&self) -> Lease {
        let config = &self.0.checked.config;
        let mut lease =
            Lease::new(self.0.checked.terms.clone(), self.0.shelf.store().name().to_owned());
        lease.sharing = self.sharing().is_on();
        lease.suffixes = config.site.suffixes;
        let preload = config.assets.preload.iter();
        lease.preload = preload.filter_map(|path| AssetPath::parse(path).ok()).collect();
        lease.experiment = self.experiment();
        lease
    }

    fn experiment(&self) -> Option<Experiment> {
        let running = self.ledger().assignment()?.running();
        let origin = self.0.checked.origin.clone();
        Some(Experiment::new(running.design(), running.salt().as_bytes(), origin))
    }

    /// What reports call the experiment; 0 for none.
    pub(crate) fn experiment_id(&self) -> u64 {
        self.experiment().map_or(0, |experiment| experiment.id())
    }

    /// Takes note of an eligible answer of the module's: its octets are counted there.
    pub(crate) fn offered(
        &self,
        offer: &AssetOffer,
        file: Option<&LocalFile>,
        client: &Client,
        preload: bool,
    ) {
        self.0.counters.asset();
        if offer.demand {
            self.wanted(offer, file, client, preload);
        }
    }

    /// Whether an asset is shown with these bytes.
    pub(crate) fn is_shown(&self, path: &AssetPath, sha256: &Digest) -> bool {
        self.0.shelf.is_shown(path, sha256)
    }

    /// The file behind an asset, and what it was when it was hashed, where we know it.
    pub(crate) fn file_of(&self, path: &AssetPath) -> Option<(PathBuf, FileIdentity)> {
        self.0.shelf.file(path)
    }

    /// The asset that the module counted under this key.
    pub(crate) fn path_of_key(&self, key: &str) -> Option<AssetPath> {
        self.0.shelf.path_of_key(key)
    }
}
