use std::os::unix::fs::PermissionsExt;

use super::*;

type Variables = [(&'static str, &'static str)];

fn read(url: &str, variables: &Variables) -> Result<Server, DestinationError> {
    Server::read(url, &|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

/// What is shown, the mode, and the password that is used.
fn check(url: &str, variables: &Variables, expected: (&str, Mode, Option<&str>)) {
    let server = read(url, variables).expect("an address");
    let password =
        server.config.get_password().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!((server.shown(), server.mode, password.as_deref()), expected, "{url}");
    assert_eq!(format!("{server:?}"), server.shown());
}

#[test]
fn a_url_says_what_it_says_and_the_environment_the_rest() {
    check(
        "postgres://ada:s%40crt@db.example.com:6432/shop?application_name=x",
        &[("PGUSER", "eve"), ("PGPASSWORD", "no")],
        ("postgres://ada@db.example.com:6432/shop", Mode::VerifyFull, Some("s@crt")),
    );
    check(
        "postgres://",
        &[
            ("PGHOST", "db"),
            ("PGPORT", "1"),
            ("PGUSER", "a b"),
            ("PGDATABASE", "c/d"),
            ("PGPASSWORD", "p"),
            ("PGSSLMODE", "require"),
        ],
        ("postgres://a%20b@db:1/c%2Fd", Mode::Require, Some("p")),
    );
    check("postgresql://ada@localhost", &[], ("postgres://ada@localhost/ada", Mode::Disable, None));
    check(
        "postgres://ada@%2Frun%2Fpg/shop",
        &[],
        ("postgres://ada@%2Frun%2Fpg/shop", Mode::Disable, None),
    );
    check(
        "postgres://ada@127.0.0.1/shop?sslmode=verify-ca&sslrootcert=%2Fca.pem",
        &[],
        ("postgres://ada@127.0.0.1/shop", Mode::VerifyCa, None),
    );
    check(
        "postgres://ada@db/shop?sslmode=require",
        &[("PGSSLROOTCERT", "/ca.pem")],
        ("postgres://ada@db/shop", Mode::VerifyCa, None),
    );
    check(
        "postgres://ada@one,two:2/shop?sslmode=prefer",
        &[],
        ("postgres://ada@one,two:2/shop", Mode::Prefer, None),
    );
}

#[test]
fn an_address_that_cannot_be_read_is_refused_without_its_password() {
    for (url, variables) in [
        ("postgres://ada:secret@db:port/x", &[][..]),
        ("postgres://ada:secret@db/x?sslmode=maybe", &[]),
        ("postgres://ada:secret@db/x?nonsense=secret", &[]),
        ("postgres://db/x", &[]),
        ("postgres://ada:secret@db/x", &[("PGCONNECT_TIMEOUT", "secret")]),
    ] {
        let error = read(url, variables).expect_err(url);
        assert_eq!(error.code(), "destination_url", "{url}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn a_password_file_is_read_as_libpq_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("passwords");
    std::fs::write(
        &file,
        "# comment\nother:*:*:*:no\ndb:5432:shop:a\\:da:with\\\\back\\:slash\n*:*:*:ada:any\n",
    )
    .expect("it is written");
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode));
    let name: &'static str = file.to_str().expect("a path").to_owned().leak();
    mode(0o600).expect("it is ours");
    check(
        "postgres://a%3Ada@db/shop",
        &[("PGPASSFILE", name)],
        ("postgres://a%3Ada@db/shop", Mode::VerifyFull, Some("with\\back:slash")),
    );
    check(
        "postgres://ada@db/shop",
        &[("PGPASSFILE", name)],
        ("postgres://ada@db/shop", Mode::VerifyFull, Some("any")),
    );
    mode(0o644).expect("it is ours");
    let error = read("postgres://ada@db/shop", &[("PGPASSFILE", name)]).expect_err("open to all");
    assert_eq!(error.code(), "destination_authentication");
}
