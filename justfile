# The commands people need. `just` lists them.

default:
    @just --list

# Build and show the main job.
demo:
    cargo run --release -- demo

# All tests.
test:
    cargo test --workspace

# What a change must pass.
ci:
    .ci/run

# Format and lint.
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings

# The shell on a database.
shell DATABASE=":memory:":
    cargo run --release -- {{DATABASE}}

# The inspector on a file.
inspect +ARGS:
    cargo run --release -p fluxdb-inspect -- {{ARGS}}

# One benchmark, or all.
bench *NAME:
    cargo bench {{NAME}}
