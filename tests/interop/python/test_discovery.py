"""Metadata, as authlib's models of RFC 8414 and OpenID Connect Discovery read it."""

import pytest
import requests
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from authlib.oidc.discovery import OpenIDProviderMetadata
from authlib.oidc.discovery import get_well_known_url as oidc_url


def for_authlib(document):
    """The document as authlib can read it: it takes an empty list of response types for none at all.

    RFC 8414 section 2 requires the member, and its value is a list: of nothing, where there is no response
    type. Only `validate()` asks whether the list is empty, where it means whether it is there.
    """
    assert isinstance(document["response_types_supported"], list)
    return {**document, "response_types_supported": document["response_types_supported"] or ["none"]}


def test_authlib_takes_the_metadata_of_rfc_8414(instance):
    AuthorizationServerMetadata(for_authlib(instance.metadata)).validate()
    assert instance.metadata["issuer"] == instance.issuer


def test_authlib_takes_the_openid_document(instance):
    # Among others: RS256 MUST be among the algorithms of ID tokens (Discovery section 3).
    document = instance.get(oidc_url(instance.issuer, external=True))
    document = OpenIDProviderMetadata(for_authlib(document))
    document.validate()
    assert document["issuer"] == instance.issuer


def test_every_list_of_grants_and_methods_is_given(instance):
    # Left out, they would mean something else (RFC 8414 section 2).
    for name in ("grant_types_supported", "token_endpoint_auth_methods_supported"):
        assert isinstance(instance.metadata[name], list)


@pytest.mark.parametrize("suffix", ["oauth-authorization-server", "openid-configuration"])
def test_documents_of_issuers_that_are_not_ours_are_not_made_up(instance, suffix):
    url = get_well_known_url(instance.issuer, external=True, suffix=suffix)
    assert requests.get(f"{url}/another", timeout=10).status_code == 404
