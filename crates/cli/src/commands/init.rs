use std::path::PathBuf;

use connector::manifest::Manifest;
use connector::{Draft, SampleRequest, draft_document, sample};

use crate::arguments::InitArguments;
use crate::failure::{Exit, Failure};
use crate::output::outln;
use crate::paint::Paint;
use crate::{curl, reference};

/// Drafts a manifest from an answer of an API or from a file, and says how to go on.
pub(crate) fn run(arguments: &InitArguments) -> Result<Exit, Failure> {
    let only = arguments.only.as_deref();
    let file = arguments.from.as_deref().filter(|from| !from.contains("://"));
    let drafted = match file {
        Some(file) => draft_document(&text_of(file)?, only),
        None => {
            let request = request(arguments)?;
            super::runtime().block_on(async { sample(&request).await?.draft(only) })
        }
    };
    let draft = drafted.map_err(Failure::from)?;
    let file = arguments.output.clone().unwrap_or_else(|| format!("{}.yaml", draft.name).into());
    if file.as_os_str() == "-" {
        outln!("{}", draft.manifest.trim_end());
        return Ok(Exit::Landed);
    }
    write(&file, &draft, arguments.force)?;
    tell(&file, &draft);
    Ok(Exit::Landed)
}

fn text_of(file: &str) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| {
        Failure::new("document_unreadable", format!("{file} cannot be read: {error}"))
    })
}

/// The request with its references looked up.
fn request(arguments: &InitArguments) -> Result<SampleRequest, Failure> {
    let mut request = match (&arguments.from, &arguments.curl) {
        (_, Some(line)) => curl::read(line)
            .map_err(|message| Failure::new("usage", format!("--curl: {message}")))?,
        (Some(url), None) => SampleRequest { url: url.clone(), ..SampleRequest::default() },
        (None, None) => unreachable!("the command line wants one of them"),
    };
    for header in &arguments.header {
        let (name, value) = header.split_once(':').ok_or_else(|| {
            Failure::new("usage", "--header wants NAME: TEXT; the text after --header has no colon")
        })?;
        request.headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    let expand = |text: &str| {
        reference::expand(text, &|name| std::env::var(name).ok())
            .map_err(|message| Failure::new("missing_secret", message))
    };
    request.url = expand(&request.url)?;
    for (_, value) in &mut request.headers {
        *value = expand(value)?;
    }
    Ok(request)
}

fn write(file: &PathBuf, draft: &Draft, force: bool) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let opened = options.write(true).open(file);
    let written = opened
        .and_then(|mut opened| std::io::Write::write_all(&mut opened, draft.manifest.as_bytes()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::new("file_exists", format!("{} is there already", file.display()))
        }
        _ => Failure::new(
            "file_unwritable",
            format!("{} cannot be written: {error}", file.display()),
        ),
    })
}

fn tell(file: &std::path::Path, draft: &Draft) {
    let paint = Paint::of(&std::io::stdout());
    let file = file.display();
    let tables: Vec<String> = draft.tables.iter().map(|table| paint.bold(table)).collect();
    let word = if tables.len() == 1 { "table" } else { "tables" };
    outln!("{file}: a manifest with the {word} {}", tables.join(", "));
    if let Ok(manifest) = Manifest::parse(&draft.manifest) {
        super::manifest::describe(&manifest);
    }
    let mut secrets = String::new();
    for name in &draft.secrets {
        let variable = name.to_uppercase();
        secrets += &format!(" --secret '{name}=${{{variable}}}'");
    }
    outln!("\nRead its comments, then:");
    outln!("  hasmore read {} --manifest {file} --pages 2{secrets}", draft.tables[0]);
    outln!("  hasmore sync --manifest {file} --to warehouse.duckdb{secrets}");
}
