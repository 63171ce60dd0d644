//! Runnable examples: `axum-site.rs`, `plain-hyper.rs`, and `systemd/` for the reverse proxy.
