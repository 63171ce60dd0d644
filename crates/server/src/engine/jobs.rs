//! Hash jobs, each on a thread of its own: from a file, from the site, from an answer that passes by.

use std::path::PathBuf;
use std::sync::PoisonError;

use http_body_util::BodyExt;
use manyhands_catalog::{Failure, Job, JobId, Source};
use manyhands_metainfo::{AssetPath, FileIdentity, Version};
use manyhands_page::AssetOffer;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::Engine;
use crate::assets::hashing::{self, Pace};
use crate::assets::{Control, FetchBody, Tee, Work, Written};

/// Chunks of a passing answer that may wait for the hash worker.
const TEE_QUEUE: usize = 64;
/// Chunks of our own GET that may wait; it is simply read more slowly.
const FETCH_QUEUE: usize = 4;

/// Hashing under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashing {
    /// The asset.
    pub path: AssetPath,
    /// Bytes hashed so far, by this process or a former one.
    pub position: u64,
    /// Bytes in all.
    pub length: u64,
}

impl Engine {
    /// What is being hashed.
    #[must_use]
    pub fn hashing(&self) -> Vec<Hashing> {
        let controls = self.controls();
        let hashing = controls.values().map(|control| Hashing {
            path: control.path().clone(),
            position: control.position(),
            length: control.length(),
        });
        hashing.collect()
    }

    /// Starts a job.
    pub(super) fn start_job(&self, job: Job) {
        let control = Control::new(job.path.clone(), job.version.length, self.0.rate.clone());
        match job.source.clone() {
            Source::File(path) => self.work(job, control, move |engine, job, control, _| {
                hashing::yield_to_visitors();
                let written = match &job.version.file {
                    Some(identity) => engine.hash_file(job, &path, identity, control),
                    None => Err(Failure::Unreadable),
                };
                (written, Some(path.to_path_buf()))
            }),
            Source::Fetch => self.work(job, control, |engine, job, control, runtime| {
                hashing::yield_to_visitors();
                (engine.hash_fetched(job, control, runtime), None)
            }),
            Source::Passing { .. } | Source::None => {
                self.job_ended(job.id, Err(Failure::Dropped { progress: false }));
            }
        }
    }

    /// Hashes an answer while it passes by on its way to a visitor. With `fetch` the site is asked in the
    /// end whether anybody gets the same, at both ends; and what this answer fails to bring is asked for as well, later.
    pub(super) fn tee(&self, id: JobId, offer: &AssetOffer, version: Version, fetch: bool) -> Tee {
        let (chunks, queue) = mpsc::channel(TEE_QUEUE);
        // The pace is the visitor's.
        let control = Control::new(offer.path.clone(), version.length, None);
        let job = Job {
            id,
            path: offer.path.clone(),
            bytes: version.length,
            version,
            content_type: offer.content_type.clone(),
            source: Source::Passing { fetch },
        };
        self.work(job, control, move |engine, job, control, runtime| {
            (engine.hash_passing(job, control, runtime, queue, fetch), None)
        });
        Tee::new(chunks)
    }

    /// Runs on a thread of our own: the host's blocking threads are the host's.
    fn work<F>(&self, job: Job, control: Control, hash: F)
    where
        F: FnOnce(&Self, &Job, &Control, &Handle) -> (Result<Written, Failure>, Option<PathBuf>)
            + Send
            + 'static,
    {
        let Some(runtime) = self.runtime() else {
            self.job_ended(job.id, Err(Failure::Dropped { progress: false }));
            return;
        };
        let id = job.id;
        self.0.controls.lock().unwrap_or_else(PoisonError::into_inner).insert(id, control.clone());
        let engine = self.clone();
        let named = std::thread::Builder::new().name("manyhands-hash".to_owned());
        let spawned = named.spawn(move || {
            let (written, file) = hash(&engine, &job, &control, &runtime);
            engine.publish(&job, written, file);
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "cannot start a hash worker");
            self.job_ended(id, Err(Failure::Unreadable));
        }
    }

    fn hash_file(
        &self,
        job: &Job,
        path: &std::path::Path,
        identity: &FileIdentity,
        control: &Control,
    ) -> Result<Written, Failure> {
        let mut work = self.open(job, true)?;
        control.set_position(work.position());
        let done = hashing::file(path, identity, &mut work, control);
        settle(job, work, 0, done)
    }

    /// Asks the site as nobody, for the rest of what was put aside, and takes the answer only if it is what
    /// the visitor got.
    fn hash_fetched(
        &self,
        job: &Job,
        control: &Control,
        runtime: &Handle,
    ) -> Result<Written, Failure> {
        let mut work = self.open(job, true)?;
        let before = work.position();
        let asked = runtime.block_on(async {
            tokio::select! {
                asked = self.ask(job, before) => asked,
                () = control.cancelled() => Err(Failure::Changed),
            }
        })?;
        if asked.from != before {
            work = self.open(job, false)?;
        }
        control.set_position(work.position());
        let (chunks, queue) = mpsc::channel(FETCH_QUEUE);
        let feeding = runtime.spawn(feed(asked.body, chunks));
        let done = hashing::stream(queue, Pace::PATIENT, &mut work, control, runtime);
        feeding.abort();
        // What was put aside, or did not come, costs the site nothing.
        let read = work.position() - asked.from;
        let unread = job.bytes.saturating_sub(read);
        self.with_catalog(|catalog, _, _| catalog.unread(job.id, unread));
        settle(job, work, before, done)
    }

    fn hash_passing(
        &self,
        job: &Job,
        control: &Control,
        runtime: &Handle,
        chunks: mpsc::Receiver<bytes::Bytes>,
        fetch: bool,
    ) -> Result<Written, Failure> {
        let mut work = self.open(job, false)?;
        let pace = if fetch { Pace::BRISK } else { Pace::PATIENT };
        let done = hashing::stream(chunks, pace, &mut work, control, runtime);
        if !fetch {
            // The next visitor's answer starts at the first byte, too.
            done?;
            return settle(job, work, 0, Ok(()));
        }
        let ends = work.ends();
        let written = settle(job, work, 0, done)?;
        runtime.block_on(async {
            tokio::select! {
                confirmed = self.confirm(job, &ends) => confirmed,
                () = control.cancelled() => Err(Failure::Changed),
            }
        })?;
        Ok(written)
    }

    fn open(&self, job: &Job, resume: bool) -> Result<Work, Failure> {
        let store = self.0.shelf.store();
        let work = match resume {
            true => store.work(&job.path, &job.version),
            false => store.fresh_work(&job.path, &job.version),
        };
        work.map_err(|error| unwritable(&job.path, &error))
    }

    /// Shows what a job wrote to disk, unless the job was cancelled meanwhile.
    fn publish(&self, job: &Job, written: Result<Written, Failure>, file: Option<PathBuf>) {
        if self.controls().remove(&job.id).is_none() {
            return;
        }
        // Put in place under the catalog's lock: a job that was overtaken must not replace what overtook it.
        self.with_catalog(|catalog, now, out| {
            let result = written.as_ref().map(|_| ()).map_err(|failure| *failure);
            if catalog.finished(now, job.id, result, out)
                && let Ok(written) = &written
                && let Err(error) = self.0.shelf.put(written, file)
            {
                unwritable(&job.path, &error);
                // What is not there can't be shown: hashed again when it is asked for next.
                catalog.stale(now, &job.path, &job.version, out);
            }
        });
        self.0.alarm.notify_one();
    }
}

/// What is left of a job's work: a record, or what a later job can go on from. `before` is where this one
/// began.
fn settle(
    job: &Job,
    work: Work,
    before: u64,
    done: Result<(), Failure>,
) -> Result<Written, Failure> {
    match done {
        Ok(()) => work
            .finish(job.path.clone(), job.content_type.clone())
            .map_err(|error| unwritable(&job.path, &error)),
        Err(Failure::Dropped { .. }) => {
            Err(Failure::Dropped { progress: work.put_aside() > before })
        }
        // Cancelled, perhaps only because it took too long. Of bytes that are no longer the asset's nothing
        // can be put aside.
        Err(Failure::Changed) => {
            work.put_aside();
            Err(Failure::Changed)
        }
        Err(other) => Err(other),
    }
}

fn unwritable(path: &AssetPath, error: &std::io::Error) -> Failure {
    tracing::error!(%path, %error, "cannot write to the state directory");
    Failure::Unreadable
}

/// Hands a body to the worker, as fast as that takes it. A body that breaks off is simply too short.
async fn feed(mut body: FetchBody, chunks: mpsc::Sender<bytes::Bytes>) {
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data()
            && chunks.send(data).await.is_err()
        {
            return;
        }
    }
}
