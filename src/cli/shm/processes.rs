//! Which processes have an object open: those whose memory maps name it, as far as this user may
//! read them.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::ErrorKind;

use moonhive_shm::Description;

/// What a mapping says that is shared and may be written. Names are no help: who made an object
/// mapped it before it had one.
const MARK: &str = " rw-s ";

/// The maps of all processes, read once.
#[derive(Debug, Default)]
pub struct Maps {
    /// Processes by the device and inode of what they map.
    found: HashMap<(u64, u64), BTreeSet<u32>>,
    /// Some process could not be looked at.
    has_hidden: bool,
}

/// Who has an object open.
#[derive(Debug, PartialEq, Eq)]
pub struct Attached {
    /// Processes that are known to.
    pub pids: Vec<u32>,
    /// These are all: no other process can have it open.
    pub is_all: bool,
}

impl Maps {
    /// Looks at every process but this one.
    pub fn read() -> Self {
        let mut maps = Self::default();
        let Ok(folder) = fs::read_dir("/proc") else {
            maps.has_hidden = true;
            return maps;
        };
        let names = folder.flatten().map(|entry| entry.file_name());
        let pids = names.filter_map(|name| name.to_str()?.parse::<u32>().ok());
        for pid in pids.filter(|pid| *pid != std::process::id()) {
            match fs::read(format!("/proc/{pid}/maps")) {
                Ok(text) => maps.note(pid, &String::from_utf8_lossy(&text)),
                // It has ended meanwhile.
                Err(error) if is_gone(&error) => {}
                Err(_) => maps.has_hidden = true,
            }
        }
        maps
    }

    fn note(&mut self, pid: u32, text: &str) {
        for identity in text.lines().filter(|line| line.contains(MARK)).filter_map(identity_of) {
            self.found.entry(identity).or_default().insert(pid);
        }
    }

    /// Who has this object open.
    pub fn of(&self, object: &Description) -> Attached {
        let pids: Vec<u32> = match object.attached {
            // Somebody whose maps were read before may have gone since.
            Some(false) => Vec::new(),
            _ => self.pids_of(object.identity),
        };
        let is_all = match object.attached {
            Some(false) => true,
            // One who is there and in nobody's maps lives in another container.
            Some(true) => !self.has_hidden && !pids.is_empty(),
            None => !self.has_hidden,
        };
        Attached { pids, is_all }
    }

    /// Processes that are known to map what has this device and inode.
    pub fn pids_of(&self, identity: (u64, u64)) -> Vec<u32> {
        self.found.get(&identity).into_iter().flatten().copied().collect()
    }
}

fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// Device and inode of a line of a map.
fn identity_of(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split_ascii_whitespace().skip(3);
    let (device, inode) = (fields.next()?, fields.next()?);
    let (major, minor) = device.split_once(':')?;
    let number = |digits| u32::from_str_radix(digits, 16).ok();
    Some((libc::makedev(number(major)?, number(minor)?), inode.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use moonhive_shm::{Dictionary, Options};

    use super::*;

    const LINE: &str =
        "7f00-7f80 rw-s 00000000 00:1b 4242                       /dev/shm/moonhive.sessions";

    #[test]
    fn a_line_of_a_map_names_device_and_inode() {
        assert_eq!(identity_of(LINE), Some((libc::makedev(0, 0x1b), 4242)));
        assert_eq!(identity_of("7f00-7f80 rw-p 00000000 00:00 0"), Some((0, 0)));
        assert_eq!(identity_of("nonsense"), None);
    }

    #[test]
    fn the_maps_of_a_process_name_what_it_has_open() {
        let name = format!("unit-{}-maps", std::process::id());
        let dictionary = Dictionary::create(&name, &Options::new(64 << 10)).unwrap();
        let mut maps = Maps::default();
        maps.note(7, &fs::read_to_string("/proc/self/maps").unwrap());
        let objects = moonhive_shm::list().unwrap();
        let object = objects.iter().find(|object| object.name.as_str() == name).unwrap();
        drop(dictionary);
        Dictionary::unlink(&name).unwrap();
        assert_eq!(maps.of(object), Attached { pids: vec![7], is_all: true });
    }

    #[test]
    fn what_may_not_be_looked_at_is_not_taken_for_nobody() {
        let name = format!("unit-{}-hidden", std::process::id());
        let dictionary = Dictionary::create(&name, &Options::new(64 << 10)).unwrap();
        let objects = moonhive_shm::list().unwrap();
        let mut object = objects.into_iter().find(|object| object.name.as_str() == name).unwrap();
        drop(dictionary);
        Dictionary::unlink(&name).unwrap();
        let hidden = Maps { has_hidden: true, ..Maps::default() };
        let nobody = |maps: &Maps, object: &Description| {
            let attached = maps.of(object);
            assert!(attached.pids.is_empty());
            attached.is_all
        };
        assert_eq!(object.attached, Some(true));
        assert!(!nobody(&hidden, &object) && !nobody(&Maps::default(), &object));
        object.attached = None;
        assert!(!nobody(&hidden, &object) && nobody(&Maps::default(), &object));
        object.attached = Some(false);
        assert!(nobody(&hidden, &object));
    }
}
