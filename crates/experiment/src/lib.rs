//! The experiment: what share of origin bytes does sharing save, and does it hurt anybody?
//!
//! Layer L0, sans-IO: time is an argument in seconds since the epoch, nothing is read and nothing drawn at
//! random. Entry points: [`Design`], which says for every unit what its [`Arm`] is, and [`analyse`], which makes
//! an [`Analysis`] with a [`Verdict`] out of [`Observations`]: what a server itself counted. What browsers claim
//! ([`Claims`]) stands beside it and never enters an estimate.
//!
//! | file | story |
//! |---|---|
//! | `design.rs` | units and their assignment: crossover over (asset, block), or visitors by bucket |
//! | `assignment.rs` | the experiment that runs: design, salt and site together |
//! | `counting.rs` | what a server counts, and where |
//! | `observations.rs` | the sums that go in, mergeable |
//! | `analysis.rs` | what comes out |
//! | `analyse.rs` | the way from one to the other |
//! | `sample.rs` | units merged, ordered, in floating point |
//! | `estimate/` | log ratio of the arms and its intervals; from there to shares and octets |
//! | `minimum.rs` | the least data that a figure is said of |
//! | `checks.rs` | whether the arms are as assigned |
//! | `latency.rs` | quantiles of times that browsers claim |
//! | `money.rs`, `verdict.rs`, `series.rs` | what it comes to, in money, in words and over time |
//! | `robots.rs` | who is in no arm |
//! | `audience/` | before all that: what an access log says sharing would have saved |

mod analyse;
mod analysis;
mod assignment;
pub mod audience;
mod checks;
mod counting;
mod design;
mod distribution;
mod estimate;
mod latency;
mod minimum;
mod money;
mod observations;
mod robots;
mod sample;
mod series;
mod verdict;

pub use analyse::analyse;
pub use analysis::{
    Analysis, ArmSummary, Check, Comparison, Estimate, Interval, LatencySummary, Money, Needs,
    Point, Share, Verdict,
};
pub use assignment::{Assignment, Visitor};
pub use counting::{Attribution, Sent, Subject, TrafficField, UnitField};
pub use design::{Arm, Block, Bucket, Design, DesignError, Salt};
pub use observations::{
    Billing, BillingModel, Claims, Histogram, Latency, Metric, Observations, SizeClass, Slot, Sums,
    Traffic, Unit,
};
pub use robots::is_robot;
