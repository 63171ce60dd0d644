use bytes::Bytes;
use manyhands_catalog::{Failure, JobId};
use tokio::sync::mpsc;

use crate::engine::Engine;

/// Feeds the body of a passing answer to a hash worker.
///
/// Dropping it before the body's end gives the job up; the next answer starts it over.
#[derive(Debug)]
pub struct Tee {
    engine: Engine,
    job: JobId,
    chunks: Option<mpsc::Sender<Bytes>>,
}

impl Tee {
    pub(crate) fn new(engine: Engine, job: JobId, chunks: mpsc::Sender<Bytes>) -> Self {
        Self { engine, job, chunks: Some(chunks) }
    }

    /// One more chunk of the body, in order. When the worker lags behind, the job is given up.
    pub fn push(&mut self, chunk: &Bytes) {
        if let Some(chunks) = &self.chunks
            && chunks.try_send(chunk.clone()).is_err()
        {
            self.give_up();
        }
    }

    /// The body ended cleanly: the worker may publish what it hashed.
    pub fn finish(mut self) {
        self.chunks = None;
    }

    fn give_up(&mut self) {
        if self.chunks.take().is_some() {
            self.engine.job_ended(self.job, Err(Failure::Interrupted));
        }
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        self.give_up();
    }
}
