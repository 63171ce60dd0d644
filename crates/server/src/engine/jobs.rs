use std::path::PathBuf;
use std::sync::PoisonError;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt;
use manyhands_catalog::{Failure, Job, JobId, Source};
use manyhands_metainfo::{Hashes, Record, Version};
use manyhands_page::{AssetOffer, Decision, RequestHead, ResponseHead, plan};
use tokio::sync::mpsc;

use super::Engine;
use crate::assets::hashing::{self, Control};
use crate::assets::{FetchBody, Tee};

/// Chunks of a passing answer that may wait for the hash worker.
const TEE_QUEUE: usize = 64;
/// Chunks of our own GET that may wait; it is simply read more slowly.
const FETCH_QUEUE: usize = 4;

impl Engine {
    /// Starts a job.
    pub(super) fn start_job(&self, job: Job) {
        let Some(runtime) = self.runtime() else {
            self.job_ended(job.id, Err(Failure::Dropped { progress: false }));
            return;
        };
        let control = self.control(job.id);
        let engine = self.clone();
        match job.source.clone() {
            Source::File(path) => self.work(job.id, move || {
                let identity = job.version.file.ok_or(Failure::Unreadable);
                let hashes =
                    identity.and_then(|identity| hashing::file(&path, &identity, &control));
                engine.publish(job, hashes, Some(path.to_path_buf()));
            }),
            Source::Fetch => {
                runtime.spawn(async move { engine.fetch(job, control).await });
            }
            Source::Passing { .. } | Source::None => {
                self.job_ended(job.id, Err(Failure::Dropped { progress: false }));
            }
        }
    }

    /// Hashes an answer while it passes by on its way to a visitor.
    pub(super) fn tee(&self, id: JobId, offer: &AssetOffer, version: Version) -> Tee {
        let (chunks, queue) = mpsc::channel(TEE_QUEUE);
        let job = Job {
            id,
            path: offer.path.clone(),
            bytes: version.length,
            version,
            content_type: offer.content_type.clone(),
            source: Source::Passing { fetch: false },
        };
        let control = self.control(id);
        self.hash_stream(job, queue, control, Failure::Dropped { progress: false });
        Tee::new(self.clone(), id, chunks)
    }

    /// Hashes chunks as they come in. `broken_off` is what it means when they end too early.
    fn hash_stream(
        &self,
        job: Job,
        chunks: mpsc::Receiver<Bytes>,
        control: Control,
        broken_off: Failure,
    ) {
        let engine = self.clone();
        let Some(runtime) = self.runtime() else {
            self.job_ended(job.id, Err(Failure::Dropped { progress: false }));
            return;
        };
        self.work(job.id, move || {
            let hashes = hashing::stream(job.version.length, chunks, &control, &runtime);
            let hashes = hashes.map_err(|failure| match failure {
                Failure::Dropped { .. } => broken_off,
                other => other,
            });
            engine.publish(job, hashes, None);
        });
    }

    /// Runs on a thread of our own: the host's blocking threads are the host's.
    fn work(&self, job: JobId, work: impl FnOnce() + Send + 'static) {
        let named = std::thread::Builder::new().name("manyhands-hash".to_owned());
        if let Err(error) = named.spawn(work) {
            tracing::error!(%error, "cannot start a hash worker");
            self.job_ended(job, Err(Failure::Unreadable));
        }
    }

    /// Asks the site as nobody, and takes the answer only if it is what the visitor got.
    async fn fetch(self, job: Job, control: Control) {
        let response = match self.ask(&job).await {
            Ok(response) => response,
            Err(failure) => {
                self.job_ended(job.id, Err(failure));
                return;
            }
        };
        let (chunks, queue) = mpsc::channel(FETCH_QUEUE);
        // Our own GET that breaks off is asked again after a while, not with the next request.
        self.hash_stream(job, queue, control, Failure::Unreadable);
        feed(response.into_body(), chunks).await;
    }

    async fn ask(&self, job: &Job) -> Result<Response<FetchBody>, Failure> {
        let fetch = self.0.fetch.as_ref().ok_or(Failure::Unreadable)?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, HeaderValue::from_static("manyhands"));
        let host = self.checked().origin.split_once("://").map(|(_, authority)| authority);
        if let Some(Ok(host)) = host.map(HeaderValue::from_str) {
            headers.insert(HOST, host);
        }
        let response = fetch.fetch(&job.path, headers.clone()).await.map_err(|error| {
            tracing::warn!(path = %job.path, %error, "cannot fetch an asset to hash it");
            Failure::Unreadable
        })?;
        self.judge(job, &headers, &response)?;
        Ok(response)
    }

    /// Whether the anonymous answer is the one the visitor got.
    fn judge(
        &self,
        job: &Job,
        headers: &HeaderMap,
        response: &Response<FetchBody>,
    ) -> Result<(), Failure> {
        let request = RequestHead { method: "GET", path: job.path.as_str(), query: None, headers };
        let head = ResponseHead { status: response.status().as_u16(), headers: response.headers() };
        match plan(&request, &head, self.policy(), false).decision {
            Decision::Asset(offer) if offer.version == job.version => Ok(()),
            // Changed meanwhile, or made for that visitor: a later try will tell.
            Decision::Asset(_) => Err(Failure::Unreadable),
            _ if matches!(response.status().as_u16(), 408 | 425 | 429 | 500..) => {
                Err(Failure::Unreadable)
            }
            _ => Err(Failure::NotPublic),
        }
    }

    /// Writes what a job found to disk and shows it, unless the job was cancelled meanwhile. Blocks.
    fn publish(&self, job: Job, hashes: Result<Hashes, Failure>, file: Option<PathBuf>) {
        if !self.controls().contains_key(&job.id) {
            return;
        }
        let path = job.path.clone();
        let written = hashes.and_then(|hashes| {
            let record = Record {
                path: job.path,
                content_type: job.content_type,
                version: job.version,
                hashes,
            };
            self.0.shelf.write(record, file, job.id.0).map_err(|error| {
                tracing::error!(%path, %error, "cannot write to the state directory");
                Failure::Unreadable
            })
        });
        self.controls().remove(&job.id);
        // Put in place under the catalog's lock: a job that was overtaken must not replace what overtook it.
        self.with_catalog(|catalog, now, out| {
            let result = written.as_ref().map(|_| ()).map_err(|failure| *failure);
            if catalog.finished(now, job.id, result, out)
                && let Ok(written) = written
                && let Err(error) = self.0.shelf.put(written)
            {
                tracing::error!(%path, %error, "cannot write to the state directory");
            }
        });
    }

    fn control(&self, job: JobId) -> Control {
        let control = Control::default();
        self.0.controls.lock().unwrap_or_else(PoisonError::into_inner).insert(job, control.clone());
        control
    }
}

/// Hands a body to the worker, as fast as that takes it. A body that breaks off is simply too short.
async fn feed(mut body: FetchBody, chunks: mpsc::Sender<Bytes>) {
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data()
            && chunks.send(data).await.is_err()
        {
            return;
        }
    }
}
