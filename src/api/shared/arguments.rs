//! What the methods of a dictionary take. The checks, their order and their words are nginx's, so
//! that programs that compare them go on working.

use moonhive_shm::{KEY_LIMIT_BYTES, Number, Value};

use super::failure::bad;
use crate::message::Payload;
use crate::vm::{Kind, Plain, Raise, Stack};

/// Where the key of every method is.
const KEY: i32 = 2;

/// Milliseconds of the shortest time to live: less than that must not mean "for ever".
const TTL_LEAST_MS: u64 = 1;

/// From so many milliseconds on a time to live is for ever: nginx cannot count them, either.
const TTL_LIMIT_MS: f64 = i64::MAX as f64;

/// Significant digits of a float in a key.
const DIGITS: usize = 14;

/// So many significant digits no float exceeds.
const DIGITS_MOST: usize = 767;

/// Why a table with a service or a task in it is refused.
const LOCAL: &str = "value: it holds a service, a task or another address of this process";

/// Makes the key a string of a fitting length; what is wrong with it otherwise. Keys of other types
/// count as what `tostring` makes of them, and floats as what LuaJIT's does: 1.0 is the key "1".
///
/// # Errors
/// What a `__tostring` raises.
#[inline]
pub fn fit_key(stack: &mut Stack<'_>) -> Result<Option<&'static str>, Raise> {
    match stack.bytes(KEY).map(<[u8]>::len) {
        Some(1..=KEY_LIMIT_BYTES) => Ok(None),
        Some(_) => Ok(fault_of_key(stack)),
        None => convert_key(stack),
    }
}

#[cold]
fn convert_key(stack: &mut Stack<'_>) -> Result<Option<&'static str>, Raise> {
    if stack.is_none_or_nil(KEY) {
        return Ok(Some("nil key"));
    }
    match stack.number(KEY).filter(|_| stack.kind(KEY) == Kind::Number) {
        Some(float) if !stack.is_integer(KEY) => stack.push_str(&text_of_float(float)),
        _ => stack.push_text(KEY)?,
    }
    stack.replace(KEY);
    Ok(fault_of_key(stack))
}

/// A whole float has all its digits, as the integer that equals it; others are written as LuaJIT
/// writes them, so that its programs find the same entry: `%.14g`.
fn text_of_float(float: f64) -> String {
    if float.is_nan() {
        return "nan".to_owned();
    }
    if float.fract() == 0.0 && float.abs() < i64::MAX as f64 {
        // Minus zero keeps its sign there.
        return format!("{float:.0}");
    }
    let float = if is_tie(float) { away_from_zero(float) } else { float };
    let exponential = format!("{float:.*e}", DIGITS - 1);
    let Some((digits, exponent)) = exponential.split_once('e') else { return exponential };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..DIGITS as i32).contains(&exponent) {
        let decimals = (DIGITS as i32 - 1 - exponent) as usize;
        return without_zeros(&format!("{float:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", without_zeros(digits), exponent.abs())
}

/// Whether a float lies exactly between two that have as many digits as a key: LuaJIT takes the one
/// that is further from zero then, and Rust the even one.
fn is_tie(float: f64) -> bool {
    let rest = |digits: usize| {
        let text = format!("{float:.*e}", digits - 1);
        let mantissa = text.split('e').next().unwrap_or_default();
        let rest = mantissa.chars().filter(char::is_ascii_digit).skip(DIGITS);
        rest.collect::<String>()
    };
    // The exact digits are many, and few floats need them.
    rest(DIGITS + 1) == "5" && rest(DIGITS_MOST).trim_end_matches('0') == "5"
}

/// The next float: it is written as the tie before it is to be.
fn away_from_zero(float: f64) -> f64 {
    if float > 0.0 { float.next_up() } else { float.next_down() }
}

/// A decimal fraction without the zeros at its end.
fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

#[cold]
fn fault_of_key(stack: &Stack<'_>) -> Option<&'static str> {
    match stack.bytes(KEY).map_or(0, <[u8]>::len) {
        0 => Some("empty key"),
        1..=KEY_LIMIT_BYTES => None,
        _ => Some("key too long"),
    }
}

/// As [`fit_key`] for lists, which take no key but a string or a number.
///
/// # Errors
/// `string expected, got boolean`.
#[inline]
pub fn fit_list_key(stack: &mut Stack<'_>) -> Result<Option<&'static str>, Raise> {
    match stack.bytes(KEY).map(<[u8]>::len) {
        Some(1..=KEY_LIMIT_BYTES) => Ok(None),
        _ => fit_unusual_list_key(stack),
    }
}

#[cold]
fn fit_unusual_list_key(stack: &mut Stack<'_>) -> Result<Option<&'static str>, Raise> {
    match stack.kind(KEY) {
        Kind::String | Kind::Number | Kind::Nil | Kind::None => fit_key(stack),
        _ => Err(unexpected(stack, KEY, "string")),
    }
}

/// An error for an argument of another type, which is named as Lua 5.1 does: without `__name`.
#[cold]
pub fn unexpected(stack: &Stack<'_>, argument: i32, wanted: &str) -> Raise {
    let seen = stack.kind(argument).name();
    Raise::argument(argument, format!("{wanted} expected, got {seen}"))
}

/// The key, once it fits.
#[inline]
pub fn key<'a>(stack: &'a Stack<'_>) -> &'a [u8] {
    stack.bytes(KEY).unwrap_or_default()
}

/// A time to live in milliseconds; 0 for none.
///
/// # Errors
/// A negative one, and what is no number.
#[inline]
pub fn ttl_ms(stack: &Stack<'_>, argument: i32) -> Result<u64, Raise> {
    match stack.kind(argument) {
        Kind::None | Kind::Nil => Ok(0),
        Kind::Number => span_ms(stack.check_number(argument)?, "exptime"),
        Kind::Boolean if !stack.truth(argument) => Ok(0),
        kind => Err(Raise::message(format!("attempt to compare {} with number", kind.name()))),
    }
}

/// Seconds in milliseconds, cut; what is more than nothing stays so. What no clock counts to,
/// infinity for one, is for ever.
///
/// # Errors
/// A negative number.
pub fn span_ms(seconds: f64, name: &str) -> Result<u64, Raise> {
    if seconds < 0.0 {
        return Err(bad(name));
    }
    let ms = seconds * 1000.0;
    if ms >= TTL_LIMIT_MS {
        return Ok(0);
    }
    let is_some = seconds > 0.0;
    Ok((ms as u64).max(if is_some { TTL_LEAST_MS } else { 0 }))
}

/// The flags of a store: a number whose fraction is cut.
///
/// # Errors
/// What is no number.
#[inline]
pub fn flags(stack: &Stack<'_>, argument: i32) -> Result<u32, Raise> {
    match stack.kind(argument) {
        Kind::None | Kind::Nil => Ok(0),
        Kind::Boolean => Ok(stack.truth(argument).into()),
        Kind::Number => Ok(int_of(stack.check_number(argument)?) as u32),
        kind => {
            let seen = match kind {
                Kind::Userdata | Kind::LightUserdata => "void *",
                kind => kind.name(),
            };
            let text = format!("cannot convert '{seen}' to 'int'");
            Err(Raise::argument(argument, text))
        }
    }
}

/// A number as a C int, cut; what is none becomes the least one, as the processor has it.
fn int_of(number: f64) -> i32 {
    let cut = number.trunc();
    let is_int = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&cut);
    if is_int { cut as i32 } else { i32::MIN }
}

/// Flags as they come back: nginx keeps them in a C int.
pub fn flags_out(flags: u32) -> i64 {
    i64::from(flags as i32)
}

/// A value to store. A table is packed when the value is made.
pub enum Given {
    /// Nothing: the store is a removal.
    Nil,
    /// Something that is on the stack.
    Plain,
    /// A table.
    Table(Payload),
    /// Something that no dictionary holds, and why if that is not plain.
    Refused(Option<String>),
}

impl Given {
    /// Looks at the value at an index.
    #[inline]
    pub fn at(stack: &mut Stack<'_>, index: i32) -> Given {
        match stack.kind(index) {
            Kind::String | Kind::Number | Kind::Boolean => Given::Plain,
            Kind::Nil | Kind::None => Given::Nil,
            Kind::Table => Given::table(stack, index),
            _ => Given::Refused(None),
        }
    }

    #[cold]
    fn table(stack: &mut Stack<'_>, index: i32) -> Given {
        let payload = match stack.pack_whole(index, 1, "value") {
            Ok(payload) => payload,
            Err(error) => {
                let text = error.to_string();
                return Given::Refused(Some(text.replacen("value[1]", "value", 1)));
            }
        };
        // What another process could not read is refused now, not when somebody reads it.
        match stack.unpack_foreign(payload.head()) {
            Ok(count) => {
                stack.pop(count);
                Given::Table(payload)
            }
            Err(_) => Given::Refused(Some(LOCAL.to_owned())),
        }
    }

    /// The value, with the bytes where they are.
    #[inline]
    pub fn value<'a>(&'a self, stack: &'a Stack<'_>, index: i32) -> Value<'a> {
        match self {
            Given::Table(payload) => Value::Table(payload.head()),
            Given::Plain => plain_at(stack, index),
            Given::Nil | Given::Refused(_) => Value::Nil,
        }
    }
}

/// The string, number or boolean at an index.
#[inline]
pub fn plain_at<'a>(stack: &'a Stack<'_>, index: i32) -> Value<'a> {
    match stack.plain(index) {
        Some(Plain::String(bytes)) => Value::Bytes(bytes),
        Some(Plain::Integer(integer)) => Value::Integer(integer),
        Some(Plain::Float(float)) => Value::Double(float),
        _ => Value::Boolean(stack.truth(index)),
    }
}

/// The number at an index, or what a string there reads as.
#[inline]
pub fn number_at(stack: &Stack<'_>, index: i32) -> Option<Number> {
    match stack.plain(index) {
        Some(Plain::Integer(integer)) => Some(Number::Integer(integer)),
        Some(Plain::Float(float)) => Some(Number::Double(float)),
        _ => number_of_text(stack, index),
    }
}

#[inline(never)]
fn number_of_text(stack: &Stack<'_>, index: i32) -> Option<Number> {
    match stack.integer(index) {
        Some(integer) => Some(Number::Integer(integer)),
        None => stack.number(index).map(Number::Double),
    }
}

#[cfg(test)]
mod tests {
    use super::text_of_float;

    #[test]
    fn a_float_is_written_as_luajit_writes_it() {
        // What LuaJIT's tostring makes of them.
        for (float, text) in [
            (1700000000.03125, "1700000000.0313"),
            (-1700000000.03125, "-1700000000.0313"),
            (2143789.69140625, "2143789.6914063"),
            (100000000000.125, "100000000000.13"),
            (100000000000.375, "100000000000.38"),
            (0.50006103515625, "0.50006103515625"),
            (999_999_999_999.995_1, "1000000000000"),
            (6_249_999_999_999.969, "6250000000000"),
            (2.5, "2.5"),
            (1.0 / 3.0, "0.33333333333333"),
            (3.3333333333333335e+299, "3.3333333333333e+299"),
            (5e-324, "4.9406564584125e-324"),
            (1.5e+20, "1.5e+20"),
            (1.1805916207174113e+21, "1.1805916207174e+21"),
            (1e-7 / 3.0, "3.3333333333333e-08"),
            (-12345.678901234567, "-12345.678901235"),
            (0.000_123_456_789_012_345, "0.00012345678901234"),
            (9_999_999.999_999_95, "9999999.9999999"),
            (1.00000000000005, "1"),
            (1.000_000_000_000_15, "1.0000000000002"),
            (16_777_216.000_000_5, "16777216"),
        ] {
            assert_eq!(text_of_float(float), text);
        }
    }
}
