//! What an operator may choose about a static root.

use std::time::{Duration, SystemTime};

use http::HeaderValue;

/// How a [`StaticRoot`](crate::StaticRoot) answers.
#[derive(Clone, Debug)]
pub struct StaticOptions {
    pub(crate) cache_control: Option<HeaderValue>,
    pub(crate) utf8: bool,
    pub(crate) open_files: u64,
    pub(crate) revalidate: Duration,
    pub(crate) clock: fn() -> SystemTime,
}

impl Default for StaticOptions {
    /// - `cache_control`: none. Caches then decide by the age of the file (RFC 9111 4.2.2), as with any
    ///   plain file server.
    /// - `utf8`: on. `text/*` is declared UTF-8. Costs: older pages in another encoding show wrongly.
    /// - `open_files`: 256 files stay open between requests. Costs one descriptor each.
    /// - `revalidate`: 1 s. A file replaced by way of its directory or of a link shows this much later;
    ///   one written to, removed or renamed over shows at once.
    /// - `clock`: the system's.
    fn default() -> Self {
        Self {
            cache_control: None,
            utf8: true,
            open_files: 256,
            revalidate: Duration::from_secs(1),
            clock: SystemTime::now,
        }
    }
}

impl StaticOptions {
    /// The `Cache-Control` of files (200, 206 and 304), such as `max-age=60`.
    #[must_use]
    pub fn with_cache_control(mut self, value: Option<HeaderValue>) -> Self {
        self.cache_control = value;
        self
    }

    /// Whether `text/*` is declared to be UTF-8. Turn it off for pages that name another encoding
    /// themselves: the header would win over the page.
    #[must_use]
    pub fn with_utf8(mut self, utf8: bool) -> Self {
        self.utf8 = utf8;
        self
    }

    /// How many files may stay open between requests; 0 opens each anew.
    #[must_use]
    pub fn with_open_files(mut self, count: u64) -> Self {
        self.open_files = count;
        self
    }

    /// For how long a path is taken to name the same file without asking again.
    #[must_use]
    pub fn with_revalidate(mut self, interval: Duration) -> Self {
        self.revalidate = interval;
        self
    }

    /// The clock by which the age of a file is told. A test that cannot wait for its files to settle
    /// passes one that runs ahead.
    #[must_use]
    pub fn with_clock(mut self, clock: fn() -> SystemTime) -> Self {
        self.clock = clock;
        self
    }
}
