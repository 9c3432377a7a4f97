//! Callers that are no service: threads of the program that embeds the host.
//!
//! They are represented by one service without a VM. Its turns hand answers to the threads that
//! wait for them, so that everything else knows only one kind of caller.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use moonhive_kernel::mailbox::Batch;
use parking_lot::Mutex;

use crate::actor::fault::{Code, Fault};
use crate::actor::message::{Caller, Message};
use crate::actor::service::Service;
use crate::actor::turn::{Over, Progress};
use crate::message::Payload;

/// What a waiting thread gets.
pub(crate) type Answer = Result<Payload, Fault>;

/// The threads that wait, by session.
#[derive(Default)]
pub(crate) struct Waiting {
    last: AtomicU64,
    threads: Mutex<HashMap<u64, SyncSender<Answer>>>,
}

impl Waiting {
    /// Begins a wait on behalf of the calling thread.
    pub(crate) fn begin(self: &Arc<Self>, outside: &Arc<Service>) -> (Caller, Pending) {
        let session = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, receiver) = sync_channel(1);
        self.threads.lock().insert(session, sender);
        let caller = Caller::waiting(outside.clone(), session);
        (caller, Pending { waiting: self.clone(), session, receiver })
    }

    fn finish(&self, session: u64, answer: Answer) {
        let thread = self.threads.lock().remove(&session);
        if let Some(thread) = thread {
            // The thread has stopped waiting meanwhile, or is about to read this.
            let _ = thread.try_send(answer);
        }
    }

    fn fail_all(&self) {
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads.into_values() {
            let fault = Fault::new(Code::Shutdown, "the host has shut down");
            let _ = thread.try_send(Err(fault));
        }
    }
}

/// A wait under way.
pub(crate) struct Pending {
    waiting: Arc<Waiting>,
    session: u64,
    receiver: Receiver<Answer>,
}

impl Pending {
    /// Waits for the answer.
    pub(crate) fn wait(self, timeout: Option<Duration>) -> Answer {
        let shut_down = || Err(Fault::new(Code::Shutdown, "the host has shut down"));
        match timeout {
            None => self.receiver.recv().unwrap_or_else(|_| shut_down()),
            Some(timeout) => match self.receiver.recv_timeout(timeout) {
                Ok(answer) => answer,
                Err(RecvTimeoutError::Disconnected) => shut_down(),
                Err(RecvTimeoutError::Timeout) => {
                    let text = format!("no answer within {} s", timeout.as_secs_f64());
                    Err(Fault::new(Code::Timeout, text))
                }
            },
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.waiting.threads.lock().remove(&self.session);
    }
}

/// The service's private part.
pub(crate) struct Outside {
    waiting: Arc<Waiting>,
}

impl Outside {
    pub(crate) fn new(waiting: Arc<Waiting>) -> Outside {
        Outside { waiting }
    }

    /// Hands over all answers that have come.
    pub(crate) fn turn(&mut self, service: &Arc<Service>, batch: &mut Batch<Message>) -> Progress {
        let mut over = None;
        loop {
            service.mailbox().take(batch);
            let Some(message) = batch.pop(service.mailbox()) else {
                return over.map_or(Progress::Idle, Progress::Over);
            };
            match message {
                Message::Answer { session, payload } => self.waiting.finish(session, Ok(payload)),
                Message::Failure { session, fault } => self.waiting.finish(session, Err(*fault)),
                // Comes before the answers that were sent earlier; those are handed over all the
                // same.
                Message::Kill(end) => over = Some(Over::new(*end, true)),
                other => other.reject(|| {
                    Fault::new(Code::NoHandler, "the program around the host serves no methods")
                }),
            }
        }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.waiting.fail_all();
    }
}
