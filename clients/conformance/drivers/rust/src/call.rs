//! What takes one call.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use straw_client::v1::{GetEventRequest, GetStatusRequest};
use straw_client::{Client, Error, verify_signature};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;

use crate::Fault;
use crate::output::{describe, failure, say};

fn say_result(result: Result<Value, Error>) {
    say(result.unwrap_or_else(|error| failure(&error)));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    export: String,
    file: String,
    #[serde(default)]
    resume: bool,
}

/// Writes an export into a file.
pub async fn download(to: Export, client: &Client) -> Result<(), Fault> {
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(!to.resume).open(&to.file).await?;
    match write(client, to.export, &mut file).await? {
        Ok(line) => say(line),
        Err(error) => say(failure(&error)),
    }
    Ok(())
}

async fn write(client: &Client, export: String, file: &mut File) -> std::io::Result<Result<Value, Error>> {
    // Reading what is there leaves the file at its end.
    let mut bytes = match client.resume_download(export, &mut *file).await {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Err(error)),
    };
    while let Some(piece) = bytes.next().await {
        match piece {
            Ok(piece) => file.write_all(&piece).await?,
            Err(error) => return Ok(Err(error)),
        }
    }
    file.sync_all().await?;
    Ok(Ok(json!({"bytes": bytes.offset(), "sha256": bytes.sha256()})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Get {
    id: String,
}

/// Shows one event.
pub async fn get(which: Get, client: &Client) -> Result<(), Fault> {
    let request = GetEventRequest { id: which.id, ..GetEventRequest::default() };
    let event = client.events().get_event(request).await;
    say_result(event.map(|e| describe(e.get_ref())).map_err(Error::from));
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    body: String,
    header: String,
    secrets: Vec<String>,
}

/// Verifies a webhook's signature.
pub fn verify(webhook: &Verify) -> Result<(), Fault> {
    let body = BASE64_STANDARD.decode(&webhook.body)?;
    say_result(
        verify_signature(&body, &webhook.header, &webhook.secrets).map(|valid| json!({"valid": valid})),
    );
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {}

/// Shows the gateway's version.
pub async fn status(_: Status, client: &Client) -> Result<(), Fault> {
    let status = client.gateway().get_status(GetStatusRequest {}).await;
    say_result(status.map(|s| json!({"version": s.get_ref().version})).map_err(Error::from));
    Ok(())
}
