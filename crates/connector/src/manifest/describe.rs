//! A manifest read aloud: what will be asked for, how pages follow each other, what "new" means.

use super::{CursorConfig, ForEach, Manifest, Method, Pagination, Source, TableConfig, Target};

/// How one table will be read, in sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDescription {
    pub name: String,
    /// The method and the address, with its templates as they are written.
    pub request: String,
    /// How its pages follow each other, and what ends them.
    pub pages: String,
    /// What the next sync will read.
    pub cursor: String,
}

impl Manifest {
    /// How each table will be read. Nothing is sent.
    pub fn describe(&self) -> Vec<TableDescription> {
        let describe = |(name, table): (&String, &TableConfig)| TableDescription {
            name: name.clone(),
            request: self.request(name, table),
            pages: match &table.files {
                Some(_) => "file after file, by the time of their change".to_owned(),
                None => table.pagination.as_ref().unwrap_or(&self.pagination).describe(),
            },
            cursor: table.describe_cursor(),
        };
        self.tables.iter().map(describe).collect()
    }

    fn request(&self, name: &str, table: &TableConfig) -> String {
        let parent = table.for_each.as_ref().and_then(ForEach::table);
        if let (Some(path), Some(parent)) = (&table.explode, parent) {
            return format!("no request: the rows in `{path}` of each row of {parent}");
        }
        if let Some(files) = &table.files {
            return format!("no request: the files {}", files.paths.0.join(", "));
        }
        let method = match table.method {
            Some(Method::Put) => "PUT",
            Some(Method::Post) => "POST",
            None if table.body.is_some() || !table.form.is_empty() => "POST",
            Some(Method::Get) | None => "GET",
        };
        let path = table.path.as_deref().unwrap_or(name);
        let address = match path {
            "" | "/" => self.base_url.clone(),
            whole if whole.starts_with("http") => whole.to_owned(),
            path => {
                let base = self.base_url.trim_end_matches('/');
                format!("{base}/{}", path.trim_start_matches('/'))
            }
        };
        let each = match &table.for_each {
            None => String::new(),
            Some(ForEach::Table(parent)) => format!(", for each row of {parent}"),
            Some(ForEach::All(parent)) => format!(", for each of all rows of {parent}"),
            Some(ForEach::Request(request)) => {
                format!(", for each row of {}", self.request("", request))
            }
            Some(ForEach::Values(values)) => format!(", for each of {} values", values.len()),
        };
        format!("{method} {address}{each}")
    }
}

impl Pagination {
    fn describe(&self) -> String {
        let mut text = if let Some(page) = &self.page {
            format!("numbered from {} as {}, until {}", page.start, page.to, self.end())
        } else if let Some(offset) = &self.offset {
            format!("from row {} on as {}, until {}", offset.start, offset.to, self.end())
        } else if let Some(token) = &self.cursor {
            match (&token.from, &token.to) {
                (Source::LastRow(field), to) => {
                    format!("after the `{field}` of the last row as {to}, until {}", self.end())
                }
                (from, Target::Url) => {
                    format!("each has the address of the next in {from}, until it has none")
                }
                (from, to) => {
                    format!(
                        "each has a token for the next in {from}, sent as {to}, until it has none"
                    )
                }
            }
        } else {
            "one holds all".to_owned()
        };
        if let Some(size) = &self.size {
            text += &format!("; {} rows each", size.value);
        }
        if let Some(total) = &self.total {
            text += &format!("; fewer rows than {total} says are an error");
        }
        text
    }

    fn end(&self) -> String {
        if let Some(more) = &self.has_more {
            return format!("{more} says no");
        }
        if let Some(pages) = &self.total_pages {
            return format!("{pages} is reached");
        }
        match (&self.total, self.short_page_ends) {
            (Some(total), _) if self.cursor.is_none() => format!("{total} is reached"),
            (_, true) => "a short page".to_owned(),
            _ => "an empty page".to_owned(),
        }
    }
}

impl TableConfig {
    fn describe_cursor(&self) -> String {
        let deletes = self.deletes.clone().unwrap_or_default();
        let mut text = match &self.cursor {
            Some(cursor) => cursor.describe(),
            None if self.files.is_some() => "files that are new or have changed".into(),
            None if self.explode.is_some() => "that of the rows that they are in".into(),
            None if deletes.sweep => {
                "none: every sync reads the whole table, and rows that are gone are marked as deleted".into()
            }
            None => "none: every sync reads the whole table".into(),
        };
        if let Some(path) = deletes.feed.and_then(|feed| feed.path) {
            text += &format!("; rows that {path} lists are marked as deleted");
        }
        text
    }
}

impl CursorConfig {
    fn describe(&self) -> String {
        let mut text = match (&self.field, &self.from) {
            (_, Some(from)) => format!("what {from} said last"),
            (Some(field), None) => format!("rows since the newest `{field}`"),
            (None, None) => String::new(),
        };
        match &self.to {
            Some(to) => text += &format!(", sent as {to}"),
            None => text += "; older rows are left out here",
        }
        if let Some(start) = &self.start {
            text += &format!("; the first sync begins at {start}");
        }
        if let Some(lookback) = &self.lookback {
            text += &format!("; {lookback} are read again");
        }
        if let Some(step) = &self.step {
            text += &format!("; {step} at a time");
        }
        text
    }
}
