//! What an answer that is left alone says of the file under its path, beyond its own visitor.

use manyhands_metainfo::{AssetPath, Version};

use crate::gate::Facts;
use crate::{Headers, Policy, Reason, RequestHead, ResponseHead, visitor};

/// A reason to think that what is known of a file is not true any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Anybody who asks now gets no shareable file (it turned private, moved or went), or somebody has
    /// just changed it. What is known of it must not be served until an eligible answer says otherwise.
    Certain(AssetPath),
    /// One visitor got no shareable file, or perhaps another version. That may be for this visitor alone,
    /// who could otherwise speak for all; a host that can asks the site as nobody.
    Suspected {
        /// The file.
        path: AssetPath,
        /// What the answer would offer had it been anybody's; `None` when it offers nothing.
        version: Option<Version>,
    },
}

impl Doubt {
    /// The file.
    pub fn path(&self) -> &AssetPath {
        match self {
            Self::Certain(path) | Self::Suspected { path, .. } => path,
        }
    }
}

/// The doubt that this refusal casts: the other half of [`plan`](crate::plan), for a host that has
/// [decided](crate::decide) already. Only statuses that speak of the file do: not those of a busy or
/// broken server, nor those by which a request itself was bad, which anybody can provoke.
pub fn doubt<Q, R>(
    request: &RequestHead<'_, Q>,
    response: &ResponseHead<'_, R>,
    policy: &Policy,
    local: bool,
    reason: Reason,
) -> Option<Doubt>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    // A HEAD of a page is in no doubt: it is answered as its GET would be.
    if reason == Reason::HeadOfPage {
        return None;
    }
    if !request.is_get_or_head() {
        return changed(request, response, policy).map(Doubt::Certain);
    }
    let gone = matches!(response.status, 301..=303 | 307 | 308 | 401..=404 | 410 | 451);
    let answered = matches!(response.status, 200 | 206);
    let elsewhere = request.query.is_some()
        || policy.is_reserved(request.path)
        || !visitor::names_site(request, policy);
    if elsewhere || !(gone || answered) {
        return None;
    }
    // Another spelling may be sent on to this one, or refused for itself.
    let path = AssetPath::parse(request.path).ok()?;
    if path.as_str() != request.path || path.is_directory() {
        return None;
    }
    // A HEAD may be refused where a GET is not, and a coding is the visitor's choice, as is the form in which
    // several ranges come.
    let says_it_all =
        gone || (response.status == 200 && !request.has("range") && reason != Reason::Encoded);
    let anonymous = matches!(visitor::is_anonymous(request, None, policy), Ok(false));
    if request.method == "GET" && anonymous && says_it_all {
        return Some(Doubt::Certain(path));
    }
    let mut facts = Facts::new(request, response, policy, local);
    let version = match (facts.walk_as_anybody(), facts.validator, facts.length) {
        (Ok(()), Some(validator), Some(length)) => Some(Version { validator, length, file: None }),
        _ => None,
    };
    Some(Doubt::Suspected { path, version })
}

/// The path that a request changed which was no mere question: RFC 9111 (section 4.4) has caches forget
/// what they hold of it, whoever asked.
fn changed<Q, R>(
    request: &RequestHead<'_, Q>,
    response: &ResponseHead<'_, R>,
    policy: &Policy,
) -> Option<AssetPath>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    // The safe methods of the registry; what a method that is not in it does, nobody knows.
    let safe = matches!(
        request.method,
        "OPTIONS" | "TRACE" | "CONNECT" | "QUERY" | "PROPFIND" | "REPORT" | "SEARCH"
    );
    let done = matches!(response.status, 200..=399);
    if safe || !done || policy.is_reserved(request.path) || !visitor::names_site(request, policy) {
        return None;
    }
    AssetPath::parse(request.path).ok()
}
