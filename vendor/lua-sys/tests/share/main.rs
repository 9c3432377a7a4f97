//! Shared code as a C host sees it: images and strings, interruption, loop variables of 5.4.

mod images;
mod interrupt;
mod loop_variables;
mod state;
