//! What a dictionary costs: `cargo bench -p moonhive-shm`.
fn main() {}
