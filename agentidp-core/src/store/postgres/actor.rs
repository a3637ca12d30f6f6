//! The task that runs one transaction on one connection.

use std::fmt::Write as _;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::{PgArguments, PgRow, Postgres};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::store::Scope;

use super::failure::Failure;
use super::pool::{Lease, Pool};

/// Longest wait for any answer of the server: more than its own timeouts, which come first where the
/// connection works.
const ANSWER_MAX: Duration = Duration::from_secs(45);

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Read one unchanging state.
    Read,
    /// Read what is committed, and write.
    Write,
    /// As [`Write`](Self::Write), and read every table by its indexes alone, whatever the statistics say.
    Queue,
}

/// What the caller asks of its transaction. Hanging up instead rolls back.
enum Command {
    Execute(&'static str, PgArguments),
    Query(&'static str, PgArguments),
    Commit,
}

/// What came of it.
pub(super) enum Reply {
    Changed(u64),
    Rows(Vec<PgRow>),
}

/// The caller's end of a transaction.
pub(super) struct Remote {
    commands: UnboundedSender<Command>,
    replies: mpsc::Receiver<Result<Reply, Failure>>,
}

impl Remote {
    /// Begins a transaction. Does not wait for it: the connection is taken and the scope set while
    /// the caller prepares its first statement.
    pub(super) fn begin(
        runtime: &Handle,
        pool: &Arc<Pool>,
        scope: &Scope,
        access: Access,
    ) -> Remote {
        let (commands, inbox) = unbounded_channel();
        let (outbox, replies) = mpsc::channel();
        let actor = Actor { pool: Arc::clone(pool), begin: begin_message(scope, access), outbox };
        runtime.spawn(actor.run(inbox));
        Remote { commands, replies }
    }

    pub(super) fn execute(
        &self,
        sql: &'static str,
        arguments: PgArguments,
    ) -> Result<u64, Failure> {
        match self.ask(Command::Execute(sql, arguments))? {
            Reply::Changed(rows) => Ok(rows),
            Reply::Rows(_) => Ok(0),
        }
    }

    pub(super) fn query(
        &self,
        sql: &'static str,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, Failure> {
        match self.ask(Command::Query(sql, arguments))? {
            Reply::Rows(rows) => Ok(rows),
            Reply::Changed(_) => Ok(Vec::new()),
        }
    }

    pub(super) fn commit(self) -> Result<(), Failure> {
        self.ask(Command::Commit).map(|_| ()).map_err(Failure::committing)
    }

    fn ask(&self, command: Command) -> Result<Reply, Failure> {
        let gone = || Failure::lost("the store was closed during a transaction");
        self.commands.send(command).map_err(|_| gone())?;
        self.replies.recv().unwrap_or_else(|_| Err(gone()))
    }
}

struct Actor {
    pool: Arc<Pool>,
    begin: String,
    outbox: mpsc::Sender<Result<Reply, Failure>>,
}

impl Actor {
    async fn run(self, mut inbox: UnboundedReceiver<Command>) {
        let mut lease = match self.open().await {
            Ok(lease) => lease,
            Err(failure) => return self.refuse(inbox, &failure).await,
        };
        while let Some(command) = inbox.recv().await {
            let last = matches!(command, Command::Commit);
            let answer = answer(&mut lease, command).await;
            let failed = answer.as_ref().err().cloned();
            if last {
                // Before the answer, so that the caller's next transaction finds it.
                self.give_back(lease, failed.as_ref()).await;
                let _ = self.outbox.send(answer);
                return;
            }
            let _ = self.outbox.send(answer);
            if let Some(failure) = failed {
                // The transaction is spoiled: it must not commit, whatever else is asked.
                self.end(lease, failure.broken).await;
                return self.refuse(inbox, &failure).await;
            }
        }
        self.end(lease, false).await;
    }

    /// Takes a connection and begins. A used connection that turns out to be dead is replaced, once.
    async fn open(&self) -> Result<Lease, Failure> {
        let mut lease = self.pool.acquire().await?;
        let mut begun = simple(&mut lease, &self.begin).await;
        if lease.used && begun.as_ref().is_err_and(|failure| failure.broken) {
            lease = self.pool.replace(lease).await?;
            begun = simple(&mut lease, &self.begin).await;
        }
        begun.map(|()| lease).map_err(Failure::opening)
    }

    /// Answers everything with `failure` until the caller hangs up.
    async fn refuse(&self, mut inbox: UnboundedReceiver<Command>, failure: &Failure) {
        // Nothing was sent, so nothing can have happened: not even a commit's outcome is unknown.
        let failure = Failure { unanswered: false, ..failure.clone() };
        while inbox.recv().await.is_some() {
            let _ = self.outbox.send(Err(failure.clone()));
        }
    }

    async fn give_back(&self, lease: Lease, failure: Option<&Failure>) {
        match failure {
            None => self.pool.release(lease),
            // A commit that was refused has ended its transaction, but let the server confirm it.
            Some(failure) => self.end(lease, failure.broken).await,
        }
    }

    /// Rolls back and returns the connection; one that cannot be trusted is closed.
    async fn end(&self, mut lease: Lease, broken: bool) {
        if !broken && simple(&mut lease, "ROLLBACK").await.is_ok() {
            self.pool.release(lease);
        }
    }
}

async fn answer(lease: &mut Lease, command: Command) -> Result<Reply, Failure> {
    let connection = &mut lease.connection;
    let answered = timeout(ANSWER_MAX, async {
        match command {
            Command::Execute(sql, arguments) => {
                let query = sqlx::query_with::<Postgres, _>(sql, arguments);
                connection.execute(query).await.map(|done| Reply::Changed(done.rows_affected()))
            }
            Command::Query(sql, arguments) => {
                let query = sqlx::query_with::<Postgres, _>(sql, arguments);
                connection.fetch_all(query).await.map(Reply::Rows)
            }
            Command::Commit => {
                connection.execute(sqlx::raw_sql("COMMIT")).await.map(|_| Reply::Changed(0))
            }
        }
    });
    match answered.await {
        Ok(result) => result.map_err(|error| Failure::running(&error)),
        Err(_) => Err(Failure::lost("the server did not answer in time")),
    }
}

/// Runs statements of ours that bind nothing, in one message.
async fn simple(lease: &mut Lease, sql: &str) -> Result<(), Failure> {
    let connection = &mut lease.connection;
    match timeout(ANSWER_MAX, connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)))).await {
        Ok(result) => result.map(|_| ()).map_err(|error| Failure::running(&error)),
        Err(_) => Err(Failure::lost("the server did not answer in time")),
    }
}

/// BEGIN and the scope in one message, which binds no parameters: an [`OrgId`](crate::base::OrgId)
/// is 36 characters of hexadecimal digits and hyphens, so its text needs no quoting.
fn begin_message(scope: &Scope, access: Access) -> String {
    let begin = match access {
        Access::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        Access::Write => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        Access::Queue => {
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL enable_seqscan = off; \
             SET LOCAL enable_sort = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
        }
    };
    let (organization, instance) = match scope {
        Scope::Org(id) => (id.as_str(), ""),
        Scope::Instance => ("", "on"),
    };
    let mut message = String::with_capacity(352);
    let _ = write!(
        message,
        "{begin}; SELECT set_config('app.organization_id', '{organization}', true), \
         set_config('app.instance', '{instance}', true)"
    );
    message
}
