//! See `manyhands_fuzz::tracker_message`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(tracker_message);
