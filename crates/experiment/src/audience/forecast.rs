//! What comes out: ranges, what they rest on, and what was left out.

use serde::Serialize;

use super::assumptions::{Assumptions, CASES, LEVELS};
use super::file::{File, Sums};
use super::mirror::{self, Hours, Mirrors};
use super::replay::{Count, Left, Rules, Tally, small};

/// The version of the JSON form.
const VERSION: u32 = 1;

/// What a log says that sharing would have saved. Octets of bodies, as logs have them; shares between 0 and 1.
///
/// Serialised, this is what `manyhands estimate --json` prints: fields are added, never renamed or removed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Forecast {
    /// 1.
    pub v: u32,
    /// From the first request to the last answer, in seconds since the epoch.
    pub period: Option<Period>,
    /// What the log has.
    pub log: Log,
    /// What of it is of files that may be shared.
    pub eligible: Eligible,
    /// Who asked for them.
    pub audience: Audience,
    /// What visitors would have carried for one another, by share of browsers that take part.
    pub sharing: Vec<Sharing>,
    /// What mirrors would have carried, without visitors. The two can't be added up: each would carry a part of what
    /// the other does.
    pub mirrors: Carried,
    /// The files with the most octets.
    pub files: Vec<TopFile>,
    /// What stays with the site, and why; most octets first.
    pub left: Vec<LeftOut>,
    /// Where a bound of memory made this coarser than the log.
    pub bounds: Bounds,
    /// What was taken for granted.
    pub assumptions: Assumptions,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Period {
    /// Seconds since the epoch.
    pub from: f64,
    /// Seconds since the epoch.
    pub to: f64,
}

/// The log as a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Log {
    /// Lines that could be read: one request each.
    pub requests: u64,
    /// What was sent.
    pub octets: u64,
    /// Lines that could not be read.
    pub malformed: u64,
    /// Those, by what is wrong; most first.
    pub malformed_by: Vec<MalformedLines>,
}

/// Lines that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MalformedLines {
    /// What is wrong with them.
    pub why: String,
    /// How many.
    pub lines: u64,
}

/// What may be shared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Eligible {
    /// Distinct files; where [`Bounds::files_forgotten`] is not 0, some may count twice.
    pub files: u64,
    /// Requests for them.
    pub requests: u64,
    /// What was sent of them.
    pub octets: u64,
    /// That, of all that was sent.
    pub of_all: f64,
    /// Share of their requests whose duration the log has.
    pub timed: f64,
}

/// Who asked for files that may be shared; before files of the wrong size are taken off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audience {
    /// Browsers.
    pub browsers: Count,
    /// Download tools, package managers, players, old browsers: mirrors could serve them, visitors could not.
    pub tools: Count,
    /// Robots: likewise.
    pub robots: Count,
    /// The log does not say; taken for browsers.
    pub unknown: Count,
    /// Of browsers and unknown: from no address, so that nobody can tell who they are. They share nothing here.
    pub nameless: Count,
    /// Share of requests that came from one address prefix, where that is more than half: a proxy in front of the
    /// site, perhaps.
    pub one_prefix: Option<f64>,
}

/// Octets: what makes them few, what is likely, what makes them many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Octets {
    /// At least.
    pub low: u64,
    /// Likely.
    pub likely: u64,
    /// At most.
    pub high: u64,
}

impl Octets {
    /// At most `sent`: sums of fractions may round to more.
    fn new([low, likely, high]: [f64; CASES], sent: u64) -> Self {
        // The cases are worked out apart; where rounding or luck turned them round, the range still holds both.
        let least = low.min(likely).min(high);
        let most = low.max(likely).max(high);
        // Octets of a log are far below 2^53.
        let octets = |it: f64| (it.max(0.0).round() as u64).min(sent);
        Self { low: octets(least), likely: octets(likely), high: octets(most) }
    }

    /// Shares of something.
    #[must_use]
    pub fn of(self, whole: u64) -> Shares {
        let share = |part: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        Shares { low: share(self.low), likely: share(self.likely), high: share(self.high) }
    }
}

/// Shares between 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Shares {
    /// At least.
    pub low: f64,
    /// Likely.
    pub likely: f64,
    /// At most.
    pub high: f64,
}

/// What visitors would have carried for one another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sharing {
    /// Share of browsers that take part.
    pub participation: f64,
    /// Octets the site would not have sent.
    pub saved: Octets,
    /// That, of what was sent of files that may be shared.
    pub of_eligible: Shares,
    /// That, of all that was sent.
    pub of_all: Shares,
    /// Transfers that take part.
    pub transfers: u64,
    /// Octets of scripts, manifests and signalling that these would have added. Not taken off what is saved.
    pub overhead: u64,
}

/// What mirrors would have carried.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Carried {
    /// The mirrors.
    pub mirrors: Mirrors,
    /// Files that each holds.
    pub files: u64,
    /// Octets that each holds.
    pub held: u64,
    /// Octets the site would not have sent. Low: to the least share of browsers that take part; likely: to the middle
    /// one; high: to all, tools included, as where links name the mirrors.
    pub saved: Octets,
    /// That, of what was sent of files that may be shared.
    pub of_eligible: Shares,
    /// That, of all that was sent.
    pub of_all: Shares,
}

/// One of the files with the most octets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TopFile {
    /// Path, with the site in front where the log names one.
    pub path: String,
    /// The most that one answer or transfer had of it.
    pub length: u64,
    /// Requests.
    pub requests: u64,
    /// What was sent of it.
    pub octets: u64,
    /// Octets the site would not have sent, at the middle participation.
    pub saved: Octets,
}

/// Requests that stay with the site.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LeftOut {
    /// A stable name.
    pub reason: &'static str,
    /// One sentence.
    pub sentence: &'static str,
    /// How many.
    #[serde(flatten)]
    pub count: Count,
}

/// Where a bound of memory made the answer coarser. All zero for most logs; sums of requests and octets are exact
/// whatever stands here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bounds {
    /// Files that were added up and forgotten because others had more octets. What they would have saved until then
    /// counts.
    pub files_forgotten: u64,
    /// How often all transfers were taken for ended, because too many were open.
    pub transfers_cut: u64,
    /// Transfers that began more than hours before lines that came first; they were played late.
    pub transfers_late: u64,
    /// Transfers that share nothing, because too many went on.
    pub transfers_crowded_out: u64,
}

/// Everything a replay found.
pub(super) struct Found<'a, R> {
    pub(super) rules: &'a R,
    pub(super) assumptions: Assumptions,
    pub(super) mirrors: Mirrors,
    pub(super) cut: u64,
    pub(super) forgotten: u64,
    pub(super) files: Vec<File>,
    pub(super) hours: Hours,
    pub(super) tally: Tally,
    pub(super) top: usize,
}

pub(super) fn of<R: Rules>(found: Found<'_, R>) -> Forecast {
    let Found { rules, assumptions, mirrors, cut, forgotten, mut files, hours, mut tally, top } =
        found;
    files.retain(|file| match rules.weigh(file.length) {
        Ok(()) => true,
        Err(left) => {
            small(&mut tally, left, file);
            false
        }
    });
    let mut sums = tally.forgotten.clone();
    for file in &files {
        sums.add(&file.sums);
    }
    let all = tally.all.octets;
    let sharing = sharing(&sums, &assumptions, all);
    let carried = carried(mirrors, &files, &hours, &tally, &assumptions, sums.octets);
    // Ties by name: the same log, the same answer.
    files.sort_unstable_by(|a, b| {
        b.sums.octets.cmp(&a.sums.octets).then_with(|| a.name.cmp(&b.name))
    });
    let known = files.len() as u64;
    let votes: u64 = [tally.browsers, tally.tools, tally.robots, tally.unknown]
        .iter()
        .map(|count| count.requests)
        .sum();
    let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
    let one_prefix = share(tally.commonest.1, votes);
    Forecast {
        v: VERSION,
        period: tally
            .period
            .map(|(from, to)| Period { from: from as f64 / 1e3, to: to as f64 / 1e3 }),
        eligible: Eligible {
            files: known + forgotten,
            requests: sums.requests,
            octets: sums.octets,
            of_all: share(sums.octets, all),
            timed: share(tally.timed, votes),
        },
        audience: Audience {
            browsers: tally.browsers,
            tools: tally.tools,
            robots: tally.robots,
            unknown: tally.unknown,
            nameless: tally.nameless,
            one_prefix: (one_prefix > 0.5 && votes > 100).then_some(one_prefix),
        },
        sharing,
        mirrors: carried,
        files: files.iter().take(top).map(top_file).collect(),
        left: left_out(&tally),
        bounds: Bounds {
            files_forgotten: forgotten,
            transfers_cut: cut,
            transfers_late: tally.late,
            transfers_crowded_out: tally.crowded_out,
        },
        log: log(&tally),
        assumptions,
    }
}

fn sharing(sums: &Sums, assumptions: &Assumptions, all: u64) -> Vec<Sharing> {
    (0..LEVELS)
        .map(|level| {
            let saved = Octets::new(sums.brought.map(|levels| levels[level]), sums.octets);
            Sharing {
                participation: assumptions.participation[level],
                saved,
                of_eligible: saved.of(sums.octets),
                of_all: saved.of(all),
                transfers: sums.transfers[level],
                overhead: sums.transfers[level].saturating_mul(assumptions.overhead),
            }
        })
        .collect()
}

fn carried(
    mirrors: Mirrors,
    files: &[File],
    hours: &Hours,
    tally: &Tally,
    assumptions: &Assumptions,
    eligible: u64,
) -> Carried {
    let mut worth: Vec<_> = files.iter().map(|file| (file.length, file.sums.octets)).collect();
    let carried = mirror::carried(&mirrors, &mut worth, hours);
    let browsers = tally.browsers.octets.saturating_add(tally.unknown.octets);
    let asked = browsers.saturating_add(tally.tools.octets).saturating_add(tally.robots.octets);
    let browsers = if asked == 0 { 0.0 } else { browsers as f64 / asked as f64 };
    let [least, middle, _] = assumptions.participation;
    let by = |share: f64| carried.octets * share;
    let saved = Octets::new([by(browsers * least), by(browsers * middle), by(1.0)], eligible);
    Carried {
        mirrors,
        files: carried.files as u64,
        held: carried.held,
        saved,
        of_eligible: saved.of(eligible),
        of_all: saved.of(tally.all.octets),
    }
}

fn top_file(file: &File) -> TopFile {
    TopFile {
        path: file.name.to_string(),
        length: file.length,
        requests: file.sums.requests,
        octets: file.sums.octets,
        // The middle level.
        saved: Octets::new(file.sums.brought.map(|levels| levels[1]), file.sums.octets),
    }
}

fn left_out(tally: &Tally) -> Vec<LeftOut> {
    let mut left: Vec<_> = tally
        .left
        .iter()
        .map(|(Left { name, sentence }, count)| LeftOut { reason: name, sentence, count: *count })
        .collect();
    left.sort_by(|a, b| {
        let key = |it: &LeftOut| (it.count.octets, it.count.requests);
        key(b).cmp(&key(a)).then(a.reason.cmp(b.reason))
    });
    left
}

fn log(tally: &Tally) -> Log {
    let mut malformed: Vec<_> = tally.malformed.iter().collect();
    malformed.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    Log {
        requests: tally.all.requests,
        octets: tally.all.octets,
        malformed: malformed.iter().map(|(_, lines)| **lines).sum(),
        malformed_by: malformed
            .into_iter()
            .map(|(why, lines)| MalformedLines { why: why.to_string(), lines: *lines })
            .collect(),
    }
}
