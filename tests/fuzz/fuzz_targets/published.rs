//! See `manyhands_fuzz::published`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(published);
