//! `manyhands doctor URL`: looks at a page or a file of a running site as a stranger would, and says of
//! every gate whether it is open, why not, and what to do.
//!
//! Front door: [`run`]. In reading order: `reach` (getting there), `presence` (is Manyhands there),
//! `page`, or `asset`, `ranges`, `metainfo` and `proof`, then `tracker` and `stun`, and `conclusion`. Each
//! adds rows to the `report`, which `text` prints. `fetch` is the HTTP client, over `connect` and `failure`.
//! Nothing is sent but requests that any browser may send: no cookie, no credentials.

mod args;
mod asset;
mod between;
mod coding;
mod conclusion;
mod connect;
mod failure;
mod fetch;
mod gates;
mod html;
mod inside;
mod metainfo;
mod page;
mod presence;
mod proof;
mod ranges;
mod reach;
mod report;
mod stun;
mod target;
mod text;
mod tracker;

pub(crate) use args::{DoctorArgs, ReachArgs};
pub(crate) use fetch::{Ask, Client};
pub(crate) use report::grouped;
pub(crate) use target::Target;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use manyhands::Config;
use manyhands_metainfo::AssetPath;
use manyhands_page::{Decision, Policy};

use crate::{plain, run, settings};

use self::conclusion::Outcome;
use self::inside::Standing;
use self::metainfo::{Absent, Shared};
use self::page::Page;
use self::presence::Presence;
use self::reach::Visit;
use self::report::{Kind, Report, Section};

pub(crate) fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let config = settings::of_file(args.config.as_deref())?;
    let client = Client::new(args.reach.ca.as_deref(), args.reach.timeout)?;
    let mut report = Report::new(args.url.to_string());
    let doctor = Doctor { client, config, given: args.config.is_some() };
    let report = run::block_on(async {
        doctor.examine(&args.url, &mut report).await?;
        Ok(report)
    })?;
    let text = match args.json {
        true => format!("{}\n", plain::json(&report)?),
        false => text::render(&report, coloured()),
    };
    std::io::stdout().write_all(text.as_bytes()).context("cannot print the report")?;
    Ok(if report.verdict.ok { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// <https://no-color.org>
fn coloured() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
    std::io::stdout().is_terminal() && !refused && !dumb
}

struct Doctor {
    client: Client,
    config: Config,
    /// Whether the configuration was given, or is the default.
    given: bool,
}

impl Doctor {
    async fn examine(&self, url: &Target, report: &mut Report) -> anyhow::Result<()> {
        let Some(visit) = reach::visit(&self.client, url, report).await else {
            conclusion::unreachable(report);
            return Ok(());
        };
        let page = match kind(&visit) {
            Kind::Page => Page::read(&visit, report),
            Kind::Asset | Kind::Unknown => None,
        };
        report.kind = kind(&visit);
        status(&visit, report);
        let presence = self.presence(&visit, page.as_ref(), report).await;
        let policy = self.policy(&visit.target, presence.as_ref())?;
        match report.kind {
            Kind::Unknown => {
                conclusion::unreachable(report);
                return Ok(());
            }
            Kind::Page => {
                if let Some(page) = &page {
                    page::look(&self.client, &visit, page, &policy, presence.as_ref(), report)
                        .await;
                }
            }
            Kind::Asset => return self.asset(&visit, &policy, presence.as_ref(), report).await,
        }
        self.peers(&visit, presence.as_ref(), report).await;
        conclusion::page(&visit.target, presence.as_ref(), report);
        Ok(())
    }

    /// Prefixes to try: those that the page's own script elements name, the configured one, the default.
    async fn presence(
        &self,
        visit: &Visit,
        page: Option<&Page>,
        report: &mut Report,
    ) -> Option<Presence> {
        let mut prefixes = page.map(|page| page.prefixes(&visit.target)).unwrap_or_default();
        prefixes.push(self.config.site.prefix.trim_end_matches('/').to_owned());
        prefixes.push(Policy::default().prefix().to_owned());
        let mut tried = Vec::new();
        prefixes.retain(|prefix| {
            let new = !tried.contains(prefix);
            tried.push(prefix.clone());
            new
        });
        presence::look(&self.client, &visit.target, &prefixes, report).await
    }

    /// The configuration's, filled up with what the running site says of itself.
    fn policy(&self, target: &Target, presence: Option<&Presence>) -> anyhow::Result<Policy> {
        let mut config = self.config.clone();
        if let Some(Presence { prefix, site }) = presence {
            config.site.prefix = format!("{prefix}/");
            if site.origin.parse::<Target>().is_ok() {
                config.site.origin.get_or_insert_with(|| site.origin.clone());
            }
            if !self.given
                && let Some(min_size) = site.assets.min_size
            {
                config.assets.min_size = min_size;
                config.assets.max_size = config.assets.max_size.max(min_size);
            }
        }
        config.site.origin.get_or_insert_with(|| target.origin());
        Ok(config.check()?.policy().clone())
    }

    async fn asset(
        &self,
        visit: &Visit,
        policy: &Policy,
        presence: Option<&Presence>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let (client, target) = (&self.client, &visit.target);
        if visit.redirected {
            report.refuse(
                Section::Asset,
                "address",
                "redirect",
                "nothing is shared under an address that redirects",
                format!("link to {target}, and ask the doctor about that"),
            );
        }
        let found = asset::look(client, visit, report).await;
        // Asked before the gates are judged: a file that is shared passes them, whatever we think.
        let plain = AssetPath::parse(target.path()).ok().filter(|_| target.query().is_none());
        let mut manifest = Manifest::NotAsked;
        if let (Some(presence), Some(path)) = (presence, &plain) {
            manifest = Manifest::asked(client, target, presence, path).await;
        }
        let mut path = plain;
        if let Some(found) = &found {
            let is_shared = manifest.shared().is_some();
            let judged = asset::gates(target, found, policy, is_shared, report);
            ranges::look(client, target, &found.file, report).await;
            // A query that only breaks caches: the file is that of the path alone.
            if let (Decision::Asset(offer), Some(presence), None) =
                (&judged.decision, presence, &path)
            {
                manifest = Manifest::asked(client, target, presence, &offer.path).await;
                path = Some(offer.path.clone());
            }
        }
        let shared = match manifest {
            Manifest::NotAsked => None,
            Manifest::Asked(Ok(shared)) => Some(shared),
            Manifest::Asked(Err(Absent::NotYet)) => {
                report.skip(Section::Metainfo, "manifest", "none yet (404)");
                report.skip(Section::Proof, "units", "there is nothing to hold the bytes against");
                None
            }
            Manifest::Asked(Err(Absent::Broken(check))) => {
                report.checks.push(check);
                None
            }
        };
        if let (Some(presence), Some(shared)) = (presence, &shared) {
            metainfo::look(client, target, presence, shared, found.as_ref(), report).await;
            proof::look(client, target, presence, &shared.manifest, report).await;
        }
        self.peers(visit, presence, report).await;
        let standing = match (presence, &shared, &path) {
            (Some(presence), None, Some(path)) => {
                inside::standing(client, target, presence, path).await
            }
            _ => Standing::Unknown,
        };
        let outcome = Outcome {
            target,
            presence,
            shared: shared.as_ref(),
            standing,
            config: &self.config,
            given: self.given,
        };
        conclusion::asset(&outcome, report);
        Ok(())
    }

    async fn peers(&self, visit: &Visit, presence: Option<&Presence>, report: &mut Report) {
        if let Some(presence) = presence {
            tracker::look(&self.client, &visit.target, presence, report).await;
            stun::look(&self.client, &visit.target, presence, report).await;
        }
    }
}

/// What came of asking for a manifest.
enum Manifest {
    NotAsked,
    Asked(Result<Shared, Absent>),
}

impl Manifest {
    async fn asked(
        client: &Client,
        target: &Target,
        presence: &Presence,
        path: &AssetPath,
    ) -> Self {
        Self::Asked(metainfo::manifest(client, target, presence, path).await)
    }

    fn shared(&self) -> Option<&Shared> {
        match self {
            Self::Asked(Ok(shared)) => Some(shared),
            Self::NotAsked | Self::Asked(Err(_)) => None,
        }
    }
}

fn kind(visit: &Visit) -> Kind {
    match (visit.answer.status.as_u16(), visit.answer.media_type().as_str()) {
        (200, "text/html" | "application/xhtml+xml") => Kind::Page,
        (200, _) => Kind::Asset,
        _ => Kind::Unknown,
    }
}

/// An answer that is none.
fn status(visit: &Visit, report: &mut Report) {
    let status = visit.answer.status.as_u16();
    let says = format!("the site answers with status {status}");
    let (reason, remedy) = match status {
        200 => return report.ok(Section::Reach, "answer", "status 200"),
        401 | 403 | 407 => (
            "not_public",
            "nothing to do if it is not for everybody; else open it to visitors without a login, whatever \
             program they use",
        ),
        404 | 410 => ("not_found", "correct the path"),
        429 => ("too_many_requests", "ask again later; visitors meet that limit as well"),
        500.. => ("server_error", "see the log of the server, or of what stands behind it"),
        _ => ("status", "ask for a URL that is answered with 200"),
    };
    report.refuse(Section::Reach, "answer", reason, says, remedy);
}
