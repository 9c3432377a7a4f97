//! Values that say whose they are, and which: a number, the key, filler, and a checksum over it
//! all.
//!
//! So a mixture of two values is noticed, and so is a whole value under the key of another.

use siphasher::sip::SipHasher13;

const WORD: usize = 8;

/// A value of that key, of about that length.
pub fn sealed(key: &str, number: u64, length: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.extend_from_slice(key.as_bytes());
    let filler = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    let missing = length.saturating_sub(bytes.len() + WORD);
    bytes.extend(filler.iter().cycle().take(missing));
    bytes.extend_from_slice(&checksum(&bytes).to_le_bytes());
    bytes
}

/// The number in a value; fails if the value is none of that key, or not whole.
#[track_caller]
pub fn opened(key: &str, bytes: &[u8]) -> u64 {
    let (body, sum) = bytes.split_last_chunk::<WORD>().expect("longer than a checksum");
    assert_eq!(u64::from_le_bytes(*sum), checksum(body), "{key}: a mixture: {bytes:x?}");
    let (number, rest) = body.split_first_chunk::<WORD>().expect("longer than a number");
    assert!(rest.starts_with(key.as_bytes()), "{key}: the value of another key: {bytes:x?}");
    u64::from_le_bytes(*number)
}

fn checksum(bytes: &[u8]) -> u64 {
    SipHasher13::new_with_keys(1, 2).hash(bytes)
}
