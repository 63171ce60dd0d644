use std::fmt;
use std::path::PathBuf;

use anyhow::{anyhow, bail};
use http::{Method, StatusCode};

use super::args::ProcessArgs;
use crate::doctor::{Ask, Client, Target};
use crate::{run, settings};

const MOST: usize = 64 * 1024 * 1024;
/// Where `serve` and `proxy` listen by default.
const DEFAULT: &str = "http://127.0.0.1:8080";
const KEY_FILE: &str = "operator.key";

/// A running process, and the key to it where it can be read.
pub(super) struct Process {
    client: Client,
    site: Target,
    prefix: String,
    key: Result<String, String>,
    key_file: PathBuf,
    /// Whether the key was meant for this site: it lies in the directory one happens to be in.
    is_named: bool,
}

impl fmt::Display for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.site.origin())
    }
}

impl Process {
    pub(super) fn of(args: &ProcessArgs) -> anyhow::Result<Self> {
        let config = settings::of_file(args.config.as_deref())?;
        let site = match (&args.site, &config.site.origin) {
            (Some(site), _) => site.clone(),
            (None, Some(origin)) => {
                origin.parse().map_err(|error| anyhow!("[site] origin {origin}: {error}"))?
            }
            (None, None) => DEFAULT.parse().map_err(|error: String| anyhow!(error))?,
        };
        let key_file = args.state.as_ref().unwrap_or(&config.state.dir).join(KEY_FILE);
        let key = match std::fs::read_to_string(&key_file) {
            Ok(text) if is_key(text.trim()) => Ok(text.trim().to_owned()),
            Ok(_) => Err("it is no key".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        Ok(Self {
            client: Client::new(args.reach.ca.as_deref(), args.reach.timeout)?,
            site,
            prefix: config.site.prefix.trim_end_matches('/').to_owned(),
            key,
            key_file,
            is_named: args.site.is_none() || args.state.is_some() || args.config.is_some(),
        })
    }

    pub(super) fn get(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        self.ask(Method::GET, name)
    }

    /// Says that it sends JSON, which no form of another site can; there is no body.
    pub(super) fn post(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        self.ask(Method::POST, name)
    }

    fn ask(&self, method: Method, name: &str) -> anyhow::Result<Vec<u8>> {
        let target =
            self.site.at(&format!("{}/{name}", self.prefix)).map_err(|error| anyhow!(error))?;
        let bearer = match &self.key {
            Ok(key) if self.gets_the_key() => Some(format!("Bearer {key}")),
            _ => None,
        };
        let mut fields = vec![("accept", "application/json")];
        if method == Method::POST {
            fields.push(("content-type", "application/json"));
        }
        fields.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        let ask = Ask { method, ..Ask::get(&target, &fields).reading(MOST) };
        let answer = run::block_on(async { Ok(self.client.ask(ask).await) })?;
        let answer = answer.map_err(|failure| {
            anyhow!(
                "cannot reach {self}: {failure}; start Manyhands there, or say with --site where it answers"
            )
        })?;
        match answer.status {
            StatusCode::OK if answer.whole => Ok(answer.body),
            StatusCode::OK => bail!("{self} answered with more than {MOST} bytes"),
            StatusCode::UNAUTHORIZED => bail!(
                "{self} does not take the key of {}: it belongs to another site; name its state \
                 directory with --state",
                self.key_file.display()
            ),
            StatusCode::FORBIDDEN => Err(self.forbidden()),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => bail!(
                "{self} has no {} (status {}): it is not Manyhands, or has another [site] prefix; \
                 name its configuration with --config",
                target.path(),
                answer.status.as_u16()
            ),
            status if status.is_redirection() => bail!(
                "{self} redirects to {}; ask there with --site",
                answer.field("location").unwrap_or_default()
            ),
            status => {
                let text = answer.text();
                let line = text.lines().next().unwrap_or_default();
                bail!("{self} answered with status {}: {line}", status.as_u16())
            }
        }
    }

    /// A key is a credential: never to a stranger.
    fn gets_the_key(&self) -> bool {
        is_here(&self.site) || (self.is_named && is_safe_for_keys(&self.site))
    }

    fn forbidden(&self) -> anyhow::Error {
        let file = self.key_file.display();
        match &self.key {
            Err(error) => anyhow!(
                "{self} answers its operator only (403), and the key {file} cannot be read ({error}); \
                 name the state directory with --state, run this as the user of the site, or ask on its \
                 machine by a loopback address"
            ),
            Ok(_) if !self.gets_the_key() && is_safe_for_keys(&self.site) => anyhow!(
                "{self} answers its operator only (403), and the key {file} was not sent to another machine \
                 without being asked to; say that it belongs there with --state or --config"
            ),
            Ok(_) if !self.gets_the_key() => anyhow!(
                "{self} answers its operator only (403), and the key is not sent over plain http; \
                 ask by https, or on its machine by a loopback address"
            ),
            Ok(_) => anyhow!(
                "{self} refused (403), although the key {file} was sent; something in front of it may \
                 strip Authorization: ask on its machine by a loopback address"
            ),
        }
    }
}

/// Never in the clear over a network.
fn is_safe_for_keys(site: &Target) -> bool {
    site.is_secure() || is_here(site)
}

fn is_here(site: &Target) -> bool {
    manyhands_page::is_loopback(&site.host().to_ascii_lowercase())
}

/// A line of hexadecimal digits; anything else is some other file, not to be sent anywhere.
fn is_key(text: &str) -> bool {
    (32..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_to_whom_it_was_meant_for() {
        for (args, gets) in [
            (&[][..], true),
            (&["--site", "http://127.0.0.1:1"], true),
            (&["--site", "http://LOCALHOST:1"], true),
            (&["--site", "https://[::1]:1"], true),
            (&["--site", "https://example.org"], false),
            (&["--site", "http://example.org"], false),
            (&["--site", "https://localhost.example.org"], false),
            (&["--site", "https://example.org", "--state", "/s"], true),
            (&["--site", "http://example.org", "--state", "/s"], false),
            (&["--site", "http://127.0.0.1:1", "--state", "/s"], true),
        ] {
            let args = [&["test"], args].concat();
            let args = <Args as clap::Parser>::try_parse_from(args).unwrap().process;
            assert_eq!(Process::of(&args).unwrap().gets_the_key(), gets, "{args:?}");
        }
    }

    #[derive(clap::Parser)]
    struct Args {
        #[command(flatten)]
        process: ProcessArgs,
    }

    #[test]
    fn only_keys_are_sent() {
        assert!(is_key(&"0a".repeat(32)));
        for other in ["", "0a", "root:x:0:0:root:/root:/bin/bash and more", &"0a".repeat(200)] {
            assert!(!is_key(other), "{other}");
        }
    }
}
