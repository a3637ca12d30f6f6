//! Claims that are read are written and read again as the same claims. The targets `jwt` and `proofs`
//! stop at the signature, which no fuzzer can make.

use agentidp_core::base::limits::TOKEN_BYTES_MAX;
use agentidp_core::canon::parse_strict;
use agentidp_core::oidc::{bound_key, bound_to};
use agentidp_core::parsers::dpop_claims;
use agentidp_core::verify::{AccessTokenClaims, IdTokenClaims, ProvenRequest};
use agentidp_core::{ActorChain, Timestamp};

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_795_316_400);
pub(crate) const REQUEST: ProvenRequest<'static> = ProvenRequest {
    method: "POST",
    url: "https://idp.example.com/oauth2/token",
    access_token: Some("token"),
};

pub(crate) fn check(bytes: &[u8]) {
    if let Ok(claims) = AccessTokenClaims::from_payload(bytes) {
        assert_eq!(AccessTokenClaims::from_payload(&claims.to_payload()), Ok(claims));
    }
    if let Ok(claims) = IdTokenClaims::from_payload(bytes) {
        assert_eq!(IdTokenClaims::from_payload(&claims.to_payload()), Ok(claims));
    }
    if let Ok(proven) = dpop_claims(bytes, REQUEST, NOW) {
        assert!(proven.single_use.until > NOW);
    }
    if let Ok(value) = parse_strict(bytes, TOKEN_BYTES_MAX) {
        for act in [Some(&value), value.get("act")] {
            if let Some(chain) = ActorChain::from_claim(act) {
                assert_eq!(ActorChain::from_claim(chain.to_claim().as_ref()), Some(chain));
            }
        }
        if let Ok(Some(jkt)) = bound_key(Some(&value)) {
            assert_eq!(bound_to(jkt), value);
        }
    }
}
