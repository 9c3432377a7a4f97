//! How a key becomes a number: XXH3 with a secret of the segment.
//!
//! Keys come from users. XXH3 with its public secret has collisions that anybody can compute; with
//! one that only the segment knows there is nothing to compute them from. The secret is drawn out
//! of the segment's key of 128 bits by SipHash, once, when the segment is opened; hashing a key of
//! 16 bytes then takes a quarter of the time of SipHash.
//!
//! Source: the specification of XXH3,
//! <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>.

use std::fmt;

use siphasher::sip::SipHasher13;
use xxhash_rust::xxh3::xxh3_64_with_secret;

/// Bytes of the secret: as many as the public one of XXH3 has.
const SECRET_BYTES: usize = 192;

/// The hash of a segment.
#[derive(Clone)]
pub struct KeyHash {
    secret: [u8; SECRET_BYTES],
}

impl KeyHash {
    /// The hash that a segment's key stands for.
    pub fn new(key: (u64, u64)) -> Self {
        let source = SipHasher13::new_with_keys(key.0, key.1);
        let mut secret = [0; SECRET_BYTES];
        for (index, word) in secret.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&source.hash(&[index as u8]).to_le_bytes());
        }
        Self { secret }
    }

    /// The hash of some bytes.
    #[inline(always)]
    pub fn of(&self, bytes: &[u8]) -> u64 {
        xxh3_64_with_secret(bytes, &self.secret)
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        form.write_str("KeyHash")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_each_word_of_the_key_and_on_nothing_else() {
        let keys = [(1, 2), (1, 3), (2, 2)];
        for length in [1, 4, 9, 16, 40, 200, 1000] {
            let bytes = vec![7; length];
            let [a, b, c] = keys.map(|key| KeyHash::new(key).of(&bytes));
            assert!(a != b && b != c && a != c, "{length}");
            assert_eq!(a, KeyHash::new(keys[0]).of(&bytes));
        }
    }

    #[test]
    fn each_part_of_the_hash_spreads_short_keys_evenly() {
        let hash = KeyHash::new((3, 4));
        for shift in [0, 16, 32, 58] {
            let mut counts = [0_u32; 64];
            for number in 0..64_000_u32 {
                counts[(hash.of(&number.to_le_bytes()) >> shift & 63) as usize] += 1;
            }
            assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
        }
    }
}
