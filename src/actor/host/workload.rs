//! What a host asks of the scheduler, and what the scheduler asks of it: turns of services, timers
//! that are due, errands of workers.

use std::sync::Arc;
use std::vec::Drain;

use moonhive_kernel::scheduler::{Turn, WorkerContext, Workload};

use super::core::Core;
use super::worker;
use crate::actor::end::End;
use crate::actor::fault::{Code, Fault};
use crate::actor::message::Message;
use crate::actor::service::Service;
use crate::actor::service::life::Life;
use crate::actor::service::tidy;
use crate::actor::task::alarm::PackedAlarm;
use crate::actor::task::due::Due;
use crate::actor::turn::parting::Parcel;
use crate::actor::turn::{Over, Progress};

/// What a timer hands back.
pub(crate) enum Timer {
    /// Whom it concerns and what it was for.
    Service { service: Arc<Service>, alarm: PackedAlarm },
    /// Time to give memory back.
    Trim,
}

impl Timer {
    /// Whether both concern the same service.
    fn is_together_with(&self, other: &Timer) -> bool {
        let (Timer::Service { service, .. }, Timer::Service { service: its, .. }) = (self, other)
        else {
            return false;
        };
        Arc::ptr_eq(service, its)
    }

    fn into_alarm(self) -> Option<PackedAlarm> {
        match self {
            Timer::Service { alarm, .. } => Some(alarm),
            Timer::Trim => None,
        }
    }
}

/// Timers are many.
const _: () = assert!(size_of::<Option<Timer>>() == 16);

/// Ends a service whose turn was its last.
#[cold]
fn end(service: &Arc<Service>, place: &mut Option<Box<Life>>, over: Over) -> Turn {
    let Over { end, at_once } = over;
    let Some(life) = place.take() else { return Turn::Ended };
    if let Err(text) = worker::catch(|| life.end(service, end, at_once)) {
        tracing::error!(service = service.name(), "the end of a service failed: {text}");
    }
    Turn::Ended
}

impl Workload for Core {
    type Task = Service;
    type Timer = Timer;
    type Parcel = Parcel;

    #[inline(always)]
    fn run(
        &self,
        service: &Arc<Service>,
        place: &mut Option<Box<Life>>,
        first: Option<Parcel>,
        context: &WorkerContext<'_, Self>,
    ) -> Turn {
        let Some(life) = place else { return Turn::Ended };
        self.warden.note_turn(context.index(), service.address());
        let over = match worker::catch(|| life.turn(service, first, context)) {
            Ok(Progress::Idle) => return Turn::Idle,
            Ok(Progress::Again) => return Turn::Again,
            Ok(Progress::Over(over)) => *over,
            Err(text) => Over { end: End::Failed(Fault::new(Code::Error, text)), at_once: true },
        };
        end(service, place, over)
    }

    fn deposit(service: &Arc<Service>, parcel: Parcel) {
        service.deposit(parcel);
    }

    fn sign(parcel: &mut Parcel, sender: Arc<Service>) {
        parcel.sign(sender);
    }

    fn expire(&self, timer: Timer, _worker: &WorkerContext<'_, Self>) {
        match timer {
            Timer::Service { service, alarm } => {
                service.post_alarms(Message::Alarm(alarm.unpack()));
            }
            Timer::Trim => {
                self.trim.begin();
                self.handle.send_errand();
            }
        }
    }

    fn expire_all(&self, timers: &mut Drain<'_, Timer>, worker: &WorkerContext<'_, Self>) {
        while let Some(timer) = timers.next() {
            let more = timers.as_slice().iter().take_while(|other| timer.is_together_with(other));
            match (more.count(), timer) {
                (0, timer) | (_, timer @ Timer::Trim) => self.expire(timer, worker),
                (more, Timer::Service { service, alarm }) => {
                    let mut alarms = Vec::with_capacity(more + 1);
                    alarms.push(alarm);
                    alarms.extend(timers.by_ref().take(more).filter_map(Timer::into_alarm));
                    service.post_alarms(Message::Alarms(Due::new(alarms)));
                }
            }
        }
    }

    fn errand(&self, _worker: &WorkerContext<'_, Self>) {
        if let Some(trim) = self.settings.trim {
            trim();
        }
    }

    fn spare(&self, _worker: &WorkerContext<'_, Self>) -> Option<Arc<Service>> {
        tidy::next()
    }

    fn worker_started(&self, context: &WorkerContext<'_, Self>) {
        self.warden.add_worker(context.index(), worker::begin());
    }

    fn worker_stopping(&self, context: &WorkerContext<'_, Self>) {
        self.warden.remove_worker(context.index());
        worker::end();
    }
}
