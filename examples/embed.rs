//! A program that embeds a host: starts a service, calls it from Rust, and shuts down.
//!
//! Run with `cargo run --example embed`.

use moonhive::actor::{Host, HostError, Spawn};

const COUNTER: &str = r#"
    local n = ...
    return { add = function(by) n = n + by; return n end }
"#;

fn main() -> Result<(), HostError> {
    let host = Host::builder().threads(2).memory_limit_bytes(8 << 20).build()?;
    let counter = host.spawn(Spawn::text("counter", COUNTER), (10,))?;
    for _ in 0..3 {
        let total: i64 = host.call(counter, "add", (2,))?;
        println!("{total}");
    }
    let finish = host.shutdown();
    println!("ended with {}", finish.code);
    Ok(())
}
