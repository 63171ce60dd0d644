//! Test support: loopback origins with faults and rate caps, virtual clock
