//! Several samples of one API as tables: what each is called, and which is read for each row of another.

use super::find::{Found, Line};
use super::secret::{plain, secret_name};
use super::write::quoted;
use super::{Origin, Sample};

/// A table of the draft.
pub(super) struct TableDraft<'a> {
    pub(super) sample: &'a Sample,
    pub(super) found: Found,
    pub(super) name: String,
    /// What follows the host, with templates where a part of it is a field of the parent's row.
    pub(super) path: String,
    /// Whose rows it is read for, and why that is believed.
    pub(super) for_each: Option<Line>,
    /// Fields of the parent's row that are kept in this one's: a name, and where it is from.
    pub(super) include: Vec<(String, String)>,
    /// Parts of the path that nobody gives a value: `{{ config.NAME }}`.
    pub(super) config: Vec<String>,
}

/// A part of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Word(String),
    /// A field of the parent's row, or what a document leaves open: its name.
    Parameter(String),
}

/// A table whose place among the others is known.
struct Placed<'a> {
    parts: Vec<Part>,
    key: Option<String>,
    table: TableDraft<'a>,
}

/// Arranges samples that answer with rows, the shorter paths first. Of two that ask for the same, the one
/// with more rows stays.
pub(super) fn arrange(samples: Vec<(&Sample, Found)>) -> Vec<TableDraft<'_>> {
    let mut samples: Vec<_> =
        samples.into_iter().map(|(sample, found)| (parts(sample), sample, found)).collect();
    samples.sort_by(|(one, _, of_one), (other, _, of_other)| {
        let length = one.len().cmp(&other.len());
        length.then_with(|| one.cmp(other)).then(of_other.rows.cmp(&of_one.rows))
    });
    let mut placed: Vec<Placed<'_>> = Vec::new();
    for (mut parts, sample, found) in samples {
        let parent = parent_of(&mut parts, &placed);
        if placed.iter().any(|other| other.parts == parts) {
            continue;
        }
        let table = table(&parts, parent, sample, found, &placed);
        placed.push(Placed { parts, key: table.found.key_field.clone(), table });
    }
    placed.into_iter().map(|placed| placed.table).collect()
}

fn parts(sample: &Sample) -> Vec<Part> {
    let decoded =
        |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
    let words = sample.url.path().split('/').filter(|part| !part.is_empty()).map(decoded);
    let is_document = sample.origin == Origin::Document;
    let part = |word: String| match word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
        Some(name) if is_document => Part::Parameter(name.to_owned()),
        _ => Part::Word(word),
    };
    words.map(part).collect()
}

/// The table whose rows a path has the key of, and where in the path it stands. A recorded key becomes a
/// parameter on the way.
fn parent_of(parts: &mut [Part], placed: &[Placed<'_>]) -> Option<(usize, usize)> {
    let mut nearest = None;
    for at in 1..parts.len() {
        let found = placed.iter().position(|other| other.parts[..] == parts[..at]);
        let Some((index, key)) = found.and_then(|index| Some((index, placed[index].key.as_ref()?)))
        else {
            continue;
        };
        if let Part::Word(word) = &parts[at] {
            if !placed[index].table.found.key_values.contains(word) {
                continue;
            }
            parts[at] = Part::Parameter(format!("{}_{key}", placed[index].table.name));
        }
        nearest = Some((index, at));
    }
    nearest
}

fn table<'a>(
    parts: &[Part],
    parent: Option<(usize, usize)>,
    sample: &'a Sample,
    found: Found,
    placed: &[Placed<'_>],
) -> TableDraft<'a> {
    let mut table = TableDraft {
        sample,
        found,
        name: name(parts, placed),
        path: String::new(),
        for_each: None,
        include: Vec::new(),
        config: Vec::new(),
    };
    let parent = parent.and_then(|(index, at)| {
        let parent = &placed[index];
        Some((at, &parent.table, parent.key.as_ref()?))
    });
    for (at, part) in parts.iter().enumerate() {
        table.path.push('/');
        table.path += &match (part, &parent) {
            (Part::Word(word), _) => word.clone(),
            (Part::Parameter(name), Some((place, owner, key))) if at == *place => {
                table.for_each = Some(Line {
                    text: format!("for_each: {}", quoted(&owner.name)),
                    why: format!("The path has the `{key}` of a row of `{}`.", owner.name),
                });
                table.include.push((secret_name(name), format!("parent.{key}")));
                format!("{{{{ parent.{key} }}}}")
            }
            // What the parent's rows keep of their own parents.
            (Part::Parameter(name), Some((_, owner, _)))
                if owner.include.iter().any(|(field, _)| *field == secret_name(name)) =>
            {
                let field = secret_name(name);
                table.include.push((field.clone(), format!("parent.{field}")));
                format!("{{{{ parent.{field} }}}}")
            }
            (Part::Parameter(name), _) => {
                let name = secret_name(name);
                let template = format!("{{{{ config.{name} }}}}");
                table.config.push(name);
                template
            }
        };
    }
    if table.path.is_empty() {
        table.path.push('/');
    }
    widen_key(&mut table);
    table
}

/// A child's key that does not claim to be the only one of its kind is one among its parent's rows.
fn widen_key(table: &mut TableDraft<'_>) {
    let (Some(key), Some(field), Some((parent, _))) =
        (&mut table.found.key, &table.found.key_field, table.include.last())
    else {
        return;
    };
    if !matches!(plain(field).as_str(), "id" | "uuid" | "guid") {
        key.text = format!("primary_key: [{}, {}]", quoted(parent), quoted(field));
        key.why += " Another parent's rows may have the same.";
    }
}

/// The last word of the path; with the one before it where a table is called so already.
fn name(parts: &[Part], placed: &[Placed<'_>]) -> String {
    let words: Vec<String> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Word(word) => {
                let word = word.split('.').next().unwrap_or_default();
                let name = secret_name(word);
                Some(if name == "key" && word != "key" { "rows".to_owned() } else { name })
            }
            Part::Parameter(_) => None,
        })
        .collect();
    let is_free = |name: &String| placed.iter().all(|other| other.table.name != *name);
    let longer = (1..=words.len()).map(|count| words[words.len() - count..].join("_"));
    let numbered = (2..).map(|number| format!("{}_{number}", words.join("_")));
    if words.is_empty() {
        return "rows".to_owned();
    }
    longer.chain(numbered).find(is_free).expect("there is no end of numbers")
}
