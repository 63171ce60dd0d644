//! The rules of the live site, asked about what a log tells.

use std::net::IpAddr;

use manyhands::Config;
use manyhands_experiment::audience::{Answer, Left, Rules};
use manyhands_page::{Decision, Policy, Reason, RequestHead, ResponseHead, plan};
use manyhands_protocol::tracker::Prefix;

/// What stands for the origin where none is configured: the rules that a log can be judged by do not look at it.
const ANYWHERE: &str = "http://127.0.0.1:8080";

const PAGE: Left = Left { name: "page", sentence: "A page, not a file." };
const ANOTHER_SITE: Left = Left {
    name: "another_site",
    sentence: "The request was for another host than that of [site] origin.",
};
/// `Reason::Extension`, as it is where the log has no types.
const NAME: Left = Left {
    name: "extension",
    sentence: "The file name has no extension of a shared kind, and the log does not tell the type.",
};

pub(super) struct SiteRules {
    policy: Policy,
    /// The configured origin's port, where there is an origin: logs have hosts without.
    port: Option<u16>,
    named: bool,
    /// Within the bounds: the length of a file shows only in the end.
    length: String,
    range: String,
}

impl SiteRules {
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        let mut config = config.clone();
        let named = config.site.origin.is_some();
        let origin = config.site.origin.as_deref().and_then(|it| it.parse::<http::Uri>().ok());
        config.site.origin.get_or_insert_with(|| ANYWHERE.to_owned());
        let policy = config.check()?.policy().clone();
        let length = policy.min_size().max(1);
        Ok(Self {
            port: origin.and_then(|origin| origin.port_u16()),
            named,
            length: length.to_string(),
            range: format!("bytes 0-{}/{length}", length - 1),
            policy,
        })
    }

    fn is_site(&self, host: &str) -> bool {
        let is = |authority: &str| self.policy.is_site(authority.as_bytes());
        !self.named || is(host) || self.port.is_some_and(|port| is(&format!("{host}:{port}")))
    }
}

impl Rules for SiteRules {
    fn judge(&mut self, answer: &Answer<'_>) -> Result<Box<str>, Left> {
        if answer.host.is_some_and(|host| !self.is_site(host)) {
            return Err(ANOTHER_SITE);
        }
        let (path, query) = match answer.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (answer.target, None),
        };
        // What a log does not tell is taken to be in order: fields of the answer, cookies.
        let asked = [("authorization", "x"), ("range", "bytes=0-")];
        let asked = match (answer.authenticated, answer.status) {
            (true, _) => &asked[..1],
            (false, 206) => &asked[1..],
            (false, _) => &[],
        };
        let content_type = answer.content_type.unwrap_or("application/octet-stream");
        let said = [
            ("content-type", content_type),
            ("etag", "\"1\""),
            ("content-length", &self.length),
            ("content-range", &self.range),
        ];
        let said = if answer.status == 206 { &said[..] } else { &said[..3] };
        let plan = plan(
            &RequestHead { method: answer.method, path, query, headers: asked },
            &ResponseHead { status: answer.status, headers: said },
            &self.policy,
            false,
        );
        match plan.decision {
            Decision::Asset(offer) => Ok(offer.path.as_str().into()),
            Decision::Page(_) | Decision::PassThrough(Reason::NotNavigation) => Err(PAGE),
            Decision::PassThrough(Reason::Extension) if answer.content_type.is_none() => Err(NAME),
            Decision::PassThrough(reason) => Err(left(reason)),
        }
    }

    fn weigh(&self, length: u64) -> Result<(), Left> {
        if length < self.policy.min_size() {
            return Err(left(Reason::TooSmall));
        }
        if length > self.policy.max_size() {
            return Err(left(Reason::TooLarge));
        }
        Ok(())
    }

    fn prefix(&self, address: IpAddr) -> u64 {
        Prefix::from(address).to_bits()
    }
}

fn left(reason: Reason) -> Left {
    Left { name: reason.name(), sentence: reason.sentence() }
}
