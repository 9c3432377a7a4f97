//! `moonhive run`: starts a host, its main service, and waits for the end.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::config::Settings;
use super::failure::USAGE;
use super::{Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  moonhive run main.lua                          a script or a service, by file
  moonhive run --path services gate 8080         a service, by name, with an argument
  moonhive run --threads 4 --stats main.lua      four workers, figures at exit
  moonhive run --set port=8080 --log debug,json main.lua
  moonhive run --config moonhive.toml main.lua

Settings are taken from the file given by --config, then from MOONHIVE_* variables, then from
flags; the later ones win.

Exit code: 0 when the main service ends, 1 when it fails, 2 for wrong arguments, and whatever
hive.shutdown(CODE) or os.exit(CODE) says. SIGTERM and SIGINT end the host gracefully; a second
signal ends it at once.";

/// Run a service and all that it spawns.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    settings: Settings,

    /// Read settings from a TOML file
    #[arg(long, value_name = "FILE", env = "MOONHIVE_CONFIG")]
    config: Option<PathBuf>,

    /// The main service: a file, or a name looked up in the directories of --path
    #[arg(value_name = "FILE|NAME")]
    main: String,

    /// Arguments of the main service, as strings
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let file = self.config.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
        let settings = self.settings.over(file);
        moonhive::ops::log::init(&settings.log.clone().unwrap_or_default())
            .map_err(|error| Failure::from(error).exit_code(USAGE))?;
        tracing::debug!(main = self.main, arguments = ?self.arguments, ?settings, "starting");
        Ok(ExitCode::SUCCESS)
    }
}
