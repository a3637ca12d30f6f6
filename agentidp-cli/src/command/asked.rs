//! Flags, and which of them stand on the command line. A variable is set for all commands: where a flag
//! would be refused beside another one, its variable asks for nothing.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

/// The flags of `F`. Flatten it into the arguments of a verb.
#[derive(Debug)]
pub(crate) struct Asked<F> {
    pub(crate) flags: F,
    on_command_line: Vec<String>,
}

impl<F> Asked<F> {
    /// Whether this one stands on the command line, by the name of its field.
    pub(crate) fn asks_for(&self, flag: &str) -> bool {
        self.on_command_line.iter().any(|own| own == flag)
    }
}

impl<F: FromArgMatches> FromArgMatches for Asked<F> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Asked<F>, Error> {
        let stands = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let on_command_line = matches.ids().map(|id| id.as_str()).filter(stands);
        let on_command_line = on_command_line.map(str::to_owned).collect();
        Ok(Asked { flags: F::from_arg_matches(matches)?, on_command_line })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Asked::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<F: Args> Args for Asked<F> {
    fn augment_args(command: Command) -> Command {
        F::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        F::augment_args_for_update(command)
    }
}
