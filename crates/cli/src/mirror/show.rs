//! A mirror's state for people: lines when something changes, bars on a terminal.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{DecimalBytes, MultiProgress, ProgressBar, ProgressStyle};
use manyhands_peer::mirror::{Mirror, MirrorStatus, SiteStatus};

use crate::plain::printable;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Says what changes, for ever.
pub(super) async fn follow(mirror: &Mirror) {
    let bars = MultiProgress::new();
    let mut shown: HashMap<String, (ProgressBar, Vec<String>)> = HashMap::new();
    loop {
        for site in mirror.status().sites {
            let (bar, said) = shown.entry(site.site.clone()).or_insert_with(|| {
                let style = "{prefix} {bar:30} {bytes}/{total_bytes} {msg}";
                let style = ProgressStyle::with_template(style);
                let bar = bars.add(ProgressBar::new(0));
                (bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())), Vec::new())
            });
            let now = lines(&site);
            for line in now.iter().filter(|line| !said.contains(line)) {
                let line = printable(&format!("{}: {line}", site.site));
                // Above the bars where there are any.
                bars.suspend(|| println!("{line}"));
            }
            *said = now;
            bar.set_prefix(printable(&site.site));
            bar.set_length(site.chosen_bytes);
            bar.set_position(site.held_bytes);
            bar.set_message(format!(
                "{} of {} files, {} sent",
                site.whole,
                site.chosen,
                DecimalBytes(site.sent_bytes)
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What is worth a line when it is new.
fn lines(site: &SiteStatus) -> Vec<String> {
    let mut lines = vec![site.words.clone()];
    lines.extend(site.troubles.iter().cloned());
    if site.chosen > 0 && site.whole == site.chosen {
        lines.push(format!("all {} files that it carries are here", site.chosen));
    }
    lines
}

/// The whole state as a text.
pub(super) fn text(status: &MirrorStatus) -> String {
    let mut text = format!(
        "{}\n  key     {}\n  disk    {} of {} chosen\n",
        status.name,
        status.key,
        DecimalBytes(status.chosen),
        DecimalBytes(status.budget)
    );
    for site in &status.sites {
        let heard = match site.heard {
            Some(seconds) => format!("{seconds} s ago"),
            None => "not since the start".to_owned(),
        };
        text += &format!("\n{}\n  state   {}\n  heard   {heard}\n", site.site, site.words);
        for trouble in &site.troubles {
            text += &format!("  trouble {trouble}\n");
        }
        if let Some(url) = &site.url {
            text += &format!("  url     {url}\n");
        }
        text += &format!(
            "  carried {} of {} files that it chose of {} ({} of {})\n  sent    {} in {} answers; fetched {}\n",
            site.whole,
            site.chosen,
            site.listed,
            DecimalBytes(site.held_bytes),
            DecimalBytes(site.chosen_bytes),
            DecimalBytes(site.sent_bytes),
            site.answers,
            DecimalBytes(site.fetched_bytes),
        );
        for it in &site.under_way {
            let (held, length) = (DecimalBytes(it.held_bytes), DecimalBytes(it.length));
            text += &format!("  coming  {} ({held} of {length})\n", it.path);
        }
    }
    text.lines().map(|line| printable(line) + "\n").collect()
}
