//! The reverse proxy: upstream client, forwarding rules, TLS and listeners
