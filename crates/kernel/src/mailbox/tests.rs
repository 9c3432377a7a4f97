//! The mailbox against two plain queues, and each promise alone.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{Batch, Limits, Mailbox, Measured, Refusal};

/// A message of a given size.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Note {
    number: u32,
    size_bytes: usize,
}

impl Measured for Note {
    fn size_bytes(&self) -> usize {
        self.size_bytes
    }
}

fn note(number: u32) -> Note {
    Note { number, size_bytes: 1 }
}

const LIMITS: Limits = Limits { messages: 8, size_bytes: 20, control_messages: 3 };

/// A mailbox and what it should hold.
struct Pair {
    mailbox: Mailbox<Note>,
    batch: Batch<Note>,
    control: VecDeque<Note>,
    ordinary: VecDeque<Note>,
    /// How many of `ordinary` are in the batch, and so cannot be displaced.
    in_hand: usize,
    control_in_hand: usize,
    /// The consumer rests: the next push must wake it.
    rests: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    PushPastLimit(usize),
    PushDisplacing(usize),
    PushControl,
    Turn { messages: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..9_usize).prop_map(Step::Push),
        1 => (0..9_usize).prop_map(Step::PushPastLimit),
        1 => (0..30_usize).prop_map(Step::PushDisplacing),
        1 => Just(Step::PushControl),
        2 => (0..12_usize).prop_map(|messages| Step::Turn { messages }),
    ]
}

impl Pair {
    fn new() -> Self {
        Self {
            mailbox: Mailbox::new(LIMITS),
            batch: Batch::default(),
            control: VecDeque::new(),
            ordinary: VecDeque::new(),
            in_hand: 0,
            control_in_hand: 0,
            rests: true,
        }
    }

    fn size_bytes(&self) -> usize {
        self.ordinary.iter().map(|note| note.size_bytes).sum()
    }

    fn is_full_for(&self, size_bytes: usize) -> bool {
        let too_large = self.size_bytes() + size_bytes > LIMITS.size_bytes;
        self.ordinary.len() >= LIMITS.messages || (!self.ordinary.is_empty() && too_large)
    }

    fn step(&mut self, number: u32, step: &Step) {
        match *step {
            Step::Push(size_bytes) => self.push(Note { number, size_bytes }),
            Step::PushPastLimit(size_bytes) => {
                let note = Note { number, size_bytes };
                let pushed = self.mailbox.push_past_limit(note.clone()).expect("open");
                self.ordinary.push_back(note);
                self.pushed(pushed.wake, pushed.depth, self.ordinary.len());
            }
            Step::PushDisplacing(size_bytes) => self.push_displacing(Note { number, size_bytes }),
            Step::PushControl => self.push_control(note(number)),
            Step::Turn { messages } => self.turn(messages),
        }
        let counters = self.mailbox.counters();
        assert_eq!(counters.depth, self.ordinary.len());
        assert_eq!(counters.size_bytes, self.size_bytes());
        assert_eq!(counters.control_depth, self.control.len());
        assert_eq!(
            counters.pushed - counters.taken,
            (self.ordinary.len() + self.control.len()) as u64
        );
    }

    fn pushed(&mut self, woke: bool, depth: usize, expected_depth: usize) {
        assert_eq!(woke, self.rests, "a consumer is woken when it rests, and only then");
        assert_eq!(depth, expected_depth);
        self.rests = false;
    }

    fn push(&mut self, note: Note) {
        match self.mailbox.push(note.clone()) {
            Ok(pushed) => {
                assert!(!self.is_full_for(note.size_bytes));
                self.ordinary.push_back(note);
                self.pushed(pushed.wake, pushed.depth, self.ordinary.len());
            }
            Err(refusal) => {
                assert!(self.is_full_for(note.size_bytes));
                assert_eq!(refusal.into_message(), note);
            }
        }
    }

    fn push_displacing(&mut self, note: Note) {
        let mut displaced = Vec::new();
        let outcome = self.mailbox.push_displacing(note.clone(), &mut displaced);
        let mut expected = Vec::new();
        while self.is_full_for(note.size_bytes) && self.ordinary.len() > self.in_hand {
            expected.extend(self.ordinary.remove(self.in_hand));
        }
        assert_eq!(displaced, expected);
        match outcome {
            Ok(pushed) => {
                assert!(!self.is_full_for(note.size_bytes));
                self.ordinary.push_back(note);
                self.pushed(pushed.wake, pushed.depth, self.ordinary.len());
            }
            Err(refusal) => {
                assert!(self.is_full_for(note.size_bytes), "only what is in hand fills it");
                assert_eq!(refusal.into_message(), note);
            }
        }
    }

    fn push_control(&mut self, note: Note) {
        match self.mailbox.push_control(note.clone()) {
            Ok(pushed) => {
                self.control.push_back(note);
                assert!(self.mailbox.control_waits());
                self.pushed(pushed.wake, pushed.depth, self.control.len());
            }
            Err(refusal) => {
                assert_eq!(self.control.len(), LIMITS.control_messages);
                assert_eq!(refusal.into_message(), note);
            }
        }
    }

    /// What a task does: take, handle up to `messages`, rest if nothing is left.
    fn turn(&mut self, messages: usize) {
        if self.in_hand == 0 {
            self.in_hand = self.ordinary.len();
        }
        self.control_in_hand = self.control.len();
        self.mailbox.take(&mut self.batch);
        assert_eq!(self.batch.len(), self.in_hand + self.control_in_hand);
        for _ in 0..messages {
            let popped = self.batch.pop(&self.mailbox);
            let expected = if self.control_in_hand > 0 {
                self.control_in_hand -= 1;
                self.control.pop_front()
            } else if self.in_hand > 0 {
                self.in_hand -= 1;
                self.ordinary.pop_front()
            } else {
                None
            };
            assert_eq!(popped, expected);
        }
        let nothing_left = self.control.is_empty() && self.ordinary.is_empty();
        assert!(nothing_left || !self.batch.is_finished(), "a consumer would rest on messages");
        // Between this turn and the next nothing is owed exactly if the mailbox said so.
        self.rests = self.ordinary.len() == self.in_hand;
    }
}

/// Steps of one case.
const STEPS: usize = if cfg!(miri) { 20 } else { 100 };

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 1 } else { 512 }, ..Default::default() })]

    #[test]
    fn a_mailbox_does_what_two_queues_would(steps in prop::collection::vec(step(), 1..STEPS)) {
        let mut pair = Pair::new();
        for (number, step) in steps.iter().enumerate() {
            pair.step(number as u32, step);
        }
    }
}

#[test]
fn control_messages_overtake_even_a_batch_in_hand() {
    let mailbox = Mailbox::new(Limits::default());
    let mut batch = Batch::default();
    for number in 0..3 {
        assert!(mailbox.push(note(number)).is_ok());
    }
    mailbox.take(&mut batch);
    assert_eq!(batch.pop(&mailbox), Some(note(0)));
    assert!(!mailbox.control_waits());
    assert!(mailbox.push_control(note(9)).is_ok());
    assert!(mailbox.control_waits(), "the turn is told without a lock");
    mailbox.take(&mut batch);
    assert_eq!(batch.pop(&mailbox), Some(note(9)));
    assert_eq!(batch.pop(&mailbox), Some(note(1)));
}

#[test]
fn a_message_above_the_byte_limit_fits_an_empty_mailbox() {
    let mailbox = Mailbox::new(LIMITS);
    assert!(mailbox.push(Note { number: 0, size_bytes: 1000 }).is_ok());
    let refused = mailbox.push(note(1)).expect_err("the bytes are used up");
    assert_eq!(refused.to_string(), "mailbox is full: 1 messages of 1000 bytes wait");
    assert_eq!(mailbox.counters().refused, 1);
}

#[test]
fn a_closed_mailbox_gives_everything_back() {
    let mailbox = Mailbox::new(Limits::default());
    let mut batch = Batch::default();
    for number in 0..2 {
        assert!(mailbox.push(note(number)).is_ok());
    }
    mailbox.take(&mut batch);
    assert!(mailbox.push(note(2)).is_ok());
    assert!(mailbox.push_control(note(3)).is_ok());
    assert_eq!(mailbox.close(), [note(3), note(2)]);
    assert!(mailbox.is_closed());
    assert_eq!(mailbox.push(note(4)), Err(Refusal::Closed(note(4))));
    assert_eq!(mailbox.push_control(note(5)), Err(Refusal::Closed(note(5))));
    assert_eq!(mailbox.push_past_limit(note(6)), Err(Refusal::Closed(note(6))));
    assert_eq!(mailbox.push_displacing(note(7), &mut Vec::new()), Err(Refusal::Closed(note(7))));
    assert_eq!(batch.drain(&mailbox), [note(0), note(1)]);
    let counters = mailbox.counters();
    assert_eq!((counters.pushed, counters.taken, counters.depth), (4, 4, 0));
    assert!(mailbox.close().is_empty(), "closing again changes nothing");
}

#[test]
fn a_sealed_mailbox_keeps_one_last_message_that_comes_before_all_in_hand() {
    let limits = Limits { control_messages: 1, ..Limits::default() };
    let mailbox = Mailbox::new(limits);
    let mut batch = Batch::default();
    for number in 0..2 {
        assert!(mailbox.push(note(number)).is_ok());
    }
    mailbox.take(&mut batch);
    assert!(mailbox.push(note(2)).expect("there is room").wake);
    assert!(mailbox.push_control(note(3)).is_ok(), "the lane is full now");
    let sealed = mailbox.seal(note(4)).expect("it is open");
    assert_eq!((sealed.wake, sealed.left), (false, vec![note(3), note(2)]));
    assert!(mailbox.is_closed() && mailbox.control_waits());
    assert_eq!(mailbox.push(note(5)), Err(Refusal::Closed(note(5))));
    assert_eq!(mailbox.push_control(note(6)), Err(Refusal::Closed(note(6))));
    assert_eq!(mailbox.seal(note(7)), None);
    mailbox.take(&mut batch);
    assert_eq!(batch.pop(&mailbox), Some(note(4)));
    assert_eq!(batch.drain(&mailbox), [note(0), note(1)]);
}

#[test]
fn sealing_the_mailbox_of_a_consumer_at_rest_wakes_it() {
    let mailbox = Mailbox::new(Limits::default());
    assert!(mailbox.seal(note(1)).expect("it is open").wake);
    assert!(mailbox.has_news());
    let mut batch = Batch::default();
    mailbox.take(&mut batch);
    assert_eq!(batch.pop(&mailbox), Some(note(1)));
    assert!(batch.is_finished());
}

#[test]
fn the_limit_of_messages_can_be_raised_and_not_lowered() {
    let mailbox = Mailbox::new(Limits { messages: 1, ..Limits::default() });
    assert!(mailbox.push(note(1)).is_ok() && mailbox.push(note(2)).is_err());
    mailbox.raise_messages_max(2);
    mailbox.raise_messages_max(1);
    assert_eq!(mailbox.messages_max(), 2);
    assert!(mailbox.push(note(2)).is_ok() && mailbox.push(note(3)).is_err());
}

#[test]
fn a_burst_does_not_keep_its_memory() {
    let mailbox = Mailbox::new(Limits::default());
    let mut batch = Batch::default();
    for number in 0..if cfg!(miri) { 500 } else { 10_000 } {
        assert!(mailbox.push(note(number)).is_ok());
    }
    for number in 0..3 {
        mailbox.take(&mut batch);
        while batch.pop(&mailbox).is_some() {}
        assert!(mailbox.push(note(number)).is_ok());
    }
    mailbox.take(&mut batch);
    assert!(batch.ordinary.capacity() <= super::KEPT_CAPACITY_MESSAGES);
    assert!(mailbox.lanes.lock().ordinary.capacity() <= super::KEPT_CAPACITY_MESSAGES);
}

#[test]
fn producers_and_a_consumer_lose_nothing_and_keep_each_senders_order() {
    const PRODUCERS: u32 = 3;
    const EACH: u32 = if cfg!(miri) { 50 } else { 20_000 };
    let mailbox = Mailbox::new(Limits { messages: 100, ..Limits::default() });
    let mut batch = Batch::default();
    std::thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let mailbox = &mailbox;
            scope.spawn(move || {
                for number in 0..EACH {
                    let mut message = note(producer << 24 | number);
                    while let Err(refused) = mailbox.push(message) {
                        message = refused.into_message();
                        std::thread::yield_now();
                    }
                }
            });
        }
        let mut next = [0; PRODUCERS as usize];
        while next.iter().sum::<u32>() < PRODUCERS * EACH {
            assert!(mailbox.counters().depth <= 100);
            mailbox.take(&mut batch);
            while let Some(Note { number, .. }) = batch.pop(&mailbox) {
                let expected = &mut next[(number >> 24) as usize];
                assert_eq!(number & 0xff_ffff, *expected);
                *expected += 1;
            }
        }
    });
}

/// Odd ones are answers that somebody waits for.
#[derive(Debug, PartialEq)]
struct Letter(u32);

impl Measured for Letter {
    fn size_bytes(&self) -> usize {
        1
    }

    fn is_displaceable(&self) -> bool {
        self.0.is_multiple_of(2)
    }
}

#[test]
fn what_somebody_counts_on_is_not_displaced() {
    let mailbox = Mailbox::new(Limits { messages: 2, ..Limits::default() });
    let mut displaced = Vec::new();
    assert_eq!(mailbox.push(Letter(1)).expect("room").depth, 1);
    assert_eq!(mailbox.push(Letter(2)).expect("room").depth, 2);
    let pushed = mailbox.push_displacing(Letter(4), &mut displaced).expect("the second one goes");
    assert_eq!(pushed.depth, 2);
    assert_eq!(displaced, [Letter(2)]);
    assert_eq!(mailbox.push_past_limit(Letter(3)).expect("open").depth, 3);
    mailbox.push_displacing(Letter(6), &mut displaced).expect_err("two that stay fill it");
    assert_eq!(displaced, [Letter(2), Letter(4)]);
    let mut batch = Batch::default();
    mailbox.put_first(Letter(5)).expect("open");
    mailbox.take(&mut batch);
    let numbers: Vec<_> =
        std::iter::from_fn(|| batch.pop(&mailbox)).map(|letter| letter.0).collect();
    assert_eq!(numbers, [5, 1, 3], "what is put first comes first");
}

#[test]
fn a_message_may_become_a_part_of_the_one_that_came_last() {
    let mailbox = Mailbox::new(Limits::default());
    let join = |last: &mut Letter, more: Letter| {
        if last.0 % 10 == more.0 % 10 {
            last.0 += more.0;
            None
        } else {
            Some(more)
        }
    };
    assert!(mailbox.push_joining(Letter(10), join).expect("open").wake);
    let joined = mailbox.push_joining(Letter(20), join).expect("open");
    assert_eq!((joined.wake, joined.depth), (false, 1));
    assert_eq!(mailbox.push_joining(Letter(1), join).expect("open").depth, 2);
    let mut batch = Batch::default();
    mailbox.take(&mut batch);
    assert!(mailbox.push_joining(Letter(21), join).expect("open").wake, "what was taken is full");
    assert_eq!(mailbox.push_joining(Letter(31), join).expect("open").depth, 3);
    let mut numbers = Vec::new();
    while !batch.is_finished() || mailbox.has_news() {
        numbers.extend(std::iter::from_fn(|| batch.pop(&mailbox)).map(|letter| letter.0));
        mailbox.take(&mut batch);
    }
    assert_eq!(numbers, [30, 1, 52]);
    assert_eq!(mailbox.counters().size_bytes, 0);
    mailbox.close();
    assert_eq!(mailbox.push_joining(Letter(1), join), Err(Refusal::Closed(Letter(1))));
}

#[test]
fn a_message_that_is_taken_apart_waits_until_it_is_popped() {
    let mailbox = Mailbox::new(Limits::default());
    assert!(mailbox.push(Letter(10)).expect("open").wake);
    let mut batch = Batch::default();
    assert!(batch.front_mut().is_none());
    mailbox.take(&mut batch);
    assert!(mailbox.push_control(Letter(1)).expect("open").wake);
    mailbox.take(&mut batch);
    assert_eq!(batch.front_mut(), Some(&mut Letter(10)), "control messages are no part of it");
    assert_eq!((mailbox.counters().depth, batch.is_empty()), (1, false));
    assert_eq!(batch.pop(&mailbox), Some(Letter(1)));
    assert_eq!(batch.pop(&mailbox), Some(Letter(10)));
    assert_eq!((mailbox.counters().depth, batch.front_mut()), (0, None));
}
