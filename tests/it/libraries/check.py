"""Makes what values.lua has printed again, by Python's own libraries, PyCryptodome, PyMongo and the
original sproto in C. Prints how many lines agree; ends with 1 at the first that does not."""

import base64
import hashlib
import hmac
import math
import os
import struct
import sys

import bson
import pysproto
from bson.codec_options import CodecOptions, DatetimeConversion
from Crypto.Cipher import DES
from Crypto.Util.Padding import pad

MASK = 0xFFFFFFFF
PRIME = 0xFFFFFFFFFFFFFFC5
SINES = [int(abs(math.sin(i + 1)) * 2**32) & MASK for i in range(64)]
TURNS = [7, 12, 17, 22] * 4 + [5, 9, 14, 20] * 4 + [4, 11, 16, 23] * 4 + [6, 10, 15, 21] * 4
# Dates beyond what Python's own type holds stay numbers.
OPTIONS = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS, document_class=dict)


def hashkey(text):
    left, right = 5381, 1315423911
    for byte in text:
        left = (left * 33 + byte) & MASK
        right ^= ((right << 5) + byte + (right >> 2)) & MASK
    return struct.pack("<II", left, right)


def rounds(words):
    """The rounds of MD5, from their definition (RFC 1321), without the final addition."""
    a, b, c, d = 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476
    for i in range(64):
        if i < 16:
            mix, word = (b & c) | (~b & d), i
        elif i < 32:
            mix, word = (d & b) | (~d & c), (5 * i + 1) % 16
        elif i < 48:
            mix, word = b ^ c ^ d, (3 * i + 5) % 16
        else:
            mix, word = c ^ (b | (~d & MASK)), (7 * i) % 16
        total = (a + mix + SINES[i] + words[word]) & MASK
        turned = ((total << TURNS[i]) | (total >> (32 - TURNS[i]))) & MASK
        a, b, c, d = d, (b + turned) & MASK, b, c
    return a, b, c, d


def hmac64(text, key):
    x0, x1 = struct.unpack("<II", text)
    y0, y1 = struct.unpack("<II", key)
    a, b, c, d = rounds([x1, x0, y1, y0] * 4)
    return struct.pack("<II", c ^ d, a ^ b)


def hmac64_md5(text, key):
    digest = hashlib.md5((text + key) * 3).digest()
    return bytes(left ^ right for left, right in zip(digest[:8], digest[8:]))


def power(base, exponent):
    number = pow(int.from_bytes(base, "little"), int.from_bytes(exponent, "little"), PRIME)
    return number.to_bytes(8, "little")


def des(style):
    return lambda key, text: DES.new(key, DES.MODE_ECB).encrypt(pad(text, 8, style))


def bson_again(document):
    return bson.encode(bson.decode(document, OPTIONS), codec_options=OPTIONS)


def sproto_again(message):
    kind = pysproto.sproto_type(SCHEMA, "Data")
    value, size = pysproto.sproto_decode(kind, message)
    assert size == len(message)
    again = pysproto.sproto_encode(kind, value)
    return again + pysproto.sproto_pack(again)


CHECKS = {
    "sha1": lambda text: hashlib.sha1(text).digest(),
    "hmac_sha1": lambda key, text: hmac.new(key, text, hashlib.sha1).digest(),
    "md5": lambda text: hashlib.md5(text).digest(),
    "hashkey": hashkey,
    "hmac64": hmac64,
    "hmac64_md5": hmac64_md5,
    "dhexchange": lambda own: power(bytes([5]), own),
    "dhsecret": power,
    "des_pkcs7": des("pkcs7"),
    "des_iso7816": des("iso7816"),
    "base64": base64.b64encode,
}
SCHEMA = None
count = 0

for line in sys.stdin:
    name, _, rest = line.rstrip("\n").partition("\t")
    values = [b"" if text == "-" else bytes.fromhex(text) for text in rest.split(" ")]
    if name == "schema":
        SCHEMA = pysproto.sproto_create(values[0])
        assert [pysproto.sproto_protocol(SCHEMA, key)[0] for key in ("fetch", "poke", "ack")] == [5, 6, 9]
        count += 1
        continue
    if name == "bson":
        expected, found = values[0], bson_again(values[0])
    elif name == "sproto":
        expected, found = values[0] + values[1], sproto_again(values[0])
    else:
        *inputs, expected = values
        found = CHECKS[name](*inputs)
    if found != expected:
        print(f"{line.rstrip()}\nexpected {found.hex()}")
        sys.exit(1)
    count += 1

print(count, flush=True)
# pysproto's reference counts are wrong: the interpreter must not take it apart.
os._exit(0)
