use std::collections::HashMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use manyhands_metainfo::{AssetPath, Digest, FileIdentity, InfoHash};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{DocumentError, VERSION};

/// The metainfo of one asset that is shown, in every form that it is asked for: answers that need no daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    v: u32,
    /// The asset.
    pub path: AssetPath,
    /// Its swarm.
    pub infohash: InfoHash,
    /// The file that was hashed, where it is on this machine: what is published holds while that is the same.
    pub file: Option<(PathBuf, FileIdentity)>,
    /// `manifest/<path>` below the reserved prefix, but for the swarm.
    pub manifest: Form,
    /// `torrent/<path>`
    pub torrent: Form,
    /// `magnet/<path>`
    pub magnet: Form,
    /// `meta4/<path>`
    pub meta4: Form,
    /// `sha256/<path>`
    pub sha256: Form,
}

/// An answer of status 200, uncompressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// Names and values of the header fields, `Content-Length` not among them.
    pub fields: Vec<(String, String)>,
    /// The body.
    #[serde(serialize_with = "to_base64", deserialize_with = "of_base64")]
    pub body: Vec<u8>,
}

impl Published {
    /// Where they are, below the state directory.
    pub const DIR: &str = "nginx/published";

    /// `forms` in the order of the fields.
    #[must_use]
    pub fn new(
        path: AssetPath,
        infohash: InfoHash,
        file: Option<(PathBuf, FileIdentity)>,
        forms: [Form; 5],
    ) -> Self {
        let [manifest, torrent, magnet, meta4, sha256] = forms;
        Self { v: VERSION, path, infohash, file, manifest, torrent, magnet, meta4, sha256 }
    }

    /// The name of an asset's file in [`Published::DIR`].
    #[must_use]
    pub fn file_name_of(path: &AssetPath) -> String {
        format!("{}.json", Digest::of(path.as_str().as_bytes()))
    }

    /// Reads what [`Published::to_json`] wrote.
    ///
    /// # Errors
    /// See [`DocumentError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, DocumentError> {
        crate::read(bytes)
    }

    /// As the file has it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        crate::write(self)
    }
}

fn to_base64<S: Serializer>(body: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(body))
}

fn of_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

/// How many have, and how many want, in each swarm that anybody is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swarms {
    v: u32,
    swarms: HashMap<InfoHash, (u64, u64)>,
}

impl Swarms {
    /// Where it is, below the state directory.
    pub const FILE: &str = "nginx/swarms.json";

    /// Swarms by their complete and incomplete peers.
    #[must_use]
    pub fn new(swarms: impl IntoIterator<Item = (InfoHash, (u64, u64))>) -> Self {
        Self { v: VERSION, swarms: swarms.into_iter().collect() }
    }

    /// Peers of a swarm: complete ones, and others.
    #[must_use]
    pub fn of(&self, infohash: &InfoHash) -> (u64, u64) {
        self.swarms.get(infohash).copied().unwrap_or_default()
    }

    /// Reads what [`Swarms::to_json`] wrote.
    ///
    /// # Errors
    /// See [`DocumentError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, DocumentError> {
        crate::read(bytes)
    }

    /// As the file has it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        crate::write(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_read_as_it_was_written() {
        let form = |body: &[u8]| Form {
            fields: vec![("etag".to_owned(), "\"x\"".to_owned())],
            body: body.to_vec(),
        };
        let path = AssetPath::parse("/a.iso").unwrap();
        let forms = [form(b"{}"), form(b"d\xff\x00e"), form(b""), form(b"<"), form(b"x")];
        let published = Published::new(path, InfoHash::from_bytes([7; 20]), None, forms);
        assert_eq!(Published::from_json(&published.to_json()).unwrap(), published);
    }

    #[test]
    fn a_swarm_that_is_not_named_has_nobody() {
        let [one, other] = [[1; 20], [2; 20]].map(InfoHash::from_bytes);
        let swarms = Swarms::new([(one, (3, 4))]);
        let read = Swarms::from_json(&swarms.to_json()).unwrap();
        assert_eq!((read.of(&one), read.of(&other)), ((3, 4), (0, 0)));
    }
}
