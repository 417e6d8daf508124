//! Every place of AWS's chain of credentials, one by one: what a call is signed with is recomputed by
//! botocore.

use std::path::Path;

use moto::Moto;
use serde_json::json;

use crate::lambda::check_signature;
use crate::support::{Answer, Ended, FakeFunction, Hasmore, write};

const PAGE: &str = r#"{"state":{"n":1},"insert":{"t":[{"a":1}]},"hasMore":false}"#;
const KEY: &str = "ASIAOFTHEPLACE000000";
const SECRET: &str = "secret/of+the=place";
const TOKEN: &str = "token/of+the=place==";

/// No place of this machine is seen by the program, but those of the test.
struct World {
    folder: tempfile::TempDir,
    lambda: FakeFunction,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join(".aws/sso/cache")).expect("a folder");
        World { folder, lambda: FakeFunction::answering(|_| Answer::json(PAGE)) }
    }

    fn write(&self, name: &str, text: &str) -> String {
        write(self.folder.path(), name, text).to_str().expect("UTF-8").to_owned()
    }

    fn run(&self, aws: &str, environment: &[(&str, &str)]) -> Ended {
        let config = format!(
            "connections:\n  orders:\n    lambda: orders\n    aws: {aws}\n    destination: {{to: a.duckdb}}\n"
        );
        self.write("hasmore.yaml", &config);
        let hasmore = Hasmore::new(Path::new(self.folder.path()))
            .args(["sync"])
            .env("HOME", self.folder.path().to_str().expect("UTF-8"))
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ENDPOINT_URL_LAMBDA", &self.lambda.url());
        environment.iter().fold(hasmore, |it, (name, value)| it.env(name, value)).run()
    }

    /// The call is signed with what the place gave, and nothing of it is told.
    #[track_caller]
    fn check(&self, aws: &str, environment: &[(&str, &str)]) {
        let ended = self.run(aws, environment).expect_code(0);
        let received = self.lambda.take_received();
        check_signature(&received[0], (KEY, SECRET, TOKEN), "lambda");
        for secret in [SECRET, TOKEN] {
            assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "F-018");
        }
    }
}

const NO_INSTANCE: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");

#[test]
fn f_012_the_environment_comes_first() {
    let world = World::new();
    world.write(
        ".aws/credentials",
        "[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = other\n",
    );
    let environment = [
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_SESSION_TOKEN", TOKEN),
    ];
    world.check("{}", &environment);
}

#[test]
fn f_012_a_profile_is_the_one_that_is_named() {
    let world = World::new();
    let credentials = format!(
        "[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = other\n[work]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\naws_session_token = {TOKEN}\n"
    );
    world.write(".aws/credentials", &credentials);
    world.check("{profile: work}", &[NO_INSTANCE]);
    world.check("{}", &[NO_INSTANCE, ("AWS_PROFILE", "work")]);
}

/// The name of the kept token is the SHA-1 of `named`, as `aws sso login` has it.
fn check_login(config: &str, named: &str) {
    let world = World::new();
    world.write(".aws/config", config);
    let name = format!(".aws/sso/cache/{}.json", sha1_name(named));
    let kept = |until: &str| json!({ "accessToken": "token-of-the-login", "expiresAt": until });
    world.write(&name, &kept("2099-01-01T00:00:00Z").to_string());
    let given = json!({ "roleCredentials": { "accessKeyId": KEY, "secretAccessKey": SECRET, "sessionToken": TOKEN, "expiration": 4_070_908_800_000_u64 } });
    let portal = FakeFunction::start([Answer::json(given.to_string())]);
    world.check("{profile: work}", &[NO_INSTANCE, ("AWS_SSO_ENDPOINT", &portal.url())]);
    let asked = &portal.received()[0];
    assert_eq!(asked.header("x-amz-sso_bearer_token"), Some("token-of-the-login"));
    assert!(
        asked.line.contains("role_name=Caller") && asked.line.contains("account_id=123456789012")
    );
    // A login that is over says what to do.
    world.write(&name, &kept("2020-01-01T00:00:00Z").to_string());
    let ended = world.run("{profile: work}", &[NO_INSTANCE]).expect_error(2, "aws_no_credentials");
    assert!(ended.stderr.contains("aws sso login"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("token-of-the-login"), "F-018");
}

#[test]
fn f_012_a_profile_may_be_a_login_by_sso() {
    let start = "https://shop.awsapps.com/start";
    let who = "sso_account_id = 123456789012\nsso_role_name = Caller\n";
    let older = format!("[profile work]\nsso_start_url = {start}\nsso_region = eu-west-1\n{who}");
    check_login(&older, start);
    let session = format!(
        "[profile work]\nsso_session = shop\n{who}[sso-session shop]\nsso_start_url = {start}\nsso_region = eu-west-1\nsso_registration_scopes = sso:account:access\n"
    );
    check_login(&session, "shop");
}

fn sha1_name(text: &str) -> String {
    let script = "import hashlib, sys; print(hashlib.sha1(sys.argv[1].encode()).hexdigest())";
    let ended =
        std::process::Command::new(crate::support::python()).args(["-c", script, text]).output();
    String::from_utf8(ended.expect("Python runs").stdout).expect("text").trim().to_owned()
}

#[test]
fn f_012_a_profile_may_name_a_program() {
    let world = World::new();
    let given = json!({ "Version": 1, "AccessKeyId": KEY, "SecretAccessKey": SECRET, "SessionToken": TOKEN, "Expiration": "2099-01-01T00:00:00Z" });
    let file = world.write("given.json", &given.to_string());
    world.write(".aws/config", &format!("[profile work]\ncredential_process = cat {file}\n"));
    world.check("{profile: work}", &[NO_INSTANCE]);
}

#[test]
fn f_012_a_container_is_asked_for_its_tasks_role() {
    let world = World::new();
    let given = json!({ "AccessKeyId": KEY, "SecretAccessKey": SECRET, "Token": TOKEN, "Expiration": "2099-01-01T00:00:00Z" });
    let agent = FakeFunction::start([Answer::json(given.to_string())]);
    let uri = format!("{}v1/credentials", agent.url());
    let environment = [
        NO_INSTANCE,
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "token-of-the-task"),
    ];
    world.check("{}", &environment);
    assert_eq!(agent.received()[0].header("authorization"), Some("token-of-the-task"));
}

#[test]
fn f_012_an_instance_is_asked_last_with_a_session_token() {
    let world = World::new();
    let given = json!({ "Code": "Success", "AccessKeyId": KEY, "SecretAccessKey": SECRET, "Token": TOKEN, "Expiration": "2099-01-01T00:00:00Z" });
    let given = given.to_string();
    let instance = FakeFunction::answering(move |received| {
        let path = received.line.split(' ').nth(1).expect("a path");
        if path == "/latest/api/token" {
            assert!(received.line.starts_with("PUT "));
            return Answer::status(200, "token-of-the-instance");
        }
        assert_eq!(received.header("x-aws-ec2-metadata-token"), Some("token-of-the-instance"));
        match path.trim_end_matches('/') {
            "/latest/meta-data/iam/security-credentials" => Answer::status(200, "caller"),
            "/latest/meta-data/iam/security-credentials/caller" => Answer::json(given.clone()),
            path => panic!("{path}"),
        }
    });
    let url = instance.url();
    world.check("{}", &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.trim_end_matches('/'))]);
}

/// A role of moto's, given for a token of the cluster, or taken on by the caller.
#[test]
fn f_012_a_web_identity_and_a_role_are_given_by_sts() {
    let world = World::new();
    let moto = Moto::start();
    let token = world.write("token", "token.of.the-cluster");
    let role = "arn:aws:iam::123456789012:role/caller";
    let sts = ("AWS_ENDPOINT_URL_STS", moto.url());
    let environment =
        [NO_INSTANCE, sts, ("AWS_ROLE_ARN", role), ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str())];
    let (key, secret) = moto.keys();
    let whose = [NO_INSTANCE, sts, ("AWS_ACCESS_KEY_ID", key), ("AWS_SECRET_ACCESS_KEY", secret)];
    let taken_on = format!("{{role_arn: '{role}', external_id: the-owner}}");
    for (aws, environment) in [("{}", &environment[..]), (&taken_on, &whose[..])] {
        let ended = world.run(aws, environment).expect_code(0);
        let received = world.lambda.take_received();
        let signed = received[0].header("authorization").expect("a signature").to_owned();
        assert!(signed.contains("Credential=ASIA"), "a role's own key: {signed}");
        let token = received[0].header("x-amz-security-token").expect("a session").to_owned();
        for secret in [secret, token.as_str(), "token.of.the-cluster"] {
            assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "F-018");
        }
    }
}

/// Nobody has any: each place is looked at, and one error says what to do.
#[test]
fn f_012_without_any_place_it_is_told_what_to_do() {
    let world = World::new();
    world.run("{}", &[NO_INSTANCE]).expect_error(2, "aws_no_credentials");
    world.run("{profile: none}", &[NO_INSTANCE]).expect_error(2, "aws_no_credentials");
    assert_eq!(world.lambda.received().len(), 0);
}
