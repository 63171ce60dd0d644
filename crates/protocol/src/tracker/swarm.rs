//! One swarm.
