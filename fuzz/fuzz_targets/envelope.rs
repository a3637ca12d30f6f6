//! No bytes open that were not sealed.
#![no_main]

use agentidp_core::crypto::{DataKey, Place, data_key_id, open};
use agentidp_core::{DataKeyId, OrgId, SecretBytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let id = data_key_id(bytes).unwrap_or(DataKeyId::from_bytes([0; 16]));
    let key = DataKey::new(id, SecretBytes::new(vec![7; 32])).expect("32 bytes");
    let organization_id = OrgId::system();
    let place = Place { organization_id: &organization_id, table: "t", column: "c", row: "r" };
    assert!(open(&key, &place, bytes).is_err());
});
