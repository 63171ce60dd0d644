//! What directives say for one place, over what the lease says for all.

use std::cell::RefCell;
use std::rc::Rc;

use manyhands_metainfo::AssetPath;
use manyhands_page::{Policy, PolicyError, PolicyTerms, refuses_type};

use crate::lease::Terms;

/// What directives say; what they leave out is the lease's to say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Directives {
    /// `manyhands_site`: the origin, such as `https://example.org`.
    pub site: Option<Rc<str>>,
    /// `manyhands_prefix`
    pub prefix: Option<Rc<str>>,
    /// `manyhands_min_size`, in bytes.
    pub min_size: Option<u64>,
    /// `manyhands_max_size`, in bytes.
    pub max_size: Option<u64>,
    /// `manyhands_types`
    pub types: Option<Rc<[String]>>,
    /// `manyhands_preload`
    pub preload: Option<Rc<[AssetPath]>>,
    /// `manyhands_suffixes`
    pub suffixes: Option<bool>,
    /// `manyhands_inject off`
    pub inject_off: bool,
    /// `manyhands_experiment off`: what is sent from here is in no arm.
    pub experiment_off: bool,
}

impl Directives {
    /// Whether they can be followed at all: for when the configuration is read, and there may be no lease.
    ///
    /// # Errors
    /// The first value that is refused.
    pub fn check(&self) -> Result<(), PolicyError> {
        let mut terms = PolicyTerms::default();
        if let Some(prefix) = &self.prefix {
            terms.prefix = prefix.as_ref().to_owned();
        }
        terms.origin = self.site.as_deref().map(str::to_owned);
        self.policy(&terms).map(drop)
    }

    /// The policy of a lease with these values in place of its own.
    fn policy(&self, terms: &PolicyTerms) -> Result<Policy, PolicyError> {
        // Bounds of one kind from here and of the other from there may cross: what was said nearer holds.
        let (min_size, max_size) = match (self.min_size, self.max_size) {
            (Some(min), None) => (min, terms.max_size.max(min)),
            (None, Some(max)) => (terms.min_size.min(max), max),
            (min, max) => (min.unwrap_or(terms.min_size), max.unwrap_or(terms.max_size)),
        };
        let types = self.types.as_deref().unwrap_or(&terms.types).to_vec();
        let pages = terms.pages && !self.inject_off;
        // nginx compresses what goes out, not the module.
        let recompress = false;
        let terms = PolicyTerms { min_size, max_size, types, pages, recompress, ..terms.clone() };
        terms.check()
    }

    /// What of these directives the lease contradicts: all addresses are made by the daemon's own.
    fn contradiction(&self, terms: &PolicyTerms) -> Option<String> {
        let of = |directive, here: Option<&str>, lease: &str| {
            let without_slash = |text| str::strip_suffix(text, '/').unwrap_or(text);
            let (here, lease) = (without_slash(here?), without_slash(lease));
            (here != lease).then(|| {
                format!(
                    "nothing is shared: {directive} is \"{here}\" and the daemon's is \"{lease}\"; make them the \
                     same, or leave the directive out"
                )
            })
        };
        of("manyhands_site", self.site.as_deref(), terms.origin.as_deref().unwrap_or_default())
            .or_else(|| of("manyhands_prefix", self.prefix.as_deref(), &terms.prefix))
    }
}

/// A place that directives speak of, such as an nginx location. It remembers what it made of a lease.
#[derive(Debug)]
pub struct Location {
    directives: Directives,
    made: RefCell<Option<(u64, Rc<Rules>)>>,
}

/// What holds in a place under one lease.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) policy: Policy,
    /// The same while nobody shares: no page is rewritten.
    pub(crate) quiet: Policy,
    pub(crate) preload: Rc<[AssetPath]>,
    pub(crate) suffixes: bool,
    /// Why nothing is shared here.
    pub(crate) refused: Option<String>,
    types: RefCell<Vec<JudgedType>>,
}

/// What was found of a `Content-Type`.
#[derive(Debug)]
struct JudgedType {
    content_type: Box<[u8]>,
    charset: Box<[u8]>,
    is_refused: bool,
}

/// Most types that are remembered: a site has fewer, an origin that makes them up has more.
const MOST_TYPES: usize = 32;

impl Rules {
    /// Whether answers of a type are left alone for it; an empty charset is none.
    pub(crate) fn refuses_type(&self, content_type: &[u8], charset: &[u8]) -> bool {
        let mut types = self.types.borrow_mut();
        let is = |it: &&JudgedType| *it.content_type == *content_type && *it.charset == *charset;
        if let Some(judged) = types.iter().find(is) {
            return judged.is_refused;
        }
        let is_refused = match charset {
            [] => refuses_type(&self.policy, content_type),
            _ => refuses_type(&self.policy, &[content_type, b"; charset=", charset].concat()),
        };
        if types.len() < MOST_TYPES {
            let (content_type, charset) = (content_type.into(), charset.into());
            types.push(JudgedType { content_type, charset, is_refused });
        }
        is_refused
    }
}

impl Location {
    /// A place with directives that have passed their check.
    #[must_use]
    pub fn new(directives: Directives) -> Self {
        Self { directives, made: RefCell::new(None) }
    }

    /// Whether what is sent from here may be in an arm.
    pub(crate) fn is_in_arms(&self) -> bool {
        !self.directives.experiment_off
    }

    /// What holds here under these terms. Made once a lease; the complaint, if there is one, comes with the first.
    pub(crate) fn rules(&self, terms: Option<&Terms>) -> (Rc<Rules>, Option<String>) {
        let number = terms.map_or(0, |terms| terms.number);
        if let Some((of, rules)) = &*self.made.borrow()
            && *of == number
        {
            return (Rc::clone(rules), None);
        }
        let rules = Rc::new(self.make(terms));
        *self.made.borrow_mut() = Some((number, Rc::clone(&rules)));
        let complaint = rules.refused.clone();
        (rules, complaint)
    }

    fn make(&self, terms: Option<&Terms>) -> Rules {
        let directives = &self.directives;
        let none = PolicyTerms::default();
        let policy_terms = terms.map_or(&none, |terms| &terms.lease.policy);
        let mut refused = terms.and_then(|_| directives.contradiction(policy_terms));
        let policy = directives.policy(policy_terms).unwrap_or_else(|error| {
            refused.get_or_insert(format!("nothing is shared: {error}"));
            Policy::default().with_recompress(false)
        });
        let quiet = policy.clone().with_pages(false);
        let of_lease = terms.map(|terms| &terms.lease);
        let preload = match &directives.preload {
            Some(preload) => Rc::clone(preload),
            None => of_lease.map(|lease| lease.preload.clone().into()).unwrap_or_default(),
        };
        let suffixes =
            directives.suffixes.or(of_lease.map(|lease| lease.suffixes)).unwrap_or_default();
        Rules { policy, quiet, preload, suffixes, refused, types: RefCell::default() }
    }
}
