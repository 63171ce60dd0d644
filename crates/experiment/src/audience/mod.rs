//! What sharing would have saved, told from an access log before anything is installed.
//!
//! [`Lines`] and [`LineParser`] read the log, [`Replay`] plays it again through an audience of browsers of which some
//! take part, and [`Forecast`] says what came of it, as ranges. The site's own rules say which answers count
//! ([`Rules`]); everything else that is taken for granted stands in [`Assumptions`], with a low, a likely and a high
//! value, and goes out with the result. Why it is built so, and what it can't see: `docs/estimate.md`.
//!
//! Memory is bounded for any log: sums are exact, and where a table was too small the result says so ([`Bounds`]).
//!
//! | file | story |
//! |---|---|
//! | `line/` | Common, Combined and JSON lines |
//! | `agent.rs` | browser, tool or robot |
//! | `transfer.rs` | requests of one visitor put together |
//! | `file.rs` | the table of files |
//! | `swarm.rs` | the visitors of one file, as a fluid |
//! | `mirror.rs` | what mirrors would have carried |
//! | `replay.rs` | from a line to all of that |
//! | `forecast.rs` | what comes out |

mod agent;
mod assumptions;
mod file;
mod forecast;
mod line;
mod mirror;
mod replay;
mod swarm;
mod transfer;

pub use assumptions::{Assumptions, Range};
pub use forecast::{
    Audience, Bounds, Carried, Eligible, Forecast, LeftOut, Log, MalformedLines, Octets, Period,
    Shares, Sharing, TopFile,
};
pub use line::{Entry, LineParser, Lines, Malformed};
pub use mirror::Mirrors;
pub use replay::{Answer, Count, Left, Replay, Rules};
