//! See `manyhands_fuzz::report`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(report);
