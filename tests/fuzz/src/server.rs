//! The configuration file.

use manyhands_server::Config;

use crate::text;

/// A configuration that passes its check is read back alike.
pub fn config(data: &[u8]) {
    let Some(config) = text(data).and_then(|text| toml::from_str::<Config>(text).ok()) else {
        return;
    };
    if config.clone().check().is_ok() {
        let printed = toml::to_string(&config).expect("what was read can be written");
        assert_eq!(toml::from_str(&printed).as_ref(), Ok(&config), "{printed}");
    }
}
