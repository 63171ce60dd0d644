//! See `manyhands_fuzz::mirror_doubt`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(mirror_doubt);
