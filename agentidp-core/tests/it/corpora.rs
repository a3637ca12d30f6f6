//! Replays the seeds of the fuzz targets, and every seed with a byte changed or cut off, through the
//! same functions: a parser of foreign bytes does not panic.

use agentidp_core::canon::parse_strict;
use agentidp_core::crypto::{DataKey, Place, data_key_id, open};
use agentidp_core::import::ImportLine;
use agentidp_core::jose::{Jwk, Jwks};
use agentidp_core::{DataKeyId, OrgId, SecretBytes};
use agentidp_testkit::{replay, seeds};

use crate::common::Issuer;

#[test]
fn jwt() {
    let issuer = Issuer::one();
    replay("jwt", |bytes| {
        if let Ok(token) = std::str::from_utf8(bytes) {
            assert!(issuer.verify(token).is_err());
            assert!(issuer.verify_id(token).is_err());
        }
    });
}

#[test]
fn jwk() {
    replay("jwk", |bytes| {
        if let Ok(key) = Jwk::parse(bytes) {
            assert_eq!(Jwk::parse(key.to_value().to_string().as_bytes()), Ok(key));
        }
    });
}

#[test]
fn jwks() {
    replay("jwks", |bytes| {
        if let Ok(set) = Jwks::parse(bytes) {
            let again = Jwks::parse(set.to_json().as_bytes()).unwrap();
            assert_eq!(again.keys(), set.keys());
        }
    });
}

#[test]
fn envelope() {
    let id = DataKeyId::from_bytes([0; 16]);
    let key = DataKey::new(id, SecretBytes::new(vec![0; 32])).unwrap();
    let organization_id = OrgId::system();
    let place = Place { organization_id: &organization_id, table: "t", column: "c", row: "r" };
    replay("envelope", |bytes| {
        assert!(open(&key, &place, bytes).is_err());
        let _ = data_key_id(bytes);
    });
}

#[test]
fn import_line() {
    let mut read = 0;
    for seed in seeds("import_line") {
        read += usize::from(ImportLine::parse(&seed).is_ok());
    }
    assert_eq!(read, 5, "of the seeds these are right");
    replay("import_line", |bytes| {
        if let Err(refused) = ImportLine::parse(bytes) {
            assert!(refused.to_string().len() < 400);
        }
    });
}

#[test]
fn strict_json() {
    replay("strict_json", |bytes| {
        if let Ok(value) = parse_strict(bytes, 64 * 1024) {
            assert_eq!(parse_strict(value.to_string().as_bytes(), 1024 * 1024), Ok(value));
        }
    });
}
