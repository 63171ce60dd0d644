//! Audiences of known structure, and their access logs.

use std::io::{self, Write};

/// SplitMix64: the same numbers on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly from 0 to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Times between the events of a Poisson process.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }
}

pub(crate) const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
pub(crate) const TOOL: &str = "Wget/1.21.4";
pub(crate) const ROBOT: &str = "Mozilla/5.0 (compatible; Examplebot/2.1; +https://bot.example/)";

/// One download of one file by one visitor.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) file: usize,
    /// IPv4, as a number; visitors differ in their /24 where they differ at all.
    pub(crate) address: u32,
    pub(crate) agent: &'static str,
    /// Seconds since the world began.
    pub(crate) start: f64,
    /// Octets a second over plain HTTP.
    pub(crate) rate: f64,
    pub(crate) wanted: u64,
    /// Requests it is made of: one, or that many ranges.
    pub(crate) ranges: usize,
}

impl Visit {
    pub(crate) fn seconds(&self) -> f64 {
        self.wanted as f64 / self.rate
    }
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    /// nginx: times are those of the end, `$request_time` stands behind the agent.
    CombinedWithTime,
    /// Apache: times are those of the beginning, and there are no durations.
    VhostCombined,
    NginxJson,
    Caddy,
}

pub(crate) struct World {
    pub(crate) form: Form,
    pub(crate) visits: Vec<Visit>,
    /// Lengths; file `n` is `/pub/file-n.iso`.
    pub(crate) files: Vec<u64>,
    /// Octets of log that are pages, pictures, refusals and nonsense.
    pub(crate) noise: u64,
}

/// What was written.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Written {
    pub(crate) requests: u64,
    pub(crate) octets: u64,
    pub(crate) malformed: u64,
    pub(crate) eligible_requests: u64,
    pub(crate) eligible_octets: u64,
    pub(crate) log: u64,
}

/// 13 October 2026, 00:00 UTC.
const EPOCH: u64 = 1_791_849_600;

struct Line<'a> {
    /// Of the beginning and the end of the answer, since the epoch of the world.
    start: f64,
    end: f64,
    address: u32,
    target: &'a str,
    status: u16,
    octets: u64,
    agent: &'a str,
}

impl World {
    /// Writes the log, by the times that its form has.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<Written> {
        let mut written = Written::default();
        let mut requests = self.requests();
        let stamp = |it: &(f64, f64, usize, u64)| match self.form {
            Form::VhostCombined => it.0,
            _ => it.1,
        };
        requests.sort_by(|a, b| stamp(a).total_cmp(&stamp(b)));
        let last = requests.last().map_or(86_400.0, stamp);
        let mut random = Random::new(99);
        let mut text = Vec::with_capacity(1 << 16);
        let mut next = requests.iter().peekable();
        // About 200 octets a line; the noise is spread over the whole time.
        let noise = (self.noise / 200).max(1);
        for n in 0..=noise {
            let now = last * n as f64 / noise as f64;
            while let Some(request) = next.next_if(|it| stamp(it) <= now || n == noise) {
                let (start, end, visit, octets) = *request;
                let visit = &self.visits[visit];
                let target = format!("/pub/file-{}.iso", visit.file);
                let status = if visit.ranges > 1 { 206 } else { 200 };
                let line = Line {
                    start,
                    end,
                    address: visit.address,
                    target: &target,
                    status,
                    octets,
                    agent: visit.agent,
                };
                self.line(&line, &mut text);
                written.count(&line);
                written.eligible_requests += 1;
                written.eligible_octets += octets;
            }
            if n < noise {
                self.noise(&mut random, now, &mut text, &mut written);
            }
            if text.len() > 1 << 15 || n == noise {
                written.log += text.len() as u64;
                out.write_all(&text)?;
                text.clear();
            }
        }
        Ok(written)
    }

    /// Beginning, end, visit and octets of every request.
    fn requests(&self) -> Vec<(f64, f64, usize, u64)> {
        let mut requests = Vec::new();
        for (at, visit) in self.visits.iter().enumerate() {
            let parts = visit.ranges as u64;
            let seconds = visit.seconds() / visit.ranges as f64;
            for part in 0..parts {
                let octets = visit.wanted * (part + 1) / parts - visit.wanted * part / parts;
                let start = visit.start + part as f64 * seconds;
                requests.push((start, start + seconds, at, octets));
            }
        }
        requests
    }

    fn noise(&self, random: &mut Random, now: f64, text: &mut Vec<u8>, written: &mut Written) {
        let kind = random.below(1_000);
        if kind == 0 {
            let nonsense: &[&[u8]] = &[
                b"nonsense",
                b"192.0.2.1 - - [13/Oct/2026:00:00:00 +0000] \"GET /cut",
                b"{\"time_iso8601\":\"2026-",
                b"\x00\x00\x00\x00",
                b"192.0.2.1 - - [99/Oct/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\"",
            ];
            text.extend_from_slice(nonsense[random.below(nonsense.len())]);
            text.push(b'\n');
            written.malformed += 1;
            return;
        }
        let n = random.next() % 10_000_000;
        let (target, status, octets) = match kind % 10 {
            0 => (format!("/search?q=x{n}"), 200, 12_000),
            1..=3 => (format!("/wiki/article-{}.html", n % 5_000), 200, 20_000 + n % 90_000),
            4 => (format!("/img/{}.jpg", n % 500), 304, 0),
            5 => (format!("/wp-login-{n}.php"), 404, 153),
            // A file, and refused: no demand, nothing sent of it.
            6 => ("/pub/file-0.iso".to_owned(), 403, 146),
            _ => (format!("/static/style-{}.css", n % 20), 200, 4_000),
        };
        let line = Line {
            start: now,
            end: now,
            address: random.next() as u32,
            target: &target,
            status,
            octets,
            agent: [BROWSER, ROBOT][random.below(2)],
        };
        self.line(&line, text);
        written.count(&line);
    }

    fn line(&self, line: &Line<'_>, out: &mut Vec<u8>) {
        let Line { start, end, address, target, status, octets, agent } = line;
        let [a, b, c, d] = address.to_be_bytes();
        let address = format!("{a}.{b}.{c}.{d}");
        let seconds = end - start;
        let write = match self.form {
            Form::CombinedWithTime => writeln!(
                out,
                "{address} - - [{}] \"GET {target} HTTP/2.0\" {status} {octets} \"https://example.org/start\" \"{agent}\" {seconds:.3}",
                common(*end)
            ),
            Form::VhostCombined => writeln!(
                out,
                "example.org:443 {address} - - [{}] \"GET {target} HTTP/1.1\" {status} {octets} \"-\" \"{agent}\"",
                common(*start)
            ),
            Form::NginxJson => writeln!(
                out,
                "{{\"time_iso8601\":\"{}\",\"remote_addr\":\"{address}\",\"request\":\"GET {target} HTTP/1.1\",\"status\":\"{status}\",\"body_bytes_sent\":\"{octets}\",\"request_time\":\"{seconds:.3}\",\"http_user_agent\":\"{agent}\"}}",
                iso(*end)
            ),
            Form::Caddy => writeln!(
                out,
                "{{\"level\":\"info\",\"ts\":{:.3},\"logger\":\"http.log.access\",\"msg\":\"handled request\",\"request\":{{\"remote_ip\":\"{address}\",\"method\":\"GET\",\"host\":\"example.org\",\"uri\":\"{target}\",\"headers\":{{\"User-Agent\":[\"{agent}\"]}}}},\"duration\":{seconds:.6},\"size\":{octets},\"status\":{status},\"resp_headers\":{{\"Server\":[\"Caddy\"]}}}}",
                EPOCH as f64 + end
            ),
        };
        write.unwrap();
    }
}

impl Written {
    fn count(&mut self, line: &Line<'_>) {
        self.requests += 1;
        self.octets += line.octets;
    }
}

/// Day of October or November, hour, minute, second.
fn clock(seconds: f64) -> (u64, u64, u64, u64) {
    let seconds = seconds as u64;
    (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)
}

fn common(seconds: f64) -> String {
    let (day, hour, minute, second) = clock(seconds);
    // The zone is not UTC: 02:00 there is midnight here.
    let (day, hour) = (day + (hour + 2) / 24, (hour + 2) % 24);
    let (day, month) = if day < 19 { (day + 13, "Oct") } else { (day - 18, "Nov") };
    format!("{day:02}/{month}/2026:{hour:02}:{minute:02}:{second:02} +0200")
}

fn iso(seconds: f64) -> String {
    let (day, hour, minute, second) = clock(seconds);
    let (day, month) = if day < 19 { (day + 13, 10) } else { (day - 18, 11) };
    format!("2026-{month}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00")
}
