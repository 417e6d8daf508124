//! Rows and columns of text, aligned.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A table to print. Numbers stand at the right.
#[derive(Default)]
pub(crate) struct Grid {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

struct Column {
    title: String,
    /// Stands below the title: a type.
    subtitle: String,
    right: bool,
    cell_width_max: usize,
}

/// A wider cell is cut.
const CELL_WIDTH_MAX: usize = 48;
const GAP: &str = "  ";

impl Grid {
    pub(crate) fn left(self, title: &str) -> Grid {
        self.with(title, "", false, CELL_WIDTH_MAX)
    }

    pub(crate) fn right(self, title: &str) -> Grid {
        self.with(title, "", true, CELL_WIDTH_MAX)
    }

    /// A column whose cells are not cut.
    pub(crate) fn long(self, title: &str) -> Grid {
        self.with(title, "", false, usize::MAX)
    }

    /// A column with its type below the title.
    pub(crate) fn typed(self, title: &str, subtitle: &str, right: bool) -> Grid {
        self.with(title, subtitle, right, CELL_WIDTH_MAX)
    }

    fn with(mut self, title: &str, subtitle: &str, right: bool, cell_width_max: usize) -> Grid {
        let (title, subtitle) = (title.to_owned(), subtitle.to_owned());
        self.columns.push(Column { title, subtitle, right, cell_width_max });
        self
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut cells: Vec<String> = cells.into_iter().collect();
        cells.resize(self.columns.len(), String::new());
        self.rows.push(cells);
    }

    /// Its lines, the first (one or two) being titles; no wider than `width_max`: columns that do not
    /// fit are left out and counted.
    pub(crate) fn lines(&self, width_max: usize) -> Lines {
        let mut widths = Vec::new();
        let mut total = 0;
        for (index, column) in self.columns.iter().enumerate() {
            let cells = self.rows.iter().map(|row| row[index].as_str());
            let titles = [column.title.as_str(), column.subtitle.as_str()];
            let width = titles
                .into_iter()
                .chain(cells)
                .map(|text| shown(text, column.cell_width_max).width())
                .max();
            let width = width.unwrap_or_default();
            if index > 0 && total + GAP.len() + width > width_max {
                break;
            }
            total += width + if index == 0 { 0 } else { GAP.len() };
            widths.push(width);
        }
        let line = |cell: &dyn Fn(usize) -> String| {
            let padded = widths.iter().enumerate().map(|(index, width)| {
                let text = cell(index);
                let padding = " ".repeat(width.saturating_sub(text.width()));
                if self.columns[index].right { padding + &text } else { text + &padding }
            });
            padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
        };
        let mut titles = vec![line(&|index| shown(&self.columns[index].title, CELL_WIDTH_MAX))];
        if self.columns.iter().any(|column| !column.subtitle.is_empty()) {
            titles.push(line(&|index| shown(&self.columns[index].subtitle, CELL_WIDTH_MAX)));
        }
        Lines {
            titles,
            rows: self
                .rows
                .iter()
                .map(|row| line(&|index| shown(&row[index], self.columns[index].cell_width_max)))
                .collect(),
            left_out: self.columns.len() - widths.len(),
        }
    }
}

/// A grid as lines.
pub(crate) struct Lines {
    pub(crate) titles: Vec<String>,
    pub(crate) rows: Vec<String>,
    /// Columns that did not fit.
    pub(crate) left_out: usize,
}

/// The text as it may stand in a cell: on one line, without control characters, not too wide.
fn shown(text: &str, width_max: usize) -> String {
    let mut out = String::new();
    let mut width = 0;
    for character in text.chars() {
        let character = match character {
            '\n' => '⏎',
            other if other.is_control() => '·',
            other => other,
        };
        width += character.width().unwrap_or_default();
        if width > width_max {
            out.pop();
            out.push('…');
            break;
        }
        out.push(character);
    }
    out
}

/// The width of the terminal, or a generous one.
pub(crate) fn terminal_width() -> usize {
    use std::io::IsTerminal;
    const WITHOUT_TERMINAL: usize = 10_000;
    if !std::io::stdout().is_terminal() {
        return WITHOUT_TERMINAL;
    }
    let (_, columns) = console::Term::stdout().size();
    usize::from(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_what_does_not_fit_is_counted() {
        let mut grid = Grid::default().left("name").right("rows").left("note");
        grid.row(["größe".into(), "1,000".into(), "a\nb".into()]);
        grid.row(["x".into(), "1".into(), "z".repeat(100)]);
        let lines = grid.lines(1000);
        assert_eq!(lines.titles, ["name    rows  note"]);
        assert_eq!(lines.rows[0], "größe  1,000  a⏎b");
        assert!(lines.rows[1].ends_with("zzz…"));
        let narrow = grid.lines(20);
        assert_eq!((narrow.left_out, narrow.rows[1].as_str()), (1, "x          1"));
    }
}
