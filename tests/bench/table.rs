//! Prints rows for people.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use crate::row::{Quantity, Row};

pub(crate) fn head() {
    line(["", "floor", "ours", "ratio", "target", "met?"]);
    println!("{}", "-".repeat(112));
}

pub(crate) fn print(row: &Row) {
    let quantity = |quantity: Option<Quantity>| quantity.map_or_else(String::new, |quantity| quantity.to_string());
    let ratio = row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    let met = match row.met {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    line([&row.name, &quantity(row.floor), &quantity(row.ours), &ratio, &row.target, met]);
}

/// What must not be overlooked.
pub(crate) fn foot(rows: &[Row], failed: &[String]) {
    println!();
    for row in rows.iter().filter(|row| row.is_skipped()) {
        println!("{}: {}", row.name, row.target);
    }
    for failure in failed {
        println!("FAILED: {failure}");
    }
    let count = |met: bool| rows.iter().filter(|row| row.met == Some(met)).count();
    println!("{} targets met, {} missed; load was {}", count(true), count(false), load());
}

pub(crate) fn say(text: &str) {
    println!("{text}");
}

fn line([name, floor, ours, ratio, target, met]: [&str; 6]) {
    println!("{name:<52} {floor:>12} {ours:>12} {ratio:>6}  {target:<22} {met}");
}

/// Figures from a busy machine are worth little.
fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("unknown").to_owned()
}
