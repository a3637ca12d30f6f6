//! Sealed values: what must not open, and what must not repeat.

use std::collections::HashSet;

use agentidp_core::crypto::{DataKey, Place, SealError, data_key_id, open, seal};
use agentidp_core::{DataKeyId, ErrorCode, OrgId, SecretBytes, SystemClock, SystemRng};
use proptest::prelude::*;

const PLAINTEXT: &[u8] = b"whsec_a webhook secret";

fn key() -> DataKey {
    DataKey::generate(DataKeyId::generate(&SystemClock, &SystemRng).unwrap(), &SystemRng).unwrap()
}

fn place(organization_id: &OrgId) -> Place<'_> {
    Place { organization_id, table: "webhooks", column: "secret", row: "row-1" }
}

#[test]
fn what_is_sealed_opens_and_names_its_key() {
    let (key, org) = (key(), OrgId::system());
    for plaintext in [&b""[..], b"x", PLAINTEXT, &[7; 70_000]] {
        let envelope = seal(&key, &place(&org), plaintext, &SystemRng).unwrap();
        assert_eq!(envelope.len(), 1 + 1 + 16 + 24 + 32 + plaintext.len() + 16);
        assert_eq!(open(&key, &place(&org), &envelope).unwrap().expose(), plaintext);
        assert_eq!(data_key_id(&envelope).unwrap(), *key.id());
    }
}

#[test]
fn every_flipped_bit_and_every_cut_give_the_same_error() {
    let (key, org) = (key(), OrgId::system());
    let envelope = seal(&key, &place(&org), PLAINTEXT, &SystemRng).unwrap();
    for bit in 0..envelope.len() * 8 {
        let mut flipped = envelope.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open(&key, &place(&org), &flipped).unwrap_err(), SealError::Broken, "bit {bit}");
    }
    for length in 0..envelope.len() {
        let error = open(&key, &place(&org), &envelope[..length]).unwrap_err();
        assert_eq!(error, SealError::Broken, "{length} bytes");
    }
    let longer = [envelope.as_slice(), &[0]].concat();
    assert_eq!(open(&key, &place(&org), &longer).unwrap_err(), SealError::Broken);
    assert_eq!(SealError::Broken.code(), ErrorCode::SealBroken);
}

#[test]
fn a_plaintext_is_never_taken_for_sealed() {
    let (key, org) = (key(), OrgId::system());
    for bytes in [&b""[..], PLAINTEXT, b"\x01\x01", &[1; 200], &[0; 200]] {
        assert_eq!(open(&key, &place(&org), bytes).unwrap_err(), SealError::Broken);
    }
}

#[test]
fn a_value_opens_only_where_it_was_sealed() {
    let key = key();
    let org = OrgId::system();
    let other = OrgId::generate(&SystemClock, &SystemRng).unwrap();
    let home = place(&org);
    let envelope = seal(&key, &home, PLAINTEXT, &SystemRng).unwrap();
    for moved in [
        Place { organization_id: &other, ..home },
        Place { table: "credentials", ..home },
        Place { column: "header", ..home },
        Place { row: "row-2", ..home },
        Place { row: "", ..home },
        // The same letters with other borders.
        Place { table: "webhookssecret", column: "", ..home },
        Place { table: "webhook", column: "ssecret", ..home },
        Place { column: "secretrow-1", row: "", ..home },
    ] {
        assert_eq!(open(&key, &moved, &envelope).unwrap_err(), SealError::Broken, "{moved:?}");
    }
}

/// XChaCha20-Poly1305 alone commits to no key. Here an envelope carries one commitment, and whichever
/// of two keys it is made for, the other refuses before the cipher is asked.
#[test]
fn no_envelope_opens_under_two_keys() {
    let org = OrgId::system();
    let id = DataKeyId::generate(&SystemClock, &SystemRng).unwrap();
    let first = DataKey::new(id.clone(), SecretBytes::new(vec![1; 32])).unwrap();
    let second = DataKey::new(id, SecretBytes::new(vec![2; 32])).unwrap();
    let for_first = seal(&first, &place(&org), PLAINTEXT, &Fixed(9)).unwrap();
    let for_second = seal(&second, &place(&org), PLAINTEXT, &Fixed(9)).unwrap();
    assert_eq!(for_first[..42], for_second[..42], "the same nonce on purpose");
    assert_ne!(for_first[42..74], for_second[42..74], "another commitment");
    assert_eq!(open(&second, &place(&org), &for_first).unwrap_err(), SealError::Broken);
    let mut swapped = for_first;
    swapped[42..74].copy_from_slice(&for_second[42..74]);
    for key in [&first, &second] {
        assert_eq!(open(key, &place(&org), &swapped).unwrap_err(), SealError::Broken);
    }
}

/// Its name is how a destroyed key is told from one that is in use: the bytes alone open nothing.
#[test]
fn the_bytes_of_a_key_open_nothing_under_another_name() {
    let org = OrgId::system();
    let named = |id| DataKey::new(id, SecretBytes::new(vec![1; 32])).unwrap();
    let id = DataKeyId::from_bytes([1; 16]);
    let envelope = seal(&named(id.clone()), &place(&org), PLAINTEXT, &SystemRng).unwrap();
    let renamed = named(DataKeyId::from_bytes([2; 16]));
    assert_eq!(open(&renamed, &place(&org), &envelope).unwrap_err(), SealError::Broken);
    assert_eq!(open(&named(id), &place(&org), &envelope).unwrap().expose(), PLAINTEXT);
}

/// A generator that repeats one byte.
#[derive(Debug)]
struct Fixed(u8);

impl agentidp_core::Rng for Fixed {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), agentidp_core::base::EntropyError> {
        bytes.fill(self.0);
        Ok(())
    }
}

#[test]
fn a_hundred_thousand_nonces_are_distinct() {
    let (key, org) = (key(), OrgId::system());
    let mut nonces = HashSet::new();
    for _ in 0..100_000 {
        let envelope = seal(&key, &place(&org), b"", &SystemRng).unwrap();
        assert!(nonces.insert(<[u8; 24]>::try_from(&envelope[18..42]).unwrap()));
    }
}

#[test]
fn a_key_must_have_32_bytes_and_tells_nothing_of_itself() {
    for length in [0, 16, 31, 33] {
        let id = DataKeyId::generate(&SystemClock, &SystemRng).unwrap();
        let error = DataKey::new(id, SecretBytes::new(vec![0; length])).unwrap_err();
        assert_eq!(error, SealError::Length);
    }
    let id = DataKeyId::from_bytes([0; 16]);
    let debug = format!("{:?}", DataKey::new(id, SecretBytes::new(vec![77; 32])).unwrap());
    assert!(debug.contains("redacted") && !debug.contains("77"), "{debug}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes_survive_sealing_and_any_bytes_are_no_envelope(
        plaintext in proptest::collection::vec(any::<u8>(), 0..300),
        row in ".{0,40}",
    ) {
        let (key, org) = (key(), OrgId::system());
        let place = Place { row: &row, ..place(&org) };
        let envelope = seal(&key, &place, &plaintext, &SystemRng).unwrap();
        let opened = open(&key, &place, &envelope).unwrap();
        prop_assert_eq!(opened.expose(), plaintext.as_slice());
        prop_assert!(open(&key, &place, &plaintext).is_err());
    }
}
