//! Who stands between the site and its visitors, as far as the answers give it away.

use super::fetch::Answer;

/// Fields by which caches and delivery networks are known.
const SIGNS: [&str; 10] = [
    "cf-ray",
    "x-amz-cf-id",
    "x-azure-ref",
    "x-cache",
    "x-cache-hits",
    "x-cdn",
    "x-fastly-request-id",
    "x-proxy-cache",
    "x-served-by",
    "x-varnish",
];

/// How long a cache has kept this answer, in seconds; `None` when it came straight.
pub(crate) fn age(answer: &Answer) -> Option<u64> {
    let age = answer.field("age")?.trim().parse().ok()?;
    (age > 0).then_some(age)
}

/// What is known of proxies in between, as a list; `None`: nobody shows.
pub(crate) fn described(answer: &Answer) -> Option<String> {
    let mut signs = Vec::new();
    for hop in answer.field("via").unwrap_or_default().split(',').map(str::trim) {
        // Our own proxy says so too.
        if !hop.is_empty() && !hop.ends_with(" manyhands") {
            signs.push(format!("Via: {hop}"));
        }
    }
    if let Some(age) = age(answer) {
        signs.push(format!("Age: {age}"));
    }
    for name in SIGNS {
        if let Some(value) = answer.field(name) {
            signs.push(format!("{name}: {value}"));
        }
    }
    (!signs.is_empty()).then(|| signs.join(", "))
}
