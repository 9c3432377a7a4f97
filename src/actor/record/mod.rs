//! What goes along with requests, and what is noted of them: so that an operator can follow one
//! request through all services, and see where time went.
//!
//! | file | holds |
//! |---|---|
//! | `request` | the deadline and the id of a request |
//! | `trace` | the steps of one request through all services |
//! | `profile` | processor time by service and by handler |

pub(super) mod profile;
pub(super) mod request;
pub(super) mod trace;
