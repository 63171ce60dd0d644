//! What Manyhands serves about a file: manifest, torrent, magnet link, digests; and whether all of it
//! is about the bytes that are served.

use http::StatusCode;
use manyhands_metainfo::{AssetPath, DIGESTS_PER_PAGE, Digest, Manifest, parse};

use super::asset::{File, Found};
use super::coding::decoded;
use super::fetch::{Answer, Ask, Client};
use super::presence::Presence;
use super::ranges;
use super::reach::CODINGS;
use super::report::{Check, Report, Section, grouped};
use super::target::Target;

const MOST_MANIFEST: usize = 256 * 1024;
const MOST_TORRENT: usize = 16 * 1024 * 1024;
const MOST_MAGNET: usize = 64 * 1024;
const MOST_DIGESTS: usize = DIGESTS_PER_PAGE * Digest::SIZE;

/// What the manifest's answer says.
pub(crate) struct Shared {
    pub(crate) manifest: Box<Manifest>,
    /// `Manyhands-Swarm`: `<complete>/<incomplete>` or `off`.
    pub(crate) swarm: String,
    /// `Manyhands-Mirrors`: base URLs of mirrors that hold the file; absent behind nginx, where `site.json`'s
    /// list counts.
    pub(crate) mirrors: Option<String>,
}

/// Why there is no manifest.
pub(crate) enum Absent {
    /// 404: not wanted by enough visitors yet, being hashed, or hidden.
    NotYet,
    /// Something is wrong.
    Broken(Check),
}

/// The manifest alone; it decides what else is looked at.
pub(crate) async fn manifest(
    client: &Client,
    target: &Target,
    presence: &Presence,
    path: &AssetPath,
) -> Result<Shared, Absent> {
    let refuse = |reason, says: String, remedy: &str| {
        Absent::Broken(Check::refused(Section::Metainfo, "manifest", reason, says, remedy))
    };
    let fields = [("accept", "*/*"), CODINGS];
    let answer = match below(client, target, presence, "manifest", path, &fields, MOST_MANIFEST)
        .await
    {
        Ok(answer) => answer,
        Err(says) => return Err(refuse("manifest_unreachable", says, "see the log of the site")),
    };
    if answer.status == StatusCode::NOT_FOUND {
        return Err(Absent::NotYet);
    }
    if answer.status != StatusCode::OK {
        let says = format!("the manifest is answered with status {}", answer.status.as_u16());
        return Err(refuse(
            "manifest_status",
            says,
            "let the reserved prefix pass through to Manyhands",
        ));
    }
    let text = decoded(&answer, MOST_MANIFEST).and_then(|body| String::from_utf8(body).ok());
    match text.as_deref().map(Manifest::from_json) {
        Some(Ok(manifest)) if manifest.path() == path => {
            let swarm = answer.field("manyhands-swarm").unwrap_or_default();
            let mirrors = answer.field("manyhands-mirrors");
            Ok(Shared { manifest: Box::new(manifest), swarm, mirrors })
        }
        Some(Ok(manifest)) => {
            let says = format!("the manifest is that of {}", manifest.path());
            Err(refuse("manifest_path", says, "a cache in between mixes up paths: purge it"))
        }
        Some(Err(error)) => {
            let says = format!("the manifest cannot be used: {error}");
            Err(refuse(
                "manifest_unusable",
                says,
                "let nothing in between change it; else this is a bug",
            ))
        }
        None => {
            let says = "the manifest is not text".to_owned();
            Err(refuse("manifest_unusable", says, "let nothing in between change it"))
        }
    }
}

/// Everything beside the manifest.
pub(crate) async fn look(
    client: &Client,
    target: &Target,
    presence: &Presence,
    shared: &Shared,
    found: Option<&Found>,
    report: &mut Report,
) {
    let manifest = &shared.manifest;
    if let Some(found) = found {
        agrees(manifest, &found.file, report);
        digest_fields(manifest, presence, &found.answer, report);
    }
    swarm(&shared.swarm, report);
    if let Some(mirrors) = shared.mirrors.as_deref().filter(|mirrors| !mirrors.is_empty()) {
        report.ok(Section::Metainfo, "mirrors", format!("browsers are sent to {mirrors}"));
    }
    torrent(client, target, presence, manifest, report).await;
    magnet(client, target, presence, manifest, report).await;
    digest_pages(client, target, presence, manifest, report).await;
}

fn swarm(swarm: &str, report: &mut Report) {
    let counts = swarm.split_once('/').map(|(a, b)| (a.parse::<u64>(), b.parse::<u64>()));
    match (swarm, counts) {
        ("off", _) => report.warn(
            Section::Metainfo,
            "swarm",
            "swarm_off",
            "the swarm is off for now: this file is held out of the experiment, or doubted",
            "nothing to do: it comes back by itself",
        ),
        (_, Some((Ok(complete), Ok(incomplete)))) => report.ok(
            Section::Metainfo,
            "swarm",
            format!("{complete} with the whole file, {incomplete} with a part"),
        ),
        _ => report.warn(
            Section::Metainfo,
            "swarm",
            "swarm_unclear",
            "the manifest comes without Manyhands-Swarm",
            "let nothing in between strip that field: browsers take its absence for \"off\"",
        ),
    }
}

fn agrees(manifest: &Manifest, file: &File, report: &mut Report) {
    let mut differs = Vec::new();
    if file.length != Some(manifest.length()) {
        differs.push("length");
    }
    // A file without a strong ETag goes by its date or by its name alone: its manifest has none.
    if file.strong_etag() != manifest.etag() {
        differs.push("ETag");
    }
    if file.content_type != manifest.content_type() {
        differs.push("type");
    }
    if differs.is_empty() {
        report.ok(Section::Metainfo, "manifest", "is there, and agrees with the file's answer");
    } else {
        report.refuse(
            Section::Metainfo,
            "manifest",
            "manifest_differs",
            format!("the manifest tells another {} than the file's answer", differs.join(", ")),
            "if the file was just changed, ask again; else a cache in between holds one of the two: \
             let it follow ETags, and leave the reserved prefix alone",
        );
    }
}

/// `Link` and `Repr-Digest` on the file's own answer.
fn digest_fields(manifest: &Manifest, presence: &Presence, answer: &Answer, report: &mut Report) {
    let torrent = format!("<{}/torrent{}>", presence.prefix, manifest.path());
    let linked = answer.field("link").is_some_and(|link| link.contains(&torrent));
    let digest = answer.field("repr-digest").is_some_and(|digest| digest.contains("sha-256=:"));
    match (linked, digest) {
        (true, true) => report.ok(
            Section::Metainfo,
            "fields",
            "the file's answer names its torrent (Link) and its digest (Repr-Digest)",
        ),
        (linked, _) => report.warn(
            Section::Metainfo,
            "fields",
            "fields_missing",
            format!(
                "the file's answer comes without {}",
                if linked { "Repr-Digest" } else { "Link" }
            ),
            "let nothing in between strip it; on a file that was shared only now, ask again",
        ),
    }
}

async fn torrent(
    client: &Client,
    target: &Target,
    presence: &Presence,
    manifest: &Manifest,
    report: &mut Report,
) {
    let mut refuse = |reason, says: String, remedy: &str| {
        report.refuse(Section::Metainfo, "torrent", reason, says, remedy);
    };
    let through = "let the reserved prefix pass through to Manyhands as it is";
    let path = manifest.path();
    let identity = [("accept", "*/*")];
    let answer = match below(client, target, presence, "torrent", path, &identity, MOST_TORRENT)
        .await
    {
        Ok(answer) if answer.status == StatusCode::OK && answer.whole => answer,
        Ok(answer) => {
            let says = format!("the torrent is answered with status {}", answer.status.as_u16());
            return refuse("torrent_status", says, through);
        }
        Err(says) => return refuse("torrent_unreachable", says, through),
    };
    let parsed = match parse(&answer.body) {
        Ok(parsed) => parsed,
        Err(error) => return refuse("torrent_unusable", format!("the torrent: {error}"), through),
    };
    if parsed.info_hash != Some(manifest.info_hash()) {
        let says = "the torrent has another info-hash than the manifest".to_owned();
        return refuse("torrent_differs", says, "a cache in between holds an old one: purge it");
    }
    let media_type = answer.media_type();
    if media_type == "application/x-bittorrent" {
        let says = format!("the torrent is that of the manifest, {}", manifest.info_hash());
        report.ok(Section::Metainfo, "torrent", says);
    } else {
        report.warn(
            Section::Metainfo,
            "torrent",
            "torrent_type",
            format!("the torrent comes as {media_type:?}: browsers will not hand it to a BitTorrent program"),
            "let nothing in between change its Content-Type",
        );
    }
    let seeds: Vec<String> = parsed.web_seeds.clone();
    web_seed(client, &seeds, manifest.length(), report).await;
}

/// The URL that every BitTorrent program will ask for bytes.
async fn web_seed(client: &Client, seeds: &[String], length: u64, report: &mut Report) {
    let Some(seed) = seeds.first() else {
        return report.warn(
            Section::Metainfo,
            "web_seed",
            "no_web_seed",
            "the torrent names no web seed",
            "it was not made by this site: a cache in between holds another",
        );
    };
    let asked = match seed.parse::<Target>() {
        Ok(target) if length > 0 => {
            let last = length - 1;
            ranges::part(client, &target, (last, last), length, &[]).await.map(drop)
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    match asked {
        Ok(()) => report.ok(
            Section::Metainfo,
            "web_seed",
            format!("{seed} gives the last byte of {}", grouped(length)),
        ),
        Err(says) => report.refuse(
            Section::Metainfo,
            "web_seed",
            "web_seed_broken",
            format!("{seed}: {says}"),
            "set [site] origin to what strangers can reach; the URL must answer ranges without a redirect",
        ),
    }
}

async fn magnet(
    client: &Client,
    target: &Target,
    presence: &Presence,
    manifest: &Manifest,
    report: &mut Report,
) {
    let path = manifest.path();
    let fields = [("accept", "*/*")];
    let answer = below(client, target, presence, "magnet", path, &fields, MOST_MAGNET).await;
    let wanted = format!("xt=urn:btih:{}", manifest.info_hash());
    match answer {
        Ok(answer) if answer.status == StatusCode::OK && answer.text().contains(&wanted) => {
            report.ok(Section::Metainfo, "magnet", "the magnet link names the same swarm");
        }
        Ok(answer) => report.warn(
            Section::Metainfo,
            "magnet",
            "magnet_differs",
            format!("status {}: not a magnet link of this swarm", answer.status.as_u16()),
            "a cache in between holds an old one: purge it",
        ),
        Err(says) => {
            report.warn(
                Section::Metainfo,
                "magnet",
                "magnet_unreachable",
                says,
                "see the log of the site",
            );
        }
    }
}

/// Page 0 must be what the manifest carries inline; of a larger file the last page must be there.
async fn digest_pages(
    client: &Client,
    target: &Target,
    presence: &Presence,
    manifest: &Manifest,
    report: &mut Report,
) {
    let inline: Vec<u8> = manifest.digests().iter().flat_map(|digest| *digest.as_bytes()).collect();
    let units = manifest.length().div_ceil(manyhands_metainfo::UNIT);
    let last = units.saturating_sub(1) / DIGESTS_PER_PAGE as u64;
    let first = page(client, target, presence, manifest, 0).await;
    let says = match first {
        Ok(bytes) if bytes != inline => {
            Err("page 0 of the digests is not the manifest's".to_owned())
        }
        Err(says) => Err(says),
        Ok(_) if last > 0 => page(client, target, presence, manifest, last).await.map(drop),
        Ok(_) => Ok(()),
    };
    match says {
        Ok(()) => report.ok(
            Section::Metainfo,
            "digests",
            format!("the digests of all {} units are there", grouped(units)),
        ),
        Err(says) => report.refuse(
            Section::Metainfo,
            "digests",
            "digests_broken",
            says,
            "let the reserved prefix pass through to Manyhands as it is",
        ),
    }
}

/// One page of digests, as long as it must be.
pub(crate) async fn page(
    client: &Client,
    target: &Target,
    presence: &Presence,
    manifest: &Manifest,
    number: u64,
) -> Result<Vec<u8>, String> {
    let target = target.at(&format!("{}/digests/{}/{number}", presence.prefix, manifest.root()))?;
    let asked = client.ask(Ask::get(&target, &[("accept", "*/*")]).reading(MOST_DIGESTS)).await;
    let answer = asked.map_err(|failure| failure.to_string())?;
    if answer.status != StatusCode::OK {
        return Err(format!("page {number} of the digests: status {}", answer.status.as_u16()));
    }
    let units = manifest.length().div_ceil(manyhands_metainfo::UNIT);
    let before = number.saturating_mul(DIGESTS_PER_PAGE as u64);
    let wanted = units.saturating_sub(before).min(DIGESTS_PER_PAGE as u64) * Digest::SIZE as u64;
    if answer.body.len() as u64 != wanted || !answer.whole {
        return Err(format!(
            "page {number} of the digests has {} bytes, not {wanted}",
            answer.body.len()
        ));
    }
    Ok(answer.body)
}

/// `<prefix>/<folder><path>`
async fn below(
    client: &Client,
    target: &Target,
    presence: &Presence,
    folder: &str,
    path: &AssetPath,
    fields: &[(&str, &str)],
    most: usize,
) -> Result<Answer, String> {
    let target = target.at(&format!("{}/{folder}{path}", presence.prefix))?;
    let asked = client.ask(Ask::get(&target, fields).reading(most)).await;
    asked.map_err(|failure| failure.to_string())
}
