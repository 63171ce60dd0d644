use std::future::Future;
use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

/// A request as an [`origin`] gets it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The request target, as sent.
    pub target: String,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Asked {
    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// First and last byte of `Range: bytes=FIRST-LAST` or `bytes=FIRST-`, for a file of `length` bytes.
    pub fn range(&self, length: u64) -> Option<(u64, u64)> {
        let (first, last) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        let last = last.parse().unwrap_or(u64::MAX).min(length.checked_sub(1)?);
        let first = first.parse().ok()?;
        (first <= last).then_some((first, last))
    }
}

/// An upstream on loopback that answers every request by hand: `answer` writes what it likes to the connection,
/// and gives it back to have the next request on it, or `None` to have it closed.
pub async fn origin<H, F>(answer: H) -> SocketAddr
where
    H: Fn(Asked, TcpStream) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Option<TcpStream>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut buffer = Vec::new();
                while let Some(asked) = next(&mut socket, &mut buffer).await {
                    match answer(asked, socket).await {
                        Some(kept) => socket = kept,
                        None => return,
                    }
                }
            });
        }
    });
    address
}

/// The next request; these have no bodies.
async fn next(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Asked> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|it| it == b"\r\n\r\n") {
            break end + 4;
        }
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head: Vec<u8> = buffer.drain(..end).collect();
    let head = String::from_utf8_lossy(&head);
    let mut lines = head.split("\r\n").take_while(|line| !line.is_empty());
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Asked { method, target, headers })
}
