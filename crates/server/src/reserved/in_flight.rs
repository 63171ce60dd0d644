use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};

use super::plain;

/// Most bytes of answers made for one request each that may wait to be sent, to all visitors together.
const MOST: usize = 32 << 20;
/// Smaller answers are not worth counting.
const SMALL: usize = 4 << 10;

/// Answers on their way out. A visitor who takes none of them (an HTTP/2 window can be closed) must not
/// fill the memory with lists made anew for each request; what all requests share costs nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlight(Arc<AtomicUsize>);

/// Bytes that are counted as long as anybody holds them.
struct Counted {
    bytes: Bytes,
    total: InFlight,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.total.0.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

impl InFlight {
    /// The answer, or a 503 when too much is on its way already.
    pub(crate) fn carry(&self, response: Response<Bytes>) -> Response<Bytes> {
        let size = response.body().len();
        if size <= SMALL || !response.body().is_unique() {
            return response;
        }
        if self.0.fetch_add(size, Ordering::Relaxed) + size > MOST {
            self.0.fetch_sub(size, Ordering::Relaxed);
            let busy = "too many answers are waiting to be taken: ask again in a moment";
            let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, busy);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
            return response;
        }
        response.map(|bytes| Bytes::from_owner(Counted { bytes, total: self.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_nobody_takes_are_bounded() {
        let in_flight = InFlight::default();
        let answer = || in_flight.carry(Response::new(Bytes::from(vec![7; 1 << 20])));
        let held: Vec<_> = (0..32).map(|_| answer()).collect();
        assert!(held.iter().all(|held| held.status() == StatusCode::OK && held.body()[0] == 7));
        assert_eq!(answer().status(), StatusCode::SERVICE_UNAVAILABLE);
        // What is small, or shared by all who ask, goes out as ever.
        let shared = Bytes::from(vec![7; 1 << 20]);
        assert_eq!(in_flight.carry(Response::new(shared.clone())).status(), StatusCode::OK);
        assert_eq!(
            in_flight.carry(Response::new(Bytes::from(vec![7; 99]))).status(),
            StatusCode::OK
        );
        drop((held, shared));
        assert_eq!(answer().status(), StatusCode::OK);
        assert_eq!(in_flight.0.load(Ordering::Relaxed), 0);
    }
}
