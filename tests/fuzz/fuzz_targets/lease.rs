//! See `manyhands_fuzz::lease`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(lease);
