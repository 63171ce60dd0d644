use std::net::IpAddr;
use std::path::Path;

use http::Uri;
use ipnet::IpNet;
use manyhands_experiment::{Billing, Design, DesignError};
use manyhands_metainfo::AssetPath;
use manyhands_page::{Policy, PolicyError, PolicyTerms, is_loopback};
use manyhands_protocol::mirrors::{AddressError, BaseUrl, SiteOrigin};

use super::{BillingSection, Config, ExperimentDesign, ExperimentSection, MirrorsSection};

/// A [`Config`] whose fields have been parsed and found to fit together.
#[derive(Debug, Clone)]
pub struct Checked {
    pub(crate) config: Config,
    /// `https://example.org`
    pub(crate) origin: String,
    /// `policy` as it is handed on to a web server's module.
    pub(crate) terms: PolicyTerms,
    pub(crate) policy: Policy,
    pub(crate) trusted: Vec<IpNet>,
    pub(crate) stun_url: Option<String>,
    /// Set where there is an experiment.
    pub(crate) design: Option<Design>,
    pub(crate) billing: Billing,
    /// `origin`, as mirrors sign it.
    pub(crate) site: SiteOrigin,
    /// `[mirrors] urls`.
    pub(crate) mirrors: Vec<BaseUrl>,
}

/// What is wrong with a configuration: names the field and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[{section}] {field}: {problem}; {remedy}")]
pub struct ConfigError {
    /// Section, without brackets.
    pub section: &'static str,
    /// Field in that section.
    pub field: &'static str,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: &'static str,
}

impl Config {
    /// Parses and checks every field, once, at start-up.
    ///
    /// # Errors
    /// The first field that can't be used, with a remedy.
    pub fn check(self) -> Result<Checked, ConfigError> {
        let origin = origin(self.site.origin.as_deref())?;
        let site = site(&origin)?;
        let mirrors = mirrors(&self.mirrors, &site)?;
        let terms = terms(&self, &origin);
        let policy = terms.check().map_err(refused)?;
        let trusted = self.trusted()?;
        if !(1.0..=10.0).contains(&self.policy.slack) {
            return Err(ConfigError {
                section: "policy",
                field: "slack",
                problem: format!("{} is not between 1.0 and 10.0", self.policy.slack),
                remedy: "use 1.0 for speed first, 1.25 for the default",
            });
        }
        let (design, billing) = (design(&self.experiment)?, billing(&self.billing)?);
        let admission = &self.admission;
        for (field, least) in [
            ("queue", admission.queue as u64),
            ("jobs", admission.jobs as u64),
            ("deadline", admission.deadline),
        ] {
            if least == 0 {
                return Err(ConfigError {
                    section: "admission",
                    field,
                    problem: "0 would keep everything from being hashed".to_owned(),
                    remedy: "set it to 1 or more, or leave it out for the default",
                });
            }
        }
        if let Some(path) = self.assets.preload.iter().find(|path| !is_asset_path(path)) {
            return Err(ConfigError {
                section: "assets",
                field: "preload",
                problem: format!("`{path}` is not the path of a file"),
                remedy: "write it as in a URL, like /pub/big%20file.zip",
            });
        }
        let excluded =
            |path: &&String| AssetPath::parse(path).is_ok_and(|path| policy.is_excluded(&path));
        if let Some(path) = self.assets.preload.iter().find(excluded) {
            return Err(ConfigError {
                section: "assets",
                field: "preload",
                problem: format!("`{path}` is excluded"),
                remedy: "take it out here or out of [assets] exclude",
            });
        }
        let stun_url = self.stun.host.as_deref().map(|host| {
            let host = match host.parse::<IpAddr>() {
                Ok(IpAddr::V6(address)) => format!("[{address}]"),
                Ok(IpAddr::V4(_)) | Err(_) => host.to_owned(),
            };
            format!("stun:{host}:{}", self.stun.listen.port())
        });
        Ok(Checked {
            origin,
            terms,
            policy,
            trusted,
            stun_url,
            design,
            billing,
            site,
            mirrors,
            config: self,
        })
    }
}

fn design(section: &ExperimentSection) -> Result<Option<Design>, ConfigError> {
    let ExperimentSection { holdout, block: hours, .. } = *section;
    let design = match section.design {
        ExperimentDesign::Off => return Ok(None),
        ExperimentDesign::Crossover => Design::Crossover { holdout, hours },
        ExperimentDesign::Visitors => Design::Visitors { hours },
    };
    let error =
        |field, problem, remedy| ConfigError { section: "experiment", field, problem, remedy };
    let design = design.check().map_err(|refused| match refused {
        DesignError::Hours(_) => error("block", refused.to_string(), "use 6 for the default"),
        _ => error("holdout", refused.to_string(), "use 1000 for a tenth"),
    })?;
    for (field, days) in [("days", section.days), ("keep", section.keep)] {
        if !(1..=3_650).contains(&days) {
            let problem = format!("{days} days are not between 1 and 3,650");
            return Err(error(field, problem, "leave it out for the default"));
        }
    }
    if section.salt.as_deref().is_some_and(|salt| salt.len() < 8) {
        let problem = "a salt of less than 8 bytes can be guessed, and with it who is held out";
        return Err(error("salt", problem.to_owned(), "use any longer text, or leave it out"));
    }
    Ok(Some(design))
}

fn billing(section: &BillingSection) -> Result<Billing, ConfigError> {
    if !(0.0..=1e9).contains(&section.price) {
        return Err(ConfigError {
            section: "billing",
            field: "price",
            problem: format!("{} is no price", section.price),
            remedy: "set it to what a gigabyte, or a Mbit/s for a month, costs",
        });
    }
    let BillingSection { model, price, ref currency } = *section;
    Ok(Billing { model, price, currency: currency.clone() })
}

/// The origin in the one spelling that mirrors sign.
fn site(origin: &str) -> Result<SiteOrigin, ConfigError> {
    origin.parse().map_err(|error: AddressError| ConfigError {
        section: "site",
        field: "origin",
        problem: format!("`{origin}` {error}"),
        remedy: "write it as browsers show it, such as https://example.org, without the usual port",
    })
}

fn mirrors(section: &MirrorsSection, site: &SiteOrigin) -> Result<Vec<BaseUrl>, ConfigError> {
    let error = |field, problem, remedy| ConfigError { section: "mirrors", field, problem, remedy };
    let mut urls: Vec<BaseUrl> = Vec::new();
    for text in &section.urls {
        let remedy = "write it like https://mirror.example/example.org/";
        let url: BaseUrl = text
            .parse()
            .map_err(|why: AddressError| error("urls", format!("`{text}` {why}"), remedy))?;
        if url.is_loopback() && !site.is_loopback() {
            let problem = format!("`{text}` is this machine, which no visitor can reach");
            return Err(error("urls", problem, remedy));
        }
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    if !(1..=86_400).contains(&section.probes) {
        let problem = format!("{} s are not between 1 and 86,400", section.probes);
        return Err(error("probes", problem, "use 60 for the default"));
    }
    if section.listed > 64 {
        let problem = format!("{} is more than a browser would try", section.listed);
        return Err(error("listed", problem, "use 8 for the default, and at most 64"));
    }
    if !(1..=10_000).contains(&section.most) {
        let problem = format!("{} is not between 1 and 10,000", section.most);
        return Err(error("most", problem, "use 64 for the default; register = false takes none"));
    }
    Ok(urls)
}

/// As an asset is called, so that it can be told from others.
fn is_asset_path(text: &str) -> bool {
    AssetPath::parse(text).is_ok_and(|path| path.as_str() == text && !path.is_directory())
}

impl Checked {
    /// What may be rewritten and shared: for whoever judges without serving.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Where the sums of the experiment are.
    #[must_use]
    pub fn experiment_dir(&self) -> &Path {
        self.config.experiment.dir.as_deref().unwrap_or(&self.config.state.dir)
    }

    /// Whether the site is on this machine alone, as for development: its origin is a loopback name.
    pub(crate) fn is_local(&self) -> bool {
        let uri = self.origin.parse::<Uri>();
        uri.is_ok_and(|uri| uri.host().is_some_and(is_loopback))
    }
}

fn origin(text: Option<&str>) -> Result<String, ConfigError> {
    let error = |problem: String| ConfigError {
        section: "site",
        field: "origin",
        problem,
        remedy: "set it to the scheme and host visitors see, such as https://example.org",
    };
    let text = text.ok_or_else(|| error("is missing".to_owned()))?;
    let refused = || error(format!("`{text}` is not an origin"));
    let uri: Uri = text.trim_end_matches('/').parse().map_err(|_| refused())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(refused());
    };
    let bare = uri.path() == "/" && uri.query().is_none() && !authority.as_str().contains('@');
    if !matches!(scheme, "http" | "https") || !bare {
        return Err(refused());
    }
    Ok(format!("{scheme}://{}", authority.as_str().to_ascii_lowercase()))
}

impl Config {
    /// The prices of `[billing]`, for whoever reckons without serving.
    ///
    /// # Errors
    /// When the price is none.
    pub fn billing(&self) -> Result<Billing, ConfigError> {
        billing(&self.billing)
    }

    /// The networks of `[listen] trusted`, for hosts that forward addresses themselves.
    ///
    /// # Errors
    /// The first entry that is neither an address nor a network.
    pub fn trusted(&self) -> Result<Vec<IpNet>, ConfigError> {
        self.listen.trusted.iter().map(|network| trusted(network)).collect()
    }
}

/// The policy's part of a configuration.
fn terms(config: &Config, origin: &str) -> PolicyTerms {
    let assets = &config.assets;
    PolicyTerms {
        prefix: config.site.prefix.clone(),
        origin: Some(origin.to_owned()),
        pages: config.page.inject && !config.site.disabled,
        nonce: config.page.nonce,
        recompress: config.page.compress,
        min_size: assets.min_size,
        max_size: assets.max_size,
        types: assets.types.clone(),
        public: assets.public.clone(),
        exclude: assets.exclude.clone(),
        immutable: assets.immutable.clone(),
        queries: assets.queries.clone(),
    }
}

/// Names the field behind what the policy refused.
fn refused(error: PolicyError) -> ConfigError {
    let (section, field, remedy) = match error {
        PolicyError::Prefix(_) => ("site", "prefix", "write it like /.well-known/manyhands/"),
        PolicyError::Sizes { .. } => ("assets", "max_size", "set max_size to at least min_size"),
        PolicyError::Type(_) => ("assets", "types", "write it like video/mp4 or video/*"),
        PolicyError::ActiveType(_) => ("assets", "types", "leave it out"),
        PolicyError::Public(_) => ("assets", "public", "write it like /pub/"),
        PolicyError::Exclude(_) => ("assets", "exclude", "write it like /private/ or /a/b.zip"),
        PolicyError::Immutable(_) => ("assets", "immutable", "write it like /static/"),
        PolicyError::Query(_) => ("assets", "queries", "write it like v"),
        PolicyError::CredentialQuery(_) => (
            "assets",
            "queries",
            "leave it out: files that need it are for the holders of their URLs",
        ),
        _ => ("site", "origin", "write it like https://example.org"),
    };
    ConfigError { section, field, problem: error.to_string(), remedy }
}

fn trusted(text: &str) -> Result<IpNet, ConfigError> {
    let network = text.parse::<IpNet>().ok();
    network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)).ok_or_else(|| ConfigError {
        section: "listen",
        field: "trusted",
        problem: format!("`{text}` is neither an address nor a network"),
        remedy: "write it like 10.0.0.1 or 10.0.0.0/8",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_origin(origin: &str) -> Config {
        let mut config = Config::default();
        config.site.origin = Some(origin.to_owned());
        config
    }

    #[test]
    fn only_names_of_this_machine_are_local() {
        for (origin, local) in [
            ("http://127.0.0.1:8080", true),
            ("https://LOCALHOST", true),
            ("http://[::1]:8080", true),
            ("https://example.org", false),
            ("http://localhost.example.org", false),
            ("http://127.0.0.1.example.org", false),
            ("http://192.168.1.1:8080", false),
        ] {
            assert_eq!(with_origin(origin).check().unwrap().is_local(), local, "{origin}");
        }
    }

    #[test]
    fn an_experiment_is_off_until_it_is_configured_and_within_bounds() {
        let check = |set: fn(&mut Config)| {
            let mut config = with_origin("https://example.org");
            set(&mut config);
            config.check().map(|checked| checked.design).map_err(|error| error.field)
        };
        assert_eq!(check(|_| {}), Ok(None));
        let crossover =
            |config: &mut Config| config.experiment.design = ExperimentDesign::Crossover;
        assert_eq!(
            check(|config| config.experiment.design = ExperimentDesign::Crossover),
            Ok(Some(Design::DEFAULT))
        );
        let refused = |field: &str, set: fn(&mut ExperimentSection)| {
            let mut config = with_origin("https://example.org");
            crossover(&mut config);
            set(&mut config.experiment);
            assert_eq!(config.check().unwrap_err().field, field);
        };
        refused("holdout", |it| it.holdout = 5_001);
        refused("block", |it| it.block = 0);
        refused("days", |it| it.days = 0);
        refused("keep", |it| it.keep = 4_000);
        refused("salt", |it| it.salt = Some("short".to_owned()));
        for price in [-1.0, f64::NAN, f64::INFINITY] {
            let mut config = with_origin("https://example.org");
            config.billing.price = price;
            assert_eq!(config.check().unwrap_err().field, "price");
        }
    }

    #[test]
    fn mirrors_are_checked() {
        let check = |origin: &str, set: fn(&mut MirrorsSection)| {
            let mut config = with_origin(origin);
            set(&mut config.mirrors);
            config.check().map(|checked| checked.mirrors.len()).map_err(|error| error.field)
        };
        let listed: fn(&mut MirrorsSection) = |it| {
            it.urls = ["https://m.example/pub/", "https://m.example/pub/", "https://n.example/"]
                .map(str::to_owned)
                .to_vec();
        };
        assert_eq!(check("https://example.org", listed), Ok(2));
        let here: fn(&mut MirrorsSection) = |it| it.urls = vec!["http://127.0.0.1:9/".to_owned()];
        assert_eq!(check("http://127.0.0.1:8080", here), Ok(1));
        assert_eq!(check("https://example.org", here), Err("urls"));
        for bad in ["http://m.example/", "https://m.example", "https://u@m.example/", "m.example"] {
            let mut config = with_origin("https://example.org");
            config.mirrors.urls = vec![bad.to_owned()];
            assert_eq!(config.check().unwrap_err().field, "urls", "{bad}");
        }
        assert_eq!(check("https://example.org", |it| it.probes = 0), Err("probes"));
        assert_eq!(check("https://example.org", |it| it.listed = 65), Err("listed"));
        assert_eq!(check("https://example.org", |it| it.most = 0), Err("most"));
        assert_eq!(check("https://example.org:443", |_| {}), Err("origin"));
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_alone() {
        for good in ["https://example.org", "http://127.0.0.1:8080", "https://EXAMPLE.org/"] {
            assert!(with_origin(good).check().is_ok(), "{good}");
        }
        for bad in [
            "",
            "example.org",
            "ftp://example.org",
            "https://example.org/a",
            "https://u@example.org",
            "https://example.org?x",
        ] {
            assert_eq!(with_origin(bad).check().err().map(|e| e.field), Some("origin"), "{bad}");
        }
        assert!(Config::default().check().is_err());
    }

    #[test]
    fn errors_name_the_field_and_the_remedy() {
        let mut config = with_origin("https://example.org");
        config.listen.trusted = vec!["10.0.0.0/99".to_owned()];
        let error = config.check().err().map(|e| e.to_string()).unwrap_or_default();
        assert_eq!(
            error,
            "[listen] trusted: `10.0.0.0/99` is neither an address nor a network; write it like 10.0.0.1 or 10.0.0.0/8"
        );
    }

    #[test]
    fn limits_of_admission_are_not_zero() {
        for (field, set) in [
            ("queue", (|config| config.admission.queue = 0) as fn(&mut Config)),
            ("jobs", |config| config.admission.jobs = 0),
            ("deadline", |config| config.admission.deadline = 0),
        ] {
            let mut config = with_origin("https://example.org");
            set(&mut config);
            assert_eq!(config.check().err().map(|error| error.field), Some(field));
        }
    }

    #[test]
    fn preloaded_paths_are_written_as_in_urls() {
        for (path, good) in [
            ("/pub/a%20b.zip", true),
            ("/pub/a b.zip", false),
            ("pub/a.zip", false),
            ("/pub/", false),
            ("/a/../b.zip", false),
            ("https://example.org/a.zip", false),
        ] {
            let mut config = with_origin("https://example.org");
            config.assets.preload = vec![path.to_owned()];
            assert_eq!(config.check().is_ok(), good, "{path}");
        }
    }

    #[test]
    fn what_is_said_of_assets_is_checked() {
        let refused = |adjust: fn(&mut crate::config::AssetsSection)| {
            let mut config = with_origin("https://example.org");
            adjust(&mut config.assets);
            config.check().err().map(|error| (error.field, error.to_string()))
        };
        let field = |adjust| refused(adjust).map(|(field, _)| field);
        assert_eq!(field(|it| it.exclude = vec!["private/".to_owned()]), Some("exclude"));
        assert_eq!(field(|it| it.immutable = vec!["/static".to_owned()]), Some("immutable"));
        assert_eq!(field(|it| it.queries = vec!["a b".to_owned()]), Some("queries"));
        let both = |it: &mut crate::config::AssetsSection| {
            it.exclude = vec!["/private/".to_owned()];
            it.preload = vec!["/Private/a.zip".to_owned()];
        };
        assert_eq!(field(both), Some("preload"));
        assert_eq!(
            refused(|it| it.queries = vec!["v".to_owned(), "X-Amz-Signature".to_owned()])
                .unwrap()
                .1,
            "[assets] queries: a parameter \"X-Amz-Signature\" is known to carry signatures, keys, \
             sessions or names of persons; leave it out: files that need it are for the holders of \
             their URLs"
        );

        let mut config = with_origin("https://example.org");
        config.assets.preload = vec!["/pub/a.zip".to_owned()];
        config.assets.exclude = vec!["/private/".to_owned(), "/a.zip".to_owned()];
        config.assets.immutable = vec!["/static/".to_owned()];
        config.assets.queries = vec!["v".to_owned(), "_".to_owned()];
        assert!(config.check().is_ok());
    }

    #[test]
    fn a_prefix_is_a_plain_path() {
        for bad in ["", "/", "//", "a/", "/a b/", "/a/../b/", "/a//b/"] {
            let mut config = with_origin("https://example.org");
            config.site.prefix = bad.to_owned();
            assert!(config.check().is_err(), "{bad}");
        }
    }
}
