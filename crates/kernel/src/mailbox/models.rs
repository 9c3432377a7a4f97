//! Loom models of the mailbox together with the token that wakes its consumer.

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{Batch, Limits, Mailbox, Measured, Refusal};
use crate::scheduler::{Claim, Left, Scheduled, TokenState, Turn};
use crate::sync::{Arc, Mutex, thread};

struct Number(u32);

impl Measured for Number {
    fn size_bytes(&self) -> usize {
        1
    }
}

#[test]
fn every_message_is_handled_with_one_wake_up_per_batch() {
    loom::model(|| {
        let mailbox = Arc::new(Mailbox::new(Limits::default()));
        let woken = Arc::new(AtomicBool::new(false));
        let producers: Vec<_> = (0..2)
            .map(|number| {
                let (mailbox, woken) = (mailbox.clone(), woken.clone());
                thread::spawn(move || {
                    let pushed = match number {
                        0 => mailbox.push(Number(number)),
                        _ => mailbox.push_control(Number(number)),
                    };
                    if pushed.expect("there is room").wake {
                        assert!(!woken.swap(true, Ordering::AcqRel), "woken while awake");
                    }
                })
            })
            .collect();
        let mut batch = Batch::default();
        let mut handled = 0;
        while handled < 2 {
            while !woken.swap(false, Ordering::AcqRel) {
                thread::yield_now();
            }
            mailbox.take(&mut batch);
            while let Some(Number(_)) = batch.pop(&mailbox) {
                handled += 1;
            }
            assert!(batch.is_finished());
        }
        for producer in producers {
            producer.join().expect("a producer ends");
        }
        assert!(!woken.load(Ordering::Acquire), "no wake-up without a message");
    });
}

#[test]
fn a_message_meets_the_consumer_or_comes_back_when_the_mailbox_closes() {
    loom::model(|| {
        let mailbox = Arc::new(Mailbox::new(Limits::default()));
        let producer = {
            let mailbox = mailbox.clone();
            thread::spawn(move || match mailbox.push(Number(7)) {
                Ok(_) => false,
                Err(Refusal::Closed(Number(number))) => number == 7,
                Err(Refusal::Full { .. }) => unreachable!("there is room"),
            })
        };
        let rest = mailbox.close();
        let came_back = producer.join().expect("the producer ends");
        assert_eq!(came_back, rest.is_empty());
    });
}

#[test]
fn a_message_comes_back_when_the_mailbox_is_sealed_or_stands_before_the_last_one() {
    loom::model(|| {
        let mailbox = Arc::new(Mailbox::new(Limits::default()));
        let producer = {
            let mailbox = mailbox.clone();
            thread::spawn(move || mailbox.push(Number(7)).map(|pushed| pushed.wake).ok())
        };
        let sealed = mailbox.seal(Number(9)).expect("it is open");
        let pushed = producer.join().expect("the producer ends");
        assert_eq!(pushed.is_none(), sealed.left.is_empty());
        assert_ne!(pushed == Some(true), sealed.wake, "the consumer is woken once");
        let mut batch = Batch::default();
        mailbox.take(&mut batch);
        assert_eq!(batch.pop(&mailbox).map(|message| message.0), Some(9));
        assert!(batch.is_finished());
    });
}

/// The message that a sender hands over in place of pushing it, and turns that are owed.
struct Claimed {
    mailbox: Mailbox<Number>,
    token: TokenState,
    parcel: Mutex<Option<Number>>,
    queued: AtomicUsize,
}

impl Scheduled for Claimed {
    type Own = ();

    fn token(&self) -> &TokenState {
        &self.token
    }
}

impl Claimed {
    fn push(&self, message: Number) {
        if self.mailbox.push(message).expect("there is room").wake && self.token.wake() {
            self.queued.fetch_add(1, Ordering::Release);
        }
    }

    fn hand_over(&self, message: Number) {
        if self.mailbox.has_news() || !self.token.wake() {
            return self.push(message);
        }
        *self.parcel.lock() = Some(message);
        self.queued.fetch_add(1, Ordering::Release);
    }

    /// A turn, which handles what was handed over before what was pushed.
    fn turn(self: &Arc<Self>, batch: &mut Batch<Number>, handled: &mut Vec<u32>) {
        while self.queued.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        assert_eq!(self.queued.fetch_sub(1, Ordering::AcqRel), 1, "queued once");
        let claim = Claim::of_owed(Arc::clone(self));
        handled.extend(self.parcel.lock().take().map(|message| message.0));
        if self.mailbox.has_news() {
            self.mailbox.take(batch);
        }
        while let Some(message) = batch.pop(&self.mailbox) {
            handled.push(message.0);
        }
        if let Left::Owed(_) = claim.end(Turn::Idle) {
            self.queued.fetch_add(1, Ordering::Release);
        }
    }
}

#[test]
fn what_is_handed_over_overtakes_nothing_of_its_sender() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let claimed = Arc::new(Claimed {
            mailbox: Mailbox::new(Limits::default()),
            token: TokenState::default(),
            parcel: Mutex::new(None),
            queued: AtomicUsize::new(0),
        });
        let other = {
            let claimed = Arc::clone(&claimed);
            thread::spawn(move || claimed.push(Number(10)))
        };
        let sender = {
            let claimed = Arc::clone(&claimed);
            thread::spawn(move || {
                claimed.push(Number(1));
                claimed.hand_over(Number(2));
            })
        };
        let (mut batch, mut handled) = (Batch::default(), Vec::new());
        while handled.len() < 3 {
            claimed.turn(&mut batch, &mut handled);
        }
        let mine: Vec<_> = handled.iter().copied().filter(|&number| number < 10).collect();
        assert_eq!(mine, [1, 2]);
        other.join().expect("it ends");
        sender.join().expect("it ends");
    });
}
