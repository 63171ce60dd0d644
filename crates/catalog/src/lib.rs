//! What is known of each asset: cold, hot, hashing, ready, stale
