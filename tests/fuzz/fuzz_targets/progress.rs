//! See `manyhands_fuzz::progress`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(progress);
