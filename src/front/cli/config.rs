//! `oast config`.

use super::{
    answer,
    arguments::{Config, Global},
    ending::Ending,
    failure::Failure,
    settings,
};
use crate::config::{Layers, schema};

/// Prints the configuration that is in force, or what it could be.
pub(super) fn config(global: &Global, Config { schema: wants_schema, defaults }: Config) -> Result<Ending, Failure> {
    if wants_schema {
        return answer(format!("{:#}\n", schema()).as_bytes());
    }
    let effective = if defaults { Layers::new().load()? } else { settings::load(global)? };
    if !global.json {
        return answer(effective.render().as_bytes());
    }
    let settings = effective.settings();
    let lines = settings.iter().map(|setting| {
        let section = [&setting.section, "."].concat();
        let key = format!("{}{}", section.trim_start_matches('.'), setting.key);
        let json = serde_json::json!({ "key": key, "value": setting.value, "from": setting.origin_text() });
        format!("{json}\n")
    });
    answer(lines.collect::<String>().as_bytes())
}
