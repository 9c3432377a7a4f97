//! The `moonhive` command.

fn main() {}
