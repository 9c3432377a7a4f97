//! Tests that drive the real binary, each in a folder of its own.
//!
//! [`support::Scratch`] writes the files of a test and starts `moonhive` there; every run has a
//! watchdog, so a host that hangs fails its test and not the whole run.

mod check;
mod command_line;
mod corpus;
mod documents;
mod embedding;
mod flood;
#[cfg(feature = "skynet")]
mod libraries;
mod log;
mod lua;
mod pipes;
mod report;
mod run;
mod shm;
mod shm_command;
mod shm_load;
mod shm_nginx;
mod shm_repair;
mod shm_terminal;
mod signals;
mod skynet;
mod skynet_log;
mod skynet_order;
mod support;
