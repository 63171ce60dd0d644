//! See `manyhands_fuzz::mirror_authorization`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(mirror_authorization);
