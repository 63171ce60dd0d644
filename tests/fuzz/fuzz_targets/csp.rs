//! See `manyhands_fuzz::csp`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(csp);
