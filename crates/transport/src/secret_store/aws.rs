//! AWS Secrets Manager and the parameters of Systems Manager.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header;
use protocol::FunctionError;
use serde_json::{Value, json};

use super::{SecretAddress, SecretReader, refused};
use crate::aws::{AwsIdentity, AwsOptions, AwsSigner, endpoint_of_environment};

impl SecretReader {
    pub(super) async fn aws_secret(
        &self,
        address: &SecretAddress,
    ) -> Result<String, FunctionError> {
        let asked = json!({ "SecretId": address.name });
        let answer = self
            .call_aws(address, "secretsmanager", "secretsmanager.GetSecretValue", &asked)
            .await?;
        let binary = || {
            let text = STANDARD.decode(answer["SecretBinary"].as_str()?).ok()?;
            String::from_utf8(text).ok()
        };
        let text = answer["SecretString"].as_str().map(str::to_owned).or_else(binary);
        text.ok_or_else(|| refused(address, "secret_not_found", "it is no text"))
    }

    pub(super) async fn aws_parameter(
        &self,
        address: &SecretAddress,
    ) -> Result<String, FunctionError> {
        let asked = json!({ "Name": address.name, "WithDecryption": true });
        let answer = self.call_aws(address, "ssm", "AmazonSSM.GetParameter", &asked).await?;
        let text = answer["Parameter"]["Value"].as_str().map(str::to_owned);
        text.ok_or_else(|| refused(address, "secret_not_found", "it has no value"))
    }

    async fn call_aws(
        &self,
        address: &SecretAddress,
        service: &'static str,
        target: &str,
        asked: &Value,
    ) -> Result<Value, FunctionError> {
        let options = AwsOptions::default();
        // `arn:aws:SERVICE:REGION:ACCOUNT:…`
        let known = address.name.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2));
        let region = options.region(known)?;
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let variable = if service == "ssm" { "SSM" } else { "SECRETS_MANAGER" };
        let endpoint = endpoint_of_environment(variable)
            .unwrap_or_else(|| format!("https://{service}.{region}.amazonaws.com{suffix}"));
        let body = Bytes::from(asked.to_string());
        let request = hyper::Request::post(format!("{}/", endpoint.trim_end_matches('/')))
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
            .header("x-amz-target", target)
            .body(Full::new(body.clone()))
            .map_err(|_| refused(address, "invalid_url", "its endpoint is no URL"))?;
        let identity = AwsIdentity::new(&region, &options, &self.proxies);
        let request = AwsSigner::new(service, &region, identity).sign(request, &body).await?;
        self.ask(address, request, |json| {
            let kind = json["__type"].as_str()?.rsplit('#').next()?;
            let message = json["message"].as_str().or_else(|| json["Message"].as_str());
            Some(format!("{kind}: {}", message.unwrap_or_default()))
        })
        .await
    }
}
