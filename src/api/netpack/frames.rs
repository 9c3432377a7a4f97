//! Cutting streams into frames: two bytes of length, big-endian, and as many bytes of content.
//!
//! A gate reads from many connections; the beginning of a frame waits under the number of its
//! connection until the rest arrives. Frames of one connection keep their order.

use std::collections::{HashMap, VecDeque};

use crate::message::Payload;

/// Longest content of a frame, as its length has two bytes.
pub(super) const CONTENT_LIMIT_BYTES: usize = u16::MAX as usize;

/// Whole frames that may wait to be popped.
pub(super) const FRAMES_LIMIT: usize = 65_536;

/// Bytes in whole frames that may wait to be popped.
pub(super) const WAITING_LIMIT_BYTES: usize = 64 << 20;

const LENGTH_BYTES: usize = 2;

/// More frames, or more bytes in them, than may wait.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "too much waits to be popped: {frames} frames, {bytes} bytes\n\
     hint: netpack.pop takes them, netpack.clear drops them"
)]
pub(super) struct Full {
    frames: usize,
    bytes: usize,
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
}

impl Frames {
    /// Takes what a connection has sent; returns how many whole frames that made. On an error what
    /// was cut off before stays, the rest is lost, and the connection should be closed.
    pub(super) fn add(&mut self, connection: i64, bytes: &[u8]) -> Result<usize, Full> {
        let received = match self.begun.remove(&connection) {
            Some(mut begun) => {
                begun.extend_from_slice(bytes);
                begun
            }
            None => bytes.to_vec(),
        };
        let (mut rest, mut count) = (received.as_slice(), 0);
        while let Some((content, behind)) = cut(rest) {
            let bytes = self.waiting_bytes + content.len();
            if self.whole.len() == FRAMES_LIMIT || bytes > WAITING_LIMIT_BYTES {
                return Err(Full { frames: self.whole.len(), bytes: self.waiting_bytes });
            }
            self.waiting_bytes = bytes;
            self.whole.push_back((connection, Payload::from(content)));
            rest = behind;
            count += 1;
        }
        if !rest.is_empty() {
            self.begun.insert(connection, rest.to_vec());
        }
        Ok(count)
    }

    /// The oldest whole frame.
    pub(super) fn pop(&mut self) -> Option<Frame> {
        let frame = self.whole.pop_front()?;
        self.waiting_bytes -= frame.1.len();
        Some(frame)
    }

    /// How many whole frames wait.
    pub(super) fn len(&self) -> usize {
        self.whole.len()
    }

    /// Forgets the frame that a closed connection had begun.
    pub(super) fn forget(&mut self, connection: i64) {
        self.begun.remove(&connection);
    }

    pub(super) fn clear(&mut self) {
        *self = Frames::default();
    }
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
        assert_eq!(frames.add(1, &many), Err(Full { frames: FRAMES_LIMIT, bytes: 0 }));
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
