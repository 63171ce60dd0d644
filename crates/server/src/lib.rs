//! Hash workers, asset store, tracker sockets, STUN and the reserved prefix
