//! Base64 as skynet reads and writes it: the standard alphabet with padding; reading skips every
//! byte outside the alphabet (line breaks above all) and accepts texts one behind the other. Of
//! bytes that lie behind the last group, skynet accepts none; here that may be white space.

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine};

pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn decode(text: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let text = text.trim_ascii_end();
    if let Some(&last) = text.last().filter(|&&byte| !is_known(byte)) {
        return Err(DecodeError::InvalidByte(text.len() - 1, last));
    }
    let text: Vec<u8> = text.iter().copied().filter(|&byte| is_known(byte)).collect();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut rest = text.as_slice();
    while !rest.is_empty() {
        let (text, behind) = rest.split_at(end_of_text(rest));
        STANDARD.decode_vec(text, &mut bytes)?;
        rest = behind;
    }
    Ok(bytes)
}

fn is_known(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// The end of the first text: of the group of four that holds its padding.
fn end_of_text(text: &[u8]) -> usize {
    match text.iter().position(|&byte| byte == b'=') {
        Some(padding) => (padding / 4 * 4 + 4).min(text.len()),
        None => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_outside_the_alphabet_are_skipped() {
        assert_eq!(decode(b"aGVs\r\nbG8=\n").unwrap(), b"hello");
        assert_eq!(decode(b" \n").unwrap(), b"");
    }

    #[test]
    fn texts_one_behind_the_other_are_read_as_one() {
        assert_eq!(decode(b"aGk=aGk=").unwrap(), b"hihi");
    }

    #[test]
    fn broken_texts_are_refused() {
        for text in ["!!!", "aGk=!", "a", "aG", "aGk", "a===", "====", "aGl=", "aR==", "aG=k"] {
            assert!(decode(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(bytes: Vec<u8>) {
            prop_assert_eq!(decode(encode(&bytes).as_bytes()).unwrap(), bytes);
        }

        #[test]
        fn any_text_is_decoded_or_refused(text: Vec<u8>) {
            let _ = decode(&text);
        }
    }
}
