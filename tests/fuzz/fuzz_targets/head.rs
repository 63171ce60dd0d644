//! See `manyhands_fuzz::head`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(head);
