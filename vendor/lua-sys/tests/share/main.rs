//! Shared code as a C host sees it: images and strings, interruption, loop variables of 5.4, modules
//! in C, shared tables.

mod images;
mod interrupt;
mod loop_variables;
mod state;
mod stock_module;
mod tables;
