//! What the machine can do at most: bounds, not forecasts.

use std::path::Path;

use agentidp_core::{Alg, CryptoProvider, SystemRng};
use rusqlite::Connection;

use crate::per_second;

/// Signatures a second of one thread, over a message as long as a token's, with a parsed key.
pub(crate) fn sign(alg: Alg, seconds: f64) -> f64 {
    let provider = CryptoProvider::aws_lc();
    let key = provider.generate(alg, &SystemRng).expect("a key");
    let signer = provider.signer(&key).expect("a signer");
    let message = [b'x'; 700];
    per_second(seconds, || signer.sign(&message).map_or(0, |_| 1))
}

/// Verifications a second of one thread, with a parsed key.
pub(crate) fn verify(alg: Alg, seconds: f64) -> f64 {
    let provider = CryptoProvider::aws_lc();
    let key = provider.generate(alg, &SystemRng).expect("a key");
    let signer = provider.signer(&key).expect("a signer");
    let verifier = provider.verifier(signer.public_key()).expect("a verifier");
    let message = [b'x'; 700];
    let signature = signer.sign(&message).expect("a signature");
    per_second(seconds, || verifier.verify(&message, &signature).map_or(0, |()| 1))
}

/// Issuances a second of one thread that writes the four rows of one into bare tables, `group` of
/// them in a durable commit.
pub(crate) fn sqlite(home: &Path, group: usize, seconds: f64) -> f64 {
    let path = home.join(format!("raw-{group}.db"));
    let connection = Connection::open(path).expect("a database");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE audit (seq INTEGER PRIMARY KEY, entry TEXT, hash BLOB);
             CREATE TABLE outbox (id TEXT PRIMARY KEY, payload TEXT) WITHOUT ROWID;
             CREATE TABLE token (jti TEXT PRIMARY KEY, agent TEXT) WITHOUT ROWID;
             CREATE TABLE usage (org TEXT PRIMARY KEY, count INTEGER) WITHOUT ROWID;",
        )
        .expect("the tables");
    let (entry, payload, hash) = ("e".repeat(270), "p".repeat(250), [7u8; 32]);
    let mut next = 0u64;
    per_second(seconds, || {
        let run = |sql: &str, params: &[&dyn rusqlite::ToSql]| {
            connection
                .prepare_cached(sql)
                .and_then(|mut s| s.execute(params))
                .expect("a statement");
        };
        run("BEGIN IMMEDIATE", &[]);
        for _ in 0..group {
            next += 1;
            let id = format!("{next:036}");
            run("INSERT INTO audit (entry, hash) VALUES (?1, ?2)", &[&entry, &&hash[..]]);
            run("INSERT INTO outbox VALUES (?1, ?2)", &[&id, &payload]);
            run("INSERT INTO token VALUES (?1, ?2)", &[&id, &"agent"]);
            run(
                "INSERT INTO usage VALUES (?1, 1) ON CONFLICT (org) DO UPDATE SET count = count + 1",
                &[&"org"],
            );
        }
        run("COMMIT", &[]);
        group
    })
}
