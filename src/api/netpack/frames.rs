//! Cutting streams into frames: two bytes of length, big-endian, and as many bytes of content.
//!
//! A gate reads from many connections; the beginning of a frame waits under the number of its
//! connection until the rest arrives. Frames of one connection keep their order. Each byte is
//! copied once into the beginning and once into the frame, however small the pieces are in which it
//! arrives.
//!
//! Clients decide what waits here, so all of it is limited, and whoever holds the frames can tell
//! how much memory they take.

use std::collections::{HashMap, VecDeque};

use crate::message::Payload;

/// Longest content of a frame, as its length has two bytes.
pub(super) const CONTENT_LIMIT_BYTES: usize = u16::MAX as usize;

/// Whole frames that may wait to be popped.
pub(super) const FRAMES_LIMIT: usize = 65_536;

/// Bytes in whole frames that may wait to be popped.
pub(super) const WAITING_LIMIT_BYTES: usize = 64 << 20;

/// Connections that may have begun a frame.
pub(super) const BEGUN_LIMIT: usize = 65_536;

/// Bytes in frames that have begun: those of every connection, were each in the middle of a frame
/// of usual size.
pub(super) const BEGUN_LIMIT_BYTES: usize = 256 << 20;

const LENGTH_BYTES: usize = 2;

/// What a whole frame takes beside its content: its place in the queue, and the head of what is
/// counted.
const FRAME_BYTES: usize = 64;

/// What the beginning of a frame takes beside its bytes: its place in the map.
const BEGINNING_BYTES: usize = 64;

/// Why received bytes cannot be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    /// More frames, or more bytes in them, than may wait.
    #[error(
        "too much waits to be popped: {frames} frames, {bytes} bytes\n\
         hint: netpack.pop takes them, netpack.clear drops them"
    )]
    Whole { frames: usize, bytes: usize },
    /// More frames that have only begun, or more bytes in them, than there may be.
    #[error(
        "too many frames have begun: {frames} with {bytes} bytes\n\
         hint: limit the clients, and close connections that do not finish a frame"
    )]
    Begun { frames: usize, bytes: usize },
}

/// A whole frame: its connection and its content.
pub(super) type Frame = (i64, Payload);

/// Frames that wait to be popped, and beginnings of frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    whole: VecDeque<Frame>,
    /// Bytes in whole frames.
    waiting_bytes: usize,
    /// What was received of a frame, its length included; never a whole one.
    begun: HashMap<i64, Vec<u8>>,
    /// Bytes in beginnings.
    begun_bytes: usize,
}

impl Frames {
    /// Takes what a connection has sent; returns how many whole frames that made. On an error what
    /// was cut off before stays, the rest is lost, and the connection should be closed.
    pub(super) fn add(&mut self, connection: i64, bytes: &[u8]) -> Result<usize, Full> {
        let (mut rest, mut count) = (bytes, 0);
        if let Some(begun) = self.begun.get_mut(&connection) {
            let before = begun.len();
            rest = go_on(begun, rest);
            self.begun_bytes += begun.len() - before;
            let Some((content, _)) = cut(begun) else { return self.check_begun(connection, count) };
            let content = Payload::from(content);
            self.forget(connection);
            self.put(connection, content)?;
            count += 1;
        }
        while let Some((content, behind)) = cut(rest) {
            self.put(connection, Payload::from(content))?;
            rest = behind;
            count += 1;
        }
        if rest.is_empty() {
            return Ok(count);
        }
        self.begun_bytes += rest.len();
        self.begun.insert(connection, rest.to_vec());
        self.check_begun(connection, count)
    }

    /// Lets a whole frame wait.
    fn put(&mut self, connection: i64, content: Payload) -> Result<(), Full> {
        let bytes = self.waiting_bytes + content.len();
        if self.whole.len() == FRAMES_LIMIT || bytes > WAITING_LIMIT_BYTES {
            return Err(Full::Whole { frames: self.whole.len(), bytes: self.waiting_bytes });
        }
        self.waiting_bytes = bytes;
        self.whole.push_back((connection, content));
        Ok(())
    }

    /// Forgets what a connection has begun if that is too much with the rest; otherwise the result
    /// is `count`.
    fn check_begun(&mut self, connection: i64, count: usize) -> Result<usize, Full> {
        let (frames, bytes) = (self.begun.len(), self.begun_bytes);
        if frames <= BEGUN_LIMIT && bytes <= BEGUN_LIMIT_BYTES {
            return Ok(count);
        }
        self.forget(connection);
        Err(Full::Begun { frames, bytes })
    }

    /// The oldest whole frame.
    pub(super) fn pop(&mut self) -> Option<Frame> {
        let frame = self.whole.pop_front()?;
        self.waiting_bytes -= frame.1.len();
        Some(frame)
    }

    /// Memory that all of them take. Room for twice the bytes is made for what has only begun.
    pub(super) fn held_bytes(&self) -> usize {
        let whole = self.whole.len() * FRAME_BYTES + self.waiting_bytes;
        whole + self.begun.len() * BEGINNING_BYTES + 2 * self.begun_bytes
    }

    /// How many whole frames wait.
    pub(super) fn len(&self) -> usize {
        self.whole.len()
    }

    /// Forgets the frame that a closed connection had begun.
    pub(super) fn forget(&mut self, connection: i64) {
        if let Some(begun) = self.begun.remove(&connection) {
            self.begun_bytes -= begun.len();
        }
    }

    /// Forgets what a connection has begun, and all whole frames behind the first `whole`.
    pub(super) fn take_back(&mut self, connection: i64, whole: usize) {
        self.forget(connection);
        for (_, content) in self.whole.drain(whole.min(self.whole.len())..) {
            self.waiting_bytes -= content.len();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Frames::default();
    }
}

/// Adds to the beginning of a frame what is missing of it; what is left over.
fn go_on<'a>(begun: &mut Vec<u8>, received: &'a [u8]) -> &'a [u8] {
    let mut rest = received;
    // First the length, which tells how much follows it.
    for _ in 0..2 {
        let missing = known_bytes(begun) - begun.len();
        let (taken, behind) = rest.split_at(missing.min(rest.len()));
        begun.extend_from_slice(taken);
        rest = behind;
    }
    rest
}

/// Bytes of a frame, as far as its beginning tells.
fn known_bytes(begun: &[u8]) -> usize {
    let length = begun.first_chunk::<LENGTH_BYTES>();
    LENGTH_BYTES + length.map_or(0, |length| u16::from_be_bytes(*length).into())
}

/// The content of the first frame, if it is whole, and what follows it.
fn cut(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

/// A frame with this content, which must not be longer than [`CONTENT_LIMIT_BYTES`].
pub(super) fn frame(content: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(content.len()).ok()?;
    Some([&length.to_be_bytes(), content].concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pop_all(frames: &mut Frames) -> Vec<(i64, Vec<u8>)> {
        std::iter::from_fn(|| frames.pop())
            .map(|(connection, content)| (connection, content.to_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn beginnings_of_closed_connections_are_forgotten() {
        let mut frames = Frames::default();
        assert_eq!(frames.add(1, &[0, 5, b'a']), Ok(0));
        frames.forget(1);
        assert_eq!(frames.add(1, &[0, 1, b'b']), Ok(1));
        assert_eq!(pop_all(&mut frames), [(1, b"b".to_vec())]);
    }

    #[test]
    fn frames_that_nobody_takes_are_limited() {
        let mut frames = Frames::default();
        let many = [0, 0].repeat(FRAMES_LIMIT + 1);
        assert_eq!(frames.add(1, &many), Err(Full::Whole { frames: FRAMES_LIMIT, bytes: 0 }));
        assert_eq!(frames.len(), FRAMES_LIMIT);
        frames.clear();
        assert_eq!(frames.add(1, &[0, 0]), Ok(1));
    }

    #[test]
    fn bytes_that_nobody_takes_are_limited() {
        let mut frames = Frames::default();
        let large = frame(&[0; CONTENT_LIMIT_BYTES]).unwrap();
        let (mut count, mut full) = (0, false);
        while !full {
            full = frames.add(1, &large).is_err();
            count += usize::from(!full);
        }
        assert_eq!(count, WAITING_LIMIT_BYTES / CONTENT_LIMIT_BYTES);
        frames.pop();
        assert_eq!(frames.add(1, &large), Ok(1));
    }

    #[test]
    fn connections_that_have_begun_a_frame_are_limited() {
        let mut frames = Frames::default();
        for connection in 0..BEGUN_LIMIT as i64 {
            assert_eq!(frames.add(connection, &[0, 2, 7]), Ok(0));
        }
        let full = Full::Begun { frames: BEGUN_LIMIT + 1, bytes: 3 * BEGUN_LIMIT + 1 };
        assert_eq!(frames.add(-1, &[0]), Err(full));
        assert_eq!(frames.add(5, &[8, 0]), Ok(1));
        frames.forget(6);
        assert_eq!(frames.add(-1, &[0]), Ok(0));
    }

    #[test]
    fn bytes_in_frames_that_have_begun_are_limited() {
        let mut frames = Frames::default();
        let mut large = frame(&[0; CONTENT_LIMIT_BYTES]).unwrap();
        large.pop();
        let fit = (BEGUN_LIMIT_BYTES / large.len()) as i64;
        for connection in 0..fit {
            assert_eq!(frames.add(connection, &large), Ok(0));
        }
        assert!(matches!(frames.add(fit, &large), Err(Full::Begun { .. })));
        assert_eq!(frames.add(0, &[0]), Ok(1));
        assert_eq!(frames.add(fit, &large), Ok(0));
    }

    #[test]
    fn what_they_hold_is_nothing_once_all_was_taken() {
        let mut frames = Frames::default();
        for byte in frame(&[0; 500]).unwrap() {
            let before = frames.held_bytes();
            frames.add(1, &[byte]).unwrap();
            assert!(frames.held_bytes() > before || frames.len() == 1);
        }
        assert_eq!(frames.held_bytes(), 500 + FRAME_BYTES);
        frames.add(2, &[1]).unwrap();
        frames.add(3, &[0, 0, 0]).unwrap();
        frames.forget(2);
        frames.forget(3);
        assert!(frames.pop().is_some() && frames.pop().is_some());
        assert_eq!(frames.held_bytes(), 0);
    }

    #[test]
    fn content_beyond_two_bytes_of_length_makes_no_frame() {
        assert!(frame(&vec![0; CONTENT_LIMIT_BYTES]).is_some());
        assert!(frame(&vec![0; CONTENT_LIMIT_BYTES + 1]).is_none());
    }

    proptest! {
        /// Streams of several connections, cut anywhere and mixed.
        #[test]
        fn contents_come_out_as_they_went_in(
            contents in prop::collection::vec((0_i64..3, prop::collection::vec(any::<u8>(), 0..300)), 0..20),
            piece in 1_usize..50,
        ) {
            let mut streams: HashMap<i64, Vec<u8>> = HashMap::new();
            for (connection, content) in &contents {
                streams.entry(*connection).or_default().extend(frame(content).unwrap());
            }
            let mut frames = Frames::default();
            let mut pieces: Vec<_> = streams.iter().map(|(id, bytes)| (*id, bytes.chunks(piece))).collect();
            while !pieces.is_empty() {
                pieces.retain_mut(|(id, chunks)| {
                    chunks.next().map(|chunk| frames.add(*id, chunk).unwrap()).is_some()
                });
            }
            let found = pop_all(&mut frames);
            for connection in 0..3 {
                let of = |list: &[(i64, Vec<u8>)]| -> Vec<Vec<u8>> {
                    list.iter().filter(|(id, _)| *id == connection).map(|(_, bytes)| bytes.clone()).collect()
                };
                prop_assert_eq!(of(&found), of(&contents));
            }
        }
    }
}
