use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// One kept connection, and the bytes on it exactly as a test wants them: nothing is normalised, followed or
/// tried again.
#[derive(Debug)]
pub struct Client {
    socket: TcpStream,
    host: String,
    /// Received and not yet handed out.
    buffer: Vec<u8>,
    body: Framing,
}

/// An answer. The body is empty until it is read.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without chunk framing.
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Left(u64),
    /// Octets left of the chunk under way.
    Chunked(u64),
    UntilClose,
}

impl Answer {
    /// The value of a header field that is there once.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The entity tag, when it is a strong one.
    pub fn strong_tag(&self) -> Option<&str> {
        self.header("etag").filter(|tag| tag.starts_with('"'))
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

impl Client {
    /// Connects; requests name `host`.
    ///
    /// # Errors
    /// The system's.
    pub async fn connect(address: SocketAddr, host: &str) -> io::Result<Self> {
        Self::over(TcpStream::connect(address).await?, host)
    }

    /// Connects with so small a receive buffer that the other side can't be done with a long answer (of more than
    /// some 2 MB) before most of it is read.
    ///
    /// # Errors
    /// The system's.
    pub async fn connect_narrow(address: SocketAddr, host: &str) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(32 << 10)?;
        Self::over(socket.connect(address).await?, host)
    }

    fn over(socket: TcpStream, host: &str) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        Ok(Self { socket, host: host.to_owned(), buffer: Vec::new(), body: Framing::Left(0) })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the other side has closed.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes).await
    }

    /// Sends a request without a body.
    ///
    /// # Errors
    /// When the other side has closed.
    pub async fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<()> {
        let mut text = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n", self.host);
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        self.send(text.as_bytes()).await
    }

    /// A GET, its body read to the end.
    ///
    /// # Errors
    /// When the answer is cut off or is none.
    pub async fn get(&mut self, target: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
        self.ask("GET", target, headers).await?;
        self.answer().await
    }

    /// The next answer, its body read to the end.
    ///
    /// # Errors
    /// When it is cut off or is none.
    pub async fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.head(false).await?;
        while let Some(part) = self.part().await? {
            answer.body.extend_from_slice(&part);
        }
        Ok(answer)
    }

    /// The head of the next answer; `to_head` says that the request was a HEAD.
    ///
    /// # Errors
    /// When it is cut off or is none.
    pub async fn head(&mut self, to_head: bool) -> io::Result<Answer> {
        loop {
            let end = loop {
                if let Some(end) = self.buffer.windows(4).position(|it| it == b"\r\n\r\n") {
                    break end + 4;
                }
                if self.buffer.len() > 1 << 20 {
                    return Err(broken("a head without end"));
                }
                self.more().await?;
            };
            let head: Vec<u8> = self.buffer.drain(..end).collect();
            let answer = parse(&head)?;
            if answer.status / 100 == 1 {
                continue;
            }
            self.body = framing(&answer, to_head)?;
            return Ok(answer);
        }
    }

    /// The next part of the body, as it comes; `None` at its end.
    ///
    /// # Errors
    /// When the body is cut off.
    pub async fn part(&mut self) -> io::Result<Option<Vec<u8>>> {
        let left = match &mut self.body {
            Framing::Left(0) => return Ok(None),
            Framing::UntilClose => {
                if self.buffer.is_empty() && self.fill().await? == 0 {
                    self.body = Framing::Left(0);
                    return Ok(None);
                }
                return Ok(Some(std::mem::take(&mut self.buffer)));
            }
            Framing::Chunked(0) => {
                let size = self.line().await?;
                let size = size.split(';').next().unwrap_or_default().trim();
                let size = u64::from_str_radix(size, 16).map_err(|_| broken("no chunk size"))?;
                if size == 0 {
                    while !self.line().await?.is_empty() {}
                    self.body = Framing::Left(0);
                    return Ok(None);
                }
                self.body = Framing::Chunked(size);
                size
            }
            Framing::Left(left) | Framing::Chunked(left) => *left,
        };
        if self.buffer.is_empty() {
            self.more().await?;
        }
        let length = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let part: Vec<u8> = self.buffer.drain(..length).collect();
        let left = left - length as u64;
        match &mut self.body {
            Framing::Chunked(chunk) => {
                *chunk = left;
                if left == 0 && !self.line().await?.is_empty() {
                    return Err(broken("a chunk longer than it said"));
                }
            }
            body => *body = Framing::Left(left),
        }
        Ok(Some(part))
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|it| it == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        if self.fill().await? == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(64 << 10);
        self.socket.read_buf(&mut self.buffer).await
    }
}

fn parse(head: &[u8]) -> io::Result<Answer> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n").take_while(|line| !line.is_empty());
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1."));
    let status = status.and_then(|line| line.get(2..5)).and_then(|code| code.parse().ok());
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Ok(Answer { status: status.ok_or(broken("no status line"))?, headers, body: Vec::new() })
}

/// RFC 9112, section 6.3.
fn framing(answer: &Answer, to_head: bool) -> io::Result<Framing> {
    if to_head || matches!(answer.status, 204 | 304) {
        return Ok(Framing::Left(0));
    }
    if answer.header("transfer-encoding").is_some() {
        return Ok(Framing::Chunked(0));
    }
    match answer.header("content-length") {
        Some(length) => Ok(Framing::Left(length.parse().map_err(|_| broken("no length"))?)),
        None => Ok(Framing::UntilClose),
    }
}
