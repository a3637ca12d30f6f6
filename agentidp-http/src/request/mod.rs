//! Reading requests: forms, client authentication, bearer tokens, JSON, pages.
