use std::collections::BTreeMap;
use std::io::{self, Write};

use manyhands_experiment::Sums;

use super::archive::UnitKey;

pub(super) fn write(
    experiment: u64,
    units: &BTreeMap<UnitKey, Sums>,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(
        out,
        "experiment,block,arm,unit,demand,demand_bytes,requests,origin_bytes,overhead_bytes,aborted,failed"
    )?;
    for ((block, arm, name), sums) in units {
        let (arm, name) = (arm.name(), field(name));
        let Sums { demand, demand_bytes, requests, origin_bytes, overhead_bytes, aborted, failed } =
            *sums;
        writeln!(
            out,
            "{experiment},{block},{arm},{name},{demand},{demand_bytes},{requests},{origin_bytes},\
             {overhead_bytes},{aborted},{failed}"
        )?;
    }
    Ok(())
}

/// Paths are encoded, and yet hold commas. None starts with what a spreadsheet takes for a formula.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use manyhands_experiment::Arm;

    use super::*;

    #[test]
    fn a_unit_is_a_line_whatever_its_name() {
        let sums = Sums { demand: 2, origin_bytes: 30, ..Sums::default() };
        let units = BTreeMap::from([
            ((7, Arm::Http, "/a,b\".iso".to_owned()), sums),
            ((7, Arm::P2p, "/a.iso".to_owned()), sums),
        ]);
        let mut out = Vec::new();
        write(9, &units, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            ["9,7,http,\"/a,b\"\".iso\",2,0,0,30,0,0,0", "9,7,p2p,/a.iso,2,0,0,30,0,0,0"]
        );
    }
}
