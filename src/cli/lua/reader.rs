//! Lines of interactive mode: from a terminal with editing and history, otherwise from C's standard
//! input, which the script reads too.

use std::fs;
use std::io::IsTerminal;
use std::path::PathBuf;

use moonhive::vm::{console, write_line};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

/// Lines that are remembered from one session to the next.
const HISTORY_LINES_MAX: usize = 1000;

/// Where lines come from.
pub enum Reader {
    /// A terminal. History goes to the file, if there is one.
    Terminal { editor: Box<DefaultEditor>, history: Option<PathBuf> },
    /// Anything else.
    Stream,
}

impl Reader {
    /// Reads from whatever standard input is.
    pub fn new(keeps_history: bool) -> Self {
        if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
            return Self::terminal(keeps_history).unwrap_or(Self::Stream);
        }
        Self::Stream
    }

    fn terminal(keeps_history: bool) -> Option<Self> {
        let config = rustyline::Config::builder()
            .max_history_size(HISTORY_LINES_MAX)
            .ok()?
            .history_ignore_space(true)
            .build();
        let mut editor = DefaultEditor::with_config(config).ok()?;
        let history = if keeps_history { history_file() } else { None };
        if let Some(file) = &history {
            // Without a file there is nothing to remember yet.
            let _ = editor.load_history(file);
        }
        Some(Self::Terminal { editor: Box::new(editor), history })
    }

    /// The next line without its newline; `None` at the end of the input.
    pub fn read(&mut self, prompt: &str) -> Option<Vec<u8>> {
        let Self::Terminal { editor, .. } = self else {
            write_line(prompt.as_bytes());
            return console::read_line();
        };
        match editor.readline(prompt) {
            Ok(line) => Some(line.into_bytes()),
            // Ctrl-C gives up the line, not the session.
            Err(ReadlineError::Interrupted) => Some(Vec::new()),
            Err(_) => None,
        }
    }

    /// Keeps what was entered for the up key.
    pub fn remember(&mut self, text: &[u8]) {
        if let (Self::Terminal { editor, .. }, false) = (self, text.is_empty()) {
            // A line that cannot be remembered is no reason to stop.
            let _ = editor.add_history_entry(String::from_utf8_lossy(text));
        }
    }

    /// Writes the history down.
    pub fn close(self) {
        let Self::Terminal { mut editor, history: Some(file) } = self else { return };
        if let Some(folder) = file.parent() {
            // Where no folder can be made, nothing is remembered.
            let _ = fs::create_dir_all(folder);
        }
        let _ = editor.save_history(&file);
    }
}

/// The file of the history: below the state folder of the user.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let state = state.or_else(|| Some(std::env::home_dir()?.join(".local/state")))?;
    Some(state.join("moonhive").join("lua_history"))
}
