//! The cache with Lua: what scripts get to see. Each test has a cache, files and VMs of its own.

mod arguments;
mod failures;
mod modules;
mod sharing;
mod threads;
mod vm;
