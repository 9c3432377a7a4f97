//! What skynet defines itself: a hash of texts to keys, two authentication codes of 64 bits, and a
//! Diffie-Hellman exchange of 64 bits. Clients in the field compute the same, so every bit counts.

use md5::block_api::compress;
use md5::{Digest, Md5};

/// The largest prime below 2^64, the modulus of the exchange.
const PRIME: u64 = 0xffff_ffff_ffff_ffc5;

/// The base of the exchange.
const GENERATOR: u64 = 5;

/// The state that MD5 begins with.
const MD5_BEGIN: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// A text of any length as a key: Bernstein's hash and Sobel's, side by side.
pub(super) fn hash_key(text: &[u8]) -> [u8; 8] {
    let (mut bernstein, mut sobel) = (5381_u32, 1_315_423_911_u32);
    for &byte in text {
        let byte = u32::from(byte);
        bernstein = bernstein.wrapping_mul(33).wrapping_add(byte);
        sobel ^= (sobel << 5).wrapping_add(byte).wrapping_add(sobel >> 2);
    }
    join(bernstein, sobel)
}

/// The rounds of MD5, without its final addition, over both keys four times, each with its halves
/// swapped; the result is folded to 64 bits.
pub(super) fn hmac64(text: [u8; 8], key: [u8; 8]) -> [u8; 8] {
    let mut block = [0; 64];
    for chunk in block.chunks_exact_mut(16) {
        chunk[..4].copy_from_slice(&text[4..]);
        chunk[4..8].copy_from_slice(&text[..4]);
        chunk[8..12].copy_from_slice(&key[4..]);
        chunk[12..].copy_from_slice(&key[..4]);
    }
    let mut state = MD5_BEGIN;
    compress(&mut state, &[block]);
    let [a, b, c, d]: [u32; 4] =
        std::array::from_fn(|word| state[word].wrapping_sub(MD5_BEGIN[word]));
    join(c ^ d, a ^ b)
}

/// MD5 of both keys three times over, the halves of the digest combined.
pub(super) fn hmac64_md5(text: [u8; 8], key: [u8; 8]) -> [u8; 8] {
    let digest = Md5::digest([text, key, text, key, text, key].concat());
    std::array::from_fn(|byte| digest[byte] ^ digest[byte + 8])
}

/// What one side of an exchange sends to the other.
pub(super) fn public_key(own: u64) -> u64 {
    power(GENERATOR, own)
}

/// What both sides of an exchange know in the end.
pub(super) fn secret(theirs: u64, own: u64) -> u64 {
    power(theirs, own)
}

/// `base` to the `exponent`, modulo [`PRIME`].
fn power(base: u64, mut exponent: u64) -> u64 {
    let multiply = |a: u64, b: u64| (u128::from(a) * u128::from(b) % u128::from(PRIME)) as u64;
    let (mut square, mut result) = (base % PRIME, 1);
    while exponent != 0 {
        if exponent & 1 != 0 {
            result = multiply(result, square);
        }
        square = multiply(square, square);
        exponent >>= 1;
    }
    result
}

fn join(low: u32, high: u32) -> [u8; 8] {
    (u64::from(high) << 32 | u64::from(low)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known results, computed by an independent program.
    #[track_caller]
    fn check(found: [u8; 8], expected: &str) {
        assert_eq!(hex::encode(found), expected);
    }

    #[test]
    fn texts_become_the_keys_that_clients_expect() {
        check(hash_key(b""), "05150000a7c6674e");
        check(hash_key(b"a"), "06b602004d00f5ae");
        check(hash_key(b"hello"), "9930920fcbef1867");
        check(hash_key(b"The quick brown fox jumps over the lazy dog"), "de38cc3438feefdf");
        let all: Vec<u8> = (0..=255).collect();
        check(hash_key(&all), "85945b9a7a0ea7b2");
    }

    #[test]
    fn the_short_code_is_the_one_that_clients_expect() {
        check(hmac64(*b"12345678", *b"abcdefgh"), "ac9ffda9547a027a");
        check(hmac64([0; 8], [0; 8]), "a2a90fe5ec190ee5");
        check(hmac64([0xff; 8], [1, 0x80, 1, 0x80, 1, 0x80, 1, 0x80]), "456a4e2761113300");
        check(hmac64(hash_key(b"hello"), *b"12345678"), "c7c836eeffbdd948");
    }

    #[test]
    fn the_code_by_md5_is_the_one_that_clients_expect() {
        check(hmac64_md5(*b"12345678", *b"abcdefgh"), "c2a34748cf834af4");
    }

    #[test]
    fn both_sides_of_an_exchange_learn_the_same() {
        let (one, two) = (u64::from_le_bytes(*b"12345678"), u64::from_le_bytes(*b"abcdefgh"));
        check(public_key(one).to_le_bytes(), "a18e89af97222f0e");
        check(public_key(two).to_le_bytes(), "c3c0880df34049bd");
        check(secret(public_key(one), two).to_le_bytes(), "fab8e4dca970e431");
        check(secret(public_key(two), one).to_le_bytes(), "fab8e4dca970e431");
    }

    #[test]
    fn numbers_beyond_the_prime_are_taken_modulo() {
        check(public_key(u64::MAX).to_le_bytes(), "4e2ea6baf651b377");
        check(secret(u64::MAX, u64::MAX).to_le_bytes(), "2c4f081c6ac8d444");
        assert_eq!(secret(PRIME, 3), 0);
    }
}
