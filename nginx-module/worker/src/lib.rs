//! What one worker process of nginx knows of sharing, without nginx: one thread, no waiting, no `unsafe`.
//!
//! Entry type: [`Site`], one for each daemon. Everything else hangs on what holds in a [`Location`] at a moment:
//! [`Site::at`] gives a [`Here`], which has the [`Policy`](manyhands_page::Policy) to judge by, the answers that need
//! no daemon, and a [`Transfer`] for every body that leaves. Decisions come from `manyhands-page`, rules of counting from
//! `manyhands-experiment`, files and messages between daemon and module from `manyhands-bridge`. The time is always
//! an argument, in milliseconds since the epoch.
//!
//! | file | story |
//! |---|---|
//! | `site.rs` | the front door |
//! | `lease.rs` | what the daemon says holds, while it renews it |
//! | `values.rs`, `location.rs` | what directives say instead, as written and as it is followed |
//! | `records.rs`, `published.rs` | what is known of assets, read from the daemon's files |
//! | `files.rs` | such files, looked at once a second |
//! | `visitor.rs` | who asks |
//! | `transfer.rs` | a body on its way, counted |
//! | `counters/` | the counts, in memory that all workers share |
//! | `reporter.rs`, `socket.rs` | what the daemon is told |

#![forbid(unsafe_code)]

mod counters;
mod files;
mod lease;
mod location;
mod published;
mod records;
mod reporter;
mod site;
mod socket;
mod transfer;
mod values;
mod visitor;

pub use counters::Counters;
pub use location::{Directives, Location};
pub use manyhands_bridge::events_socket;
pub use site::{Answer, Here, Offered, Site};
pub use transfer::Transfer;
pub use values::{Consent, Values};
pub use visitor::Visitor;
