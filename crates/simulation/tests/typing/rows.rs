//! Random rows, and every way in which their JSON can be spelled.

use simulation::fault::Chance;

/// One object as JSON text.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) json: String,
}

/// Few names, so that columns meet many kinds of value.
const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "long_name_of_a_column"];

/// The kinds of value that come in each column: one as a rule, or every column would end as a string.
pub(crate) struct Kinds {
    of_columns: Vec<u64>,
    /// One value in so many is of any kind; 0 for none.
    strays: u64,
}

impl Kinds {
    pub(crate) fn any(chance: &mut Chance) -> Kinds {
        Kinds {
            of_columns: NAMES.iter().map(|_| chance.below(12)).collect(),
            strays: chance.pick(&[0, 0, 0, 8, 30]),
        }
    }
}

/// At least one row.
pub(crate) fn page(chance: &mut Chance, kinds: &Kinds) -> Vec<Row> {
    (0..=chance.below(5)).map(|_| row(chance, kinds)).collect()
}

fn row(chance: &mut Chance, kinds: &Kinds) -> Row {
    let mut json = format!("{{{}", space(chance));
    let mut is_first = true;
    for (name, kind) in NAMES.iter().zip(&kinds.of_columns) {
        let times = match chance.below(12) {
            0 => 0,
            1 => 2,
            _ => 1,
        };
        for _ in 0..times {
            if !is_first {
                json += ",";
            }
            is_first = false;
            let value = value(chance, *kind, kinds.strays);
            let (one, two, three) = (space(chance), space(chance), space(chance));
            json += &format!("{one}{}{two}:{three}{value}{one}", spelled_name(name, chance));
        }
    }
    json += "}";
    Row { json }
}

/// The page as a list.
pub(crate) fn text(rows: &[Row], chance: &mut Chance) -> String {
    let rows: Vec<String> =
        rows.iter().map(|row| format!("{}{}{}", space(chance), row.json, space(chance))).collect();
    format!("[{}]", rows.join(","))
}

/// A string may spell a character by its number: some encoders write `+` as `\u002B`.
fn spelled(string: &str, chance: &mut Chance) -> String {
    let at = 1 + usize::try_from(chance.below(40)).expect("a small number");
    match string.as_bytes().get(at) {
        Some(byte) if at + 1 < string.len() && *byte != b'\\' && chance.below(3) == 0 => {
            format!("{}\\u{byte:04X}{}", &string[..at], &string[at + 1..])
        }
        _ => string.to_owned(),
    }
}

fn space(chance: &mut Chance) -> &'static str {
    chance.pick(&["", "", "", " ", "\n", "\t \r\n"])
}

/// A name may hide behind escapes.
fn spelled_name(name: &str, chance: &mut Chance) -> String {
    if chance.below(8) > 0 {
        return format!("\"{name}\"");
    }
    let first = u32::from(name.as_bytes()[0]);
    format!("\"\\u{first:04x}{}\"", &name[1..])
}

fn value(chance: &mut Chance, kind: u64, strays: u64) -> String {
    if chance.below(10) == 0 {
        return "null".to_owned();
    }
    let is_stray = strays > 0 && chance.below(strays) == 0;
    let kind = if is_stray { chance.below(12) } else { kind };
    match kind {
        0 => chance.pick(&["true", "false"]).to_string(),
        1 | 2 => integer(chance),
        3 | 4 => number(chance),
        5 => everyday_number(chance),
        6 => spelled(&quoted_date(chance), chance),
        7 => spelled(&quoted_time(chance, ""), chance),
        8 => {
            let zone = chance.pick(&["Z", "Z", "+00:00", "-01:30", "+0200", "-05", "+18:00", "z"]);
            spelled(&quoted_time(chance, zone), chance)
        }
        9 => {
            let inner = if chance.below(2) == 0 { number(chance) } else { integer(chance) };
            let inner = chance.pick(&[inner, "t".into(), "f".into(), "true".into(), "007".into()]);
            spelled(&format!("\"{inner}\""), chance)
        }
        10 => string(chance),
        _ => nested(chance, 3),
    }
}

fn digits(chance: &mut Chance, most: u64) -> String {
    let count = match chance.below(4) {
        0 => 1 + chance.below(2),
        1 => 15 + chance.below(6),
        _ => 1 + chance.below(most),
    };
    // Zeros and nines are where digits get lost.
    let digit = |chance: &mut Chance| match chance.below(4) {
        0 => b'0',
        1 => b'9',
        _ => b'0' + u8::try_from(chance.below(10)).expect("a digit"),
    };
    (0..count).map(|_| char::from(digit(chance))).collect()
}

fn integer(chance: &mut Chance) -> String {
    let size = match chance.below(6) {
        0 => chance.any().to_string(),
        1 => (1_u128 << chance.below(127)).to_string(),
        2 => ((1_u128 << chance.below(127)) + 1).to_string(),
        _ => digits(chance, 45).trim_start_matches('0').to_owned(),
    };
    let size = if size.is_empty() { "0".to_owned() } else { size };
    if chance.below(3) == 0 { format!("-{size}") } else { size }
}

fn number(chance: &mut Chance) -> String {
    let whole = integer(chance);
    let whole = if chance.below(2) == 0 { whole } else { chance.below(100).to_string() };
    let fraction =
        if chance.below(4) > 0 { format!(".{}", digits(chance, 40)) } else { String::new() };
    let exponent = match chance.below(6) {
        0 => format!("e{}", chance.below(800))
            .replace('e', chance.pick(&["e", "E", "e-", "E+", "e-"])),
        1 => format!("e-{}", chance.below(30)),
        2 => format!("e{}", chance.below(30)),
        _ => String::new(),
    };
    format!("{whole}{fraction}{exponent}")
}

/// What prices and measures look like; a long among them is a double too.
fn everyday_number(chance: &mut Chance) -> String {
    let whole = chance.below(100_000);
    match chance.below(5) {
        0 => whole.to_string(),
        // Doubles between which two shortest texts are equally near.
        4 => format!("{}.{}", (1 << 49) + chance.below(1 << 52), chance.below(10)),
        1 => format!("-{whole}.{:02}", chance.below(100)),
        2 => format!("{whole}.{}e{}", chance.below(1000), chance.below(20)),
        _ => format!("{whole}.{:06}", chance.below(1_000_000)),
    }
}

fn date(chance: &mut Chance) -> String {
    let year = chance.pick(&[
        "0000", "0001", "1582", "1900", "1970", "2000", "2024", "2026", "9999", "10000", "99",
    ]);
    let (month, day) = (chance.below(14), chance.below(33));
    match chance.below(10) {
        0 => format!("{year}-{month}-{day}"),
        1 => format!("{year}-{month:02}-{day:02}x"),
        _ => format!("{year}-{:02}-{:02}", month.clamp(1, 12), day.clamp(1, 29)),
    }
}

fn quoted_date(chance: &mut Chance) -> String {
    format!("\"{}\"", date(chance))
}

fn quoted_time(chance: &mut Chance, zone: &str) -> String {
    let (hour, minute, second) = (chance.below(25), chance.below(60), chance.below(60));
    let fraction = match chance.below(4) {
        0 => format!(".{}", digits(chance, 8)),
        1 => ".5".to_owned(),
        _ => String::new(),
    };
    let between = if chance.below(12) == 0 { " " } else { "T" };
    format!("\"{}{between}{hour:02}:{minute:02}:{second:02}{fraction}{zone}\"", date(chance))
}

/// Any text, its characters escaped by chance.
fn string(chance: &mut Chance) -> String {
    const PARTS: [&str; 22] = [
        "a",
        "Z",
        " ",
        "é",
        "東",
        "\u{1f980}",
        "'",
        "{",
        "]",
        ",",
        ":",
        "0",
        "-",
        "\\\"",
        "\\\\",
        "\\/",
        "\\n",
        "\\b\\f\\r\\t",
        "\\u0000",
        "\\u00e9",
        "\\ud83e\\udd80",
        "\\u001f",
    ];
    const LONE: [&str; 3] = ["\\ud800", "\\udc00", "\\udfff\\ud800"];
    let mut text = String::from("\"");
    for _ in 0..chance.below(9) {
        text += if chance.below(12) == 0 { chance.pick(&LONE) } else { chance.pick(&PARTS) };
    }
    text + "\""
}

fn nested(chance: &mut Chance, depth: u64) -> String {
    let inner = |chance: &mut Chance| {
        if depth > 0 && chance.below(3) == 0 {
            nested(chance, depth - 1)
        } else {
            let kind = chance.below(10);
            value(chance, kind, 0)
        }
    };
    let members: Vec<String> = (0..chance.below(4)).map(|_| inner(chance)).collect();
    let space = space(chance);
    if chance.below(2) == 0 {
        return format!("[{space}{}{space}]", members.join(","));
    }
    let members = members
        .iter()
        .map(|member| format!("{}{space}:{member}", string(&mut Chance::new(member.len() as u64))));
    format!("{{{space}{}{space}}}", members.collect::<Vec<_>>().join(","))
}
