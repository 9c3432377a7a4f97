//! Boards: the latest message of one writer, which any number of readers in other services look at
//! when they like (`skynet.stm`).
//!
//! A board lives as long as its writer; its readers hold what they are reading at most. In messages
//! a board is a number that keeps nothing alive, so one that nobody takes out leaks nothing. What
//! stands on it is memory of the VM that holds the writer.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};

use crate::message::Payload;

/// What a board takes beside the bytes of its message.
const BOARD_BYTES: usize = 160;

/// What a board takes with this message on it.
pub(crate) fn board_bytes(payload: &Payload) -> usize {
    payload.len() + BOARD_BYTES
}

/// The boards of a host by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Boards(Mutex<Numbered>);

#[derive(Debug, Default)]
struct Numbered {
    last: u64,
    boards: HashMap<u64, Weak<Board>>,
}

#[derive(Debug)]
struct Board {
    number: u64,
    latest: RwLock<Notice>,
}

/// What stands on a board; the version counts what was written. Empty once the writer is gone.
#[derive(Debug)]
struct Notice {
    version: u64,
    payload: Option<Payload>,
}

/// Who may write; there is one for each board.
#[derive(Debug)]
pub(crate) struct Writer {
    board: Arc<Board>,
    boards: Arc<Boards>,
}

/// Who reads, each at its own pace.
#[derive(Debug)]
pub(crate) struct Reader {
    /// `None` if the writer was gone already.
    board: Option<Arc<Board>>,
    seen: Cell<u64>,
}

impl Boards {
    /// Puts a message up on a new board.
    pub(crate) fn open(self: &Arc<Self>, payload: Payload) -> Writer {
        let mut numbered = self.0.lock();
        numbered.last += 1;
        let number = numbered.last;
        let latest = RwLock::new(Notice { version: 1, payload: Some(payload) });
        let board = Arc::new(Board { number, latest });
        numbered.boards.insert(number, Arc::downgrade(&board));
        Writer { board, boards: self.clone() }
    }

    /// A reader of the board with that number, which has seen nothing of it yet.
    pub(crate) fn read(&self, number: u64) -> Reader {
        let board = self.0.lock().boards.get(&number).and_then(Weak::upgrade);
        Reader { board, seen: Cell::new(0) }
    }
}

impl Writer {
    /// The number that leads to the board.
    pub(crate) fn number(&self) -> u64 {
        self.board.number
    }

    /// What the board takes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.board.latest.read().payload.as_ref().map_or(BOARD_BYTES, board_bytes)
    }

    /// Replaces what stands on the board.
    pub(crate) fn write(&self, payload: Payload) {
        let before = {
            let mut latest = self.board.latest.write();
            latest.version += 1;
            latest.payload.replace(payload)
        };
        // Freed here, after the lock was given back.
        drop(before);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.boards.0.lock().boards.remove(&self.board.number);
        let before = self.board.latest.write().payload.take();
        drop(before);
    }
}

impl Reader {
    /// What stands on the board, unless this reader has seen it; nothing once the writer is gone.
    pub(crate) fn news(&self) -> Option<Payload> {
        let latest = self.board.as_ref()?.latest.read();
        if latest.version == self.seen.get() {
            return None;
        }
        let payload = latest.payload.clone()?;
        self.seen.set(latest.version);
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(text: &str) -> Payload {
        Payload::from(text.as_bytes())
    }

    #[test]
    fn a_reader_gets_each_message_once_and_only_the_latest() {
        let boards = Arc::new(Boards::default());
        let writer = boards.open(payload("one"));
        let reader = boards.read(writer.number());
        assert_eq!(reader.news(), Some(payload("one")));
        assert_eq!(reader.news(), None);
        writer.write(payload("two"));
        writer.write(payload("three"));
        assert_eq!(reader.news(), Some(payload("three")));
        assert_eq!(boards.read(writer.number()).news(), Some(payload("three")));
    }

    #[test]
    fn a_board_ends_with_its_writer() {
        let boards = Arc::new(Boards::default());
        let writer = boards.open(payload("one"));
        let (number, reader) = (writer.number(), boards.read(writer.number()));
        drop(writer);
        assert_eq!(reader.news(), None);
        assert_eq!(boards.read(number).news(), None);
        assert!(boards.0.lock().boards.is_empty());
    }
}
