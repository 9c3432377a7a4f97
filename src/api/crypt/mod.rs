//! The Lua module `skynet.crypt` (also `client.crypt`): hashes, keys, a key exchange, DES and
//! encodings, as servers written for skynet and their clients use them.
//!
//! Standard algorithms come from crates; [`exchange`] holds what is skynet's own. Keys of 8 bytes
//! and DES are what existing clients speak: good for compatibility, not for secrets. New protocols
//! belong on TLS.

mod base64;
mod des;
mod exchange;

use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};

use crate::vm::{Native, NativeResult, Outcome, Raise, Stack};

/// `require "skynet.crypt"`.
pub(super) const OPEN: Native = Native::new(open);

const FUNCTIONS: [(&str, Native); 16] = [
    ("base64decode", Native::new(base64_decode)),
    ("base64encode", Native::new(base64_encode)),
    ("desdecode", Native::new(des::decode)),
    ("desencode", Native::new(des::encode)),
    ("dhexchange", Native::new(dh_exchange)),
    ("dhsecret", Native::new(dh_secret)),
    ("hashkey", Native::new(hash_key)),
    ("hexdecode", Native::new(hex_decode)),
    ("hexencode", Native::new(hex_encode)),
    ("hmac64", Native::new(hmac64)),
    ("hmac64_md5", Native::new(hmac64_md5)),
    ("hmac_hash", Native::new(hmac_hash)),
    ("hmac_sha1", Native::new(hmac_sha1)),
    ("randomkey", Native::new(random_key)),
    ("sha1", Native::new(sha1)),
    ("xor_str", Native::new(xor_str)),
];

fn open(stack: &mut Stack<'_>) -> NativeResult {
    stack.push_table(0, FUNCTIONS.len() + 1);
    stack.set_natives(&FUNCTIONS);
    des::push_paddings(stack);
    stack.raw_set_field(-2, "padding");
    Ok(Outcome::Return(1))
}

/// The one result of most functions here.
fn result(stack: &mut Stack<'_>, bytes: &[u8]) -> NativeResult {
    stack.push_bytes(bytes);
    Ok(Outcome::Return(1))
}

/// An argument of exactly 8 bytes, which messages call `name`.
fn eight_bytes(stack: &Stack<'_>, argument: i32, name: &str) -> Result<[u8; 8], Raise> {
    let bytes = stack.check_bytes(argument)?;
    bytes.try_into().map_err(|_| {
        let message = format!("Invalid {name} size {}, need 8 bytes", bytes.len());
        Raise::argument(argument, message)
    })
}

fn key64(stack: &Stack<'_>, argument: i32) -> Result<[u8; 8], Raise> {
    eight_bytes(stack, argument, "uint64 key")
}

/// The same as a number that is not zero, which would end every key exchange in zero.
fn exponent(stack: &Stack<'_>, argument: i32) -> Result<u64, Raise> {
    match u64::from_le_bytes(eight_bytes(stack, argument, "dh uint64 key")?) {
        0 => Err(Raise::argument(argument, "Can't be 0: a key of zeros cannot be exchanged")),
        number => Ok(number),
    }
}

fn sha1(stack: &mut Stack<'_>) -> NativeResult {
    let digest = Sha1::digest(stack.check_bytes(1)?);
    result(stack, &digest)
}

/// `hmac_sha1(key, text)`, with a key of any length.
fn hmac_sha1(stack: &mut Stack<'_>) -> NativeResult {
    let (key, text) = (stack.check_bytes(1)?, stack.check_bytes(2)?);
    let mut mac =
        Hmac::<Sha1>::new_from_slice(key).map_err(|error| Raise::argument(1, error.to_string()))?;
    mac.update(text);
    let code = mac.finalize().into_bytes();
    result(stack, &code)
}

fn hash_key(stack: &mut Stack<'_>) -> NativeResult {
    let hash = exchange::hash_key(stack.check_bytes(1)?);
    result(stack, &hash)
}

fn hmac64(stack: &mut Stack<'_>) -> NativeResult {
    let code = exchange::hmac64(key64(stack, 1)?, key64(stack, 2)?);
    result(stack, &code)
}

fn hmac64_md5(stack: &mut Stack<'_>) -> NativeResult {
    let code = exchange::hmac64_md5(key64(stack, 1)?, key64(stack, 2)?);
    result(stack, &code)
}

/// `hmac_hash(key, text)`: the code of a text of any length.
fn hmac_hash(stack: &mut Stack<'_>) -> NativeResult {
    let key = key64(stack, 1)?;
    let code = exchange::hmac64(exchange::hash_key(stack.check_bytes(2)?), key);
    result(stack, &code)
}

/// `dhexchange(own)`: what to send to the other side.
fn dh_exchange(stack: &mut Stack<'_>) -> NativeResult {
    let public = exchange::public_key(exponent(stack, 1)?);
    result(stack, &public.to_le_bytes())
}

/// `dhsecret(theirs, own)`: what both sides then know.
fn dh_secret(stack: &mut Stack<'_>) -> NativeResult {
    let secret = exchange::secret(exponent(stack, 1)?, exponent(stack, 2)?);
    result(stack, &secret.to_le_bytes())
}

/// Eight random bytes that are not all zero.
fn random_key(stack: &mut Stack<'_>) -> NativeResult {
    loop {
        let key = getrandom::u64().map_err(|error| {
            Raise::message(format!("the system gives no random bytes: {error}"))
        })?;
        if key != 0 {
            return result(stack, &key.to_le_bytes());
        }
    }
}

fn hex_encode(stack: &mut Stack<'_>) -> NativeResult {
    let text = hex::encode(stack.check_bytes(1)?);
    result(stack, text.as_bytes())
}

fn hex_decode(stack: &mut Stack<'_>) -> NativeResult {
    let text = stack.check_bytes(1)?;
    let bytes = hex::decode(text).map_err(|error| {
        let size = text.len();
        Raise::argument(1, format!("Invalid hex text size {size}: {error}"))
    })?;
    result(stack, &bytes)
}

fn base64_encode(stack: &mut Stack<'_>) -> NativeResult {
    let text = base64::encode(stack.check_bytes(1)?);
    result(stack, text.as_bytes())
}

fn base64_decode(stack: &mut Stack<'_>) -> NativeResult {
    let bytes = base64::decode(stack.check_bytes(1)?)
        .map_err(|error| Raise::argument(1, format!("Invalid base64 text: {error}")))?;
    result(stack, &bytes)
}

/// `xor_str(text, mask)`: the mask is repeated as often as the text needs it.
fn xor_str(stack: &mut Stack<'_>) -> NativeResult {
    let (text, mask) = (stack.check_bytes(1)?, stack.check_bytes(2)?);
    if mask.is_empty() {
        return Err(Raise::argument(2, "Can't xor empty string: an empty mask"));
    }
    let mixed: Vec<u8> = text.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b).collect();
    result(stack, &mixed)
}

#[cfg(test)]
mod tests;
