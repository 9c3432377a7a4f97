//! Reading a long list in pieces, so that its shard is locked for the time of one piece only.
//!
//! Elements are added and taken at the two ends alone, and each keeps its position as long as it
//! exists. So reading goes on behind the position that was read last: an element that is there all
//! the time is met once, whatever happens at the ends meanwhile.

use super::core::{Core, Key};
use super::handle::Dictionary;
use super::list::{List, read_element};
use super::read::decode;
use super::record::{Record, link_to};
use super::value::{OwnedValue, Side};
use crate::error::{Error, Result};

/// Bytes of elements after which a piece ends.
const PIECE_BYTES: usize = 256 << 10;

const LINKS: Error = Error::Damaged { what: "the links of a list" };

/// The element of a list after which the next piece begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListCursor {
    list: u64,
    position: i64,
    /// Where the element was.
    link: u32,
}

impl Dictionary {
    /// Elements of a list from the cursor on, at first from the left end: up to `most` of them,
    /// fewer if they are large, one at least. The second result is the cursor of the next piece,
    /// `None` after the last element.
    ///
    /// An element that is there all the time is met once; one that is pushed or taken between two
    /// pieces may be met or not. Without a list there are no elements.
    ///
    /// # Errors
    /// [`Error::ValueNotList`]; [`Error::NotFound`] if the list that the cursor comes from has
    /// ended, even if there is another one by now; a lock that could not be had.
    ///
    /// ```
    /// use moonhive_shm::{Dictionary, Options, SetOptions, Side};
    ///
    /// let dictionary = Dictionary::create_unnamed("pieces", &Options::new(1 << 20))?;
    /// for number in 0..10 {
    ///     dictionary.push("list", number.into(), Side::Right, SetOptions::default())?;
    /// }
    /// let (first, next) = dictionary.elements("list", None, 6)?;
    /// let (rest, end) = dictionary.elements("list", next, 6)?;
    /// assert_eq!((first.len(), rest.len(), end), (6, 4, None));
    /// # Ok::<(), moonhive_shm::Error>(())
    /// ```
    pub fn elements(
        &self,
        key: impl AsRef<[u8]>,
        cursor: Option<ListCursor>,
        most: usize,
    ) -> Result<(Vec<OwnedValue>, Option<ListCursor>)> {
        let core = self.core();
        core.elements(&core.key(key.as_ref())?, cursor, most.max(1))
    }
}

impl<'a> Core<'a> {
    fn elements(
        self,
        key: &Key<'_>,
        cursor: Option<ListCursor>,
        most: usize,
    ) -> Result<(Vec<OwnedValue>, Option<ListCursor>)> {
        let mut shard = self.lock(key.shard)?;
        let list = match (shard.list(key), cursor) {
            (Ok(Some((list, _))), None) => list,
            (Ok(Some((list, _))), Some(cursor)) if list.id == cursor.list => list,
            (found, None) => return found.map(|_| (Vec::new(), None)),
            _ => return Err(Error::NotFound),
        };
        let mut next = match cursor {
            Some(cursor) => self.element_behind(key.shard, &list, cursor)?,
            None => self.end_of_list(key.shard, &list, Side::Left),
        };
        let (mut found, mut buffer, mut left_bytes) = (Vec::new(), Vec::new(), PIECE_BYTES);
        let mut last = cursor;
        while let Some(element) = next {
            if found.len() == most || left_bytes == 0 {
                return Ok((found, last));
            }
            last = Some(self.cursor_at(&list, &element, last)?);
            let (value_kind, word) = read_element(&element, &mut buffer)?;
            found.push(decode(value_kind, word, &buffer).to_owned());
            left_bytes = left_bytes.saturating_sub(element.length as usize);
            next = self.next_element(key.shard, &list, &element, Side::Left);
        }
        Ok((found, None))
    }

    /// The cursor behind an element. Links that run in a circle would not lead to higher positions.
    fn cursor_at(
        self,
        list: &List<'_>,
        element: &Record<'_>,
        last: Option<ListCursor>,
    ) -> Result<ListCursor> {
        let position = self.element_of(element).ok_or(LINKS)?.position;
        if last.is_some_and(|last| position <= last.position) {
            return Err(LINKS);
        }
        Ok(ListCursor { list: list.id, position, link: link_to(element.cell) })
    }

    /// The first element behind a cursor.
    fn element_behind(
        self,
        shard: u32,
        list: &List<'_>,
        cursor: ListCursor,
    ) -> Result<Option<Record<'a>>> {
        let position_of = |record: &Record<'_>| self.element_of(record).map(|it| it.position);
        let element = self.element_at(shard, cursor.link, list.id);
        if let Some(element) = element.filter(|it| position_of(it) == Some(cursor.position)) {
            return Ok(self.next_element(shard, list, &element, Side::Left));
        }
        // It was taken, so what is left lies behind it as a whole or before it as a whole; only a
        // repair that dropped it leaves some on both sides.
        let is_wanted = |record: &Record<'_>| {
            position_of(record).is_some_and(|position| position > cursor.position)
        };
        let last = self.end_of_list(shard, list, Side::Right);
        if !last.is_some_and(|last| is_wanted(&last)) {
            return Ok(None);
        }
        let mut next = self.end_of_list(shard, list, Side::Left);
        for _ in 0..self.geometry.cells {
            match next {
                Some(element) if !is_wanted(&element) => {
                    next = self.next_element(shard, list, &element, Side::Left);
                }
                found => return Ok(found),
            }
        }
        Err(LINKS)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::dictionary::{Options, SetOptions};

    fn dictionary() -> Dictionary {
        Dictionary::create_unnamed("pieces", &Options::new(4 << 20)).expect("there is memory")
    }

    fn push(dictionary: &Dictionary, side: Side, numbers: impl IntoIterator<Item = i64>) {
        for number in numbers {
            dictionary.push("list", number.into(), side, SetOptions::default()).unwrap();
        }
    }

    fn pop(dictionary: &Dictionary, side: Side, count: usize) {
        for _ in 0..count {
            assert!(dictionary.pop("list", side).unwrap().is_some());
        }
    }

    /// Reads a list of 0 to 9, doing something after the first three; all that was met.
    fn met(meanwhile: impl FnOnce(&Dictionary)) -> Vec<i64> {
        let dictionary = dictionary();
        push(&dictionary, Side::Right, 0..10);
        let (mut all, mut next) = dictionary.elements("list", None, 3).unwrap();
        meanwhile(&dictionary);
        while next.is_some() {
            let (piece, then) = dictionary.elements("list", next, 3).unwrap();
            assert!(piece.len() <= 3);
            all.extend(piece);
            next = then;
        }
        let number = |value| match value {
            OwnedValue::Integer(number) => number,
            other => panic!("{other:?}"),
        };
        all.into_iter().map(number).collect()
    }

    #[test]
    fn pieces_hold_every_element_in_order() {
        assert_eq!(met(|_| {}), Vec::from_iter(0..10));
    }

    #[test]
    fn what_is_taken_and_pushed_at_the_ends_does_not_disturb_the_rest() {
        assert_eq!(met(|it| pop(it, Side::Left, 2)), Vec::from_iter(0..10));
        assert_eq!(met(|it| pop(it, Side::Left, 3)), Vec::from_iter(0..10));
        assert_eq!(met(|it| pop(it, Side::Left, 5)), [0, 1, 2, 5, 6, 7, 8, 9]);
        assert_eq!(met(|it| pop(it, Side::Right, 6)), Vec::from_iter(0..4));
        assert_eq!(met(|it| pop(it, Side::Right, 9)), [0, 1, 2]);
        assert_eq!(met(|it| push(it, Side::Left, [-1, -2])), Vec::from_iter(0..10));
        assert_eq!(met(|it| push(it, Side::Right, [10])), Vec::from_iter(0..11));
        let exchange = |it: &Dictionary| {
            pop(it, Side::Right, 9);
            push(it, Side::Right, 21..25);
        };
        assert_eq!(met(exchange), [0, 1, 2, 23, 24]);
    }

    #[test]
    fn large_elements_come_in_smaller_pieces() {
        let dictionary = dictionary();
        for _ in 0..5 {
            let large = vec![1; 200_000];
            let value = crate::Value::Bytes(&large);
            dictionary.push("list", value, Side::Right, SetOptions::default()).unwrap();
        }
        let (piece, next) = dictionary.elements("list", None, 100).unwrap();
        assert_eq!((piece.len(), next.is_some()), (2, true));
    }

    #[test]
    fn a_list_that_has_ended_is_not_confused_with_another_one() {
        let dictionary = dictionary();
        assert_eq!(dictionary.elements("list", None, 3).unwrap(), (Vec::new(), None));
        push(&dictionary, Side::Right, 0..10);
        let (_, next) = dictionary.elements("list", None, 3).unwrap();
        dictionary.delete("list").unwrap();
        assert_eq!(dictionary.elements("list", next, 3), Err(Error::NotFound));
        push(&dictionary, Side::Right, 0..10);
        assert_eq!(dictionary.elements("list", next, 3), Err(Error::NotFound));
        dictionary.set("list", 1.into(), SetOptions::default()).unwrap();
        assert_eq!(dictionary.elements("list", next, 3), Err(Error::NotFound));
        assert_eq!(dictionary.elements("list", None, 3), Err(Error::ValueNotList));
    }
}
