//! See `manyhands_fuzz::config`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(config);
