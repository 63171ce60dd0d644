//! Tracker messages, swarm state, the SDP gate and STUN messages, without any IO
