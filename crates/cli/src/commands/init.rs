use std::path::PathBuf;

use connector::manifest::Manifest;
use connector::{Draft, SampleRequest, sample};

use crate::arguments::InitArguments;
use crate::failure::{Exit, Failure};
use crate::output::outln;
use crate::paint::Paint;
use crate::{curl, reference};

/// Drafts a manifest from one answer of an API, and says how to go on.
pub(crate) fn run(arguments: &InitArguments) -> Result<Exit, Failure> {
    let request = request(arguments)?;
    let drafted = super::runtime().block_on(async { sample(&request).await?.draft() });
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

/// The request with its references looked up.
fn request(arguments: &InitArguments) -> Result<SampleRequest, Failure> {
    let mut request = match (&arguments.url, &arguments.curl) {
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
    outln!("{file}: a manifest with the table {}", paint.bold(&draft.table));
    if let Ok(manifest) = Manifest::parse(&draft.manifest) {
        super::manifest::describe(&manifest);
    }
    let mut secrets = String::new();
    for name in &draft.secrets {
        let variable = name.to_uppercase();
        secrets += &format!(" --secret '{name}=${{{variable}}}'");
    }
    outln!("\nRead its comments, then:");
    outln!("  hasmore read {} --manifest {file} --pages 2{secrets}", draft.table);
    outln!("  hasmore sync --manifest {file} --to warehouse.duckdb{secrets}");
}
