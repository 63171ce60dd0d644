use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::{Answer, Client, binary};

/// What visitors of every [`Server`] see; where it really listens changes with each start.
const HOST: &str = "127.0.0.1:1";

/// The `manyhands` command as a child of the test, killed (as by `kill -9`) when dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    log: PathBuf,
}

/// Bytes of memory that a process holds.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// At most so far.
    pub peak: u64,
}

impl Server {
    /// `manyhands serve DIRECTORY`, with its state in `state` and `settings` as its configuration file.
    pub fn serve(directory: &Path, state: &Path, settings: &str) -> Self {
        Self::start(["serve".into(), directory.into()].to_vec(), state, settings, None)
    }

    /// `manyhands proxy` in front of `upstream`.
    pub fn proxy(upstream: SocketAddr, state: &Path, settings: &str) -> Self {
        Self::start(before(upstream), state, settings, None)
    }

    /// The same with a log of this level: `trace`.
    pub fn proxy_logging(upstream: SocketAddr, state: &Path, settings: &str, level: &str) -> Self {
        Self::start(before(upstream), state, settings, Some(level))
    }

    fn start(arguments: Vec<OsString>, state: &Path, settings: &str, level: Option<&str>) -> Self {
        fs::create_dir_all(state).unwrap();
        // Beside the state, not in it: what lies there is looked at.
        let (config, log) = (state.with_extension("toml"), state.with_extension("log"));
        fs::write(&config, settings).unwrap();
        let mut child = Command::new(binary())
            .args(arguments)
            .args(["--listen", "127.0.0.1:0", "--origin", &format!("http://{HOST}")])
            .arg("--state")
            .arg(state)
            .arg("--config")
            .arg(config)
            .envs(level.map(|level| ("MANYHANDS_LOG", level)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::options().create(true).append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| {
            let _ = child.kill();
            panic!("did not start: {}", fs::read_to_string(&log).unwrap_or_default())
        });
        Self { address, child, log }
    }

    /// A connection.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn connect(&self) -> Client {
        Client::connect(self.address, HOST).await.unwrap()
    }

    /// A connection that takes in little at a time.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn connect_narrow(&self) -> Client {
        Client::connect_narrow(self.address, HOST).await.unwrap()
    }

    /// One GET on a connection of its own.
    ///
    /// # Panics
    /// When the answer is cut off.
    pub async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.connect().await.get(target, headers).await.unwrap()
    }

    /// One GET below the reserved prefix: `manifest/a.zip`.
    ///
    /// # Panics
    /// When the answer is cut off.
    pub async fn reserved(&self, below: &str) -> Answer {
        self.get(&format!("/.well-known/manyhands/{below}"), &[]).await
    }

    /// `status.json`.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn status(&self) -> Value {
        let answer = self.reserved("status.json").await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        answer.json()
    }

    /// Assets that wait for a hash worker or are with one.
    ///
    /// # Panics
    /// When `status.json` is refused.
    pub async fn pending(&self) -> u64 {
        self.status().await["pending"].as_u64().unwrap()
    }

    /// What the kernel says of its memory.
    pub fn memory(&self) -> Memory {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
        };
        Memory { resident: field("VmRSS:"), peak: field("VmHWM:") }
    }

    /// Bytes that it has read so far, from files and connections.
    pub fn bytes_read(&self) -> u64 {
        let counts = fs::read_to_string(format!("/proc/{}/io", self.child.id())).unwrap();
        counts.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it wrote to its log since the state directory was first used.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `kill -9`, and waits for the end.
    pub fn kill(self) {}
}

fn before(upstream: SocketAddr) -> Vec<OsString> {
    vec!["proxy".into(), "--upstream".into(), format!("http://{upstream}").into()]
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
