//! The codec against real VMs. `check` evaluates Lua, sends the results to a second VM and compares
//! what both see, spelled out by a Lua function that keeps subtypes and bits apart.

mod hostile;
mod properties;
mod refused;
mod typed;
mod values;
mod vm;

use super::*;
use vm::Vm;

/// Sends what `source` returns to another VM and compares both sides.
fn check(source: &str) -> Payload {
    let (sender, receiver) = (Vm::new(), Vm::new());
    let count = sender.evaluate(source);
    let payload = sender.pack(count, &PackOptions::default()).expect(source);
    assert_eq!(sender.top(), count, "packing left the stack alone");
    assert_eq!(receiver.unpack(&payload), Ok(count), "{source}");
    assert_eq!(receiver.top(), count, "unpacking pushed the values and nothing else");
    assert_eq!(receiver.spell(), sender.spell(), "{source}");
    payload
}

/// Tries to send what `source` returns and gives the error.
fn refuse(source: &str) -> PackError {
    refuse_with(source, &PackOptions::default())
}

fn refuse_with(source: &str, options: &PackOptions) -> PackError {
    let sender = Vm::new();
    let count = sender.evaluate(source);
    let error = sender.pack(count, options).expect_err(source);
    assert_eq!(sender.top(), count, "a refusal leaves the stack alone");
    error
}
