//! DES in blocks of their own (ECB), with the two paddings that skynet knows.

use des::Des;
use des::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

use super::{eight_bytes, result};
use crate::vm::{NativeResult, Raise, Stack};

const BLOCK_BYTES: usize = 8;

/// How a text is filled up to whole blocks; at least one byte is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Padding {
    /// One byte `0x80`, then zeros.
    Iso7816,
    /// As many bytes as are missing, each of that value.
    Pkcs7,
}

/// The fields of the table `padding`, and the numbers that stand for them.
const PADDINGS: [(&str, Padding); 2] = [("iso7816_4", Padding::Iso7816), ("pkcs7", Padding::Pkcs7)];

pub(super) fn push_paddings(stack: &mut Stack<'_>) {
    stack.push_table(0, PADDINGS.len());
    for (number, (name, _)) in (0..).zip(PADDINGS) {
        stack.push_integer(number);
        stack.raw_set_field(-2, name);
    }
}

/// `desencode(key, text [, padding])`
pub(super) fn encode(stack: &mut Stack<'_>) -> NativeResult {
    let cipher = cipher(stack)?;
    let padding = check_padding(stack)?;
    let mut text = stack.check_bytes(2)?.to_vec();
    padding.add(&mut text);
    for block in text.chunks_exact_mut(BLOCK_BYTES) {
        with_block(block, |block| cipher.encrypt_block(block));
    }
    result(stack, &text)
}

/// `desdecode(key, text [, padding])`
pub(super) fn decode(stack: &mut Stack<'_>) -> NativeResult {
    let cipher = cipher(stack)?;
    let padding = check_padding(stack)?;
    let mut text = stack.check_bytes(2)?.to_vec();
    if text.is_empty() || !text.len().is_multiple_of(BLOCK_BYTES) {
        let message = format!(
            "Invalid des crypt text length {}, these are no whole blocks of {BLOCK_BYTES}",
            text.len()
        );
        return Err(Raise::argument(2, message));
    }
    for block in text.chunks_exact_mut(BLOCK_BYTES) {
        with_block(block, |block| cipher.decrypt_block(block));
    }
    let added = padding.length(&text);
    let added = added
        .ok_or_else(|| Raise::argument(2, "Invalid des crypt text: wrong key or damaged text"))?;
    result(stack, &text[..text.len() - added])
}

fn cipher(stack: &Stack<'_>) -> Result<Des, Raise> {
    Ok(Des::new(&eight_bytes(stack, 1, "key")?.into()))
}

fn check_padding(stack: &Stack<'_>) -> Result<Padding, Raise> {
    let number = stack.optional_integer(3)?.unwrap_or(0);
    let known = usize::try_from(number).ok().and_then(|number| PADDINGS.get(number));
    known.map(|&(_, padding)| padding).ok_or_else(|| {
        let message = format!("Invalid padding number {number}\nhint: see the table crypt.padding");
        Raise::argument(3, message)
    })
}

/// Runs `change` on the block that eight bytes make.
fn with_block(bytes: &mut [u8], change: impl FnOnce(&mut Block<Des>)) {
    let mut block = Block::<Des>::default();
    block.copy_from_slice(bytes);
    change(&mut block);
    bytes.copy_from_slice(&block);
}

impl Padding {
    fn add(self, text: &mut Vec<u8>) {
        let missing = BLOCK_BYTES - text.len() % BLOCK_BYTES;
        let whole = text.len() + missing;
        match self {
            Padding::Iso7816 => {
                text.push(0x80);
                text.resize(whole, 0);
            }
            Padding::Pkcs7 => text.resize(whole, missing as u8),
        }
    }

    /// How many bytes were added to `text`, whole blocks; `None` if it does not end so.
    fn length(self, text: &[u8]) -> Option<usize> {
        let last = text.last_chunk::<BLOCK_BYTES>()?;
        match self {
            Padding::Iso7816 => {
                let mark = last.iter().rposition(|&byte| byte != 0)?;
                (last[mark] == 0x80).then_some(BLOCK_BYTES - mark)
            }
            Padding::Pkcs7 => {
                let added = usize::from(last[BLOCK_BYTES - 1]);
                let tail = BLOCK_BYTES.checked_sub(added).filter(|_| added > 0)?;
                last[tail..].iter().all(|&byte| usize::from(byte) == added).then_some(added)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_padding_adds_it_finds_again() {
        for padding in [Padding::Iso7816, Padding::Pkcs7] {
            for length in 0..40 {
                let mut text = vec![0x80; length];
                padding.add(&mut text);
                assert_eq!(text.len() % BLOCK_BYTES, 0);
                assert_eq!(padding.length(&text), Some(text.len() - length), "{padding:?}");
            }
        }
    }

    #[test]
    fn other_endings_are_no_padding() {
        for (padding, last) in [
            (Padding::Iso7816, [0; 8]),
            (Padding::Iso7816, [1, 2, 3, 4, 5, 6, 7, 8]),
            (Padding::Pkcs7, [0; 8]),
            (Padding::Pkcs7, [9; 8]),
            (Padding::Pkcs7, [1, 1, 1, 1, 1, 3, 2, 3]),
        ] {
            assert_eq!(padding.length(&last), None, "{padding:?} {last:?}");
        }
    }
}
