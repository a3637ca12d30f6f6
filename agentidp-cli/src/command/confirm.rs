//! `--yes` and `--dry-run`, and the question before what cannot be taken back.

use std::io::{self, BufRead, IsTerminal as _, Write};

use clap::Args;
use clap::builder::FalseyValueParser;

use crate::failure::Failure;
use crate::output::{Fields, Output, printable};

/// How a command that destroys is told to go on. Flatten it into the arguments of such a verb.
#[derive(Debug, Args)]
pub(crate) struct Confirm {
    /// Do it without asking; --dry-run wins.
    #[arg(long, env = "AGENTIDP_YES", value_parser = FalseyValueParser::new())]
    yes: bool,
    #[command(flatten)]
    dry_run: DryRun,
}

/// The same for a command that ends something and does not ask, since scripts use it.
#[derive(Debug, Args)]
pub(crate) struct DryRun {
    /// Tell what would be done, and do nothing.
    #[arg(long, env = "AGENTIDP_DRY_RUN", value_parser = FalseyValueParser::new())]
    dry_run: bool,
}

impl DryRun {
    /// Whether it is only to be told what would be done: see [`would`].
    pub(crate) fn is_wanted(&self) -> bool {
        self.dry_run
    }
}

impl Confirm {
    /// Whether nothing is to be done. Then the caller looks, as far as that tells, whether the deed
    /// would be refused: a dry run fails where the deed would, and writes nothing, no refusal either.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.dry_run.is_wanted()
    }

    /// As [`given`](Self::given); a dry run also answers `details`, such as what would go with it.
    ///
    /// # Errors
    /// As [`given`](Self::given).
    pub(crate) fn given_with(
        &self,
        action: &str,
        details: Fields,
        output: &Output,
    ) -> Result<bool, Failure> {
        if self.is_dry_run() {
            would(action, details, output)?;
            return Ok(false);
        }
        self.given(action, output)
    }

    /// Whether to go on. `action` completes "would ..", such as "delete the organization `acme`";
    /// what it names has been looked up, so that nobody is asked about what is not there.
    ///
    /// On a dry run this answers what would be done, and there is nothing left to say.
    ///
    /// # Errors
    /// [`Failure`] when the person said no, or nobody can be asked.
    pub(crate) fn given(&self, action: &str, output: &Output) -> Result<bool, Failure> {
        if self.is_dry_run() {
            return self.given_with(action, Fields::default(), output);
        }
        if self.yes {
            return Ok(true);
        }
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            let message = format!("nobody can be asked whether to {action}");
            return Err(Failure::usage(message).hint("say --yes to do it, --dry-run to look first"));
        }
        match ask(action, &mut io::stdin().lock(), &mut io::stderr().lock()) {
            Ok(true) => Ok(true),
            Ok(false) => Err(Failure::declined()),
            Err(error) => Err(Failure::stream("the terminal", &error)),
        }
    }
}

/// Answers a dry run: what would be done, and `details`, such as what would go with it.
///
/// # Errors
/// [`Failure`] when standard output does not take it.
pub(crate) fn would(action: &str, details: Fields, output: &Output) -> Result<(), Failure> {
    let would = Fields::default().with("dryRun", true).with("would", action);
    output.fields(&would.and(details))
}

/// Asks, and takes all but a plain yes for a no, the end of the input too.
fn ask(action: &str, answers: &mut impl BufRead, talk: &mut impl Write) -> io::Result<bool> {
    write!(talk, "{}? [y/N] ", printable(action))?;
    talk.flush()?;
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output() -> Output {
        Output::bare(true)
    }

    fn confirm(yes: bool, dry_run: bool) -> Confirm {
        Confirm { yes, dry_run: DryRun { dry_run } }
    }

    #[test]
    fn a_dry_run_never_goes_on_and_yes_always_does() {
        for yes in [false, true] {
            let confirm = confirm(yes, true);
            assert!(confirm.is_dry_run());
            assert!(!confirm.given("delete it", &output()).unwrap());
        }
        assert!(confirm(true, false).given("delete it", &output()).unwrap());
    }

    #[test]
    fn all_but_a_plain_yes_is_a_no() {
        for (answer, expected) in
            [("y\n", true), ("YES\r\n", true), ("n\n", false), ("\n", false), ("", false)]
        {
            let mut talk = Vec::new();
            let given = ask("delete `a\u{1b}b`", &mut answer.as_bytes(), &mut talk).unwrap();
            assert_eq!(given, expected, "{answer:?}");
            assert_eq!(talk, "delete `a\u{fffd}b`? [y/N] ".as_bytes());
        }
    }

    #[test]
    fn where_nobody_can_be_asked_it_is_refused_with_the_way_out() {
        // A test run at a terminal would wait for its reader.
        if io::stdin().is_terminal() && io::stderr().is_terminal() {
            return;
        }
        let failure = confirm(false, false).given("delete it", &output()).unwrap_err();
        assert_eq!(
            (failure.exit_code(), failure.message()),
            (2, "nobody can be asked whether to delete it")
        );
        assert!(failure.advice().contains("--yes") && failure.advice().contains("--dry-run"));
    }
}
