//! See `manyhands_fuzz::mirror_feed`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(mirror_feed);
