//! See `manyhands_fuzz::mirror_announce`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(mirror_announce);
