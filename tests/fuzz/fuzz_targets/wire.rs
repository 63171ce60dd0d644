//! See `manyhands_fuzz::wire`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(wire);
