use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use manyhands_metainfo::{AssetPath, DIGESTS_PER_PAGE, Digest, Hashes, digest_bytes};
use manyhands_protocol::mirrors::{
    Announce, AnnounceAnswer, Credentials, Envelope, FeedAsset, FeedPage, MAX_ANNOUNCE_BYTES,
    MirrorState, Purge, SecretKey, SignedRequest,
};
use manyhands_proxy::{Listener, ServeOptions};
use tokio::sync::oneshot;

const PREFIX: &str = "/.well-known/manyhands/";

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// A site on loopback as a mirror sees it: signed feed, digests, assets, announces. Small enough to be made wrong on
/// purpose, which the real one can't be.
pub struct FeedSite {
    /// Where it listens; stays the same over [`Self::stop`] and [`Self::start`].
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
}

/// How a file is served otherwise than it should be.
#[derive(Debug, Clone)]
pub enum Quirk {
    /// A bit of every 64 KiB is another.
    Wrong,
    /// After the bytes that were asked for there come more, without an end.
    Endless,
    /// The answer says as many bytes as it should, and ends in the middle.
    Short,
    /// Another range than was asked for.
    Shifted,
    /// The range is not looked at.
    Whole,
    /// Goes elsewhere.
    Redirect(String),
    /// Compressed, it says.
    Compressed,
    /// Refused with `Retry-After`.
    Busy(u32),
    /// Its digests are another file's.
    Digests,
    /// A page of digests that has no end.
    EndlessDigests,
}

/// What a site did and what it says.
#[derive(Debug)]
struct State {
    site: String,
    key: SecretKey,
    files: BTreeMap<String, File>,
    sequence: u64,
    made: i64,
    purged: Vec<Purge>,
    quirks: HashMap<String, Quirk>,
    standing: MirrorState,
    is_public: bool,
    announces: Vec<Announce>,
    asked: Vec<String>,
}

#[derive(Debug, Clone)]
struct File {
    bytes: Bytes,
    hashes: Hashes,
    digests: Vec<Digest>,
    demand: u64,
}

impl FeedSite {
    /// Starts one without files, whose feed anybody may read.
    pub async fn start() -> Self {
        let state = State {
            site: String::new(),
            key: SecretKey::from_seed(&[7; 32]),
            files: BTreeMap::new(),
            sequence: 1,
            made: 0,
            purged: Vec::new(),
            quirks: HashMap::new(),
            standing: MirrorState::Pending,
            is_public: true,
            announces: Vec::new(),
            asked: Vec::new(),
        };
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut site = Self { address: any, state: Arc::new(Mutex::new(state)), stop: None };
        site.listen().await;
        site.state().site = site.url();
        site
    }

    /// Its origin.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Nobody answers any more.
    pub async fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        crate::until("the port is closed", async || {
            tokio::net::TcpStream::connect(self.address).await.is_err().then_some(())
        })
        .await;
    }

    /// Listens (again).
    pub async fn listen(&mut self) {
        let address = self.address;
        let listener = crate::until("the port is free", async || {
            Listener::bind(&address.to_string()).await.ok()
        })
        .await;
        self.address = listener.local_address().unwrap();
        let (stop, stopped) = oneshot::channel();
        self.stop = Some(stop);
        let state = self.state.clone();
        let service = tower::service_fn(move |request| {
            let state = state.clone();
            async move { Ok::<_, Infallible>(answer(&state, request).await) }
        });
        let options = ServeOptions::default().with_drain_timeout(std::time::Duration::ZERO);
        tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            manyhands_proxy::serve(listener, service, options, |_, _| {}, stopped).await;
        });
    }

    /// Puts a file there, and into the feed.
    pub fn put(&self, path: &str, bytes: impl Into<Bytes>, demand: u64) -> Digest {
        let bytes = bytes.into();
        let (hashes, digests) = Hashes::of(&bytes, 0);
        let root = hashes.root;
        let mut state = self.state();
        state.files.insert(path.to_owned(), File { bytes, hashes, digests, demand });
        state.sequence += 1;
        root
    }

    /// Says that a file is asked for so often.
    pub fn demand(&self, path: &str, demand: u64) {
        let mut state = self.state();
        state.files.get_mut(path).unwrap().demand = demand;
        state.sequence += 1;
    }

    /// Takes a file away; with `purge` says so.
    pub fn remove(&self, path: &str, purge: bool) {
        let mut state = self.state();
        state.files.remove(path);
        state.sequence += 1;
        if purge {
            let path = AssetPath::parse(path).unwrap();
            state.purged.push(Purge { path, at: now() });
        }
    }

    /// Serves a file in its own way from now on.
    pub fn quirk(&self, path: &str, quirk: Option<Quirk>) {
        let mut state = self.state();
        match quirk {
            Some(quirk) => state.quirks.insert(path.to_owned(), quirk),
            None => state.quirks.remove(path),
        };
    }

    /// What announces are told.
    pub fn decide(&self, standing: MirrorState) {
        self.state().standing = standing;
    }

    /// Whether anybody may read the feed, or approved mirrors only.
    pub fn open_feed(&self, is_public: bool) {
        self.state().is_public = is_public;
    }

    /// Signs with another key.
    pub fn change_key(&self, seed: u8) {
        let mut state = self.state();
        state.key = SecretKey::from_seed(&[seed; 32]);
        state.sequence += 1;
    }

    /// Counts again from here, and says that it was made so many seconds from now.
    pub fn turn_back(&self, sequence: u64, made: i64) {
        let mut state = self.state();
        (state.sequence, state.made) = (sequence, made);
    }

    /// What the feed is counted as now.
    pub fn sequence(&self) -> u64 {
        self.state().sequence
    }

    /// The key that it signs with, in hexadecimal digits.
    pub fn key(&self) -> String {
        self.state().key.public().to_string()
    }

    /// The last announce.
    pub fn announced(&self) -> Option<Announce> {
        self.state().announces.last().cloned()
    }

    /// Method, target and range of each request since the last call.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state().asked)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

async fn answer(state: &Mutex<State>, request: Request<hyper::body::Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let target = head.uri.path_and_query().unwrap().as_str().to_owned();
    let given = |name: header::HeaderName| {
        head.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    };
    let range = given(header::RANGE);
    let mut state = state.lock().unwrap();
    let words = format!("{} {target} {}", head.method, range.as_deref().unwrap_or(""));
    state.asked.push(words.trim_end().to_owned());
    let signed = given(header::AUTHORIZATION).is_some_and(|value| {
        let signed = SignedRequest {
            site: &state.site,
            method: head.method.as_str(),
            target: &target,
            body: &body,
        };
        let credentials: Result<Credentials, _> = value.parse();
        credentials.is_ok_and(|it| it.verify(signed, now()).is_ok())
    });
    let Some(rest) = target.strip_prefix(PREFIX) else {
        let tag = given(header::IF_MATCH);
        return file(&state, &target, range.as_deref(), tag.as_deref());
    };
    if let Some(page) = rest.strip_prefix("mirrors/feed/") {
        return feed(&state, page.parse().unwrap(), signed, given(header::IF_NONE_MATCH));
    }
    if rest == "mirrors/announce" {
        if !signed {
            return plain(StatusCode::UNAUTHORIZED, "not signed");
        }
        state.announces.push(Announce::from_json(&body, MAX_ANNOUNCE_BYTES).unwrap());
        return plain(StatusCode::OK, AnnounceAnswer::new(state.standing, 10).to_json());
    }
    let digests = rest.strip_prefix("digests/").and_then(|rest| rest.split_once('/'));
    digests.and_then(|(root, page)| digest_page(&state, root, page)).unwrap_or_else(absent)
}

fn feed(state: &State, page: u64, signed: bool, known: Option<String>) -> Response<Body> {
    let is_approved = signed && state.standing == MirrorState::Approved;
    if !state.is_public && !is_approved {
        return plain(StatusCode::FORBIDDEN, "wait for the operator");
    }
    let tag = format!("\"{}-{page}\"", state.sequence);
    if known.as_ref() == Some(&tag) {
        return Response::builder().status(304).body(full(Bytes::new())).unwrap();
    }
    let made = now().saturating_add_signed(state.made);
    let prefix = AssetPath::parse(PREFIX).unwrap();
    let mut feed = FeedPage::new(state.site.parse().unwrap(), prefix, state.sequence, made);
    // Pages of three: a feed of several is the usual case here.
    let paths: Vec<_> = state.files.iter().collect();
    feed.page = page;
    feed.pages = (paths.len().div_ceil(3) as u64).max(1);
    let Some(part) = paths.chunks(3).nth(page as usize).or((page == 0).then_some(&[])) else {
        return absent();
    };
    feed.assets = part
        .iter()
        .map(|(path, file)| FeedAsset {
            path: AssetPath::parse(path).unwrap(),
            length: file.hashes.length,
            etag: Some(tag_of(file)),
            infohash: "0".repeat(40).parse().unwrap(),
            root: file.hashes.root,
            piece_length: file.hashes.piece_length,
            content_type: "application/zip".to_owned(),
            demand: file.demand,
            copies: 0,
        })
        .collect();
    if page == 0 {
        feed.purged.clone_from(&state.purged);
    }
    let mut response = plain(StatusCode::OK, Envelope::seal(&state.key, &feed).to_json());
    response.headers_mut().insert(header::ETAG, tag.parse().unwrap());
    response
}

fn digest_page(state: &State, root: &str, page: &str) -> Option<Response<Body>> {
    let root: Digest = root.parse().ok()?;
    let (path, file) = state.files.iter().find(|(_, file)| file.hashes.root == root)?;
    let page = file.digests.chunks(DIGESTS_PER_PAGE).nth(page.parse().ok()?)?;
    let mut bytes = digest_bytes(page);
    match state.quirks.get(path) {
        Some(Quirk::Digests) => bytes[5] ^= 1,
        Some(Quirk::EndlessDigests) => return Some(Response::new(endless())),
        _ => {}
    }
    Some(plain(StatusCode::OK, bytes))
}

fn file(state: &State, path: &str, range: Option<&str>, tag: Option<&str>) -> Response<Body> {
    let Some(file) = state.files.get(path) else { return absent() };
    if tag.is_some_and(|tag| tag != tag_of(file)) {
        return plain(StatusCode::PRECONDITION_FAILED, "changed");
    }
    let quirk = state.quirks.get(path);
    let length = file.bytes.len();
    let range = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let range = range.filter(|_| !matches!(quirk, Some(Quirk::Whole)));
    let (mut start, mut end) = (0, length);
    if let Some((first, last)) = range {
        (start, end) = (first.parse().unwrap(), last.parse::<usize>().unwrap() + 1);
    }
    let mut bytes = file.bytes.slice(start..end);
    let mut response = Response::builder();
    match quirk {
        Some(Quirk::Redirect(to)) => {
            return Response::builder()
                .status(302)
                .header(header::LOCATION, to)
                .body(full(Bytes::new()))
                .unwrap();
        }
        Some(Quirk::Busy(seconds)) => {
            response = response.status(503).header(header::RETRY_AFTER, *seconds);
            return response.body(full(Bytes::new())).unwrap();
        }
        Some(Quirk::Wrong) => {
            let mut wrong = bytes.to_vec();
            wrong.iter_mut().step_by(65_536).for_each(|byte| *byte ^= 1);
            bytes = wrong.into();
        }
        Some(Quirk::Shifted) => (start, end) = (start + 1, end + 1),
        Some(Quirk::Compressed) => response = response.header(header::CONTENT_ENCODING, "gzip"),
        _ => {}
    }
    if range.is_some() {
        let range = format!("bytes {start}-{}/{length}", end - 1);
        response = response.status(206).header(header::CONTENT_RANGE, range);
    }
    let body = match quirk {
        Some(Quirk::Endless) => {
            let first = futures_util::stream::iter([Ok(http_body::Frame::data(bytes))]);
            StreamBody::new(first.chain(zeros())).boxed_unsync()
        }
        Some(Quirk::Short) => {
            response = response.header(header::CONTENT_LENGTH, bytes.len());
            let half = bytes.slice(..bytes.len() / 2);
            let broken = Err(std::io::Error::other("short"));
            let frames = [Ok(http_body::Frame::data(half)), broken];
            StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
        }
        _ => full(bytes),
    };
    response.header(header::ETAG, tag_of(file)).body(body).unwrap()
}

fn tag_of(file: &File) -> String {
    format!("\"{}\"", &file.hashes.root.to_string()[..16])
}

fn endless() -> Body {
    StreamBody::new(zeros()).boxed_unsync()
}

fn zeros() -> impl Stream<Item = std::io::Result<http_body::Frame<Bytes>>> {
    let zeros = || Ok(http_body::Frame::data(Bytes::from_static(&[0; 4096])));
    futures_util::stream::repeat_with(zeros)
}

fn absent() -> Response<Body> {
    plain(StatusCode::NOT_FOUND, "none")
}

fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    Response::builder().status(status).body(full(body.into())).unwrap()
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}
