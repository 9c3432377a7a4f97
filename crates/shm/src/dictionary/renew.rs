//! Opening a dictionary in a file, which may come from another start of the machine.
//!
//! Its locks then name threads that are gone, entries end by a clock that has begun anew, and a
//! loss of power may have left any mixture of old and new pages. So the first one to open it, while
//! nobody else has it open, makes a copy without a name in which the locks are free, every shard is
//! repaired and every end is reckoned by the new clock, writes it to the disk and puts it in the
//! place of the file. Whoever dies on the way leaves the file as it was. The same happens to a file
//! of another pid namespace (a container that was started again) that nobody has open.
//!
//! Who opens a file of here and now and finds nobody else there only frees locks that are held: it
//! may be a copy that somebody made while locks were held whose owners do not know of it. Locks
//! that are damaged are made anew only for who asks for that, of a dictionary in any place that
//! nobody has open.

use std::os::fd::{AsFd as _, OwnedFd};
use std::thread;
use std::time::Duration;

use super::core::Core;
use super::geometry::Geometry;
use super::handle::{Dictionary, Options, parts_of};
use super::shard::{DIRTY, Locked};
use super::survey::Survey;
use crate::error::{Error, Result};
use crate::fault;
use crate::lock::RobustLock;
use crate::memory::Memory;
use crate::segment::{Backing, File, HEADER_BYTES, Header, Kind, Segment, claim, header};
use crate::segment::{file_size, map};
use crate::sync::Ordering;

/// How often an opener tries again after others, who renew or use the file elsewhere.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// Opens the dictionary in a file, renewing it if need be.
///
/// # Errors
/// As [`Segment::open`]; [`Error::WrongBoot`] and [`Error::WrongPidNamespace`] only while others
/// have the file open; [`Error::NoSpace`] if there is no room for the renewed copy.
pub fn open(file: &File, options: &Options) -> Result<Segment> {
    let mut attempts = 0;
    loop {
        make_fit(file, options)?;
        attempts += 1;
        match Segment::open(file, Kind::Dictionary) {
            Ok(segment) if file.leads_to(segment.as_fd()) => {
                header::note_clock(segment.memory());
                return Ok(segment);
            }
            Err(Error::WrongBoot | Error::WrongPidNamespace { .. }) | Ok(_)
                if attempts < ATTEMPTS =>
            {
                thread::sleep(PAUSE);
            }
            // Replaced again and again while it was opened: nobody does that but on purpose.
            Ok(_) => return Err(Error::Damaged { what: "the file is replaced all the time" }),
            Err(error) => return Err(error),
        }
    }
}

/// Does what is to be done before anybody uses the file, unless somebody does.
fn make_fit(file: &File, options: &Options) -> Result<()> {
    let found = file.open()?;
    if !claim(&found) || !file.leads_to(&found) {
        return Ok(());
    }
    let size_bytes = file_size(&found, file.label())?;
    if size_bytes < HEADER_BYTES as u64 {
        return Ok(());
    }
    let (_mapping, memory) = map(&found, file.label(), size_bytes)?;
    // Whatever else is wrong with it, the opener says.
    let Ok(header) = Header::read_from_elsewhere(&memory, Kind::Dictionary) else { return Ok(()) };
    let geometry = Geometry::from_parameters(&header.parameters)?;
    if geometry.total_bytes as u64 != size_bytes {
        return Ok(());
    }
    match header.check_place() {
        Ok(()) => {
            let parts = parts_of(&memory, &header, geometry, options);
            // Nobody is there to give back what is locked.
            make_locks_anew(Core(&parts), |lock| lock.owner_thread() != 0);
            Ok(())
        }
        Err(_) => renew(file, &found, &memory, &header, options),
    }
}

/// Makes some locks anew; nobody else may have the dictionary open.
fn make_locks_anew(core: Core<'_>, is_one: impl Fn(RobustLock<'_>) -> bool) {
    for shard in 0..core.geometry.shards {
        let lock = core.lock_of(shard);
        if is_one(lock) {
            mark_dirty(core, shard);
            fault::point();
            lock.initialise();
        }
    }
}

/// Making whole what an opener relies on.
impl Dictionary {
    /// Makes every lock anew that is held or damaged, if nobody has the dictionary open, and has
    /// its shard repaired by the next one who takes it: a dictionary whose locks are damaged can be
    /// opened again afterwards. False, and nothing is changed, if anybody has it open. Who opens it
    /// meanwhile waits.
    ///
    /// # Errors
    /// [`Error::NoSuchObject`], or what the system refused. What else keeps a program from opening
    /// it [`open`](Self::open) says.
    pub fn mend_locks(place: &dyn Backing) -> Result<bool> {
        let found = place.open()?;
        if !claim(&found) {
            return Ok(false);
        }
        let size_bytes = file_size(&found, place.label())?;
        if size_bytes < HEADER_BYTES as u64 {
            return Ok(true);
        }
        let (_mapping, memory) = map(&found, place.label(), size_bytes)?;
        if let Ok(header) = Header::read(&memory, Kind::Dictionary)
            && let Ok(geometry) = Geometry::from_parameters(&header.parameters)
            && geometry.total_bytes as u64 == size_bytes
        {
            let parts = parts_of(&memory, &header, geometry, &Options::default());
            make_locks_anew(Core(&parts), |lock| !lock.is_sound());
        }
        Ok(true)
    }
}

/// The next one who takes the lock repairs.
fn mark_dirty(core: Core<'_>, shard: u32) {
    core.memory.store_half(core.geometry.shard_at(shard) + DIRTY, 1);
}

/// Puts a copy in the place of the file that is fit for here and now.
fn renew(
    file: &File,
    old: &OwnedFd,
    old_memory: &Memory,
    old_header: &Header,
    options: &Options,
) -> Result<()> {
    let header = old_header.moved_here();
    let geometry = Geometry::from_parameters(&header.parameters)?;
    let copy = file.copy_of(old)?;
    fault::point();
    let (_mapping, memory) = map(&copy, file.label(), header.size_bytes)?;
    let parts = parts_of(&memory, &header, geometry, options);
    let core = Core(&parts);
    header.write(&memory, Kind::Dictionary);
    header::note_clock(&memory);
    let shift_us = shift_us(old_memory, &memory, old_header, &header);
    for shard in 0..geometry.shards {
        core.lock_of(shard).initialise();
        mark_dirty(core, shard);
        // Taking the lock repairs.
        move_ends(&core.lock(shard)?, shift_us);
        fault::point();
    }
    file.replace(&copy)
}

/// By how much ends move: both clocks count from different moments, unless it is the same start.
fn shift_us(old: &Memory, new: &Memory, old_header: &Header, new_header: &Header) -> i64 {
    let (then_us, now_us) = (header::noted_clock_us(old), header::noted_clock_us(new));
    if old_header.boot == new_header.boot || then_us == 0 {
        return 0;
    }
    then_us.saturating_sub(now_us)
}

/// Lets every entry end at the same time of day as before.
fn move_ends(shard: &Locked<'_>, shift_us: i64) {
    if shift_us == 0 {
        return;
    }
    for record in &Survey::new(shard.core, shard.shard).entries {
        let Some(end) = record.expiry_place() else { continue };
        let end_us = end.load(Ordering::Relaxed);
        if end_us != 0 {
            // 0 would mean never; 1 is long past.
            end.store(end_us.saturating_add_signed(shift_us).max(1), Ordering::Relaxed);
        }
    }
}
