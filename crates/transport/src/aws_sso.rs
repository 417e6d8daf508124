//! The login that `aws configure sso` writes today: a profile that names a session.

use ini::Ini;
use reqsign_aws_v4::{Credential, SSOCredentialProvider};
use reqsign_core::{Context, ProvideCredential, Result};

/// Credentials of a profile with `sso_session`. Profiles with `sso_start_url`, the older way, are read by
/// the chain of the crate.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html>
#[derive(Clone, Debug)]
pub(crate) struct SsoSession {
    /// Else `AWS_PROFILE`, else `default`.
    pub(crate) profile: Option<String>,
}

impl ProvideCredential for SsoSession {
    type Credential = Credential;

    async fn provide_credential(&self, context: &Context) -> Result<Option<Credential>> {
        let path = context.env_var("AWS_CONFIG_FILE").unwrap_or_else(|| "~/.aws/config".to_owned());
        let path = context.expand_home_dir(&path).unwrap_or(path);
        // A file that is not there, or that cannot be read, is the next place's to tell.
        let Ok(text) = context.file_read(&path).await else { return Ok(None) };
        let Ok(config) = Ini::load_from_str(&String::from_utf8_lossy(&text)) else {
            return Ok(None);
        };
        let profile = self.profile.clone().or_else(|| context.env_var("AWS_PROFILE"));
        match login(&config, profile.as_deref().unwrap_or("default")) {
            Some(login) => login.provide_credential(context).await,
            None => Ok(None),
        }
    }
}

/// The crate asks for a start URL only to find the kept token, whose file is named after the session here.
fn login(config: &Ini, profile: &str) -> Option<SSOCredentialProvider> {
    let section = match profile {
        "default" => config.section(Some("default")),
        name => config.section(Some(format!("profile {name}"))),
    }?;
    let session = section.get("sso_session")?;
    let region = config.section(Some(format!("sso-session {session}")))?.get("sso_region")?;
    let login = SSOCredentialProvider::new()
        .with_start_url(session)
        .with_region(region)
        .with_account_id(section.get("sso_account_id")?)
        .with_role_name(section.get("sso_role_name")?);
    Some(login)
}
