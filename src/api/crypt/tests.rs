//! The module as scripts see it. Expected values are published test vectors (RFC 2202, RFC 4648,
//! FIPS 180), or were computed by other programs (openssl, Python).

use crate::api::modules::tests::check_results;

#[track_caller]
fn check(expression: &str, expected: &str) {
    check_results(&format!("local c = require 'skynet.crypt' return {expression}"), expected);
}

/// `expression` must raise an error that contains `expected`.
#[track_caller]
fn refused(expression: &str, expected: &str) {
    let script = format!(
        "(select(2, pcall(function() return {expression} end))):find({expected:?}, 1, true) ~= nil"
    );
    check(&script, "true");
}

#[test]
fn hashes_agree_with_published_vectors() {
    check("c.hexencode(c.sha1 'abc')", "a9993e364706816aba3e25717850c26c9cd0d89d");
    check("c.hexencode(c.sha1 '')", "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    check(
        "c.hexencode(c.hmac_sha1('Jefe', 'what do ya want for nothing?'))",
        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
    );
    check(
        "c.hexencode(c.hmac_sha1(('\\xaa'):rep(80),
           'Test Using Larger Than Block-Size Key - Hash Key First'))",
        "aa4ae5e15272d00e95705637ce8a3b55ed402112",
    );
}

#[test]
fn codes_of_skynet_agree_with_an_independent_computation() {
    check("c.hexencode(c.hashkey 'hello')", "9930920fcbef1867");
    check("c.hexencode(c.hmac64('12345678', 'abcdefgh'))", "ac9ffda9547a027a");
    check("c.hexencode(c.hmac64_md5('12345678', 'abcdefgh'))", "c2a34748cf834af4");
    check("c.hexencode(c.hmac_hash('12345678', 'hello'))", "c7c836eeffbdd948");
}

#[test]
fn two_sides_agree_on_a_secret() {
    check("c.hexencode(c.dhexchange '12345678')", "a18e89af97222f0e");
    check("c.hexencode(c.dhsecret(c.dhexchange '12345678', 'abcdefgh'))", "fab8e4dca970e431");
    check(
        "c.dhsecret(c.dhexchange 'abcdefgh', '12345678') == c.hexdecode 'fab8e4dca970e431'",
        "true",
    );
    refused("c.dhexchange(('\\0'):rep(8))", "Can't be 0: a key of zeros");
    refused("c.dhsecret('12345678', ('\\0'):rep(8))", "#2");
    refused("c.dhexchange '123'", "Invalid dh uint64 key size 3, need 8 bytes");
}

#[test]
fn des_agrees_with_openssl() {
    let key = "c.hexdecode '0123456789abcdef'";
    for (text, expected) in [
        ("", "086f9a1d74c94d4e"),
        ("hello", "d40747c31c123d26"),
        ("12345678", "bd0b1a49070ac376086f9a1d74c94d4e"),
        ("123456789", "bd0b1a49070ac3769da04594635bb9ae"),
    ] {
        check(&format!("c.hexencode(c.desencode({key}, '{text}', c.padding.pkcs7))"), expected);
        check(&format!("c.desdecode({key}, c.hexdecode '{expected}', c.padding.pkcs7)"), text);
    }
}

#[test]
fn des_comes_back_with_either_padding() {
    for padding in ["", ", c.padding.iso7816_4", ", c.padding.pkcs7"] {
        for length in [0, 7, 8, 9, 1000] {
            let text = format!("('\\x80'):rep({length})");
            let code = format!("c.desencode('abcdefgh', {text}{padding})");
            check(&format!("c.desdecode('abcdefgh', {code}{padding}) == {text}"), "true");
        }
    }
}

#[test]
fn what_des_cannot_use_is_refused() {
    refused("c.desencode('short', 'x')", "Invalid key size 5, need 8 bytes");
    refused("c.desencode('abcdefgh', 'x', 2)", "Invalid padding number 2");
    refused("c.desdecode('abcdefgh', '')", "Invalid des crypt text length 0, ");
    refused("c.desdecode('abcdefgh', '123456789')", "Invalid des crypt text length 9, ");
    refused(
        "c.desdecode('abcdefgh', c.desencode('hgfedcba', 'x'))",
        "Invalid des crypt text: wrong key",
    );
}

#[test]
fn encodings_come_back() {
    check("c.hexencode 'a\\0\\xff'", "6100ff");
    check("c.hexdecode '6100Ff' == 'a\\0\\xff'", "true");
    refused("c.hexdecode '123'", "Invalid hex text size 3");
    refused("c.hexdecode 'zz'", "Invalid hex text");
    check(
        "c.base64encode 'foobar' .. c.base64encode 'fooba' .. c.base64encode 'foob'",
        "Zm9vYmFyZm9vYmE=Zm9vYg==",
    );
    check("c.base64decode 'Zm9vYmE=\\n'", "fooba");
    refused("c.base64decode 'Zm9v*Z'", "Invalid base64 text");
}

#[test]
fn a_mask_is_repeated_over_the_text() {
    check("c.hexencode(c.xor_str('\\1\\2\\3\\4\\5', '\\1\\2'))", "0000020604");
    check("c.xor_str(c.xor_str('hello', 'key'), 'key')", "hello");
    refused("c.xor_str('hello', '')", "Can't xor empty string");
}

#[test]
fn random_keys_differ() {
    check("#c.randomkey()", "8");
    check("c.randomkey() ~= c.randomkey()", "true");
}

#[test]
fn numbers_are_texts_and_other_values_are_refused() {
    check("c.hexencode(12)", "3132");
    refused("c.sha1()", "string expected, got no value");
    refused("c.sha1 {}", "string expected, got table");
}

#[test]
fn clients_find_it_under_their_own_name() {
    check("type(require 'client.crypt'.dhsecret)", "function");
}
