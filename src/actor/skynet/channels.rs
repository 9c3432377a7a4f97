//! Channels of `skynet.multicast`: groups of subscribers that are named by numbers.
//!
//! A channel without subscribers is its number and nothing else; subscribers that end are taken out
//! as the members of every group are.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Envelope, Origin};
use crate::actor::fault::{Code, Fault};
use crate::actor::message::{Caller, Message};
use crate::actor::record::request::Terms;
use crate::actor::service::Service;
use crate::actor::state::State;
use crate::message::Payload;

/// The protocol in which subscribers get what is published.
const MULTICAST: u8 = 2;

impl State {
    /// The number of a new channel.
    pub(crate) fn new_channel(&self) -> u64 {
        self.core.last_channel.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Adds this service to the subscribers; once more is no error.
    ///
    /// # Errors
    /// `not_found` for a number that no channel ever had, `overload` at the limits of groups.
    pub(crate) fn subscribe(&self, channel: u64) -> Result<(), Fault> {
        self.check_channel(channel)?;
        self.core.groups.join(&group_of(channel), &self.service)?;
        Ok(())
    }

    /// Takes this service out of the subscribers.
    pub(crate) fn unsubscribe(&self, channel: u64) {
        self.core.groups.leave(&group_of(channel), &self.service);
    }

    /// Takes all subscribers out.
    pub(crate) fn delete_channel(&self, channel: u64) {
        self.core.groups.dissolve(&group_of(channel));
    }

    /// Sends a message to every subscriber; nobody answers it. Returns how many mailboxes have
    /// taken it.
    ///
    /// # Errors
    /// `not_found` for a number that no channel ever had.
    pub(crate) fn publish(&self, channel: u64, payload: &Payload) -> Result<usize, Fault> {
        self.check_channel(channel)?;
        let source = self.service.address().number() as i64;
        let members = self.core.groups.members(&group_of(channel));
        let send = |member: &&Arc<Service>| {
            let caller = Caller::sender(self.service.address());
            // The channel stands in the place of a session.
            let origin = Some(Origin { source, session: channel as i64 });
            let terms = Terms::timeless(self.request());
            let envelope = Box::new(Envelope { protocol: MULTICAST, origin, terms });
            member.request(Message::Numbered { caller, payload: payload.clone(), envelope }).is_ok()
        };
        Ok(members.iter().filter(send).count())
    }

    fn check_channel(&self, channel: u64) -> Result<(), Fault> {
        let is_known = (1..=self.core.last_channel.load(Ordering::Relaxed)).contains(&channel);
        if is_known {
            return Ok(());
        }
        Err(Fault::new(Code::NotFound, format!("there is no channel {channel}")))
    }
}

/// The group of a channel's subscribers.
fn group_of(channel: u64) -> String {
    format!("skynet.multicast.{channel}")
}
