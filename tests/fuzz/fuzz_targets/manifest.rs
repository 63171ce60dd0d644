//! See `manyhands_fuzz::manifest`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(manifest);
