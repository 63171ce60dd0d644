//! See `manyhands_fuzz::mirror_address`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(mirror_address);
