//! The Lua module `md5` (also `md5.core`): digests, and the simple cipher that comes with them.
//!
//! The cipher chains blocks of 16 bytes: each is combined with the digest of the block before it
//! followed by the key; the first block is the seed, which the result begins with. It is kept
//! because data in the field was written with it.

use md5::{Digest, Md5};

use crate::vm::{Native, NativeResult, Outcome, Raise, Stack};

/// `require "md5"`.
pub(super) const OPEN: Native = Native::new(open);

const BLOCK_BYTES: usize = 16;
const DIGEST_BYTES: usize = 16;
const HMAC_BLOCK_BYTES: usize = 64;
const KEY_LIMIT_BYTES: usize = 256;

const FUNCTIONS: [(&str, Native); 6] = [
    ("crypt", Native::new(crypt)),
    ("decrypt", Native::new(decrypt)),
    ("exor", Native::new(exor)),
    ("hmacmd5", Native::new(hmac_hexa)),
    ("sum", Native::new(sum)),
    ("sumhexa", Native::new(sum_hexa)),
];

fn open(stack: &mut Stack<'_>) -> NativeResult {
    stack.push_table(0, FUNCTIONS.len());
    stack.set_natives(&FUNCTIONS);
    Ok(Outcome::Return(1))
}

fn result(stack: &mut Stack<'_>, bytes: &[u8]) -> NativeResult {
    stack.push_bytes(bytes);
    Ok(Outcome::Return(1))
}

/// `sum(text)`: the digest, 16 bytes.
fn sum(stack: &mut Stack<'_>) -> NativeResult {
    let digest = Md5::digest(stack.check_bytes(1)?);
    result(stack, &digest)
}

/// `sumhexa(text)`: the digest, 32 digits.
fn sum_hexa(stack: &mut Stack<'_>) -> NativeResult {
    let digest = hex::encode(Md5::digest(stack.check_bytes(1)?));
    result(stack, digest.as_bytes())
}

/// `hmacmd5(text, key)`: the code of RFC 2104, 32 digits.
fn hmac_hexa(stack: &mut Stack<'_>) -> NativeResult {
    let (text, key) = (stack.check_bytes(1)?, stack.check_bytes(2)?);
    let digest = hmac(key, text);
    result(stack, hex::encode(digest).as_bytes())
}

/// A code for a text that only those can make who know the key.
fn hmac(key: &[u8], text: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut block = [0; HMAC_BLOCK_BYTES];
    if key.len() > HMAC_BLOCK_BYTES {
        block[..DIGEST_BYTES].copy_from_slice(&Md5::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let keyed = |mask| Md5::new_with_prefix(block.map(|byte| byte ^ mask));
    let inner = keyed(0x36).chain_update(text).finalize();
    keyed(0x5c).chain_update(inner).finalize().into()
}

/// `exor(a, b)`: two texts of one length, byte by byte.
fn exor(stack: &mut Stack<'_>) -> NativeResult {
    let (left, right) = (stack.check_bytes(1)?, stack.check_bytes(2)?);
    if left.len() != right.len() {
        return Err(Raise::argument(2, "lengths must be equal"));
    }
    let mixed: Vec<u8> = left.iter().zip(right).map(|(left, right)| left ^ right).collect();
    result(stack, &mixed)
}

/// `crypt(text, key [, seed])`: without a seed a random one.
fn crypt(stack: &mut Stack<'_>) -> NativeResult {
    let (text, key) = (stack.check_bytes(1)?, check_key(stack)?);
    let random = random_seed()?;
    let seed = stack.optional_bytes(3)?.unwrap_or(&random);
    if seed.len() > BLOCK_BYTES {
        return Err(Raise::argument(3, format!("seed too long (> {BLOCK_BYTES})")));
    }
    let mut output = vec![seed.len() as u8];
    output.extend_from_slice(seed);
    let mut chain = Chain::new(seed, key);
    for block in text.chunks(BLOCK_BYTES) {
        let code = chain.mix(block);
        chain.follow(&code);
        output.extend_from_slice(&code);
    }
    result(stack, &output)
}

/// `decrypt(text, key)`: with another key the result is noise, not an error.
fn decrypt(stack: &mut Stack<'_>) -> NativeResult {
    let (text, key) = (stack.check_bytes(1)?, check_key(stack)?);
    let parts = text.split_first().and_then(|(&length, rest)| {
        rest.split_at_checked(length.into()).filter(|(seed, _)| seed.len() <= BLOCK_BYTES)
    });
    let (seed, code) = parts.ok_or_else(|| Raise::argument(1, "invalid cyphered string"))?;
    let mut output = Vec::with_capacity(code.len());
    let mut chain = Chain::new(seed, key);
    for block in code.chunks(BLOCK_BYTES) {
        output.extend_from_slice(&chain.mix(block));
        chain.follow(block);
    }
    result(stack, &output)
}

fn check_key<'a>(stack: &'a Stack<'_>) -> Result<&'a [u8], Raise> {
    let key = stack.check_bytes(2)?;
    let message = || Raise::argument(2, format!("key too long (> {KEY_LIMIT_BYTES})"));
    if key.len() <= KEY_LIMIT_BYTES { Ok(key) } else { Err(message()) }
}

fn random_seed() -> Result<[u8; 8], Raise> {
    let random = getrandom::u64();
    random.map(u64::to_le_bytes).map_err(|error| Raise::message(error.to_string()))
}

/// The block before the current one, and the key behind it.
struct Chain(Vec<u8>);

impl Chain {
    fn new(seed: &[u8], key: &[u8]) -> Chain {
        let mut state = vec![0; BLOCK_BYTES];
        state[..seed.len()].copy_from_slice(seed);
        state.extend_from_slice(key);
        Chain(state)
    }

    /// A block, 16 bytes or fewer, combined with the digest of the state.
    fn mix(&self, block: &[u8]) -> Vec<u8> {
        let digest = Md5::digest(&self.0);
        block.iter().zip(digest).map(|(byte, mask)| byte ^ mask).collect()
    }

    fn follow(&mut self, code: &[u8]) {
        self.0[..code.len()].copy_from_slice(code);
    }
}

#[cfg(test)]
mod tests {
    use crate::api::modules::tests::check_results;

    #[track_caller]
    fn check(expression: &str, expected: &str) {
        check_results(&format!("local m = require 'md5' return {expression}"), expected);
    }

    #[test]
    fn digests_agree_with_published_vectors() {
        check("m.sumhexa ''", "d41d8cd98f00b204e9800998ecf8427e");
        check("m.sumhexa 'message digest'", "f96b697d7cb7938d525a2f31aaf161d0");
        check("m.sumhexa(('1234567890'):rep(8))", "57edf4a22be3c955ac49da2e2107b67a");
        check("#m.sum 'x' .. ' ' .. m.sum('x'):byte()", "16 157");
    }

    #[test]
    fn codes_by_a_key_agree_with_the_vectors_of_rfc_2202() {
        check(
            "m.hmacmd5('what do ya want for nothing?', 'Jefe')",
            "750c783e6ab0b503eaa86e310a5db738",
        );
        check("m.hmacmd5('Hi There', ('\\x0b'):rep(16))", "9294727a3638bb1c13f48ef8158bfc9d");
        check(
            "m.hmacmd5('Test Using Larger Than Block-Size Key - Hash Key First', \
             ('\\xaa'):rep(80))",
            "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
        );
    }

    #[test]
    fn texts_of_one_length_are_combined() {
        check("m.exor('\\1\\2', '\\3\\3') == '\\2\\1'", "true");
        check(
            "select(2, pcall(m.exor, 'a', 'bc')):match 'lengths must be equal'",
            "lengths must be equal",
        );
    }

    #[test]
    fn what_was_encrypted_is_decrypted() {
        for length in [0, 1, 15, 16, 17, 1000] {
            let text = format!("('x'):rep({length})");
            check(&format!("m.decrypt(m.crypt({text}, 'key'), 'key') == {text}"), "true");
            check(&format!("m.decrypt(m.crypt({text}, '', 'seed'), '') == {text}"), "true");
        }
    }

    #[test]
    fn the_cipher_is_the_one_in_the_field() {
        // The seed with its length, then the text combined with the digest of seed and key.
        let code = "m.exor('hi', m.sum('seed' .. ('\\0'):rep(12) .. 'key'):sub(1, 2))";
        check(&format!("m.crypt('hi', 'key', 'seed') == '\\4seed' .. {code}"), "true");
        check("m.crypt('hi', 'key') ~= m.crypt('hi', 'key')", "true");
    }

    #[test]
    fn what_the_cipher_cannot_use_is_refused() {
        check("pcall(m.decrypt, '', 'key')", "false");
        check("pcall(m.decrypt, '\\5abc', 'key')", "false");
        check("pcall(m.decrypt, '\\17' .. ('x'):rep(40), 'key')", "false");
        check("pcall(m.crypt, 'x', ('k'):rep(257))", "false");
        check("pcall(m.crypt, 'x', 'k', ('s'):rep(17))", "false");
    }
}
