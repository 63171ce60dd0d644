//! See `manyhands_fuzz::record`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(record);
