use manyhands_metainfo::{AssetPath, Digest, InfoHash, Magnet, Manifest, Record, Version};

use crate::reserved::{Document, Encoded};

/// What is served of a ready asset, made once from its record.
#[derive(Debug)]
pub struct Ready {
    pub(crate) record: Record,
    pub(crate) info_hash: InfoHash,
    pub(crate) manifest: Encoded,
    pub(crate) torrent: Document,
    pub(crate) magnet: String,
}

/// What of the configuration goes into torrents.
#[derive(Debug, Clone)]
pub(crate) struct ReadySettings {
    /// `https://example.org`
    pub(crate) origin: String,
    /// `/.well-known/manyhands`
    pub(crate) prefix: String,
    /// Whether torrents and magnets name our tracker.
    pub(crate) announce: bool,
}

impl ReadySettings {
    fn url(&self, path: &AssetPath) -> String {
        format!("{}{path}", self.origin)
    }

    fn tracker(&self) -> Option<String> {
        let socket = self.origin.replacen("http", "ws", 1);
        self.announce.then(|| format!("{socket}{}/tracker", self.prefix))
    }

    /// The torrent of an asset. The site is its first web seed, mirrors follow; the info-hash knows of neither.
    pub(crate) fn torrent(&self, record: &Record, mirrors: &[String]) -> Document {
        let mut torrent = record.torrent().with_web_seed(self.url(&record.path));
        for mirror in mirrors {
            torrent = torrent.with_web_seed(mirror);
        }
        if let Some(tracker) = self.tracker() {
            torrent = torrent.with_tracker_tier([tracker]);
        }
        Document::new(torrent.to_bytes().into())
    }

    /// The magnet link of an asset.
    pub(crate) fn magnet(
        &self,
        path: &AssetPath,
        info_hash: &InfoHash,
        length: u64,
        mirrors: &[String],
    ) -> String {
        let (name, url, tracker) = (path.file_name(), self.url(path), self.tracker());
        let exact = format!("{}{}/torrent{path}", self.origin, self.prefix);
        let mut magnet = Magnet::new(*info_hash)
            .with_name(&name)
            .with_length(length)
            .with_web_seed(&url)
            .with_exact_source(&exact);
        for mirror in mirrors {
            magnet = magnet.with_web_seed(mirror);
        }
        if let Some(tracker) = &tracker {
            magnet = magnet.with_tracker(tracker);
        }
        magnet.to_string()
    }
}

impl Ready {
    pub(crate) fn new(record: Record, first_page: &[Digest], settings: &ReadySettings) -> Self {
        let info_hash = record.info_hash();
        let torrent = settings.torrent(&record, &[]);
        let magnet = settings.magnet(&record.path, &info_hash, record.hashes.length, &[]);
        let etag = record.version.validator.etag();
        let (path, hashes) = (&record.path, &record.hashes);
        let manifest =
            Manifest::new(path, &record.content_type, etag, &info_hash, hashes, first_page);
        let manifest = Encoded::new(manifest.to_json().into_bytes());
        Self { info_hash, manifest, torrent, magnet, record }
    }

    /// The asset.
    #[must_use]
    pub fn path(&self) -> &AssetPath {
        &self.record.path
    }

    /// What the bytes behind this metainfo are.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.record.version
    }

    /// Bytes this takes in memory, near enough for a cache that is bounded by bytes.
    pub(crate) fn weight(&self) -> u32 {
        let hashes = self.record.hashes.pages.len() * 32 + self.record.hashes.pieces.len();
        let all = hashes + self.torrent.len() + self.manifest.weight() + self.magnet.len() + 512;
        u32::try_from(all).unwrap_or(u32::MAX)
    }
}
