//! The packing of messages, which takes the zeros out.
//!
//! ```text
//! packed := word *                       eight bytes each; the last is filled up with zeros
//! word   := mask:u8 byte *               a bit for each byte that is not zero, and those bytes
//!         | 0xff count:u8 byte * 8(count + 1)   words as they are
//! ```
//!
//! A run of plain words begins with one without zeros and goes on over words with up to two.

use super::wire::MESSAGE_LIMIT_BYTES;

const WORD_BYTES: usize = 8;
const PLAIN: u8 = 0xff;
/// Words in one run.
const RUN_LIMIT: u8 = u8::MAX;
/// A word with so many bytes that are not zero goes on a run.
const DENSE_BYTES: u32 = 6;

/// Why bytes cannot be unpacked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PackFault {
    #[error("the packed message ends too early")]
    Truncated,
    #[error("the message is larger than {MESSAGE_LIMIT_BYTES} bytes")]
    Size,
}

pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 1024 + 16);
    // Where the count of the run stands, while there is one.
    let mut run: Option<usize> = None;
    for chunk in bytes.chunks(WORD_BYTES) {
        let mut word = [0; WORD_BYTES];
        word[..chunk.len()].copy_from_slice(chunk);
        let mask = mask_of(&word);
        match run {
            Some(count) if mask.count_ones() >= DENSE_BYTES && out[count] < RUN_LIMIT => {
                out[count] += 1;
                out.extend_from_slice(&word);
            }
            _ if mask == PLAIN => {
                run = Some(out.len() + 1);
                out.extend_from_slice(&[PLAIN, 0]);
                out.extend_from_slice(&word);
            }
            _ => {
                run = None;
                out.push(mask);
                out.extend(word.iter().filter(|&&byte| byte != 0));
            }
        }
    }
    out
}

fn mask_of(word: &[u8; WORD_BYTES]) -> u8 {
    let bits = word.iter().enumerate().map(|(place, &byte)| u8::from(byte != 0) << place);
    bits.sum()
}

pub(super) fn unpack(mut packed: &[u8]) -> Result<Vec<u8>, PackFault> {
    let mut out = Vec::with_capacity(packed.len() * 2);
    while let Some((&mask, rest)) = packed.split_first() {
        packed = rest;
        if mask == PLAIN {
            let (&count, rest) = packed.split_first().ok_or(PackFault::Truncated)?;
            let size = (usize::from(count) + 1) * WORD_BYTES;
            let (words, rest) = rest.split_at_checked(size).ok_or(PackFault::Truncated)?;
            packed = rest;
            out.extend_from_slice(words);
        } else {
            for place in 0..WORD_BYTES {
                out.push(if mask >> place & 1 != 0 { take_byte(&mut packed)? } else { 0 });
            }
        }
        if out.len() > MESSAGE_LIMIT_BYTES {
            return Err(PackFault::Size);
        }
    }
    Ok(out)
}

fn take_byte(bytes: &mut &[u8]) -> Result<u8, PackFault> {
    let (&byte, rest) = bytes.split_first().ok_or(PackFault::Truncated)?;
    *bytes = rest;
    Ok(byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(bytes: &str, packed: &str) {
        let bytes = hex::decode(bytes).unwrap();
        assert_eq!(hex::encode(pack(&bytes)), packed);
    }

    #[test]
    fn zeros_are_taken_out() {
        check("", "");
        check("080000000300020019000000aa010000", "510803023119aa01");
        check("01", "0101");
        check("0000000000000000", "00");
    }

    #[test]
    fn words_without_zeros_stay_as_they_are() {
        let bytes = "8a".repeat(30);
        check(&bytes, &format!("ff03{bytes}0000"));
    }

    #[test]
    fn a_run_goes_on_over_words_with_two_zeros_but_does_not_begin_with_one() {
        check("01010101010101010101010101010000", "ff0101010101010101010101010101010000");
        check("0101010101010000", "3f010101010101");
    }

    #[test]
    fn a_run_holds_256_words() {
        let packed = pack(&[1; 257 * 8]);
        assert_eq!(packed[..2], [0xff, 0xff]);
        assert_eq!(packed[2 + 256 * 8..][..2], [0xff, 0]);
        assert_eq!(unpack(&packed).unwrap(), [1; 257 * 8]);
    }

    #[test]
    fn what_ends_too_early_is_refused() {
        for packed in [&[0x01][..], &[0xff], &[0xff, 0, 1, 2, 3], &[0x03, 1]] {
            assert_eq!(unpack(packed), Err(PackFault::Truncated), "{packed:?}");
        }
    }

    #[test]
    fn a_message_beyond_the_limit_is_refused() {
        let zeros = vec![0; MESSAGE_LIMIT_BYTES / WORD_BYTES + 1];
        assert_eq!(unpack(&zeros), Err(PackFault::Size));
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked_to_whole_words(bytes in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..5000)) {
            let unpacked = unpack(&pack(&bytes)).unwrap();
            prop_assert_eq!(&unpacked[..bytes.len()], &bytes);
            prop_assert!(unpacked[bytes.len()..].iter().all(|&byte| byte == 0));
            prop_assert!(unpacked.len() < bytes.len() + WORD_BYTES);
        }

        #[test]
        fn any_bytes_are_unpacked_or_refused(bytes: Vec<u8>) {
            let _ = unpack(&bytes);
        }
    }
}
