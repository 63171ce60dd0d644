use std::time::{SystemTime, UNIX_EPOCH};

/// Settings of a crossover with this salt, in blocks of such a length that neither the part of one that counts
/// for nothing nor the end of one is near. More lines of `[experiment]` may follow.
///
/// # Panics
/// Never: of 168 lengths one fits.
#[must_use]
pub fn experiment(salt: &str) -> String {
    const BURN_IN: u64 = 15 * 60;
    const MARGIN: u64 = 10 * 60;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let fits = |hours: &u64| {
        let within = now % (hours * 3_600);
        within > BURN_IN && within + MARGIN < hours * 3_600
    };
    let hours = (1..=168).find(fits).expect("not all lengths have a seam now");
    format!(
        "[assets]\nmin_size = 1\n[swarm]\nmin_prefixes = 1\n\
         [experiment]\ndesign = \"crossover\"\nsalt = \"{salt}\"\nblock = {hours}\n"
    )
}
