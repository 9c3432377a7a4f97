//! Loom models of the mailbox together with the token that wakes its consumer.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};

use super::{Batch, Limits, Mailbox, Measured, Refusal};
use crate::sync::thread;

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
