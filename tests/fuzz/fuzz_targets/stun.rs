//! See `manyhands_fuzz::stun`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(stun);
