//! See `manyhands_fuzz::injector`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(injector);
