//! Content-Security-Policy (CSP Level 3): may our script run on this page, connect and register its
//! worker? A policy is only ever read; what it does not plainly admit is a refusal.

mod source;

pub(crate) use source::SiteOrigin;
pub use source::is_loopback;

use self::source::{SourceList, Target};
use crate::{Headers, Policy, Reason};

/// One enforced policy: directives in order, names in lower case, the first of a name wins.
pub(crate) struct Directives<'a>(Vec<(String, Vec<&'a str>)>);

impl<'a> Directives<'a> {
    fn parse(policy: &'a str) -> Self {
        let mut directives: Vec<(String, Vec<&'a str>)> = Vec::new();
        for directive in policy.split(';') {
            let mut words = directive.split_ascii_whitespace();
            let Some(name) = words.next().map(str::to_ascii_lowercase) else { continue };
            if !directives.iter().any(|(known, _)| *known == name) {
                directives.push((name, words.collect()));
            }
        }
        Self(directives)
    }

    fn named(&self, name: &str) -> Option<&[&'a str]> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, words)| words.as_slice())
    }

    /// The first of these that is there governs; none: everything is admitted.
    fn governing(&self, names: &[&str]) -> Option<SourceList<'_>> {
        names.iter().find_map(|name| self.named(name)).map(SourceList::new)
    }

    fn script(&self) -> Option<SourceList<'_>> {
        self.governing(&["script-src-elem", "script-src", "default-src"])
    }
}

/// Every enforced policy of a response.
pub(crate) fn read<H: Headers + ?Sized>(headers: &H) -> Result<Vec<Directives<'_>>, Reason> {
    let mut policies = Vec::new();
    for value in headers.values("content-security-policy") {
        let text = std::str::from_utf8(value).map_err(|_| Reason::CspUnclear)?;
        if !text.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
            return Err(Reason::CspUnclear);
        }
        policies.extend(text.split(',').map(Directives::parse));
    }
    Ok(policies)
}

fn has(words: &[&str], wanted: &str) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(wanted))
}

/// All of these must hold, or `reason` it is.
fn all(
    policies: &[Directives<'_>],
    reason: Reason,
    admits: impl Fn(&Directives<'_>) -> bool,
) -> Result<(), Reason> {
    policies.iter().all(admits).then_some(()).ok_or(reason)
}

pub(crate) fn admit_scripts_at_all(policies: &[Directives<'_>]) -> Result<(), Reason> {
    all(policies, Reason::CspSandbox, |directives| {
        directives
            .named("sandbox")
            .is_none_or(|words| has(words, "allow-scripts") && has(words, "allow-same-origin"))
    })
}

/// The worker is registered by URL, a string where Trusted Types want an object.
pub(crate) fn admit_plain_strings(policies: &[Directives<'_>]) -> Result<(), Reason> {
    all(policies, Reason::CspTrustedTypes, |directives| {
        directives.named("require-trusted-types-for").is_none()
    })
}

pub(crate) fn admit_webrtc(policies: &[Directives<'_>]) -> Result<(), Reason> {
    all(policies, Reason::CspWebrtc, |directives| {
        directives.named("webrtc").is_none_or(|words| has(words, "'allow'"))
    })
}

/// Manifests, digests and files over HTTP, the tracker over WebSocket.
pub(crate) fn admit_connections(
    policies: &[Directives<'_>],
    policy: &Policy,
) -> Result<(), Reason> {
    let origin = policy.origin();
    all(policies, Reason::CspConnect, |directives| {
        directives.governing(&["connect-src", "default-src"]).is_none_or(|sources| {
            sources.admit(Target::Fetch { path: "/" }, origin)
                && sources.admit(Target::WebSocket, origin)
        })
    })
}

/// A worker carries no nonce, and browsers differ on 'strict-dynamic' here: its URL must match.
pub(crate) fn admit_worker(policies: &[Directives<'_>], policy: &Policy) -> Result<(), Reason> {
    if policies.is_empty() {
        return Ok(());
    }
    let names = ["worker-src", "child-src", "script-src", "default-src"];
    let path = format!("{}/sw.js", policy.prefix());
    all(policies, Reason::CspWorker, |directives| {
        directives
            .governing(&names)
            .is_none_or(|sources| sources.admit(Target::Fetch { path: &path }, policy.origin()))
    })
}

/// The element, and the module it imports, which inherits the nonce. `Ok` holds the nonce that the element
/// must carry, where no policy admits it by its URL.
pub(crate) fn admit_script(
    policies: &[Directives<'_>],
    policy: &Policy,
) -> Result<Option<String>, Reason> {
    if policies.is_empty() {
        return Ok(None);
    }
    let loader = format!("{}/loader.js", policy.prefix());
    let client = format!("{}/client.js", policy.prefix());
    let by_url = |sources: &SourceList<'_>| {
        !sources.is_strict_dynamic()
            && [&loader, &client]
                .iter()
                .all(|path| sources.admit(Target::Fetch { path }, policy.origin()))
    };
    let strict: Vec<SourceList<'_>> =
        policies.iter().filter_map(Directives::script).filter(|list| !by_url(list)).collect();

    let Some((first, others)) = strict.split_first() else { return Ok(None) };
    // One element has one nonce: it must be good for every policy that needs one.
    let nonce = first
        .nonces()
        .find(|nonce| others.iter().all(|list| list.nonces().any(|other| other == *nonce)))
        .ok_or(Reason::CspScript)?;
    if !policy.nonce() {
        return Err(Reason::CspNonce);
    }
    Ok(Some(nonce.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(csp: &[&str]) -> Result<Option<String>, Reason> {
        let policy = Policy::default().with_origin("https://example.org").unwrap();
        admitted_by(csp, &policy)
    }

    fn admitted_by(csp: &[&str], policy: &Policy) -> Result<Option<String>, Reason> {
        let pairs: Vec<_> = csp.iter().map(|value| ("content-security-policy", *value)).collect();
        let policies = read(&pairs[..])?;
        admit_scripts_at_all(&policies)?;
        admit_plain_strings(&policies)?;
        admit_webrtc(&policies)?;
        admit_connections(&policies, policy)?;
        admit_worker(&policies, policy)?;
        admit_script(&policies, policy)
    }

    #[test]
    fn policies_that_admit_the_site_itself_admit_us() {
        for csp in [
            &[][..],
            &[""],
            &["default-src 'self'"],
            &["Default-Src 'SELF'"],
            &["img-src 'none'; object-src 'none'"],
            &["default-src *"],
            &["script-src 'self' 'unsafe-inline' https://cdn.example.net; connect-src *"],
            &["default-src 'self'; default-src 'none'"],
            &["default-src 'self', default-src *"],
            &["default-src 'self'", "frame-ancestors 'none'"],
            &["script-src 'none'; script-src-elem 'self'; worker-src 'self'; connect-src 'self'"],
            &["script-src 'none'; script-src-elem 'self'; child-src 'self'"],
            &["sandbox allow-scripts ALLOW-same-origin allow-forms"],
            &["webrtc 'allow'"],
            &["trusted-types default"],
            &["script-src https: ; connect-src https: wss:"],
            &["script-src http: ; connect-src http: ws:"],
            &["script-src example.org; connect-src https://example.org wss://example.org"],
            &["script-src https://EXAMPLE.org/.well-known/manyhands/"],
            &["script-src *.org example.org:443; worker-src example.org:*"],
        ] {
            assert_eq!(admitted(csp), Ok(None), "{csp:?}");
        }
    }

    #[test]
    fn the_pages_own_nonce_is_reused_where_nothing_else_helps() {
        let worker = "worker-src 'self'";
        for (csp, nonce) in [
            ("script-src 'nonce-abc'", "abc"),
            ("script-src 'NONCE-aB+/_-9=='", "aB+/_-9=="),
            ("script-src 'nonce-abc' 'strict-dynamic' 'self'", "abc"),
            ("script-src 'none'; script-src-elem 'nonce-x'", "x"),
            ("default-src 'nonce-y'; connect-src 'self'", "y"),
            ("script-src 'nonce-a' 'nonce-b', script-src 'nonce-b'", "b"),
            ("script-src 'self', script-src 'nonce-b'", "b"),
        ] {
            let csp = csp.replace(',', &format!("; {worker},"));
            let csp = format!("{csp}; {worker}");
            assert_eq!(admitted(&[&csp]), Ok(Some(nonce.to_owned())), "{csp}");
            let frugal = Policy::default().with_nonce(false);
            assert_eq!(admitted_by(&[&csp], &frugal), Err(Reason::CspNonce), "{csp}");
        }
        let both = "script-src 'self' 'nonce-abc'";
        assert_eq!(admitted(&[both]), Ok(None), "not needed, not used");
    }

    #[test]
    fn everything_else_is_a_refusal_with_its_reason() {
        for (csp, reason) in [
            ("default-src 'none'; connect-src 'self'; worker-src 'self'", Reason::CspScript),
            ("script-src; worker-src 'self'", Reason::CspScript),
            ("script-src 'none'; worker-src 'self'", Reason::CspScript),
            ("script-src 'self' 'strict-dynamic'", Reason::CspScript),
            ("script-src 'sha256-abc='; worker-src 'self'", Reason::CspScript),
            ("script-src https://cdn.example.net; worker-src 'self'", Reason::CspScript),
            ("script-src https://example.org/js/; worker-src 'self'", Reason::CspScript),
            (
                "script-src https://example.org/.well-known/manyhands/loader.js; worker-src *",
                Reason::CspScript,
            ),
            ("script-src 'nonce-'; worker-src 'self'", Reason::CspScript),
            ("script-src 'nonce-a\"b'; worker-src 'self'", Reason::CspScript),
            (
                "script-src 'nonce-a'; worker-src *, script-src 'nonce-b'; worker-src *",
                Reason::CspScript,
            ),
            ("script-src 'self'; script-src-elem 'none'", Reason::CspScript),
            ("connect-src 'none'", Reason::CspConnect),
            ("connect-src https://api.example.net", Reason::CspConnect),
            ("connect-src https:", Reason::CspConnect),
            ("connect-src wss:", Reason::CspConnect),
            ("connect-src example.org", Reason::CspConnect),
            ("connect-src https://example.org/api/ wss:", Reason::CspConnect),
            ("default-src https://cdn.example.net; script-src 'self'", Reason::CspConnect),
            ("worker-src 'none'", Reason::CspWorker),
            ("worker-src blob:", Reason::CspWorker),
            ("child-src 'none'; script-src 'self'", Reason::CspWorker),
            ("script-src 'nonce-abc'", Reason::CspWorker),
            ("script-src 'nonce-abc' 'strict-dynamic'", Reason::CspWorker),
            ("sandbox", Reason::CspSandbox),
            ("sandbox allow-scripts", Reason::CspSandbox),
            ("sandbox allow-same-origin", Reason::CspSandbox),
            ("require-trusted-types-for 'script'", Reason::CspTrustedTypes),
            ("webrtc 'block'", Reason::CspWebrtc),
            ("default-src 'self', script-src 'none'; worker-src 'self'", Reason::CspScript),
            ("default-src 'self'\u{1}", Reason::CspUnclear),
            ("default-src 'self' \u{e9}", Reason::CspUnclear),
        ] {
            assert_eq!(admitted(&[csp]), Err(reason), "{csp}");
        }
    }

    #[test]
    fn without_a_known_origin_only_plain_sources_help() {
        let policy = Policy::default();
        for csp in ["script-src 'self'", "script-src *", "script-src http:"] {
            assert_eq!(admitted_by(&[csp], &policy), Ok(None), "{csp}");
        }
        for csp in ["script-src https:", "script-src example.org", "script-src https://example.org"]
        {
            assert_eq!(admitted_by(&[csp], &policy), Err(Reason::CspWorker), "{csp}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_policy_makes_it_panic(
            words in proptest::collection::vec(proptest::sample::select(vec![
                "script-src", "default-src", "connect-src", "worker-src", "sandbox", "'self'", "*",
                "'nonce-", "'nonce-a'", "'strict-dynamic'", "https:", "://", "example.org", ":443",
                "/", ";", ",", " ", "'", "*.", "\u{e9}", "\0", "%2F",
            ]), 0..20),
        ) {
            let csp = words.concat();
            if let Ok(Some(nonce)) = admitted(&[&csp]) {
                let source = format!("'nonce-{nonce}'");
                proptest::prop_assert!(csp.contains(&source));
            }
        }
    }
}
