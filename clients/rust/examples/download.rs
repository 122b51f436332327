//! Downloads an export into a file.

use straw_client::Client;
use tokio::io::AsyncWriteExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::connect("127.0.0.1:9090")?;
    let mut file = tokio::fs::File::create("export.csv").await?;
    let mut bytes = client.download("exp_1").await?;
    while let Some(piece) = bytes.next().await {
        file.write_all(&piece?).await?;
    }
    Ok(file.sync_all().await?)
}
