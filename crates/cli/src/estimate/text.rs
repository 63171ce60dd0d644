//! The estimate for people: the answer first, then what it rests on.

use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use indicatif::DecimalBytes;
use manyhands_experiment::audience::{Assumptions, Forecast, Octets, Range, Shares};

use super::args::EstimateArgs;
use super::money::Money;
use crate::doctor::grouped;
use crate::plain::printable;

/// Reasons that are shown; of more, the sum.
const REASONS: usize = 12;

/// Low at the least participation, likely at the middle one, high at the greatest: what nobody knows beforehand is in
/// the range.
pub(super) fn headline(forecast: &Forecast) -> Octets {
    let saved = |at: usize| forecast.sharing.get(at).map(|it| it.saved).unwrap_or_default();
    Octets { low: saved(0).low, likely: saved(1).likely, high: saved(2).high }
}

pub(super) fn of(forecast: &Forecast, money: Option<&Money>, args: &EstimateArgs) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = answer(&mut out, forecast, money)
        .and_then(|()| visitors(&mut out, forecast))
        .and_then(|()| mirrors(&mut out, forecast))
        .and_then(|()| files(&mut out, forecast))
        .and_then(|()| left(&mut out, forecast))
        .and_then(|()| not_read(&mut out, forecast, args.verbose))
        .and_then(|()| assumptions(&mut out, forecast));
    out
}

fn answer(out: &mut String, forecast: &Forecast, money: Option<&Money>) -> std::fmt::Result {
    let (log, octets) = (&forecast.log, headline(forecast));
    let shares = octets.of(log.octets);
    let range = between(shares);
    if octets.high == 0 {
        writeln!(
            out,
            "Visitors would have carried nothing of what you sent. {}",
            why_nothing(forecast)
        )?;
    } else {
        writeln!(
            out,
            "Visitors would have carried between {range} of what you sent: {} to {} of {}.",
            size(octets.low),
            size(octets.high),
            size(log.octets)
        )?;
        writeln!(
            out,
            "Likely, if {} of browsers take part: {}, {}.",
            percent(forecast.sharing.get(1).map_or(0.0, |it| it.participation)),
            percent(shares.likely),
            size(octets.likely)
        )?;
    }
    if let Some(money) = money {
        let amount = |it: f64| format!("{it:.2}");
        let Shares { low, likely, high } = money.saved;
        writeln!(
            out,
            "At {} {} a GB that is {} to {}, likely {}, of {}.",
            money.price_per_gb,
            printable(&money.currency),
            amount(low),
            amount(high),
            amount(likely),
            amount(money.sent)
        )?;
        if let Some(Shares { low, likely, high }) = money.saved_in_30_days {
            writeln!(
                out,
                "In 30 days: {} to {}, likely {}.",
                amount(low),
                amount(high),
                amount(likely)
            )?;
        }
    }
    writeln!(out)?;
    if let Some(period) = forecast.period {
        let day = |seconds: f64| {
            let time = UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
            Some(httpdate::fmt_http_date(time))
        };
        if let (Some(from), Some(to)) = (day(period.from), day(period.to)) {
            writeln!(out, "{from} to {to}")?;
        }
    }
    let eligible = &forecast.eligible;
    writeln!(
        out,
        "{} requests, {} sent; {} of it may be shared ({}, {}).",
        grouped(log.requests),
        size(log.octets),
        size(eligible.octets),
        percent(eligible.of_all),
        of_files(eligible.files)
    )
}

fn why_nothing(forecast: &Forecast) -> String {
    if forecast.eligible.octets > 0 {
        let floor = forecast.assumptions.min_prefixes;
        return format!(
            "No file had visitors of {floor} networks at once ([swarm] min_prefixes); mirrors may help, see below."
        );
    }
    match forecast.left.first() {
        Some(left) => {
            format!("No file may be shared; most was left for this reason: {}", left.sentence)
        }
        None => "Nothing was sent.".to_owned(),
    }
}

fn visitors(out: &mut String, forecast: &Forecast) -> std::fmt::Result {
    writeln!(
        out,
        "\nVisitors for one another {:>27}   {:>27}",
        "of all sent", "of files that may be shared"
    )?;
    writeln!(
        out,
        "  browsers taking part   {:>9}{:>9}{:>9}   {:>9}{:>9}{:>9}",
        "low", "likely", "high", "low", "likely", "high"
    )?;
    for sharing in &forecast.sharing {
        let Shares { low, likely, high } = sharing.of_all;
        let of = sharing.of_eligible;
        writeln!(
            out,
            "  {:>20}   {:>9}{:>9}{:>9}   {:>9}{:>9}{:>9}",
            percent(sharing.participation),
            percent(low),
            percent(likely),
            percent(high),
            percent(of.low),
            percent(of.likely),
            percent(of.high)
        )?;
    }
    if let Some(most) = forecast.sharing.last().filter(|most| most.overhead > 0) {
        writeln!(
            out,
            "  Scripts and signalling would have added up to {} in {} transfers.",
            size(most.overhead),
            grouped(most.transfers)
        )?;
    }
    Ok(())
}

fn mirrors(out: &mut String, forecast: &Forecast) -> std::fmt::Result {
    let carried = &forecast.mirrors;
    let mirrors = &carried.mirrors;
    let (word, each) = if mirrors.count == 1 { ("mirror", "") } else { ("mirrors", " each") };
    writeln!(
        out,
        "\n{} {word} of {} and {} Mbit/s{each}, without visitors",
        mirrors.count,
        size(mirrors.budget),
        mirrors.rate / 1e6
    )?;
    writeln!(
        out,
        "  would have carried between {} of what you sent ({} to {}), with {} of {} together.",
        between(carried.of_all),
        size(carried.saved.low),
        size(carried.saved.high),
        of_files(carried.files),
        size(carried.held)
    )?;
    writeln!(
        out,
        "  The high end takes download tools along. Do not add this to what visitors carry."
    )
}

fn files(out: &mut String, forecast: &Forecast) -> std::fmt::Result {
    if forecast.files.is_empty() {
        return Ok(());
    }
    let middle = forecast.sharing.get(1).map_or(0.0, |it| it.participation);
    writeln!(
        out,
        "\nFiles with the most octets, and what visitors would have carried at {}",
        percent(middle)
    )?;
    writeln!(out, "  {:>10}{:>22}{:>12}  path", "sent", "low to high", "requests")?;
    for file in &forecast.files {
        let shares = file.saved.of(file.octets);
        writeln!(
            out,
            "  {:>10}{:>22}{:>12}  {}",
            size(file.octets),
            between(shares).replace(" and ", " to "),
            grouped(file.requests),
            printable(&file.path)
        )?;
    }
    Ok(())
}

fn left(out: &mut String, forecast: &Forecast) -> std::fmt::Result {
    if forecast.left.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nLeft to the site, and why")?;
    for left in forecast.left.iter().take(REASONS) {
        let count = left.count;
        writeln!(
            out,
            "  {:>10}{:>14}  {}",
            size(count.octets),
            grouped(count.requests),
            left.sentence
        )?;
    }
    if let Some(rest) = forecast.left.get(REASONS..).filter(|rest| !rest.is_empty()) {
        let octets: u64 = rest.iter().map(|left| left.count.octets).sum();
        let requests: u64 = rest.iter().map(|left| left.count.requests).sum();
        writeln!(
            out,
            "  {:>10}{:>14}  {} further reasons (--json has them)",
            size(octets),
            grouped(requests),
            rest.len()
        )?;
    }
    let audience = &forecast.audience;
    for (what, count) in [
        ("of files, to download tools and old browsers: they can't share", audience.tools),
        ("of files, to robots: they can't share", audience.robots),
        (
            "of files, to visitors without an address: they were not taken to share",
            audience.nameless,
        ),
    ] {
        if count.requests > 0 {
            writeln!(out, "  {:>10}{:>14}  {what}", size(count.octets), grouped(count.requests))?;
        }
    }
    Ok(())
}

fn not_read(out: &mut String, forecast: &Forecast, verbose: bool) -> std::fmt::Result {
    let log = &forecast.log;
    if log.malformed > 0 {
        let why: Vec<_> =
            log.malformed_by.iter().map(|it| format!("{} {}", grouped(it.lines), it.why)).collect();
        let hint = if verbose { "" } else { "; --verbose shows some" };
        writeln!(
            out,
            "\n{} lines could not be read: {}{hint}.",
            grouped(log.malformed),
            why.join(", ")
        )?;
    }
    if let Some(share) = forecast.audience.one_prefix {
        writeln!(
            out,
            "\n{} of requests for files came from one network. If that is a proxy in front of the site, use its log, or \
             log the visitor's address: visitors of one network do not count as several.",
            percent(share)
        )?;
    }
    let bounds = &forecast.bounds;
    for (count, what) in [
        (bounds.files_forgotten, "files with few octets were added up without being named"),
        (
            bounds.transfers_cut,
            "times all transfers were taken for ended, because too many went on",
        ),
        (
            bounds.transfers_late,
            "transfers began hours before lines that came first, and were played late",
        ),
        (
            bounds.transfers_crowded_out,
            "transfers were taken to share nothing, because too many went on",
        ),
    ] {
        if count > 0 {
            writeln!(out, "\nCoarser than the log: {} {what}.", grouped(count))?;
        }
    }
    Ok(())
}

fn assumptions(out: &mut String, forecast: &Forecast) -> std::fmt::Result {
    let Assumptions {
        spread,
        uplink,
        upload_limit,
        downlink,
        connect,
        efficiency,
        delay,
        tail,
        slack,
        min_prefixes,
        admission_requests,
        admission_prefixes,
        hashing,
        gap,
        ..
    } = &forecast.assumptions;
    writeln!(out, "\nTaken for granted{:>37}{:>10}{:>10}", "low", "likely", "high")?;
    let mut line = |what: &str, range: Range, factor: f64| {
        let value = |it: f64| format!("{}", (it * factor * 100.0).round() / 100.0);
        writeln!(
            out,
            "  {what:<42}{:>10}{:>10}{:>10}",
            value(range.low),
            value(range.likely),
            value(range.high)
        )
    };
    line("times the share that takes part", *spread, 1.0)?;
    line("a visitor's uplink, Mbit/s", *uplink, 1e-6)?;
    line("of it, at most ([upload] rate)", Range::same(*upload_limit), 1e-6)?;
    if forecast.eligible.timed < 1.0 {
        line("a download without a duration, Mbit/s", *downlink, 1e-6)?;
    }
    line("uplinks that reach somebody, %", *connect, 100.0)?;
    line("what peers bring of what they could, %", *efficiency, 100.0)?;
    line("until the first piece from a peer, s", *delay, 1.0)?;
    line("a visitor stays after a transfer, s", *tail, 1.0)?;
    line("a download may take, times plain HTTP", *slack, 1.0)?;
    line("a file is hashed after, s", *hashing, 1.0)?;
    writeln!(
        out,
        "  Files are shared after {admission_requests} requests from {admission_prefixes} networks, among visitors of at least \
         {min_prefixes} networks at once (an IPv4 /24 or IPv6 /48 each)."
    )?;
    writeln!(
        out,
        "  Requests of one address and browser for one file, at most {gap} s apart, are one transfer. {} of them have a duration.",
        percent(forecast.eligible.timed)
    )?;
    writeln!(
        out,
        "  A log does not show cookies, nor all fields of answers: what they forbid is not taken off. `manyhands doctor URL` \
         looks at one file."
    )
}

fn size(octets: u64) -> String {
    DecimalBytes(octets).to_string()
}

fn of_files(number: u64) -> String {
    match number {
        1 => "1 file".to_owned(),
        number => format!("{} files", grouped(number)),
    }
}

fn between(shares: Shares) -> String {
    let (low, high) = (percent(shares.low), percent(shares.high));
    format!("{} and {high}", low.trim_end_matches(" %"))
}

/// Two digits where there is little, none behind the point where there is much.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        _ if percent == 0.0 => "0 %".to_owned(),
        _ if percent < 0.1 => "<0.1 %".to_owned(),
        _ if percent < 10.0 => format!("{percent:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}
