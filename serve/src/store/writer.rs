//! One thread writes the store. What is asked for while it writes goes to disk together with the next write,
//! so that many creates at once cost few writes.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::contract::{Applied, Change, Store, StoreError};

/// Changes in one write.
const BATCH_MAX: usize = 256;

type Answer = Result<Applied, String>;
type Job = (Change, oneshot::Sender<Answer>);

/// The thread that writes; see the module. Dropping it writes what was asked for and ends the thread.
pub struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// A thread that cannot be started.
    pub fn start(
        store: Box<dyn Store>,
        observe: impl Fn(usize, std::time::Duration) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("warmpool-store".to_owned())
            .spawn(move || write(store, &queue, &observe))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Does one change; it is on disk when the answer comes.
    ///
    /// # Errors
    /// In words, why the store could not be written.
    pub async fn apply(&self, change: Change) -> Result<Applied, String> {
        let (answer, answered) = oneshot::channel();
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send((change, answer)).is_ok());
        if !sent {
            return Err(StoreError::Closed.to_string());
        }
        answered.await.unwrap_or_else(|_| Err(StoreError::Closed.to_string()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It only ends by itself; a panic there has been reported.
            let _ = thread.join();
        }
    }
}

fn write(mut store: Box<dyn Store>, queue: &Receiver<Job>, observe: &dyn Fn(usize, std::time::Duration)) {
    while let Ok(first) = queue.recv() {
        let batch: Vec<Job> = std::iter::once(first).chain(queue.try_iter().take(BATCH_MAX - 1)).collect();
        let (changes, answers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let begun = std::time::Instant::now();
        let applied = store.apply(&changes);
        observe(changes.len(), begun.elapsed());
        match applied {
            Ok(applied) => {
                for (answer, applied) in answers.into_iter().zip(applied) {
                    // Whoever asked may have gone; it is on disk all the same.
                    let _ = answer.send(Ok(applied));
                }
            }
            Err(error) => {
                tracing::error!("{error}");
                for answer in answers {
                    let _ = answer.send(Err(error.to_string()));
                }
            }
        }
    }
}
