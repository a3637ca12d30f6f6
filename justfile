# `just check` while working, `just test` before handing over.

# What is here.
default:
    @just --list

# The fast part of scripts/test: no network, no PostgreSQL.
check:
    cargo fmt --all --check
    cargo clippy --offline --workspace --all-targets -- -D warnings
    cargo run --quiet --offline -p xtask -- tidy
    cargo nextest run --offline --workspace --lib --bins

# Everything; installs what is missing.
test:
    scripts/test

# Writes what is generated into docs: run it when `scripts/test` says that they differ.
docs:
    UPDATE_DOCS=1 cargo nextest run --workspace --all-features the_document_is_the_table

# Long proofs: kill, fuzz, schemathesis, bench, coverage, or all of them.
soak *parts:
    scripts/soak {{parts}}

# Measured beside the machine's own limits.
bench:
    scripts/soak bench

# Tokens over HTTP, beside npm oidc-provider: with nothing else running.
bench-http *binary:
    scripts/bench-http {{binary}}

# Lists the library's public API anew: read the difference before committing it.
api:
    cargo run --quiet -p xtask --features public-api -- api --write

# The main job on SQLite, told step by step.
quickstart *arguments:
    cargo run --release --bin agentidp -- quickstart {{arguments}}
