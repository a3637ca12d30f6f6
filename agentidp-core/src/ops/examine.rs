//! Looking at an instance that may be out of order. Nothing here changes anything, and what one
//! look cannot tell does not keep the next from being taken.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::ChainReport;
use crate::base::{Clock, InstanceId, OrgId, Rng, Timestamp, limits};
use crate::crypto::{Alg, CryptoProvider, KekSalt, KekSource};
use crate::error::ErrorCode;
use crate::model::{HealthCheck, Issuer, KeyPolicy, Slug};
use crate::policy::Rules;
use crate::store::installation::InstanceRow;
use crate::store::instance::{self, PublicIdKind};
use crate::store::{Scope, Store, StoreError};

use super::context::Parts;
use super::error::{AuditError, OpenError};
use super::keyring::Keyring;
use super::signing::SigningKeys;
use super::{audit, init};

/// What is examined, and what the configuration says about it.
pub(crate) struct Subject {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) provider: CryptoProvider,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) kek: Option<KekSource>,
    pub(crate) issuer: Option<String>,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) token_alg: Alg,
}

/// How far an examination goes, and who is told how far it has come.
pub(crate) struct Reach<'a> {
    /// Most organizations whose trail is verified.
    pub(crate) trails_max: usize,
    /// Told after each trail how many are done.
    pub(crate) progress: &'a mut dyn FnMut(usize),
}

/// Looks at the instance in the store: whose it is, its keys, its trails, the clock.
pub(crate) fn instance(subject: &Subject, reach: &mut Reach<'_>) -> Vec<HealthCheck> {
    let (row, belongs) = identity(subject);
    let mut checks = vec![belongs];
    checks.extend(keys(subject, row.as_ref()));
    let mut newest = None;
    checks.push(match row.as_ref().and_then(|row| Issuer::parse(&row.issuer).ok()) {
        Some(issuer) => {
            let (check, time) = trails(subject, &issuer, reach);
            newest = time;
            check
        }
        None => skipped("audit"),
    });
    checks.push(clock(&*subject.clock, row.map(|row| row.created_at), newest));
    checks
}

/// Looks at what can be told of keys where there is no database to try them on.
pub(crate) fn without_database(kek: Option<&KekSource>, clock_now: &dyn Clock) -> Vec<HealthCheck> {
    let mut checks = vec![skipped("instance")];
    checks.extend(kek.map(kek_alone));
    checks.extend([skipped("signing-keys"), skipped("audit"), clock(clock_now, None, None)]);
    checks
}

fn skipped(name: &'static str) -> HealthCheck {
    HealthCheck::skipped(name, "not looked at: there is no instance to be read")
}

fn failed(name: &'static str, error: &OpenError) -> HealthCheck {
    HealthCheck::failed(name, error.to_string(), error.code().hint())
}

/// A database without the instance that should be in it.
pub(crate) fn no_instance(name: &'static str) -> HealthCheck {
    let hint = "name the database that holds it, or restore it from a backup";
    HealthCheck::failed(name, OpenError::NotInitialized.to_string(), hint)
}

/// Whether the database holds an instance, and the one that is expected.
fn identity(subject: &Subject) -> (Option<InstanceRow>, HealthCheck) {
    const NAME: &str = "instance";
    let row = match init::read(&*subject.store) {
        Ok(Some(row)) => row,
        Ok(None) => return (None, no_instance(NAME)),
        Err(error) => return (None, failed(NAME, &error)),
    };
    let (issuer, expected) = (subject.issuer.as_deref(), subject.instance.as_ref());
    let check = match init::belongs(&row, issuer, expected) {
        Ok(()) => HealthCheck::ok(NAME, format!("{}, {}", row.instance_id, row.issuer)),
        Err(error) => failed(NAME, &error),
    };
    (Some(row), check)
}

/// Whether the key-encryption key opens the root key, and that the keys below it.
fn keys(subject: &Subject, row: Option<&InstanceRow>) -> Vec<HealthCheck> {
    let nothing =
        || HealthCheck::skipped("signing-keys", "not looked at: the root key is not open");
    let Some(kek) = &subject.kek else { return vec![nothing()] };
    let Some(row) = row else { return vec![kek_alone(kek), nothing()] };
    let root = match init::root_key(row, kek) {
        Ok(root) => root,
        Err(error) => return vec![failed("kek", &error), nothing()],
    };
    let opens = format!("from {}, opens the instance's root key", kek.kind());
    let kek = HealthCheck::ok("kek", opens);
    let Ok(issuer) = Issuer::parse(&row.issuer) else { return vec![kek, nothing()] };
    let parts = Parts {
        store: Arc::clone(&subject.store),
        provider: subject.provider,
        clock: Arc::clone(&subject.clock),
        rng: Arc::clone(&subject.rng),
        issuer,
        token_alg: subject.token_alg,
        key_policy: KeyPolicy::default(),
        rules: Rules::default(),
        keyring: Keyring::new(root),
    };
    let loaded = SigningKeys::load(&parts);
    let signing = match loaded.and_then(|keys| keys.token(parts.token_alg).map(|_| ())) {
        Ok(()) => HealthCheck::ok("signing-keys", "all open, and there is one to sign tokens with"),
        Err(fault) => failed("signing-keys", &OpenError::Fault(fault)),
    };
    vec![kek, signing]
}

/// What a key-encryption key tells without anything to open.
fn kek_alone(kek: &KekSource) -> HealthCheck {
    if kek.kind() == "passphrase" {
        return skipped("kek");
    }
    match kek.load(&KekSalt::from_bytes([0; 16])) {
        Ok(_) => {
            let detail = format!("from {}, not tried: there is no instance to be read", kek.kind());
            HealthCheck::ok("kek", detail)
        }
        Err(error) => failed("kek", &error.into()),
    }
}

/// Verifies the trails of organizations in the order of their ids, `system` first, and tells when
/// the newest entry was written.
fn trails(
    subject: &Subject,
    issuer: &Issuer,
    reach: &mut Reach<'_>,
) -> (HealthCheck, Option<Timestamp>) {
    let mut seen = Trails::default();
    let mut after: Option<OrgId> = None;
    loop {
        let page = subject.store.read(&Scope::Instance, |tx| {
            instance::organizations_after(tx, after.as_ref(), limits::PAGE_ITEMS_MAX)
        });
        let page: Vec<OrgId> = match page {
            Ok(page) => page,
            Err(error) => return (failed("audit", &OpenError::from(error)), seen.newest),
        };
        let left = reach.trails_max.saturating_sub(seen.verified);
        for organization in page.iter().take(left) {
            seen.verify(subject, issuer, organization);
            (reach.progress)(seen.verified);
        }
        if page.len() > left {
            return (seen.check(true), seen.newest);
        }
        match page.last() {
            Some(last) if page.len() == limits::PAGE_ITEMS_MAX => after = Some(last.clone()),
            _ => return (seen.check(false), seen.newest),
        }
    }
}

/// Verifies the trail of the organization of that slug or id, whatever else is out of order.
pub(crate) fn trail(
    store: &dyn Store,
    expected: (Option<&str>, Option<&InstanceId>),
    slug_or_id: &str,
    progress: &mut dyn FnMut(u64),
) -> Result<Result<ChainReport, AuditError>, OpenError> {
    let row = init::read(store)?.ok_or(OpenError::NotInitialized)?;
    let (issuer, instance) = expected;
    init::belongs(&row, issuer, instance)?;
    let issuer = Issuer::parse(&row.issuer)?;
    let organization = match OrgId::parse(slug_or_id) {
        Ok(id) => Some(id),
        Err(_) if !Slug::is_label(slug_or_id) => None,
        Err(_) => store.read::<_, StoreError>(&Scope::Instance, |tx| {
            instance::organization_of(tx, PublicIdKind::Slug, slug_or_id)
        })?,
    };
    let Some(organization) = organization else { return Ok(Err(AuditError::NotFound)) };
    let verified = audit::verify_numbered(store, &issuer, &organization, progress);
    Ok(verified.map(|(report, _)| report))
}

/// What the trails so far were like.
#[derive(Default)]
struct Trails {
    verified: usize,
    entries: u64,
    broken: usize,
    /// What is wrong with the first that is broken, and what to do.
    first: Option<(OrgId, String, &'static str)>,
    newest: Option<Timestamp>,
}

impl Trails {
    fn verify(&mut self, subject: &Subject, issuer: &Issuer, organization: &OrgId) {
        self.verified += 1;
        let wrong = match audit::verify_numbered(&*subject.store, issuer, organization, &mut |_| {})
        {
            Ok((report, newest)) => {
                self.entries += report.size;
                self.newest = self.newest.max(newest);
                let at = report.broken_at_event_id.map(|event| format!(", the first at {event}"));
                let findings = format!("findings: {}", report.findings_count);
                let hint = ErrorCode::AuditBroken.hint();
                (!report.valid).then(|| (findings + at.as_deref().unwrap_or_default(), hint))
            }
            // Deleted while we looked.
            Err(AuditError::NotFound) => None,
            Err(error) => Some((error.to_string(), error.code().hint())),
        };
        if let Some((wrong, hint)) = wrong {
            self.broken += 1;
            self.first.get_or_insert_with(|| (organization.clone(), wrong, hint));
        }
    }

    fn check(&self, more: bool) -> HealthCheck {
        let of = if more { "the first " } else { "" };
        let Some((organization, wrong, hint)) = &self.first else {
            let (verified, entries) = (self.verified, self.entries);
            let detail = format!("trails that verify: {of}{verified}, with {entries} entries");
            let mut check = HealthCheck::ok("audit", detail);
            check.hint = more.then(|| "there are more organizations: raise the limit".to_owned());
            return check;
        };
        let detail = format!(
            "trails that do not verify: {} of {of}{}; that of {organization}: {wrong}",
            self.broken, self.verified
        );
        HealthCheck::failed("audit", detail, *hint)
    }
}

/// How far another machine's clock, which wrote the newest entry, may be ahead of ours.
const AHEAD_MAX: Duration = Duration::from_secs(limits::SKEW_SECONDS.unsigned_abs());

/// Whether the clock goes on, and stands neither before the instance nor before its newest entry.
pub(crate) fn clock(
    clock: &dyn Clock,
    created_at: Option<Timestamp>,
    newest: Option<Timestamp>,
) -> HealthCheck {
    const HINT: &str = "set the system's clock, and keep it by NTP";
    let (earlier, now) = (clock.now(), clock.now());
    let behind = |time: &Timestamp| now.plus(AHEAD_MAX) < *time;
    let detail = if now < earlier {
        format!("it went back from {earlier} to {now} while it was looked at")
    } else if let Some(created_at) = created_at.filter(behind) {
        format!("it is {now}, and the instance was made at {created_at}")
    } else if let Some(newest) = newest.filter(behind) {
        format!("it is {now}, and the newest audit entry was written at {newest}")
    } else {
        return HealthCheck::ok("clock", format!("it is {now}"));
    };
    HealthCheck::failed("clock", detail, HINT)
}

/// Whether randomness comes, and is not always the same.
pub(crate) fn entropy(rng: &dyn Rng) -> HealthCheck {
    let draw = || {
        let mut bytes = [0; 32];
        rng.fill(&mut bytes).map(|()| bytes)
    };
    let hint = ErrorCode::EntropyFailed.hint();
    match (draw(), draw()) {
        (Ok(one), Ok(other)) if one != other => {
            HealthCheck::ok("entropy", "the system gives randomness")
        }
        (Ok(_), Ok(_)) => HealthCheck::failed("entropy", "two draws were the same", hint),
        (Err(error), _) | (_, Err(error)) => {
            HealthCheck::failed("entropy", error.to_string(), hint)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::EntropyError;
    use crate::model::HealthStatus;
    use std::sync::atomic::{AtomicI64, Ordering};

    #[derive(Debug)]
    struct Stepping(AtomicI64, i64);

    impl Clock for Stepping {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(self.0.fetch_add(self.1, Ordering::Relaxed))
        }
    }

    #[derive(Debug)]
    struct Same(Result<u8, EntropyError>);

    impl Rng for Same {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            self.0.map(|byte| bytes.fill(byte))
        }
    }

    #[test]
    fn a_clock_that_stands_wrong_is_found() {
        let at = |seconds| Some(Timestamp::from_seconds(seconds));
        let look = |step, created_at, newest| {
            clock(&Stepping(AtomicI64::new(1000), step), created_at, newest).status
        };
        assert_eq!(look(0, at(900), at(1060)), HealthStatus::Ok);
        assert_eq!(look(0, at(900), at(1061)), HealthStatus::Failed);
        assert_eq!(look(0, at(1061), None), HealthStatus::Failed);
        assert_eq!(look(-1, None, None), HealthStatus::Failed);
        assert_eq!(look(1, None, None), HealthStatus::Ok);
    }

    #[test]
    fn randomness_that_fails_or_repeats_is_found() {
        assert_eq!(entropy(&crate::base::SystemRng).status, HealthStatus::Ok);
        assert_eq!(entropy(&Same(Ok(7))).status, HealthStatus::Failed);
        assert_eq!(entropy(&Same(Err(EntropyError))).status, HealthStatus::Failed);
    }
}
