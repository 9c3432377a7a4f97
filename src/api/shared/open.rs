//! The functions of the module itself: opening dictionaries by name, and what there is on the
//! machine.

use std::time::Duration;

use moonhive_shm::segment::{Backing, File, Header, Posix};
use moonhive_shm::{Description, Dictionary, Error, Options};

use super::errand::{self, Report};
use super::{failure, options, registry};
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack};

pub(super) const NATIVES: [(&str, Native); 5] = [
    ("create", Native::new(create)),
    ("dict", Native::new(dict)),
    ("list", Native::new(list)),
    ("open", Native::new(open)),
    ("unlink", Native::new(unlink)),
];

/// Longest wait of a worker for a lock that a stopped process holds, unless told otherwise.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

const OPTIONS: [&str; 5] = ["file", "lock_timeout", "mode", "shards", "size"];

/// What the option `mode` may be.
const MODES: &str = "permissions in octal, \"0600\" or up to \"0777\"";

/// How a dictionary is asked for.
struct Order {
    options: Options,
    has_size: bool,
    /// Where it is, if it is in a file; its name then is what it is called.
    file: Option<String>,
}

impl Order {
    fn place(&self, name: &str) -> Result<Box<dyn Backing>, Error> {
        // What is in a file is called by a name all the same.
        let named = Posix::new(name)?;
        match &self.file {
            Some(path) => Ok(Box::new(File::new(path)?)),
            None => Ok(Box::new(named)),
        }
    }
}

/// `dict(name [, options])`: the dictionary, made if there is none and a size is given; whether it
/// was.
fn dict(stack: &mut Stack<'_>) -> NativeResult {
    let order = order(stack, "dict")?;
    let way = if order.has_size { Dictionary::open_or_create_in } else { open_in };
    carry_out(stack, order, way)
}

/// `create(name, options)`: fails if there is one.
fn create(stack: &mut Stack<'_>) -> NativeResult {
    let order = order(stack, "create")?;
    if !order.has_size {
        let (size, why) = (options::expected_size(), "a new dictionary needs it");
        return Err(table("create").missing(stack, "size", &size, why));
    }
    carry_out(stack, order, |place, options| Ok((Dictionary::create_in(place, options)?, true)))
}

/// `open(name [, options])`: fails if there is none.
fn open(stack: &mut Stack<'_>) -> NativeResult {
    let order = order(stack, "open")?;
    carry_out(stack, order, open_in)
}

fn open_in(place: &dyn Backing, options: &Options) -> Result<(Dictionary, bool), Error> {
    Ok((Dictionary::open_in(place, options)?, false))
}

/// A way to get a dictionary, and whether it was made.
type Way = fn(&dyn Backing, &Options) -> Result<(Dictionary, bool), Error>;

/// A dictionary of this size takes some hundredths of a second to make, and much more where memory
/// is slow.
const SLOW_BYTES: u64 = 256 << 20;

/// Opens the dictionary; by another thread where the coroutine can wait for it if that may take
/// long: one in a file may have to be renewed, the memory of a large one to be reserved.
fn carry_out(stack: &mut Stack<'_>, order: Order, way: Way) -> NativeResult {
    let name = stack.check_str(1)?.to_owned();
    let may_make_large = order.has_size && order.options.size_bytes >= SLOW_BYTES;
    let is_slow = order.file.is_some() || may_make_large;
    let unite = move || {
        let (dictionary, is_new) = way(&*order.place(&name)?, &order.options)?;
        Ok(Report::Opened(registry::unite(&name, dictionary)?, is_new))
    };
    if is_slow {
        return errand::perform(stack, move |_| unite().map_err(|error: Error| error.into()));
    }
    let opened = unite().map_err(|error| failure::raise(stack, &error))?;
    Ok(Outcome::Return(opened.push(stack)))
}

/// `unlink(name)`: true, or false if nothing has the name.
fn unlink(stack: &mut Stack<'_>) -> NativeResult {
    let is_gone = match Dictionary::unlink(stack.check_str(1)?) {
        Ok(()) => true,
        Err(Error::NoSuchObject { .. }) => false,
        Err(error) => return Err(failure::raise(stack, &error)),
    };
    stack.push_bool(is_gone);
    Ok(Outcome::Return(1))
}

/// The options at index 2.
fn order(stack: &mut Stack<'_>, method: &'static str) -> Result<Order, Raise> {
    let options = Options { lock_timeout: LOCK_TIMEOUT, ..Options::default() };
    let mut order = Order { options, has_size: false, file: None };
    stack.check_str(1)?;
    if stack.is_none_or_nil(2) {
        return Ok(order);
    }
    stack.check_kind(2, Kind::Table)?;
    let table = table(method);
    table.check_names(stack, &OPTIONS)?;
    let found = &mut order.options;
    let size = table.option(stack, "size", &options::expected_size(), options::size_at)?;
    found.size_bytes = size.unwrap_or(found.size_bytes);
    found.shards =
        table.option(stack, "shards", &options::expected_shards(), options::shards_at)?;
    found.mode = table.option(stack, "mode", MODES, options::mode_at)?.unwrap_or(found.mode);
    let timeout = table.option(stack, "lock_timeout", "seconds from 0 up", span_at)?;
    found.lock_timeout = timeout.unwrap_or(found.lock_timeout);
    order.has_size = size.is_some();
    order.file = table.option(stack, "file", "the path of a file", |stack| {
        (stack.kind(-1) == Kind::String).then(|| stack.str(-1).map(str::to_owned))?
    })?;
    Ok(order)
}

/// Where all functions that open have their options.
fn table(method: &'static str) -> options::Table {
    options::Table { method, index: 2, argument: 2 }
}

fn span_at(stack: &Stack<'_>) -> Option<Duration> {
    Duration::try_from_secs_f64(stack.number(-1)?).ok()
}

/// `list()`: every object of ours on the machine.
fn list(stack: &mut Stack<'_>) -> NativeResult {
    let found = moonhive_shm::list().map_err(|error| failure::raise(stack, &error))?;
    stack.push_table(found.len(), 0);
    for (position, object) in (1..).zip(&found) {
        push_description(stack, object);
        stack.raw_set_item(-2, position);
    }
    Ok(Outcome::Return(1))
}

fn push_description(stack: &mut Stack<'_>, object: &Description) {
    stack.push_table(0, 8);
    stack.push_str(object.name.as_str());
    stack.raw_set_field(-2, "name");
    let numbers = [
        ("size_bytes", object.size_bytes),
        ("user", object.user.into()),
        ("group", object.group.into()),
    ];
    for (name, number) in numbers {
        stack.push_integer(number as i64);
        stack.raw_set_field(-2, name);
    }
    stack.push_str(&format!("{:04o}", object.mode));
    stack.raw_set_field(-2, "mode");
    if let Some(attached) = object.attached {
        stack.push_bool(attached);
        stack.raw_set_field(-2, "attached");
    }
    push_header(stack, &object.header);
}

fn push_header(stack: &mut Stack<'_>, header: &Result<Header, Error>) {
    match header {
        Ok(header) => {
            stack.push_integer(header.creator_pid.into());
            stack.raw_set_field(-2, "creator_pid");
            stack.push_integer(header.created_s as i64);
            stack.raw_set_field(-2, "created");
        }
        Err(error) => {
            stack.push_str(&error.to_string());
            stack.raw_set_field(-2, "error");
        }
    }
}
