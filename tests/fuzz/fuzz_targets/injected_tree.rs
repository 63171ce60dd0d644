//! See `manyhands_fuzz::injected_tree`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(injected_tree);
