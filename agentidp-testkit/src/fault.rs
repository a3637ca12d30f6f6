//! A store that fails where a test says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agentidp_core::base::{Epoch, Month};
use agentidp_core::store::{
    Body, Done, EachRow, OwnedBody, Scope, Store, StoreError, Tx, Value, Verdict,
};

/// Where to fail, counted from 0 since the fault was armed, across all transactions of a call. Statements
/// and commits are those of write transactions; those of transactions that only read are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The statement of that number fails, and is not run.
    Statement(u64),
    /// The statement of that number in transactions that only read fails, and is not run.
    Read(u64),
    /// The commit of that number is refused: the transaction is rolled back.
    BeforeCommit(u64),
    /// The commit of that number succeeds and its answer is lost: [`StoreError::OutcomeUnknown`].
    AfterCommit(u64),
}

/// What a body wanted, and whether its commit was refused.
type Ended = (Verdict, bool);

#[derive(Default)]
struct Plan {
    fault: Option<Fault>,
    fired: bool,
    /// Whether what runs now is none of the test's matter.
    aside: bool,
    statements: u64,
    reads: u64,
    commits: u64,
}

impl Plan {
    /// Whether the armed fault is `at`. It fires once, so that a retry can succeed.
    fn fires(&mut self, at: Fault) -> bool {
        let fires = self.fault == Some(at) && !self.fired && !self.aside;
        self.fired |= fires;
        fires
    }

    /// Counts a statement, and tells whether it fails.
    fn statement_fires(&mut self, reads: bool) -> bool {
        let at = if reads { Fault::Read(self.reads) } else { Fault::Statement(self.statements) };
        let one = u64::from(!self.aside);
        *(if reads { &mut self.reads } else { &mut self.statements }) += one;
        self.fires(at)
    }
}

/// A store around another one, which fails once where it is armed to.
///
/// To try every place: arm `Fault::Statement(0)`, `(1)`, .. until [`disarm`](Self::disarm) says that
/// nothing fired.
///
/// ```
/// use agentidp_core::NewOrg;
/// use agentidp_testkit::{Fault, TestIdp};
/// let test = TestIdp::in_memory();
/// for statement in 0.. {
///     test.store.arm(Fault::Statement(statement));
///     let made = test.idp.create_org(NewOrg::new("acme"));
///     if !test.store.disarm() {
///         assert!(made.is_ok(), "no statement is left to fail");
///         break;
///     }
///     assert!(made.is_err() && test.idp.find_org("acme").is_err(), "nothing is left behind");
/// }
/// test.finish();
/// ```
pub struct FaultStore {
    inner: Arc<dyn Store>,
    plan: Arc<Mutex<Plan>>,
}

impl FaultStore {
    /// A store that does as `inner` does until it is armed.
    pub fn new(inner: Arc<dyn Store>) -> FaultStore {
        FaultStore { inner, plan: Arc::default() }
    }

    /// Fails once at `fault`, counting from now.
    pub fn arm(&self, fault: Fault) {
        *self.plan() = Plan { fault: Some(fault), ..Plan::default() };
    }

    /// Fails no more, and tells whether the fault fired.
    pub fn disarm(&self) -> bool {
        std::mem::take(&mut *self.plan()).fired
    }

    /// What `look` sees, of which nothing is counted and nothing fails: for what a test does between
    /// the verbs that it tries.
    pub fn aside<T>(&self, look: impl FnOnce() -> T) -> T {
        self.plan().aside = true;
        let seen = look();
        self.plan().aside = false;
        seen
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        lock(&self.plan)
    }
}

impl Store for FaultStore {
    fn write_tx(
        &self,
        name: &'static str,
        scope: &Scope,
        body: &mut Body<'_>,
    ) -> Result<(), StoreError> {
        let mut ended = (Verdict::Rollback, false);
        self.inner.write_tx(name, scope, &mut |tx| {
            ended = run(&self.plan, tx, body);
            if ended.1 { Verdict::Rollback } else { ended.0 }
        })?;
        told(&self.plan, ended)
    }

    fn write_owned_tx(
        &self,
        name: &'static str,
        scope: &Scope,
        body: Box<OwnedBody>,
    ) -> Result<(), StoreError> {
        let (faulty, ended) = faulty(&self.plan, body);
        self.inner.write_owned_tx(name, scope, faulty)?;
        let ended = *lock(&ended);
        told(&self.plan, ended)
    }

    fn submit_tx(&self, name: &'static str, scope: &Scope, body: Box<OwnedBody>, done: Done) {
        let (faulty, ended) = faulty(&self.plan, body);
        let plan = Arc::clone(&self.plan);
        let tell = move |result: Result<(), StoreError>| {
            let ended = *lock(&ended);
            done(result.and_then(|()| told(&plan, ended)));
        };
        self.inner.submit_tx(name, scope, faulty, Box::new(tell));
    }

    fn submits(&self) -> bool {
        self.inner.submits()
    }

    fn read_tx(&self, scope: &Scope, body: &mut Body<'_>) -> Result<(), StoreError> {
        self.inner.read_tx(scope, &mut |tx| {
            body(&mut FaultTx { inner: tx, plan: &self.plan, reads: true, failed: false })
        })
    }

    fn is_hot_row_cheap(&self) -> bool {
        self.inner.is_hot_row_cheap()
    }

    fn settle(&self) -> Result<(), StoreError> {
        self.inner.settle()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn commit_fires(plan: &Mutex<Plan>, fault: fn(u64) -> Fault) -> bool {
    let mut plan = lock(plan);
    let at = fault(plan.commits);
    plan.fires(at)
}

/// `body` over a transaction that fails where it is to, and how it ended.
fn faulty(
    plan: &Arc<Mutex<Plan>>,
    mut body: Box<OwnedBody>,
) -> (Box<OwnedBody>, Arc<Mutex<Ended>>) {
    let ended = Arc::new(Mutex::new((Verdict::Rollback, false)));
    let (plan, slot) = (Arc::clone(plan), Arc::clone(&ended));
    let faulty = move |tx: &mut dyn Tx| {
        let ended = run(&plan, tx, &mut *body);
        *lock(&slot) = ended;
        if ended.1 { Verdict::Rollback } else { ended.0 }
    };
    (Box::new(faulty), ended)
}

/// What the caller is told of a transaction that ended so.
fn told(plan: &Mutex<Plan>, ended: Ended) -> Result<(), StoreError> {
    match ended {
        (_, true) => Err(StoreError::Injected),
        (Verdict::Rollback, false) => Ok(()),
        (Verdict::Commit, false) => {
            let lost = commit_fires(plan, Fault::AfterCommit);
            let mut plan = lock(plan);
            plan.commits += u64::from(!plan.aside);
            let unknown = || Err(StoreError::OutcomeUnknown("injected".to_owned()));
            if lost { unknown() } else { Ok(()) }
        }
    }
}

/// Runs `body` over a transaction that fails where it is to; what the body wanted, and whether its
/// commit is refused.
fn run(plan: &Mutex<Plan>, tx: &mut dyn Tx, body: &mut Body<'_>) -> Ended {
    let mut tx = FaultTx { inner: tx, plan, reads: false, failed: false };
    let verdict = body(&mut tx);
    let commits = verdict == Verdict::Commit;
    let refused = commits && (tx.failed || commit_fires(plan, Fault::BeforeCommit));
    (verdict, refused)
}

struct FaultTx<'a> {
    inner: &'a mut dyn Tx,
    plan: &'a Mutex<Plan>,
    /// Whether its transaction only reads.
    reads: bool,
    failed: bool,
}

impl FaultTx<'_> {
    /// Counts a statement. Once one has failed, so do all that follow, as on a real engine.
    fn count(&mut self) -> Result<(), StoreError> {
        self.failed |= lock(self.plan).statement_fires(self.reads);
        if self.failed { Err(StoreError::Injected) } else { Ok(()) }
    }
}

impl Tx for FaultTx<'_> {
    fn scope(&self) -> &Scope {
        self.inner.scope()
    }

    fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, StoreError> {
        self.count()?;
        self.inner.execute(sql, params)
    }

    fn query(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        each: &mut EachRow<'_>,
    ) -> Result<(), StoreError> {
        self.count()?;
        self.inner.query(sql, params, each)
    }

    fn append_entry(&mut self, event_id: &str, entry: &str) -> Result<(), StoreError> {
        self.count()?;
        self.inner.append_entry(event_id, entry)
    }

    fn count_tokens(&mut self, month: Month, count: i64, limit: i64) -> Result<bool, StoreError> {
        self.count()?;
        self.inner.count_tokens(month, count, limit)
    }

    fn rows_at_once(&self) -> usize {
        self.inner.rows_at_once()
    }

    fn writes_alone(&self) -> bool {
        self.inner.writes_alone()
    }

    fn epoch(&self) -> Option<Epoch> {
        self.inner.epoch()
    }
}
