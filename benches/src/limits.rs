//! What the machine can do at most: bounds, not forecasts.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use agentidp_core::crypto::{SignatureVerifier, Signer};
use agentidp_core::{Alg, CryptoProvider, SystemRng};
use rusqlite::Connection;

use crate::per_second;

/// A key whose signatures are made and checked by one thread, over a message as long as a token's.
pub(crate) struct RawKey {
    signer: Arc<dyn Signer>,
    verifier: Arc<dyn SignatureVerifier>,
}

const MESSAGE: [u8; 700] = [b'x'; 700];

impl RawKey {
    pub(crate) fn new(alg: Alg) -> RawKey {
        let provider = CryptoProvider::aws_lc();
        let key = provider.generate(alg, &SystemRng).expect("a key");
        let signer = provider.signer(&key).expect("a signer");
        let verifier = provider.verifier(signer.public_key()).expect("a verifier");
        RawKey { signer, verifier }
    }

    /// Signatures a second.
    pub(crate) fn sign(&self, seconds: f64) -> f64 {
        per_second(seconds, || self.signer.sign(&MESSAGE).map_or(0, |_| 1))
    }

    /// Verifications a second.
    pub(crate) fn verify(&self, seconds: f64) -> f64 {
        let signature = self.signer.sign(&MESSAGE).expect("a signature");
        per_second(seconds, || self.verifier.verify(&MESSAGE, &signature).map_or(0, |()| 1))
    }
}

/// Bare tables into which one thread writes the four rows of an issuance.
pub(crate) struct RawTables {
    connection: Connection,
    /// Issuances in a durable commit.
    group: usize,
    next: Cell<u64>,
}

impl RawTables {
    pub(crate) fn new(home: &Path, group: usize) -> RawTables {
        let connection =
            Connection::open(home.join(format!("raw-{group}.db"))).expect("a database");
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                 CREATE TABLE audit (seq INTEGER PRIMARY KEY, entry TEXT, hash BLOB);
                 CREATE TABLE outbox (id TEXT PRIMARY KEY, payload TEXT) WITHOUT ROWID;
                 CREATE TABLE token (jti TEXT PRIMARY KEY, agent TEXT) WITHOUT ROWID;
                 CREATE TABLE usage (org TEXT PRIMARY KEY, count INTEGER) WITHOUT ROWID;",
            )
            .expect("the tables");
        RawTables { connection, group, next: Cell::new(0) }
    }

    /// Issuances a second.
    pub(crate) fn issue(&self, seconds: f64) -> f64 {
        per_second(seconds, || self.commit())
    }

    fn commit(&self) -> usize {
        let (entry, payload, hash) = ("e".repeat(270), "p".repeat(250), [7u8; 32]);
        self.run("BEGIN IMMEDIATE", &[]);
        for _ in 0..self.group {
            self.next.set(self.next.get() + 1);
            let id = format!("{:036}", self.next.get());
            self.run("INSERT INTO audit (entry, hash) VALUES (?1, ?2)", &[&entry, &&hash[..]]);
            self.run("INSERT INTO outbox VALUES (?1, ?2)", &[&id, &payload]);
            self.run("INSERT INTO token VALUES (?1, ?2)", &[&id, &"agent"]);
            self.run(
                "INSERT INTO usage VALUES (?1, 1) ON CONFLICT (org) DO UPDATE SET count = count + 1",
                &[&"org"],
            );
        }
        self.run("COMMIT", &[]);
        self.group
    }

    fn run(&self, sql: &str, params: &[&dyn rusqlite::ToSql]) {
        let statement = self.connection.prepare_cached(sql);
        statement.and_then(|mut s| s.execute(params)).expect("a statement");
    }
}
