//! HTTP decisions: what may be shared, what may be rewritten, and the streaming script injector.
//!
//! Layer 0, sans-IO: heads go in by reference, decisions and header edits come out. Every host
//! (tower layer, proxy, nginx module) asks the same two questions and so answers a visitor alike:
//!
//! 1. [`request_plan`], before the site is asked: is this a navigation whose page might be
//!    rewritten, and what must the site be asked for?
//! 2. [`plan`], when the site's response head is there: a [`Decision`] and the [`HeaderEdits`]
//!    that go with it. A page's body then goes through an [`Injector`].
//!
//! [`examine`] walks the same gates as [`plan`] to the end, for whoever asks why.
//!
//! Everything is denied by default. A refusal is a [`Reason`], with a sentence for a person.

mod asset;
mod conditional;
mod csp;
mod document;
mod doubt;
mod edits;
mod examine;
mod fields;
mod gate;
mod head;
mod injector;
mod media;
mod plan;
mod policy;
mod reason;
mod request;
mod terms;
mod url;
mod visitor;

pub use conditional::{OF_BODY, has_version};
pub use csp::is_loopback;
pub use doubt::{Doubt, doubt};
pub use edits::{HeaderEdit, HeaderEdits, asset_edits, duplicate_edits};
pub use examine::{Examination, Gate, Verdict, examine};
pub use fields::preferred_coding;
pub use gate::refuses_type;
pub use head::{Headers, RequestHead, ResponseHead};
pub use injector::{Injector, Outcome};
pub use plan::{AssetOffer, Decision, PageRewrite, Plan, Restore, decide, plan};
pub use policy::{Policy, PolicyError};
pub use reason::Reason;
pub use request::{Coding, RequestPlan, request_plan};
pub use terms::PolicyTerms;
pub use visitor::own_cookie;
