//! What was counted is written down: by several processes at once to the octet, and whatever kills one, all but
//! the last seconds, and nothing twice.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use manyhands_testkit::{Server, binary, experiment, until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// What a kill may lose.
const MOST_LOST: Duration = Duration::from_secs(10);
/// Octets of one request.
const RANGE: u64 = 1_000;

struct Site {
    top: tempfile::TempDir,
    settings: String,
}

impl Site {
    fn new(files: usize) -> Self {
        let top = tempfile::tempdir().unwrap();
        std::fs::create_dir(top.path().join("www")).unwrap();
        for number in 0..files {
            let file = top.path().join(format!("www/{number}.iso"));
            std::fs::write(file, vec![7; 100_000]).unwrap();
        }
        Self { top, settings: experiment("a salt of ours") }
    }

    fn state(&self, number: usize) -> PathBuf {
        self.top.path().join(format!("state-{number}"))
    }

    fn serve(&self, state: &Path) -> Server {
        Server::serve(&self.top.path().join("www"), state, &self.settings)
    }
}

async fn shared(server: &Server, path: &str) {
    until("the file to be shared", || async {
        let answer = server.reserved(&format!("manifest{path}?again")).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

/// Origin bytes and requests of each file, as `manyhands report --csv` has them with no process running.
fn report(states: &[PathBuf]) -> BTreeMap<String, (u64, u64)> {
    let mut command = Command::new(binary());
    command.args(["report", "--csv"]);
    for state in states {
        command.arg("--state").arg(state);
    }
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    if error.contains("holds no experiment") {
        return BTreeMap::new();
    }
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let fields: Vec<_> = line.split(',').collect();
        let sum = sums.entry(fields[3].to_owned()).or_default();
        sum.0 += fields[7].parse::<u64>().unwrap();
        sum.1 += fields[6].parse::<u64>().unwrap();
    }
    sums
}

/// One server's life: requests at a steady pace until it is killed, each noted when its answer is complete.
async fn live(site: &Site, number: usize, life: Duration) -> Vec<Instant> {
    let state = site.state(number);
    let server = site.serve(&state);
    shared(&server, "/0.iso").await;
    let mut client = server.connect().await;
    let mut answered = Vec::new();
    let end = Instant::now() + life;
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    while Instant::now() < end {
        pace.tick().await;
        let answer = client.get("/0.iso", &[("range", "bytes=0-999")]).await.unwrap();
        assert_eq!(answer.body.len() as u64, RANGE);
        answered.push(Instant::now());
    }
    server.kill();
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_lose_the_last_seconds_at_most_and_count_nothing_twice() {
    const SERVERS: usize = 10;
    const LIVES: usize = 5;
    let site = std::sync::Arc::new(Site::new(1));
    let mut dice = StdRng::seed_from_u64(4);
    // What each state directory held after the last life.
    let mut written = [(0, 0); SERVERS];
    for _ in 0..LIVES {
        let lives: Vec<_> = (0..SERVERS)
            .map(|number| {
                let (site, life) =
                    (site.clone(), Duration::from_millis(dice.random_range(50..9_000)));
                tokio::spawn(async move { live(&site, number, life).await })
            })
            .collect();
        for (number, life) in lives.into_iter().enumerate() {
            let answered = life.await.unwrap();
            let ended = *answered.last().unwrap();
            let old = answered.iter().filter(|at| ended.duration_since(**at) > MOST_LOST).count();
            let sums = report(&[site.state(number)]);
            let (bytes, requests) = sums.get("/0.iso").copied().unwrap_or_default();
            let of_life = (bytes - written[number].0) / RANGE;
            let begun = requests - written[number].1;
            written[number] = (bytes, requests);
            // A request counts from its head on, octets as they go: the one under way may have had its head alone
            // when the last batch was written; and a batch reads one counter after the other.
            assert_eq!(bytes % RANGE, 0, "octets of an answer are written together or not at all");
            assert!(begun.abs_diff(of_life) <= 1, "{begun} begun, {of_life} sent");
            let at_most = answered.len() as u64;
            assert!((old as u64..=at_most).contains(&of_life), "{of_life} of {at_most}, {old} old");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_that_write_at_once_lose_nothing() {
    const PROCESSES: usize = 8;
    const FILES: usize = 5;
    const ROUNDS: usize = 20;
    let site = Site::new(FILES);
    let sums = site.top.path().join("sums");
    let site = Site { settings: format!("{}dir = {sums:?}\n", site.settings), ..site };
    let servers: Vec<_> = (0..PROCESSES).map(|number| site.serve(&site.state(number))).collect();
    for server in &servers {
        for number in 0..FILES {
            shared(server, &format!("/{number}.iso")).await;
        }
    }
    for _ in 0..ROUNDS {
        let asked = servers.iter().map(|server| async {
            for number in 0..FILES {
                let range = format!("bytes=0-{}", number * 10);
                server.get(&format!("/{number}.iso"), &[("range", &range)]).await;
            }
        });
        futures_util::future::join_all(asked).await;
    }
    let times = (PROCESSES * ROUNDS) as u64;
    let expected: BTreeMap<_, _> = (0..FILES as u64)
        .map(|number| (format!("/{number}.iso"), ((number * 10 + 1) * times, times)))
        .collect();
    let sums = [sums];
    until("all to be written", || async { (report(&sums) == expected).then_some(()) }).await;
    // Each shows those of all.
    for server in &servers {
        let csv = String::from_utf8(server.reserved("experiment.csv").await.body).unwrap();
        let requests = csv.lines().skip(1).map(|line| line.split(',').nth(6).unwrap());
        let requests = requests.map(|requests| requests.parse::<u64>().unwrap());
        assert_eq!(requests.sum::<u64>(), FILES as u64 * times);
    }
    drop(servers);
    assert_eq!(report(&sums), expected);
}

#[tokio::test]
async fn servers_with_state_of_their_own_are_added_up() {
    let site = Site::new(1);
    let states = [site.state(0), site.state(1)];
    for (state, times) in states.iter().zip([3, 4]) {
        let server = site.serve(state);
        shared(&server, "/0.iso").await;
        for _ in 0..times {
            server.get("/0.iso", &[("range", "bytes=0-999")]).await;
        }
        until("it to be written", || async {
            let sums = report(std::slice::from_ref(state));
            (sums.get("/0.iso") == Some(&(times * RANGE, times))).then_some(())
        })
        .await;
    }
    assert_eq!(report(&states)["/0.iso"], (7 * RANGE, 7));
}
