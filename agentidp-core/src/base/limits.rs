//! Every bound of the library in one place: what has no limit here has no business being a list,
//! a loop, a retry, a body, a queue or a cache.

use std::time::Duration;

/// Longest token read, in bytes, before anything of it is decoded.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Longest JWK set read, in bytes.
pub const JWKS_BYTES_MAX: usize = 1024 * 1024;
/// Most keys in one JWK set.
pub const JWKS_KEYS_MAX: usize = 64;
/// Longest `kid` read, in bytes.
pub const KID_BYTES_MAX: usize = 256;
/// Deepest nesting of foreign JSON.
pub const JSON_DEPTH_MAX: usize = 32;
/// Longest audit entry, in bytes.
pub const ENTRY_BYTES_MAX: usize = 65_535;
/// Most agents that act one for another in a token that was exchanged.
pub const ACTORS_MAX: usize = 4;
/// Longest time until a client's assertion expires, in seconds, and longest age of a proof's `iat`.
pub const ASSERTION_LIFE_SECONDS_MAX: i64 = 300;
/// Longest `jti` of a client's assertion or of the proof of a key, in bytes.
pub const FOREIGN_JTI_BYTES_MAX: usize = 255;
/// For how many seconds a nonce for proofs of keys is good, at least.
pub const DPOP_NONCE_SECONDS: i64 = 120;
/// Most proofs of keys at our own API that one process remembers, of each half of the time in which
/// they may be used.
pub const PROOFS_SEEN_MAX: usize = 100_000;
/// Clock skew granted to others, in seconds: one constant for all comparisons.
pub const SKEW_SECONDS: i64 = 60;
/// Life of an access token, in seconds, unless an organization asks for less.
pub const TOKEN_LIFE_SECONDS: i64 = 3600;
/// How far into the future tokens are ended, where they are. It covers tokens that are being issued
/// meanwhile: the longest wait for a lock (10 s on PostgreSQL) of the transaction that ends them, and
/// 5 s between the clocks of several machines.
pub const TOKENS_END_MARGIN: Duration = Duration::from_secs(15);
/// Most tokens of a month's quota that one process holds for an organization.
pub const QUOTA_LEASE_MAX: i64 = 512;
/// How long a process holds them unused before it returns them.
pub const QUOTA_LEASE_LIFE: Duration = Duration::from_secs(60);
/// Most organizations for which one process holds a part of their quota.
pub const QUOTA_LEASES_MAX: usize = 20_000;
/// Most revoked tokens that one transaction forgets once they have expired.
pub const PURGE_BATCH_MAX: u64 = 500;
/// Most transactions of one purge.
pub const PURGE_BATCHES_MAX: usize = 1000;
/// Longest life of a token that is accepted, in seconds.
pub const TOKEN_LIFE_SECONDS_MAX: i64 = 24 * 3600;
/// Shortest limit that the life of tokens may be given, in seconds: below, clocks decide. The longest
/// is [`TOKEN_LIFE_SECONDS`], beyond which a limit would limit nothing.
pub const TOKEN_LIFE_SECONDS_MIN: i64 = 60;
/// Longest name of an organization or agent, in characters.
pub const NAME_CHARS_MAX: usize = 200;
/// Longest description, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 2000;
/// Longest slug, in characters: a DNS label.
pub const SLUG_CHARS_MAX: usize = 63;
/// Most scopes of an agent, and most in one request.
pub const SCOPES_MAX: usize = 64;
/// Longest scope token, in characters.
pub const SCOPE_CHARS_MAX: usize = 128;
/// Longest text of all scopes of an agent or a request: with everything else as long as it may be, a
/// token that allows them is no longer than [`TOKEN_BYTES_MAX`].
pub const SCOPE_SET_CHARS_MAX: usize = 4096;
/// Most audiences of an agent.
pub const AUDIENCES_MAX: usize = 16;
/// Most capabilities of an agent.
pub const CAPABILITIES_MAX: usize = 64;
/// Longest name of a capability, in characters.
pub const CAPABILITY_CHARS_MAX: usize = 128;
/// Longest URL stored, in bytes.
pub const URL_BYTES_MAX: usize = 2048;
/// Largest limit that an organization may be given: the largest integer that every reader of JSON has
/// exactly (RFC 8259 section 6).
pub const ORG_LIMIT_MAX: i64 = (1 << 53) - 1;
/// Longest client secret that is looked at, in bytes.
pub const SECRET_BYTES_MAX: usize = 512;
/// Most live secrets of an agent: enough to rotate, too few to lose sight of.
pub const LIVE_SECRETS_MAX: usize = 5;
/// Most live public keys that an agent may prove itself by.
pub const LIVE_PUBLIC_KEYS_MAX: usize = 10;
/// Most keys of an agent that are published at once.
pub const AGENT_KEYS_MAX: usize = 10;
/// Longest time for which an old secret or key stays beside the one that replaces it.
pub const OVERLAP_MAX: Duration = Duration::from_secs(90 * 24 * 3600);
/// Longest line of an import, in bytes.
pub const IMPORT_LINE_BYTES_MAX: usize = 64 * 1024;
/// Most lines of one import.
pub const IMPORT_LINES_MAX: u64 = 1_000_000;
/// Most refused lines of an import that are told one by one.
pub const IMPORT_REFUSALS_TOLD_MAX: usize = 1000;
/// Most items of one page.
pub const PAGE_ITEMS_MAX: usize = 500;
/// Items of a page when nobody asks.
pub const PAGE_ITEMS: usize = 50;
/// Most write closures that share one commit.
pub const GROUP_COMMIT_MAX: usize = 256;
/// Entries by which a log has grown beyond its head when the head is written again, at the latest.
pub const HEAD_LAG_MAX: usize = 16;
/// For how long a head may lag behind its log.
pub const HEAD_LAG_LIFE: Duration = Duration::from_secs(5);
/// Most logs whose end a writer remembers.
pub const LOG_ENDS_MAX: usize = 20_000;
/// Most audit entries one run of the sequencer numbers.
pub const SEQUENCE_BATCH_MAX: usize = 1024;
/// Longest wait for another process to release the database.
pub const BUSY_WAIT_MAX: Duration = Duration::from_secs(10);
/// Most attempts of a transaction that PostgreSQL asks to repeat.
pub const TX_ATTEMPTS_MAX: u32 = 5;
/// Most connections of the PostgreSQL pool.
pub const POSTGRES_CONNECTIONS_MAX: u32 = 32;
/// Most clients whose decision is kept warm.
pub const CLIENT_CACHE_MAX: usize = 20_000;
/// Longest key of a request that is to be done once, in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// For how long the answer to such a request is kept.
pub const IDEMPOTENCY_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Most such requests of an organization that are remembered at once.
pub const IDEMPOTENCY_KEYS_MAX: usize = 10_000;
/// Longest answer that is kept, in bytes.
pub const IDEMPOTENCY_ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Threads on which an asynchronous host's verbs run: as many as there are connections to PostgreSQL.
/// They mostly wait for a commit that they share.
pub const ASYNC_THREADS: usize = 32;
/// Verbs of an asynchronous host that wait for a thread before the next is refused.
pub const ASYNC_QUEUE: usize = 1024;
/// Longest key-encryption key file read, in bytes.
pub const KEK_FILE_BYTES_MAX: u64 = 4096;
/// For how long a key set may be kept by those who fetched it (`Cache-Control: max-age`).
pub const JWKS_AGE_MAX: Duration = Duration::from_secs(10 * 60);
/// For how long a process may not have noticed that another one changed the instance's keys.
pub const KEYS_STALE_MAX: Duration = Duration::from_secs(5);
/// Shortest time between the publication of a key and its first signature: copies of the key set are
/// older by [`JWKS_AGE_MAX`] and [`KEYS_STALE_MAX`], and a commit may have had to wait.
pub const KEY_LEAD_MIN: Duration = Duration::from_secs(15 * 60);
/// Time between the publication of a key and its first signature, unless configured.
pub const KEY_LEAD: Duration = Duration::from_secs(24 * 3600);
/// Longest such time.
pub const KEY_LEAD_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Shortest time for which a key signs: keys that retired are published for a day, and there is room
/// for [`PUBLISHED_KEYS_MAX`] of them.
pub const KEY_ROTATION_MIN: Duration = Duration::from_secs(6 * 3600);
/// Time for which a key signs, unless configured.
pub const KEY_ROTATION: Duration = Duration::from_secs(90 * 24 * 3600);
/// Longest such time.
pub const KEY_ROTATION_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// For how long a key may sign before that is written down again. What is written down tells when the
/// last token of a key expires, even if clocks were set back or differ.
pub const SIGNING_LEASE: Duration = Duration::from_secs(3600);
/// For how long a key that signed tokens is published after the last of them could have been issued:
/// their longest life, the skew that verifiers grant, and as much between the clocks of our machines.
pub const KEY_RETENTION: Duration =
    Duration::from_secs((TOKEN_LIFE_SECONDS_MAX + 2 * SKEW_SECONDS).cast_unsigned());
/// Most published keys for tokens before no further one is made: half of what a set may hold.
pub const PUBLISHED_KEYS_MAX: usize = JWKS_KEYS_MAX / 2;
/// Most steps of keys that one tick takes.
pub const TICK_KEY_STEPS_MAX: usize = 32;
/// Most entries of the directory that a policy is read from.
pub const POLICY_ENTRIES_MAX: usize = 256;
/// Largest file of a policy, in bytes.
pub const POLICY_FILE_BYTES_MAX: u64 = 256 * 1024;
/// Deepest nesting of brackets in a policy: its parser tries each bracket in several ways, which takes
/// twice as long with each further one.
pub const POLICY_DEPTH_MAX: usize = 12;
/// Longest time that a policy may take for one decision: some thousand times what it should, so that a
/// loaded machine denies nobody.
pub const POLICY_TIME_MAX: Duration = Duration::from_millis(250);
