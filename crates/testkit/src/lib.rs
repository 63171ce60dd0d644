//! Test support, unpublished: a whole site on loopback, wired as `manyhands serve` and `manyhands proxy`
//! wire it, or the binary itself, and what to put on either side of it.
//!
//! Entry types: [`Site`], the layer within the test's own process; [`Server`], the `manyhands` command as a
//! child that can be measured and killed; [`Client`], a connection of raw bytes; [`origin`], an upstream that
//! says exactly what a test wants; [`FeedSite`], a site as mirrors see it, honest or not; [`Versions`], contents that say of every byte which version it is of.
//! Used by dev-dependencies only; failures panic, as tests do.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod binary;
mod client;
mod expected;
mod experiment;
mod feed_site;
mod origin;
mod server;
mod site;
mod versions;

pub use binary::binary;
pub use client::{Answer, Client};
pub use expected::{Expected, zeros};
pub use experiment::experiment;
pub use feed_site::{FeedSite, Quirk};
pub use manyhands::Config;
pub use origin::{Asked, origin};
pub use server::{Memory, Server};
pub use site::{Site, content, plain};
pub use versions::{BLOCK, Versions};

use std::future::Future;
use std::time::Duration;

/// Waits for what must come, however loaded the machine is: a hang is a failure, with a name.
///
/// # Panics
/// After a minute.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, future).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// Asks again and again, a few milliseconds apart, until there is an answer.
///
/// # Panics
/// After a minute.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    soon(what, async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}
