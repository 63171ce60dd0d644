//! `manyhands estimate` on logs of known audiences: what sharing saves there, found out visitor by visitor and second
//! by second, lies within the stated range; what can be counted is counted exactly; memory stays small.
#![allow(clippy::unwrap_used, reason = "tests")]

mod truth;
mod world;

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::process::{Command, Stdio};

use manyhands_testkit::binary;
use serde_json::Value;
use truth::Nature;
use world::{BROWSER, Form, ROBOT, Random, TOOL, Visit, World, Written};

const MIB: u64 = 1 << 20;
/// What `estimate` may take, whatever the log.
const MOST_MEMORY: u64 = 200 * MIB;

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.arg("estimate").args(args);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MANYHANDS_")) {
        command.env_remove(name);
    }
    command
}

fn estimate(logs: &[&Path]) -> Value {
    let mut args = vec!["--json"];
    args.extend(logs.iter().map(|log| log.to_str().unwrap()));
    let output = command(&args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn write(world: &World, path: &Path) -> Written {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let written = world.write(&mut file).unwrap();
    file.flush().unwrap();
    written
}

/// Low and high of each participation.
fn ranges(estimate: &Value) -> Vec<(f64, u64, u64)> {
    let saved = |it: &Value, at: &str| it["saved"][at].as_u64().unwrap();
    let sharing = estimate["sharing"].as_array().unwrap().iter();
    sharing
        .map(|it| (it["participation"].as_f64().unwrap(), saved(it, "low"), saved(it, "high")))
        .collect()
}

/// What was counted is what was written.
#[track_caller]
fn counted(estimate: &Value, written: &Written) {
    assert_eq!(estimate["log"]["requests"], written.requests);
    assert_eq!(estimate["log"]["octets"], written.octets);
    assert_eq!(estimate["log"]["malformed"], written.malformed);
    assert_eq!(estimate["eligible"]["requests"], written.eligible_requests);
    assert_eq!(estimate["eligible"]["octets"], written.eligible_octets);
    let left: u64 = estimate["left"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["requests"].as_u64().unwrap())
        .sum();
    assert_eq!(left, written.requests - written.eligible_requests);
}

/// The truth lies in the range, at every participation and for these draws of who takes part. Returns the truths.
#[track_caller]
fn within(world: &World, estimate: &Value, nature: &Nature, seeds: &[u64]) -> Vec<u64> {
    let (mut truths, mut outside) = (Vec::new(), Vec::new());
    for (participation, low, high) in ranges(estimate) {
        for seed in seeds {
            let truth = truth::saved(world, participation, nature, *seed);
            println!(
                "{participation}: {:.1} <= {:.1} <= {:.1} MB",
                low as f64 / 1e6,
                truth as f64 / 1e6,
                high as f64 / 1e6
            );
            if !(low..=high).contains(&truth) {
                outside.push(format!("{participation}: {low} <= {truth} <= {high}"));
            }
            truths.push(truth);
        }
    }
    assert!(outside.is_empty(), "{outside:#?}");
    truths
}

struct Scene {
    _dir: tempfile::TempDir,
    log: PathBuf,
}

fn scene() -> Scene {
    let dir = tempfile::tempdir().unwrap();
    Scene { log: dir.path().join("access.log"), _dir: dir }
}

/// A /24 of its own for each `n`.
fn address(n: usize) -> u32 {
    u32::from_be_bytes([11, 0, 0, 7]) + ((n as u32) << 8)
}

fn visit(n: usize, start: f64) -> Visit {
    Visit {
        file: 0,
        address: address(n),
        agent: BROWSER,
        start,
        rate: 2e6,
        wanted: 80 * MIB,
        ranges: 1,
    }
}

/// A release: nobody before it, many at once, fewer and fewer; several files, some of them seldom; tools and robots
/// among the visitors, some with ranges, some who break off.
fn release(visitors: usize, mean: f64, form: Form, noise: u64) -> World {
    let mut random = Random::new(7);
    let files = vec![100 * MIB, 40 * MIB, 250 * MIB, 30 * MIB];
    let visits = (0..visitors).map(|n| {
        let file = [0, 0, 0, 0, 1, 1, 2, 3][random.below(8)];
        let whole = random.unit() < 0.8;
        let wanted = if whole { files[file] } else { files[file] / 3 };
        Visit {
            file,
            // Some networks have several visitors.
            address: address(n - n % 3 * usize::from(n % 9 < 3)) + (n % 3) as u32,
            agent: [BROWSER, BROWSER, BROWSER, TOOL, BROWSER, BROWSER, ROBOT][random.below(7)],
            start: 3_600.0 + random.exponential(mean),
            rate: 0.7e6 + 4e6 * random.unit() * random.unit(),
            wanted,
            ranges: [1, 1, 4][random.below(3)],
        }
    });
    World { form, visits: visits.collect(), files: files.clone(), noise }
}

#[test]
fn visitors_who_never_meet_save_nothing() {
    let scene = scene();
    let visits = (0..60).map(|n| visit(n, n as f64 * 3_600.0)).collect();
    let world =
        World { form: Form::CombinedWithTime, visits, files: vec![80 * MIB], noise: 4 * MIB };
    let written = write(&world, &scene.log);
    let estimate = estimate(&[&scene.log]);
    counted(&estimate, &written);
    assert_eq!(ranges(&estimate), [(0.3, 0, 0), (0.6, 0, 0), (1.0, 0, 0)]);
    assert_eq!(within(&world, &estimate, &Nature::default(), &[1, 2]), [0; 6]);
}

#[test]
fn a_crowd_of_one_network_saves_nothing() {
    let scene = scene();
    let mut visits: Vec<_> = (0..200).map(|n| visit(0, n as f64 / 10.0)).collect();
    for (n, visit) in visits.iter_mut().enumerate() {
        visit.address += n as u32;
    }
    let world = World { form: Form::Caddy, visits, files: vec![80 * MIB], noise: MIB };
    let written = write(&world, &scene.log);
    let estimate = estimate(&[&scene.log]);
    counted(&estimate, &written);
    assert_eq!(ranges(&estimate), [(0.3, 0, 0), (0.6, 0, 0), (1.0, 0, 0)]);
    assert!(estimate["audience"]["onePrefix"].as_f64().unwrap() > 0.9);
}

#[test]
fn all_at_once_is_within_the_range() {
    let scene = scene();
    // The first make the file hot, an hour before.
    let early = (0..4).map(|n| visit(n, n as f64 * 600.0));
    let crowd = (4..154).map(|n| visit(n, 7_200.0 + (n % 8) as f64));
    let world = World {
        form: Form::NginxJson,
        visits: early.chain(crowd).collect(),
        files: vec![80 * MIB],
        noise: 4 * MIB,
    };
    let written = write(&world, &scene.log);
    let estimate = estimate(&[&scene.log]);
    counted(&estimate, &written);
    let truths = within(&world, &estimate, &Nature::default(), &[1, 2]);
    // It is a case in which there is something to be right about.
    assert!(truths[4] > written.eligible_octets * 3 / 10, "{truths:?}");
}

#[test]
fn a_release_is_within_the_range() {
    let scene = scene();
    let world = release(480, 900.0, Form::CombinedWithTime, 12 * MIB);
    let written = write(&world, &scene.log);
    let estimate = estimate(&[&scene.log]);
    counted(&estimate, &written);
    let truths = within(&world, &estimate, &Nature::default(), &[1, 2]);
    // It is a case in which there is something to be right about.
    assert!(truths[4] > written.eligible_octets / 10, "{truths:?}");
    // Seen by those who stay for long, and by those who leave at once: both are within what is taken for granted.
    let long = Nature { tail: 300.0, connect: 0.9, ..Nature::default() };
    within(&world, &estimate, &long, &[3]);
    let short = Nature { tail: 5.0, connect: 0.6, uplink: 6e6 / 8.0, ..Nature::default() };
    within(&world, &estimate, &short, &[4]);
}

#[test]
fn a_release_is_within_the_range_without_durations() {
    let scene = scene();
    let mut world = release(360, 900.0, Form::VhostCombined, 6 * MIB);
    for visit in &mut world.visits {
        // Between the rates that are reckoned with.
        visit.rate = visit.rate.max(1.3e6);
    }
    let written = write(&world, &scene.log);
    let estimate = estimate(&[&scene.log]);
    counted(&estimate, &written);
    within(&world, &estimate, &Nature::default(), &[1, 2]);
}

/// Octets of memory a process had at its most so far.
fn peak(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|it| it << 10)
}

/// Writes to a process, and looks at its memory on the way.
struct Watched {
    child: Child,
    peak: u64,
    unseen: usize,
}

impl Watched {
    fn look(&mut self) {
        self.peak = self.peak.max(peak(&self.child).unwrap_or(0));
    }
}

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unseen += bytes.len();
        if self.unseen > 1 << 20 {
            self.unseen = 0;
            self.look();
        }
        self.child.stdin.as_mut().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `estimate` says of a log that is given to it as it is written, and its memory at the most: looked at while it
/// reads, and until it is gone.
fn streamed(write: impl FnOnce(&mut dyn Write) -> io::Result<Written>) -> (Value, Written, u64) {
    let mut command = command(&["--json", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut watched = Watched { child: command.spawn().unwrap(), peak: 0, unseen: 0 };
    let written = write(&mut watched).unwrap();
    drop(watched.child.stdin.take());
    // It prints little, so that it does not wait for us to read.
    while watched.child.try_wait().unwrap().is_none() {
        watched.look();
        std::thread::yield_now();
    }
    let mut printed = String::new();
    watched.child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    (serde_json::from_str(&printed).unwrap(), written, watched.peak)
}

/// Millions of files and visitors that are each seen once: what a table without a bound would keep.
fn never_the_same(size: u64, out: &mut dyn Write) -> io::Result<Written> {
    let (mut written, mut random) = (Written::default(), Random::new(3));
    let mut text = String::with_capacity(1 << 20);
    while written.log < size {
        text.clear();
        for n in 0..4_000 {
            let (name, address) = (random.next(), random.next() as u32);
            let [a, b, c, d] = address.to_be_bytes();
            let (minute, second) = (written.requests / 40_000 % 60, n / 70 % 60);
            let octets = 2_000_000 + name % 1_000_000;
            text.push_str(&format!(
                "{a}.{b}.{c}.{d} - - [13/Oct/2026:13:{minute:02}:{second:02} +0000] \"GET /pub/{name:016x}/a-rather-long-name-of-a-file.iso HTTP/1.1\" 200 {octets} \"-\" \"{BROWSER}\" 300.000\n"
            ));
            written.requests += 1;
            written.octets += octets;
            written.eligible_requests += 1;
            written.eligible_octets += octets;
        }
        written.log += text.len() as u64;
        out.write_all(text.as_bytes())?;
    }
    Ok(written)
}

#[test]
fn memory_is_bounded_whatever_is_asked_for() {
    let (estimate, written, peak) = streamed(|out| never_the_same(24 * MIB, out));
    println!("{} MB of log, {:.1} MB of memory", written.log >> 20, peak as f64 / 1e6);
    counted(&estimate, &written);
    assert!(peak > 0 && peak < MOST_MEMORY, "{peak}");
    // The bound of files was reached, and it is said.
    assert!(estimate["bounds"]["filesForgotten"].as_u64().unwrap() > 0, "{}", estimate["bounds"]);
}

/// A month of a busy site, with a release in it.
fn large(size: u64) {
    let mut world = release(1_500, 6_000.0, Form::CombinedWithTime, size);
    // The noise goes on for four weeks.
    world.visits.push(visit(60_000, 27.0 * 86_400.0));
    let (estimate, written, peak) = streamed(|out| world.write(out));
    println!("{} MB of log, {:.1} MB of memory", written.log >> 20, peak as f64 / 1e6);
    counted(&estimate, &written);
    assert!(peak < MOST_MEMORY, "{peak}");
    let truths = within(&world, &estimate, &Nature::default(), &[1]);
    assert!(truths[2] > 0, "{truths:?}");
    let (estimate, written, peak) = streamed(|out| never_the_same(size, out));
    println!("{} MB of log, {:.1} MB of memory", written.log >> 20, peak as f64 / 1e6);
    counted(&estimate, &written);
    assert!(peak > 0 && peak < MOST_MEMORY, "{peak}");
}

#[test]
#[ignore = "minutes"]
fn a_log_of_1_gb() {
    large(1_000_000_000);
}

#[test]
#[ignore = "many minutes"]
fn a_log_of_10_gb() {
    large(10_000_000_000);
}
