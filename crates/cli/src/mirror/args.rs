use std::path::PathBuf;

use clap::Args;
use manyhands_peer::mirror::{Hours, SiteAddress};
use manyhands_protocol::mirrors::{BaseUrl, PublicKey};

use super::amount;

#[derive(Debug, Args)]
pub(crate) struct MirrorArgs {
    /// The sites to carry, such as https://example.org/; without any, those of the last start in --dir
    #[arg(value_name = "URL", value_parser = site)]
    pub(crate) sites: Vec<SiteAddress>,
    /// Where everything is kept
    #[arg(long, value_name = "DIR", default_value = "manyhands-mirror")]
    pub(crate) dir: PathBuf,
    /// Disk that all sites together may take, such as 20GB or 500MiB
    #[arg(long, value_name = "SIZE", default_value = "20GB", value_parser = amount::bytes)]
    pub(crate) budget: u64,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8085")]
    pub(crate) listen: String,
    /// Where visitors reach that port, such as https://mirror.example/; without it the sites list this mirror
    /// nowhere
    #[arg(long, value_name = "URL", value_parser = public_url)]
    pub(crate) public_url: Option<BaseUrl>,
    /// Certificate chain (PEM): serve TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Bandwidth for fetching, and as much for serving, such as 50Mbit or 5MB (a second)
    #[arg(long, value_name = "RATE", value_parser = amount::rate)]
    pub(crate) rate: Option<u64>,
    /// Hours of the day in which to fetch, such as 22-6; what is there is served at all hours
    #[arg(long, value_name = "HOURS")]
    pub(crate) hours: Option<Hours>,
    /// What the sites' operators see this mirror called
    #[arg(long, value_name = "TEXT", default_value = "mirror", value_parser = line::<80>)]
    pub(crate) name: String,
    /// How they reach who runs it, such as an address for mail
    #[arg(long, value_name = "TEXT", value_parser = line::<200>)]
    pub(crate) contact: Option<String>,
    /// The key that the site's feed must be signed by; without it the one it has when it is first met
    #[arg(long, value_name = "HEX")]
    pub(crate) site_key: Option<PublicKey>,
    /// Say how the mirror that runs in --dir is, and start none
    #[arg(long)]
    pub(crate) status: bool,
    /// With --status: as JSON
    #[arg(long, requires = "status")]
    pub(crate) json: bool,
}

fn site(text: &str) -> Result<SiteAddress, String> {
    SiteAddress::parse(text).map_err(|error| error.to_string())
}

/// A slash at its end is not asked for.
fn public_url(text: &str) -> Result<BaseUrl, String> {
    let url = format!("{}/", text.strip_suffix('/').unwrap_or(text));
    url.parse().map_err(|error| format!("it {error}"))
}

fn line<const MOST: usize>(text: &str) -> Result<String, String> {
    let fits = (1..=MOST).contains(&text.trim().chars().count());
    if fits && !text.contains(char::is_control) {
        Ok(text.trim().to_owned())
    } else {
        Err(format!("one line of 1 to {MOST} characters"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: MirrorArgs,
    }

    fn read(args: &[&str]) -> Result<MirrorArgs, String> {
        let args = [&["mirror"], args].concat();
        let line = <Line as clap::Parser>::try_parse_from(args);
        line.map(|line| line.args).map_err(|error| error.to_string())
    }

    #[test]
    fn a_volunteers_line() {
        let args = read(&["https://a.example/", "https://b.example", "--budget", "2TB"]).unwrap();
        assert_eq!(args.sites.len(), 2);
        assert_eq!((args.budget, args.rate), (2_000_000_000_000, None));
        let args = read(&["https://a.example", "--public-url", "https://m.example/x"]).unwrap();
        assert_eq!(args.public_url.unwrap().as_str(), "https://m.example/x/");
        for (bad, says) in [
            (&["http://a.example"][..], "must be https"),
            (&["a.example"], "https://example.org/"),
            (&["https://a.example", "--public-url", "http://m.example"], "must be https"),
            (&["https://a.example", "--budget", "20 parsecs"], "20GB"),
            (&["https://a.example", "--rate", "fast"], "50Mbit"),
            (&["https://a.example", "--hours", "night"], "22-6"),
            (&["https://a.example", "--name", "a\nb"], "one line"),
            (&["https://a.example", "--site-key", "00"], "hexadecimal"),
            (&["--json"], "--status"),
            (&["https://a.example", "--tls-cert", "x"], "--tls-key"),
        ] {
            let error = read(bad).unwrap_err();
            assert!(error.contains(says), "{bad:?}: {error}");
        }
    }
}
