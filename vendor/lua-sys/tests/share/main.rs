//! Shared code as a C host sees it: images and strings, interruption, loop variables of 5.4,
//! modules in C, models of constant tables, shared tables and the functions in them.

mod deferred;
mod functions;
mod images;
mod interrupt;
mod loop_variables;
mod methods;
mod models;
mod state;
mod stock_module;
mod strings;
mod tables;
