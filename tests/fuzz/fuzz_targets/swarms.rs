//! See `manyhands_fuzz::swarms`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(swarms);
